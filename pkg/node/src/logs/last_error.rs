//! The last error that a component has written to its log: its own words for why it exited.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// Bytes at the end of a log that are read: more than the usage text that follows a wrong flag.
const TAIL: u64 = 64 * 1024;
/// Longest error in characters.
const LONGEST: usize = 600;

/// Size of a log in bytes, 0 where there is none.
pub(crate) fn size(log: &Path) -> u64 {
    log.metadata().map_or(0, |file| file.len())
}

/// The last error in a log behind `start` bytes; the last line where none is marked as an error.
pub(crate) fn read_last_error(log: &Path, start: u64) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    // A log that was rotated meanwhile is shorter.
    let start = if start > length { 0 } else { start };
    file.seek(SeekFrom::Start(start.max(length.saturating_sub(TAIL)))).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    find_last_error(&String::from_utf8_lossy(&bytes))
}

fn find_last_error(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let marked = lines.iter().rev().find_map(|line| parse_error(line));
    let message = marked.or_else(|| lines.last().map(|line| (*line).to_owned()))?;
    Some(message.chars().take(LONGEST).collect())
}

/// The message of a line that is marked as an error: klog's, a JSON object (etcd), a line of `key=value` (containerd), or
/// what cobra and Go's runtime write.
fn parse_error(line: &str) -> Option<String> {
    parse_klog(line).or_else(|| parse_json(line)).or_else(|| parse_logfmt(line)).or_else(|| parse_plain(line))
}

/// `E1127 10:00:00.000000       7 run.go:72] "command failed" err="why"`, also with the severity F.
fn parse_klog(line: &str) -> Option<String> {
    let is_error = line.starts_with(['E', 'F']) && line.get(1..5)?.bytes().all(|b| b.is_ascii_digit());
    let (_, message) = line.split_once("] ").filter(|_| is_error)?;
    Some(quoted_value(message, "err=").unwrap_or_else(|| message.to_owned()))
}

fn parse_json(line: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line).ok().filter(|_| line.starts_with('{'))?;
    let level = value["level"].as_str()?;
    matches!(level, "error" | "fatal" | "panic").then_some(())?;
    let parts = [&value["msg"], &value["error"]];
    Some(parts.iter().filter_map(|part| part.as_str()).collect::<Vec<_>>().join(": "))
}

fn parse_logfmt(line: &str) -> Option<String> {
    let is_error = ["level=error", "level=fatal", "level=panic"].iter().any(|level| line.contains(level));
    let message = quoted_value(line, "msg=").filter(|_| is_error)?;
    Some(quoted_value(line, "error=").map_or(message.clone(), |error| format!("{message}: {error}")))
}

fn parse_plain(line: &str) -> Option<String> {
    ["Error: ", "error: ", "panic: ", "fatal error: "].into_iter().find_map(|mark| {
        let message = line.strip_prefix(mark)?;
        Some(message.to_owned())
    })
}

/// The value behind `key`, with Go's escapes of quotes taken off.
fn quoted_value(line: &str, key: &str) -> Option<String> {
    let (_, rest) = line.split_once(key)?;
    let Some(quoted) = rest.strip_prefix('"') else { return rest.split_whitespace().next().map(str::to_owned) };
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some(value),
            '\\' => value.push(match chars.next()? {
                'n' => ' ',
                c => c,
            }),
            c => value.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn components_in_their_own_words() {
        let of = |text: &str| find_last_error(text).unwrap_or_default();
        let kubelet = "I1127 10:00:00.000000       7 server.go:1] \"starting\"\n\
            E1127 10:00:00.123456       7 run.go:72] \"command failed\" err=\"failed to validate kubelet flags: unknown 'k8s.io' labels: [a]\\nmust be \\\"b\\\"\"\n";
        insta::assert_snapshot!(of(kubelet), @r#"failed to validate kubelet flags: unknown 'k8s.io' labels: [a] must be "b""#);
        assert_eq!(
            of("Error: unknown flag: --foo\nUsage:\n  kubelet [flags]\n  --v Level  number\n"),
            "unknown flag: --foo"
        );
        let etcd = r#"{"level":"info","msg":"a"}
{"level":"fatal","ts":"2026","caller":"x","msg":"discovery failed","error":"listen tcp 127.0.0.1:2380: bind: address already in use"}"#;
        insta::assert_snapshot!(of(etcd), @"discovery failed: listen tcp 127.0.0.1:2380: bind: address already in use");
        let containerd = "time=\"2026\" level=fatal msg=\"failed to load TOML\" error=\"line 3\"\n";
        assert_eq!(of(containerd), "failed to load TOML: line 3");
        assert_eq!(of("containerd: failed to load TOML: line 3\n\n"), "containerd: failed to load TOML: line 3");
        assert_eq!(find_last_error("\n \n"), None);
    }

    #[test]
    fn only_the_last_run_counts() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("kubelet.log");
        assert_eq!((size(&log), read_last_error(&log, 0)), (0, None));
        std::fs::write(&log, "Error: first\n").expect("written");
        let start = size(&log);
        assert_eq!(read_last_error(&log, start), None);
        std::fs::write(&log, "Error: first\nError: second\n").expect("written");
        assert_eq!(read_last_error(&log, start).as_deref(), Some("second"));
        assert_eq!(read_last_error(&log, 1 << 30).as_deref(), Some("second"), "rotated");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(E1127|\\{\"level\":|level=error msg=\"|Error: )?\\PC*") {
            let _ = find_last_error(&text);
        }
    }
}
