//! Filters and pooling windows that slide over images, computed pixel by pixel from the keys of their layer.

use super::keys::Table;
use super::tensor::Tensor;

/// The size of a filter or window, and its positions on an image. Each pair has a number for rows and a number for columns.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    /// The numbers of rows and columns of the filter or window.
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
}

/// Channels, rows and columns.
fn image(of: &Tensor) -> Result<[usize; 3], String> {
    <[usize; 3]>::try_from(&of.shape[..]).map_err(|_| format!("{:?} is no image", of.shape))
}

/// Filters, the channels of each, rows and columns.
fn filters(of: &Tensor) -> Result<[usize; 4], String> {
    <[usize; 4]>::try_from(&of.shape[..]).map_err(|_| format!("{:?} are no filters", of.shape))
}

/// The number of groups, from the channels and the `depth` of a filter.
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
    pub fn of_filter(keys: &Table, kernel: [usize; 2]) -> Self {
        let pair = |key: &str, default: usize| keys.pair(key).unwrap_or([default; 2]);
        Self { kernel, stride: pair("stride", 1), padding: pair("padding", 0), dilation: pair("dilation", 1) }
    }

    /// The placement of a pool's windows, which are adjacent by default.
    pub fn of_pool(keys: &Table) -> Self {
        let kernel = keys.pair("kernel_size").expect("a pool's window");
        Self { stride: keys.pair("stride").unwrap_or(kernel), ..Self::of_filter(keys, kernel) }
    }

    /// The number of windows on an image of this size.
    fn windows(&self, size: [usize; 2]) -> [usize; 2] {
        let Self { kernel, stride, padding, dilation } = self;
        [0, 1].map(|n| (size[n] + 2 * padding[n]).saturating_sub(dilation[n] * (kernel[n] - 1) + 1) / stride[n] + 1)
    }

    /// The pixel under the filter's row and column `place`, when the filter is at the position `window`; `None` if it is padding.
    fn pixel(&self, window: [usize; 2], place: [usize; 2], size: [usize; 2]) -> Option<[usize; 2]> {
        let coordinate = |axis: usize| {
            let at = (window[axis] * self.stride[axis] + place[axis] * self.dilation[axis]).checked_sub(self.padding[axis])?;
            (at < size[axis]).then_some(at)
        };
        Some([coordinate(0)?, coordinate(1)?])
    }

    /// The pixels of a window in row-major order.
    fn pixels(&self, window: [usize; 2], size: [usize; 2]) -> Vec<[usize; 2]> {
        grid(self.kernel).filter_map(|place| self.pixel(window, place, size)).collect()
    }

    /// Cross-correlation: the filter slides over the image, and each position gives the sum of the products. A filter reads the channels of its group.
    pub fn slide(&self, over: &Tensor, filter: &Tensor) -> Result<Tensor, String> {
        let ([channels, height, width], [count, depth, ..]) = (image(over)?, filters(filter)?);
        let (groups, windows) = (groups(channels, depth, count)?, self.windows([height, width]));
        let mut out = Tensor::zeros(&[count, windows[0], windows[1]]);
        for (f, [y, x]) in (0..count).flat_map(|f| grid(windows).map(move |window| (f, window))) {
            let first = f / (count / groups) * depth;
            let mut sum = 0.0;
            for (c, place) in (0..depth).flat_map(|c| grid(self.kernel).map(move |place| (c, place))) {
                if let Some([row, column]) = self.pixel([y, x], place, [height, width]) {
                    sum += over.get(&[first + c, row, column]) * filter.get(&[f, c, place[0], place[1]]);
                }
            }
            let at = out.offset(&[f, y, x]);
            out.values[at] = sum;
        }
        Ok(out)
    }

    /// Cross-correlation of two images, which gives filters of this shape, such as the gradient of a convolution's filters. The image `sliding` slides over
    /// the image `over`, channel by channel. It moves by the dilation, and its pixels are one stride apart.
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
    /// one stride apart. A filter and the image need only overlap. Each filter adds to all channels of its group.
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
                        let from = (to + self.padding[axis] + place[axis] * self.dilation[axis]).checked_sub(reach)?;
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
pub fn rot180(of: &Tensor) -> Result<Tensor, String> {
    let [count, depth, rows, columns] = filters(of)?;
    let mut out = Tensor::zeros(&of.shape);
    for (f, c) in (0..count).flat_map(|f| (0..depth).map(move |c| (f, c))) {
        for [y, x] in grid([rows, columns]) {
            let at = out.offset(&[f, c, y, x]);
            out.values[at] = of.get(&[f, c, rows - 1 - y, columns - 1 - x]);
        }
    }
    Ok(out)
}
