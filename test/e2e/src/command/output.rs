//! What a program did: its exit code and what it printed.

use anyhow::{Context, Result, bail};
use std::fmt;
use std::process::ExitStatus;

/// What a program did.
#[derive(Clone)]
pub struct Output {
    /// The command line.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// It was killed because its time was over.
    pub late: bool,
    /// Something that it left behind still holds its output open.
    pub held: bool,
}

impl Output {
    /// Its exit code, none when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// It succeeded, in time.
    pub fn ok(self) -> Result<Self> {
        self.exits(0)
    }

    /// It ended with this code, in time.
    pub fn exits(self, code: i32) -> Result<Self> {
        if self.late || self.code() != Some(code) {
            bail!("expected exit code {code} of\n{self}");
        }
        Ok(self)
    }

    /// Either output contains every one of the texts, whatever their case.
    pub fn says(self, texts: &[&str]) -> Result<Self> {
        let all = format!("{}\n{}", self.stdout, self.stderr).to_lowercase();
        match texts.iter().find(|t| !all.contains(&t.to_lowercase())) {
            Some(missing) => bail!("expected {missing:?} in the output of\n{self}"),
            None => Ok(self),
        }
    }

    /// Neither output contains any of the texts, whatever their case.
    pub fn says_not(self, texts: &[&str]) -> Result<Self> {
        let all = format!("{}\n{}", self.stdout, self.stderr).to_lowercase();
        match texts.iter().find(|t| all.contains(&t.to_lowercase())) {
            Some(found) => bail!("did not expect {found:?} in the output of\n{self}"),
            None => Ok(self),
        }
    }

    /// Its standard output without the white space around.
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }

    /// Its standard output as one JSON document.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("not one JSON document:\n{self}"))
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let late = if self.late { ", killed because its time was over" } else { "" };
        writeln!(f, "$ {}\n({}{late})", self.command, self.status)?;
        for (name, text) in [("out", &self.stdout), ("err", &self.stderr)] {
            text.lines().try_for_each(|line| writeln!(f, "{name}| {line}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
