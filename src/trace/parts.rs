//! Finds the part of an op that has a given term, and lists the ops and passes of one run. If an op has many parts, a binary search finds the part.

use std::ops::Range;

use compact_str::CompactString;

use super::{Position, Segment, Trace};
use crate::network::{Id, IterationRun};
use crate::op::numpy::{self, NumPyForm};
use crate::op::product_layout::ProductLayout;
use crate::op::reuse::Reuse;
use crate::op::slot::Slot;
use crate::step::Pass;
use crate::tally;

impl Trace {
    /// Returns the number of terms of all entries before `entry`, in all parts of a segment's op.
    pub(super) fn terms_before(&self, segment: usize, entry: usize) -> u64 {
        let Segment { run_index, op: op_index, .. } = self.segments[segment];
        terms_before(&self.runs[run_index], op_index, entry)
    }

    /// Returns the index of the part to which a term (from 0) of an entry belongs, and the number of terms of the earlier parts. Returns `None` if the entry
    /// has no such term.
    pub(super) fn part_of(&self, segment: usize, entry: usize, term: u64) -> Option<(usize, u64)> {
        let (run, op, op_index) = self.op(segment);
        if let Some(part_offsets) = self.network_of(self.segments[segment].run_index).part_offsets(op_index) {
            // the last part whose first term is at or before the term
            let part = part_offsets.partition_point(|offset| *offset <= term) - 1;
            return (part < op.parts.len()).then(|| (part, part_offsets[part]));
        }
        let mut end = 0;
        run.parts(op, op_index).enumerate().find_map(|(part, (rule, x))| {
            // `prefix_terms` counts the terms of all entries before an entry, so the difference is the number of terms of one entry
            let terms = rule.prefix_terms(&x, entry + 1) - rule.prefix_terms(&x, entry);
            end += terms;
            (term < end).then(|| (part, end - terms))
        })
    }

    /// Returns the number of terms that the parts before `part` add to an entry.
    pub(super) fn terms_before_part(&self, segment: usize, entry: usize, part: usize) -> u64 {
        let (run, op, op_index) = self.op(segment);
        match self.network_of(self.segments[segment].run_index).part_offsets(op_index) {
            Some(part_offsets) => part_offsets[part],
            None => {
                run.parts(op, op_index).take(part).map(|(rule, x)| rule.prefix_terms(&x, entry + 1) - rule.prefix_terms(&x, entry)).sum()
            }
        }
    }

    /// Returns the steps of a segment.
    pub(super) fn steps_of(&self, segment: usize) -> Range<u64> {
        self.segments[segment].steps_before + 1..self.last_step(segment) + 1
    }

    /// Returns whether an entry of the op at a position has no terms, and all terms before it are added. Its value 0 is then known. The entry must come after
    /// that of the position, so each of its terms would be a step after `now`.
    pub(super) fn is_done_without_terms(&self, now: &Position, entry: usize) -> bool {
        let segment = self.segment(now.run_index, now.op);
        self.segments[segment].steps_before + self.terms_before(segment, entry + 1) <= now.step
    }

    /// Returns sentences about sizes of the layer on which the equation of a part depends, such as the stride. The text is empty if there are no such sizes.
    #[must_use]
    pub fn size_words(&self, at: &Position, part: usize) -> String {
        let (run, op, op_index) = self.op(at.segment);
        run.part(op, op_index, part).0.size_words()
    }

    /// For a derivative ∂C/∂x: returns the reason why the entry of x is used several times, such as a broadcast, and the number of terms that the part adds to
    /// the derivative. Returns `None` if the part has no such reason.
    #[must_use]
    pub fn reuse(&self, at: &Position, part: usize) -> Option<(Reuse, u64)> {
        let (run, op, op_index) = self.op(at.segment);
        let (rule, x) = run.part(op, op_index, part);
        let reuse = rule.reuse(at.entry)?;
        Some((reuse, rule.prefix_terms(&x, at.entry + 1) - rule.prefix_terms(&x, at.entry)))
    }

    /// Returns the NumPy expression for a gradient of a run. Returns `None` if there is no short expression. `name` returns the name of an operand.
    pub fn numpy(&self, run_index: usize, gradient: Id, name: &mut dyn FnMut(Id) -> String) -> Option<String> {
        let IterationRun { network, run, .. } = &self.runs[run_index];
        let op_index = network.producer(gradient)?;
        let op = &network.ops()[op_index];
        let forms: Vec<NumPyForm> = run.parts(op, op_index).map(|(rule, _)| rule.written().numpy).collect::<Option<_>>()?;
        let forms: Vec<&NumPyForm> = forms.iter().collect();
        (!forms.is_empty()).then(|| numpy::sum(&forms, &mut |part, slot| name(op.parts[part].operands[slot])))
    }

    /// Returns the equation of an op with a letter for each index: the index of the left side, and the right side. Returns `None` if the op is not a sum of
    /// products. `axes` returns the names of a tensor's axes, which replace the letters.
    pub fn indexed<'a>(
        &self,
        at: &Position,
        name: &dyn Fn(Id) -> String,
        axes: &dyn Fn(Id) -> &'a [Option<CompactString>],
    ) -> Option<(String, String)> {
        let (run, op, op_index) = self.op(at.segment);
        let [part] = &op.parts[..] else { return None };
        let form =
            run.part(op, op_index, 0).0.written().indexed?.with_axes(|slot| axes(slot.map_or(op.output, |slot| part.operands[slot])));
        Some((form.entry.clone(), form.text(&mut |slot| name(part.operands[slot]))))
    }

    /// Returns the three tensors of a matrix product, or of one of its gradients, in the drawing of [`ProductLayout`]. Returns `None` if the op at
    /// a position is anything else, or the sum of several products.
    #[must_use]
    pub fn product_layout(&self, at: &Position) -> Option<ProductLayout<Id>> {
        let (run, op, op_index) = self.op(at.segment);
        let [part] = &op.parts[..] else { return None };
        let slots = run.part(op, op_index, 0).0.product_slots()?;
        let tensor = |slot: Option<Slot>| slot.map_or(op.output, |slot| part.operands[slot]);
        let ProductLayout { left, above, corner } = slots;
        let tensors = ProductLayout { left: tensor(left), above: tensor(above), corner: tensor(corner) };
        let are_different = tensors.left != tensors.above && tensors.above != tensors.corner && tensors.left != tensors.corner;
        are_different.then_some(tensors)
    }

    /// Returns the steps of an op of a run; empty if it has no steps.
    #[must_use]
    pub fn op_steps(&self, run_index: usize, op: usize) -> Range<u64> {
        tally::count(1);
        self.steps_of(self.segment(run_index, op))
    }

    /// Iterates over the passes of a run that have steps, in order. Each item is the pass and its steps.
    pub fn passes_of(&self, run_index: usize) -> impl Iterator<Item = (Pass, Range<u64>)> + '_ {
        let segments = self.segments_of(run_index);
        let [first, end] = [segments.start, segments.end].map(|segment| self.pass_starts.partition_point(|start| *start < segment));
        (first..end).filter_map(|index| {
            tally::count(1);
            let steps = self.unit_span(&self.pass_starts, index);
            (!steps.is_empty()).then(|| (self.op(self.pass_starts[index]).1.pass, steps))
        })
    }

    /// Iterates over the ops that have steps, from `op` on. Each item is the tensor that the op computes, and the steps of the op. `op` must have steps. The
    /// iterator searches the next op only when it is advanced.
    pub fn ops_from(&self, run_index: usize, op: usize) -> impl Iterator<Item = (Id, Range<u64>)> + '_ {
        let segments = self.segments_of(run_index);
        let mut next = Some(self.segment(run_index, op));
        std::iter::from_fn(move || {
            tally::count(1);
            let segment = next.filter(|segment| segments.contains(segment))?;
            let steps = self.steps_of(segment);
            next = self.segment_of(steps.end);
            Some((self.op(segment).1.output, steps))
        })
    }

    /// Iterates over the ops before `op` that have steps, in reverse order. The items are those of [`Trace::ops_from`].
    pub fn ops_before(&self, run_index: usize, op: usize) -> impl Iterator<Item = (Id, Range<u64>)> + '_ {
        let segments = self.segments_of(run_index);
        let mut last_step = self.segments[self.segment(run_index, op)].steps_before;
        std::iter::from_fn(move || {
            tally::count(1);
            let segment = self.segment_of(last_step).filter(|segment| segments.contains(segment))?;
            let steps = self.steps_of(segment);
            last_step = steps.start - 1;
            Some((self.op(segment).1.output, steps))
        })
    }

    /// Returns the segments of a run.
    fn segments_of(&self, run_index: usize) -> Range<usize> {
        self.run_starts[run_index]..self.run_starts.get(run_index + 1).copied().unwrap_or(self.segments.len())
    }

    /// Returns the index of the segment that has step k, or `None` if there is no such step.
    pub(super) fn segment_of(&self, k: u64) -> Option<usize> {
        (1..=self.len).contains(&k).then(|| self.segments.partition_point(|segment| segment.steps_before < k) - 1)
    }
}

/// Returns the number of terms of all entries before `entry`, in all parts of an op.
pub(super) fn terms_before(IterationRun { network, run, .. }: &IterationRun, op: usize, entry: usize) -> u64 {
    match network.part_offsets(op) {
        Some(part_offsets) => entry as u64 * part_offsets[part_offsets.len() - 1],
        None => run.prefix_terms(&network.ops()[op], op, entry),
    }
}
