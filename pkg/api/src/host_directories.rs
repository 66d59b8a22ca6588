//! Where files of a node's directories are: on the host, in the state directory, or in memory. The mounts of a node, the
//! Events and warnings about hostPath volumes, and the guide `pods` follow this table.

use std::path::Path;

/// Where files of a directory are kept, as pods with a hostPath volume see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptIn {
    /// On the host: pods see its files, and write where the user may write.
    Host,
    /// In the state directory: the host's entries are visible in it, new ones are kept until `reset`.
    State,
    /// In memory: the node has its own, and what is written there ends with `stop`.
    Memory,
}

/// Every directory whose files are not on the host, the longer path first. All others are [`KeptIn::Host`].
pub const HOST_DIRECTORIES: [(&str, KeptIn); 6] = [
    ("/var/lib", KeptIn::State),
    ("/var/log", KeptIn::State),
    ("/var/run", KeptIn::Memory),
    ("/opt", KeptIn::State),
    ("/etc", KeptIn::State),
    ("/run", KeptIn::Memory),
];

/// The directory of the table that holds `path`, and its place.
pub fn find_host_directory(path: &Path) -> (&'static str, KeptIn) {
    let found = HOST_DIRECTORIES.into_iter().find(|(directory, _)| path.starts_with(directory));
    found.unwrap_or(("/", KeptIn::Host))
}

/// Directories with this place, in the order of the table.
pub fn host_directories(place: KeptIn) -> impl Iterator<Item = &'static str> {
    HOST_DIRECTORIES.into_iter().filter(move |(_, other)| *other == place).map(|(directory, _)| directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_paths() {
        for (path, place) in [
            ("/opt/local-path-provisioner", KeptIn::State),
            ("/var/lib", KeptIn::State),
            ("/var/lib-other", KeptIn::Host),
            ("/run/user/1000/s", KeptIn::Memory),
            ("/var/run/docker.sock", KeptIn::Memory),
            ("/data", KeptIn::Host),
            ("/srv/www", KeptIn::Host),
        ] {
            assert_eq!(find_host_directory(Path::new(path)).1, place, "{path}");
        }
        assert_eq!(host_directories(KeptIn::Memory).collect::<Vec<_>>(), ["/var/run", "/run"]);
    }
}
