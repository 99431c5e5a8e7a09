//! Kinks: where a function is made of pieces, the one that each entry of its tensor takes.

use smallvec::SmallVec;

use crate::expr::Kink;
use crate::network::{Id, Op, Run};
use crate::op::rule::{Origin, unfolded};
use crate::op::slot::Reads;
use crate::step::Pass;

/// One entry's arguments, and the side that it takes where nothing moves.
struct Entry {
    /// Where its arguments end; they begin where those of the entry before end.
    end: usize,
    side: usize,
    /// Whether its arguments are exactly where the piece changes.
    tie: bool,
}

/// The kinks of a part of an op. An argument is an entry of one of its operands, or, past them, a number of the equation.
struct Part {
    bend: Kink,
    entries: Vec<Entry>,
    arguments: Vec<(u32, u32)>,
    operands: Reads<Id>,
    numbers: Vec<f64>,
}

/// The kinks of an op.
pub(super) struct Bends(Vec<Part>);

impl Bends {
    /// Those of an op with so many entries; `None` for one without. Its parts' first terms say it for all.
    pub fn of(run: &Run, op: &Op, number: usize, entries: usize) -> Option<Self> {
        if op.pass != Pass::Forward {
            return None;
        }
        let mut parts = Vec::new();
        for ((rule, x), operands) in run.parts(op, number).zip(op.parts.iter().map(|part| &part.operands)) {
            let has_term = |at: usize| rule.before(&x, at) < rule.before(&x, at + 1);
            let first = (0..entries).find(|&at| has_term(at));
            let Some(bend) = first.and_then(|at| rule.term(&x, at, 0).function?.kink()) else { continue };
            let mut part = Part { bend, entries: Vec::new(), arguments: Vec::new(), operands: operands.clone(), numbers: Vec::new() };
            for at in 0..entries {
                let args = if has_term(at) { unfolded(&x, rule.term(&x, at, 0).args) } else { SmallVec::new() };
                for arg in &args {
                    let (slot, place) = if let Origin::Entry { slot, at } = arg.origin {
                        (operands.place(slot), at)
                    } else {
                        part.numbers.push(arg.value);
                        (operands.len(), part.numbers.len() - 1)
                    };
                    let [slot, place] = [slot, place].map(|n| u32::try_from(n).ok());
                    part.arguments.push((slot?, place?));
                }
                let values: SmallVec<[f64; 4]> = args.iter().map(|arg| arg.value).collect();
                let (side, tie) =
                    if values.is_empty() { (0, false) } else { (bend.piece(values.len(), |i| values[i]), bend.is_tie(&values)) };
                part.entries.push(Entry { end: part.arguments.len(), side, tie });
            }
            parts.push(part);
        }
        (!parts.is_empty()).then_some(Self(parts))
    }

    /// Whether an entry is exactly where this part's piece changes.
    pub fn is_tie(&self, entry: usize, part: usize) -> bool {
        self.0[part].entries[entry].tie
    }

    /// Says which parts of these entries take another side with these numbers, and which.
    pub fn crossed<'v>(
        &self,
        of: &(impl Iterator<Item = usize> + Clone),
        value: impl Fn(Id) -> &'v [f64],
        mut say: impl FnMut(usize, usize, usize),
    ) {
        for (number, part) in self.0.iter().enumerate() {
            let values: SmallVec<[&[f64]; 4]> = part.operands.iter().map(|&id| value(id)).chain([part.numbers.as_slice()]).collect();
            for at in of.clone() {
                let Entry { end, side, .. } = part.entries[at];
                let begin = if at == 0 { 0 } else { part.entries[at - 1].end };
                let arguments = &part.arguments[begin..end];
                if arguments.is_empty() {
                    continue;
                }
                let now = part.bend.piece(arguments.len(), |i| {
                    let (slot, place) = arguments[i];
                    values[slot as usize][place as usize]
                });
                if now != side {
                    say(at, number, now);
                }
            }
        }
    }
}
