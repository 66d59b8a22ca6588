//! Check of the host's resolvers, which the node and its pods use.

use crate::resolver::{RESOLV_CONF, ResolvConf};
use std::fs;
use std::path::Path;
use usernetes_host::Finding;

/// The host's `resolv.conf` can be read and names a server.
pub(super) fn check_resolver() -> Finding {
    check_file(Path::new(RESOLV_CONF))
}

fn check_file(path: &Path) -> Finding {
    const CHECK: &str = "Resolver";
    let file = path.display();
    let reason = match fs::read(path) {
        Ok(bytes) if !ResolvConf::parse(&String::from_utf8_lossy(&bytes)).servers.is_empty() => {
            return Finding::passed(CHECK);
        }
        Ok(_) => format!("{file} names no server"),
        Err(error) => match fs::read_link(path) {
            Ok(target) => format!("{file} is a link to {}, which cannot be read: {error}", target.display()),
            Err(_) => format!("{file} cannot be read: {error}"),
        },
    };
    Finding::warning(
        CHECK,
        format!("{reason}; the node and its pods know no names but the cluster's and those of /etc/hosts"),
        format!(
            "sudo rm -f {file} && echo nameserver ADDRESS | sudo tee {file}, with the ADDRESS of a name server; a running node follows"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use usernetes_host::Level;

    #[test]
    fn files_without_a_server_are_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("resolv.conf");
        assert!(check_file(&file).message.contains("cannot be read"));
        std::os::unix::fs::symlink("nowhere", &file).expect("a link");
        assert!(check_file(&file).message.contains("is a link to nowhere, which cannot be read"));
        fs::write(directory.path().join("nowhere"), "search lan\n").expect("written");
        assert!(check_file(&file).message.contains("names no server"));
        for server in ["::1", "fe80::1%lo", "127.0.0.53"] {
            fs::write(&file, format!("search lan\nnameserver {server}\n")).expect("written");
            assert_eq!(check_file(&file).level, Level::Passed, "{server}");
        }
    }
}
