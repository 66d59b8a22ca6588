//! What the caller of [`run_parent`](crate::run_parent) learns while the child runs.

/// What is known when the payload is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Process id of PID 1 as the host sees it.
    pub child_pid: i32,
}

/// What is told while the child runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The payload is up; told once.
    Ready(Ready),
    /// The payload says that it does what it is there for.
    Steady,
    /// The child has answered, every few seconds: its payload's thread and ours are not stuck.
    Alive,
}
