use super::*;
use proptest::prelude::*;
use std::fs;
use std::io::Write as _;

type Entries<'a> = &'a [(&'a str, &'a str)];

const SAVED: &str = r#"[{"Config":"c.json","RepoTags":["busybox:1.35","ghcr.io/a/b:2"],"Layers":["l.tar"]}]"#;
const INDEX: &str = r#"{"manifests":[{"annotations":{"io.containerd.image.name":"registry.example/app:1","org.opencontainers.image.ref.name":"1"}}]}"#;
const TAG_ONLY: &str = r#"{"manifests":[{"annotations":{"org.opencontainers.image.ref.name":"1.0"}}]}"#;

fn archive(entries: Entries) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

/// What arrives, and what is said about it.
fn send(bytes: &[u8], base: Option<&str>) -> (Vec<u8>, Result<Sent, ImageError>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.tar");
    fs::write(&path, bytes).unwrap();
    let mut arrived = Vec::new();
    let sent = Source::File(path).send(base, &mut arrived, |_| {});
    (arrived, sent)
}

fn why(bytes: &[u8], base: Option<&str>) -> String {
    let error = send(bytes, base).1.unwrap_err();
    let text = error.to_string();
    text.replace(text.split_whitespace().find(|word| word.ends_with("x.tar")).unwrap_or("?"), "x.tar")
}

#[test]
fn an_archive_arrives_as_it_is_and_is_named() {
    let bytes = archive(&[("l.tar", "layer"), ("manifest.json", SAVED)]);
    let (arrived, sent) = send(&bytes, None);
    assert_eq!(arrived, bytes);
    let sent = sent.unwrap();
    assert_eq!(sent.images, ["docker.io/library/busybox:1.35", "ghcr.io/a/b:2"]);
    assert_eq!(sent.bytes, bytes.len() as u64);
}

#[test]
fn the_checksum_is_that_of_the_file_also_when_compressed() {
    let plain = archive(&[("manifest.json", SAVED)]);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&plain).unwrap();
    for packed in [gz.finish().unwrap(), zstd::encode_all(&plain[..], 1).unwrap()] {
        let (arrived, sent) = send(&packed, None);
        assert_eq!(arrived, plain);
        assert_eq!(sent.unwrap().sha256, crate::bundle::digest::hash_bytes(&packed));
    }
}

#[test]
fn layouts_count_more_than_other_lists() {
    let both = archive(&[("./oci-layout", "{}"), ("./index.json", INDEX), ("manifest.json", SAVED)]);
    assert_eq!(send(&both, None).1.unwrap().images, ["registry.example/app:1"]);
    // Without the marker, index.json is a file like any other.
    let marked = archive(&[("index.json", INDEX), ("manifest.json", SAVED)]);
    assert_eq!(send(&marked, None).1.unwrap().images.len(), 2);
}

#[test]
fn tags_need_a_base_name() {
    let bytes = archive(&[("oci-layout", "{}"), ("index.json", TAG_ONLY)]);
    insta::assert_snapshot!(why(&bytes, None), @r#"x.tar has an image of which it knows only the tag "1.0""#);
    assert_eq!(send(&bytes, Some("ghcr.io/me/app")).1.unwrap().images, ["ghcr.io/me/app:1.0"]);
    let other = archive(&[("oci-layout", "{}"), ("index.json", INDEX)]);
    insta::assert_snapshot!(why(&other, Some("ghcr.io/me/app")), @"x.tar has none of the wanted images");
}

#[test]
fn what_is_no_image_archive_is_told_from_what_is_damaged() {
    insta::assert_snapshot!(why(b"hello, this is a text and not even long", None), @"x.tar is not an image archive");
    insta::assert_snapshot!(why(b"", None), @"x.tar is not an image archive");
    insta::assert_snapshot!(why(&archive(&[("readme", "x")]), None), @"x.tar is not an image archive");
    insta::assert_snapshot!(why(&archive(&[("manifest.json", "{}")]), None), @"x.tar is damaged");
    insta::assert_snapshot!(why(&archive(&[("manifest.json", r#"[{"RepoTags":null}]"#)]), None), @"x.tar has an image without a name");
    let whole = archive(&[("l.tar", &"x".repeat(5000)), ("manifest.json", SAVED)]);
    insta::assert_snapshot!(why(&whole[..3000], None), @"x.tar is damaged");
}

#[test]
fn a_reader_that_stops_early_does_not_matter() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.tar"), archive(&[("manifest.json", SAVED)])).unwrap();
    let sent = Source::File(dir.path().join("x.tar")).send(None, Closed, |_| {}).unwrap();
    assert_eq!(sent.images.len(), 2);
}

#[test]
fn a_directory_means_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    assert!(matches!(Source::find(dir.path()), Err(ImageError::NoArchive(_))));
    fs::write(path("b.tar.gz"), "").unwrap();
    fs::write(path("a.tar"), "").unwrap();
    fs::write(path("notes.txt"), "").unwrap();
    fs::create_dir(path("layout")).unwrap();
    fs::write(path("layout/oci-layout"), "{}").unwrap();
    fs::write(path("layout/index.json"), INDEX).unwrap();
    let found = Source::find(dir.path()).unwrap();
    assert_eq!(found, [Source::File(path("a.tar")), Source::File(path("b.tar.gz")), Source::Layout(path("layout"))]);
    // A named file may be called anything, a named layout is one source.
    assert_eq!(Source::find(&path("notes.txt")).unwrap(), [Source::File(path("notes.txt"))]);
    assert_eq!(Source::find(&path("layout")).unwrap(), [Source::Layout(path("layout"))]);
    assert_eq!(Source::find(Path::new("-")).unwrap(), [Source::Stdin]);
    assert!(matches!(Source::find(&path("none")), Err(ImageError::Read { .. })));

    let mut packed = Vec::new();
    let sent = Source::Layout(path("layout")).send(None, &mut packed, |_| {}).unwrap();
    assert_eq!(sent.images, ["registry.example/app:1"]);
    assert_eq!(send(&packed, None).1.unwrap().images, sent.images);
}

#[test]
fn names_get_registry_and_tag() {
    let full = |name| full_name(name).unwrap();
    assert_eq!(full("busybox"), "docker.io/library/busybox:latest");
    assert_eq!(full("me/app:1"), "docker.io/me/app:1");
    assert_eq!(full("localhost/app"), "localhost/app:latest");
    assert_eq!(full("host:5000/app"), "host:5000/app:latest");
    assert_eq!(full("ghcr.io/a/b@sha256:00"), "ghcr.io/a/b@sha256:00");
    for bad in ["", "-x", "a b", "a//b", "a/", "ghcr.io/"] {
        assert!(full_name(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn lists_are_read_without_second_names() {
    let text = "\
REF TYPE DIGEST SIZE PLATFORMS LABELS
sha256:11  application/vnd.oci.image.index.v1+json sha256:aa 1.0 MiB linux/amd64 io.cri-containerd.image=managed
r.example/b:1 application/vnd.oci.image.index.v1+json sha256:bb 12.5 MiB linux/amd64,linux/arm64 a=b,io.cri-containerd.pinned=pinned
r.example/b@sha256:bb application/vnd.oci.image.index.v1+json sha256:bb 12.5 MiB linux/amd64 -
docker.io/library/a:1 application/vnd.oci.image.manifest.v1+json sha256:aa 700.0 B linux/amd64 -
";
    let shown: Vec<_> = parse_list(text).iter().map(|i| serde_json::to_string(i).unwrap()).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    {"name":"docker.io/library/a:1","digest":"sha256:aa","size":"700.0 B","platforms":"linux/amd64","pinned":false}
    {"name":"r.example/b:1","digest":"sha256:bb","size":"12.5 MiB","platforms":"linux/amd64,linux/arm64","pinned":true}
    "#);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000), text in ".*") {
        let _ = send(&bytes, None);
        let _ = full_name(&text);
        let _ = parse_list(&text);
        let _ = send(&archive(&[("oci-layout", ""), ("index.json", &text)]), None);
        let _ = send(&archive(&[("manifest.json", &text)]), None);
    }

    #[test]
    fn a_full_name_stays(name in "[a-z]{1,8}(/[a-z]{1,8}){0,2}(:[a-z0-9]{1,5})?") {
        let full = full_name(&name).unwrap();
        prop_assert_eq!(full_name(&full).unwrap(), full);
    }
}
