//! Kinks: where a function is made of pieces, the one that each entry of its tensor takes.

use std::cmp::Ordering;

use smallvec::SmallVec;

use crate::network::{Id, Op, Run};
use crate::op::rule::{Origin, Term};
use crate::step::{Kind, Pass};

/// How the pieces of a function are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bend {
    /// By the sign of its argument.
    Sign,
    /// By which of two arguments is larger.
    Order,
    /// By which of its arguments is the largest.
    Winner,
}

impl Bend {
    /// That of a function with kinks.
    pub fn of(term: &Term) -> Option<Self> {
        match (term.kind, term.function) {
            (Kind::Select, _) => Some(Self::Winner),
            (_, Some("relu" | "leaky_relu" | "elu" | "abs")) => Some(Self::Sign),
            (_, Some("min" | "max")) => Some(Self::Order),
            _ => None,
        }
    }

    /// The piece for these arguments.
    pub fn side(self, args: &[f64]) -> usize {
        let order = |a: f64, b: f64| match a.partial_cmp(&b) {
            Some(Ordering::Less) => 0,
            Some(Ordering::Equal) => 1,
            Some(Ordering::Greater) => 2,
            None => 3,
        };
        match self {
            Self::Sign => order(args[0], 0.0),
            Self::Order => order(args[0], args[1]),
            Self::Winner => (1..args.len()).fold(0, |best, i| if args[i] > args[best] { i } else { best }),
        }
    }
}

/// An argument: an entry, or a number of the equation.
#[derive(Clone, Copy)]
enum Argument {
    Entry(Id, usize),
    Number(f64),
}

/// The kinks of a part of an op: for each entry where its arguments begin, and the side that it takes.
struct Part {
    bend: Bend,
    entries: Vec<(usize, usize)>,
    arguments: Vec<Argument>,
}

/// The kinks of an op.
pub(super) struct Bends(Vec<Part>);

impl Bends {
    /// Those of an op; `None` for one without. Its parts' first terms say it for all.
    pub fn of(run: &Run, op: &Op, number: usize, entries: usize) -> Option<Self> {
        if op.pass != Pass::Forward {
            return None;
        }
        let mut parts = Vec::new();
        for ((rule, x), operands) in run.parts(op, number).zip(op.parts.iter().map(|part| &part.operands)) {
            let has_term = |&at: &usize| rule.before(&x, at) < rule.before(&x, at + 1);
            let Some(bend) = (0..entries).find(has_term).and_then(|at| Bend::of(&rule.term(&x, at, 0))) else { continue };
            let mut part = Part { bend, entries: Vec::with_capacity(entries), arguments: Vec::new() };
            for at in 0..entries {
                let begin = part.arguments.len();
                let args = if has_term(&at) { rule.term(&x, at, 0).args } else { SmallVec::new() };
                part.arguments.extend(args.iter().map(|arg| match arg.origin {
                    Origin::Entry { slot, at } => Argument::Entry(operands[slot], at),
                    _ => Argument::Number(arg.value),
                }));
                let values: SmallVec<[f64; 4]> = args.iter().map(|arg| arg.value).collect();
                part.entries.push((begin, if values.is_empty() { 0 } else { bend.side(&values) }));
            }
            parts.push(part);
        }
        (!parts.is_empty()).then_some(Self(parts))
    }

    /// Adds to `crossed` the entry's parts that take another side with these numbers, and which.
    pub fn crossed<'v>(&self, at: usize, value: impl Fn(Id) -> &'v [f64], mut crossed: impl FnMut(usize, usize)) {
        for (number, part) in self.0.iter().enumerate() {
            let (begin, side) = part.entries[at];
            let end = part.entries.get(at + 1).map_or(part.arguments.len(), |(begin, _)| *begin);
            let args: SmallVec<[f64; 9]> = part.arguments[begin..end]
                .iter()
                .map(|argument| match *argument {
                    Argument::Entry(id, at) => value(id)[at],
                    Argument::Number(number) => number,
                })
                .collect();
            if args.is_empty() {
                continue;
            }
            let now = part.bend.side(&args);
            if now != side {
                crossed(number, now);
            }
        }
    }
}
