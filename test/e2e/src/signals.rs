//! Signals that end a program of the tests.

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use signal_hook::iterator::Signals;
use std::thread;

/// Calls `handle` for every SIGINT, SIGTERM and SIGHUP, in a thread. The signals have handlers and are not blocked:
/// a started program would inherit a mask, but gets default actions for handlers.
pub fn catch(mut handle: impl FnMut(Signal) + Send + 'static) -> Result<()> {
    let numbers = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].map(|signal| signal as i32);
    let mut signals = Signals::new(numbers).context("cannot handle signals")?;
    thread::spawn(move || signals.forever().filter_map(|number| Signal::try_from(number).ok()).for_each(&mut handle));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;
    use std::sync::mpsc::channel;

    #[test]
    fn started_programs_have_default_actions() {
        let (sender, caught) = channel();
        catch(move |signal| sender.send(signal).expect("a receiver")).expect("handlers");
        nix::sys::signal::raise(Signal::SIGTERM).expect("allowed");
        assert_eq!(caught.recv().expect("caught"), Signal::SIGTERM);
        let mut child = Command::new("sleep").arg("60").spawn().expect("started");
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("readable");
        child.kill().expect("ours");
        child.wait().expect("ours");
        let masks: Vec<_> =
            status.lines().filter(|line| line.starts_with("SigBlk") || line.starts_with("SigCgt")).collect();
        assert_eq!(masks, ["SigBlk:\t0000000000000000", "SigCgt:\t0000000000000000"]);
    }
}
