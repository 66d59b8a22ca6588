//! Events for the caller of [`run_parent`](crate::run_parent).

/// Details of [`Event::Ready`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Process id of PID 1 as the host sees it.
    pub child_pid: i32,
}

/// Events while the child runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The payload is up; sent once.
    Ready(Ready),
    /// The payload reports that it works as intended.
    Steady,
    /// The child has answered a heartbeat, every few seconds: neither its thread nor the parent's is stuck.
    Alive,
}
