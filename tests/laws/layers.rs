//! Random networks of layers, as scenario files.

use std::fmt::Write as _;

use crate::tape::{Flavour, Tape};

/// A layer's generator: writes a layer that reads this shape and returns its output's shape, or `None` if the layer refuses the shape.
type Make = fn(&mut Writer<'_>, &[usize]) -> Option<Vec<usize>>;

/// One row for each kind of layer.
pub const LAYERS: &[(&str, Make)] = &[
    ("linear", linear),
    ("conv2d", conv2d),
    ("max_pool2d", max_pool2d),
    ("flatten", flatten),
    ("activation", activation),
    ("add", add),
    ("avg_pool2d", avg_pool2d),
    ("conv_transpose2d", conv_transpose2d),
    ("dropout", dropout),
    ("global_avg_pool2d", global_avg_pool2d),
    ("layer_norm", layer_norm),
    ("group_norm", group_norm),
    ("instance_norm2d", instance_norm2d),
];

pub const ACTIVATIONS: &[&str] = &[
    "identity",
    "relu",
    "sigmoid",
    "tanh",
    "softmax",
    "leaky_relu",
    "elu",
    "softplus",
    "silu",
    "gelu",
    "hardtanh",
    "relu6",
    "mish",
    "hardswish",
    "log_softmax",
];

/// The losses, each with the activations that it accepts before it. An empty list means any activation.
pub const LOSSES: &[(&str, &[&str])] = &[
    ("squared_error", &[]),
    ("upstream", &[]),
    ("cross_entropy_with_logits", &[]),
    ("binary_cross_entropy_with_logits", &[]),
    ("l1", &[]),
    ("huber", &[]),
    ("smooth_l1", &[]),
    ("cross_entropy", &["softmax", "sigmoid"]),
    ("binary_cross_entropy", &["sigmoid"]),
];

/// A scenario file that is being written.
pub struct Writer<'a> {
    text: String,
    tape: &'a mut Tape,
    flavour: Flavour,
    /// The activation that computes the output so far.
    last: Option<&'static str>,
    /// The names and shapes that a layer can read.
    known: Vec<(String, Vec<usize>)>,
}

/// A scenario with layers.
pub fn network(tape: &mut Tape, flavour: Flavour) -> String {
    let mut shape = match tape.pick(4) {
        0 => vec![1 + tape.pick(5)],
        1 => vec![1 + tape.pick(6), 1 + tape.pick(6)],
        _ => vec![1 + tape.pick(4), 1 + tape.pick(6), 1 + tape.pick(6)],
    };
    let input = shape.clone();
    let known = vec![("input".to_owned(), shape.clone())];
    let mut writer = Writer { text: String::new(), tape, flavour, last: None, known };
    let count = 1 + writer.tape.pick(4);
    for number in 0..count {
        let image = shape.len() > 1;
        // every kind, and the usual kinds more often
        let make = match writer.tape.pick(LAYERS.len() + 4).checked_sub(LAYERS.len()) {
            Some(0 | 1) if image => conv2d,
            Some(_) if image => max_pool2d,
            Some(_) => linear,
            None => writer.tape.of(LAYERS).1,
        };
        if let Some(next) = make(&mut writer, &shape) {
            shape = next;
            writer.known.last_mut().expect("a layer").1.clone_from(&shape);
        } else if number + 1 == count {
            shape = activation(&mut writer, &shape).expect("accepts every shape");
        }
    }
    if writer.text.is_empty() {
        shape = flatten(&mut writer, &shape).expect("accepts every shape");
    }
    if shape.len() == 1 && writer.tape.pick(2) == 1 {
        shape = linear(&mut writer, &shape).expect("reads a vector");
    }
    let loss = writer.loss(&shape);
    let layers = writer.text;
    let mut head = String::from("title = \"random\"\n");
    let input = tensor(tape, flavour, &input);
    writeln!(head, "input = {input}\n{loss}").expect("a string");
    head + &layers
}

/// A tensor of this shape, inline.
fn tensor(tape: &mut Tape, flavour: Flavour, shape: &[usize]) -> String {
    let Some((&n, inner)) = shape.split_first() else { return format!("{:?}", tape.number(flavour)) };
    let entries: Vec<String> = (0..n).map(|_| tensor(tape, flavour, inner)).collect();
    format!("[{}]", entries.join(", "))
}

fn divisors(n: usize) -> Vec<usize> {
    (1..=n).filter(|d| n.is_multiple_of(*d)).collect()
}

impl Writer<'_> {
    fn line(&mut self, key: &str, value: &str) {
        writeln!(self.text, "{key} = {value}").expect("a string");
    }

    fn begin(&mut self, kind: &str) {
        let name = format!("l{}", self.known.len());
        write!(self.text, "\n[[layer]]\ntype = \"{kind}\"\nname = \"{name}\"\n").expect("a string");
        self.known.push((name, Vec::new()));
    }

    fn tensor(&mut self, key: &str, shape: &[usize]) {
        let text = tensor(self.tape, self.flavour, shape);
        self.line(key, &text);
    }

    /// Writes a pair, as one number if both are equal.
    fn pair(&mut self, key: &str, [a, b]: [usize; 2]) {
        let text = if a == b { a.to_string() } else { format!("[{a}, {b}]") };
        self.line(key, &text);
    }

    /// Returns two sizes in `from..from + choices`, which are equal half of the time.
    fn two(&mut self, from: usize, choices: usize) -> [usize; 2] {
        let a = from + self.tape.pick(choices);
        if self.tape.pick(2) == 0 { [a, a] } else { [a, from + self.tape.pick(choices)] }
    }

    /// Writes the activation of a layer, or none.
    fn activate(&mut self) {
        self.last = Some("identity");
        if self.tape.pick(6) != 0 {
            self.function("activation");
        }
    }

    /// Writes an activation under this key, with its own keys.
    fn function(&mut self, key: &str) {
        let name = self.tape.of(ACTIVATIONS);
        self.line(key, &format!("\"{name}\""));
        let own = match name {
            "leaky_relu" => "negative_slope",
            "elu" => "alpha",
            "hardtanh" => {
                if self.tape.pick(2) == 1 {
                    let [min, max] = self.tape.of(&[["-0.5", "0.75"], ["0", "3"], ["-2", "-0.25"]]);
                    self.line("min_val", min);
                    self.line("max_val", max);
                }
                ""
            }
            _ => "",
        };
        if !own.is_empty() && self.tape.pick(2) == 1 {
            let value = self.tape.of(&["0.3", "-0.5", "0", "2"]);
            self.line(own, value);
        }
        self.last = Some(name);
    }

    /// The lines of the loss and the target.
    fn loss(&mut self, output: &[usize]) -> String {
        let outputs: usize = output.iter().product();
        let is_accepted_by = |after: &[&str]| self.last.is_some_and(|last| after.contains(&last));
        let own: Vec<&str> = LOSSES.iter().filter(|(_, after)| is_accepted_by(after)).map(|(name, _)| *name).collect();
        let any: Vec<&str> = LOSSES.iter().filter(|(_, after)| after.is_empty()).map(|(name, _)| *name).collect();
        let choices = if !own.is_empty() && self.tape.pick(2) == 1 { own } else { any };
        let name = self.tape.of(&choices);
        let shaped = tensor(self.tape, self.flavour, output);
        let target = if self.tape.pick(2) == 0 { shaped.clone() } else { format!("[{}]", shaped.replace(['[', ']'], "")) };
        match name {
            "squared_error" => {
                let reduction = self.tape.of(&["", ", reduction = \"sum\"", ", reduction = \"mean\"", ", reduction = \"half_sum\""]);
                format!("target = {target}\nloss = {{ type = \"squared_error\"{reduction} }}")
            }
            "l1" | "huber" | "smooth_l1" => {
                let key = match name {
                    "huber" => self.tape.of(&["", ", delta = 0.5", ", delta = 2"]),
                    "smooth_l1" => self.tape.of(&["", ", beta = 0.5", ", beta = 2"]),
                    _ => "",
                };
                let reduction = self.tape.of(&["", ", reduction = \"sum\"", ", reduction = \"mean\""]);
                format!("target = {target}\nloss = {{ type = \"{name}\"{reduction}{key} }}")
            }
            "upstream" if self.tape.pick(2) == 1 => format!("loss = {{ type = \"upstream\", gradient = {shaped} }}"),
            "binary_cross_entropy" | "binary_cross_entropy_with_logits" if self.tape.pick(3) > 0 => {
                let reduction = self.tape.of(&["sum", "mean"]);
                format!("target = {target}\nloss = {{ type = \"{name}\", reduction = \"{reduction}\" }}")
            }
            "cross_entropy" | "cross_entropy_with_logits" if self.tape.pick(3) < 2 && outputs > 1 => {
                format!("target = {}\nloss = {{ type = \"{name}\", batch_reduction = \"sum\" }}", self.tape.pick(outputs))
            }
            _ => format!("target = {target}\nloss = \"{name}\""),
        }
    }
}

fn linear(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let &[inputs] = shape else { return None };
    let most = if writer.tape.rarely(4) { 20 } else { 4 };
    let outputs = 1 + writer.tape.pick(most);
    writer.begin("linear");
    writer.tensor("weight", &[outputs, inputs]);
    if writer.tape.pick(3) > 0 {
        writer.tensor("bias", &[outputs]);
    }
    writer.activate();
    Some(vec![outputs])
}

fn image(shape: &[usize]) -> Option<[usize; 3]> {
    match *shape {
        [h, w] => Some([1, h, w]),
        [c, h, w] => Some([c, h, w]),
        _ => None,
    }
}

fn conv2d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let [channels, height, width] = image(shape)?;
    let sizes = [height, width];
    let (mut kernel, stride, padding, mut dilation) = (writer.two(1, 3), writer.two(1, 3), writer.two(0, 3), writer.two(1, 2));
    for i in 0..2 {
        let padded = sizes[i] + 2 * padding[i];
        kernel[i] = kernel[i].min(padded);
        if (kernel[i] - 1) * dilation[i] + 1 > padded {
            dilation[i] = 1;
        }
    }
    let groups = writer.tape.of(&divisors(channels));
    let outputs = groups * (1 + writer.tape.pick(2)) + if groups == 1 { writer.tape.pick(4) } else { 0 };
    writer.begin("conv2d");
    writer.tensor("weight", &[outputs, channels / groups, kernel[0], kernel[1]]);
    writer.pair("stride", stride);
    writer.pair("padding", padding);
    writer.pair("dilation", dilation);
    writer.line("groups", &groups.to_string());
    if writer.tape.pick(3) > 0 {
        writer.tensor("bias", &[outputs]);
    }
    writer.activate();
    let out = |i: usize| (sizes[i] + 2 * padding[i] - (kernel[i] - 1) * dilation[i] - 1) / stride[i] + 1;
    Some(vec![outputs, out(0), out(1)])
}

/// Writes a pool, and returns the shape of its output.
fn pool(writer: &mut Writer<'_>, kind: &str, shape: &[usize], dilates: bool) -> Option<Vec<usize>> {
    let [channels, height, width] = image(shape)?;
    let sizes = [height, width];
    let (mut kernel, stride, mut padding) = (writer.two(1, 3), writer.two(1, 3), writer.two(0, 2));
    let mut dilation = if dilates { writer.two(1, 2) } else { [1, 1] };
    let out = |i: usize, kernel: [usize; 2], padding: [usize; 2], dilation: [usize; 2]| {
        (sizes[i] + 2 * padding[i]).checked_sub((kernel[i] - 1) * dilation[i] + 1).map(|rest| rest / stride[i] + 1)
    };
    for i in 0..2 {
        kernel[i] = kernel[i].min(sizes[i]);
        padding[i] = padding[i].min(kernel[i] / 2);
        let covers_a_pixel = |o: usize| {
            (0..kernel[i]).any(|k| (o * stride[i] + k * dilation[i]).checked_sub(padding[i]).is_some_and(|place| place < sizes[i]))
        };
        if !out(i, kernel, padding, dilation).is_some_and(|n| (0..n).all(covers_a_pixel)) {
            dilation[i] = 1;
        }
    }
    writer.begin(kind);
    writer.pair("kernel_size", kernel);
    writer.pair("stride", stride);
    writer.pair("padding", padding);
    if dilates {
        writer.pair("dilation", dilation);
    }
    writer.last = None;
    Some(vec![channels, out(0, kernel, padding, dilation)?, out(1, kernel, padding, dilation)?])
}

fn max_pool2d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    pool(writer, "max_pool2d", shape, true)
}

fn avg_pool2d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let shape = pool(writer, "avg_pool2d", shape, false)?;
    if writer.tape.pick(2) == 1 {
        let include = writer.tape.of(&["false", "true"]);
        writer.line("count_include_pad", include);
    }
    Some(shape)
}

fn global_avg_pool2d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let [channels, ..] = image(shape)?;
    writer.begin("global_avg_pool2d");
    writer.last = None;
    Some(vec![channels, 1, 1])
}

/// Adds the output so far and earlier tensors of the same shape. Some of the earlier tensors pass through an activation first.
fn add(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let without_ones = |shape: &[usize]| shape.iter().copied().skip_while(|n| *n == 1).collect::<Vec<_>>();
    let of_same_shape: Vec<(String, Vec<usize>)> =
        writer.known.iter().filter(|(_, other)| without_ones(other) == without_ones(shape)).cloned().collect();
    let mut summands = vec![writer.known.last()?.0.clone()];
    let mut rank = shape.len();
    for _ in 0..=writer.tape.pick(2) {
        let (name, other) = of_same_shape[writer.tape.pick(of_same_shape.len())].clone();
        rank = rank.max(other.len());
        if writer.tape.pick(2) == 0 {
            summands.push(name);
            continue;
        }
        activation(writer, &other)?;
        writer.line("from", &format!("\"{name}\""));
        let (branch, branch_shape) = writer.known.last_mut()?;
        *branch_shape = other;
        summands.push(branch.clone());
    }
    let order = writer.tape.pick(summands.len());
    summands.rotate_left(order);
    writer.begin("add");
    writer.line("from", &format!("{summands:?}"));
    writer.last = None;
    let missing = rank - shape.len();
    Some([vec![1; missing], shape.to_vec()].concat())
}

fn conv_transpose2d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let [channels, height, width] = image(shape)?;
    let sizes = [height, width];
    if height * width > 64 {
        return None;
    }
    let (kernel, stride, mut padding, dilation) = (writer.two(1, 3), writer.two(1, 3), writer.two(0, 2), writer.two(1, 2));
    let mut output_padding = writer.two(0, 3);
    // the size of the output before `padding` is cut off at both ends
    let uncut = |i: usize, output_padding: [usize; 2]| (sizes[i] - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1 + output_padding[i];
    for i in 0..2 {
        output_padding[i] = output_padding[i].min(stride[i].max(dilation[i]) - 1);
        padding[i] = padding[i].min((uncut(i, output_padding) - 1) / 2);
    }
    let groups = writer.tape.of(&divisors(channels));
    let outputs = groups * (1 + writer.tape.pick(2));
    writer.begin("conv_transpose2d");
    writer.tensor("weight", &[channels, outputs / groups, kernel[0], kernel[1]]);
    writer.pair("stride", stride);
    writer.pair("padding", padding);
    writer.pair("output_padding", output_padding);
    writer.pair("dilation", dilation);
    writer.line("groups", &groups.to_string());
    if writer.tape.pick(3) > 0 {
        writer.tensor("bias", &[outputs]);
    }
    writer.activate();
    Some(vec![outputs, uncut(0, output_padding) - 2 * padding[0], uncut(1, output_padding) - 2 * padding[1]])
}

#[allow(clippy::unnecessary_wraps)] // the type of the rows of LAYERS
fn dropout(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    writer.begin("dropout");
    let mask = tensor(writer.tape, Flavour::Mask, shape);
    writer.line("mask", &mask);
    let p = writer.tape.of(&["", "0.25", "0", "0.9"]);
    if !p.is_empty() {
        writer.line("p", p);
    }
    writer.last = None;
    Some(shape.to_vec())
}

#[allow(clippy::unnecessary_wraps)] // the type of the rows of LAYERS
fn layer_norm(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    writer.begin("layer_norm");
    for key in ["weight", "bias"] {
        if writer.tape.pick(3) > 0 {
            writer.tensor(key, shape);
        }
    }
    if writer.tape.rarely(3) {
        writer.line("eps", "0.1");
    }
    writer.last = None;
    Some(shape.to_vec())
}

/// Writes the keys of a norm with a weight and a bias for each channel.
fn channel_norm(writer: &mut Writer<'_>, channels: usize) {
    for key in ["weight", "bias"] {
        if writer.tape.pick(3) > 0 {
            writer.tensor(key, &[channels]);
        }
    }
    if writer.tape.rarely(3) {
        writer.line("eps", "0.1");
    }
    writer.last = None;
}

fn group_norm(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let mut groups = divisors(shape[0]);
    groups.retain(|groups| groups * 2 <= shape.iter().product());
    if groups.is_empty() {
        return None;
    }
    let groups = writer.tape.of(&groups);
    writer.begin("group_norm");
    writer.line("num_groups", &groups.to_string());
    channel_norm(writer, shape[0]);
    Some(shape.to_vec())
}

fn instance_norm2d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let [channels, height, width] = image(shape)?;
    if height * width == 1 {
        return None;
    }
    writer.begin("instance_norm2d");
    channel_norm(writer, channels);
    Some(vec![channels, height, width])
}

#[allow(clippy::unnecessary_wraps)] // the type of the rows of LAYERS
fn flatten(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    writer.begin("flatten");
    if shape.len() == 3 && writer.tape.pick(3) == 0 {
        writer.line("order", "\"hwc\"");
    }
    writer.last = None;
    Some(vec![shape.iter().product()])
}

#[allow(clippy::unnecessary_wraps)] // the type of the rows of LAYERS
fn activation(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    writer.begin("activation");
    writer.function("function");
    Some(shape.to_vec())
}
