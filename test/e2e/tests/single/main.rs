//! A single node, used as a person uses it. All scenarios share one cluster, made by one `init`.

mod images;
mod node;
mod pods;
mod services;
mod user_namespace;
mod volumes;

use anyhow::{Result, ensure};
use std::process::ExitCode;
use usernetes_e2e::{Machine, Scenario, SharedCluster, Testbed, main as suite, pod_checks};

fn main() -> ExitCode {
    let scenarios = vec![
        Scenario::shared("node_is_ready", node::is_ready),
        Scenario::shared("second_init_says_healthy", node::second_init_says_healthy),
        Scenario::shared("status", node::status),
        Scenario::shared("shell_is_root_of_the_node", node::shell_is_root_of_the_node),
        Scenario::shared("logs_of_components", node::logs_of_components),
        Scenario::shared("certificates", node::certificates),
        Scenario::shared("files_are_private", node::files_are_private),
        Scenario::shared("no_secret_in_arguments", node::no_secret_in_arguments),
        Scenario::shared("kubectl_arguments_pass_through", node::kubectl_arguments_pass_through),
        Scenario::shared("addons_run", node::addons_run),
        Scenario::shared("tokens", node::tokens),
        Scenario::shared("phases_run_alone", node::phases_run_alone),
        Scenario::shared("images_come_by_archive", images::come_by_archive),
        Scenario::shared("images_come_by_layout_and_run", images::come_by_layout_and_run),
        Scenario::shared("images_that_are_none_are_told", images::wrong_ones_are_told),
        Scenario::shared("ports_can_be_published", services::ports_can_be_published),
        Scenario::shared("names_resolve", pods::names_resolve),
        Scenario::shared("pods_have_seccomp", pods::pods_have_seccomp),
        Scenario::shared("pods_reach_outside", pods::pods_reach_outside),
        Scenario::shared("logs_exec_and_cp", pod_checks::logs_exec_and_cp),
        Scenario::shared("port_forward", pods::port_forward),
        Scenario::shared("killed_container_restarts", pod_checks::killed_container_restarts),
        Scenario::shared("api_from_a_pod", pods::api_from_a_pod),
        Scenario::shared("service_by_cluster_ip_and_node_port", services::service_by_cluster_ip_and_node_port),
        Scenario::shared("udp_service", services::udp_service),
        Scenario::shared("unassigned_service_port_is_refused", services::unassigned_service_port_is_refused),
        Scenario::shared("host_port", services::host_port),
        Scenario::shared("deployment_rolls", services::deployment_rolls),
        Scenario::shared("config_volumes", volumes::config_volumes),
        Scenario::shared("empty_dirs", volumes::empty_dirs),
        Scenario::shared("host_path", volumes::host_path),
        Scenario::shared("local_volume", volumes::local_volume),
        Scenario::shared("network_volumes_are_refused", volumes::network_volumes_are_refused),
        Scenario::shared("mounts_propagate", volumes::mounts_propagate),
        Scenario::shared("own_user_namespace", user_namespace::own_user_namespace),
    ];
    suite("single", scenarios, Some(SharedCluster { topology: 1.into(), create: create_cluster }))
}

/// The one `init`. What it says and leaves is checked here, because only here it is from nothing.
fn create_cluster(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let output = host.init::<&str>(&[]).ok()?;
    ensure!(!output.held, "what init leaves running holds init's output open:\n{output}");
    output.says(&["usernetes-rs kubectl", "export KUBECONFIG=", "usernetes-rs join", "198.51.100.11"])?;
    Ok(())
}
