//! A command on a host, prepared.

use anyhow::{Context, Result};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::background::{Background, Output};
use crate::host::Host;
use crate::namespaces::{Inside, enter};

/// Where a host's programs are, ours among them.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// A command on a host, as its ordinary user unless [`Run::root`] says otherwise.
#[must_use]
pub struct Run<'a> {
    host: &'a Host,
    command: Vec<String>,
    env: Vec<(String, String)>,
    input: Option<Vec<u8>>,
    limit: Duration,
    root: bool,
}

impl<'a> Run<'a> {
    pub(crate) fn new<S: AsRef<str>>(host: &'a Host, command: &[S]) -> Self {
        let command = command.iter().map(|word| word.as_ref().to_owned()).collect();
        let env = host.environment();
        Self { host, command, env, input: None, limit: Duration::from_mins(1), root: false }
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
        let mut child = enter(self.host.pid(), Inside::Everything, move || Ok(command.spawn()?))
            .with_context(|| format!("cannot start {shown}"))?;
        if let (Some(text), Some(mut stdin)) = (self.input, child.stdin.take()) {
            // Who reads it slowly, or not at all, must not block us.
            thread::spawn(move || stdin.write_all(&text));
        }
        Ok(Background::new(format!("{}: {shown}", self.host.user()), child, self.host.transcript()))
    }

    fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        if !self.root {
            let uid = self.host.uid().to_string();
            command.args(["--reuid", &uid, "--regid", &uid, "--init-groups", "--inh-caps=-all"]);
        }
        command.arg("--").args(&self.command);
        command.env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        let home = self.host.home();
        command.current_dir(if self.root { "/" } else { &home });
        command
    }
}
