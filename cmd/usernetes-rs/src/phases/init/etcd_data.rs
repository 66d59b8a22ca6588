//! Data of an etcd that was killed during its very first start.
//!
//! An etcd that ends between the creation of its log and the first entry in it never elects a leader afterwards ("no leader
//! at term 0"). An `init` that continues after such an end would wait in vain. Before any phase behind `node-start` has
//! succeeded the API server was never used, so etcd may begin anew.

use super::INIT;
use crate::journal::Journal;
use anyhow::{Context as _, Result};
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// Moves the data aside where no phase behind `node-start` has ever succeeded; returns where they are then. Nothing is
/// deleted. The node must not run.
pub(super) fn set_aside(data: &Path, journal: &Journal) -> Result<Option<PathBuf>> {
    if journal.completed.is_some() || journal.has_completed(is_behind_start) || !data.join("member").exists() {
        return Ok(None);
    }
    let aside = data.with_extension(format!("unfinished-{}", Timestamp::now().as_second()));
    std::fs::rename(data, &aside).with_context(|| format!("cannot rename {}", data.display()))?;
    Ok(Some(aside))
}

fn is_behind_start(phase: &str) -> bool {
    INIT.phases.iter().skip_while(|row| !row.starts_node).skip(1).any(|row| row.name == phase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use usernetes_api::constants::ETCD_DATA_DIR;
    use usernetes_api::{ClusterName, Paths, Xdg};

    fn paths_below(directory: &std::path::Path) -> Paths {
        let xdg = Xdg {
            config: directory.join("config"),
            data: directory.join("data"),
            cache: directory.join("cache"),
            runtime: directory.join("runtime"),
        };
        Paths::new(xdg, ClusterName::default())
    }

    #[test]
    fn only_data_of_an_unused_api_server_are_set_aside() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let paths = paths_below(directory.path());
        let member = paths.node(ETCD_DATA_DIR).join("member/wal");
        std::fs::create_dir_all(&member)?;
        let mut journal = Journal::open(&paths.journal())?;
        journal.record("init", "node-start", None, 0.1)?;
        let aside = set_aside(&paths.node(ETCD_DATA_DIR), &journal)?.context("set aside")?;
        assert!(aside.join("member/wal").exists() && !member.exists());
        assert_eq!(set_aside(&paths.node(ETCD_DATA_DIR), &journal)?, None, "there is nothing left");
        std::fs::create_dir_all(&member)?;
        journal.record("init", "wait-control-plane", None, 0.1)?;
        assert_eq!(set_aside(&paths.node(ETCD_DATA_DIR), &journal)?, None, "the API server was ready");
        assert!(member.exists());
        Ok(())
    }
}
