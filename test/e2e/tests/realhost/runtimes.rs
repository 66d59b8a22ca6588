//! Containers made by something else than the bundle's runc.

use anyhow::{Result, ensure};
use usernetes_e2e::{Machine, Namespace, Testbed, install_crio};

use crate::{apply_hint, is_well, limits, preflight, warning};

/// A cluster by these words on delegated cgroups: limits are the runtime's to set, and it hands on what containers say.
fn works(testbed: &Testbed, words: &[&str]) -> Result<()> {
    let guest = testbed.guest();
    guest.init(words).ok()?.says(&["cgroups delegated"])?;
    is_well(guest)?;
    limits::hold(testbed)?;
    limits::hog(testbed)?;
    let namespace = Namespace::new(guest, "by-runtime")?;
    namespace.pod("main", "echo said; sleep 3600")?;
    namespace.ready(&["pod/main"])?;
    ensure!(namespace.kubectl(&["logs", "main"])?.text() == "said");
    Ok(())
}

pub(crate) fn crun(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    guest.admin("loginctl enable-linger alice")?;
    apply_hint(guest, &warning(&preflight(guest).ok()?, "PodSubID")?)?;
    works(testbed, &["--oci-runtime", "crun"])?;
    limits::own_user_namespace(testbed)?;
    // runc's file is state.json.
    let count = "ls /run/containerd/runc/k8s.io/*/status | wc -l; ls /run/containerd/runc/k8s.io/*/state.json | wc -l";
    let made = guest.tool(&["shell", "--", "sh", "-c", count]).output()?;
    ensure!(made.text().ends_with("\n0") && !made.text().starts_with("0\n"), "containers are not crun's:\n{made}");
    Ok(())
}

/// CRI-O, with each OCI runtime.
pub(crate) fn crio(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    install_crio(guest)?;
    guest.admin("loginctl enable-linger alice")?;
    for runtime in ["runc", "crun"] {
        works(testbed, &["--cri-socket", "unix:///run/crio/crio.sock", "--oci-runtime", runtime])?;
        let made = guest.tool(&["shell", "--", "sh", "-c", &format!("ls /run/{runtime} | wc -l")]).ok()?;
        ensure!(made.text() != "0", "containers are not {runtime}'s");
        guest.tool(&["reset", "--force"]).ok()?;
    }
    Ok(())
}
