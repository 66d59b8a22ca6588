//! Images that come without a registry.

use anyhow::{Result, ensure};
use usernetes_e2e::{IMAGE, Machine, Namespace, Testbed, pod};

const ARCHIVE: &str = "/srv/bundle/images/busybox.tar";

/// Makes an OCI layout `layout`, whose image has only the tag 7, from a docker-archive.
const LAYOUT: &str = r#"
rm -rf unpacked layout && mkdir -p unpacked layout/blobs/sha256
tar -xf /srv/bundle/images/busybox.tar -C unpacked && rm unpacked/manifest.json
put() {
  digest=$(sha256sum < "$1" | cut -d' ' -f1)
  cp "$1" "layout/blobs/sha256/$digest"
  printf '"digest":"sha256:%s","size":%s' "$digest" "$(stat -c %s "$1")"
}
oci=application/vnd.oci.image
printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"%s",%s},"layers":[{"mediaType":"%s",%s}]}' \
  $oci.manifest.v1+json $oci.config.v1+json "$(put unpacked/*.json)" $oci.layer.v1.tar "$(put unpacked/*.tar)" > manifest
printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s",%s,"annotations":{"org.opencontainers.image.ref.name":"7"}}]}' \
  $oci.manifest.v1+json "$(put manifest)" > layout/index.json
echo '{"imageLayoutVersion":"1.0.0"}' > layout/oci-layout
"#;

pub(crate) fn come_by_archive(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let sum = host.sh(&format!("sha256sum < {ARCHIVE}")).ok()?.text().replace(" -", "").trim().to_owned();
    host.tool(&["images", "import", ARCHIVE]).ok()?.says(&[&sum, IMAGE])?;
    let from_pipe = host.sh(&format!("gzip -1 < {ARCHIVE} | usernetes-rs images import -")).limit(120);
    from_pipe.ok()?.says(&[IMAGE])?;
    host.sh(&format!("mkdir -p archives && cp {ARCHIVE} /srv/bundle/images/pause.tar archives/")).ok()?;
    let json = host.tool(&["images", "import", "archives", "-o", "json"]).ok()?;
    let names: Vec<serde_json::Value> = json.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(names.len() == 2 && names.iter().any(|image| image["name"] == IMAGE), "{json}");
    let list = host.tool(&["images", "list"]).ok()?.says(&["IMAGE", "PINNED", "registry.k8s.io/pause"])?;
    ensure!(list.text().lines().any(|line| line.starts_with(IMAGE) && line.ends_with("yes")), "{list}");
    Ok(())
}

pub(crate) fn come_by_layout_and_run(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.sh(LAYOUT).ok()?;
    host.tool(&["images", "import", "layout"]).output()?.exits(1)?.says(&["only the tag", "--base-name"])?;
    let name = "registry.example/app";
    host.tool(&["images", "import", "--base-name", name, "layout"]).ok()?.says(&["registry.example/app:7"])?;
    let namespace = Namespace::new(host, "images")?;
    namespace.apply(&pod("app", "echo from a layout; sleep 600", "").replace(IMAGE, "registry.example/app:7"))?;
    namespace.kubectl(&["wait", "--for=condition=Ready", "pod/app", "--timeout=60s"])?;
    ensure!(namespace.kubectl(&["logs", "app"])?.text() == "from a layout", "the pod says something else");
    Ok(())
}

pub(crate) fn wrong_ones_are_told(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let import = |words: &[&str]| host.tool(&[&["images", "import"], words].concat()).output();
    import(&["none.tar"])?.exits(1)?.says(&["none.tar", "no such file", "hint"])?;
    import(&["/etc/hostname"])?.exits(1)?.says(&["is not an image archive", "docker save"])?;
    import(&["/srv/bundle/cni"])?.exits(1)?.says(&["no image archive in /srv/bundle/cni", ".tar.zst"])?;
    host.sh(&format!("head -c 3000000 {ARCHIVE} > half.tar")).ok()?;
    import(&["half.tar"])?.exits(1)?.says(&["half.tar is damaged", "sha256sum"])?;
    import(&[])?.exits(64)?;
    host.tool(&["--cluster", "other", "images", "list"]).output()?.exits(1)?.says(&["no node", "init"])?;
    // Nothing listens there, so no registry outside is asked.
    let pull = host.tool(&["images", "pull", "127.0.0.1:1/app:1"]).output()?;
    pull.exits(1)?.says(&["cannot pull 127.0.0.1:1/app:1", "connection refused"])?;
    Ok(())
}
