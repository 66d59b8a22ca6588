//! Measurements on real nodes, for people: `hack/bench` starts it.

use std::process::ExitCode;

fn main() -> ExitCode {
    usernetes_e2e::bench::main()
}
