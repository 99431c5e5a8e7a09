//! Steps as a Markdown table in GitHub's syntax.

use super::line::TraceColumn;
use super::table::Syntax;
use super::{OutputFormat, StepWriter};

pub(super) const MARKDOWN: OutputFormat<StepWriter> = OutputFormat {
    name: "markdown",
    help: "A Markdown table",
    writer: StepWriter {
        steps: |trace, steps, to| SYNTAX.steps(trace, steps, to),
        header: |columns, to| header(&SYNTAX, columns, to),
        line: |line, to| SYNTAX.line(line, to),
    },
};

static SYNTAX: Syntax = Syntax { begin: b"| ", between: b" | ", end: b" |\n", close, header };

/// Writes the names of the columns, and below them their alignments.
fn header(syntax: &Syntax, columns: &[TraceColumn], to: &mut Vec<u8>) {
    syntax.names(columns, to);
    let side = |column: &TraceColumn| if column.is_number { b"---:" } else { b":---" };
    let cells: Vec<&[u8]> = columns.iter().map(|column| &side(column)[..]).collect();
    to.extend_from_slice(&[b"| ", &cells.join(&b" | "[..])[..], b" |\n"].concat());
}

/// Escapes `|`, `\` and `_` in the cell from `from` on. A `_` between two letters or digits stays: it cannot begin or end an emphasis.
fn close(to: &mut Vec<u8>, from: usize) {
    if !to[from..].iter().any(|byte| matches!(byte, b'|' | b'\\' | b'_')) {
        return;
    }
    let cell = to.split_off(from);
    let is_letter = |place: Option<usize>| place.and_then(|place| cell.get(place)).is_some_and(u8::is_ascii_alphanumeric);
    for (place, &byte) in cell.iter().enumerate() {
        let inside = byte == b'_' && is_letter(place.checked_sub(1)) && is_letter(Some(place + 1));
        if matches!(byte, b'|' | b'\\' | b'_') && !inside {
            to.push(b'\\');
        }
        to.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_escaped_if_it_must_be() {
        for (cell, escaped) in [
            ("conv1.z[0,1]=2.0 * b=0.5", "conv1.z[0,1]=2.0 * b=0.5"),
            ("a|b", "a\\|b"),
            ("a\\|b", "a\\\\\\|b"),
            ("fc_1.z", "fc_1.z"),
            ("_fc_.z", "\\_fc\\_.z"),
        ] {
            let mut to = format!("| {cell}").into_bytes();
            close(&mut to, 2);
            assert_eq!(String::from_utf8(to), Ok(format!("| {escaped}")));
        }
    }
}
