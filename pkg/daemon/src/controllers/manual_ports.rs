//! Publishes the ports that were added by hand, once, at the start of the node.

use super::Context;
use usernetes_rootless::Forward;
use usernetes_rootless::ports::CONTROL;

/// A port that cannot be published now stays on the list for the next start.
pub(super) async fn run(context: Context) {
    for spec in &context.plan.host.published {
        if let Err(error) = context.ports.add(CONTROL, Forward::session(*spec)).await {
            tracing::warn!(%spec, %error, "manually added port is not published");
        }
    }
}
