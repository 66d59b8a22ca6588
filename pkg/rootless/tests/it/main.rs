//! Real namespaces, made by an ordinary user. Started as root, the tests make that user, and two hosts on a wire.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "processes of the tests communicate by their output")]

mod client_addresses;
mod drivers;
mod flood;
mod harness;
mod host;
mod lifecycle;
mod payload;
mod ports;
mod tools;

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use usernetes_api::NetworkDriver;
use usernetes_rootless::child_main;

fn main() -> ExitCode {
    if let Some(code) = child_main(payload::run) {
        return code;
    }
    let words: Vec<String> = std::env::args().collect();
    match words.get(1).map(String::as_str) {
        Some(harness::PARENT) => return harness::parent(&words[2]),
        Some(host::SERVER) => return host::server(&words[2]),
        _ => {}
    }
    let arguments = Arguments::from_args();
    if nix::unistd::geteuid().is_root() && !arguments.list {
        return host::as_ordinary_user(&words[1..]);
    }
    let missing = if arguments.list { None } else { host::missing() };
    let anything = missing.as_deref().or(no_wire());
    if let (Some(missing), Ok("1"), false) = (anything, std::env::var("U7S_E2E_REQUIRE").as_deref(), arguments.list) {
        return host::refuse(missing);
    }
    libtest_mimic::run(&arguments, trials(missing.as_deref())).exit_code()
}

fn no_wire() -> Option<&'static str> {
    std::env::var_os(host::PEER).is_none().then_some("needs root for a second host")
}

fn trials(missing: Option<&str>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, test) in lifecycle::TESTS.iter().chain(ports::TESTS).chain(flood::TESTS).chain(tools::TESTS) {
        trials.push(trial(name, *test, missing));
    }
    for (name, test) in client_addresses::WITH_PEER {
        trials.push(trial(name, *test, missing.or(no_wire())));
    }
    for driver in NetworkDriver::ALL {
        for (name, test) in drivers::TESTS {
            trials.push(driver_trial(driver, name, *test, missing));
        }
        for (name, test) in drivers::WITH_PEER {
            trials.push(driver_trial(driver, name, *test, missing.or(no_wire())));
        }
    }
    trials
}

fn driver_trial(driver: NetworkDriver, name: &str, test: drivers::DriverTest, missing: Option<&str>) -> Trial {
    trial(&format!("drivers::{driver}::{name}"), move || test(driver), missing)
}

type Test = fn() -> Result<(), Failed>;

/// What cannot run is listed as ignored, with the reason in its name.
fn trial(name: &str, test: impl FnOnce() -> Result<(), Failed> + Send + 'static, missing: Option<&str>) -> Trial {
    match missing {
        Some(reason) => Trial::test(format!("{name} [{reason}]"), test).with_ignored_flag(true),
        None => Trial::test(name, test),
    }
}
