//! The user's own files, and hints that can be run.

use usernetes_e2e::Scenario;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![]
}
