//! SIGINT and SIGTERM during a workflow: the node that it started is stopped, the files that it made are kept.

use crate::output::{Printer, print_error};
use anyhow::Result;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use usernetes_daemon::Instance;

/// A signal that was sent before is seen at the first poll of the runtime.
const POLL_LIMIT: Duration = Duration::from_millis(10);

/// Watches for signals while it lives.
pub(crate) struct Guard {
    instance: Instance,
    was_running: bool,
    armed: Arc<Mutex<bool>>,
    signals: Signals,
}

impl Guard {
    /// Begins to watch. A node that runs already is not stopped.
    pub(crate) fn new(instance: &Instance, printer: Printer, workflow: &'static str) -> Result<Self> {
        let was_running = instance.is_running();
        let armed = Arc::new(Mutex::new(true));
        let guard =
            Self { instance: instance.clone(), was_running, armed: Arc::clone(&armed), signals: Signals::watch()? };
        let instance = instance.clone();
        let mut signals = Signals::watch()?;
        std::thread::spawn(move || {
            let code = signals.wait();
            // Held until the end: the workflow cannot finish while we stop its node.
            let armed = armed.lock().unwrap_or_else(PoisonError::into_inner);
            if *armed && !was_running {
                stop_best_effort(&instance);
            }
            if printer.json() {
                printer.event("error", serde_json::json!({ "causes": ["interrupted"], "exitCode": code }));
            } else {
                print_error(&format!("\ninterrupted; the same {workflow} command continues where it stopped"));
            }
            // The main thread may wait for something that does not end.
            #[expect(clippy::disallowed_methods, reason = "no way back to main from here")]
            std::process::exit(code)
        });
        Ok(guard)
    }

    /// After a failure: stops the node, unless it ran before the workflow or works. Returns whether it goes on.
    pub(crate) fn stop_unless_working(&mut self) -> bool {
        // A terminal's Ctrl-C also ends the programs that we wait for: that is no failure of theirs.
        while self.signals.were_received() {
            std::thread::park();
        }
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let works = self.was_running || self.instance.node_status().is_some_and(|status| status.is_ready());
        if !works {
            stop_best_effort(&self.instance);
        }
        *armed = false;
        works && self.instance.is_running()
    }

    /// After success: from now on a signal ends this process only.
    pub(crate) fn disarm(self) {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

/// Stops the node where a failure to stop cannot be handled.
fn stop_best_effort(instance: &Instance) {
    if let Err(error) = instance.stop(None) {
        tracing::warn!(%error, "the node did not stop");
    }
}

/// Both signals, caught from the moment of [`Signals::watch`].
struct Signals {
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
    received: bool,
}

impl Signals {
    fn watch() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        drop(entered);
        Ok(Self { runtime, interrupt, terminate, received: false })
    }

    /// 128 + the number of the signal, as shells report it.
    fn wait(&mut self) -> i32 {
        let Self { runtime, interrupt, terminate, .. } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            }
        })
    }

    fn were_received(&mut self) -> bool {
        let Self { runtime, interrupt, terminate, received } = self;
        *received |= runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => true,
                _ = terminate.recv() => true,
                () = tokio::time::sleep(POLL_LIMIT) => false,
            }
        });
        *received
    }
}
