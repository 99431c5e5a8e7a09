//! The other order of the axes of a weight: inputs x outputs for a matrix, and Keras' height x width x in x out (without height for a sequence) for the
//! filters of a convolution.

use super::gradient::Gradient;
use crate::network::Role;
use crate::tensor::{len, ravel, unravel};
use crate::trace::Trace;

/// The kind of a weight, by its number of axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// A matrix of outputs x inputs.
    Matrix,
    /// The filters of a convolution over a sequence: out x in x width.
    Filters1d,
    /// The filters of a convolution over an image: out x in x height x width.
    Filters2d,
}

impl Weight {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Matrix, Self::Filters1d, Self::Filters2d];

    /// The kind of a gradient's tensor; `None` if it is not a weight, or if it has only one possible order, as a matrix with one row has.
    pub fn of(trace: &Trace, gradient: Gradient) -> Option<Self> {
        let info = trace.network().tensor(gradient.of);
        let is_weight = matches!(info.role, Role::Parameter | Role::Input { learns: true });
        match *info.shape {
            _ if !is_weight => None,
            [rows, columns] if rows > 1 && columns > 1 => Some(Self::Matrix),
            // in a graph, three axes may mean anything
            [_, _, _] if info.layer.is_some() => Some(Self::Filters1d),
            [_, _, _, _] => Some(Self::Filters2d),
            _ => None,
        }
    }

    /// For each axis of our order, its index in the other order.
    fn axes(self) -> &'static [usize] {
        match self {
            Self::Matrix => &[1, 0],
            Self::Filters1d => &[2, 1, 0],
            Self::Filters2d => &[3, 2, 0, 1],
        }
    }

    /// The shape of a weight in the other order.
    pub fn other_shape(self, ours: &[usize]) -> Vec<usize> {
        let mut other = vec![0; ours.len()];
        for (axis, other_axis) in self.axes().iter().enumerate() {
            other[*other_axis] = ours[axis];
        }
        other
    }

    /// Returns numbers of the other order in our order; `ours` is our shape.
    pub fn in_our_order(self, values: &[f64], ours: &[usize]) -> Vec<f64> {
        // a matrix may have further axes of size 1
        let ours: Vec<usize> = ours.iter().copied().filter(|n| self != Self::Matrix || *n != 1).collect();
        if ours.len() != self.axes().len() {
            return values.to_vec();
        }
        let other = self.other_shape(&ours);
        let other_offset = |offset: usize| {
            let index = unravel(offset, &ours);
            let mut other_index = vec![0; index.len()];
            for (axis, other_axis) in self.axes().iter().enumerate() {
                other_index[*other_axis] = index[axis];
            }
            ravel(&other_index, &other)
        };
        (0..len(&ours)).map(|offset| other_offset(offset).map_or(f64::NAN, |from| values[from])).collect()
    }

    /// The sentence about a file with all weights of the kind in the other order. `count` is the number of these weights.
    pub fn note(self, count: usize) -> String {
        let (what, orders) = match self {
            Self::Matrix => (["the matrix", "all matrices"], "inputs x outputs instead of outputs x inputs"),
            Self::Filters1d => (["the filters", "all filters"], "width x in x out, as in Keras, instead of out x in x width"),
            Self::Filters2d => {
                (["the filters", "all filters"], "HWIO, height x width x in x out, as in Keras, instead of out x in x height x width")
            }
        };
        let [one, all] = what;
        match self {
            Self::Matrix if count == 1 => {
                format!("{one} of the file is the transpose of ours ({orders}): compared turned, which is no difference")
            }
            Self::Matrix => format!("{all} of the file are the transposes of ours ({orders}): compared turned, which is no difference"),
            _ => {
                let what = if count == 1 { one } else { all };
                format!("{what} of the file have another order of axes ({orders}): compared in our order, which is no difference")
            }
        }
    }

    /// The clause about one weight in the other order. `given` is the text of its shape in the file, and `ours` that of our shape.
    pub fn clause(self, given: &str, ours: &str) -> String {
        match self {
            Self::Matrix => format!("it is {given}, the transpose of {ours}"),
            Self::Filters1d => format!("it is {given}, which is our {ours} in the order of Keras: width x in x out"),
            Self::Filters2d => format!("it is {given}, which is our {ours} in the order of Keras: HWIO, height x width x in x out"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_of_keras_come_into_our_order() {
        // entry [o, i, h, w] is 1000 o + 100 i + 10 h + w
        let ours = [2, 3, 2, 4];
        let number = |[o, i, h, w]: [usize; 4]| f64::from(u32::try_from(1000 * o + 100 * i + 10 * h + w).expect("small"));
        let all =
            |sizes: [usize; 4]| (0..len(&sizes)).map(move |at| unravel(at, &sizes)).map(|index| [index[0], index[1], index[2], index[3]]);
        let written: Vec<f64> = all([2, 4, 3, 2]).map(|[h, w, i, o]| number([o, i, h, w])).collect();
        assert_eq!(Weight::Filters2d.other_shape(&ours), [2, 4, 3, 2]);
        assert_eq!(Weight::Filters2d.in_our_order(&written, &ours), all(ours).map(number).collect::<Vec<_>>());
        // 0 1 2      0 3
        // 3 4 5  is  1 4  turned
        //            2 5
        assert_eq!(Weight::Matrix.in_our_order(&[0.0, 3.0, 1.0, 4.0, 2.0, 5.0], &[2, 1, 3]), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }
}
