//! A rule says how each entry of one tensor comes to be: which terms, from which entries, in which order. The fast kernel and the
//! terms are two descriptions of one equation; the law of the trace is that they agree bit for bit.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::mismatch::Mismatch;
use super::slot::{Reads, Slot};
use crate::expr::{Expr, Form, Notation, Primitive};
use crate::step::Kind;
use crate::tally;
use crate::tensor::{Index, Places};

/// What a rule remembers about the values of one run (the winners of a max-pool, say); only the rule itself looks into it.
pub type Memo = Option<Arc<dyn Any + Send + Sync>>;

/// What a rule reads: its operands' tensors, by slot, and its memo.
#[derive(Clone)]
pub struct Operands<'a> {
    /// The operands, in the order of the rule's slots.
    pub tensors: Reads<&'a [f64]>,
    /// What [`Rule::memo`] returned for these operands.
    pub memo: &'a Memo,
}

impl<'a> Operands<'a> {
    /// The entry `at` of the operand in `slot`.
    #[must_use]
    pub fn get(&self, slot: Slot, at: usize) -> f64 {
        self.tensors[slot][at]
    }

    /// The memo, as the type that the rule put there.
    #[must_use]
    pub fn memo<T: 'static>(&self) -> Option<&'a T> {
        self.memo.as_deref().and_then(|memo| memo.downcast_ref())
    }
}

/// Where a factor's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// The entry `at` of the operand in `slot`.
    Entry {
        /// The operand.
        slot: Slot,
        /// The row-major place.
        at: usize,
    },
    /// A value derived from operands, such as `relu′(z)`.
    Derived {
        /// What it is.
        expr: &'static Expr,
        /// The operand whose entry it is mostly made of.
        slot: Slot,
        /// The row-major place in that operand.
        at: usize,
        /// A second place, for a derivative of one entry by another (a Jacobian's column).
        by: Option<usize>,
    },
    /// Many entries of the operand in `slot`, named at once. They have no one value.
    Slice {
        /// The operand.
        slot: Slot,
        /// Which of its entries.
        places: Places,
    },
    /// A number of the equation itself.
    Constant,
}

/// One factor of a term, or one argument of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// Where it comes from.
    pub origin: Origin,
    /// Its value.
    pub value: f64,
}

impl Arg {
    /// The same derived factor with a second place, for a derivative of one entry by another.
    #[must_use]
    pub fn by(mut self, second: usize) -> Self {
        if let Origin::Derived { by, .. } = &mut self.origin {
            *by = Some(second);
        }
        self
    }

    /// Whether it is the entry `at` of the operand in `slot`, or derived from it by name.
    #[must_use]
    pub fn reads(&self, slot: Slot, at: usize) -> bool {
        match self.origin {
            Origin::Entry { slot: s, at: place } => (s, place) == (slot, at),
            Origin::Derived { expr, at: place, .. } => (place == at && expr.names(slot, false)) || self.reads_all(slot),
            Origin::Slice { slot: s, places } => s == slot && places.contains(at),
            Origin::Constant => false,
        }
    }

    /// The slots of the operands whose entry it is, or that it names: its own, then the others.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        let mut slots: SmallVec<[Slot; 4]> = SmallVec::new();
        match self.origin {
            Origin::Entry { slot, .. } | Origin::Slice { slot, .. } => slots.push(slot),
            Origin::Derived { expr, slot: own, .. } => {
                slots.push(own);
                // a whole operand is no number
                expr.visit(&mut |slot, all| slots.extend((!all && slot != own).then_some(slot)));
            }
            Origin::Constant => {}
        }
        slots.into_iter()
    }

    /// Whether it is the entry `at` of the operand in `slot`, or derived from it or from another at its place, and not from all of an operand.
    #[must_use]
    pub fn lies_at(&self, slot: Slot, at: usize) -> bool {
        let (Origin::Entry { at: place, .. } | Origin::Derived { at: place, .. }) = self.origin else { return false };
        place == at && self.slots().any(|own| own == slot)
    }

    /// Whether it is derived from all of the operand in `slot`, by name.
    #[must_use]
    pub fn reads_all(&self, slot: Slot) -> bool {
        matches!(self.origin, Origin::Derived { expr, .. } if expr.names(slot, true))
    }
}

/// The terms of an entry that read another entry.
pub type Meets = SmallVec<[u64; 2]>;

/// The factors of one term.
pub type Factors = SmallVec<[Arg; 4]>;

/// The function of a selection that selects 0 whatever its arguments are ([`Term::of_loss`]).
pub const LEFT_OUT: &Primitive = &Primitive::new("left_out").form(Form::Product);
/// What it does, in words.
pub const LEFT_OUT_WORDS: &str = "The target makes this factor 0: the loss does not ask for this logarithm. It is −∞, and 0 · −∞ has no value, so the term is left out and counts 0.";

/// One term of one entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Product, function application, selection or copy.
    pub kind: Kind,
    /// The function, for an application or a selection.
    pub function: Option<&'static Primitive>,
    /// Its factors or arguments.
    pub args: Factors,
    /// Its contribution to the entry.
    pub value: f64,
}

impl Term {
    /// A product of factors, multiplied from left to right.
    #[must_use]
    pub fn product(args: Factors) -> Self {
        let value = args.iter().skip(1).fold(args.first().map_or(1.0, |a| a.value), |p, a| p * a.value);
        Self { kind: Kind::Product, function: None, args, value }
    }

    /// What comes, times a gate that is 0 where it is shut. Then nothing passes, neither ∞ nor what is no number, as PyTorch masks it: the gate alone is the
    /// factor.
    #[must_use]
    pub fn gated(arrives: Arg, gate: Arg) -> Self {
        let passes = gate.value != 0.0 || arrives.value.is_finite();
        Self::product(if passes { smallvec![arrives, gate] } else { smallvec![gate] })
    }

    /// The term of a loss with these factors, one of which is a target or made of it. A target of 0 leaves a logarithm of −∞ out: 0 · −∞ would be NaN,
    /// 0 log 0 is 0. The term stays a step of its own, so that the number of steps does not depend on values.
    #[must_use]
    pub fn of_loss(args: Factors) -> Self {
        let zero = args.iter().any(|arg| arg.value == 0.0);
        if zero && args.iter().any(|arg| arg.value == f64::NEG_INFINITY) {
            return Self { kind: Kind::Select, function: Some(LEFT_OUT), args, value: 0.0 };
        }
        Self::product(args)
    }

    /// A copy of one entry.
    #[must_use]
    pub fn copy(arg: Arg) -> Self {
        Self { kind: Kind::Copy, function: None, value: arg.value, args: SmallVec::from_iter([arg]) }
    }

    /// A function of its arguments.
    #[must_use]
    pub fn apply(function: &'static Primitive, args: Factors, value: f64) -> Self {
        Self { kind: Kind::Apply, function: Some(function), args, value }
    }
}

/// The entry `at` of operand `slot` as a factor.
#[must_use]
pub fn entry(x: &Operands<'_>, slot: Slot, at: usize) -> Arg {
    tally::count(1);
    Arg { origin: Origin::Entry { slot, at }, value: x.get(slot, at) }
}

/// The most arguments of a function that are named one by one.
pub const NAMED: usize = 16;

/// The arguments of a function of many entries of the operand in `slot`: one by one while they are few. Where they are more than [`NAMED`], the entry
/// `main` that says most, then all of them at once, so that a step does not grow with its operand.
#[must_use]
pub fn entries(x: &Operands<'_>, slot: Slot, main: usize, places: Places, few: impl Iterator<Item = usize>) -> Factors {
    if places.len() <= NAMED {
        return few.map(|at| entry(x, slot, at)).collect();
    }
    smallvec![entry(x, slot, main), Arg { origin: Origin::Slice { slot, places }, value: f64::NAN }]
}

/// The arguments of a function one by one, those too that are named at once.
#[must_use]
pub fn unfolded(x: &Operands<'_>, args: Factors) -> Factors {
    match args.last() {
        // the entry that stands before them is one of them
        Some(&Arg { origin: Origin::Slice { slot, places }, .. }) => places.each().map(|at| entry(x, slot, at)).collect(),
        _ => args,
    }
}

/// A number of the equation itself as a factor.
#[must_use]
pub fn constant(value: f64) -> Arg {
    Arg { origin: Origin::Constant, value }
}

/// A value derived from the entry `at` of operand `slot` as a factor.
#[must_use]
pub fn derived(expr: &'static Expr, slot: Slot, at: usize, value: f64) -> Arg {
    tally::count(1);
    Arg { origin: Origin::Derived { expr, slot, at, by: None }, value }
}

/// The value of an expression as a factor, from the entries `at` of the operands that it names; that of the operand in `slot` before the others.
#[must_use]
pub fn evaluated(x: &Operands<'_>, expr: &'static Expr, slot: Slot, at: usize) -> Arg {
    derived(expr, slot, at, expr.value(&|slot| x.get(slot, at)).unwrap_or(f64::NAN))
}

/// An equation, in symbols and in words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Equation {
    /// The right-hand side. Its arguments are those of [`Rule::arguments`].
    pub right: Expr,
    /// The name: `weight gradient`.
    pub name: &'static str,
    /// What follows the name.
    pub gist: Gist,
    /// The reason, in one or two sentences.
    pub words: &'static str,
}

/// The gist of an equation, after its name and a colon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gist {
    /// The name alone.
    None,
    /// Words: `the input convolved with the error`.
    Words(&'static str),
    /// The definition of a function: `relu(z) = 0 if z ≤ 0, else z`.
    Definition(&'static Primitive),
    /// A formula: `aᵢ = exp zᵢ / Σⱼ exp zⱼ`.
    Formula(Expr),
}

impl Gist {
    /// Text of the gist; empty if there is none.
    #[must_use]
    pub fn text(&self, notation: Notation) -> Cow<'static, str> {
        match self {
            Self::None => "".into(),
            Self::Words(words) => notation.words(words),
            Self::Definition(function) => function.definition_text(notation).into(),
            Self::Formula(formula) => formula.equation(notation, &[], |slot, _| slot.to_string()).into(),
        }
    }
}

impl Equation {
    /// The name with its gist: `weight gradient: the input convolved with the error`.
    #[must_use]
    pub fn title(&self, notation: Notation) -> Cow<'static, str> {
        match self.gist {
            Gist::None => self.name.into(),
            gist => format!("{}: {}", self.name, gist.text(notation)).into(),
        }
    }
}

impl Default for Equation {
    /// An equation that says nothing: for functions that nobody looks at.
    fn default() -> Self {
        Self { right: Expr::All(Slot::Input(0)), name: "", gist: Gist::None, words: "" }
    }
}

/// The expressions that stand for [`Expr::Arg`] in an equation.
pub type Arguments = SmallVec<[Expr; 2]>;

/// A place where an operand's entry is read: the entry of the result, and which of this rule's terms of it (from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The row-major place in the result.
    pub entry: usize,
    /// The term within this rule's terms of that entry, from 0.
    pub term: u64,
}

/// How each entry of one tensor comes to be. An entry's value is the sum of its terms, in order.
pub trait Rule: Debug + Send + Sync {
    /// What the rule must remember about these operands, so that everything else costs no search.
    fn memo(&self, _tensors: &Reads<&[f64]>) -> Memo {
        None
    }

    /// About how many multiplications its kernel makes of operands with so many entries each, for so many entries: what tells a long op before it is
    /// computed.
    fn work(&self, operands: &Reads<usize>, entries: usize) -> u64 {
        // an elementary function takes as long as some ten
        10 * (operands.iter().sum::<usize>() + entries) as u64
    }

    /// Adds this rule's terms to `out`, for each entry in the order of its terms, without fused multiplication and addition.
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]);

    /// The sums of this rule's terms alone, 0 where it has none: as many as `sums` holds, whatever it held.
    fn begin(&self, x: &Operands<'_>, sums: &mut [f64]) {
        // −0 is the only start that leaves every first term as it is
        sums.fill(-0.0);
        self.accumulate(x, sums);
        if let Some(reached) = self.has_terms(x, sums.len()) {
            clear(sums, &reached);
        }
    }

    /// How many terms all the entries before `entry` have together; `entry` may be one past the last.
    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64;

    /// How many terms every entry has, where all have as many whatever the operands are.
    fn each(&self) -> Option<u64> {
        None
    }

    /// Which of all `count` entries have a term, where not all have; the others are 0.
    fn has_terms(&self, x: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        Some((0..count).map(|entry| self.prefix_terms(x, entry) < self.prefix_terms(x, entry + 1)).collect())
    }

    /// Term `term` (from 0) of an entry.
    fn term(&self, x: &Operands<'_>, entry: usize, term: u64) -> Term;

    /// `sum` after the first `terms` terms of an entry have been added to it, one by one.
    fn partial(&self, x: &Operands<'_>, entry: usize, terms: u64, sum: f64) -> f64 {
        self.more(x, entry, 0..terms, sum)
    }

    /// `sum` after some terms of an entry have been added to it, one by one.
    fn more(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        terms.fold(sum, |sum, t| sum + self.term(x, entry, t).value)
    }

    /// Tells of some terms of an entry in order, each with the running sum after it; `sum` is the one before the first. Returns the last.
    fn walk(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64, tell: &mut dyn FnMut(&Term, f64)) -> f64 {
        terms.fold(sum, |sum, t| {
            let term = self.term(x, entry, t);
            let sum = sum + term.value;
            tell(&term, sum);
            sum
        })
    }

    /// Which terms have a factor that is the entry `at` of the operand in `slot`, or is derived from it by name ([`Arg::reads`]).
    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use>;

    /// Which terms of an entry have a factor that lies at the entry `at` of the operand in `slot` ([`Arg::lies_at`]), in order. A picture asks this for
    /// each pair of neurons on the screen, so it costs the same however many terms the entry has, and however many arguments a term.
    fn meets(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> Meets {
        let mut terms: Meets = self.uses(x, slot, at).into_iter().filter(|found| found.entry == entry).map(|found| found.term).collect();
        terms.retain(|term| self.term(x, entry, *term).args.iter().any(|arg| arg.lies_at(slot, at)));
        terms
    }

    /// Whether one term reads as much as an operand or a window of it has. Who asks for what it reads at some places asks [`Rule::meets`].
    fn gathers(&self) -> bool {
        false
    }

    /// The equation in symbols and words.
    fn equation(&self) -> Equation;

    /// The equation in force for these operands, where it depends on them.
    fn equation_for(&self, _x: &Operands<'_>) -> Equation {
        self.equation()
    }

    /// The arguments of the equation's right-hand side, such as the numbers of this op.
    fn arguments(&self) -> Arguments {
        Arguments::new()
    }

    /// A shorter way to the same entry that is shown beside the terms: its expression and its value.
    fn shortcut(&self, _x: &Operands<'_>, _entry: usize) -> Option<(Expr, f64)> {
        None
    }

    /// The filter's part in the picture, for a rule that lays a filter on an image.
    fn window(&self) -> Option<Window> {
        None
    }
}

/// How a filter lies on an image: all the picture of figures 19 and 20 needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The slot of the image that the filter slides over.
    pub image: Slot,
    /// The slot of the filter; `None` for a pool.
    pub filter: Option<Slot>,
    /// Whether the filter lies turned by 180°.
    pub turned: bool,
    /// Rows and columns of padding round the image that the filter reaches over.
    pub padding: [usize; 2],
    /// How many rows and columns of the image lie between neighbours of the filter; 0 where the picture is not one of a filter lying still.
    pub pitch: [usize; 2],
}

/// One differentiable function y = f(x₀, x₁, …) of tensors: its forward rule and, for each input, the rule of ∂C/∂xᵢ.
pub trait Function: Debug + Send + Sync {
    /// Infers the shape of y from the shapes of the inputs. By default y has the shape of the first input, as if the function worked entry by entry.
    ///
    /// # Errors
    /// When they do not fit together.
    fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(inputs.first().map_or_else(Vec::new, |shape| shape.to_vec()))
    }

    /// The rule of y; it reads the inputs.
    fn forward(&self) -> Arc<dyn Rule>;

    /// The rule of this function's part of ∂C/∂xᵢ for the input i; it reads the inputs, y and ∂C/∂y. `None` for an input that no error reaches
    /// (a target).
    fn backward(&self, input: usize) -> Option<Arc<dyn Rule>>;
}

/// Sets to 0 what no term has reached.
pub fn clear(sums: &mut [f64], reached: &[bool]) {
    for (sum, reached) in sums.iter_mut().zip(reached) {
        // bits, so that it needs no branch: which entries are reached is as good as random behind a pool
        *sum = f64::from_bits(sum.to_bits() & u64::from(*reached).wrapping_neg());
    }
}

/// Every entry has exactly one term: the prefix count of such a rule.
#[must_use]
pub fn one_each(entry: usize) -> u64 {
    entry as u64
}

/// The only use of an entry by a rule that reads the same place: that place's first term.
#[must_use]
pub fn same_place(at: usize) -> Vec<Use> {
    vec![Use { entry: at, term: 0 }]
}

/// The index of a derived factor: its place, then the second one.
#[must_use]
pub fn joined(first: Index, second: Option<Index>) -> Index {
    let mut index = first;
    index.extend(second.into_iter().flatten());
    index
}
