//! Equations as a person writes them: in NumPy, and with letters for the indices.

use compact_str::CompactString;

use super::numpy::{EinsumLabels, NumPyForm};
use super::slot::Slot::{self, Input, Upstream};

/// The computation of a rule, in forms that a person would write. A form is `None` if there is no short text in this form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// A gradient in NumPy.
    pub numpy: Option<NumPyForm>,
    /// A sum of products with letters for the indices.
    pub indexed: Option<IndexForm>,
}

impl Written {
    /// Creates the value for a gradient that has only the NumPy form.
    #[must_use]
    pub fn in_numpy(form: NumPyForm) -> Self {
        Self { numpy: Some(form), indexed: None }
    }
}

/// A sum of products with letters for the indices: `Σ_i dy[i,k] · x[i,j]` for the entry `[j,k]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexForm {
    /// The index of the computed entry: `j,k`. Empty for a single number.
    pub entry: String,
    /// The letters over which the products are summed: `i`, or `i,l`. Empty if nothing is summed.
    pub summed: String,
    /// `true` if the sum is subtracted.
    pub is_negative: bool,
    /// The factors, each with its index.
    pub factors: Vec<(Slot, String)>,
}

impl IndexForm {
    /// Returns the form with the names of axes instead of letters, where an axis has a name. `axes` returns the names of an operand's axes. For `None` it
    /// returns the names of the axes of the computed tensor.
    #[must_use]
    pub fn with_axes<'a>(&self, axes: impl Fn(Option<Slot>) -> &'a [Option<CompactString>]) -> Self {
        let mut names: Vec<(&str, &str)> = Vec::new();
        let indices = self.factors.iter().map(|(slot, index)| (Some(*slot), index)).chain([(None, &self.entry)]);
        for (slot, index) in indices {
            for (letter, name) in index.split(',').zip(axes(slot)) {
                // a letter keeps its first name, and two letters never get the same name
                if let Some(name) = name
                    .as_deref()
                    .filter(|name| !names.iter().any(|(named_letter, taken_name)| *named_letter == letter || taken_name == name))
                {
                    names.push((letter, name));
                }
            }
        }
        let renamed = |index: &str| {
            let name =
                |letter: &str| names.iter().find(|(named_letter, _)| *named_letter == letter).map_or(letter, |(_, name)| name).to_owned();
            index.split(',').map(name).collect::<Vec<_>>().join(",")
        };
        Self {
            entry: renamed(&self.entry),
            summed: renamed(&self.summed),
            is_negative: self.is_negative,
            factors: self.factors.iter().map(|(slot, index)| (*slot, renamed(index))).collect(),
        }
    }

    /// The text of the right-hand side, with the names of the operands.
    #[must_use]
    pub fn text(&self, name: &mut dyn FnMut(Slot) -> String) -> String {
        let factors: Vec<String> = self.factors.iter().map(|(slot, index)| with_index(&name(*slot), index)).collect();
        let sum = if self.summed.is_empty() { String::new() } else { format!("Σ_{} ", self.summed) };
        format!("{}{sum}{}", if self.is_negative { "−" } else { "" }, factors.join(" · "))
    }
}

/// Returns a name with an index in brackets, or only the name if the index is empty.
#[must_use]
pub fn with_index(name: &str, index: &str) -> String {
    if index.is_empty() { name.to_owned() } else { format!("{name}[{index}]") }
}

/// The letters that stand for the indices.
const LETTERS: &str = "ijklmnopqrstuvwxyzabcdefgh";

/// Returns the letter of a label; `None` from label 26 on.
#[must_use]
pub fn letter(label: usize) -> Option<char> {
    LETTERS.chars().nth(label)
}

/// Returns the letters of labels, with commas: `i,j`. `None` if a label has no letter.
fn index_of(labels: &[usize]) -> Option<String> {
    let letters: Vec<String> = labels.iter().map(|label| Some(letter(*label)?.to_string())).collect::<Option<_>>()?;
    Some(letters.join(","))
}

impl EinsumLabels<'_> {
    /// Returns the gradient of an operand with letters for the indices, or y if `operand` is `None`. The labels get letters in the order in which the operands,
    /// and then y, first have them.
    #[must_use]
    pub fn indexed(&self, operand: Option<usize>) -> Option<IndexForm> {
        let mut order: Vec<usize> = self.operands.iter().copied().chain([self.output]).flatten().copied().collect();
        let mut seen = Vec::new();
        order.retain(|label| {
            let is_new = !seen.contains(label);
            seen.push(*label);
            is_new
        });
        let renamed = |labels: &[usize]| -> Vec<usize> {
            labels.iter().map(|label| order.iter().position(|other| other == label).unwrap_or(0)).collect()
        };
        let computed = operand.map_or(self.output, |operand| self.operands[operand]);
        let others = (0..self.operands.len()).filter(|other| Some(*other) != operand).map(|other| (Input(other), self.operands[other]));
        let factors: Vec<(Slot, &[usize])> = operand.map(|_| (Upstream, self.output)).into_iter().chain(others).collect();
        let mut summed: Vec<usize> =
            factors.iter().flat_map(|(_, labels)| labels.iter().copied()).filter(|label| !computed.contains(label)).collect();
        summed.sort_by_key(|label| order.iter().position(|other| other == label));
        summed.dedup();
        Some(IndexForm {
            entry: index_of(&renamed(computed))?,
            summed: index_of(&renamed(&summed))?,
            is_negative: false,
            factors: factors.into_iter().map(|(slot, labels)| Some((slot, index_of(&renamed(labels))?))).collect::<Option<_>>()?,
        })
    }

    /// Returns the gradient of an operand in all forms, or y if `operand` is `None`.
    #[must_use]
    pub fn written(&self, operand: Option<usize>) -> Written {
        Written { numpy: operand.and_then(|operand| self.gradient(operand)), indexed: self.indexed(operand) }
    }
}

/// Returns the index of the operand's entry that an entry of the result reads, with the letters of the result's axes: `i,0`. `shape` is the result's shape. A
/// repeated axis has the index 0. `None` if the operand has more axes than the result, or if one of these axes has no letter.
#[must_use]
pub fn broadcast_index(operand_shape: &[usize], shape: &[usize]) -> Option<String> {
    let missing_axes = shape.len().checked_sub(operand_shape.len())?;
    let index = |(axis, size): (usize, &usize)| {
        if *size == 1 && shape[axis + missing_axes] > 1 { Some("0".to_owned()) } else { letter(axis + missing_axes).map(String::from) }
    };
    Some(operand_shape.iter().enumerate().map(index).collect::<Option<Vec<String>>>()?.join(","))
}

/// Returns the letters of the result's axes along which an operand is repeated. `None` if the operand has more axes than the result, or if one of these axes
/// has no letter.
#[must_use]
pub fn repeated_letters(operand_shape: &[usize], shape: &[usize]) -> Option<String> {
    let missing_axes = shape.len().checked_sub(operand_shape.len())?;
    let is_repeated = |axis: &usize| *axis < missing_axes || operand_shape[axis - missing_axes] == 1 && shape[*axis] > 1;
    let letters: Vec<String> = (0..shape.len()).filter(is_repeated).map(|axis| letter(axis).map(String::from)).collect::<Option<_>>()?;
    Some(letters.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_of_matrices_has_letters() {
        let labels = EinsumLabels { operands: &[&[0, 2], &[2, 1]], output: &[0, 1], sizes: &[2, 4, 3] };
        let text = |operand: Option<usize>| {
            let form = labels.indexed(operand).expect("letters");
            let name = &mut |slot: Slot| match slot {
                Input(n) => ["A", "B"][n].to_owned(),
                _ => "dZ".to_owned(),
            };
            format!("{} = {}", with_index("x", &form.entry), form.text(name))
        };
        assert_eq!(text(None), "x[i,k] = Σ_j A[i,j] · B[j,k]");
        assert_eq!(text(Some(0)), "x[i,j] = Σ_k dZ[i,k] · B[j,k]");
        assert_eq!(text(Some(1)), "x[j,k] = Σ_i dZ[i,k] · A[i,j]");
    }

    #[test]
    fn named_axes_are_written_by_their_names() {
        let labels = EinsumLabels { operands: &[&[0, 2], &[2, 1]], output: &[0, 1], sizes: &[2, 4, 3] };
        let names = |names: [Option<&str>; 2]| names.map(|name| name.map(CompactString::from)).to_vec();
        let (x, w) = (names([Some("example"), Some("feature")]), names([None, Some("class")]));
        let form = labels.indexed(None).expect("letters").with_axes(|slot| match slot {
            Some(Input(0)) => &x,
            Some(Input(1)) => &w,
            _ => &[],
        });
        let text = form.text(&mut |slot| if slot == Input(0) { "X" } else { "W" }.to_owned());
        assert_eq!(with_index("z", &form.entry), "z[example,class]");
        assert_eq!(text, "Σ_feature X[example,feature] · W[feature,class]");
    }

    #[test]
    fn a_repeated_operand_has_no_letter_for_a_repeated_axis() {
        assert_eq!(broadcast_index(&[3], &[4, 3]).as_deref(), Some("j"));
        assert_eq!(repeated_letters(&[3], &[4, 3]).as_deref(), Some("i"));
        assert_eq!(broadcast_index(&[4, 1], &[4, 3]).as_deref(), Some("i,0"));
        assert_eq!(repeated_letters(&[4, 1], &[4, 3]).as_deref(), Some("j"));
        assert_eq!(broadcast_index(&[], &[4, 3]).as_deref(), Some(""));
    }
}
