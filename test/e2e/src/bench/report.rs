//! Medians beside the goals, as a table and as JSON.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use super::measure::{ByHand, Product};

/// A figure with its goal.
struct Row {
    name: &'static str,
    init: f64,
    /// The least and the greatest of the runs.
    range: (f64, f64),
    floor: Option<f64>,
    /// What is held against the goal.
    result: f64,
    unit: &'static str,
    goal: f64,
}

/// All figures.
pub(super) struct Report {
    rows: Vec<Row>,
    phases: BTreeMap<String, f64>,
    json: Value,
}

impl Report {
    pub(super) fn new(pairs: &[(Product, ByHand)]) -> Self {
        let rows = rows(pairs);
        let mut phases: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (name, seconds) in pairs.iter().flat_map(|(product, _)| &product.phases) {
            phases.entry(name.clone()).or_default().push(*seconds);
        }
        let phases = phases.into_iter().map(|(name, all)| (name, median(&all))).collect();
        let json = json!({
            "benchmark": "startup",
            "runs": pairs.iter().map(|(init, floor)| json!({ "init": init, "floor": floor })).collect::<Vec<_>>(),
            "medians": rows.iter().map(Row::json).collect::<Vec<_>>(),
            "phases": phases,
            "machine": { "cpus": std::thread::available_parallelism().map_or(0, usize::from), "load": load() },
        });
        Self { rows, phases, json }
    }

    pub(super) fn json(&self) -> String {
        format!("{:#}\n", self.json)
    }

    #[expect(clippy::print_stdout, reason = "the result of the command")]
    pub(super) fn print(&self) {
        let cpus = &self.json["machine"]["cpus"];
        let runs = self.json["runs"].as_array().map_or(0, Vec::len);
        let mut text = format!("startup: medians of {runs} pairs, {cpus} CPUs, load {}\n", load());
        let _ =
            writeln!(text, "{:<22} {:>8} {:>15} {:>8} {:>12} {:>10}", "", "init", "range", "floor", "result", "goal");
        for row in &self.rows {
            let _ = writeln!(text, "{row}");
        }
        let phases: Vec<_> = self.phases.iter().map(|(name, seconds)| format!("{name} {seconds:.2}")).collect();
        let _ = writeln!(text, "phases of init, seconds: {}", phases.join(", "));
        println!("{}", text.trim_end());
    }
}

fn rows(pairs: &[(Product, ByHand)]) -> Vec<Row> {
    let of = |value: fn(&Product) -> f64| pairs.iter().map(|(product, _)| value(product)).collect::<Vec<_>>();
    let floor = |value: fn(&ByHand) -> f64| median(&pairs.iter().map(|(_, floor)| value(floor)).collect::<Vec<_>>());
    let (livez, ready) = (floor(|f| f.livez), floor(|f| f.node_ready));
    let ratio = |name, values: Vec<f64>, floor: f64, goal| Row {
        result: median(&values) / floor,
        floor: Some(floor),
        unit: "x",
        ..Row::plain(name, &values, "s", goal)
    };
    vec![
        ratio("/livez", of(|p| p.livez), livez, 1.15),
        ratio("node Ready", of(|p| p.node_ready), ready, 1.15),
        ratio("CoreDNS answers", of(|p| p.dns), ready, 2.0),
        Row::plain("return after CoreDNS", &of(|p| p.returned - p.dns), "s", 0.5),
        Row::plain("RSS parent + child", &of(|p| p.memory.rss), "MiB", 25.0),
        Row::plain("PSS parent + child", &of(|p| p.memory.pss), "MiB", f64::INFINITY),
        Row::plain("anonymous of both", &of(|p| p.memory.anonymous), "MiB", f64::INFINITY),
    ]
}

impl Row {
    fn plain(name: &'static str, values: &[f64], unit: &'static str, goal: f64) -> Self {
        let init = median(values);
        let range = (values.iter().copied().fold(f64::MAX, f64::min), values.iter().copied().fold(f64::MIN, f64::max));
        Self { name, init, range, floor: None, result: init, unit, goal }
    }

    fn json(&self) -> Value {
        let goal = self.goal.is_finite().then_some(self.goal);
        let (min, max) = self.range;
        json!({
            "name": self.name, "init": self.init, "min": min, "max": max, "floor": self.floor,
            "result": self.result, "unit": self.unit, "goal": goal, "met": goal.map(|goal| self.result <= goal),
        })
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let floor = self.floor.map_or(String::new(), |floor| format!("{floor:.2}"));
        let range = format!("{:.2} – {:.2}", self.range.0, self.range.1);
        let result = format!("{:.2} {}", self.result, self.unit);
        write!(f, "{:<22} {:>8.2} {range:>15} {floor:>8} {result:>12}", self.name, self.init)?;
        if self.goal.is_finite() {
            write!(
                f,
                " {:>10} {}",
                format!("≤ {}", self.goal),
                if self.result <= self.goal { "met" } else { "MISSED" }
            )?;
        }
        Ok(())
    }
}

/// One line while it runs.
pub(super) fn progress(number: usize, of: usize, product: &Product, floor: &ByHand) -> String {
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

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (length, middle) if length % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The machine's load of the last minute: figures of a busy machine say less.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn medians() {
        assert!((super::median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((super::median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(super::median(&[]).is_nan());
    }
}
