//! File systems under state, cache and bundle.

use crate::NEEDS;
use crate::files::{check_linked_kubeconfig, link_kubeconfig};
use anyhow::{Result, ensure};
use usernetes_e2e::{Host, Machine, Output, Scenario, Testbed};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::own("places_that_cannot_be", 1, &NEEDS, places_that_cannot_be),
        Scenario::own("long_paths_and_noexec_cache", 1, &NEEDS, long_paths_and_noexec_cache),
    ]
}

fn preflight(host: &Host, variable: (&str, &str), bundle: &str) -> Result<Output> {
    host.tool(&["preflight", "--bundle", bundle]).env(variable.0, variable.1).output()
}

fn places_that_cannot_be(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let (home, id) = (host.home(), host.uid());
    let none = ("U", "");
    let data = |path: &str| ("XDG_DATA_HOME", path.to_owned());
    let refuses = |path: &str, says: &[&str]| {
        let (name, path) = data(path);
        preflight(host, (name, &path), "/srv/bundle")?.exits(2)?.says(says)?.says(&["hint"]).map(drop)
    };
    host.admin(&format!(
        "mkdir -p /mnt/noexec /mnt/few; mount -t tmpfs -o noexec,mode=700,uid={id},gid={id} tmpfs /mnt/noexec
         mount -t tmpfs -o nr_inodes=1000,mode=700,uid={id},gid={id} tmpfs /mnt/few"
    ))?;
    refuses("/mnt/noexec", &["StateMount", "noexec", "remount,exec /mnt/noexec", "XDG_DATA_HOME"])?;
    refuses("/mnt/few", &["StateMount", "more files fit"])?;
    refuses(&format!("/run/user/{id}/d"), &["StatePath", "below /run", "XDG_DATA_HOME"])?;
    refuses(&format!("{home}/a:b"), &["StatePath", "colon"])?;
    host.sh("ln -s nowhere ~/link; mkdir -p ~/'a b,c'").ok()?;
    refuses(&format!("{home}/link/d"), &["StatePath", "link to nowhere", "mkdir -p"])?;
    // The command differs in nothing.
    let init = host.init::<&str>(&[]).env("XDG_DATA_HOME", &format!("{home}/link/d")).output()?;
    init.exits(2)?.says(&["StatePath", "link to nowhere"])?;
    preflight(host, ("XDG_DATA_HOME", &format!("{home}/a b,c")), "/srv/bundle")?
        .ok()?
        .says_not(&["OverlayInUserns"])?;
    // Bundles on removable media below /run, and where programs may not run.
    host.admin(
        "mkdir -p /run/media/usb /mnt/usb; mount --bind /srv/bundle /run/media/usb
        mount --bind /srv/bundle /mnt/usb; mount -o remount,bind,ro,noexec /mnt/usb",
    )?;
    for (path, says) in [("/run/media/usb", "below /run"), ("/mnt/usb", "noexec")] {
        let import = format!("bundle import {path}");
        preflight(host, none, path)?.exits(2)?.says(&["Bundle", says, &import])?;
    }
    Ok(())
}

/// A home whose path is longer than the address of a socket may be, a cache from which nothing may be executed, and a
/// `~/.kube/config` that is a link.
fn long_paths_and_noexec_cache(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let id = host.uid();
    host.admin(&format!(
        "mkdir -p /mnt/cache; mount -t tmpfs -o noexec,mode=700,uid={id},gid={id} tmpfs /mnt/cache; rm -r /run/user/{id}"
    ))?;
    let long = format!(
        "{}/ad.example.com-department-of-materials/very.long.user.name.of.an.employee/and-more/data",
        host.home()
    );
    ensure!(long.len() > 90, "short");
    let tool = |arguments: &[&str]| {
        host.tool(arguments).without("XDG_RUNTIME_DIR").env("XDG_DATA_HOME", &long).env("XDG_CACHE_HOME", "/mnt/cache")
    };
    tool(&["bundle", "import", "/srv/bundle"]).ok()?;
    link_kubeconfig(host)?;
    tool(&["init", "--merge-kubeconfig"]).ok()?;
    check_linked_kubeconfig(host, true)?;
    tool(&["status"]).ok()?;
    tool(&["stop"]).ok()?;
    tool(&["start", "--wait"]).ok()?;
    tool(&["reset", "--force"]).ok()?;
    check_linked_kubeconfig(host, false)
}
