//! Computes filters and pooling windows that slide over images pixel by pixel, from the keys of their layer.

use super::keys::Table;
use super::tensor::Tensor;

/// The size of a filter or window, and its positions on an image. Each pair has a number for rows and a number for columns.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    /// The numbers of rows and columns of the filter or window.
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// The padding before and after each axis.
    pub padding: [[usize; 2]; 2],
    pub dilation: [usize; 2],
    /// `true` if the last window may reach beyond the padding.
    pub rounds_up: bool,
    /// The rows and columns of windows of an adaptive pool.
    pub adaptive: Option<[usize; 2]>,
}

/// Inserts an axis of size 1 for the rows: channels x length becomes channels x 1 x length, and filters x channels x length has one more axis too.
pub fn lifted(tensor: Tensor) -> Tensor {
    let mut shape = tensor.shape.clone();
    shape.insert(shape.len() - 1, 1);
    Tensor { shape, ..tensor }
}

/// Removes the axis that [`lifted`] inserts.
pub fn lowered(tensor: Tensor) -> Tensor {
    let mut shape = tensor.shape.clone();
    shape.remove(shape.len() - 2);
    Tensor { shape, ..tensor }
}

/// Channels, rows and columns.
fn image(tensor: &Tensor) -> Result<[usize; 3], String> {
    <[usize; 3]>::try_from(&tensor.shape[..]).map_err(|_| format!("{:?} is not an image", tensor.shape))
}

/// Filters, the channels of each, rows and columns.
fn filters(tensor: &Tensor) -> Result<[usize; 4], String> {
    <[usize; 4]>::try_from(&tensor.shape[..]).map_err(|_| format!("{:?} are not filters", tensor.shape))
}

/// The number of groups, from the channels of the image and the `depth`: the number of channels that each filter reads.
fn groups(channels: usize, depth: usize, filters: usize) -> Result<usize, String> {
    let groups = channels / depth;
    let fits = channels.is_multiple_of(depth) && filters.checked_rem(groups) == Some(0);
    if fits { Ok(groups) } else { Err(format!("{filters} filters of {depth} channels do not fit {channels}")) }
}

/// All pairs [row, column] in row-major order.
fn grid([rows, columns]: [usize; 2]) -> impl Iterator<Item = [usize; 2]> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| [row, column]))
}

impl Placement {
    /// The placement of a convolution's filters.
    pub fn of_filter(keys: &Table, kernel: [usize; 2], is_1d: bool) -> Self {
        let pair = |key: &str| {
            let pair = keys.pair(key).unwrap_or([1; 2]);
            if is_1d { [1, pair[1]] } else { pair }
        };
        let dilation = pair("dilation");
        let padding = keys.padding([0, 1].map(|n| dilation[n] * (kernel[n] - 1)), is_1d);
        Self {
            kernel,
            stride: pair("stride"),
            padding,
            dilation,
            rounds_up: keys.flag("ceil_mode") == Some(true),
            adaptive: keys.pair("output_size"),
        }
    }

    /// The placement of a pool's windows, which are adjacent by default.
    pub fn of_pool(keys: &Table, is_1d: bool) -> Self {
        // an adaptive pool has no kernel
        let kernel = keys.pair("kernel_size").unwrap_or([1; 2]);
        let kernel = if is_1d { [1, kernel[1]] } else { kernel };
        let own = Self::of_filter(keys, kernel, is_1d);
        if keys.pair("stride").is_some() { own } else { Self { stride: kernel, ..own } }
    }

    /// The number of windows on an image of this size.
    fn windows(&self, size: [usize; 2]) -> [usize; 2] {
        let Self { kernel, stride, padding, dilation, rounds_up, adaptive } = self;
        adaptive.unwrap_or_else(|| {
            [0, 1].map(|n| {
                // the number of pixels by which the window can move
                let room = (size[n] + padding[n][0] + padding[n][1]).saturating_sub(dilation[n] * (kernel[n] - 1) + 1);
                let count = if *rounds_up { room.div_ceil(stride[n]) } else { room / stride[n] } + 1;
                // a window that begins after the image does not count
                if *rounds_up && (count - 1) * stride[n] >= size[n] + padding[n][0] { count - 1 } else { count }
            })
        })
    }

    /// The pixel under the entry `place` (row, column) of the filter, when the filter is at the position `window`; `None` if it is padding.
    fn pixel(&self, window: [usize; 2], place: [usize; 2], size: [usize; 2]) -> Option<[usize; 2]> {
        let coordinate = |axis: usize| {
            let at = (window[axis] * self.stride[axis] + place[axis] * self.dilation[axis]).checked_sub(self.padding[axis][0])?;
            (at < size[axis]).then_some(at)
        };
        Some([coordinate(0)?, coordinate(1)?])
    }

    /// The pixels of a window in row-major order.
    fn pixels(&self, window: [usize; 2], size: [usize; 2]) -> Vec<[usize; 2]> {
        if let Some(windows) = self.adaptive {
            let range = |n: usize| window[n] * size[n] / windows[n]..((window[n] + 1) * size[n]).div_ceil(windows[n]);
            return range(0).flat_map(|row| range(1).map(move |column| [row, column])).collect();
        }
        grid(self.kernel).filter_map(|place| self.pixel(window, place, size)).collect()
    }

    /// The number of pixels of each window that are in the image or its padding.
    pub fn padded_sizes(&self, over: &Tensor) -> Result<Vec<usize>, String> {
        let [channels, height, width] = image(over)?;
        let windows = self.windows([height, width]);
        let size_of = |window: [usize; 2]| {
            let along = |n: usize, size: usize| {
                let end = size + self.padding[n][0] + self.padding[n][1];
                (0..self.kernel[n]).filter(|place| window[n] * self.stride[n] + place < end).count()
            };
            along(0, height) * along(1, width)
        };
        Ok((0..channels).flat_map(|_| grid(windows)).map(size_of).collect())
    }

    /// Cross-correlation: the filter slides over the image, and each position gives the sum of the products. A filter reads the channels of its group.
    pub fn slide(&self, over: &Tensor, filter: &Tensor) -> Result<Tensor, String> {
        let ([channels, height, width], [count, depth, ..]) = (image(over)?, filters(filter)?);
        let (groups, windows) = (groups(channels, depth, count)?, self.windows([height, width]));
        let mut out = Tensor::zeros(&[count, windows[0], windows[1]]);
        for (f, [y, x]) in (0..count).flat_map(|f| grid(windows).map(move |window| (f, window))) {
            let first_channel = f / (count / groups) * depth;
            let mut sum = 0.0;
            for (c, place) in (0..depth).flat_map(|c| grid(self.kernel).map(move |place| (c, place))) {
                if let Some([row, column]) = self.pixel([y, x], place, [height, width]) {
                    sum += over.get(&[first_channel + c, row, column]) * filter.get(&[f, c, place[0], place[1]]);
                }
            }
            let at = out.offset(&[f, y, x]);
            out.values[at] = sum;
        }
        Ok(out)
    }

    /// Cross-correlation of two images, which gives filters of this shape, such as the gradient of a convolution's filters. For each pair of channels, the
    /// image `sliding` slides over the image `over`: each move is one dilation long, and the pixels of `sliding` are one stride apart.
    pub fn slide_image(&self, over: &Tensor, sliding: &Tensor, shape: [usize; 4]) -> Result<Tensor, String> {
        let ([channels, height, width], [count, rows, columns]) = (image(over)?, image(sliding)?);
        let [filters, depth, ..] = shape;
        if count != filters || [rows, columns] != self.windows([height, width]) {
            return Err(format!("{:?} does not slide over {:?}", sliding.shape, over.shape));
        }
        let groups = groups(channels, depth, filters)?;
        let mut out = Tensor::zeros(&shape);
        for (f, c) in (0..filters).flat_map(|f| (0..depth).map(move |c| (f, c))) {
            let channel = f / (filters / groups) * depth + c;
            for place in grid(self.kernel) {
                let at = out.offset(&[f, c, place[0], place[1]]);
                for [y, x] in grid([rows, columns]) {
                    if let Some([row, column]) = self.pixel([y, x], place, [height, width]) {
                        out.values[at] += over.get(&[channel, row, column]) * sliding.get(&[f, y, x]);
                    }
                }
            }
        }
        Ok(out)
    }

    /// The transpose of [`Placement::slide`], which gives an image of this shape: the filters, turned by 180°, slide over the image `over`, whose pixels are
    /// one stride apart. The filter visits all positions at which it overlaps the image. Each filter adds to all channels of its group.
    ///
    /// The shape is an argument because images of different sizes can have the same windows: with stride 2 the last row and column may be in no window.
    pub fn slide_back(&self, over: &Tensor, turned: &Tensor, shape: [usize; 3]) -> Result<Tensor, String> {
        let ([count, rows, columns], [filter_count, depth, ..]) = (image(over)?, filters(turned)?);
        let [channels, height, width] = shape;
        if count != filter_count || self.windows([height, width]) != [rows, columns] {
            return Err(format!("{:?} by {:?} does not give {shape:?}", over.shape, turned.shape));
        }
        let groups = groups(channels, depth, count)?;
        let mut out = Tensor::zeros(&shape);
        for (f, c) in (0..count).flat_map(|f| (0..depth).map(move |c| (f, c))) {
            let channel = f / (count / groups) * depth + c;
            for [y, x] in grid([height, width]) {
                let at = out.offset(&[channel, y, x]);
                for place in grid(self.kernel) {
                    // the row (axis 0) or column (axis 1) of `over` from which the filter's `place` adds to the row or column `to` of the result
                    let source = |axis: usize, to: usize, size: usize| {
                        let reach = self.dilation[axis] * (self.kernel[axis] - 1);
                        let from = (to + self.padding[axis][0] + place[axis] * self.dilation[axis]).checked_sub(reach)?;
                        (from % self.stride[axis] == 0 && from / self.stride[axis] < size).then_some(from / self.stride[axis])
                    };
                    if let (Some(row), Some(column)) = (source(0, y, rows), source(1, x, columns)) {
                        out.values[at] += over.get(&[f, row, column]) * turned.get(&[f, c, place[0], place[1]]);
                    }
                }
            }
        }
        Ok(out)
    }

    /// Returns the windows of every channel, each as the offsets of its pixels in the image, and the shape of a tensor with one number for each window.
    pub fn each_window(&self, over: &Tensor) -> Result<(Vec<Vec<usize>>, Vec<usize>), String> {
        let [channels, height, width] = image(over)?;
        let windows = self.windows([height, width]);
        let pixels = |channel: usize, window: [usize; 2]| {
            self.pixels(window, [height, width]).into_iter().map(|[row, column]| over.offset(&[channel, row, column])).collect()
        };
        let all = (0..channels).flat_map(|channel| grid(windows).map(move |window| (channel, window)));
        Ok((all.map(|(channel, window)| pixels(channel, window)).collect(), vec![channels, windows[0], windows[1]]))
    }
}

/// Every filter turned by 180°.
pub fn rot180(tensor: &Tensor) -> Result<Tensor, String> {
    let [count, depth, rows, columns] = filters(tensor)?;
    let mut out = Tensor::zeros(&tensor.shape);
    for (f, c) in (0..count).flat_map(|f| (0..depth).map(move |c| (f, c))) {
        for [y, x] in grid([rows, columns]) {
            let at = out.offset(&[f, c, y, x]);
            out.values[at] = tensor.get(&[f, c, rows - 1 - y, columns - 1 - x]);
        }
    }
    Ok(out)
}

/// The image enlarged by the factors: each pixel repeated, or the interpolation between the centres of the pixels.
pub fn enlarged(tensor: &Tensor, factors: [usize; 2], is_bilinear: bool) -> Result<Tensor, String> {
    let [channels, height, width] = image(tensor)?;
    let size = [height, width];
    let mut out = Tensor::zeros(&[channels, height * factors[0], width * factors[1]]);
    // the pixels along an axis that a pixel of the result reads, each with its factor
    let reads = |axis: usize, at: usize| {
        let scale = factors[axis];
        if !is_bilinear {
            return vec![(at / scale, 1.0)];
        }
        // the centre of the pixel `at`, in pixels of the image: (at + ½) / scale − ½
        #[allow(clippy::cast_precision_loss)] // sizes of small tensors
        let centre = ((2 * at + 1) as f64 / (2 * scale) as f64 - 0.5).max(0.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // sizes of small tensors
        let first = centre.floor() as usize;
        let share = centre - centre.floor();
        vec![(first, 1.0 - share), ((first + 1).min(size[axis] - 1), share)]
    };
    for channel in 0..channels {
        for [y, x] in grid([height * factors[0], width * factors[1]]) {
            let at = out.offset(&[channel, y, x]);
            for (row, down) in reads(0, y) {
                for (column, across) in reads(1, x) {
                    out.values[at] += down * across * tensor.get(&[channel, row, column]);
                }
            }
        }
    }
    Ok(out)
}
