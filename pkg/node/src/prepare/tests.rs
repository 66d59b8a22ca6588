use super::*;
use crate::plan::tests::{control_plane, with_host};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

struct Host {
    directory: tempfile::TempDir,
    paths: Paths,
    plan: NodePlan,
    program: PathBuf,
}

fn host() -> Host {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let xdg = usernetes_api::Xdg {
        config: root.join("config"),
        data: root.join("data"),
        cache: root.join("cache"),
        runtime: root.join("runtime"),
    };
    let paths = Paths::new(xdg, "default".parse().expect("a name"));
    let bundle = root.join("bundle");
    for file in ["bin/runc", "cni/bridge", "cni/flannel"] {
        fs::write(bundle.join(file), "", Mode::Program).expect("written");
    }
    let program = root.join("usernetes-rs");
    fs::write(&program, "one", Mode::Program).expect("written");
    let oci_runtime = bundle.join("bin/runc");
    let mut plan = with_host(control_plane(), |host| host.oci_runtime = oci_runtime);
    plan.software.bundle = bundle;
    plan.software.program = paths.program();
    plan.software.logs = paths.logs();
    Host { directory, paths, plan, program }
}

/// Every file and link below the state directory, with mode and inode.
fn files(host: &Host) -> BTreeMap<String, (u32, u64)> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.is_symlink() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&host.paths.state(), &mut found);
    let one = |path: PathBuf| {
        let name = path.strip_prefix(host.paths.state()).expect("below").display().to_string();
        let meta = path.symlink_metadata().expect("there");
        let links = path.read_link().map_or(String::new(), |to| {
            format!(" -> {}", to.strip_prefix(host.directory.path()).expect("below").display())
        });
        (name + &links, (meta.permissions().mode() & 0o777, std::os::unix::fs::MetadataExt::ino(&meta)))
    };
    found.into_iter().map(one).collect()
}

#[test]
fn writes_all_files() {
    let host = host();
    prepare(&host.plan, &host.paths, &host.program).expect("prepared");
    let files: Vec<_> = files(&host).into_iter().map(|(name, (mode, _))| format!("{mode:o} {name}")).collect();
    insta::assert_snapshot!(files.join("\n"));
    let kept = std::fs::read(NodePlan::path(&host.paths)).expect("a plan");
    assert_eq!(serde_json::from_slice::<NodePlan>(&kept).expect("JSON"), host.plan);
}

#[test]
fn a_second_time_replaces_neither_program_nor_links() {
    let host = host();
    prepare(&host.plan, &host.paths, &host.program).expect("prepared");
    let of = |files: BTreeMap<String, (u32, u64)>| -> Vec<_> {
        files.into_iter().filter(|(name, _)| name.contains("bin/")).collect()
    };
    let before = of(files(&host));
    prepare(&host.plan, &host.paths, &host.program).expect("prepared");
    assert_eq!(of(files(&host)), before);
}

#[test]
fn a_new_program_replaces_the_kept_one() {
    let host = host();
    prepare(&host.plan, &host.paths, &host.program).expect("prepared");
    fs::write(&host.program, "two", Mode::Program).expect("written");
    prepare(&host.plan, &host.paths, &host.program).expect("prepared");
    assert_eq!(fs::read(host.paths.program()).expect("kept"), "two");
    // `start` is run by the kept program itself.
    prepare(&host.plan, &host.paths, &host.paths.program()).expect("prepared");
    assert_eq!(fs::read(host.paths.program()).expect("kept"), "two");
}

#[test]
fn a_bundle_without_plugins_is_an_error() {
    let mut host = host();
    host.plan.software.bundle = host.directory.path().join("other");
    fs::create_dir(host.plan.software.bundle.join("cni")).expect("made");
    let error = prepare(&host.plan, &host.paths, &host.program).expect_err("no plugins").to_string();
    assert!(error.starts_with("no CNI plugins in ") && error.ends_with("other/cni"), "{error}");
}

#[test]
fn networks_of_an_earlier_life_are_forgotten() {
    let host = host();
    let kept = host.paths.node(c::CNI_STATE_DIR).join("flannel/0ef060f4");
    fs::write(&kept, "", Mode::Public).expect("written");
    prepare(&host.plan, &host.paths, &host.program).expect("prepared");
    assert!(!kept.exists());
    assert!(host.paths.node(c::CNI_STATE_DIR).is_dir());
}
