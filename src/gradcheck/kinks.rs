//! The kinks of the forward pass: points where a function such as relu or max changes from one smooth piece to another.
//!
//! For example, relu has the pieces z < 0, z = 0 and z > 0, and max(a, b, c) has one piece for each argument. The gradient check first computes the number of
//! the piece in which each entry is. Then it moves one entry of a tensor. If this changes the piece of any entry, the move has crossed a kink.

use smallvec::SmallVec;

use crate::expr::{Expr, Primitive, SmoothPieces};
use crate::network::{Id, Op, Run};
use crate::op::rule::{Arg, Operands, Origin, Rule, expand_slice};
use crate::op::slot::Reads;

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
    /// The piece of each entry of the op's output.
    entries: Vec<EntryPiece>,
    /// The arguments, as pairs (n, place). If n < `operands.len()`, the argument is the entry with offset `place` of operand n. Otherwise it is
    /// `constants[place]`.
    arguments: Vec<(u32, u32)>,
    operands: Reads<Id>,
    constants: Vec<f64>,
}

/// The kink of a value inside a term, such as |a − t| in a term of the loss `l1`.
struct InnerKink {
    /// The index of the function in [`Kinks::functions`].
    function: usize,
    /// The offset at which the function reads its arguments.
    place: usize,
    /// The entry to which the term belongs.
    entry: usize,
    /// The piece before any move.
    piece: usize,
    /// `true` if the value is exactly on a kink.
    is_tie: bool,
}

/// A function with kinks inside the terms of a part: its smooth pieces, the expressions of its arguments, and the operands that these read.
struct InnerFunction {
    pieces: SmoothPieces,
    arguments: &'static [Expr],
    operands: Reads<Id>,
}

impl InnerFunction {
    /// The arguments that the function reads at the offset `place`. `values` returns the entries of a tensor.
    fn arguments_at<'v>(&self, place: usize, values: impl Fn(Id) -> &'v [f64]) -> SmallVec<[f64; 2]> {
        let entry = |slot| values(self.operands[slot])[place];
        self.arguments.iter().map(|argument| argument.value(&entry).unwrap_or(f64::NAN)).collect()
    }

    fn piece_of(&self, arguments: &[f64]) -> usize {
        self.pieces.piece_at(arguments.len(), |i| arguments[i])
    }

    /// The kink of the value that the function computes at the offset `place`. `function` is the index of this function.
    fn kink_at<'v>(&self, function: usize, entry: usize, place: usize, values: impl Fn(Id) -> &'v [f64]) -> InnerKink {
        let arguments = self.arguments_at(place, values);
        InnerKink { function, place, entry, piece: self.piece_of(&arguments), is_tie: self.pieces.is_tie(&arguments) }
    }
}

/// Returns the pieces and the arguments of the function that computes a factor; `None` if no function computes it, or if the function has no kinks.
fn inner_function(factor: &Arg) -> Option<(SmoothPieces, &'static [Expr])> {
    match factor.origin {
        Origin::Derived { expr: &Expr::Of(function, arguments), second: None, .. } => Some((function.pieces()?, arguments)),
        _ => None,
    }
}

/// For each term of each entry, returns the entry and the offset in the operands at which factor `n` of the term reads.
fn places_of_factor<'r, 'o>(
    rule: &'r dyn Rule,
    x: &'r Operands<'o>,
    entries: usize,
    n: usize,
) -> impl Iterator<Item = (usize, usize)> + use<'r, 'o> {
    (0..entries).flat_map(move |entry| {
        let terms = rule.prefix_terms(x, entry + 1) - rule.prefix_terms(x, entry);
        (0..terms).filter_map(move |term| match rule.term(x, entry, term).args.get(n)?.origin {
            Origin::Derived { at, .. } => Some((entry, at)),
            _ => None,
        })
    })
}

/// The kinks of one op.
pub(super) struct Kinks {
    /// One element for each part whose terms are a function with kinks.
    parts: Vec<PartKinks>,
    /// The functions with kinks inside the terms.
    functions: Vec<InnerFunction>,
    /// The kinks of these functions, one for each function and term.
    inner: Vec<InnerKink>,
}

impl Kinks {
    /// Returns the kinks of the op with index `number`, or `None` if it has none (or too many arguments for a `u32`). `entries` is the number of entries of
    /// its output. All terms of a part have the same function, so the first term shows whether the part has kinks.
    pub fn of(run: &Run, op: &Op, number: usize, entries: usize) -> Option<Self> {
        let (mut parts, mut functions, mut inner) = (Vec::new(), Vec::new(), Vec::new());
        for ((rule, x), operands) in run.parts(op, number).zip(op.parts.iter().map(|part| &part.operands)) {
            let has_term = |at: usize| rule.prefix_terms(&x, at) < rule.prefix_terms(&x, at + 1);
            let Some(first_entry) = (0..entries).find(|&at| has_term(at)) else { continue };
            let first_term = rule.term(&x, first_entry, 0);
            for (factor, (pieces, arguments)) in first_term.args.iter().enumerate().filter_map(|(n, arg)| Some((n, inner_function(arg)?))) {
                let function = InnerFunction { pieces, arguments, operands: operands.clone() };
                let places = places_of_factor(rule, &x, entries, factor);
                inner.extend(places.map(|(entry, place)| function.kink_at(functions.len(), entry, place, |id| run.values(id))));
                functions.push(function);
            }
            let Some(pieces) = first_term.function.and_then(Primitive::pieces) else { continue };
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
        (!parts.is_empty() || !inner.is_empty()).then_some(Self { parts, functions, inner })
    }

    /// Returns whether an entry is exactly on a kink before any move. `part` is a number that [`Kinks::crossed`] has passed to `report`.
    pub fn is_tie(&self, entry: usize, part: usize) -> bool {
        match self.parts.get(part) {
            Some(part) => part.entries[entry].is_tie,
            None => self.inner[part - self.parts.len()].is_tie,
        }
    }

    /// Calls `report(entry, part, piece)` for each of these entries whose piece has changed. `part` counts the parts that have kinks, and then the kinks inside
    /// terms. `values` returns the current entries of a tensor.
    pub fn crossed<'v>(
        &self,
        entries: &(impl Iterator<Item = usize> + Clone),
        values: impl Fn(Id) -> &'v [f64],
        mut report: impl FnMut(usize, usize, usize),
    ) {
        for (number, part) in self.parts.iter().enumerate() {
            // the operands, and then the constants: a pair (n, place) of `PartKinks::arguments` is `sources[n][place]`
            let sources: SmallVec<[&[f64]; 4]> = part.operands.iter().map(|&id| values(id)).chain([part.constants.as_slice()]).collect();
            let report = |at, piece| report(at, number, piece);
            if let [operand, []] = sources[..] {
                // faster: most functions with kinks have one operand and no constant, as relu and max
                part.crossed(entries, |(_, place)| operand[place as usize], report);
            } else {
                part.crossed(entries, |(operand, place)| sources[operand as usize][place as usize], report);
            }
        }
        if self.inner.is_empty() {
            return;
        }
        let mut entries: SmallVec<[usize; 1]> = entries.clone().collect();
        entries.sort_unstable();
        for (number, kink) in self.inner.iter().enumerate().filter(|(_, kink)| entries.binary_search(&kink.entry).is_ok()) {
            let function = &self.functions[kink.function];
            let piece = function.piece_of(&function.arguments_at(kink.place, &values));
            if piece != kink.piece {
                report(kink.entry, self.parts.len() + number, piece);
            }
        }
    }
}

impl PartKinks {
    /// Calls `report(entry, piece)` for each of these entries whose piece has changed. `value` returns the value of an argument.
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
