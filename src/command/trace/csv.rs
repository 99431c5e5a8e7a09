//! The trace as CSV (RFC 4180). It has a header line. Lines end in CR LF. A cell with a comma, a quotation mark or a newline is put in quotation marks.

use super::table::TableSyntax;
use super::{OutputFormat, TraceWriter};

pub(super) const CSV: OutputFormat<TraceWriter> = OutputFormat {
    name: "csv",
    help: "Comma-separated values with a header line",
    writer: TraceWriter {
        steps: |trace, steps, to| SYNTAX.steps(trace, steps, to),
        header: |columns, to| SYNTAX.names(columns, to),
        line: |line, to| SYNTAX.line(line, to),
    },
};

static SYNTAX: TableSyntax = TableSyntax { begin: b"", between: b",", end: b"\r\n", finish_cell: quote, header: TableSyntax::names };

/// Quotes the cell that begins at byte `from`, if it contains a comma, a quotation mark or a newline.
fn quote(to: &mut Vec<u8>, from: usize) {
    let cell = &to[from..];
    if !cell.iter().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
        return;
    }
    if cell.contains(&b'"') {
        let doubled: Vec<u8> = cell.iter().flat_map(|&byte| std::iter::repeat_n(byte, if byte == b'"' { 2 } else { 1 })).collect();
        to.truncate(from);
        to.extend_from_slice(&doubled);
    }
    to.insert(from, b'"');
    to.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4180, section 2, items 5 to 7.
    #[test]
    fn a_cell_with_a_comma_a_quotation_mark_or_a_newline_is_quoted() {
        for (cell, quoted) in [("aaa", "aaa"), ("", ""), ("b,b", "\"b,b\""), ("b\r\nb", "\"b\r\nb\""), ("b\"bb", "\"b\"\"bb\"")] {
            let mut to = format!("zzz,{cell}").into_bytes();
            quote(&mut to, 4);
            assert_eq!(String::from_utf8(to), Ok(format!("zzz,{quoted}")));
        }
    }
}
