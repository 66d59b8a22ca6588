//! `logs`: the logs of the node's components.

use crate::errors::Hinted;
use crate::output::print_line;
use crate::session::Session;
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;
use usernetes_node::{ComponentName, logs};

#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    /// Name of the component [default: all of them]
    component: Option<ComponentName>,
    /// Follow the log until interrupted
    #[arg(short, long)]
    follow: bool,
    /// Number of lines from the end
    #[arg(long, default_value_t = 50, value_name = "N")]
    tail: usize,
}

pub(crate) fn run(session: &Session, args: &LogsArgs) -> Result<ExitCode> {
    session.config()?;
    let directory = session.paths().logs();
    if let Some(name) = args.component.filter(|name| !args.follow && !has_log(&directory, *name)) {
        return Err(missing_log(&directory, name).into());
    }
    let components = args.component.map_or(ComponentName::ALL.to_vec(), |c| vec![c]);
    let with_names = args.component.is_none();
    for name in &components {
        for line in logs::read_tail(&directory, *name, args.tail)? {
            print_log_line(*name, &line, with_names);
        }
    }
    if args.follow {
        for line in logs::follow_logs(&directory, &components)? {
            let (name, line) = line?;
            print_log_line(name, &line, with_names);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_log_line(name: ComponentName, line: &str, with_name: bool) {
    print_line(&if with_name { format!("{name}: {line}") } else { line.to_owned() });
}

fn has_log(directory: &Path, name: ComponentName) -> bool {
    logs::log_path(directory, name).exists()
}

fn missing_log(directory: &Path, name: ComponentName) -> Hinted {
    let others = ComponentName::ALL.iter().filter(|name| has_log(directory, **name));
    let others: Vec<_> = others.map(ToString::to_string).collect();
    let hint = if others.is_empty() { "usernetes-rs start".into() } else { format!("one of {}", others.join(", ")) };
    Hinted::new(format!("{name} has not run on this node: it has no log"), hint)
}
