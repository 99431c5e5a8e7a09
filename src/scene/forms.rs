//! The text of numbers in a frame. Each tensor has a number format, so that its numbers have the same digits in the equation, the matrices and the picture.

use super::{EntryTerm, Scene};
use crate::expr::{Notation, Sign};
use crate::network::Id;
use crate::number::ColumnFormat;
use crate::step::{Factor, Kind, Step};

/// The number of cells before the decimal point that are reserved for a number that is not computed yet: a sign and two digits.
const BEFORE_POINT: usize = 3;

/// The number of last terms of a sum at which [`Scene::is_rounding_error`] looks.
const ROUNDED_TERMS: u64 = 32;

impl Scene<'_> {
    /// Returns the number format for a tensor. Its known numbers fit (of a large tensor, those of [`Scene::numbers`]), and usually also those that are not
    /// computed yet.
    #[must_use]
    pub fn format(&self, tensor: Id) -> ColumnFormat {
        // a picture of a graph needs some hundred formats, so they are found by binary search
        let search = |formats: &[(Id, ColumnFormat)]| formats.binary_search_by_key(&tensor, |(id, _)| *id);
        if let Ok(place) = search(&self.formats.borrow()) {
            return self.formats.borrow()[place].1;
        }
        let known_numbers = self.numbers(tensor);
        let numbers = || known_numbers.iter().copied();
        let format = if tensor == self.output {
            // the running sum must fit too, and it is not one of `numbers`
            let source = self.passthrough_source();
            let passthrough_source = source.map(|source| self.numbers(source)).unwrap_or_default();
            let format = ColumnFormat::with(
                self.digits,
                numbers().chain(self.number(tensor, self.at.entry)).chain(passthrough_source.iter().copied()),
            );
            let format = source.map_or(format, |source| format.with_decimals_of(&self.format(source)));
            // if a known number already has all decimals, a later one can have them too
            let [before, after] =
                if format.decimals() < self.digits.count() { self.reserved_cells() } else { self.cells_with_all_decimals() };
            format.with_room(before, after)
        } else {
            ColumnFormat::with(self.digits, numbers())
        };
        let mut formats = self.formats.borrow_mut();
        let (Ok(place) | Err(place)) = search(&formats);
        formats.insert(place, (tensor, format));
        format
    }

    /// Returns the tensor whose numbers the op only copies or adds, with the factors 0 and 1. Examples are a maximum, and the gradients of a relu and of a
    /// bias. The result then has the decimals of this tensor. The first and the last term of the entry decide this, so that the format is the same at all its
    /// steps after the first.
    fn passthrough_source(&self) -> Option<Id> {
        let EntryTerm { step, .. } = self.term(0);
        // after the first term, the sum is that term: a number of its tensor, except perhaps for its sign
        if self.at.term == 0
            && let Some(factor) = only_factor(&step)
        {
            return factor.source.map(|entry| entry.tensor);
        }
        // a factor 0 or 1 that is not an entry, such as the derivative of a relu
        let is_gate = |factor: &&Factor| (factor.derived.is_some() || factor.source.is_none()) && [0.0, 1.0].contains(&factor.value);
        let mut non_gates = step.factors.iter().filter(|factor| !is_gate(factor));
        let source = non_gates.next().filter(|factor| factor.derived.is_none())?.source?;
        let is_passthrough_source = match step.kind {
            Kind::Copy | Kind::Select => true,
            Kind::Product => non_gates.next().is_none(),
            Kind::Apply => false,
        };
        // in a + b + c, the last term reads another tensor than the first, so the result has no single source
        let last_term_reads = || self.trace.sources(&self.at, self.at.terms - 1);
        (is_passthrough_source && last_term_reads().iter().any(|(tensor, _)| *tensor == source.tensor)).then_some(source.tensor)
    }

    /// Returns the numbers of cells for a number of the result with all decimals: before the decimal point, and from the point on. With four digits, this is
    /// enough for a sign, two digits and four decimals.
    fn cells_with_all_decimals(&self) -> [usize; 2] {
        [BEFORE_POINT, 1 + self.digits.count()]
    }

    /// Returns the numbers of cells that a number of the result probably needs: before the decimal point, and from the point on. They are reserved from the
    /// first step of the op on, so that nothing moves when a number is computed.
    #[must_use]
    pub fn reserved_cells(&self) -> [usize; 2] {
        let [before, after] = self.cells_with_all_decimals();
        match self.expected_decimals() {
            Some(0) => [before, 0],
            Some(decimals) => [before, after.min(1 + decimals)],
            None => [before, after],
        }
    }

    /// Returns the text of a number that belongs to no tensor.
    #[must_use]
    pub fn short(&self, value: f64) -> String {
        self.digits.short(value)
    }

    /// Returns the text of an entry's number, if it is known.
    #[must_use]
    pub fn entry_text(&self, tensor: Id, entry: usize) -> Option<String> {
        self.number(tensor, entry).map(|number| self.format(tensor).text_or_short(number))
    }

    /// Returns the text of the value of a term of the current entry, if it is known. If the term is just an entry of a tensor, its text has the format of this
    /// tensor.
    #[must_use]
    pub fn term_text(&self, term: &EntryTerm) -> Option<String> {
        let value = term.value()?;
        let source = only_factor(&term.step).filter(|factor| factor.value.abs() == value.abs()).and_then(|factor| factor.source);
        Some(match source {
            Some(source) => {
                let digits = self.format(source.tensor).text_or_short(value.abs());
                if value.is_sign_negative() && value != 0.0 { format!("−{digits}") } else { digits }
            }
            None => self.value_text(value),
        })
    }

    /// Returns the text of the running sum after a term of the current entry, if it is known. Terms are counted from 0.
    #[must_use]
    pub fn sum_text(&self, number: u64) -> Option<String> {
        // the sum after the first term is this term. But the running sum of the step on the screen has the format of the result
        if number == 0 && number < self.at.term {
            return self.term_text(&self.term(number));
        }
        self.sum_after(number).map(|sum| self.value_text(sum))
    }

    /// Returns the text of a number of the current entry: the value of a term, or a running sum. It has the format of the result. If this format has too few
    /// digits, a number other than the step's running sum gets more.
    #[must_use]
    pub fn value_text(&self, value: f64) -> String {
        let format = self.format(self.output);
        if value.to_bits() == self.step.sum.to_bits() { format.text_or_short(value) } else { format.precise_text(value) }
    }

    /// Returns whether the running sum would be 0 without rounding errors, as in 0.3 − 0.2 − 0.1. This is assumed if the sum is not larger than the possible
    /// error of the additions.
    #[must_use]
    pub fn is_rounding_error(&self) -> bool {
        let sum = self.step.sum;
        if self.at.term == 0 || sum == 0.0 || !sum.is_finite() || self.hides_number() {
            return false;
        }
        let first = (self.at.term + 1).saturating_sub(ROUNDED_TERMS);
        let values = (first..=self.at.term).filter_map(|term| self.term(term).value());
        let largest = values.fold(0.0_f64, |largest, value| largest.max(value.abs()));
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let count = (self.at.term + 1 - first) as f64;
        sum.abs() <= count * f64::EPSILON * largest
    }
}

/// Returns the factor of a product that is an entry of a tensor, if all other factors are 1 or −1. Returns `None` for other steps.
fn only_factor(step: &Step) -> Option<&Factor> {
    if step.function.is_some() || step.kind == Kind::Apply {
        return None;
    }
    let is_entry = |factor: &&Factor| factor.source.is_some() && factor.derived.is_none() && factor.slice.is_none();
    let is_unit = |factor: &Factor| factor.value.abs() == 1.0;
    let entries = || step.factors.iter().filter(is_entry);
    let found = entries().find(|factor| !is_unit(factor)).or_else(|| entries().next())?;
    step.factors.iter().all(|factor| std::ptr::eq(factor, found) || is_unit(factor)).then_some(found)
}

/// Puts the text of a number that follows a sign in brackets if it begins with a minus, as in `1 + (−3)` and `2·(−3)`.
#[must_use]
pub fn after_sign(text: String) -> String {
    after_sign_in(text, Notation::Unicode)
}

/// Does the same as [`after_sign`] in a given notation.
#[must_use]
pub fn after_sign_in(text: String, notation: Notation) -> String {
    let [open, close] = [Sign::Open, Sign::Close].map(|sign| sign.text(notation));
    if text.starts_with(['−', '-']) { format!("{open}{text}{close}") } else { text }
}
