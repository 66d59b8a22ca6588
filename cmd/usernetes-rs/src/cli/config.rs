//! `config`: the configuration documents.

use super::args::DocumentArgs;
use crate::session::{Session, read_config, set_defaults};
use anyhow::{Context as _, Result};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use usernetes_api::{ConfigError, FieldError};

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
            let config = args.resolve_any(session)?;
            if session.printer.json() {
                for document in config.documents() {
                    // YAML allows keys that JSON does not.
                    session.printer.object(&serde_json::to_value(document).context("the document has no JSON form")?);
                }
            }
            session.printer.result(config.to_user_yaml().trim_end());
        }
        ConfigCommand::Validate { config: path } => {
            validate_file(session, &path)?;
            session.printer.result(&format!("{}: ok", path.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks a file as each command would that the file is for.
fn validate_file(session: &Session, path: &Path) -> Result<()> {
    let file = read_config(path)?;
    let readers = file.readers();
    let mut mistakes: Vec<FieldError> = Vec::new();
    for reader in &readers {
        let mut config = file.read(*reader);
        set_defaults(session, &mut config)?;
        let found = config.validate().err().map(ConfigError::into_mistakes).unwrap_or_default();
        mistakes.extend(found.into_iter().filter(|mistake| !mistakes.contains(mistake)).collect::<Vec<_>>());
        if readers.len() == 1 {
            session.print_notes(&config);
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(ConfigError::Invalid(mistakes).into()) }
}
