//! The overlay with a curve: the loss over the iterations, or the values of a parameter. A marker on the curve chooses an iteration.

use super::Curves;

/// The marker on the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurveMarker {
    /// The iteration at which the marker is.
    pub iteration: u64,
}

impl CurveMarker {
    /// Moves the marker by a number of points of the curve, back if negative. Stops at the ends of the curve.
    pub(super) fn move_by(&mut self, distance: i64, curves: &Curves) {
        let points = &curves.current.points;
        let current = points.partition_point(|(iteration, _)| *iteration < self.iteration);
        let distance = isize::try_from(distance).unwrap_or(if distance < 0 { isize::MIN } else { isize::MAX });
        let wanted = current.saturating_add_signed(distance).min(points.len().saturating_sub(1));
        self.iteration = points.get(wanted).map_or(self.iteration, |(iteration, _)| *iteration);
    }
}
