//! `config`: the documents.

use super::init::DocumentArgs;
use crate::session::{Session, host_facts, read_config};
use anyhow::{Context as _, Result};
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the documents that init would use, with every default, or those in use
    Print(Box<DocumentArgs>),
    /// Read a file and say what is wrong: the first mistake of form, or else every value that cannot work
    Validate {
        /// The file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

pub(crate) fn run(session: &Session, command: ConfigCommand) -> Result<ExitCode> {
    match command {
        ConfigCommand::Print(args) => {
            let config = args.resolve(session)?;
            if session.printer.json() {
                for document in config.documents() {
                    // YAML allows keys that JSON does not.
                    session.printer.object(&serde_json::to_value(document).context("no JSON can say this")?);
                }
            }
            session.printer.result(config.to_user_yaml().trim_end());
        }
        ConfigCommand::Validate { config: path } => {
            let mut config = read_config(&path)?;
            config.set_defaults(&host_facts(config.rootless.host_ip)?);
            config.validate()?;
            session.printer.result(&format!("{}: ok", path.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}
