//! `init` from an empty state, beside the same programs started by hand.

use anyhow::Result;
use serde_json::json;

use super::measure::{self, Artifacts, ByHand};
use super::report::{Report, Row, load, median};
use crate::suite;
use crate::testbed::Testbed;
use crate::testbed::machine::Machine;

pub(super) fn run(runs: usize) -> Result<Report> {
    let testbed = Testbed::new(1)?;
    let host = testbed.host();
    host.tool(&["bundle", "import", crate::artifacts::BUNDLE]).ok()?;
    // The first run warms the machine's caches and records the command lines for the floor; it does not count.
    suite::print_error("warming up");
    let floor = measure::first(host)?;
    let mut pairs = Vec::new();
    for number in 1..=runs {
        let product = measure::product(host)?;
        let floor = measure::floor(host, &floor)?;
        suite::print_error(&progress(number, runs, &product, &floor));
        pairs.push((product, floor));
    }
    let all = pairs.iter().map(|(init, floor)| json!({ "init": init, "floor": floor })).collect();
    Ok(Report::new("startup", "init", rows(&pairs), all, pairs.iter().map(|(product, _)| &product.phases)))
}

fn rows(pairs: &[(Artifacts, ByHand)]) -> Vec<Row> {
    let of = |value: fn(&Artifacts) -> f64| pairs.iter().map(|(product, _)| value(product)).collect::<Vec<_>>();
    let floor = |value: fn(&ByHand) -> f64| median(&pairs.iter().map(|(_, floor)| value(floor)).collect::<Vec<_>>());
    let (livez, ready) = (floor(|f| f.livez), floor(|f| f.node_ready));
    vec![
        Row::ratio("/livez", &of(|p| p.livez), livez, 1.15),
        Row::ratio("node Ready", &of(|p| p.node_ready), ready, 1.15),
        Row::ratio("CoreDNS answers", &of(|p| p.dns), ready, 2.0),
        Row::plain("return after CoreDNS", &of(|p| p.returned - p.dns), "s", 0.5),
        Row::plain("RSS parent + child", &of(|p| p.memory.rss), "MiB", 25.0),
        Row::plain("PSS parent + child", &of(|p| p.memory.pss), "MiB", f64::INFINITY),
        Row::plain("anonymous of both", &of(|p| p.memory.anonymous), "MiB", f64::INFINITY),
    ]
}

/// One line while it runs.
fn progress(number: usize, of: usize, product: &Artifacts, floor: &ByHand) -> String {
    format!(
        "{number}/{of}: init livez {:.2}, Ready {:.2}, DNS {:.2}, return {:.2}, RSS {:.1} MiB; floor {:.2}, {:.2}; load {}",
        product.livez,
        product.node_ready,
        product.dns,
        product.returned,
        product.memory.rss,
        floor.livez,
        floor.node_ready,
        load()
    )
}
