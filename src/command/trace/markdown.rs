//! A table in Markdown, as GitHub draws it.

use super::line::Column;
use super::table::Syntax;
use super::{Format, StepWriter};

pub(super) const MARKDOWN: Format<StepWriter> = Format {
    name: "markdown",
    help: "A table for a page on GitHub",
    writer: StepWriter {
        steps: |trace, steps, to| SYNTAX.steps(trace, steps, to),
        header: |columns, to| header(&SYNTAX, columns, to),
        line: |line, to| SYNTAX.line(line, to),
    },
};

static SYNTAX: Syntax = Syntax { begin: b"| ", between: b" | ", end: b" |\n", close, header };

/// The names of the columns, and below them the sides to which they align.
fn header(syntax: &Syntax, columns: &[Column], to: &mut Vec<u8>) {
    syntax.names(columns, to);
    let side = |column: &Column| if column.is_number { b"---:" } else { b":---" };
    let cells: Vec<&[u8]> = columns.iter().map(|column| &side(column)[..]).collect();
    to.extend_from_slice(&[b"| ", &cells.join(&b" | "[..])[..], b" |\n"].concat());
}

/// Escapes what ends a cell, and `_` where it would begin or end an emphasis: not between two letters or digits.
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
    fn a_cell_is_escaped_where_it_must_be() {
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
