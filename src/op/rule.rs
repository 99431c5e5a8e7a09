//! A rule computes one tensor: each entry is the sum of its terms, in order, and each term is a product or function of operand entries.
//!
//! A rule describes its equation twice: as a fast kernel for the whole tensor ([`Rule::accumulate`]) and as single terms ([`Rule::term`]). Both give the same
//! numbers bit for bit. For z = W a + b the entry `z[1]` has the terms `w[1,0] · a[0]`, `w[1,1] · a[1]`, … and `b[1]`.

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

/// Values that a rule computes once per run and keeps, such as the winners of a max-pool. Only the rule itself reads them.
pub type Memo = Option<Arc<dyn Any + Send + Sync>>;

/// The input of a rule: its operands' tensors, by slot, and its memo.
#[derive(Clone)]
pub struct Operands<'a> {
    /// The operands, in the order of the rule's slots.
    pub tensors: Reads<&'a [f64]>,
    /// The result of [`Rule::memo`] for these operands.
    pub memo: &'a Memo,
}

impl<'a> Operands<'a> {
    /// The entry `at` of the operand in `slot`.
    #[must_use]
    pub fn get(&self, slot: Slot, at: usize) -> f64 {
        self.tensors[slot][at]
    }

    /// The memo, if it has this type.
    #[must_use]
    pub fn memo<T: 'static>(&self) -> Option<&'a T> {
        self.memo.as_deref().and_then(|memo| memo.downcast_ref())
    }
}

/// The origin of a factor's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// The entry `at` of the operand in `slot`.
    Entry {
        /// The operand.
        slot: Slot,
        /// The row-major place.
        at: usize,
    },
    /// A value computed from operands, such as `relu′(z)`.
    Derived {
        /// The expression that gives the value.
        expr: &'static Expr,
        /// The operand that the value is mainly computed from.
        slot: Slot,
        /// The row-major place in that operand.
        at: usize,
        /// A second place, for a derivative of one entry by another (a Jacobian's column).
        by: Option<usize>,
    },
    /// Many entries of the operand in `slot`, as one argument without a single value.
    Slice {
        /// The operand.
        slot: Slot,
        /// The places of the entries.
        places: Places,
    },
    /// A number in the equation, such as the ½ of the squared error.
    Constant,
}

/// One factor of a term, or one argument of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// The origin of the value.
    pub origin: Origin,
    /// The value; NaN for a slice.
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

    /// Returns whether it is the entry `at` of the operand in `slot`, or a value whose expression names that entry or the whole operand.
    #[must_use]
    pub fn reads(&self, slot: Slot, at: usize) -> bool {
        match self.origin {
            Origin::Entry { slot: s, at: place } => (s, place) == (slot, at),
            Origin::Derived { expr, at: place, .. } => (place == at && expr.names(slot, false)) || self.reads_all(slot),
            Origin::Slice { slot: s, places } => s == slot && places.contains(at),
            Origin::Constant => false,
        }
    }

    /// The slots of which it reads single entries: its own first, then the others that its expression names.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        let mut slots: SmallVec<[Slot; 4]> = SmallVec::new();
        match self.origin {
            Origin::Entry { slot, .. } | Origin::Slice { slot, .. } => slots.push(slot),
            Origin::Derived { expr, slot: own, .. } => {
                slots.push(own);
                // a whole operand is not a single entry
                expr.visit(&mut |slot, all| slots.extend((!all && slot != own).then_some(slot)));
            }
            Origin::Constant => {}
        }
        slots.into_iter()
    }

    /// Returns whether it is the entry `at` of the operand in `slot`, or is derived at that place from that operand. Unlike [`Arg::reads`] this ignores
    /// slices and whole operands.
    #[must_use]
    pub fn belongs_to(&self, slot: Slot, at: usize) -> bool {
        let (Origin::Entry { at: place, .. } | Origin::Derived { at: place, .. }) = self.origin else { return false };
        place == at && self.slots().any(|own| own == slot)
    }

    /// Returns whether it is a value whose expression names the whole operand in `slot`.
    #[must_use]
    pub fn reads_all(&self, slot: Slot) -> bool {
        matches!(self.origin, Origin::Derived { expr, .. } if expr.names(slot, true))
    }
}

/// Numbers of terms within one entry, from 0.
pub type TermNumbers = SmallVec<[u64; 2]>;

/// The factors of one term.
pub type Factors = SmallVec<[Arg; 4]>;

/// The function of a loss term that a target of 0 leaves out: it is 0 for all arguments ([`Term::of_loss`]).
pub const LEFT_OUT: &Primitive = &Primitive::new("left_out").form(Form::Product);
/// Explanation of a term that is left out.
pub const LEFT_OUT_WORDS: &str = "The target makes one factor 0, and the logarithm beside it is −∞. The product 0 · −∞ has no value, so the loss leaves this term out: it counts 0.";

/// One term of one entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// The operation.
    pub kind: Kind,
    /// The function that is applied; `None` for products and copies.
    pub function: Option<&'static Primitive>,
    /// The factors or arguments.
    pub args: Factors,
    /// The value that the term adds to the entry.
    pub value: f64,
}

impl Term {
    /// A product of factors, multiplied from left to right.
    #[must_use]
    pub fn product(args: Factors) -> Self {
        let value = args.iter().skip(1).fold(args.first().map_or(1.0, |a| a.value), |p, a| p * a.value);
        Self { kind: Kind::Product, function: None, args, value }
    }

    /// Upstream × gate (0 or 1). A closed gate gives exactly 0, even for an infinite or NaN upstream, as in PyTorch; the term then has the gate as its only
    /// factor.
    #[must_use]
    pub fn gated(upstream: Arg, gate: Arg) -> Self {
        let passes = gate.value != 0.0 || upstream.value.is_finite();
        Self::product(if passes { smallvec![upstream, gate] } else { smallvec![gate] })
    }

    /// The product of a loss's factors, in which 0 · log 0 counts as 0 instead of NaN.
    ///
    /// The term with the value 0 remains a step, so the number of steps does not depend on the values.
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

    /// A function applied to its arguments, with its value.
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

/// The largest number of arguments that a term names one by one.
pub const MAX_NAMED: usize = 16;

/// The arguments of a function of many entries of the operand in `slot`: up to [`MAX_NAMED`] one by one; for more, the most relevant entry `main` and then
/// all entries as one slice, so that the size of a step does not depend on the size of the operand.
#[must_use]
pub fn entries(x: &Operands<'_>, slot: Slot, main: usize, places: Places, few: impl Iterator<Item = usize>) -> Factors {
    if places.len() <= MAX_NAMED {
        return few.map(|at| entry(x, slot, at)).collect();
    }
    smallvec![entry(x, slot, main), Arg { origin: Origin::Slice { slot, places }, value: f64::NAN }]
}

/// The arguments of a function one by one: a slice is replaced by its entries.
#[must_use]
pub fn unfolded(x: &Operands<'_>, args: Factors) -> Factors {
    match args.last() {
        // the entry before the slice is also in it
        Some(&Arg { origin: Origin::Slice { slot, places }, .. }) => places.each().map(|at| entry(x, slot, at)).collect(),
        _ => args,
    }
}

/// A number in the equation as a factor.
#[must_use]
pub fn constant(value: f64) -> Arg {
    Arg { origin: Origin::Constant, value }
}

/// A value computed from the entry `at` of operand `slot` as a factor.
#[must_use]
pub fn derived(expr: &'static Expr, slot: Slot, at: usize, value: f64) -> Arg {
    tally::count(1);
    Arg { origin: Origin::Derived { expr, slot, at, by: None }, value }
}

/// The value of an expression of operand entries at the place `at`, as a factor that belongs to the operand in `slot`.
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
    /// The text after the name.
    pub gist: Gist,
    /// The explanation, in one or two sentences.
    pub words: &'static str,
}

/// The text after an equation's name and a colon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gist {
    /// No text: the name alone.
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
    /// An equation without name and words, for functions that are never shown.
    fn default() -> Self {
        Self { right: Expr::All(Slot::Input(0)), name: "", gist: Gist::None, words: "" }
    }
}

/// The expressions that replace [`Expr::Arg`] in an equation.
pub type Arguments = SmallVec<[Expr; 2]>;

/// One term that reads a given operand entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The row-major place of the term's entry in the result.
    pub entry: usize,
    /// The term's number among this rule's terms of that entry, from 0.
    pub term: u64,
}

/// The computation of one tensor. The value of an entry is the sum of its terms, in order.
pub trait Rule: Debug + Send + Sync {
    /// Computes what the other methods need to know about these operands, once per run.
    fn memo(&self, _tensors: &Reads<&[f64]>) -> Memo {
        None
    }

    /// The approximate number of multiplications that the kernel makes for `entries` entries, from the number of entries of each operand. It shows in advance
    /// which ops take long.
    fn work(&self, operands: &Reads<usize>, entries: usize) -> u64 {
        // an elementary function takes as long as about ten multiplications
        10 * (operands.iter().sum::<usize>() + entries) as u64
    }

    /// Adds this rule's terms to `out`, for each entry in the order of its terms, without fused multiply-add.
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]);

    /// Overwrites `sums` with the sums of this rule's terms; an entry without terms becomes 0.
    fn begin(&self, x: &Operands<'_>, sums: &mut [f64]) {
        // −0 + x is x for every x, whereas 0 + −0 is 0
        sums.fill(-0.0);
        self.accumulate(x, sums);
        if let Some(has_terms) = self.has_terms(x, sums.len()) {
            clear(sums, &has_terms);
        }
    }

    /// The number of terms of all entries before `entry`, which may be one past the last.
    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64;

    /// The number of terms of each entry, if it is the same for all entries and all operands.
    fn each(&self) -> Option<u64> {
        None
    }

    /// Whether each of the `count` entries has a term; `None` if all have. An entry without terms is 0.
    fn has_terms(&self, x: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        Some((0..count).map(|entry| self.prefix_terms(x, entry) < self.prefix_terms(x, entry + 1)).collect())
    }

    /// The reason why an entry has no terms, as one clause that continues "it is 0:".
    fn reason_unreached(&self) -> &'static str {
        "no term contributes to it"
    }

    /// The term with number `term` (from 0) of an entry.
    fn term(&self, x: &Operands<'_>, entry: usize, term: u64) -> Term;

    /// Adds the first `terms` terms of an entry to `sum`, one by one.
    fn partial(&self, x: &Operands<'_>, entry: usize, terms: u64, sum: f64) -> f64 {
        self.add_terms(x, entry, 0..terms, sum)
    }

    /// Adds a range of terms of an entry to `sum`, one by one.
    fn add_terms(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        terms.fold(sum, |sum, t| sum + self.term(x, entry, t).value)
    }

    /// Calls `see` for each term of a range, with the running sum after it; the sum starts from `sum`. Returns the last sum.
    fn walk(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64, see: &mut dyn FnMut(&Term, f64)) -> f64 {
        terms.fold(sum, |sum, t| {
            let term = self.term(x, entry, t);
            let sum = sum + term.value;
            see(&term, sum);
            sum
        })
    }

    /// The terms that have a factor which reads the entry `at` of the operand in `slot` ([`Arg::reads`]).
    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use>;

    /// The terms of one entry that have a factor which belongs to the entry `at` of the operand in `slot` ([`Arg::belongs_to`]), in order.
    ///
    /// A picture calls this for each pair of neurons on the screen, so rules with many terms, or many arguments in a term, override it in constant time.
    fn terms_at(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        let mut terms: TermNumbers =
            self.uses(x, slot, at).into_iter().filter(|found| found.entry == entry).map(|found| found.term).collect();
        terms.retain(|term| self.term(x, entry, *term).args.iter().any(|arg| arg.belongs_to(slot, at)));
        terms
    }

    /// Returns whether one term reads a whole operand, or a whole window of it. The terms that read a single place are those of [`Rule::terms_at`].
    fn gathers(&self) -> bool {
        false
    }

    /// The equation in symbols and words.
    fn equation(&self) -> Equation;

    /// The equation for these operands, for a rule that chooses it by their values.
    fn equation_for(&self, _x: &Operands<'_>) -> Equation {
        self.equation()
    }

    /// The expressions for [`Expr::Arg`] in the equation, such as the constants of this op.
    fn arguments(&self) -> Arguments {
        Arguments::new()
    }

    /// A closed formula for the same entry, shown beside the terms, with its value: `a − t` for sigmoid with binary cross-entropy.
    fn shortcut(&self, _x: &Operands<'_>, _entry: usize) -> Option<(Expr, f64)> {
        None
    }

    /// The geometry of the filter on the image, for convolutions and pools.
    fn window(&self) -> Option<Window> {
        None
    }
}

/// The position of a filter on an image, as the pictures of figures 19 and 20 in part 4 of the series show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The slot of the image that the filter slides over.
    pub image: Slot,
    /// The slot of the filter; `None` for a pool.
    pub filter: Option<Slot>,
    /// Whether the filter is rotated by 180°.
    pub turned: bool,
    /// The rows and columns of padding around the image.
    pub padding: [usize; 2],
    /// The distance in rows and columns of the image between neighbouring weights; 0 if the picture is not that of a filter at one position.
    pub pitch: [usize; 2],
}

/// One differentiable function y = f(x₀, x₁, …) of tensors: its forward rule and, for each input, the rule of ∂C/∂xᵢ.
pub trait Function: Debug + Send + Sync {
    /// Infers the shape of y from the shapes of the inputs. By default y has the shape of the first input.
    ///
    /// # Errors
    /// If the shapes do not fit together.
    fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(inputs.first().map_or_else(Vec::new, |shape| shape.to_vec()))
    }

    /// The rule of y; it reads the inputs.
    fn forward(&self) -> Arc<dyn Rule>;

    /// The rule of this function's part of ∂C/∂xᵢ; it reads the inputs, y and ∂C/∂y. `None` for an input without a gradient, such as a target.
    fn backward(&self, input: usize) -> Option<Arc<dyn Rule>>;
}

/// Sets the entries without terms to 0.
pub fn clear(sums: &mut [f64], has_terms: &[bool]) {
    for (sum, has_terms) in sums.iter_mut().zip(has_terms) {
        // a bit mask instead of a branch, which would be mispredicted often behind a pool
        *sum = f64::from_bits(sum.to_bits() & u64::from(*has_terms).wrapping_neg());
    }
}

/// [`Rule::prefix_terms`] of a rule that has exactly one term for each entry.
#[must_use]
pub fn one_each(entry: usize) -> u64 {
    entry as u64
}

/// [`Rule::uses`] of a rule whose entry reads the operand's entry at the same place, in its first term.
#[must_use]
pub fn same_place(at: usize) -> Vec<Use> {
    vec![Use { entry: at, term: 0 }]
}

/// The index of a derived factor: that of its place, followed by that of its second place.
#[must_use]
pub fn joined(first: Index, second: Option<Index>) -> Index {
    let mut index = first;
    index.extend(second.into_iter().flatten());
    index
}
