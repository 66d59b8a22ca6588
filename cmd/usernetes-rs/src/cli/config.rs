//! `config`: the documents.

use super::InitArgs;
use crate::session::{Session, host_facts, read_config};
use anyhow::Result;
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the documents that init would use, with every default, or those in use
    Print(Box<InitArgs>),
    /// Read a file and say everything that is wrong with it
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
            crate::ui::out(config.to_yaml().trim_end());
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
