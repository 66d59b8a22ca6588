//! What scenarios do on a host, whatever its kind.

use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

use crate::artifacts::BUNDLE;
use crate::command::output::Output;
use crate::command::{At, Run};

/// A host with an ordinary user and the program under test.
pub trait Machine {
    /// Time between two questions of [`Machine::until`].
    const PERIOD: Duration;

    /// Where its commands run.
    fn at(&self) -> At<'_>;

    /// Its host name.
    fn name(&self) -> String;

    /// Its address on the switch.
    fn address(&self) -> String;

    /// Prepares a command of its ordinary user.
    fn run<S: AsRef<str>>(&self, command: &[S]) -> Run<'_> {
        self.at().run(command)
    }

    /// Prepares a shell script of its ordinary user.
    fn sh(&self, script: &str) -> Run<'_> {
        self.at().sh(script)
    }

    /// Runs a shell script as its administrator, which must succeed.
    fn admin(&self, script: &str) -> Result<Output> {
        self.sh(script).root().ok()
    }

    /// Prepares `usernetes-rs` with these arguments.
    fn tool<S: AsRef<str>>(&self, arguments: &[S]) -> Run<'_> {
        self.at().tool(arguments)
    }

    /// Prepares `usernetes-rs init` with the bundle under test and these further arguments.
    fn init<S: AsRef<str>>(&self, arguments: &[S]) -> Run<'_> {
        let words = ["init", "--bundle", BUNDLE].into_iter();
        self.tool(&words.chain(arguments.iter().map(AsRef::as_ref)).collect::<Vec<_>>())
    }

    /// Runs `usernetes-rs kubectl` with these arguments, which must succeed.
    fn kubectl<S: AsRef<str>>(&self, arguments: &[S]) -> Result<Output> {
        let words = std::iter::once("kubectl").chain(arguments.iter().map(AsRef::as_ref));
        self.tool(&words.collect::<Vec<_>>()).ok()
    }

    /// Repeats a question until its answer is yes. For things that cannot be watched.
    fn until(&self, what: &str, seconds: u64, mut question: impl FnMut(&Self) -> Result<bool>) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !question(self)? {
            ensure!(Instant::now() < end, "not within {seconds} s: {what}");
            std::thread::sleep(Self::PERIOD);
        }
        Ok(())
    }
}
