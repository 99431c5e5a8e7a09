//! A user's gradients, prepared for the comparison.
//!
//! Finds the gradient that belongs to each tensor of the file, by its name. The axes of the tensor are put into our order. A stack [N, …] of the samples'
//! gradients becomes N tensors.
//!
//! In a batch of n samples, the file may give a sample's gradient in one of two *scales*: as a derivative of the sample's own loss, or as a derivative of the
//! mean loss, which is 1/n of it ([`super::scale`]).

use super::file::FileTensor;
use super::gradient::{Gradient, LossOf};
use super::layout::Weight;
use super::names::{Named, ShapeFit, fit, match_names};
use super::report::UserTensor;
use super::scale::SampleScale;
use super::terms::TermSums;
use super::tolerance::{Precision, Tolerance};
use crate::tensor::{len, shape_text};
use crate::trace::Trace;

/// The gradients of a user.
#[derive(Clone, Debug)]
pub struct UserGradients {
    /// The tensors, in the order of [`Gradient::order`].
    pub tensors: Vec<UserTensor>,
    /// The gradients of parameters that are not in the file.
    pub missing: Vec<Gradient>,
    /// Sentences about names, shapes and layouts, without control characters.
    pub notes: Vec<String>,
    /// The precision with which the user computed: the lowest of all gradients.
    pub precision: Precision,
    /// The tolerance of the comparison.
    pub tolerance: Tolerance,
    /// The weights that have the other order of axes although the other weights of their kind have our order. Each has the index of its tensor, and its numbers
    /// in our order.
    pub reordered_alone: Vec<(usize, Vec<f64>)>,
    /// The tensors with a wrong shape: the index of the tensor, and its shape and its numbers in the file.
    pub misshapen: Vec<(usize, Vec<usize>, Vec<f64>)>,
    /// The scale of the samples' gradients (see the head of this file); `None` if the loss is not a mean, so that there is only one scale.
    scale: Option<SampleScale>,
}

/// The parts of the tolerance that the user has set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UserTolerance {
    /// The allowed difference as a share of the right number.
    pub relative: Option<f64>,
    /// The allowed difference as a share of the tensor's largest entry.
    pub of_largest: Option<f64>,
}

impl UserGradients {
    /// Finds the gradient of each tensor of a file, and puts its axes into our order.
    ///
    /// # Errors
    /// A sentence if no tensor of the file is one of our gradients.
    pub fn new(trace: &Trace, tensors: Vec<FileTensor>, user_tolerance: UserTolerance) -> Result<Self, String> {
        let has_numbers = tensors.iter().filter(|tensor| !tensor.values.is_empty());
        let numbers: Vec<(&[f64], bool)> = has_numbers.map(|tensor| (tensor.values.as_slice(), tensor.is_half)).collect();
        let precision = Precision::of(&numbers);
        let tolerance = precision.tolerance().with(user_tolerance.relative, user_tolerance.of_largest);
        let names = match_names(trace, tensors);
        if names.named.is_empty() {
            let why = if names.notes.is_empty() { "it has no tensors".to_owned() } else { names.notes.join("; ") };
            return Err(format!("no tensor of the file can be compared: {why}"));
        }
        let (tensors, missing, reordered_alone, misshapen) = Default::default();
        let mut user = Self { tensors, missing, notes: names.notes, precision, tolerance, reordered_alone, misshapen, scale: None };
        let reordered: Vec<Weight> = Weight::ALL.into_iter().filter(|kind| user.are_reordered(trace, &names.named, *kind)).collect();
        let mut of_samples = Vec::new();
        for Named { tensor, gradient } in names.named {
            user.add(trace, tensor, gradient, &reordered, &mut of_samples);
        }
        user.scale = SampleScale::new(trace, &mut user.tensors, &of_samples, tolerance);
        user.sort(trace);
        let is_missing = |gradient: &Gradient| !user.tensors.iter().any(|tensor| tensor.gradient.of == gradient.of);
        let learnable = trace.network().learnable().map(|of| Gradient { of, loss: LossOf::Batch });
        user.missing = learnable.filter(|gradient| gradient.find(trace).is_some() && is_missing(gradient)).collect();
        Ok(user)
    }

    /// Appends a tensor of the file, or one tensor for each sample of a stack. The index of each gradient of a sample is added to `of_samples`, with `true`
    /// if it comes from a stack. The scale of these gradients is found later. `reordered` are the kinds of weights whose axes have the other order in the file.
    fn add(&mut self, trace: &Trace, tensor: FileTensor, gradient: Gradient, reordered: &[Weight], of_samples: &mut Vec<(usize, bool)>) {
        let FileTensor { name: name_in_file, shape, values, .. } = tensor;
        let ours = gradient.shape(trace);
        let push = |user: &mut Self, gradient: Gradient, values: Result<Vec<f64>, String>| {
            user.tensors.push(UserTensor { gradient, name_in_file: name_in_file.clone(), values });
        };
        match fit(trace, &shape, gradient) {
            ShapeFit::Stack => {
                for (run, values) in values.chunks(len(ours).max(1)).enumerate() {
                    of_samples.push((self.tensors.len(), true));
                    push(self, Gradient { loss: LossOf::Sample(run), ..gradient }, Ok(values.to_vec()));
                }
            }
            ShapeFit::Same if lacks_sample(trace, gradient) => {
                let help = "give it with the number of the sample, as 1:NAME, or those of all samples as a stack N x …";
                push(self, gradient, Err(format!("it is different for each sample; {help}")));
            }
            ShapeFit::Same => {
                if let LossOf::Sample(_) = gradient.loss {
                    of_samples.push((self.tensors.len(), false));
                }
                // a square weight has the same shape in the other order of axes
                let kind = Weight::of(trace, gradient).filter(|kind| reordered.contains(kind));
                push(self, gradient, Ok(kind.map_or_else(|| values.clone(), |kind| kind.in_our_order(&values, ours))));
            }
            ShapeFit::Reordered(kind) if reordered.contains(&kind) => {
                if let LossOf::Sample(_) = gradient.loss {
                    of_samples.push((self.tensors.len(), false));
                }
                push(self, gradient, Ok(kind.in_our_order(&values, ours)));
            }
            ShapeFit::Reordered(kind) => {
                self.reordered_alone.push((self.tensors.len(), kind.in_our_order(&values, ours)));
                push(self, gradient, Err(kind.clause(&shape_text(&shape), &shape_text(ours))));
            }
            ShapeFit::Other => {
                let why = format!("its shape is {}, but must be {}", shape_text(&shape), shape_text(ours));
                self.misshapen.push((self.tensors.len(), shape, values));
                push(self, gradient, Err(why));
            }
        }
    }

    /// Returns whether all weights of a kind have their axes in the other order, and adds a note if they have. The shape shows the order. The shape of a square
    /// weight does not, so its numbers are compared in both orders. One square weight alone is not enough: its transpose may be a mistake.
    fn are_reordered(&mut self, trace: &Trace, named: &[Named], kind: Weight) -> bool {
        let weights: Vec<&Named> = named.iter().filter(|named| Weight::of(trace, named.gradient) == Some(kind)).collect();
        let fits: Vec<ShapeFit> = weights.iter().map(|named| fit(trace, &named.tensor.shape, named.gradient)).collect();
        let is_square = |named: &&Named| kind.other_shape(named.gradient.shape(trace)) == named.gradient.shape(trace);
        let has_reordered = fits.contains(&ShapeFit::Reordered(kind));
        let is_equal = |named: &Named| self.is_equal(trace, named.gradient, &named.tensor.values);
        let is_equal_reordered =
            |named: &Named| self.is_equal(trace, named.gradient, &kind.in_our_order(&named.tensor.values, named.gradient.shape(trace)));
        let all_reordered = weights.iter().zip(&fits).all(|(named, fit)| match fit {
            ShapeFit::Reordered(_) => true,
            // a square weight that is wrong in both orders is taken to have the order of the others
            ShapeFit::Same if is_square(named) => is_equal_reordered(named) || has_reordered && !is_equal(named),
            _ => false,
        });
        // in a graph, the text says which axis of a matrix has the inputs, so only the shape shows that the matrices are reordered
        let is_layered = weights.iter().all(|named| trace.network().tensor(named.gradient.of).layer.is_some());
        let shows_order = has_reordered || is_layered && fits.len() > 1;
        // symmetric weights are equal in both orders
        let order_matters = || has_reordered || weights.iter().any(|named| !is_equal(named));
        let is_reordered = all_reordered && shows_order && order_matters();
        if is_reordered {
            self.notes.push(kind.note(weights.len()));
        }
        is_reordered
    }

    fn is_equal(&self, trace: &Trace, gradient: Gradient, values: &[f64]) -> bool {
        let terms = TermSums::of(trace, gradient);
        self.tolerance.are_equal(values, &gradient.right(trace), |at| terms.entry(at))
    }

    /// Returns these gradients with the samples' gradients in the other scale; `None` if the scale is certain, or if there is only one.
    #[must_use]
    pub fn in_other_scale(&self) -> Option<Self> {
        let scale = self.scale.filter(|scale| !scale.is_sure)?;
        let mut other = self.clone();
        let of_samples = other.tensors.iter_mut().filter(|tensor| matches!(tensor.gradient.loss, LossOf::Sample(_)));
        for value in of_samples.filter_map(|tensor| tensor.values.as_mut().ok()).flatten() {
            *value *= scale.to_other();
        }
        other.scale = Some(scale.other());
        Some(other)
    }

    /// Returns the sentence about the scale of the samples' gradients; `None` if there is nothing to say. `is_explained` is `true` if mistakes explain the
    /// numbers in this scale only.
    #[must_use]
    pub fn note_on_scale(&self, is_explained: bool) -> Option<String> {
        self.scale.and_then(|scale| scale.note(is_explained))
    }

    /// Returns a clause about the factor by which a tensor was multiplied before the comparison: `times 4: your loss is a mean`. `None` without a factor.
    #[must_use]
    pub fn factor_words(&self, tensor: usize) -> Option<String> {
        let is_of_sample = matches!(self.tensors.get(tensor)?.gradient.loss, LossOf::Sample(_));
        self.scale.filter(|_| is_of_sample)?.factor_words()
    }

    /// Returns the factor by which the numbers of a tensor are multiplied before they are compared; `None` without a factor.
    #[must_use]
    pub fn factor(&self, tensor: usize) -> Option<usize> {
        let is_of_sample = matches!(self.tensors.get(tensor)?.gradient.loss, LossOf::Sample(_));
        self.scale.filter(|_| is_of_sample)?.multiplier()
    }

    /// Sorts the tensors in the order of computation.
    fn sort(&mut self, trace: &Trace) {
        let mut order: Vec<usize> = (0..self.tensors.len()).collect();
        order.sort_by_key(|index| self.tensors[*index].gradient.order(trace));
        let mut place = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            place[*old] = new;
        }
        let reordered = self.reordered_alone.iter_mut().map(|(index, _)| index);
        for index in reordered.chain(self.misshapen.iter_mut().map(|(index, ..)| index)) {
            *index = place[*index];
        }
        let mut tensors: Vec<Option<UserTensor>> = std::mem::take(&mut self.tensors).into_iter().map(Some).collect();
        self.tensors = order.into_iter().filter_map(|old| tensors[old].take()).collect();
    }
}

/// Returns whether each sample has its own gradient, but the name in the file names no sample.
fn lacks_sample(trace: &Trace, gradient: Gradient) -> bool {
    let network = trace.network();
    let is_shared = network.tensor(gradient.of).role.is_learnable() || network.gradient_of(gradient.of).is_none();
    trace.samples() > 1 && gradient.loss == LossOf::Batch && !is_shared
}
