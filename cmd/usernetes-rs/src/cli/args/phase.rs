//! `init phase` and `join phase`: subcommands generated from the workflow's table.

use crate::errors::UsageError;
use crate::phases::WorkflowData;
use crate::workflow::{Phase, Selection};
use clap::{ArgMatches, Command, FromArgMatches, Subcommand};
use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;

/// The path after `phase`: a phase and, where given, one of its parts. Empty for the list of phases.
pub(crate) struct PhaseCommand<D> {
    path: Vec<String>,
    workflow: PhantomData<fn() -> D>,
}

const NAME: &str = "phase";

impl<D: WorkflowData> PhaseCommand<D> {
    /// Whether the list of phases is wanted.
    pub(crate) fn is_list(&self) -> bool {
        self.path.is_empty()
    }

    /// The phase, or the part of it, that the path names.
    pub(crate) fn select(&self) -> Result<Selection<D>, UsageError> {
        D::workflow().select_only(&self.path)
    }
}

impl<D> fmt::Debug for PhaseCommand<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(NAME).field(&self.path).finish()
    }
}

impl<D: WorkflowData> FromArgMatches for PhaseCommand<D> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut path = Vec::new();
        let mut next = matches.subcommand_matches(NAME).and_then(ArgMatches::subcommand);
        while let Some((name, matches)) = next {
            path.push(name.to_owned());
            // Words behind a name that is not in the table.
            if let Ok(Some(words)) = matches.try_get_many::<OsString>("") {
                path.extend(words.map(|word| word.to_string_lossy().into_owned()));
            }
            next = matches.subcommand();
        }
        Ok(Self { path, workflow: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<D: WorkflowData> Subcommand for PhaseCommand<D> {
    fn augment_subcommands(command: Command) -> Command {
        let workflow = D::workflow();
        let about = format!("Run one phase of {}; without a name, list the phases", workflow.name);
        // A name that is not in the table, and the spelling `certs/ca`, are left to the workflow.
        let phase = Command::new(NAME).about(about).allow_external_subcommands(true);
        command.subcommand(phase.subcommands(workflow.phases.iter().map(phase_command)))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        name == NAME
    }
}

fn phase_command<D>(phase: &'static Phase<D>) -> Command {
    // A part that is not in the table is left to the workflow as well. `all` is kubeadm's name for the whole phase.
    let command = Command::new(phase.name).about(phase.short).allow_external_subcommands(true);
    let parts = phase.parts().into_iter().map(|part| Command::new(part.name).about(part.short));
    command.subcommand(Command::new("all").about("Run the whole phase")).subcommands(parts)
}
