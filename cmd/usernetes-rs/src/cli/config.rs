//! `config`: the configuration documents.

use super::args::DocumentArgs;
use crate::session::{Session, host_facts, read_config};
use anyhow::{Context as _, Result};
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the configuration of init with all defaults, or the one in use
    Print(Box<DocumentArgs>),
    /// Validate a configuration file and report what is wrong
    Validate {
        /// Path to the file
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
                    session.printer.object(&serde_json::to_value(document).context("the document has no JSON form")?);
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
