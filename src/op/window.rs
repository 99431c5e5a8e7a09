//! The window of a filter or a pool on an image.

use super::slot::Slot;

/// The geometry of a filter on an image, for a picture like figures 19 and 20 in part 4 of V. Petersen's series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The slot of the image that the filter slides over.
    pub image: Slot,
    /// The slot of the filter; `None` for a pool.
    pub filter: Option<Slot>,
    /// `true` if the filter is rotated by 180°.
    pub turned: bool,
    /// `true` if the tensors are channels x length and have no axis of rows. The image then has one row.
    pub is_1d: bool,
    /// The padding around the image: the number of rows above and below it, and the number of columns at its left and at its right.
    pub padding: [[usize; 2]; 2],
    /// The distances between neighbouring rows and between neighbouring columns of the image, after the stride has moved its entries apart. It is more than 1
    /// only for the input gradient of a convolution with a stride. The gaps contain no entries.
    pub spread: [usize; 2],
    /// The distances between neighbouring rows and between neighbouring columns of the filter, measured on the image whose entries are moved apart. 0 for a
    /// pool.
    pub pitch: [usize; 2],
}
