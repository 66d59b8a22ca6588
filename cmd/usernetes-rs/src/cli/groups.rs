//! The commands of the program in groups, as its help lists them.

use super::Cli;
use clap::{Command, CommandFactory as _};

/// Every visible command, in the order of help. A test compares the table with the commands.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Cluster", &["init", "join", "reset", "nodes", "token", "certs", "config"]),
    ("Node", &["start", "stop", "status", "logs", "shell", "ports", "preflight", "support"]),
    ("Software", &["bundle", "images", "kubectl", "version"]),
    ("Help", &["help", "completion"]),
];

/// Text of `help`, which clap adds when it parses the command line.
const HELP: &str = "Print this message or the help of the given subcommand(s)";

/// The command line, with its commands in groups.
pub(super) fn command() -> Command {
    let command = Cli::command();
    let groups = render_groups(&command);
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}{{all-args}}{{after-help}}"
    ))
}

fn render_groups(command: &Command) -> String {
    let header = command.get_styles().get_header();
    let literal = command.get_styles().get_literal();
    let mut lines = Vec::new();
    for (title, names) in GROUPS {
        lines.push(format!("{header}{title} commands:{header:#}"));
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map_or(HELP.to_owned(), ToString::to_string);
            lines.push(format!("  {literal}{name:<12}{literal:#} {about}"));
        }
        lines.push(String::new());
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_visible_command_is_in_one_group() {
        let mut command = Cli::command();
        command.build();
        let visible = command.get_subcommands().filter(|c| !c.is_hide_set()).map(Command::get_name);
        let visible: BTreeSet<_> = visible.collect();
        let listed: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        assert_eq!(listed.len(), visible.len(), "{listed:?}");
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), visible);
    }
}
