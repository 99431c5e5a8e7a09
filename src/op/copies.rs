//! Copies: each entry of y is one entry of an input, or 0. Views, slices, transposes, concatenations, padding and repetitions are copies.
//!
//! For example, the rows (1, 0, 1) of a 2 x 2 matrix are a copy with 3 x 2 entries. Each entry of y has one term, the entry that it copies. Row 1 is copied
//! twice, so each entry of its derivative has two terms, the derivatives of its two copies.

use std::sync::Arc;

use super::gather::{CopyMap, Direction, Gather, GatherRule};
use super::mismatch::Mismatch;
use super::numpy::NumPyForm;
use super::numpy::code::NumPyCode;
use super::reuse::Reuse;
use super::rule::{Equation, Function, Gist, Operands, Rule, Term, TermNumbers, Use, entry};
use super::slot::Slot::{self, Input};
use crate::expr::{Expr, Form, Primitive, SUM, whole};
use crate::tensor::len;

/// The entry of an input that an entry of y copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// The index of the input.
    pub slot: usize,
    /// The row-major index of the entry in this input.
    pub flat_index: usize,
}

/// The kind of a copy. It decides which equations and words are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyKind {
    /// The same entries in another shape: `reshape`, `view`, `flatten`, `squeeze`, `x[None]`.
    View,
    /// The axes in another order: `x.T`, `permute`, `swapaxes`.
    Permute,
    /// A part of the entries: `x[1:3]`, `split`.
    Slice,
    /// The input with zeros around it.
    Pad,
    /// Inputs one after another along an axis.
    Cat,
    /// Inputs one after another along a new axis.
    Stack,
    /// The entries several times: `repeat`, `tile`.
    Repeat,
    /// The input repeated along an axis of size 1 or a new axis: `expand`, `broadcast_to`.
    Expand,
    /// The entries of an axis in reverse order.
    Flip,
    /// The entries on and below a diagonal, zeros above it.
    Tril,
    /// The entries on and above a diagonal, zeros below it.
    Triu,
    /// A tensor in which some entries are replaced: `x[i] = e`. The first input is x before the assignment, the second is e.
    Assign,
    /// A copy without a derivative.
    Detach,
}

/// The kind of a copy, and the gradients of the inputs in NumPy, if they are short.
#[derive(Clone, Debug, PartialEq)]
pub struct Copying {
    /// The kind.
    pub kind: CopyKind,
    /// The gradient of each input; empty if there is no short expression.
    pub gradients: Vec<NumPyCode>,
}

impl From<CopyKind> for Copying {
    fn from(kind: CopyKind) -> Self {
        Self { kind, gradients: Vec::new() }
    }
}

impl CopyKind {
    /// The kind of a copy, with the gradient of its only input in NumPy.
    #[must_use]
    pub fn with_gradient(self, gradient: NumPyCode) -> Copying {
        Copying { kind: self, gradients: vec![gradient] }
    }
}

/// Creates a function whose output has this shape. `sources` has the source of each entry of the output, in row-major order; an entry without a source is 0.
/// `inputs` has the shape of each input.
///
/// ```
/// use gradstep::op::copies::{CopyKind, CopySource, copies};
///
/// // the first and the last entry of a vector
/// let sources = vec![Some(CopySource { slot: 0, flat_index: 0 }), Some(CopySource { slot: 0, flat_index: 3 })];
/// let ends = copies(sources, &[&[4]], &[2], CopyKind::Slice);
/// assert_eq!(ends.shape(&[&[4]]), Ok(vec![2]));
/// ```
#[must_use]
pub fn copies(sources: Vec<Option<CopySource>>, inputs: &[&[usize]], shape: &[usize], copying: impl Into<Copying>) -> Arc<dyn Function> {
    let Copying { kind, gradients } = copying.into();
    let is_identity = inputs.len() == 1
        && len(inputs[0]) == sources.len()
        && sources.iter().enumerate().all(|(at, source)| *source == Some(CopySource { slot: 0, flat_index: at }));
    if is_identity {
        return view(shape, kind);
    }
    // for each entry of the output, the entry that it copies from the input `slot`; `None` if it copies another input
    let copied_from =
        |slot: usize| sources.iter().map(move |source| source.filter(|source| source.slot == slot).map(|source| source.flat_index));
    let copy_maps = inputs.iter().enumerate().map(|(slot, shape)| Arc::new(CopyMap::of_sources(copied_from(slot), len(shape)))).collect();
    // the copy map of a single input has the same information
    let sources = if inputs.len() == 1 { None } else { Some(sources.into()) };
    Arc::new(Copies { shape: shape.to_vec(), kind, gradients, copy_maps, sources })
}

/// Creates the function that gives the entries of its input another shape. Unlike [`copies`] it needs no list of entries.
#[must_use]
pub fn view(shape: &[usize], kind: CopyKind) -> Arc<dyn Function> {
    Arc::new(Copies { shape: shape.to_vec(), kind, gradients: Vec::new(), copy_maps: vec![Arc::new(CopyMap::Identity)], sources: None })
}

/// Creates a copy of a tensor of this shape. No derivative passes back through the copy: PyTorch's `detach`.
#[must_use]
pub fn detach(shape: &[usize]) -> Arc<dyn Function> {
    view(shape, CopyKind::Detach)
}

/// The function of [`copies`].
#[derive(Debug)]
struct Copies {
    shape: Vec<usize>,
    kind: CopyKind,
    /// The gradient of each input in NumPy; empty if there is no short expression.
    gradients: Vec<NumPyCode>,
    /// For each input, the copies of its entries.
    copy_maps: Vec<Arc<CopyMap>>,
    /// The source of each entry of y, if there are several inputs.
    sources: Option<Arc<[Option<CopySource>]>>,
}

impl Copies {
    fn of_input(&self, input: usize) -> CopiesOfInput {
        let gradient = self.gradients.get(input).cloned();
        CopiesOfInput { kind: self.kind, input, inputs: self.copy_maps.len(), copy_map: Arc::clone(&self.copy_maps[input]), gradient }
    }
}

impl Function for Copies {
    fn shape(&self, _inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(self.shape.clone())
    }

    fn forward(&self) -> Arc<dyn Rule> {
        match &self.sources {
            None => Arc::new(GatherRule::new(self.of_input(0), Direction::Forward, 0)),
            Some(sources) => Arc::new(CopiesForward { kind: self.kind, copy_maps: self.copy_maps.clone(), sources: Arc::clone(sources) }),
        }
    }

    fn backward(&self, input: usize) -> Option<Arc<dyn Rule>> {
        let is_detached = self.kind == CopyKind::Detach;
        (!is_detached).then(|| Arc::new(GatherRule::new(self.of_input(input), Direction::Backward, input)) as Arc<dyn Rule>)
    }
}

/// The copies of one input's entries.
#[derive(Debug)]
pub(crate) struct CopiesOfInput {
    pub(crate) kind: CopyKind,
    /// The index of the input.
    input: usize,
    /// The number of inputs.
    inputs: usize,
    copy_map: Arc<CopyMap>,
    /// The gradient in NumPy.
    gradient: Option<NumPyCode>,
}

impl CopiesOfInput {
    /// Returns `true` if the entries only get another shape and the derivative passes back.
    pub(crate) fn is_view(&self) -> bool {
        *self.copy_map == CopyMap::Identity && self.kind != CopyKind::Detach
    }

    /// Returns the entry of the input that an entry of y copies. `None` if it copies none, if there are several inputs, or if no derivative
    /// passes back.
    pub(crate) fn source(&self, entry: usize) -> Option<usize> {
        if self.inputs > 1 || self.kind == CopyKind::Detach {
            return None;
        }
        self.copy_map.operand_entries(Direction::Forward, entry).first().copied()
    }
}

impl Gather for CopiesOfInput {
    fn copy_map<'a>(&'a self, _x: &'a Operands<'_>) -> &'a CopyMap {
        &self.copy_map
    }

    fn reason(&self, _x: &Operands<'_>, direction: Direction, _entry: usize) -> &'static str {
        match direction {
            Direction::Forward => self.kind.reason_empty(),
            Direction::Backward => "nothing reads it",
        }
    }

    fn numpy(&self) -> Option<NumPyForm> {
        let reshaped = || NumPyCode::Reshaped(Box::new(NumPyCode::upstream()), Input(self.input));
        let keeps_order = matches!(*self.copy_map, CopyMap::Identity);
        self.gradient.clone().or_else(|| keeps_order.then(reshaped)).map(NumPyForm::new)
    }

    fn reuse(&self, _entry: usize) -> Option<Reuse> {
        matches!(self.kind, CopyKind::Repeat | CopyKind::Expand).then_some(Reuse::Entry)
    }

    fn equation(&self, direction: Direction) -> Equation {
        match direction {
            Direction::Forward => self.kind.equation(self.inputs),
            Direction::Backward => self.kind.back(),
        }
    }
}

/// The rule of y for several inputs.
#[derive(Debug)]
struct CopiesForward {
    kind: CopyKind,
    copy_maps: Vec<Arc<CopyMap>>,
    sources: Arc<[Option<CopySource>]>,
}

impl Rule for CopiesForward {
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]) {
        for (sum, source) in out.iter_mut().zip(&*self.sources) {
            if let Some(CopySource { slot, flat_index }) = *source {
                *sum += x.get(Input(slot), flat_index);
            }
        }
    }

    fn prefix_terms(&self, _x: &Operands<'_>, entry: usize) -> u64 {
        // each entry before `entry` has a term if it copies an entry of one of the inputs
        self.copy_maps.iter().map(|copy_map| copy_map.prefix(Direction::Forward, entry)).sum()
    }

    fn has_terms(&self, _x: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        Some(self.sources[..count].iter().map(Option::is_some).collect())
    }

    fn reason_unreached(&self, _x: &Operands<'_>, _entry: usize) -> &'static str {
        self.kind.reason_empty()
    }

    fn term(&self, x: &Operands<'_>, at: usize, _term: u64) -> Term {
        let CopySource { slot, flat_index } = self.sources[at].expect("an entry without a source has no term");
        Term::copy(entry(x, Input(slot), flat_index))
    }

    fn uses(&self, _x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use> {
        let Input(input) = slot else { return Vec::new() };
        self.copy_maps[input].uses(Direction::Forward, at)
    }

    fn terms_at(&self, _x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        let Input(input) = slot else { return TermNumbers::new() };
        self.copy_maps[input].rank(Direction::Forward, entry, at).into_iter().collect()
    }

    fn equation(&self) -> Equation {
        self.kind.equation(self.copy_maps.len())
    }
}

/// The texts of a kind.
struct CopyTexts {
    /// The function in the equation of y; it is notation only.
    function: Primitive,
    /// The name of the equation of y, and its explanation.
    name: &'static str,
    words: &'static str,
    /// The right-hand side of the equation of ∂C/∂x, and its explanation.
    back: Expr,
    back_words: &'static str,
}

const fn texts(function: &'static str, [name, words]: [&'static str; 2], back: Expr, back_words: &'static str) -> CopyTexts {
    CopyTexts { function: Primitive::new(function).form(Form::Call), name, words, back, back_words }
}

const ONCE: &str = "Each entry of the result is a copy, so its derivative goes back to the entry that was copied, unchanged.";
const SUMMED: &str =
    "An entry that is used several times changes the loss through each of its copies, so its derivative is the sum of their derivatives.";
const PIECES: &str = "The derivative is divided into the same parts: each tensor gets the part with its own entries.";
const DY: Expr = whole::DY;
const WHERE_COPIED: Expr = Expr::Remark(&whole::DY, "where copied, else 0");
const OVER_COPIES: Expr = Expr::Remark(&Expr::Of(SUM, &[whole::DY]), "over its copies");

/// The texts of all kinds, in the order of [`CopyKind`].
#[rustfmt::skip]
static TEXTS: [CopyTexts; 13] = [
    texts("reshape", ["the same entries in another shape", "Nothing is computed: the entries keep their row-major order, only the shape changes."], DY, ONCE),
    texts("permute", ["the axes in another order", "Nothing is computed: each entry keeps its value, and its indices are written in another order."], DY, ONCE),
    texts("slice", ["a slice", "Each entry of the slice is a copy of one entry."], WHERE_COPIED, "An entry inside the slice gets the derivative of its copy. The entries outside are not used here: their derivative is 0."),
    texts("pad", ["padding", "The entries are copied, and zeros are put around them."], DY, "Each entry gets the derivative of its copy. The padding is constant, so its derivatives are not used."),
    texts("cat", ["concatenation", "The tensors are written one after another along an axis. Every entry is a copy."], DY, PIECES),
    texts("stack", ["stack", "The tensors are put one after another along a new axis. Every entry is a copy."], DY, PIECES),
    texts("repeat", ["repetition", "Every entry is copied several times."], OVER_COPIES, SUMMED),
    texts("expand", ["broadcast", "The entries are repeated along the axes that the tensor lacks, or in which it has size 1."], OVER_COPIES, SUMMED),
    texts("flip", ["reversed order", "The entries along an axis are written from the last to the first."], DY, ONCE),
    texts("tril", ["lower triangle", "The entries on and below the diagonal are copied, those above it become 0."], WHERE_COPIED, "The entries on and below the diagonal get the derivative of their copy, unchanged. Those above it are not used here: their derivative is 0."),
    texts("triu", ["upper triangle", "The entries on and above the diagonal are copied, those below it become 0."], WHERE_COPIED, "The entries on and above the diagonal get the derivative of their copy, unchanged. Those below it are not used here: their derivative is 0."),
    texts("assign", ["assignment to entries", "A new tensor: the new entries where it is indexed, copies of the old entries elsewhere."], WHERE_COPIED, "The derivative is divided in the same way: the new entries get it where the tensor was indexed, the old entries elsewhere. An old entry that was replaced has no effect any more: its derivative is 0."),
    texts("detach", ["a copy without a derivative", "The entries are copied. The copies count as constants: they pass no derivative back."], DY, ""),
];

/// The first four inputs, as expressions. An equation with up to four inputs names them.
const INPUTS: &[Expr; 4] = &[Expr::All(Input(0)), Expr::All(Input(1)), Expr::All(Input(2)), Expr::All(Input(3))];
/// The inputs of an equation with more inputs: the first two and "…".
const MANY: &[Expr; 3] = &[Expr::All(Input(0)), Expr::All(Input(1)), Expr::Name("…")];

impl CopyKind {
    fn texts(self) -> &'static CopyTexts {
        &TEXTS[self as usize]
    }

    /// The reason why an entry of y has no source.
    fn reason_empty(self) -> &'static str {
        match self {
            Self::Pad => "it is padding",
            Self::Tril => "it is above the diagonal",
            Self::Triu => "it is below the diagonal",
            _ => "it copies no entry",
        }
    }

    /// The equation of y for this number of inputs.
    fn equation(self, inputs: usize) -> Equation {
        let CopyTexts { function, name, words, .. } = self.texts();
        let right = Expr::Of(function, INPUTS.get(..inputs).unwrap_or(MANY));
        Equation { right, name, gist: Gist::None, words }
    }

    /// The equation of ∂C/∂x.
    fn back(self) -> Equation {
        let CopyTexts { back, back_words, .. } = self.texts();
        Equation { right: *back, name: "derivative of a copy", gist: Gist::None, words: back_words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::checked::{check, factors, gradient, numbers, value};

    /// The sources of a copy. Each is given as its input slot and its row-major index.
    fn sources(pairs: &[(usize, usize)]) -> Vec<Option<CopySource>> {
        pairs.iter().map(|&(slot, flat_index)| Some(CopySource { slot, flat_index })).collect()
    }

    #[test]
    fn the_rules_agree_with_their_terms_and_with_difference_quotients() {
        let x = numbers(5, 6);
        check(
            &*copies(sources(&[(0, 0), (0, 3), (0, 1), (0, 4), (0, 2), (0, 5)]), &[&[2, 3]], &[3, 2], CopyKind::Permute),
            &[&[2, 3]],
            std::slice::from_ref(&x),
        );
        check(&*copies(sources(&[(0, 4), (0, 1), (0, 4), (0, 4)]), &[&[6]], &[2, 2], CopyKind::Slice), &[&[6]], std::slice::from_ref(&x));
        let padded = [vec![None], sources(&[(0, 0), (0, 1)]), vec![None; 2]].concat();
        check(&*copies(padded, &[&[2]], &[5], CopyKind::Pad), &[&[2]], &[numbers(6, 2)]);
        let cat = sources(&[(0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (2, 2)]);
        check(&*copies(cat, &[&[2], &[1], &[3]], &[6], CopyKind::Cat), &[&[2], &[1], &[3]], &[numbers(1, 2), numbers(2, 1), numbers(3, 3)]);
        let assigned = sources(&[(0, 0), (1, 0), (1, 0), (0, 3)]);
        check(&*copies(assigned, &[&[4], &[]], &[4], CopyKind::Assign), &[&[4], &[]], &[numbers(1, 4), numbers(2, 1)]);
        check(&*view(&[3, 2], CopyKind::View), &[&[6]], std::slice::from_ref(&x));
        assert!(detach(&[6]).backward(0).is_none() && value(&*detach(&[6]), &[&x], 6) == x);
    }

    #[test]
    fn an_entry_that_is_read_several_times_has_a_term_for_each_use() {
        let rows = copies(sources(&[(0, 2), (0, 0), (0, 2)]), &[&[3]], &[3], CopyKind::Slice);
        let x: &[f64] = &[1.0, 2.0, 3.0];
        assert_eq!(value(&*rows, &[x], 3), [3.0, 1.0, 3.0]);
        assert_eq!(gradient(&*rows, &[x], &[10.0, 20.0, 30.0], 0), Some(vec![20.0, 0.0, 40.0]));
        assert_eq!(factors(&*rows, &[x], &[10.0, 20.0, 30.0], 0, 2), [[10.0], [30.0]]);
    }

    #[test]
    fn a_view_keeps_no_list() {
        let pairs: Vec<(usize, usize)> = (0..6).map(|at| (0, at)).collect();
        let text = format!("{:?}", copies(sources(&pairs), &[&[2, 3]], &[3, 2], CopyKind::View));
        assert!(text.contains("Identity"), "{text}");
    }

    #[test]
    fn each_kind_has_its_texts() {
        let last = CopyKind::Detach;
        assert_eq!(TEXTS.len() - 1, last as usize, "one row for each kind");
    }
}
