//! SIGINT and SIGTERM during a workflow: nothing that it started is left running, nothing that it made is lost.

use crate::daemon;
use crate::ui::{Printer, err};
use anyhow::Result;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use usernetes_api::Paths;

/// A signal that has been sent already is seen at the first turn of the runtime.
const ONE_TURN: Duration = Duration::from_millis(10);

/// Watches for signals while it lives.
pub(crate) struct Guard {
    paths: Paths,
    was_running: bool,
    armed: Arc<Mutex<bool>>,
    signals: Signals,
}

impl Guard {
    /// Begins to watch. A node that runs already is not ours to stop.
    pub(crate) fn new(paths: &Paths, printer: Printer, workflow: &'static str) -> Result<Self> {
        let was_running = daemon::process::is_running(paths);
        let armed = Arc::new(Mutex::new(true));
        let guard = Self { paths: paths.clone(), was_running, armed: Arc::clone(&armed), signals: Signals::watch()? };
        let (paths, keep) = (paths.clone(), was_running);
        let mut signals = Signals::watch()?;
        std::thread::spawn(move || {
            let code = signals.wait();
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
            // Whatever the main thread waits for.
            std::process::exit(code)
        });
        Ok(guard)
    }

    /// The workflow failed.
    pub(crate) fn stop_what_was_started(&mut self) {
        // A terminal's Ctrl-C also ends the programs that we wait for: that is no failure of theirs.
        while self.signals.have_come() {
            std::thread::park();
        }
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

/// Both signals, caught from the moment of [`Signals::watch`].
struct Signals {
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
    come: bool,
}

impl Signals {
    fn watch() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        drop(entered);
        Ok(Self { runtime, interrupt, terminate, come: false })
    }

    /// 128 + the signal's number, as shells say it.
    fn wait(&mut self) -> i32 {
        let Self { runtime, interrupt, terminate, .. } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            }
        })
    }

    fn have_come(&mut self) -> bool {
        let Self { runtime, interrupt, terminate, come } = self;
        *come |= runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => true,
                _ = terminate.recv() => true,
                () = tokio::time::sleep(ONE_TURN) => false,
            }
        });
        *come
    }
}
