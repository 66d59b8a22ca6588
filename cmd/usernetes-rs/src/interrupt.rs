//! SIGINT and SIGTERM during a workflow: nothing that it started is left running, nothing that it made is lost.

use crate::daemon;
use crate::ui::{Printer, err};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::signal::unix::{SignalKind, signal};
use usernetes_api::Paths;

/// Watches for signals while it lives.
pub(crate) struct Guard {
    paths: Paths,
    was_running: bool,
    armed: Arc<Mutex<bool>>,
}

impl Guard {
    /// Begins to watch. A node that runs already is not ours to stop.
    pub(crate) fn new(paths: &Paths, printer: Printer, workflow: &'static str) -> Self {
        let was_running = daemon::process::is_running(paths);
        let armed = Arc::new(Mutex::new(true));
        let guard = Self { paths: paths.clone(), was_running, armed: Arc::clone(&armed) };
        let (paths, keep) = (paths.clone(), was_running);
        std::thread::spawn(move || {
            let code = wait_for_signal();
            // Held until the end: the workflow cannot finish while we stop its node.
            let armed = armed.lock().unwrap_or_else(PoisonError::into_inner);
            if *armed && !keep {
                daemon::process::stop_quietly(&paths);
            }
            if printer.json() {
                printer.event("error", serde_json::json!({ "causes": ["interrupted"], "exitCode": code }));
            } else {
                err(&format!("\ninterrupted; the same {workflow} command goes on where it stopped"));
            }
            #[expect(clippy::exit, reason = "a signal ends the process, whatever the main thread waits for")]
            std::process::exit(code)
        });
        guard
    }

    /// The workflow failed.
    pub(crate) fn stop_what_was_started(&self) {
        let _armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.was_running {
            daemon::process::stop_quietly(&self.paths);
        }
    }

    /// The workflow succeeded: from now on a signal only ends us.
    pub(crate) fn disarm(self) {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

/// 128 + the signal's number, as shells say it.
fn wait_for_signal() -> i32 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("an epoll fd can be had");
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be caught");
        let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be caught");
        tokio::select! {
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
        }
    })
}
