//! Writes random one-dimensional layers. They slide a window along the length of an input of shape channels x length.

use super::writer::{Writer, divisors};

/// The sizes of a window along an axis.
struct Sizes {
    kernel: usize,
    stride: usize,
    padding: [usize; 2],
    dilation: usize,
    rounds_up: bool,
}

impl Sizes {
    /// Chooses sizes for an input of this length. The padding is at most half of the kernel, so that each window covers an entry of the input; with
    /// padding, there is no dilation, which could move all entries of a window onto the padding.
    fn choose(writer: &mut Writer<'_>, length: usize, rounds_up: bool) -> Self {
        let kernel = 1 + writer.choices.pick(3.min(length));
        let [before, after] = writer.two(0, kernel / 2 + 1);
        let dilation = if (kernel - 1) * 2 < length && before + after == 0 { 1 + writer.choices.pick(2) } else { 1 };
        Self { kernel, stride: 1 + writer.choices.pick(3), padding: [before, after], dilation, rounds_up }
    }

    /// The number of outputs for an input of this length.
    fn outputs(&self, length: usize) -> usize {
        let rest = length + self.padding[0] + self.padding[1] - (self.kernel - 1) * self.dilation - 1;
        if !self.rounds_up {
            return rest / self.stride + 1;
        }
        // the last window may reach beyond the padding, but it must begin before the padding at the end
        let count = rest.div_ceil(self.stride) + 1;
        if (count - 1) * self.stride >= length + self.padding[0] { count - 1 } else { count }
    }

    fn write(&self, writer: &mut Writer<'_>, dilates: bool) {
        let [before, after] = self.padding;
        writer.line("stride", &self.stride.to_string());
        writer.line("padding", &if before == after { before.to_string() } else { format!("[{before}, {after}]") });
        if dilates {
            writer.line("dilation", &self.dilation.to_string());
        }
        if self.rounds_up {
            writer.line("ceil_mode", "true");
        }
    }
}

/// The channels and the length of an input. A vector is one channel. If it is the input of the network, its shape in `known` gets this channel, for all layers
/// that read it.
fn sequence(writer: &mut Writer<'_>, shape: &[usize]) -> Option<[usize; 2]> {
    match *shape {
        [length] => {
            if writer.text.is_empty() {
                writer.known[0].1 = vec![1, length];
            }
            Some([1, length])
        }
        [channels, length] => Some([channels, length]),
        _ => None,
    }
}

pub fn conv1d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let [channels, length] = sequence(writer, shape)?;
    let sizes = Sizes::choose(writer, length, false);
    let groups = writer.choices.choose(&divisors(channels));
    let outputs = groups * (1 + writer.choices.pick(3));
    writer.begin("conv1d");
    writer.tensor("weight", &[outputs, channels / groups, sizes.kernel]);
    sizes.write(writer, true);
    writer.line("groups", &groups.to_string());
    if writer.choices.pick(3) > 0 {
        writer.tensor("bias", &[outputs]);
    }
    writer.activate();
    Some(vec![outputs, sizes.outputs(length)])
}

/// Writes a pool, and returns the shape of its output.
fn pool(writer: &mut Writer<'_>, kind: &str, shape: &[usize], dilates: bool) -> Option<Vec<usize>> {
    let [channels, length] = sequence(writer, shape)?;
    let rounds_up = writer.choices.pick(2) == 1;
    let mut sizes = Sizes::choose(writer, length, rounds_up);
    if !dilates || rounds_up {
        sizes.dilation = 1;
    }
    writer.begin(kind);
    writer.line("kernel_size", &sizes.kernel.to_string());
    sizes.write(writer, dilates);
    writer.last_activation = None;
    Some(vec![channels, sizes.outputs(length)])
}

pub fn max_pool1d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    pool(writer, "max_pool1d", shape, true)
}

pub fn avg_pool1d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let shape = pool(writer, "avg_pool1d", shape, false)?;
    if writer.choices.pick(2) == 1 {
        let include = writer.choices.choose(&["false", "true"]);
        writer.line("count_include_pad", include);
    }
    Some(shape)
}
