//! Cuts a file into documents.

/// A document of a file.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// Line of its first content, from 1.
    pub(crate) line: usize,
    /// Its text, behind as many empty lines as precede it in the file: so every line that the parser names is the file's.
    pub(crate) text: String,
}

/// Cuts at the lines that begin with `---`; nothing else may begin so, not even a line of a quoted text. Documents without
/// content are left out.
pub(crate) fn split_documents(text: &str) -> Vec<Document> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.lines().collect();
    let mut starts: Vec<usize> = (0..lines.len()).filter(|&n| n == 0 || is_separator(lines[n])).collect();
    starts.push(lines.len());
    let documents = starts.windows(2).map(|pair| (pair[0], &lines[pair[0]..pair[1]]));
    let documents = documents.filter_map(|(from, lines)| {
        let first = lines.iter().position(|line| has_content(line))?;
        let text = "\n".repeat(from) + &lines.join("\n") + "\n";
        Some(Document { line: from + first + 1, text })
    });
    documents.collect()
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

/// Whether a line has more than a separator, a directive or a comment.
fn has_content(line: &str) -> bool {
    let line = if is_separator(line) { &line[3..] } else { line };
    let text = line.trim();
    !text.is_empty() && !text.starts_with('#') && !line.starts_with('%') && text != "..."
}
