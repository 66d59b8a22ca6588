//! A command on a host, prepared.

pub(crate) mod background;
pub(crate) mod output;
pub(crate) mod processes;

use anyhow::{Context, Result};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::command::background::Background;
use crate::command::output::Output;
use crate::testbed::guest::Guest;
use crate::testbed::host::{Host, WORKFLOW};
use crate::testbed::machine::Machine;
use crate::testbed::namespaces::{Inside, enter};

/// Where a host's programs are, ours among them.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// Where a command runs.
#[derive(Clone, Copy)]
pub enum At<'a> {
    /// On a host that is namespaces of this machine.
    Host(&'a Host),
    /// On a host with a kernel of its own.
    Guest(&'a Guest),
}

impl<'a> From<&'a Host> for At<'a> {
    fn from(host: &'a Host) -> Self {
        Self::Host(host)
    }
}

impl<'a> From<&'a Guest> for At<'a> {
    fn from(guest: &'a Guest) -> Self {
        Self::Guest(guest)
    }
}

impl<'a> At<'a> {
    /// Prepares a command of its ordinary user.
    pub fn run<S: AsRef<str>>(self, command: &[S]) -> Run<'a> {
        Run::new(self, command)
    }

    /// Prepares a shell script of its ordinary user.
    pub fn sh(self, script: &str) -> Run<'a> {
        self.run(&["sh", "-euc", script])
    }

    /// Prepares `usernetes-rs` with these arguments.
    pub fn tool<S: AsRef<str>>(self, arguments: &[S]) -> Run<'a> {
        let words = std::iter::once("usernetes-rs").chain(arguments.iter().map(AsRef::as_ref));
        self.run(&words.collect::<Vec<_>>()).limit(WORKFLOW)
    }
}

/// A command on a host, as its ordinary user unless [`Run::root`] says otherwise.
#[must_use]
pub struct Run<'a> {
    at: At<'a>,
    command: Vec<String>,
    env: Vec<(String, String)>,
    input: Option<Vec<u8>>,
    limit: Duration,
    root: bool,
}

impl<'a> Run<'a> {
    pub(crate) fn new<S: AsRef<str>>(at: At<'a>, command: &[S]) -> Self {
        let command = command.iter().map(|word| word.as_ref().to_owned()).collect();
        let env = match at {
            At::Host(host) => host.environment(),
            // Its own login makes it.
            At::Guest(_) => Vec::new(),
        };
        Self { at, command, env, input: None, limit: Duration::from_mins(1), root: false }
    }

    /// Adds or replaces a variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Removes a variable.
    pub fn without(mut self, name: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self
    }

    /// Gives it a standard input.
    pub fn input(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.input = Some(text.into());
        self
    }

    /// Kills it after this time instead of a minute.
    pub fn limit(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }

    /// Runs it as the administrator of the host.
    pub fn root(mut self) -> Self {
        self.root = true;
        self
    }

    /// Runs it to its end.
    pub fn output(self) -> Result<Output> {
        let limit = self.limit;
        self.spawn()?.wait(limit)
    }

    /// Runs it to its end, which must be success.
    pub fn ok(self) -> Result<Output> {
        self.output()?.ok()
    }

    /// Starts it.
    pub fn spawn(self) -> Result<Background> {
        // A script is shown by its first line.
        let first = |word: &String| word.trim().lines().next().unwrap_or_default().to_owned();
        let shown = self.command.iter().map(first).collect::<Vec<_>>().join(" ");
        let stdin = if self.input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut command = self.command();
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let (namespaces, user, transcript) = match self.at {
            At::Host(host) => (host.pid(), host.user().to_owned(), host.transcript()),
            At::Guest(guest) => (guest.switch(), guest.name(), guest.transcript()),
        };
        let mut child = enter(namespaces, Inside::Everything, move || Ok(command.spawn()?))
            .with_context(|| format!("cannot start {shown}"))?;
        if let (Some(text), Some(mut stdin)) = (self.input, child.stdin.take()) {
            // A reader that is slow, or does not read at all, must not block this thread.
            thread::spawn(move || stdin.write_all(&text));
        }
        Ok(Background::new(format!("{user}: {shown}"), child, transcript))
    }

    fn command(&self) -> Command {
        match self.at {
            At::Host(host) => self.on_host(host),
            At::Guest(guest) => self.on_guest(guest),
        }
    }

    fn on_host(&self, host: &Host) -> Command {
        let mut command = Command::new("setpriv");
        if !self.root {
            let uid = host.uid().to_string();
            command.args(["--reuid", &uid, "--regid", &uid, "--init-groups", "--inh-caps=-all"]);
        }
        command.arg("--").args(&self.command);
        command.env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        let home = host.home();
        command.current_dir(if self.root { "/" } else { &home });
        command
    }

    /// The login shell at the other end takes one line.
    fn on_guest(&self, guest: &Guest) -> Command {
        let login = guest.login(if self.root { "root" } else { "alice" });
        let mut words = vec!["exec".to_owned(), "env".to_owned()];
        words.extend(self.env.iter().map(|(name, value)| quote(&format!("{name}={value}"))));
        words.extend(self.command.iter().map(|word| quote(word)));
        let mut command = Command::new(&login[0]);
        command.args(&login[1..]).arg(words.join(" "));
        command
    }
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
