//! What lays the layers of images over each other.

use anyhow::{Result, ensure};
use usernetes_e2e::{Host, Machine, Namespace, Testbed};

use crate::{quiet, works};

/// What the root of a new pod is, as `/proc/mounts` has it.
fn root_of_a_pod(host: &Host) -> Result<String> {
    let namespace = Namespace::new(host, "layers")?;
    namespace.pod("main", "sleep 3600")?;
    namespace.ready(&["pod/main"])?;
    namespace.sh("main", "echo written > /file; cat /file; rm -r /etc/busybox.conf /var/tmp; grep ' / ' /proc/mounts")
}

fn lies_on(host: &Host, kind: &str) -> Result<()> {
    let root = root_of_a_pod(host)?;
    ensure!(root.starts_with("written\n") && root.contains(&format!(" / {kind} ")), "{root}");
    Ok(())
}

/// An overlay cannot be the upper directory of another: the state lies where the kernel's overlayfs does not work.
pub(crate) fn state_where_overlay_does_not_work(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.sh("mkdir -p ~/.local/share").ok()?;
    host.admin(
        "mkdir /tmp/lower
         mount -t tmpfs tmpfs /mnt
         mkdir /mnt/upper /mnt/work
         chown alice: /mnt/upper
         mount -t overlay -o lowerdir=/tmp/lower,upperdir=/mnt/upper,workdir=/mnt/work overlay /home/alice/.local/share
         chmod 600 /dev/fuse",
    )?;
    host.tool(&["preflight"]).output()?.says(&["overlay", "images take more space and time", "fuse3"])?;
    host.admin("chmod 666 /dev/fuse")?;
    host.tool(&["preflight"]).output()?.says(&["overlay", "fuse-overlayfs works"])?;
    host.init::<&str>(&[]).ok()?;
    lies_on(host, "fuse.fuse-overlayfs")?;
    works(host)?;
    host.tool(&["stop"]).ok()?;
    host.tool(&["start"]).ok()?;
    works(host)?;
    host.tool(&["reset", "--force"]).ok()?;
    quiet(host)
}

pub(crate) fn fuse_overlayfs_is_chosen(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.init(&["--snapshotter", "fuse-overlayfs"]).ok()?;
    host.tool(&["status"]).ok()?.says(&["fuse-overlayfs"])?;
    lies_on(host, "fuse.fuse-overlayfs")?;
    crate::death::component(testbed, "containerd-fuse-overlayfs-grpc")?;
    host.tool(&["reset", "--force"]).ok()?;
    quiet(host)
}
