//! A question before something is removed.

use crate::output::print_error;
use anyhow::{Context as _, Result};
use std::io::BufRead;

/// Prints the question and reads the answer from standard input, a terminal or a pipe.
pub(super) fn confirm(question: &str) -> Result<bool> {
    print_error(question);
    read_yes(std::io::stdin().lock()).context("cannot read the answer from standard input")
}

/// Accepts what kubeadm accepts.
fn read_yes(mut input: impl BufRead) -> std::io::Result<bool> {
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_may_come_from_a_pipe() -> Result<()> {
        for (answer, yes) in [("y\n", true), ("YES", true), ("n\n", false), ("\ny\n", false), ("", false)] {
            assert_eq!(read_yes(answer.as_bytes())?, yes, "{answer:?}");
        }
        Ok(())
    }
}
