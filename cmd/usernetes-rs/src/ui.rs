//! Everything that the user sees goes through here: text for people on stderr, results on stdout, or JSON lines.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Write as _};
use usernetes_host::{Finding, Level};

/// Form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Text,
    /// One object a line on stdout, nothing else there.
    Json,
}

/// The one way to the terminal.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    /// Form.
    pub(crate) output: Output,
    quiet: bool,
    spinners: bool,
}

/// A phase that is running; its line is finished by [`Running::done`] or [`Running::failed`].
pub(crate) struct Running<'a> {
    printer: &'a Printer,
    name: &'static str,
    bar: ProgressBar,
}

impl Printer {
    /// Spinners only on a terminal, and not where log lines would tear them.
    pub(crate) fn new(output: Output, quiet: bool, verbose: bool) -> Self {
        let spinners = output == Output::Text && !quiet && !verbose && std::io::stderr().is_terminal();
        Self { output, quiet, spinners }
    }

    /// Whether results are JSON.
    pub(crate) fn json(&self) -> bool {
        self.output == Output::Json
    }

    /// A line of progress.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet && !self.json() {
            err(text);
        }
    }

    /// A warning: also when quiet.
    pub(crate) fn warn(&self, text: &str) {
        if self.json() {
            self.event("warning", json!({ "message": text }));
        } else {
            err(&format!("warning: {text}"));
        }
    }

    /// A result for people; not in JSON, where [`Printer::object`] says it.
    pub(crate) fn result(&self, text: &str) {
        if !self.json() {
            out(text);
        }
    }

    /// An object: the JSON form of a result.
    pub(crate) fn object(&self, value: &impl Serialize) {
        if self.json() {
            out(&serde_json::to_string(value).expect("our types have string keys"));
        }
    }

    /// An object of the stream that a workflow writes.
    pub(crate) fn event(&self, kind: &str, fields: Value) {
        if self.json() {
            let mut object = json!({ "type": kind });
            if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
                object.extend(fields);
            }
            out(&object.to_string());
        }
    }

    /// A phase begins.
    pub(crate) fn phase(&self, name: &'static str, short: &str) -> Running<'_> {
        self.event("phase", json!({ "name": name, "state": "running" }));
        let bar = self.bar(ProgressBar::new_spinner());
        if self.spinners {
            bar.set_style(ProgressStyle::with_template("{prefix:<20} {spinner} {msg}").expect("a constant"));
            bar.set_prefix(format!("[{name}]"));
            bar.set_message(short.to_owned());
            bar.enable_steady_tick(std::time::Duration::from_millis(100));
        }
        Running { printer: self, name, bar }
    }

    /// A bar of bytes, hidden where spinners are.
    pub(crate) fn bytes(&self, what: &str, total: u64) -> ProgressBar {
        let bar = self.bar(ProgressBar::new(total));
        let style = "{prefix:<20} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        bar.set_style(ProgressStyle::with_template(style).expect("a constant"));
        bar.set_prefix(what.to_owned());
        bar
    }

    /// A bar of bytes among others that move at the same time.
    pub(crate) fn bar_among(&self, all: &MultiProgress, what: &str) -> ProgressBar {
        if !self.spinners {
            all.set_draw_target(ProgressDrawTarget::hidden());
        }
        all.add(self.bytes(what, 0))
    }

    fn bar(&self, bar: ProgressBar) -> ProgressBar {
        if !self.spinners {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar
    }

    /// What checks of the host found, worst last; passed ones are only counted.
    pub(crate) fn findings(&self, findings: &[Finding]) {
        for finding in findings.iter().filter(|f| f.level != Level::Passed) {
            if self.json() {
                self.event("finding", serde_json::to_value(finding).expect("plain data"));
                continue;
            }
            let level = if finding.level == Level::Error { "error" } else { "warning" };
            err(&format!("  {level} {}: {}", finding.check, indent(&finding.message)));
            if let Some(hint) = finding.hint.as_deref().filter(|hint| !hint.is_empty()) {
                err(&format!("    hint: {}", indent(hint)));
            }
        }
    }
}

impl Running<'_> {
    /// It succeeded.
    pub(crate) fn done(self, detail: &str, seconds: f64) {
        self.bar.finish_and_clear();
        self.printer
            .event("phase", json!({ "name": self.name, "state": "done", "detail": detail, "seconds": round(seconds) }));
        self.printer.note(&phase_line(self.name, detail, seconds));
    }

    /// It failed.
    pub(crate) fn failed(self, seconds: f64) {
        self.bar.finish_and_clear();
        self.printer.event("phase", json!({ "name": self.name, "state": "failed", "seconds": round(seconds) }));
        self.printer.note(&phase_line(self.name, "failed", seconds));
    }
}

/// `[certs]              10 certificates, ECDSA-P256            0.1 s`
fn phase_line(name: &str, detail: &str, seconds: f64) -> String {
    format!("{:<20} {detail:<58} {seconds:>5.1} s", format!("[{name}]"))
}

fn round(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn indent(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

/// Writes a line to stdout; a reader that went away is no error.
pub(crate) fn out(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Writes a line to stderr.
pub(crate) fn err(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_align() {
        insta::assert_snapshot!(super::phase_line("certs", "10 certificates, ECDSA-P256", 0.123), @"[certs]              10 certificates, ECDSA-P256                                  0.1 s");
    }
}
