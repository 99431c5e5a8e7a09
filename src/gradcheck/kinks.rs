//! The kinks of the forward pass: points where a function such as relu or max changes from one smooth piece to another.
//!
//! relu has the pieces z < 0, z = 0 and z > 0; max(a, b, c) has one piece for each argument. The gradient check first computes the number of the piece that
//! each entry is on. Then it moves one entry of a tensor. If the move changes the piece of any entry, it has crossed a kink.

use smallvec::SmallVec;

use crate::expr::SmoothPieces;
use crate::network::{Id, Op, Run};
use crate::op::rule::{Origin, expand_slice};
use crate::op::slot::Reads;
use crate::step::Pass;

/// The arguments and the piece of one entry.
struct EntryPiece {
    /// The start of the entry's arguments in [`PartKinks::arguments`].
    begin: u32,
    /// The end of the entry's arguments in [`PartKinks::arguments`].
    end: u32,
    /// The piece before any move.
    piece: usize,
    /// `true` if the entry is exactly on a kink.
    is_tie: bool,
}

/// The kinks of one part of an op.
struct PartKinks {
    pieces: SmoothPieces,
    entries: Vec<EntryPiece>,
    /// The arguments, as pairs (n, place). If n < `operands.len()`, the argument is the entry at `place` of operand n; otherwise it is `constants[place]`.
    arguments: Vec<(u32, u32)>,
    operands: Reads<Id>,
    constants: Vec<f64>,
}

/// The kinks of one op: one element for each part that has kinks.
pub(super) struct Kinks(Vec<PartKinks>);

impl Kinks {
    /// Returns the kinks of the op with index `number`, or `None` if it has no kink. `entries` is the number of entries of its output. All terms of a part have
    /// the same function, so the first term shows whether the part has kinks.
    pub fn of(run: &Run, op: &Op, number: usize, entries: usize) -> Option<Self> {
        if op.pass != Pass::Forward {
            return None;
        }
        let mut parts = Vec::new();
        for ((rule, x), operands) in run.parts(op, number).zip(op.parts.iter().map(|part| &part.operands)) {
            let has_term = |at: usize| rule.prefix_terms(&x, at) < rule.prefix_terms(&x, at + 1);
            let first = (0..entries).find(|&at| has_term(at));
            let Some(pieces) = first.and_then(|at| rule.term(&x, at, 0).function?.pieces()) else { continue };
            let mut part =
                PartKinks { pieces, entries: Vec::new(), arguments: Vec::new(), operands: operands.clone(), constants: Vec::new() };
            for at in 0..entries {
                let begin = u32::try_from(part.arguments.len()).ok()?;
                let args = if has_term(at) { expand_slice(&x, rule.term(&x, at, 0).args) } else { SmallVec::new() };
                for arg in &args {
                    let (operand, place) = if let Origin::Entry { slot, at } = arg.origin {
                        (operands.position(slot), at)
                    } else {
                        part.constants.push(arg.value);
                        (operands.len(), part.constants.len() - 1)
                    };
                    let [operand, place] = [operand, place].map(|n| u32::try_from(n).ok());
                    part.arguments.push((operand?, place?));
                }
                let values: SmallVec<[f64; 4]> = args.iter().map(|arg| arg.value).collect();
                let (piece, is_tie) = if values.is_empty() {
                    (0, false)
                } else {
                    (part.pieces.piece_at(values.len(), |i| values[i]), part.pieces.is_tie(&values))
                };
                part.entries.push(EntryPiece { begin, end: u32::try_from(part.arguments.len()).ok()?, piece, is_tie });
            }
            parts.push(part);
        }
        (!parts.is_empty()).then_some(Self(parts))
    }

    /// Returns whether an entry is exactly on a kink before any move. `part` counts only the parts that have kinks.
    pub fn is_tie(&self, entry: usize, part: usize) -> bool {
        self.0[part].entries[entry].is_tie
    }

    /// Calls `report(entry, part, piece)` for each of these entries that is now on another piece than before any move. `part` counts only the parts that have
    /// kinks. `values` returns the current entries of a tensor.
    pub fn crossed<'v>(
        &self,
        entries: &(impl Iterator<Item = usize> + Clone),
        values: impl Fn(Id) -> &'v [f64],
        mut report: impl FnMut(usize, usize, usize),
    ) {
        for (number, part) in self.0.iter().enumerate() {
            let values: SmallVec<[&[f64]; 4]> = part.operands.iter().map(|&id| values(id)).chain([part.constants.as_slice()]).collect();
            let report = |at, piece| report(at, number, piece);
            if let [operand, []] = values[..] {
                // a shortcut for the usual case of one operand, as in relu and max
                part.crossed(entries, |(_, place)| operand[place as usize], report);
            } else {
                part.crossed(entries, |(operand, place)| values[operand as usize][place as usize], report);
            }
        }
    }
}

impl PartKinks {
    /// Calls `report(entry, piece)` for each of these entries that is on another piece than before any move. `value` returns the value of an argument.
    fn crossed(
        &self,
        entries: &(impl Iterator<Item = usize> + Clone),
        value: impl Fn((u32, u32)) -> f64,
        mut report: impl FnMut(usize, usize),
    ) {
        for at in entries.clone() {
            let EntryPiece { begin, end, piece: before, .. } = self.entries[at];
            let arguments = &self.arguments[begin as usize..end as usize];
            if arguments.is_empty() {
                continue;
            }
            let now = self.pieces.piece_at(arguments.len(), |i| value(arguments[i]));
            if now != before {
                report(at, now);
            }
        }
    }
}
