//! Data that pods write to hostPaths, and directories of the host that a node covers.

use usernetes_e2e::Scenario;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![]
}
