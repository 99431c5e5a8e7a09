//! The texts about an entry that can be copied to the clipboard, such as its address or its equation in LaTeX.

use super::Stepper;
use crate::expr::{Notation, Sign, latex_number};
use crate::network::BatchSource;
use crate::number::{exact, not_finite_word};
use crate::scene::{EntryState, Scene, after_sign_in};
use crate::step::{Kind, TensorEntry};
use crate::tensor::len;

/// The largest number of entries of a tensor that is copied as a whole array.
const MAX_COPIED_ENTRIES: usize = 10_000;
/// The largest number of terms of an entry in a copied sum.
const MAX_COPIED_TERMS: u64 = 1000;
/// The largest number of terms in a copied equation.
const MAX_TERMS_IN_EQUATION: u64 = 64;

/// A form of the copied text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    /// The number of the entry, with all its digits.
    Value,
    /// The address of the entry.
    Address,
    /// The equation of the op, then the equation of the entry in symbols and in numbers.
    Equation,
    /// Python code with NumPy. For a gradient of a graph of tensors, it is the line that computes the gradient, if there is a short one. Otherwise it is the
    /// tensor as an array or, if the tensor is too large, the sum of the entry's terms.
    NumPy,
    /// The same texts as [`Self::Equation`], in LaTeX.
    Latex,
}

impl CopyFormat {
    /// All formats, in the order of the list.
    pub const ALL: [Self; 5] = [Self::Value, Self::Address, Self::Equation, Self::NumPy, Self::Latex];

    /// Returns the key of the format in the list.
    #[must_use]
    pub fn key(self) -> char {
        match self {
            Self::Value => 'v',
            Self::Address => 'a',
            Self::Equation => 'e',
            Self::NumPy => 'n',
            Self::Latex => 'l',
        }
    }

    /// Returns the name of the format on the screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Address => "address",
            Self::Equation => "equation",
            Self::NumPy => "NumPy",
            Self::Latex => "LaTeX",
        }
    }

    /// Returns the text about an entry.
    ///
    /// # Errors
    /// A sentence with the reason why there is no such text, such as that the entry is not computed yet.
    pub(super) fn text(self, stepper: &Stepper, scene: &Scene<'_>, TensorEntry { tensor, at }: TensorEntry) -> Result<String, String> {
        match self {
            Self::Value => value(scene, tensor, at).map(exact),
            Self::Address => {
                // without a cursor, if the entry has several terms, the address of this step also has the number of the term
                match stepper.address_here().filter(|_| stepper.cursor.is_none() && scene.at.terms > 1) {
                    Some(address) => Ok(address.to_string()),
                    None => Ok(address(stepper, scene, tensor, at)),
                }
            }
            Self::Equation => Ok(equation(&scene.last_step_of(tensor, at)?, Notation::Unicode)),
            Self::NumPy => match scene.numpy_line(tensor) {
                Some(line) => Ok(line),
                None if len(&scene.network().tensor(tensor).shape) <= MAX_COPIED_ENTRIES => array(scene, tensor),
                None => expression(scene, tensor, at),
            },
            Self::Latex => Ok(equation(&scene.last_step_of(tensor, at)?.with_terms_in(Notation::Latex), Notation::Latex)),
        }
    }
}

/// Returns the address of an entry. If there are several iterations, it begins with the iteration.
fn address(stepper: &Stepper, scene: &Scene<'_>, tensor: usize, at: usize) -> String {
    let (document, mut iteration) = (&stepper.document, stepper.current_visit().iteration);
    let of_sample = |sample: usize| format!("{}:{}", sample + 1, scene.name(tensor, at));
    let location = match (scene.network().tensor(tensor).source, scene.sample()) {
        (Some(BatchSource::State(..)), _) => {
            iteration -= 1; // the update of the previous iteration has computed the entry
            format!("update:{}", scene.name(tensor, at))
        }
        // the name alone means the new value, which the update computes; the samples have the old one
        (Some(BatchSource::Parameter(_)), _) => of_sample(scene.samples().next().unwrap_or(0)),
        (None, Some(sample)) if document.is_updated(tensor) => of_sample(sample),
        _ => scene.address_of(tensor, at),
    };
    if document.iterations() > 1 { format!("{iteration}/{location}") } else { location }
}

/// Returns the number of an entry, or its sum so far.
fn value(scene: &Scene<'_>, tensor: usize, at: usize) -> Result<f64, String> {
    match scene.state_of(tensor, at) {
        EntryState::Given(value) | EntryState::Complete { value, .. } | EntryState::Partial { sum: value, .. } => Ok(value),
        EntryState::NoTerms(_) => Ok(0.0),
        EntryState::Pending { .. } => Err(format!("{} is not computed yet", scene.name(tensor, at))),
    }
}

/// Returns the equation of the op, then the equation of the entry: in symbols, in the numbers that are known, and its value. `there` is the scene of the last
/// known step of the entry. In LaTeX, the lines are aligned at `=`.
fn equation(there: &Scene<'_>, notation: Notation) -> String {
    // the numbers of terms that are written in numbers and in symbols
    let (known, all) = ((there.at.term + 1).min(MAX_TERMS_IN_EQUATION), there.at.terms.min(MAX_TERMS_IN_EQUATION));
    let is_latex = notation == Notation::Latex;
    let left = there.unambiguous_symbol(there.output, there.at.entry);
    let symbols: Vec<String> = (0..all).map(|term| there.in_symbols(&there.term(term))).collect();
    let numbers: Vec<String> = (0..known).filter_map(|term| there.in_numbers(&there.term(term))).collect();
    // a negative number after a plus is put in brackets
    let sum = |terms: &[String]| {
        let term = |(n, term): (usize, &String)| if n > 0 { after_sign_in(term.clone(), notation) } else { term.clone() };
        terms.iter().enumerate().map(term).collect::<Vec<_>>().join(" + ")
    };
    let dots = |shown: u64| match shown < there.at.terms {
        false => "",
        true if is_latex => r" + \dots",
        true => " + …",
    };
    let sign = if there.is_update() { Sign::Becomes } else { Sign::Equals };
    let mut lines = vec![(left, sign, format!("{}{}", sum(&symbols), dots(all)))];
    lines.push((String::new(), Sign::Equals, format!("{}{}", sum(&numbers), dots(known))));
    if there.is_complete() {
        let value = exact(there.step.sum);
        lines.push((String::new(), Sign::Equals, if is_latex { latex_number(&value) } else { value }));
    }
    if is_latex {
        // the equation of the op is the first aligned line
        let parts: Vec<String> = (0..there.op().parts.len()).map(|part| there.right_hand_side(part, notation)).collect();
        let symbol = there.network().tensor(there.output).symbol.whole_in(notation);
        lines.insert(0, (symbol, sign, parts.join(" ")));
        let line = |(left, sign, right): &(String, Sign, String)| format!("{left} &{}{right}", sign.text(notation).trim_start());
        let lines: Vec<String> = lines.iter().map(line).collect();
        return format!("\\begin{{aligned}}\n{}\n\\end{{aligned}}", lines.join(" \\\\\n"));
    }
    let equation_of_op = there.equation_text(notation);
    let left_width = crate::text::width(&lines[0].0);
    let line = |(left, sign, right): &(String, Sign, String)| {
        format!("{}{}{right}", crate::text::align_left(left, left_width), sign.text(notation))
    };
    std::iter::once(equation_of_op).chain(lines.iter().map(line)).collect::<Vec<_>>().join("\n")
}

/// Returns a number in Python's syntax.
fn python_number(value: f64) -> String {
    not_finite_word(value).map_or_else(|| exact(value), |word| word.replace("inf", "np.inf").replace("nan", "np.nan"))
}

/// Returns a tensor as a NumPy array. Entries that are not computed yet are NaN.
fn array(scene: &Scene<'_>, tensor: usize) -> Result<String, String> {
    let info = scene.network().tensor(tensor);
    let numbers: Vec<Option<f64>> = (0..len(&info.shape)).map(|at| scene.number(tensor, at)).collect();
    if numbers.iter().all(Option::is_none) {
        return Err(format!("{} is not computed yet", info.name));
    }
    let mut text = "np.array(".to_owned();
    let depth = info.shape.len();
    for (at, number) in numbers.iter().enumerate() {
        // a bracket opens for each dimension that begins at this entry: two brackets before the first entry of a matrix, one before each later row
        let mut slice_len = 1;
        let slice_lens = info.shape.iter().rev().map(|size| {
            slice_len *= size;
            slice_len
        });
        let begun = slice_lens.take_while(|slice_len| at % slice_len == 0).count();
        if at > 0 {
            text.push_str(&"]".repeat(begun));
            text.push(',');
            let line = format!("\n{}", " ".repeat("np.array(".len() + depth - begun));
            text.push_str(if begun > 0 { &line } else { " " });
        }
        text.push_str(&"[".repeat(begun));
        text.push_str(&number.map_or_else(|| "np.nan".to_owned(), python_number));
    }
    text.push_str(&"]".repeat(depth));
    text.push(')');
    let mut remarks = Vec::new();
    if numbers.iter().any(Option::is_none) {
        remarks.push("np.nan: not computed yet".to_owned());
    }
    if tensor == scene.output && !scene.is_complete() {
        remarks.push(format!("{}: the sum so far", scene.name(tensor, scene.at.entry)));
    }
    if !remarks.is_empty() {
        text.push_str("  # ");
        text.push_str(&remarks.join("; "));
    }
    Ok(text)
}

/// Returns the computed terms of an entry as a sum. If there are none or too many, returns the value of the entry.
fn expression(scene: &Scene<'_>, tensor: usize, at: usize) -> Result<String, String> {
    let name = scene.name(tensor, at);
    let number = || value(scene, tensor, at).map(|value| format!("{}  # {name}", python_number(value)));
    let Ok(there) = scene.last_step_of(tensor, at) else { return number() };
    if there.at.terms > MAX_COPIED_TERMS {
        return number();
    }
    let terms: Vec<String> = (0..=there.at.term)
        .map(|term| {
            let this_term = there.term(term);
            let factors: Vec<String> = this_term.factors().map(python_number).collect();
            if this_term.kind() == Kind::Product { factors.join(" * ") } else { python_number(this_term.value().unwrap_or(f64::NAN)) }
        })
        .collect();
    let so_far = if there.is_complete() { "" } else { ", so far" };
    Ok(format!("{}  # {name}{so_far}", terms.join(" + ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_by_python() {
        assert_eq!([0.1, f64::NEG_INFINITY, f64::NAN, -2.0].map(python_number), ["0.1", "-np.inf", "np.nan", "-2"]);
    }
}
