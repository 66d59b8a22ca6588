//! Errors as text.

use std::error::Error;

/// Joins the messages of an error and its sources to one line, without those that the line has already.
pub fn join_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |cause| (**cause).source()) {
        let message = cause.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[derive(Debug, thiserror::Error)]
    enum Layered {
        #[error("cannot start")]
        Outer(#[source] Box<Layered>),
        #[error("no file")]
        Inner,
    }

    #[test]
    fn causes_follow_and_are_not_repeated() {
        let once = Layered::Outer(Box::new(Layered::Inner));
        assert_eq!(super::join_causes(&once), "cannot start: no file");
        let twice = Layered::Outer(Box::new(once));
        assert_eq!(super::join_causes(&twice), "cannot start: no file");
    }
}
