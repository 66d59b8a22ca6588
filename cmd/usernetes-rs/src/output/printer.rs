//! The terminal: progress and warnings on standard error, results on standard output, or JSON lines.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Write as _};
use usernetes_host::{Finding, Level};

/// Output format
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OutputFormat {
    /// Human-readable text
    #[default]
    Text,
    /// One JSON object per line on stdout
    Json,
}

/// Prints in the chosen format.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    format: OutputFormat,
    quiet: bool,
    spinners: bool,
}

/// The line of a running phase, finished by [`RunningPhase::succeed`] or [`RunningPhase::fail`].
pub(crate) struct RunningPhase<'a> {
    printer: &'a Printer,
    name: &'static str,
    bar: ProgressBar,
}

impl Printer {
    /// Spinners are for a terminal without log lines in between.
    pub(crate) fn new(format: OutputFormat, quiet: bool, verbose: bool) -> Self {
        let spinners = format == OutputFormat::Text && !quiet && !verbose && std::io::stderr().is_terminal();
        Self { format, quiet, spinners }
    }

    /// Whether results are JSON.
    pub(crate) fn json(&self) -> bool {
        self.format == OutputFormat::Json
    }

    /// A line of progress.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet && !self.json() {
            print_error(text);
        }
    }

    /// A warning; shown with `--quiet` as well.
    pub(crate) fn warn(&self, text: &str) {
        if self.json() {
            self.event("warning", json!({ "message": text }));
        } else {
            print_error(&format!("warning: {text}"));
        }
    }

    /// A result as text. The JSON format has [`Printer::object`] instead.
    pub(crate) fn result(&self, text: &str) {
        if !self.json() {
            print_line(text);
        }
    }

    /// A result as a JSON object. The text format has [`Printer::result`] instead.
    pub(crate) fn object(&self, value: &impl Serialize) {
        if self.json() {
            print_line(&serde_json::to_string(value).expect("our types have string keys"));
        }
    }

    /// One event of a workflow, as a JSON object with `type`.
    pub(crate) fn event(&self, kind: &str, fields: Value) {
        if self.json() {
            let mut object = json!({ "type": kind });
            if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
                object.extend(fields);
            }
            print_line(&object.to_string());
        }
    }

    /// Shows that a phase begins.
    pub(crate) fn start_phase(&self, name: &'static str, short: &str) -> RunningPhase<'_> {
        self.event("phase", json!({ "name": name, "state": "running" }));
        let bar = self.hide_unless_terminal(ProgressBar::new_spinner());
        if self.spinners {
            bar.set_style(ProgressStyle::with_template("{prefix:<20} {spinner} {msg}").expect("a constant"));
            bar.set_prefix(format!("[{name}]"));
            bar.set_message(short.to_owned());
            bar.enable_steady_tick(std::time::Duration::from_millis(100));
        }
        RunningPhase { printer: self, name, bar }
    }

    /// A progress bar of bytes, hidden where spinners are.
    pub(crate) fn byte_bar(&self, what: &str, total: u64) -> ProgressBar {
        let bar = self.hide_unless_terminal(ProgressBar::new(total));
        let style = "{prefix:<20} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        bar.set_style(ProgressStyle::with_template(style).expect("a constant"));
        bar.set_prefix(what.to_owned());
        bar
    }

    /// A progress bar of bytes among others that move at the same time.
    pub(crate) fn byte_bar_in(&self, all: &MultiProgress, what: &str) -> ProgressBar {
        if !self.spinners {
            all.set_draw_target(ProgressDrawTarget::hidden());
        }
        all.add(self.byte_bar(what, 0))
    }

    fn hide_unless_terminal(&self, bar: ProgressBar) -> ProgressBar {
        if !self.spinners {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar
    }

    /// The findings of preflight that are not passed.
    pub(crate) fn findings(&self, findings: &[Finding]) {
        for finding in findings.iter().filter(|f| f.level != Level::Passed) {
            if self.json() {
                self.event("finding", serde_json::to_value(finding).expect("plain data"));
                continue;
            }
            let level = if finding.level == Level::Error { "error" } else { "warning" };
            print_error(&format!("  {level} {}: {}", finding.check, indent_lines(&finding.message)));
            if let Some(hint) = finding.hint.as_deref().filter(|c| !c.is_empty()) {
                print_error(&format!("    hint: {}", indent_lines(hint)));
            }
        }
    }
}

impl RunningPhase<'_> {
    /// Prints the line with what was done.
    pub(crate) fn succeed(self, detail: &str, seconds: f64) {
        self.bar.finish_and_clear();
        self.printer.event(
            "phase",
            json!({ "name": self.name, "state": "done", "detail": detail, "seconds": round_to_millis(seconds) }),
        );
        self.printer.note(&render_phase_line(self.name, detail, seconds));
    }

    /// Prints the line with the failure.
    pub(crate) fn fail(self, seconds: f64) {
        self.bar.finish_and_clear();
        self.printer
            .event("phase", json!({ "name": self.name, "state": "failed", "seconds": round_to_millis(seconds) }));
        self.printer.note(&render_phase_line(self.name, "failed", seconds));
    }
}

/// `[certs]              10 certificates, ECDSA-P256            0.1 s`
fn render_phase_line(name: &str, detail: &str, seconds: f64) -> String {
    format!("{:<20} {detail:<58} {seconds:>5.1} s", format!("[{name}]"))
}

fn round_to_millis(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn indent_lines(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

/// Prints a line on standard output; a closed pipe is not an error.
pub(crate) fn print_line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a line on standard error.
pub(crate) fn print_error(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_align() {
        insta::assert_snapshot!(super::render_phase_line("certs", "10 certificates, ECDSA-P256", 0.123), @"[certs]              10 certificates, ECDSA-P256                                  0.1 s");
    }
}
