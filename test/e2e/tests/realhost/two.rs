//! Two real hosts.

use anyhow::{Context, Result, ensure};
use usernetes_e2e::{Guest, Rig, Space, pod};

/// Both guests linger, and the first has a cluster; the token is for the second.
pub(crate) fn first_is_up(rig: &Rig) -> Result<(&Guest, &Guest, String)> {
    let [first, second] = rig.guests() else { anyhow::bail!("two guests") };
    for guest in [first, second] {
        guest.admin("loginctl enable-linger alice")?;
    }
    first.init::<&str>(&[]).ok()?;
    let token = first.tool(&["token", "create"]).ok()?;
    let token = token.stdout.split_whitespace().find(|word| word.starts_with("u7s1.")).context("no token")?.to_owned();
    Ok((first, second, token))
}

/// A second host joins by the one string, and pods of both reach each other.
pub(crate) fn join(rig: &Rig) -> Result<()> {
    let (first, second, token) = first_is_up(rig)?;
    second.tool(&["join", &token, "--bundle", "/srv/bundle"]).ok()?.says(&["cgroups delegated"])?;
    first.kubectl(&["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=180s"])?;
    let space = Space::new(first, "two")?;
    for guest in [first, second] {
        let place = format!("  nodeName: {}", guest.name());
        let serve = "mkdir /www; hostname > /www/index.html; exec httpd -f -p 80 -h /www";
        space.apply(&pod(&format!("on-{}", guest.name()), serve, &place))?;
    }
    space.ready(&["pod/on-guest1", "pod/on-guest2"])?;
    for (from, to) in [("on-guest1", "on-guest2"), ("on-guest2", "on-guest1")] {
        let address = space.field(&format!("pod/{to}"), ".status.podIP")?;
        first.until("pods of two hosts reach each other", 60, |_| {
            let fetch = format!("wget -T 5 -q -O - http://{address}/");
            Ok(space.prepare(&["exec", from, "--", "sh", "-c", &fetch]).output()?.text() == to)
        })?;
    }
    ensure!(space.field("pod/on-guest2", ".spec.nodeName")? == "guest2", "elsewhere");
    Ok(())
}
