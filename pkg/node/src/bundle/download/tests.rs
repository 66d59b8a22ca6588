//! Downloads from a local server that lays files out as upstream does.

use super::server::{Server, Shelf, build_image, upstream_files, url_path};
use super::*;
use crate::bundle::testing::Place;
use crate::bundle::{Check, Required, find_version};
use std::sync::Mutex;

const KUBELET: &str = "https://dl.k8s.io/release/v1.36.3/bin/linux/ARCH/kubelet";
const FLANNEL: &str = "https://github.com/flannel-io/flannel/releases/download/v0.26.7/flanneld-v0.26.7-ARCH.docker";

/// More often than we try.
const ALWAYS: u32 = 50;

struct Case {
    place: Place,
    server: Server,
    options: Options,
}

fn case(prepare: impl FnOnce(&mut Shelf)) -> Case {
    // Another test of this process may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let place = Place::new();
    let mut shelf = upstream_files(&Release { kubernetes: "v1.36.3", architecture: host_architecture() });
    prepare(&mut shelf);
    let server = Server::start(shelf);
    let options = Options {
        kubernetes_version: "v1.36.3".into(),
        mirror: Some(server.url.clone()),
        lock: place.path("bundle.lock.yaml"),
        bundles: place.bundles(),
        cache: place.cache(),
    };
    Case { place, server, options }
}

/// Upstream's URL for this machine.
fn here(url: &str) -> String {
    url.replace("ARCH", host_architecture())
}

fn at(url: &str) -> String {
    url_path(&here(url))
}

impl Case {
    fn download_with(&self, progress: &(dyn Fn(Progress<'_>) + Send + Sync)) -> Result<Imported, DownloadError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(download_with_backoff(&self.options, Duration::from_millis(1), progress))
    }

    fn download(&self) -> Result<Imported, DownloadError> {
        self.download_with(&|_| {})
    }

    /// Requests for `url`, as its `Range`.
    fn asked(&self, url: &str) -> Vec<String> {
        let prefix = format!("{} ", at(url));
        self.server.shelf().log.iter().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
    }
}

#[test]
fn a_whole_release_becomes_a_bundle() {
    let case = case(|_| {});
    let seen = Mutex::new(Vec::new());
    let note = |now: Progress<'_>| {
        if Some(now.done) == now.total {
            seen.lock().expect("not poisoned").push(now.file.to_owned());
        }
    };
    let imported = case.download_with(&note).expect("good");
    let bundle = find_version(None, &case.place.bundles(), Required::Exactly("v1.36.3")).expect("found");
    assert_eq!(bundle.dir(), imported.bundle.dir());
    bundle.verify(&case.place.cache(), Check::Full, &|_| {}).expect("good");
    assert_eq!(seen.into_inner().expect("not poisoned").len(), ARTIFACTS.len());
    assert_eq!(case.place.kept(), [bundle.directory_name()]);
    let mut lines: Vec<String> = bundle.manifest().files.iter().map(|file| file.path.clone()).collect();
    lines.extend(bundle.manifest().components.iter().map(|one| format!("{} {}", one.name, one.version)));
    lines.extend(bundle.images().map(|(image, path)| format!("{} archive={}", image.reference, path.is_some())));
    insta::assert_snapshot!(lines.join("\n"), @r#"
    bin/containerd
    bin/containerd-shim-runc-v2
    bin/ctr
    bin/etcd
    bin/kube-apiserver
    bin/kube-controller-manager
    bin/kube-scheduler
    bin/kubectl
    bin/kubelet
    bin/runc
    cni/bridge
    cni/flannel
    cni/host-local
    cni/loopback
    cni/portmap
    images/flannel.tar
    images/kube-proxy.tar
    cni-plugins v1.9.1
    containerd v2.3.7
    etcd v3.6.8
    flannel v0.26.7
    flannel-cni-plugin v1.6.2-flannel1
    kubernetes v1.36.3
    runc v1.5.2
    docker.io/library/busybox:1.37 archive=false
    registry.k8s.io/coredns/coredns:v1.14.2 archive=false
    registry.example/flannel:v0.26.7 archive=true
    registry.example/kube-proxy:v1.36.3 archive=true
    registry.k8s.io/pause:3.10.2 archive=false
    "#);
    assert!(std::fs::read_to_string(&case.options.lock).expect("made").contains(&here(KUBELET)));
    assert!(case.download().expect("again").kept);
}

#[test]
fn a_cut_connection_is_resumed() {
    let case = case(|shelf| {
        shelf.cuts.insert(at(KUBELET), 3);
        shelf.busy.insert(at(FLANNEL), 2);
    });
    case.download().expect("good");
    let asked = case.asked(KUBELET);
    assert_eq!(asked[0], "-");
    assert!(asked[1..].iter().all(|range| range.starts_with("bytes=")) && asked.len() == 4, "{asked:?}");
    assert_eq!(case.asked(FLANNEL).len(), 3);
}

#[test]
fn a_later_run_goes_on_where_the_first_stopped() {
    let case = case(|shelf| {
        shelf.cuts.insert(at(KUBELET), 1);
    });
    let part = {
        // The first run dies after the cut: the server is busy for longer than we try.
        let after_cut = |now: Progress<'_>| {
            if now.file == "kubelet" {
                case.server.shelf().busy.insert(at(KUBELET), ALWAYS);
            }
        };
        let error = case.download_with(&after_cut).expect_err("busy");
        assert!(matches!(error, DownloadError::Status { .. }), "{error}");
        let work = std::fs::read_dir(case.place.bundles().join(".download")).expect("kept").flatten();
        work.map(|entry| entry.path()).find(|path| path.to_string_lossy().ends_with("kubelet.part")).expect("a part")
    };
    let have = part.metadata().expect("there").len();
    assert!(have > 0);
    let mut shelf = case.server.shelf();
    shelf.busy.clear();
    shelf.log.clear();
    drop(shelf);
    case.download().expect("good");
    assert_eq!(case.asked(KUBELET), [format!("bytes={have}-")]);
}

#[test]
fn a_file_that_changed_between_two_parts_is_taken_anew() {
    let case = case(|shelf| {
        shelf.cuts.insert(at(KUBELET), 1);
    });
    let changed = Mutex::new(false);
    let swap = |now: Progress<'_>| {
        let mut changed = changed.lock().expect("not poisoned");
        if now.file == "kubelet" && !std::mem::replace(&mut *changed, true) {
            let new = b"a rebuilt kubelet".repeat(30_000);
            let mut shelf = case.server.shelf();
            shelf.files.insert(at(KUBELET) + ".sha256", digest::hash_bytes(&new).into_bytes());
            shelf.files.insert(at(KUBELET), new);
        }
    };
    // The checksum was fetched before: the new file is refused, and the next run takes it whole.
    let error = case.download_with(&swap).expect_err("changed");
    assert!(matches!(error, DownloadError::Checksum { .. }), "{error}");
    let kubelet = case.download().expect("good").bundle.program("kubelet");
    assert!(std::fs::read(kubelet).expect("there").starts_with(b"a rebuilt kubelet"));
}

#[test]
fn without_ranges_a_file_is_taken_anew() {
    let case = case(|shelf| {
        shelf.no_range = true;
        shelf.cuts.insert(at(KUBELET), 2);
    });
    case.download().expect("good");
    assert_eq!(case.asked(KUBELET).len(), 3);
}

#[test]
fn a_wrong_checksum_is_refused() {
    let case = case(|shelf| {
        let content = shelf.files.get_mut(&at(KUBELET)).expect("there");
        content[5] ^= 1;
    });
    let error = case.download().expect_err("refused");
    let DownloadError::Checksum { url, .. } = &error else { panic!("{error}") };
    assert!(url.starts_with(&case.server.url) && url.ends_with("/kubelet"), "{url}");
    assert_eq!(case.place.kept(), [".download"]);
    assert!(!std::fs::read_to_string(&case.options.lock).unwrap_or_default().contains("/kubelet:"));
}

#[test]
fn a_release_that_changed_since_the_lock_is_refused() {
    let case = case(|_| {});
    case.download().expect("good");
    let mut shelf = case.server.shelf();
    shelf.files.insert(at(KUBELET), b"another".to_vec());
    shelf.files.insert(at(KUBELET) + ".sha256", digest::hash_bytes(b"another").into_bytes());
    shelf.log.clear();
    drop(shelf);
    let error = case.download().expect_err("refused");
    assert!(matches!(&error, DownloadError::Locked { url, .. } if *url == here(KUBELET)), "{error}");
    assert!(case.asked(KUBELET).is_empty());
}

#[test]
fn without_a_published_checksum_the_lock_holds() {
    let case = case(|_| {});
    case.download().expect("good");
    case.server.shelf().files.insert(at(FLANNEL), build_image("evil.example/flannel:v0"));
    let error = case.download().expect_err("refused");
    assert!(matches!(&error, DownloadError::Locked { url, .. } if *url == here(FLANNEL)), "{error}");
}

#[test]
fn a_missing_file_is_named_by_its_url() {
    let case = case(|shelf| {
        shelf.files.remove(&at(KUBELET));
    });
    let error = case.download().expect_err("missing");
    let expected = format!("cannot download {}{}: the server says 404 Not Found", case.server.url, at(KUBELET));
    assert_eq!(error.to_string(), expected);
    assert_eq!(case.asked(KUBELET).len(), 1);
}

#[test]
fn a_checksum_list_without_the_file_is_refused() {
    let case = case(|shelf| {
        shelf.files.insert(at(KUBELET) + ".sha256", b"<html>sign in</html>".to_vec());
    });
    assert!(matches!(case.download(), Err(DownloadError::NoChecksum { file, .. }) if file == "kubelet"));
}

#[test]
fn an_archive_without_its_program_is_refused() {
    let case = case(|shelf| {
        shelf.files.insert(at(FLANNEL), b"no archive at all".to_vec());
    });
    let error = case.download().expect_err("refused");
    assert!(matches!(error, DownloadError::Archive { .. } | DownloadError::Member { .. }), "{error}");
    assert_eq!(case.place.kept(), [".download"]);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let mut case = case(|_| {});
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    case.options.mirror = Some(format!("http://{free}"));
    let error = case.download().expect_err("refused");
    assert!(matches!(&error, DownloadError::Transfer { url, .. } if url.contains(&free.to_string())), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn a_target_that_cannot_be_written_is_named() {
    let mut case = case(|_| {});
    // Root may write into any directory; but no user may make one in procfs.
    case.options.bundles = "/proc/self/bundles".into();
    let error = case.download().expect_err("refused");
    assert!(error.to_string().starts_with("cannot create directory /proc/self/bundles"), "{error}");
    assert!(case.server.shelf().log.is_empty());
}

#[test]
fn mirrors_are_urls() {
    let mut case = case(|_| {});
    for wrong in ["", "mirror.example", "ftp://mirror.example", "http://mirror.example/?a=b"] {
        case.options.mirror = Some(wrong.into());
        assert!(matches!(case.download(), Err(DownloadError::Mirror(_))), "{wrong}");
    }
    let fetcher = Fetcher::new(Some("https://m.example/k8s/"), BACKOFF, &|_| {}).expect("good");
    assert_eq!(fetcher.resolve_url("https://dl.k8s.io/a/b"), "https://m.example/k8s/dl.k8s.io/a/b");
    let fetcher = Fetcher::new(None, BACKOFF, &|_| {}).expect("good");
    assert_eq!(fetcher.resolve_url("https://dl.k8s.io/a/b"), "https://dl.k8s.io/a/b");
}
