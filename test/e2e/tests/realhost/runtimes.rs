//! Containers made by something else than the bundle's runc.

use anyhow::{Result, ensure};
use usernetes_e2e::{Rig, Space, install_crio};

use crate::{apply_hint, is_well, limits, preflight, warning};

/// A cluster by these words on delegated cgroups: limits are the runtime's to set, and it hands on what containers say.
fn works(rig: &Rig, words: &[&str]) -> Result<()> {
    let guest = rig.guest();
    guest.init(words).ok()?.says(&["cgroups delegated"])?;
    is_well(guest)?;
    limits::hold(rig)?;
    limits::hog(rig)?;
    let space = Space::new(guest, "by-runtime")?;
    space.pod("main", "echo said; sleep 3600")?;
    space.ready(&["pod/main"])?;
    ensure!(space.kubectl(&["logs", "main"])?.text() == "said");
    Ok(())
}

pub(crate) fn crun(rig: &Rig) -> Result<()> {
    let guest = rig.guest();
    guest.admin("loginctl enable-linger alice")?;
    apply_hint(guest, &warning(&preflight(guest).ok()?, "PodSubID")?)?;
    works(rig, &["--oci-runtime", "crun"])?;
    limits::own_user_namespace(rig)?;
    // runc's file is state.json.
    let count = "ls /run/containerd/runc/k8s.io/*/status | wc -l; ls /run/containerd/runc/k8s.io/*/state.json | wc -l";
    let made = guest.tool(&["shell", "--", "sh", "-c", count]).output()?;
    ensure!(made.text().ends_with("\n0") && !made.text().starts_with("0\n"), "containers are not crun's:\n{made}");
    Ok(())
}

/// CRI-O, with each OCI runtime.
pub(crate) fn crio(rig: &Rig) -> Result<()> {
    let guest = rig.guest();
    install_crio(guest)?;
    guest.admin("loginctl enable-linger alice")?;
    for runtime in ["runc", "crun"] {
        works(rig, &["--cri-socket", "unix:///run/crio/crio.sock", "--oci-runtime", runtime])?;
        let made = guest.tool(&["shell", "--", "sh", "-c", &format!("ls /run/{runtime} | wc -l")]).ok()?;
        ensure!(made.text() != "0", "containers are not {runtime}'s");
        guest.tool(&["reset", "--force"]).ok()?;
    }
    Ok(())
}
