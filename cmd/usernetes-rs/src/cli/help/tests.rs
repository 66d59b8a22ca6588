use super::{LIST, TOPICS, page};
use crate::cli::Cli;
use clap::{CommandFactory as _, Parser as _};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("a workspace").to_owned()
}

fn help(words: &[&str]) -> Option<String> {
    page(&words.iter().map(Into::into).collect::<Vec<_>>())
}

/// Words of a shell line from `usernetes-rs` on, up to the end of that command.
fn invocation(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            '|' | ';' | ')' | '#' | '&' | '`' if !quoted => break,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Every invocation of the program in a text.
fn invocations(text: &str) -> Vec<Vec<String>> {
    // cargo's `-p` takes the name, too.
    let starts =
        text.match_indices("usernetes-rs ").filter(|(at, _)| !text[..*at].ends_with("-p ")).map(|(at, _)| &text[at..]);
    starts.map(|rest| invocation(rest.lines().next().unwrap_or_default())).collect()
}

/// Lines of the fenced blocks of shell commands; of transcripts, those that were typed.
fn shell_lines(page: &str) -> Vec<&str> {
    let mut block = "";
    let mut lines = Vec::new();
    for line in page.lines() {
        match (line.strip_prefix("```"), block) {
            (Some(fence), "") => block = fence,
            (Some(_), _) => block = "",
            (None, "sh") => lines.push(line),
            (None, "console") => lines.extend(line.strip_prefix("$ ")),
            (None, _) => {}
        }
    }
    lines
}

/// README, guides and documents for contributors, by name.
fn pages() -> Vec<(String, String)> {
    let topics = TOPICS.iter().map(|topic| (topic.name.to_owned(), topic.page.to_owned()));
    let files = ["README.md", ".github/CONTRIBUTING.md", "hack/conformance.d/README.md"];
    let read = |name: &str| (name.to_owned(), fs::read_to_string(root().join(name)).expect(name));
    topics.chain(files.into_iter().map(read)).collect()
}

#[test]
fn commands_of_readme_and_guides_are_understood() {
    let mut seen = 0;
    for (page, text) in pages() {
        for words in shell_lines(&text).into_iter().flat_map(invocations) {
            seen += 1;
            if words.get(1).is_some_and(|word| word == "help") {
                continue;
            }
            if let Err(error) = Cli::try_parse_from(&words) {
                assert!(!error.use_stderr(), "{page}: {}\n{error}", words.join(" "));
            }
        }
    }
    assert!(seen > 40, "only {seen} commands found");
}

/// A command of running text, its subcommand and its flags exist. It ends at the first sign of punctuation.
fn check(words: &[String]) -> Result<(), String> {
    let end = words.iter().position(|word| word.starts_with('(') || word.ends_with([',', '.', ':']));
    let last = end.map(|at| words[at].trim_end_matches([',', '.', ':']).to_owned());
    let words = [&words[..end.unwrap_or(words.len())], last.as_slice()].concat();
    let mut command = Cli::command();
    command.build();
    let mut found = &command;
    for word in &words[1..] {
        if let Some(flag) = word.strip_prefix("--") {
            let flag = flag.split('=').next().unwrap_or(flag);
            let known = found
                .get_arguments()
                .any(|arg| arg.get_long_and_visible_aliases().is_some_and(|all| all.contains(&flag)));
            if !known && !flag.is_empty() {
                return Err(format!("{} has no --{flag}", found.get_name()));
            }
        } else if let Some(next) = found.find_subcommand(word) {
            found = next;
        } else if found.get_name() == "usernetes-rs" || found.get_name() == "kubectl" {
            return if found.get_name() == "kubectl" { Ok(()) } else { Err(format!("no command {word}")) };
        }
    }
    Ok(())
}

#[test]
fn commands_in_running_text_exist() {
    for (page, text) in pages() {
        for span in text.split('`').skip(1).step_by(2).filter(|span| span.starts_with("usernetes-rs ")) {
            let words = invocation(span);
            if !matches!(words.get(1).map(String::as_str), Some("help" | "<token>")) {
                check(&words).unwrap_or_else(|error| panic!("{page}: {span}: {error}"));
            }
        }
    }
}

#[test]
fn every_topic_is_a_page_and_no_command() {
    let docs = fs::read_dir(root().join("cmd/usernetes-rs/docs")).expect("docs");
    let mut files: Vec<_> =
        docs.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    let mut names: Vec<_> = TOPICS.iter().map(|topic| format!("{}.md", topic.name)).collect();
    files.sort();
    names.sort();
    assert_eq!(files, names);
    for topic in &TOPICS {
        assert!(Cli::command().find_subcommand(topic.name).is_none(), "{} is a command", topic.name);
        assert_eq!(help(&["usernetes-rs", "help", topic.name]).as_deref(), Some(topic.page));
    }
}

#[test]
fn only_topics_are_pages() {
    let list = help(&["usernetes-rs", "--quiet", "help", LIST]).expect("the list");
    assert!(TOPICS.iter().all(|topic| list.contains(topic.name)), "{list}");
    for words in [&["usernetes-rs", "help", "init"][..], &["usernetes-rs", "help"], &["usernetes-rs", "logs", "pods"]] {
        assert_eq!(help(words), None, "{words:?}");
    }
}

/// Commands that errors, checks and outputs name.
#[test]
fn commands_in_messages_exist() {
    let mut seen = 0;
    for file in ["cmd/usernetes-rs/src", "pkg"].iter().flat_map(|dir| rust_files(&root().join(dir))) {
        let text = fs::read_to_string(&file).expect("UTF-8");
        for literal in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for (at, _) in literal.match_indices("usernetes-rs ") {
                let words = invocation(literal[at..].split(['"', '\\']).next().unwrap_or_default());
                if words.get(1).is_some_and(|word| Cli::command().find_subcommand(word).is_some()) {
                    seen += 1;
                    check(&words).unwrap_or_else(|error| panic!("{}: {literal}\n{error}", file.display()));
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} commands found");
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}
