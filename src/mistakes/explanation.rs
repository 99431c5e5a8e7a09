//! The comparison of a user's gradients, with the mistakes and the patterns that explain the differences.

use super::cause::Cause;
use super::mistake::Specificity;
use super::search::{Findings, GoOn, cause_of_shape, causes};
use super::table::MISTAKES;
use crate::diff::{CLIPPED, Compared, Pattern, Report, Status, TermSums, UserGradients, patterns};
use crate::interrupt::Interrupted;
use crate::trace::Trace;

/// The comparison of a user's gradients, and what is wrong with them.
#[derive(Debug)]
pub struct Explanation {
    /// The gradients.
    pub user: UserGradients,
    /// The comparison of each of them.
    pub report: Report,
    /// The mistakes that give these numbers, the best first.
    pub causes: Vec<Cause>,
    /// The consequences, as indices in the user's list: tensors that differ from ours only because they were computed correctly from an earlier wrong
    /// tensor. No mistake explains that earlier tensor.
    pub consequences: Vec<usize>,
    /// The patterns in the numbers of the wrong tensors, such as rounding.
    pub patterns: Vec<Pattern>,
    /// `true` if the scale of the samples' gradients is known: they are derivatives of the mean loss, or of each sample's own loss. If it is not,
    /// [`Self::find_causes`] tries both scales, and chooses the one in which mistakes explain more.
    pub is_settled: bool,
    /// The pass with which the gradients are compared, if some entries near a kink (the gates of `diff/flips.rs`) were moved to its other side. `None` if
    /// they are compared with the right pass.
    reference: Option<Trace>,
}

impl Explanation {
    /// Compares a user's gradients with those of a trace. [`Self::find_causes`] then says why some differ.
    #[must_use]
    pub fn without_causes(trace: &Trace, user: UserGradients) -> Self {
        let mut explanation = Self::in_scale(trace, user);
        explanation.is_settled = explanation.report.is_equal() || explanation.user.in_other_scale().is_none();
        if explanation.is_settled {
            explanation.note_scale(true);
        }
        explanation
    }

    /// Compares the gradients in the scale that `user` has now, without deciding whether it is the right one.
    fn in_scale(trace: &Trace, mut user: UserGradients) -> Self {
        let Compared { report, flipped: reference, notes } = Compared::new(trace, &user);
        user.notes.extend(notes);
        let patterns = patterns(reference.as_ref().unwrap_or(trace), &user.tensors, &report, user.tolerance);
        Self { user, report, causes: Vec::new(), consequences: Vec::new(), patterns, is_settled: false, reference }
    }

    /// Adds the note on the scale, if there is one. `is_explained` is `true` if the numbers are explained in this scale only.
    fn note_scale(&mut self, is_explained: bool) {
        let note = self.user.note_on_scale(is_explained);
        self.user.notes.extend(note);
    }

    /// Searches the mistakes that explain the differences. Without a learning rate, no mistake with the learning rate is tried.
    ///
    /// # Errors
    /// If `go_on` returns `false`.
    pub fn find_causes(self, trace: &Trace, learning_rate: Option<f64>, go_on: GoOn<'_>) -> Result<Self, Interrupted> {
        let in_other_scale = if self.is_settled { None } else { self.user.in_other_scale() };
        let mut best = self.with_causes(trace, learning_rate, go_on)?;
        let Some(in_other_scale) = in_other_scale else { return Ok(best) };
        let mut other = Self::in_scale(trace, in_other_scale).with_causes(trace, learning_rate, go_on)?;
        let is_one_better = other.rank() != best.rank();
        if other.rank() < best.rank() {
            std::mem::swap(&mut best, &mut other);
        }
        best.note_scale(is_one_better && (best.report.is_equal() || !best.causes.is_empty()));
        Ok(best)
    }

    fn with_causes(mut self, trace: &Trace, learning_rate: Option<f64>, go_on: GoOn<'_>) -> Result<Self, Interrupted> {
        // the reference is not read after the search
        let reference = self.reference.take();
        let trace = reference.as_ref().unwrap_or(trace);
        Findings { causes: self.causes, consequences: self.consequences } =
            findings(trace, (&self.user, &self.report, &self.patterns), learning_rate, go_on)?;
        Ok(self)
    }

    /// Compares a user's gradients, and searches the mistakes.
    ///
    /// # Errors
    /// If `go_on` returns `false`.
    pub fn new(trace: &Trace, user: UserGradients, learning_rate: Option<f64>, go_on: GoOn<'_>) -> Result<Self, Interrupted> {
        Self::without_causes(trace, user).find_causes(trace, learning_rate, go_on)
    }

    /// Returns the indices of the wrong tensors that the best explanation (the causes of group 1) does not explain. Consequences of other wrong tensors,
    /// tensors of another shape and tensors that a pattern explains do not count.
    #[must_use]
    pub fn unexplained(&self) -> Vec<usize> {
        let is_explained = |tensor: &usize| {
            self.causes.iter().any(|cause| cause.group == 1 && cause.explains.contains(tensor))
                || self.consequences.contains(tensor)
                || self.patterns.iter().any(|pattern| pattern.explains && pattern.tensor == *tensor)
        };
        let wrong = self.report.tensors.iter().enumerate();
        let wrong =
            wrong.filter(|(_, compared)| matches!(compared.status, Status::Different | Status::NotFinite)).map(|(tensor, _)| tensor);
        wrong.filter(|tensor| !is_explained(tensor)).collect()
    }

    /// The value by which the explanations in the two scales are compared; the smaller one is better. The numbers are compared in this order: unexplained
    /// tensors, mistakes, whether a number is fitted, consequences. Mistakes come before fitted numbers, because one factor such as 1/3 in all tensors is
    /// likelier than two other mistakes. Consequences come last, because in the wrong scale a mere consequence can look like one more mistake: a factor.
    fn rank(&self) -> (usize, usize, bool, usize) {
        let best: Vec<&Cause> = self.causes.iter().filter(|cause| cause.group == 1).collect();
        let is_fitted = |cause: &&Cause| MISTAKES.iter().any(|row| row.id == cause.id && row.specificity == Specificity::Fitted);
        (self.unexplained().len(), best.len(), best.iter().any(is_fitted), self.consequences.len())
    }
}

/// Searches the mistakes that explain the user's gradients. A tensor that a pattern explains, such as a rounded one, has no mistake.
fn findings(
    trace: &Trace,
    (user, report, patterns): (&UserGradients, &Report, &[Pattern]),
    learning_rate: Option<f64>,
    go_on: GoOn<'_>,
) -> Result<Findings, Interrupted> {
    let tolerance = user.tolerance.smaller(user.precision.tolerance());
    let mut sought = report.clone();
    let mut clipped = Vec::new();
    for pattern in patterns.iter().filter(|pattern| pattern.explains) {
        if pattern.id == CLIPPED {
            clipped.push(pattern.tensor);
        } else {
            sought.tensors[pattern.tensor].status = Status::Equal;
        }
    }
    let Findings { causes: mut found, consequences } = causes(trace, (&user.tensors, &clipped), &sought, tolerance, learning_rate, go_on)?;
    // a tensor of another shape is not part of the search
    let mut of_shapes = Vec::new();
    for (index, values) in &user.reordered_alone {
        let gradient = user.tensors[*index].gradient;
        let terms = TermSums::of(trace, gradient);
        let row = MISTAKES.iter().find(|row| row.id == "weight-layout-transposed");
        let Some(row) = row.filter(|_| tolerance.are_equal(values, &gradient.right(trace), |at| terms.entry(at))) else { continue };
        let name = gradient.name(trace);
        let layer = name.rsplit_once('.').map_or(&*name, |(layer, _)| layer).to_owned();
        of_shapes.push(Cause {
            id: row.id,
            variant: None,
            words: row.words_at(&[&layer]),
            at: vec![layer],
            group: 1,
            is_restated: false,
            needs_others: false,
            explains: vec![*index],
            // for a filter, the line that reports this tensor already says which axes are exchanged
            right: if gradient.shape(trace).len() == 2 { row.right } else { "" },
            same: Vec::new(),
            told_apart_by: String::new(),
            ops: Vec::new(),
        });
    }
    for (index, shape, numbers) in &user.misshapen {
        of_shapes.extend(cause_of_shape(trace, user.tensors[*index].gradient, (*index, shape, numbers), tolerance));
    }
    let after_best = found.iter().position(|cause| cause.group > 1).unwrap_or(found.len());
    found.splice(after_best..after_best, of_shapes);
    Ok(Findings { causes: found, consequences })
}
