//! Addresses and ports of hosts as they are.

use usernetes_e2e::Scenario;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![]
}
