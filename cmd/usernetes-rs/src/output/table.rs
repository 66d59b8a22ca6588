//! Tables, as kubectl prints them.

/// Left-aligned columns, three spaces apart. Every row has as many cells as `head`.
pub(crate) fn render_table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut lines = vec![render_row(head.iter().copied(), &widths)];
    lines.extend(rows.iter().map(|row| render_row(row.iter().map(String::as_str), &widths)));
    lines.join("\n")
}

fn render_row<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let cells: Vec<_> = cells.zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    cells.join("   ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_align() {
        let rows = vec![vec!["a".into(), "b".into()], vec!["long name".into(), String::new()]];
        insta::assert_snapshot!(super::render_table(&["NAME", "X"], &rows), @r"
        NAME        X
        a           b
        long name
        ");
    }
}
