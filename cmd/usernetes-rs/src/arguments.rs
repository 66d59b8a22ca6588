//! Secrets in arguments. Every user of a host can list the arguments of all processes, so a process that was started with a
//! secret in them executes itself again with a word in its place. The arguments themselves go through a file in memory.

use nix::sys::memfd::{MFdFlags, memfd_create};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use usernetes_pki::BootstrapToken;

/// `PID:FD`: the process that may read the arguments, and the descriptor of the file. Its children inherit the variable.
const VARIABLE: &str = "USERNETES_RS_ARGUMENTS";
/// Name of the file, as in `/proc/PID/fd`.
const FILE: &str = "usernetes-rs-arguments";
/// Stands in the place of a secret.
const HIDDEN: &str = "...";
/// Flags whose value is a secret, a wrong one as well: it can be almost the right one.
const SECRET_FLAGS: [&str; 2] = ["--token", "--tls-bootstrap-token"];

/// The arguments of this process. Where they contain a secret, this executes the program again, and returns only where that
/// is not possible.
pub(crate) fn read_arguments() -> Vec<OsString> {
    if let Some(arguments) = receive_arguments() {
        return arguments;
    }
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(masked) = mask_secrets(&arguments) {
        // Without it the arguments stay visible, as they were for every program before this one.
        let _ = execute_again(&arguments, &masked);
    }
    arguments
}

fn execute_again(arguments: &[OsString], masked: &[OsString]) -> std::io::Result<()> {
    let file = memfd_create(FILE, MFdFlags::empty())?;
    let fd = file.as_raw_fd();
    let mut file = File::from(file);
    for argument in arguments {
        file.write_all(argument.as_bytes())?;
        file.write_all(&[0])?;
    }
    let [name, rest @ ..] = masked else { return Ok(()) };
    let mut command = Command::new("/proc/self/exe");
    command.arg0(name).args(rest).env(VARIABLE, format!("{}:{fd}", std::process::id()));
    Err(command.exec())
}

fn receive_arguments() -> Option<Vec<OsString>> {
    let variable = std::env::var(VARIABLE).ok()?;
    let (pid, fd) = variable.split_once(':')?;
    let fd: RawFd = fd.parse().ok()?;
    let path = format!("/proc/self/fd/{fd}");
    if pid.parse() != Ok(std::process::id()) || !std::fs::read_link(&path).ok()?.to_string_lossy().contains(FILE) {
        return None;
    }
    let mut bytes = Vec::new();
    // Opened anew, so it is read from its beginning.
    let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    let _ = nix::unistd::close(fd);
    read.ok()?;
    bytes.pop();
    Some(bytes.split(|byte| *byte == 0).map(|argument| OsString::from_vec(argument.to_vec())).collect())
}

/// The arguments with their secrets hidden; `None` where there is none.
fn mask_secrets(arguments: &[OsString]) -> Option<Vec<OsString>> {
    let mut masked = Vec::with_capacity(arguments.len());
    let mut is_value = false;
    for argument in arguments {
        let flag = SECRET_FLAGS.iter().find(|flag| argument.as_bytes().starts_with(format!("{flag}=").as_bytes()));
        masked.push(match flag {
            Some(flag) => OsString::from(format!("{flag}={HIDDEN}")),
            None if is_value || is_secret(argument) => HIDDEN.into(),
            None => argument.clone(),
        });
        is_value = SECRET_FLAGS.iter().any(|flag| argument == flag);
    }
    (masked != arguments).then_some(masked)
}

/// A join token, or a bootstrap token.
fn is_secret(argument: &OsStr) -> bool {
    let Some(text) = argument.to_str() else { return false };
    let version = text.strip_prefix("u7s").and_then(|rest| rest.split_once('.')).map(|(version, _)| version);
    let is_join_token = version.is_some_and(|v| !v.is_empty() && v.bytes().all(|byte| byte.is_ascii_digit()));
    is_join_token || text.parse::<BootstrapToken>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(line: &str) -> Option<String> {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let masked = mask_secrets(&arguments)?;
        Some(masked.iter().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn secrets_are_hidden() {
        let cases = [
            "usernetes-rs join u7s1.AG8BUVOE --bundle-from-peer",
            "usernetes-rs join 198.51.100.11:6443 --token abcdef.0123456789abcdef",
            "usernetes-rs join 198.51.100.11:6443 --token=abcdef.0123456789abcde --bundle a",
            "usernetes-rs join --discovery-file a --tls-bootstrap-token abcdef",
            "usernetes-rs token delete abcdef.0123456789abcdef",
        ];
        let masked: Vec<_> = cases.iter().filter_map(|line| mask(line)).collect();
        insta::assert_snapshot!(masked.join("\n"), @"
        usernetes-rs join ... --bundle-from-peer
        usernetes-rs join 198.51.100.11:6443 --token ...
        usernetes-rs join 198.51.100.11:6443 --token=... --bundle a
        usernetes-rs join --discovery-file a --tls-bootstrap-token ...
        usernetes-rs token delete ...
        ");
        assert_eq!(mask("usernetes-rs init --token-ttl 1h"), None);
        assert_eq!(mask("usernetes-rs token list"), None);
    }
}
