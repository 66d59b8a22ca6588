//! Accounts and subordinate ids as hosts have them.

use usernetes_e2e::Scenario;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![]
}
