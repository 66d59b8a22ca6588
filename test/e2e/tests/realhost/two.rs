//! Two real hosts.

use anyhow::{Context, Result, ensure};
use usernetes_e2e::{Guest, Machine, Namespace, Testbed, pod};

/// Both guests linger, and the first has a cluster; the token is for the second.
pub(crate) fn first_is_up(testbed: &Testbed) -> Result<(&Guest, &Guest, String)> {
    let [first, second] = testbed.guests() else { anyhow::bail!("two guests") };
    for guest in [first, second] {
        guest.admin("loginctl enable-linger alice")?;
    }
    first.init::<&str>(&[]).ok()?;
    let token = first.tool(&["token", "create"]).ok()?;
    let token = token.stdout.split_whitespace().find(|word| word.starts_with("u7s1.")).context("no token")?.to_owned();
    Ok((first, second, token))
}

/// A second host joins by the one string, and pods of both reach each other.
pub(crate) fn join(testbed: &Testbed) -> Result<()> {
    let (first, second, token) = first_is_up(testbed)?;
    second.tool(&["join", &token, "--bundle", "/srv/bundle"]).ok()?.says(&["cgroups delegated"])?;
    first.kubectl(&["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=180s"])?;
    let namespace = Namespace::new(first, "two")?;
    for guest in [first, second] {
        let place = format!("  nodeName: {}", guest.name());
        let serve = "mkdir /www; hostname > /www/index.html; exec httpd -f -p 80 -h /www";
        namespace.apply(&pod(&format!("on-{}", guest.name()), serve, &place))?;
    }
    namespace.ready(&["pod/on-guest1", "pod/on-guest2"])?;
    for (from, to) in [("on-guest1", "on-guest2"), ("on-guest2", "on-guest1")] {
        let address = namespace.field(&format!("pod/{to}"), ".status.podIP")?;
        first.until("pods of two hosts reach each other", 60, |_| {
            let fetch = format!("wget -T 5 -q -O - http://{address}/");
            Ok(namespace.prepare(&["exec", from, "--", "sh", "-c", &fetch]).output()?.text() == to)
        })?;
    }
    ensure!(namespace.field("pod/on-guest2", ".spec.nodeName")? == "guest2", "elsewhere");
    Ok(())
}
