//! Command lines and environments: defaults, overridden by the user's extra arguments as in kubeadm.

use super::ComponentName;
use crate::NodePlan;
use std::collections::BTreeMap;

/// `PROGRAM --name=value …`; an extra argument replaces the default of the same name, repeated extras are all kept.
pub(super) fn build_argv(plan: &NodePlan, name: ComponentName, defaults: Vec<(&str, String)>) -> Vec<String> {
    let extra = plan.extra.get(&name).map(|extra| extra.args.as_slice()).unwrap_or_default();
    let mut argv = vec![plan.program_path(name.as_str()).to_string_lossy().into_owned()];
    let kept = defaults.into_iter().filter(|(flag, _)| !extra.iter().any(|arg| arg.name == *flag));
    argv.extend(kept.map(|(flag, value)| format!("--{flag}={value}")));
    argv.extend(extra.iter().map(|arg| format!("--{}={}", arg.name, arg.value)));
    argv
}

/// The whole environment of a component: the bundle's programs first in `PATH`, the node's own temporary directory,
/// proxy variables, the user's extra variables.
pub(super) fn build_env(plan: &NodePlan, name: ComponentName) -> BTreeMap<String, String> {
    let bin = plan.software.bundle.join("bin");
    let path = format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", bin.display());
    let extra = plan.extra.get(&name).map(|extra| extra.envs.as_slice()).unwrap_or_default();
    let variables = plan.host.proxy_env.iter().chain(extra).map(|var| (var.name.clone(), var.value.clone()));
    // The node shares the host's /tmp, where killed shims of runc would leave files.
    let defaults = [("PATH".to_owned(), path), ("TMPDIR".to_owned(), "/run".to_owned())];
    defaults.into_iter().chain(variables).collect()
}
