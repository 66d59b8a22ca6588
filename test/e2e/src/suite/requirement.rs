//! What a scenario needs of the machine. A missing capability ignores it, or fails it where nothing may be skipped.

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::Uid;
use std::path::Path;
use std::process::Command;

use crate::artifacts;
use crate::testbed::guest;

/// Something that a scenario cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// Making hosts: root, namespaces, the programs of Debian's iproute2, uidmap and slirp4netns.
    Hosts,
    /// Guests: what hosts need, their kernel and disk, ssh.
    Guests,
    /// The program under test.
    Program,
    /// A bundle.
    Bundle,
    /// CRI-O, with what it needs of the machine.
    Crio,
    /// A command of the program that exists by now.
    Command(&'static str),
}

impl Requirement {
    /// All there, or what is missing.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::Hosts => hosts(),
            Self::Guests => guests(),
            Self::Program => artifacts::program().map(drop),
            Self::Bundle => artifacts::bundle().map(drop),
            Self::Crio => crio(),
            Self::Command(name) => command(name),
        }
    }
}

fn hosts() -> Result<()> {
    ensure!(Uid::effective().is_root(), "hosts are made by root: run the tests as root");
    for program in ["ip", "mount", "setpriv", "newuidmap", "newgidmap", "slirp4netns", "nft"] {
        let known = crate::command::PATH.split(':').any(|dir| Path::new(dir).join(program).is_file());
        ensure!(known, "{program} is not installed: apt-get install iproute2 util-linux uidmap slirp4netns nftables");
    }
    ensure!(Path::new("/dev/net/tun").exists(), "no /dev/net/tun: modprobe tun");
    Ok(())
}

fn guests() -> Result<()> {
    hosts()?;
    for program in ["ssh", "taskset"] {
        let known = crate::command::PATH.split(':').any(|dir| Path::new(dir).join(program).is_file());
        ensure!(known, "{program} is not installed: apt-get install openssh-client util-linux");
    }
    guest::images().map(drop)
}

fn crio() -> Result<()> {
    artifacts::crio()?;
    for program in ["conmon", "skopeo"] {
        let known = crate::command::PATH.split(':').any(|dir| Path::new(dir).join(program).is_file());
        ensure!(known, "{program} is not installed: apt-get install conmon skopeo");
    }
    Ok(())
}

/// `help COMMAND` fails with the code of a usage error when there is no such command.
fn command(name: &str) -> Result<()> {
    let program = artifacts::program()?;
    let output = Command::new(&program).args(["help", name]).output().context("cannot ask for help")?;
    if !output.status.success() {
        bail!("{} has no command {name}", program.display());
    }
    Ok(())
}
