//! File systems under state, cache and bundle.

use usernetes_e2e::Scenario;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![]
}
