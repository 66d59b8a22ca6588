//! Bundles good and bad, opened, verified, imported and located.

use super::testing::{Place, build_hostile_entry, build_tar, edit_manifest};
use super::*;
use ::tar::EntryType;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, symlink};

use usernetes_api::{ClusterConfiguration, Config, JoinConfiguration, Paths, Xdg};

const QUIET: &(dyn Fn(Progress) + Sync) = &|_| {};

fn verify(place: &Place, dir: &Path, check: Check) -> Result<Verified, BundleError> {
    Bundle::open(dir)?.verify(&place.cache(), check, QUIET)
}

fn import_from(place: &Place, source: &Path) -> Result<Imported, BundleError> {
    import(source, &place.bundles(), &place.cache(), QUIET)
}

/// Verifies until no file is too fresh to be trusted without hashing.
fn settle(place: &Place, dir: &Path) -> Verified {
    loop {
        let verified = verify(place, dir, Check::Changed).expect("good");
        if verified.hashed == 0 {
            return verified;
        }
    }
}

/// What is wrong, without the directory.
fn faults(outcome: Result<Verified, BundleError>) -> String {
    match outcome {
        Err(BundleError::Damaged { files, .. }) => files.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        other => panic!("not damaged: {other:?}"),
    }
}

fn flip(path: &Path) {
    let file = OpenOptions::new().write(true).open(path).expect("open");
    file.write_all_at(&[8], 150_000).expect("written");
}

#[test]
fn opens_and_names_its_parts() {
    let place = Place::new();
    let dir = place.bundle("b").canonicalize().expect("there");
    let bundle = Bundle::open(&dir).expect("good");
    assert_eq!(bundle.program("kubelet"), dir.join("bin/kubelet"));
    assert_eq!(bundle.cni("bridge"), dir.join("cni/bridge"));
    let images: Vec<_> = bundle.images().map(|(image, path)| (image.name.as_str(), path)).collect();
    assert_eq!(images, [("pause", Some(dir.join("images/pause.tar")))]);
}

#[test]
fn manifests_that_cannot_be_are_refused() {
    let place = Place::new();
    let mut messages = Vec::new();
    let edits: [&dyn Fn(String) -> String; 8] = [
        &|text| text.replace("kind: Bundle", "kind: Parcel"),
        &|text| text.replace("v1alpha1", "v2"),
        &|text| text.replace("kubernetesVersion:", "kubernetesVersoin:"),
        &|text| text.replace("path: bin/kubelet", "path: ../kubelet"),
        &|text| text.replace("path: cni/bridge", "path: bin/kubelet"),
        &|text| text.replace("name: v1.36.3-test", "name: ../v1"),
        &|text| text.replace("executable: false", "executable: maybe"),
        &|text| text.replace(host_architecture(), "vax"),
    ];
    for change in edits {
        let dir = place.bundle("b");
        edit_manifest(&dir, change);
        let error = Bundle::open(&dir).expect_err("refused");
        assert!(error.hint().is_some());
        messages.push(error.to_string().replace(&format!("{}/b/", place.dir.path().display()), ""));
    }
    insta::assert_snapshot!(messages.join("\n").replace(host_architecture(), "HOST"), @r#"
    bundle.yaml: is usernetes.rs/v1alpha1 Parcel, not usernetes.rs/v1alpha1 Bundle
    bundle.yaml: is usernetes.rs/v2 Bundle, not usernetes.rs/v1alpha1 Bundle
    bundle.yaml:4: unknown field `kubernetesVersoin`, expected one of `apiVersion`, `kind`, `name`, `kubernetesVersion`, `architecture`, `components`, `images`, `files` at line 4 column 1
    bundle.yaml: files[0].path: "../kubelet" leads out of the bundle
    bundle.yaml: files[1].path: "bin/kubelet" is listed twice or is the manifest
    bundle.yaml: name: "../v1" is not of letters, digits, dots and dashes
    bundle.yaml:23: files[2].executable: invalid type: string "maybe", expected a boolean at line 23 column 15
    bundle.yaml: is for vax, this host is HOST
    "#);
}

#[test]
fn bad_digest_in_the_manifest_is_refused() {
    let place = Place::new();
    let dir = place.bundle("b");
    edit_manifest(&dir, |text| text.replace("sha256: ", "sha256: X"));
    assert!(matches!(Bundle::open(&dir), Err(BundleError::Invalid { fields, .. }) if fields.len() == 3));
}

#[test]
fn second_verification_reads_nothing_and_full_reads_all() {
    let place = Place::new();
    let dir = place.bundle("b");
    assert_eq!(verify(&place, &dir, Check::Changed).expect("good").hashed, 3);
    assert_eq!(settle(&place, &dir).files, 3);
    assert_eq!(verify(&place, &dir, Check::Full).expect("good").hashed, 3);
}

#[test]
fn progress_ends_at_the_total() {
    let place = Place::new();
    let last = std::sync::Mutex::new((0, 0));
    let bundle = Bundle::open(place.bundle("b")).expect("good");
    let note = |now: Progress| {
        let mut last = last.lock().expect("not poisoned");
        *last = (last.0.max(now.done), now.total);
    };
    bundle.verify(&place.cache(), Check::Full, &note).expect("good");
    assert_eq!(last.into_inner().expect("not poisoned"), (300_011, 300_011));
}

#[test]
fn a_byte_flipped_behind_the_stamps_is_found() {
    let place = Place::new();
    let dir = place.bundle("b");
    settle(&place, &dir);
    let path = dir.join("bin/kubelet");
    let before = fs::metadata(&path).expect("there").modified().expect("known");
    flip(&path);
    // As someone would who wants to hide it.
    OpenOptions::new().write(true).open(&path).and_then(|file| file.set_modified(before)).expect("set back");
    let faults = faults(verify(&place, &dir, Check::Changed));
    assert!(faults.starts_with("  bin/kubelet: sha256 is "), "{faults}");
}

#[test]
fn a_spoiled_cache_of_stamps_is_no_excuse() {
    let place = Place::new();
    let dir = place.bundle("b");
    settle(&place, &dir);
    for entry in fs::read_dir(place.cache()).expect("listed").flatten() {
        fs::write(entry.path(), "{").expect("written");
    }
    assert_eq!(verify(&place, &dir, Check::Changed).expect("good").hashed, 3);
}

#[test]
fn every_bad_file_is_named_at_once() {
    let place = Place::new();
    let dir = place.bundle("b");
    OpenOptions::new().write(true).open(dir.join("bin/kubelet")).and_then(|f| f.set_len(1000)).expect("cut");
    fs::remove_file(dir.join("cni/bridge")).expect("removed");
    fs::write(dir.join("images/pause.tar"), "pauze").expect("written");
    fs::write(dir.join("bin/extra"), "").expect("written");
    symlink("/bin/sh", dir.join("cni/sh")).expect("linked");
    insta::assert_snapshot!(faults(verify(&place, &dir, Check::Changed)), @r#"
    bin/extra: not listed in bundle.yaml
    bin/kubelet: truncated, 1000 of 300000 bytes
    cni/bridge: missing
    cni/sh: not listed in bundle.yaml
    images/pause.tar: sha256 is bce889f722fa8106a9ff46120fbf499ce56d796a3930d8ba013f1021bb7e9f02, not 6210c0bf05396716df932f0729df69de0533933e5ad9871fd07b61811c4c28df
    "#);
}

#[test]
fn links_and_unrunnable_programs_are_bad() {
    let place = Place::new();
    let dir = place.bundle("b");
    fs::rename(dir.join("bin/kubelet"), place.path("kubelet")).expect("moved");
    symlink(place.path("kubelet"), dir.join("bin/kubelet")).expect("linked");
    fs::set_permissions(dir.join("cni/bridge"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("changed");
    let found = faults(verify(&place, &dir, Check::Changed));
    assert_eq!(found, "  bin/kubelet: not a regular file\n  cni/bridge: not executable");
}

#[test]
fn a_directory_is_linked_and_found_again() {
    let place = Place::new();
    let dir = place.bundle("b");
    fs::write(dir.join("README"), "not listed").expect("written");
    let imported = import_from(&place, &dir).expect("good");
    assert!(!imported.kept);
    let inode = |path: PathBuf| fs::metadata(path).expect("there").ino();
    assert_eq!(inode(imported.bundle.program("kubelet")), inode(dir.join("bin/kubelet")));
    assert!(!imported.bundle.dir().join("README").exists());
    assert_eq!(place.kept(), [imported.bundle.directory_name()]);
    let again = import_from(&place, &dir).expect("good");
    assert!(again.kept);
    settle(&place, imported.bundle.dir());
    assert_eq!(import_from(&place, &dir).expect("good").verified.hashed, 0);
    let found = find_version(None, &place.bundles(), Required::Exactly("v1.36.3")).expect("found");
    assert_eq!(found.dir(), imported.bundle.dir());
}

#[test]
fn what_others_may_write_is_copied() {
    let place = Place::new();
    let dir = place.bundle("b");
    fs::set_permissions(dir.join("bin/kubelet"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("changed");
    let imported = import_from(&place, &dir).expect("good");
    flip(&dir.join("bin/kubelet"));
    assert!(imported.bundle.verify(&place.cache(), Check::Full, QUIET).is_ok());
}

#[test]
fn archives_of_every_kind_are_unpacked() {
    let place = Place::new();
    let dir = place.bundle("b");
    let plain = build_tar(&dir, "v1.36.3-test");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).expect("packed");
    // Two frames, as parallel compressors write them.
    let (a, b) = plain.split_at(5000);
    let zstd = [zstd::encode_all(a, 1).expect("packed"), zstd::encode_all(b, 1).expect("packed")].concat();
    let kinds = [("a.tar", plain), ("b.gz", gzip.finish().expect("packed")), ("c", zstd), ("d", build_tar(&dir, "."))];
    for (i, (name, bytes)) in kinds.into_iter().enumerate() {
        fs::write(place.path(name), bytes).expect("written");
        let imported = import_from(&place, &place.path(name)).expect(name);
        assert_eq!(imported.kept, i > 0);
    }
    assert_eq!(place.kept().len(), 1);
}

#[test]
fn hostile_archives_leave_nothing() {
    let place = Place::new();
    let entries = [
        ("../escaped", EntryType::Regular, ""),
        ("/escaped", EntryType::Regular, ""),
        ("bin/../../escaped", EntryType::Regular, ""),
        ("bin/link", EntryType::Symlink, "/etc/passwd"),
        ("bin/link", EntryType::Symlink, "kubelet"),
        ("bin/link", EntryType::Link, "/etc/passwd"),
        ("bin/link", EntryType::Link, "../../cache"),
        ("bin/pipe", EntryType::Fifo, ""),
    ];
    let mut messages = Vec::new();
    for (path, kind, link) in entries {
        fs::write(place.path("evil"), build_hostile_entry(path, kind, link)).expect("written");
        let error = import_from(&place, &place.path("evil")).expect_err("refused");
        messages.push(error.to_string().replace(&place.dir.path().display().to_string(), ""));
        assert!(place.kept().is_empty() && !place.path("escaped").exists());
    }
    insta::assert_snapshot!(messages.join("\n"), @r#"
    /evil: entry "../escaped" leads out of the bundle
    /evil: entry "/escaped" is an absolute path
    /evil: entry "bin/../../escaped" leads out of the bundle
    /evil: entry "bin/link" is a symbolic link, which no bundle has
    /evil: entry "bin/link" is a symbolic link, which no bundle has
    /evil: entry "bin/link" is a link to outside of the bundle
    /evil: entry "bin/link" is a link to outside of the bundle
    /evil: entry "bin/pipe" is neither a file nor a directory
    "#);
}

#[test]
fn an_entry_said_twice_is_refused() {
    let place = Place::new();
    let once = build_hostile_entry("bin/a", EntryType::Regular, "");
    // An archive ends with two empty blocks.
    let twice = [&once[..512], &once[..]].concat();
    fs::write(place.path("evil"), twice).expect("written");
    let error = import_from(&place, &place.path("evil")).expect_err("refused");
    assert!(error.to_string().ends_with("\"bin/a\" is there twice"), "{error}");
}

#[test]
fn what_is_no_archive_is_not_repeated() {
    let place = Place::new();
    let secret = "root:x:0:0:secret\n".repeat(100);
    let mut damaged = build_tar(&place.bundle("b"), ".");
    // The second header; the first is that of the directory.
    damaged[512..1024].copy_from_slice(&secret.as_bytes()[..512]);
    let zstd = zstd::encode_all(secret.as_bytes(), 1).expect("packed");
    let mut said = Vec::new();
    for (name, content) in [("text", secret.as_bytes()), ("short", b"secret"), ("text.zst", &zstd), ("tar", &damaged)] {
        fs::write(place.path(name), content).expect("written");
        let error = import_from(&place, &place.path(name)).expect_err("refused");
        let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        said.push(format!("{error}{source}\n  {}", error.hint().expect("a hint")));
    }
    insta::assert_snapshot!(said.join("\n").replace(&place.dir.path().display().to_string(), ""), @r"
    /text is no archive: neither tar nor tar in gzip or zstd
      name a bundle's directory or its .tar, .tar.gz or .tar.zst; get one with `usernetes-rs bundle download`, keep one with `usernetes-rs bundle import PATH`, or name one with `--bundle PATH`
    /short is no archive: neither tar nor tar in gzip or zstd
      name a bundle's directory or its .tar, .tar.gz or .tar.zst; get one with `usernetes-rs bundle download`, keep one with `usernetes-rs bundle import PATH`, or name one with `--bundle PATH`
    /text.zst is no archive: neither tar nor tar in gzip or zstd
      name a bundle's directory or its .tar, .tar.gz or .tar.zst; get one with `usernetes-rs bundle download`, keep one with `usernetes-rs bundle import PATH`, or name one with `--bundle PATH`
    cannot unpack /tar: it is damaged or cut off
      copy the archive again; it is cut short, damaged, or the disk is full
    ");
}

#[test]
fn a_damaged_source_leaves_nothing_half_made() {
    let place = Place::new();
    let dir = place.bundle("b");
    let whole = build_tar(&dir, ".");
    fs::write(place.path("cut.tar"), &whole[..whole.len() / 2]).expect("written");
    assert!(matches!(import_from(&place, &place.path("cut.tar")), Err(BundleError::Unpack { .. })));
    flip(&dir.join("bin/kubelet"));
    let Err(BundleError::Damaged { dir: blamed, .. }) = import_from(&place, &dir) else { panic!("imported") };
    assert_eq!(blamed, dir);
    fs::write(place.path("bad.tar"), build_tar(&dir, ".")).expect("written");
    let Err(BundleError::Damaged { dir: blamed, .. }) = import_from(&place, &place.path("bad.tar")) else {
        panic!("imported")
    };
    assert_eq!(blamed, place.path("bad.tar"));
    fs::write(place.path("no.tar"), build_hostile_entry("bin/a", EntryType::Regular, "")).expect("written");
    assert!(matches!(import_from(&place, &place.path("no.tar")), Err(BundleError::NoManifest(_))));
    assert!(matches!(import_from(&place, &place.path("nowhere")), Err(BundleError::Missing(_))));
    assert!(place.kept().is_empty());
}

#[test]
fn what_a_killed_import_left_is_removed() {
    let place = Place::new();
    fs::create_dir_all(place.bundles().join(".import-dead/bin")).expect("made");
    import_from(&place, &place.bundle("b")).expect("good");
    assert_eq!(place.kept().len(), 1);
}

#[test]
fn a_damaged_import_is_replaced() {
    let place = Place::new();
    let dir = place.bundle("b");
    let kept = import_from(&place, &dir).expect("good").bundle;
    fs::remove_file(kept.program("kubelet")).expect("removed");
    let again = import_from(&place, &dir).expect("good");
    assert!(!again.kept);
    assert_eq!(place.kept(), [kept.directory_name()]);
    assert!(kept.verify(&place.cache(), Check::Full, QUIET).is_ok());
}

#[test]
fn the_newest_of_the_wanted_version_is_taken() {
    let place = Place::new();
    let (old, new) = (place.bundle("old"), place.bundle("new"));
    edit_manifest(&new, |text| text.replace("v1.36.3-test", "v1.36.3-newer"));
    let old = import_from(&place, &old).expect("good").bundle;
    let new = import_from(&place, &new).expect("good").bundle;
    let now = || find_version(None, &place.bundles(), Required::Exactly("v1.36.3")).expect("found").dir().to_owned();
    assert_eq!(now(), new.dir());
    import_from(&place, &place.path("old")).expect("good");
    assert_eq!(now(), old.dir());
    assert_eq!(list_bundles(&place.bundles()).expect("listed").len(), 2);
}

#[test]
fn a_kubelet_may_be_older_than_the_api_server_but_not_newer() {
    let place = Place::new();
    let of = |version: &str| {
        let dir = place.bundle(version);
        edit_manifest(&dir, |text| text.replace("v1.36.3", version));
        dir
    };
    let server = Required::KubeletFor("v1.36.3");
    let version = |found: Result<Bundle, BundleError>| found.map(|b| b.manifest().kubernetes_version.clone());
    for (found, good) in [("v1.33.0", true), ("v1.36.9", true), ("v1.32.7", false), ("v1.37.0", false)] {
        let named = find_version(Some(&of(found)), &place.bundles(), server);
        assert_eq!(version(named).is_ok(), good, "{found}");
    }
    // The nearest counts, not the newest import.
    for (imported, best) in
        [("v1.34.1", "v1.34.1"), ("v1.35.2", "v1.35.2"), ("v1.37.0", "v1.35.2"), ("v1.33.9", "v1.35.2")]
    {
        import_from(&place, &of(imported)).expect("good");
        assert_eq!(version(find_version(None, &place.bundles(), server)).expect("found"), best);
    }
    let refused = |found: &str| {
        let error = find_version(Some(&place.path(found)), &place.bundles(), server).expect_err("refused");
        let text = format!("{error}\n  {}", error.hint().expect("a hint"));
        text.replace(&place.dir.path().canonicalize().expect("there").display().to_string(), "")
    };
    insta::assert_snapshot!(refused("v1.32.7") + "\n" + &refused("v1.37.0"), @r#"
    bundle /v1.32.7 is Kubernetes v1.32.7: its kubelet is too old for the cluster's API server, v1.36.3
      take a bundle of Kubernetes v1.36.3 (v1.33 to v1.36 work): usernetes-rs join - --bundle-from-peer fetches the cluster's own; or get one with `usernetes-rs bundle download`, keep one with `usernetes-rs bundle import PATH`, or name one with `--bundle PATH`
    bundle /v1.37.0 is Kubernetes v1.37.0: its kubelet is newer than the cluster's API server, v1.36.3
      take a bundle of Kubernetes v1.36.3 (v1.33 to v1.36 work): usernetes-rs join - --bundle-from-peer fetches the cluster's own; or get one with `usernetes-rs bundle download`, keep one with `usernetes-rs bundle import PATH`, or name one with `--bundle PATH`
    "#);
}

#[test]
fn nothing_to_use_is_said_with_the_ways_out() {
    let place = Place::new();
    let said = |error: BundleError| {
        let text = format!("{error}\n  {}", error.hint().expect("a hint"));
        text.replace(&place.dir.path().canonicalize().expect("there").display().to_string(), "")
    };
    let mut all = vec![said(find_version(None, &place.bundles(), Required::Exactly("v1.36.3")).expect_err("none"))];
    let dir = place.bundle("b");
    import_from(&place, &dir).expect("good");
    fs::write(place.path("b.tar"), "").expect("written");
    all.push(said(find_version(None, &place.bundles(), Required::Exactly("v1.37.0")).expect_err("none")));
    for (named, wanted) in [("b", "v1.37.0"), ("b.tar", "v1.36.3"), ("nowhere", "v1.36.3"), ("bundles", "v1.36.3")] {
        all.push(said(
            find_version(Some(&place.path(named)), &place.bundles(), Required::Exactly(wanted)).expect_err("none"),
        ));
    }
    insta::assert_snapshot!(all.join("\n"), @r#"
    no bundle of Kubernetes v1.36.3 in /bundles
      get one with `usernetes-rs bundle download`, keep one with `usernetes-rs bundle import PATH`, or name one with `--bundle PATH`
    no bundle of Kubernetes v1.37.0 in /bundles; there is v1.36.3
      get one with `usernetes-rs bundle download`, keep one with `usernetes-rs bundle import PATH`, or name one with `--bundle PATH`
    bundle /b is Kubernetes v1.36.3, the configuration wants v1.37.0
      set kubernetesVersion: v1.36.3 in the configuration, or choose another bundle: get one with `usernetes-rs bundle download`, keep one with `usernetes-rs bundle import PATH`, or name one with `--bundle PATH`
    bundle /b.tar is an archive that was not imported
      usernetes-rs bundle import /b.tar
    bundle /nowhere does not exist
      get one with `usernetes-rs bundle download`, keep one with `usernetes-rs bundle import PATH`, or name one with `--bundle PATH`
    /bundles is no bundle: it has no bundle.yaml
      a bundle is made by hack/bundle or by the tool itself; get one with `usernetes-rs bundle download`, keep one with `usernetes-rs bundle import PATH`, or name one with `--bundle PATH`
    "#);
}

#[test]
fn a_joining_host_without_a_bundle_is_pointed_to_its_peer() {
    let place = Place::new();
    let paths = paths_of(&place);
    let mut config = Config { join: Some(JoinConfiguration::default()), ..Config::default() };
    config.cluster.kubernetes_version = "v1.36.3".into();
    let none = find_bundle(&config, &paths).expect_err("nothing imported");
    config.state.bundle_sha256 = Some("0".repeat(64));
    import(&place.bundle("b"), &paths.bundles(), &place.cache(), QUIET).expect("good");
    let other = find_bundle(&config, &paths).expect_err("another digest");
    for error in [none, other] {
        assert!(error.hint().is_some_and(|hint| hint.contains("join - --bundle-from-peer")), "{error}");
    }
    let bundle = Bundle::open(place.path("b")).expect("good");
    config.state.bundle_sha256 = Some(bundle.digest().to_owned());
    assert_eq!(find_bundle(&config, &paths).expect("imported").digest(), bundle.digest());
}

/// Paths of a cluster whose imported bundles are those of `place`.
fn paths_of(place: &Place) -> Paths {
    let xdg = Xdg { config: place.path("c"), data: place.path("d"), cache: place.path("h"), runtime: place.path("r") };
    Paths::new(xdg, usernetes_api::ClusterName::default())
}

#[test]
fn a_node_keeps_its_bundle() {
    let place = Place::new();
    let paths = paths_of(&place);
    let config = Config { cluster: of_version("v1.36.3"), ..Config::default() };
    let import_one = |name| import(&place.bundle(name), &paths.bundles(), &paths.bundles(), QUIET).expect("imported");
    let imported = import_one("one").bundle;
    let found = find_bundle(&config, &paths).expect("imported");
    assert_eq!(found.dir(), imported.dir());
    std::thread::sleep(std::time::Duration::from_millis(30));
    found.verify(&paths.bundles(), Check::Changed, QUIET).expect("good");
    let pinned = pin_bundle(found, &paths).expect("linked");
    assert_eq!(pinned.digest(), imported.digest());
    assert!(pinned.dir().starts_with(paths.pinned_bundles().canonicalize().expect("there")));
    let inode = |dir: &Path| std::fs::metadata(dir.join("bin/kubelet")).expect("there").ino();
    assert_eq!(inode(pinned.dir()), inode(imported.dir()), "no second copy");
    for bundle in [&pinned, &imported] {
        let stamps = stamps_directory(bundle, &paths);
        let verified = bundle.verify(&stamps, Check::Changed, QUIET).expect("good");
        assert_eq!(verified.hashed, 0, "a link changes the ctime and nothing else: {}", bundle.dir().display());
    }
    // Another bundle of the same version is imported, then the cache is emptied.
    let other = place.bundle("two");
    edit_manifest(&other, |text| text.replace("v1.36.3-test", "v1.36.3-newer"));
    import(&other, &paths.bundles(), &paths.bundles(), QUIET).expect("imported");
    assert_eq!(find_bundle(&config, &paths).expect("pinned").digest(), pinned.digest());
    std::fs::remove_dir_all(&paths.xdg.cache).expect("there");
    let found = find_bundle(&config, &paths).expect("pinned");
    assert_eq!(found.dir(), pinned.dir());
    assert_eq!(pin_bundle(found, &paths).expect("is pinned").dir(), pinned.dir());
    // What the node would not run by its configuration is not taken.
    let newer = Config { cluster: of_version("v1.37.0"), ..Config::default() };
    find_bundle(&newer, &paths).expect_err("another version");
    let mut joined = config.clone();
    joined.state.bundle_sha256 = Some("0".repeat(64));
    find_bundle(&joined, &paths).expect_err("another digest");
    unpin_bundle(&paths).expect("removed");
    find_bundle(&config, &paths).expect_err("nothing is left");
}

#[test]
fn changed_files_are_not_pinned() {
    let place = Place::new();
    let paths = paths_of(&place);
    let imported = import(&place.bundle("one"), &paths.bundles(), &paths.bundles(), QUIET).expect("imported").bundle;
    std::thread::sleep(std::time::Duration::from_millis(30));
    imported.verify(&paths.bundles(), Check::Changed, QUIET).expect("good");
    std::fs::write(imported.dir().join("bin/kubelet"), vec![8; 300_000]).expect("written");
    pin_bundle(imported, &paths).expect_err("another content");
    assert!(list_bundles(&paths.pinned_bundles()).expect("listed").is_empty());
}

fn of_version(version: &str) -> ClusterConfiguration {
    ClusterConfiguration { kubernetes_version: version.into(), ..ClusterConfiguration::default() }
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let place = Place::new();
    fs::write(place.bundles(), "a file where the directory should be").expect("written");
    let error = import_from(&place, &place.bundle("b")).expect_err("refused");
    assert!(error.to_string().contains(&place.bundles().display().to_string()), "{error}");
}

/// Figures on a real bundle: `USERNETES_BUNDLE=DIR cargo test --release … measure -- --ignored --nocapture`.
#[test]
#[ignore = "wants a real bundle"]
#[expect(clippy::print_stdout, reason = "figures for a person")]
fn measure() {
    let place = Place::new();
    let dir = std::env::var_os("USERNETES_BUNDLE").expect("USERNETES_BUNDLE names a bundle");
    let bundle = Bundle::open(Path::new(&dir)).expect("good");
    let timed = |check| {
        let start = std::time::Instant::now();
        let verified = bundle.verify(&place.cache(), check, QUIET).expect("good");
        (start.elapsed(), verified)
    };
    let start = std::time::Instant::now();
    let imported = import_from(&place, Path::new(&dir)).expect("good");
    println!("import {:?} {:?}", start.elapsed(), imported.verified);
    let figures = [timed(Check::Full), timed(Check::Full), timed(Check::Changed)];
    assert_eq!(figures[2].1.hashed, 0, "{figures:?}");
    assert!(figures[2].0 < figures[1].0 / 10, "{figures:?}");
    let text = figures.map(|(took, verified)| format!("{took:?} {verified:?}")).join("\n");
    println!("{text}");
}
