//! CRI-O's configuration, given to a CRI-O: `$U7S_CRIO`, else what `hack/crio` left in the cache.

use super::{assert_contains, bundle, plans};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use usernetes_node::{Cri, CrioPrograms, config};

fn programs() -> Option<CrioPrograms> {
    let named = std::env::var_os("U7S_CRIO").map(PathBuf::from);
    let cached = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/usernetes-dev/crio/current"));
    let found = named.or_else(cached).filter(|directory| directory.join("crio").exists());
    assert!(found.is_some() || std::env::var_os("U7S_E2E_REQUIRE").is_none(), "no CRI-O, and U7S_E2E_REQUIRE is set");
    if found.is_none() {
        writeln!(std::io::stderr(), "SKIPPED: no CRI-O; hack/crio makes one").expect("standard error");
    }
    let directory = found?;
    Some(CrioPrograms {
        crio: directory.join("crio"),
        conmon: "/usr/bin/conmon".into(),
        pinns: directory.join("pinns"),
        skopeo: "/usr/bin/skopeo".into(),
    })
}

/// What it prints is what it has understood: a misspelt key, about which it says nothing, would not be there.
#[test]
fn crio_reads_its_configuration() {
    let (Some(bundle), Some(programs)) = (bundle(), programs()) else { return };
    for plan in plans(&bundle) {
        let mut plan = plan;
        plan.host.cri = Cri::CriO(programs.clone());
        let directory = tempfile::tempdir().expect("a directory");
        let (file, storage) = (directory.path().join("crio.conf"), directory.path().join("storage.conf"));
        std::fs::write(&file, config::render_crio(&plan)).expect("written");
        std::fs::write(&storage, config::render_crio_storage(&plan)).expect("written");
        let mut command = Command::new(&programs.crio);
        command.arg("--config").arg(&file).args(["--config-dir=", "config"]);
        let said = command.env("CONTAINERS_STORAGE_CONF", &storage).output().expect("crio");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let said = String::from_utf8(said.stdout).expect("text");
        let whole: toml::Table = said.parse().unwrap_or_else(|e| panic!("{e}: {said}"));
        let mut ours: toml::Table = config::render_crio(&plan).parse().expect("TOML");
        let top = ours["crio"].as_table_mut().expect("a table");
        // It writes what is as by default as a comment.
        for key in ["root", "runroot", "storage_driver"] {
            let line = format!("{key} = {}\n", top.remove(key).expect("ours"));
            assert!(said.contains(&line), "{line} is not in {said}");
        }
        assert_contains("", &toml::Value::Table(whole), &toml::Value::Table(ours));
    }
}
