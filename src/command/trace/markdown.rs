//! The trace as a Markdown table in GitHub's syntax.

use super::line::TraceColumn;
use super::table::TableSyntax;
use super::{OutputFormat, TraceWriter};

pub(super) const MARKDOWN: OutputFormat<TraceWriter> = OutputFormat {
    name: "markdown",
    help: "A Markdown table",
    writer: TraceWriter {
        steps: |trace, steps, to| SYNTAX.steps(trace, steps, to),
        header: |columns, to| header(&SYNTAX, columns, to),
        line: |line, to| SYNTAX.line(line, to),
    },
};

static SYNTAX: TableSyntax = TableSyntax { begin: b"| ", between: b" | ", end: b" |\n", finish_cell: escape, header };

/// Writes a row with the names of the columns, and a row with their alignments.
fn header(syntax: &TableSyntax, columns: &[TraceColumn], to: &mut Vec<u8>) {
    syntax.names(columns, to);
    let alignment = |column: &TraceColumn| if column.is_number { b"---:" } else { b":---" };
    let cells: Vec<&[u8]> = columns.iter().map(|column| &alignment(column)[..]).collect();
    to.extend_from_slice(&[b"| ", &cells.join(&b" | "[..])[..], b" |\n"].concat());
}

/// Escapes `|`, `\` and `_` in the cell that begins at byte `from`. A `_` between two letters or digits needs no escape, because it neither begins nor ends
/// emphasis there.
fn escape(to: &mut Vec<u8>, from: usize) {
    if !to[from..].iter().any(|byte| matches!(byte, b'|' | b'\\' | b'_')) {
        return;
    }
    let cell = to.split_off(from);
    let is_letter_or_digit = |i: Option<usize>| i.and_then(|i| cell.get(i)).is_some_and(u8::is_ascii_alphanumeric);
    for (i, &byte) in cell.iter().enumerate() {
        let is_inside_word = byte == b'_' && is_letter_or_digit(i.checked_sub(1)) && is_letter_or_digit(Some(i + 1));
        if matches!(byte, b'|' | b'\\' | b'_') && !is_inside_word {
            to.push(b'\\');
        }
        to.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_of_markdown_are_escaped() {
        for (cell, escaped) in [
            ("conv1.z[0,1]=2.0 * b=0.5", "conv1.z[0,1]=2.0 * b=0.5"),
            ("a|b", "a\\|b"),
            ("a\\|b", "a\\\\\\|b"),
            ("fc_1.z", "fc_1.z"),
            ("_fc_.z", "\\_fc\\_.z"),
        ] {
            let mut to = format!("| {cell}").into_bytes();
            escape(&mut to, 2);
            assert_eq!(String::from_utf8(to), Ok(format!("| {escaped}")));
        }
    }
}
