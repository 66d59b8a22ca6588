//! Medians beside the goals, as a table and as JSON.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

/// A figure with its goal.
pub(super) struct Row {
    name: String,
    ours: f64,
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
    name: &'static str,
    command: &'static str,
    rows: Vec<Row>,
    phases: BTreeMap<String, f64>,
    json: Value,
}

impl Report {
    /// Of a benchmark that measures a command of ours; `pairs` are all runs, `phases` the seconds of each in each run.
    pub(super) fn new<'a>(
        name: &'static str,
        command: &'static str,
        rows: Vec<Row>,
        pairs: Vec<Value>,
        all_phases: impl Iterator<Item = &'a BTreeMap<String, f64>>,
    ) -> Self {
        let mut phases: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (name, seconds) in all_phases.flatten() {
            phases.entry(name.clone()).or_default().push(*seconds);
        }
        let phases = phases.into_iter().map(|(name, all)| (name, median(&all))).collect();
        let json = json!({
            "benchmark": name,
            "runs": pairs,
            "medians": rows.iter().map(|row| row.json(command)).collect::<Vec<_>>(),
            "phases": phases,
            "machine": { "cpus": std::thread::available_parallelism().map_or(0, usize::from), "load": load() },
        });
        Self { name, command, rows, phases, json }
    }

    pub(super) fn json(&self) -> String {
        format!("{:#}\n", self.json)
    }

    #[expect(clippy::print_stdout, reason = "the result of the command")]
    pub(super) fn print(&self) {
        let cpus = &self.json["machine"]["cpus"];
        let runs = self.json["runs"].as_array().map_or(0, Vec::len);
        let mut text = format!("{}: medians of {runs} pairs, {cpus} CPUs, load {}\n", self.name, load());
        let _ = writeln!(
            text,
            "{:<36} {:>8} {:>15} {:>8} {:>12} {:>10}",
            "", self.command, "range", "floor", "result", "goal"
        );
        for row in &self.rows {
            let _ = writeln!(text, "{row}");
        }
        let phases: Vec<_> = self.phases.iter().map(|(name, seconds)| format!("{name} {seconds:.2}")).collect();
        if !phases.is_empty() {
            let _ = writeln!(text, "phases of {}, seconds: {}", self.command, phases.join(", "));
        }
        println!("{}", text.trim_end());
    }
}

impl Row {
    /// A figure for itself.
    pub(super) fn plain(name: impl Into<String>, values: &[f64], unit: &'static str, goal: f64) -> Self {
        let ours = median(values);
        let range = (values.iter().copied().fold(f64::MAX, f64::min), values.iter().copied().fold(f64::MIN, f64::max));
        Self { name: name.into(), ours, range, floor: None, result: ours, unit, goal }
    }

    /// A figure beside what could be done by hand.
    pub(super) fn ratio(name: &'static str, values: &[f64], floor: f64, goal: f64) -> Self {
        Self { result: median(values) / floor, floor: Some(floor), unit: "x", ..Self::plain(name, values, "s", goal) }
    }

    fn json(&self, command: &str) -> Value {
        let goal = self.goal.is_finite().then_some(self.goal);
        let (min, max) = self.range;
        json!({
            "name": self.name, command: self.ours, "min": min, "max": max, "floor": self.floor,
            "result": self.result, "unit": self.unit, "goal": goal, "met": goal.map(|goal| self.result <= goal),
        })
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let floor = self.floor.map_or(String::new(), |floor| format!("{floor:.2}"));
        let range = format!("{:.2} – {:.2}", self.range.0, self.range.1);
        let result = format!("{:.2} {}", self.result, self.unit);
        write!(f, "{:<36} {:>8.2} {range:>15} {floor:>8} {result:>12}", self.name, self.ours)?;
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

pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (length, middle) if length % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The machine's load of the last minute: figures of a busy machine say less.
pub(super) fn load() -> String {
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
