//! The text that belongs to a graph: the statements as lines, the position of each operation in its statement, and the groups of operations that a picture may
//! show as one node.

use std::collections::HashMap;
use std::ops::Range;

use compact_str::CompactString;

use super::TextStart;
use super::closed_forms::{self, PendingBlock};
use super::reader::{GraphReader, TensorOrigin};
use super::structural::UseInText;
use crate::network::{ClosedBlock, GraphText, SourcePlace, StatementText, StructuralUse};

/// The longest statement, in bytes, whose text is kept. A longer one has an empty text.
const MAX_STATEMENT: usize = 2000;

/// A statement as one line.
struct OneLine {
    text: CompactString,
    /// For each byte of the statement in the file, and for its end, the position in `text`. Empty if the two texts are equal.
    positions: Vec<usize>,
}

impl OneLine {
    /// Returns the position in `text` for a position in the statement in the file.
    fn position(&self, at: usize) -> Option<usize> {
        if self.positions.is_empty() { Some(at).filter(|at| *at <= self.text.len()) } else { self.positions.get(at).copied() }
    }
}

/// Writes a statement as one line: comments, the backslashes at the ends of lines and repeated blanks are left out.
fn one_line(statement: &str) -> OneLine {
    let is_kept = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\');
    if statement.as_bytes().split(|byte| *byte == b' ').all(|word| !word.is_empty() && word.iter().all(is_kept)) {
        return OneLine { text: statement.into(), positions: Vec::new() };
    }
    let mut line = OneLine { text: CompactString::default(), positions: Vec::with_capacity(statement.len() + 1) };
    // `is_blank` is `true` after characters that are left out, until a blank is written for them
    let (mut is_comment, mut is_blank, mut quote) = (false, false, None);
    for (at, c) in statement.char_indices() {
        is_comment = (is_comment || c == '#' && quote.is_none()) && c != '\n';
        let is_continuation = c == '\\' && statement[at + 1..].trim_start_matches([' ', '\t', '\r']).starts_with('\n');
        if is_comment || is_continuation || c.is_whitespace() {
            is_blank = true;
        } else {
            // a blank beside a bracket is left out in a statement of several lines, where it may be a line break
            let is_beside_bracket = line.text.ends_with(['(', '[']) || matches!(c, ')' | ']');
            if is_blank && !line.text.is_empty() && !(is_beside_bracket && statement.contains('\n')) {
                line.text.push(' ');
            }
            is_blank = false;
        }
        line.positions.resize(at + c.len_utf8(), line.text.len());
        if !is_blank {
            quote = match quote {
                None if matches!(c, '\'' | '"') => Some(c),
                Some(open) if open == c => None,
                unchanged => unchanged,
            };
            line.text.push(c);
        }
    }
    line.positions.push(line.text.len());
    line
}

/// Returns the text of a graph. `output` is its output.
pub fn graph_text(reader: &GraphReader<'_, '_>, output: Option<usize>) -> GraphText {
    // for each text, the positions after its line breaks. A text with one statement mostly has none
    let line_starts: Vec<Vec<usize>> = reader.texts.iter().map(|text| text.match_indices('\n').map(|(at, _)| at + 1).collect()).collect();
    let line_of = |text_number: usize, at: usize| {
        let TextStart { line, has_lines_of_file } = reader.starts[text_number];
        line + if has_lines_of_file { line_starts[text_number].partition_point(|start| *start <= at) } else { 0 }
    };
    let lines: Vec<OneLine> = reader
        .statements
        .iter()
        .map(|(text_number, span)| {
            reader.texts[*text_number].get(span.clone()).filter(|text| text.len() <= MAX_STATEMENT).unwrap_or_default()
        })
        .map(one_line)
        .collect();
    let origin = |node: &super::reader::PendingNode| {
        let (start, line) = (reader.statements[node.statement].1.start, &lines[node.statement]);
        let position = |at: usize| at.checked_sub(start).and_then(|at| line.position(at));
        // if the operation has no position in the statement, the whole statement is marked
        let byte_range = position(node.at.1.start).zip(position(node.at.1.end)).map_or(0..line.text.len(), |(start, end)| start..end);
        SourcePlace { statement: node.statement, byte_range, turn: node.turn }
    };
    let origins = reader.nodes.iter().map(origin).collect();
    let statements = reader.statements.iter().zip(lines);
    let statements =
        statements.map(|((text_number, span), line)| StatementText { text: line.text, line: line_of(*text_number, span.start) });
    let has_tensors = reader.tensors.iter().any(|tensor| !tensor.shape.is_empty());
    // the tensors of the network are numbered anew: first the leaves, then the results of the operations
    let leaf_count = reader.leaves.len();
    let id = |tensor: usize| match reader.tensors[tensor].origin {
        TensorOrigin::Leaf(leaf) => leaf,
        TensorOrigin::Node(node) => leaf_count + node,
    };
    let closed_block = |block: PendingBlock| ClosedBlock {
        form: block.form,
        input: id(block.input),
        output: id(block.output),
        operands: block.operands.into_iter().map(id).collect(),
        members: block.members.into_iter().map(id).collect(),
        fixed: block.fixed.into_iter().map(|(tensor, value)| (id(tensor), value)).collect(),
    };
    let mut structural: HashMap<usize, StructuralUse> = HashMap::new();
    for (tensor, UseInText { what, at: (text_number, span) }) in reader.structural.each() {
        structural.insert(id(tensor), StructuralUse { what, line: Some(line_of(text_number, span.start)) });
    }
    for (tensor, graph_tensor) in
        reader.tensors.iter().enumerate().filter(|(_, graph_tensor)| matches!(graph_tensor.origin, TensorOrigin::Leaf(_)))
    {
        let what = if reader.is_made_by_text(tensor) {
            "a number that the text makes"
        } else if graph_tensor.is_mask {
            "a mask of true and false"
        } else {
            continue;
        };
        structural.insert(id(tensor), StructuralUse { what: what.to_owned(), line: None });
    }
    let named = reader.tensors.iter().enumerate().filter(|(_, tensor)| tensor.axes.iter().any(Option::is_some));
    let axes = named.map(|(tensor, graph_tensor)| (id(tensor), graph_tensor.axes.clone()));
    let closed_blocks = closed_forms::find(reader, output).into_iter().map(closed_block).collect();
    GraphText::new(has_tensors, leaf_count, statements.collect(), origins, folds(reader, has_tensors, output))
        .with_closed_blocks(closed_blocks)
        .with_structural(structural)
        .with_axes(axes.collect())
}

/// Returns the folds: the ranges of operations whose results, except the last one, are only read inside the range. In a graph of single numbers a statement is
/// not a fold, because the picture shows each of its operations.
fn folds(reader: &GraphReader<'_, '_>, has_tensors: bool, output: Option<usize>) -> Vec<Range<usize>> {
    // for each operation, the last one that reads it
    let mut last_reader = vec![0; reader.nodes.len()];
    for (n, node) in reader.nodes.iter().enumerate() {
        for id in &node.reads {
            if let TensorOrigin::Node(read) = reader.tensors[*id].origin {
                last_reader[read] = n;
            }
        }
    }
    let is_inside = |members: &Range<usize>, n: usize| {
        let node = &reader.nodes[n];
        last_reader[n] < members.end && node.name.intermediate > 0 && Some(node.tensor) != output
    };
    let statements = reader.composite_statements.iter().filter(|_| has_tensors);
    statements
        .chain(&reader.composite_calls)
        .filter(|members| (members.start..members.end - 1).all(|n| is_inside(members, n)))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_statement_is_one_line_and_its_operations_keep_their_places() {
        let text = "y = (x   # the input\n     @ W) \\\n  + b";
        let line = one_line(text);
        assert_eq!(line.text, "y = (x @ W) + b");
        // returns the part of the one line that a part of the statement becomes
        let in_line = |piece: &str| {
            let start = text.find(piece).expect(piece);
            let (start, end) = line.position(start).zip(line.position(start + piece.len())).expect(piece);
            &line.text[start..end]
        };
        assert_eq!(in_line("x   # the input\n     @ W"), "x @ W");
        assert_eq!(in_line("b"), "b");
        assert_eq!(one_line("z = f(\n    x,  # a\n    'a # b',\n)").text, "z = f(x, 'a # b',)");
        let same = one_line("y = f(x, 'a')");
        assert_eq!(
            (same.text.as_str(), same.position(4), same.position(13), same.position(14)),
            ("y = f(x, 'a')", Some(4), Some(13), None)
        );
        // one position for each byte, and one for the end: ü and é have two bytes, so 0 and 5 stand there twice
        assert_eq!(one_line("ü = é").positions, [0, 0, 2, 3, 4, 5, 5, 7]);
    }
}
