//! What the caller of the program hands down: mask, descriptors, group, environment.

use usernetes_e2e::Scenario;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![]
}
