//! The rendered command lines and files, given to the real programs of a bundle.
//!
//! The bundle is `$U7S_BUNDLE`, else the one that `hack/bundle` left in the cache. Without one the tests say that they
//! are skipped; with `U7S_E2E_REQUIRE=1` they fail instead.

mod crio;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use usernetes_api::{CgroupMode, Config, HostFacts, Paths, Snapshotter, Xdg};
use usernetes_node::bundle::Bundle;
use usernetes_node::{ComponentName, Cri, KubeletServing, NodePlan, ResolvedHost, components, config};

fn bundle() -> Option<PathBuf> {
    let named = std::env::var_os("U7S_BUNDLE").map(PathBuf::from);
    let cached = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/usernetes-dev/bundle/current"));
    let found = named.or_else(cached).filter(|bundle| bundle.join("bundle.yaml").exists());
    assert!(found.is_some() || std::env::var_os("U7S_E2E_REQUIRE").is_none(), "no bundle, and U7S_E2E_REQUIRE is set");
    if found.is_none() {
        writeln!(std::io::stderr(), "SKIPPED: no bundle; hack/bundle makes one").expect("standard error");
    }
    found
}

fn plans(bundle: &Path) -> [NodePlan; 2] {
    let home = Path::new("/home/alice");
    let xdg = Xdg { config: home.join("c"), data: home.join("d"), cache: home.join("k"), runtime: home.join("r") };
    let paths = Paths::new(xdg, "default".parse().expect("a name"));
    let mut config = Config::default();
    let host_ip = "198.51.100.11".parse().ok();
    config.set_defaults(&HostFacts { hostname: "node1".into(), host_ip, ..HostFacts::default() });
    let bundle = Bundle::open(bundle).expect("a bundle");
    let plan = |cgroups, snapshotter| {
        let host = ResolvedHost {
            cgroups,
            snapshotter,
            oci_runtime: bundle.dir().join("bin/runc"),
            cri: Cri::Containerd,
            user_namespaces: true,
            external_ca: false,
            kubelet_serving: KubeletServing::SelfSigned,
            open_files: 524_288,
            first_free_port: 1024,
            outgoing_ports: None,
            memory: 8 << 30,
            published: Vec::new(),
            proxy_env: vec![],
        };
        NodePlan::new(&config, &paths, bundle.dir(), bundle.manifest(), host).expect("a plan")
    };
    [plan(CgroupMode::None, Snapshotter::Overlayfs), plan(CgroupMode::Delegated, Snapshotter::Native)]
}

/// Standard output and error of a program that may fail.
fn output(command: &mut Command) -> String {
    let output = command.output().expect("a program of the bundle");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn every_flag_is_known_to_its_program() {
    let Some(bundle) = bundle() else { return };
    for component in components(&plans(&bundle)[0]) {
        let help = output(Command::new(&component.argv[0]).arg("--help"));
        for flag in component.argv[1..].iter().filter_map(|arg| arg.split('=').next()) {
            let known = help.split([' ', '\n', '\t', ',', '=', '\'']).any(|word| word == flag);
            assert!(known, "{} does not know {flag}", component.name);
        }
    }
}

#[test]
fn containerd_reads_its_configuration() {
    let Some(bundle) = bundle() else { return };
    for plan in plans(&bundle) {
        let ours = config::render_containerd(&plan);
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("config.toml");
        std::fs::write(&file, &ours).expect("written");
        let mut command = Command::new(plan.program_path("containerd"));
        let dump = command.arg("--config").arg(&file).args(["config", "dump"]).output().expect("containerd");
        let dump = String::from_utf8(dump.stdout).expect("text");
        let whole: toml::Table = dump.parse().unwrap_or_else(|e| panic!("{e}: {dump}"));
        let mut ours: toml::Table = ours.parse().expect("TOML");
        // The dump is always of the newest version.
        ours.remove("version");
        assert_contains("", &toml::Value::Table(whole), &toml::Value::Table(ours));
    }
}

/// Everything of ours is in what the program made of it; a misspelt key would not be.
fn assert_contains(path: &str, whole: &toml::Value, ours: &toml::Value) {
    if let (toml::Value::Table(whole), toml::Value::Table(ours)) = (whole, ours) {
        for (key, value) in ours {
            let path = format!("{path}/{key}");
            assert_contains(&path, whole.get(key).unwrap_or_else(|| panic!("{path} is unknown")), value);
        }
    } else if path != "/plugins/io.containerd.transfer.v1.local/unpack_config" {
        assert_eq!(whole, ours, "{path}");
    }
}

/// The kubelet reads its configuration strictly and validates it before it looks for a runtime; none is here.
#[test]
fn the_kubelet_takes_its_configuration() {
    let Some(bundle) = bundle() else { return };
    for plan in plans(&bundle) {
        let kubelet = |text: &str| {
            let directory = tempfile::tempdir().expect("a directory");
            let file = directory.path().join("config.yaml");
            let text = text.replace("/etc/kubernetes/pki/ca.crt", "/nowhere/ca.crt");
            std::fs::write(&file, text).expect("written");
            let mut command = Command::new(plan.program_path(ComponentName::Kubelet.as_str()));
            command.arg(format!("--root-dir={}", directory.path().display()));
            output(command.arg(format!("--config={}", file.display())))
        };
        let good = config::render_kubelet(&plan);
        let said = kubelet(&good);
        assert!(said.contains("/nowhere/ca.crt"), "stopped before authentication was set up: {said}");
        let said = kubelet(&good.replace("failSwapOn", "failSwapOm"));
        assert!(said.contains("failSwapOm"), "took a misspelt field: {said}");
    }
}
