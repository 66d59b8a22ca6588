//! Files of kubeadm's users, judged by real kubeadm and by us; and clusters of what such files ask for.

mod clusters;
mod verdicts;

use std::process::ExitCode;
use usernetes_e2e::{Requirement, Scenario, main as suite};

const NEEDS: [Requirement; 4] =
    [Requirement::Hosts, Requirement::Program, Requirement::Bundle, Requirement::Command("init")];

fn main() -> ExitCode {
    let scenarios = vec![
        Scenario::own("files_have_their_reviewed_verdict", 1, &NEEDS, verdicts::files_have_their_reviewed_verdict),
        Scenario::own(
            "files_that_kubeadm_writes_are_accepted",
            1,
            &NEEDS,
            verdicts::files_that_kubeadm_writes_are_accepted,
        ),
        Scenario::own(
            "volumes_and_variables_reach_components",
            1,
            &NEEDS,
            clusters::volumes_and_variables_reach_components,
        ),
        Scenario::own(
            "a_cluster_of_kubeadms_documents_is_joined",
            2,
            &NEEDS,
            clusters::a_cluster_of_kubeadms_documents_is_joined,
        ),
        Scenario::own("etcd_is_where_the_file_says", 2, &NEEDS, clusters::etcd_is_where_the_file_says),
    ];
    suite("kubeadm_parity", scenarios, None)
}
