//! Command lines: our flags, with the user's laid over them by name as kubeadm does.

use super::ComponentName;
use crate::NodePlan;
use std::collections::BTreeMap;

/// `PROGRAM --name=value …`; a flag that the user names replaces ours of that name, repeated ones are kept.
pub(super) fn argv(plan: &NodePlan, name: ComponentName, ours: Vec<(&str, String)>) -> Vec<String> {
    let users = plan.extra.get(&name).map(|extra| extra.args.as_slice()).unwrap_or_default();
    let mut argv = vec![plan.bin(name.as_str()).to_string_lossy().into_owned()];
    let overridden = |flag: &str| users.iter().any(|arg| arg.name == flag);
    let ours = ours.into_iter().filter(|(flag, _)| !overridden(flag));
    argv.extend(ours.map(|(flag, value)| format!("--{flag}={value}")));
    argv.extend(users.iter().map(|arg| format!("--{}={}", arg.name, arg.value)));
    argv
}

/// The whole environment of a component: the bundle's programs first in `PATH`, the node's own temporary folder,
/// proxies, the user's variables.
pub(super) fn env(plan: &NodePlan, name: ComponentName) -> BTreeMap<String, String> {
    let bin = plan.bundle.join("bin");
    let path = format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", bin.display());
    let users = plan.extra.get(&name).map(|extra| extra.envs.as_slice()).unwrap_or_default();
    let given = plan.proxy_env.iter().chain(users).map(|var| (var.name.clone(), var.value.clone()));
    // The host's /tmp is the node's as well, and runc's shims leave files there when they are killed.
    let ours = [("PATH".to_owned(), path), ("TMPDIR".to_owned(), "/run".to_owned())];
    ours.into_iter().chain(given).collect()
}
