//! Filters and pooling windows that slide over images, computed pixel by pixel from the keys of their layer.

use super::keys::Table;
use super::tensor::Tensor;

/// The size of a filter or window and the positions at which it lies on an image: each number for rows and for columns.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
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

    /// The pixel under the entry `place` of the kernel in a window; `None` if it is padding.
    fn pixel(&self, window: [usize; 2], place: [usize; 2], size: [usize; 2]) -> Option<[usize; 2]> {
        let on = |n: usize| {
            let at = (window[n] * self.stride[n] + place[n] * self.dilation[n]).checked_sub(self.padding[n])?;
            (at < size[n]).then_some(at)
        };
        Some([on(0)?, on(1)?])
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

    /// Cross-correlation of two images, which gives filters of this shape. `by` slides over `over`, channel by channel, in steps of the dilation; the pixels of
    /// `by` lie one stride apart.
    pub fn slide_image(&self, over: &Tensor, by: &Tensor, shape: [usize; 4]) -> Result<Tensor, String> {
        let ([channels, height, width], [count, rows, columns]) = (image(over)?, image(by)?);
        let [filters, depth, ..] = shape;
        if count != filters || [rows, columns] != self.windows([height, width]) {
            return Err(format!("{:?} does not slide over {:?}", by.shape, over.shape));
        }
        let groups = groups(channels, depth, filters)?;
        let mut out = Tensor::zeros(&shape);
        for (f, c) in (0..filters).flat_map(|f| (0..depth).map(move |c| (f, c))) {
            let channel = f / (filters / groups) * depth + c;
            for place in grid(self.kernel) {
                let at = out.offset(&[f, c, place[0], place[1]]);
                for [y, x] in grid([rows, columns]) {
                    if let Some([row, column]) = self.pixel([y, x], place, [height, width]) {
                        out.values[at] += over.get(&[channel, row, column]) * by.get(&[f, y, x]);
                    }
                }
            }
        }
        Ok(out)
    }

    /// The transpose of [`Placement::slide`]: the turned filter slides over an image whose pixels lie one stride apart, as far as the two overlap. A filter
    /// reaches all channels of its group.
    pub fn slide_back(&self, over: &Tensor, turned: &Tensor, shape: [usize; 3]) -> Result<Tensor, String> {
        let ([count, rows, columns], [own, depth, ..]) = (image(over)?, filters(turned)?);
        let [channels, height, width] = shape;
        // images of several sizes have the same windows, because the last rows and columns may be in no window
        if count != own || self.windows([height, width]) != [rows, columns] {
            return Err(format!("{:?} by {:?} does not give {shape:?}", over.shape, turned.shape));
        }
        let groups = groups(channels, depth, count)?;
        let mut out = Tensor::zeros(&shape);
        for (f, c) in (0..count).flat_map(|f| (0..depth).map(move |c| (f, c))) {
            let channel = f / (count / groups) * depth + c;
            for [y, x] in grid([height, width]) {
                let at = out.offset(&[channel, y, x]);
                for place in grid(self.kernel) {
                    let on = |n: usize, to: usize, size: usize| {
                        let reach = self.dilation[n] * (self.kernel[n] - 1);
                        let from = (to + self.padding[n] + place[n] * self.dilation[n]).checked_sub(reach)?;
                        (from % self.stride[n] == 0 && from / self.stride[n] < size).then_some(from / self.stride[n])
                    };
                    if let (Some(row), Some(column)) = (on(0, y, rows), on(1, x, columns)) {
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
