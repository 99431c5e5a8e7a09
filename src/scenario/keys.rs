//! Reads the keys of a layer or a loss from a TOML table. The layer asks for its keys through the trait [`Args`], for example for a tensor `weight`, and knows
//! nothing of TOML. [`TableArgs`] implements the trait.

use std::sync::Arc;

use compact_str::CompactString;
use toml::Spanned;
use toml::de::DeValue;

use super::axes::{self, AxisOrder, WEIGHT_LAYOUT};
use super::axis_keys;
use super::excerpt::quoted;
use super::layouts;
use super::padding;
use super::reader::{ScenarioReader, Span, TomlTable, TomlValue};
use super::tensor::{TensorSource, read_tensor, with_rank};
use crate::op::activation::{self, ACTIVATIONS, Activation};
use crate::op::layer::{Args, Fan, Reported};
use crate::op::loss::BATCH_REDUCTION;
use crate::op::padding::Padding;
use crate::op::rule::Function;
use crate::tensor::{Tensor, from_flat, len, shape_words};
use crate::text::{are, counted};
use crate::words::{self, Vocabulary, suggest};

/// The keys whose values are tensors.
pub(super) const TENSORS: &[&str] = &["weight", "bias", "mask", "running_mean", "running_var"];

/// The keys of one layer or of the loss. At most one fault is reported for each key, even if a layer reads the key several times.
pub(super) struct TableArgs<'a, 't, 'i> {
    pub reader: &'a mut ScenarioReader,
    /// The table; `None` for a loss that is only a name.
    pub table: Option<&'t TomlTable<'i>>,
    /// The position of the layer or loss, for faults about missing keys.
    pub at: Span,
    /// The name of the layer or loss in messages.
    pub owner: &'a str,
    /// The shapes of the layer's inputs.
    pub inputs: &'a [&'a [usize]],
    /// Returns the help text for a tensor of the wrong shape. It says on what the shape depends.
    pub shape_help: &'a dyn Fn() -> String,
    /// `true` if the sizes of the inputs and of the layer are known. If they are not, the layer is built with assumed sizes, to check its keys. Then a mismatch
    /// of sizes is not reported, because it may be a consequence of another fault.
    pub has_sizes: bool,
    /// `true` if the layer reads the network's input and nothing else.
    pub reads_input: bool,
    /// `true` if a fault makes the size of the output uncertain.
    pub is_output_uncertain: bool,
    /// The keys whose further faults are not reported. They have a fault already, or their fault may be a consequence of another one.
    suppressed: Vec<CompactString>,
    /// The keys that were read before, among the keys of tensors and the key of the activation.
    seen: Vec<CompactString>,
    /// The tensors that were read, by their key. Their numbers are not made yet.
    tensors: Vec<(CompactString, Result<TensorSource<'t, 'i>, Reported>)>,
    /// The activation that the layer has read; `None` if it has none. An error if the activation is unknown.
    pub activation: Result<Option<&'static Activation>, Reported>,
}

impl<'a, 't, 'i> TableArgs<'a, 't, 'i> {
    pub fn new(
        reader: &'a mut ScenarioReader,
        table: Option<&'t TomlTable<'i>>,
        at: Span,
        owner: &'a str,
        inputs: &'a [&'a [usize]],
        shape_help: &'a dyn Fn() -> String,
    ) -> Self {
        let (suppressed, seen, tensors) = Default::default();
        Self {
            reader,
            table,
            at,
            owner,
            inputs,
            shape_help,
            has_sizes: true,
            reads_input: false,
            is_output_uncertain: false,
            suppressed,
            seen,
            tensors,
            activation: Ok(None),
        }
    }

    fn value(&self, key: &str) -> Option<&'t TomlValue<'i>> {
        self.table?.get(key)
    }

    fn is_suppressed(&self, key: &str) -> bool {
        self.suppressed.iter().any(|suppressed| suppressed == key)
    }

    /// Returns the value of a key. Returns `None` if the key is missing, or if its faults are suppressed.
    fn unsuppressed_value(&self, key: &str) -> Option<&'t TomlValue<'i>> {
        self.value(key).filter(|_| !self.is_suppressed(key))
    }

    /// Returns the position of a key's value, or the position of the layer or loss if the key is missing.
    fn span_of(&self, key: &str) -> Span {
        self.value(key).map_or(self.at.clone(), Spanned::span)
    }

    /// Returns the name of a key in messages: `weight of fc1`.
    fn label(&self, key: &str) -> String {
        format!("{key} of {}", self.owner)
    }

    /// Converts the result of reading a key to an option. After a fault, further faults of the key are suppressed. With `determines_size`, the layer's sizes
    /// depend on the key, so after a fault they are unknown.
    fn checked<T>(&mut self, key: &str, determines_size: bool, read: Result<T, Reported>) -> Option<T> {
        if read.is_err() {
            self.suppress(key);
            self.has_sizes &= !determines_size;
        }
        read.ok()
    }

    /// Suppresses further faults of a key, because they may be consequences of a fault that was reported.
    pub fn suppress(&mut self, key: &str) {
        self.suppressed.push(key.into());
    }

    /// Returns whether a key is read for the first time, and marks it as read.
    fn mark_seen(&mut self, key: &str) -> bool {
        let is_first = !self.seen.iter().any(|seen| seen == key);
        if is_first {
            self.seen.push(key.into());
        }
        is_first
    }

    /// Reads the tensor under a key if it exists and was not read before.
    fn read_once(&mut self, key: &str) {
        if let Some(value) = self.value(key)
            && self.mark_seen(key)
        {
            let read = read_tensor(self.reader, &self.label(key), value);
            let read = match self.weight_order(key) {
                Ok(None) => read,
                Ok(Some(order)) => read.map(|source| {
                    let shape = source.shape().map(<[usize]>::to_vec);
                    let source = self.grouped_from_depthwise(source, order);
                    let is_depthwise = source.shape() != shape.as_deref();
                    let words = if is_depthwise { order.depthwise_words() } else { order.words };
                    self.reader.reordered.push((format!("{}.{key}", self.owner), words));
                    source.with_axes(order.axes)
                }),
                Err(reported) => Err(reported),
            };
            self.tensors.push((key.into(), read));
        }
    }

    /// Converts the weight of a depthwise convolution from Keras' shape height x width x in x multiplier to height x width x 1 x out. The numbers keep their
    /// order: out = in · multiplier, and the outputs of an input channel are neighbours. Other weights are returned unchanged.
    fn grouped_from_depthwise(&self, source: TensorSource<'t, 'i>, order: AxisOrder) -> TensorSource<'t, 'i> {
        let groups = self.value("groups").and_then(|value| value.get_ref().as_integer()?.as_str().parse::<usize>().ok());
        let channels = self.inputs.first().and_then(|input| input.first()).filter(|_| self.has_sizes && self.kind() != "conv_transpose2d");
        match (groups, channels, source.shape()) {
            (Some(groups), Some(&channels), Some(&[ref window @ .., inputs, multiplier]))
                if groups == channels && inputs == channels && channels > 1 && window.len() + 2 == order.axes.len() =>
            {
                let shape = [window, &[1, inputs * multiplier]].concat();
                source.with_shape(shape)
            }
            _ => source,
        }
    }

    /// Returns the type of the layer; empty for a loss.
    fn kind(&self) -> &'t str {
        self.value("type").and_then(|value| value.get_ref().as_str()).unwrap_or_default()
    }

    /// Returns the order in which the file writes the axes of the tensor under a key, if it is the weight of a layer and not in PyTorch's order.
    fn weight_order(&mut self, key: &str) -> Result<Option<AxisOrder>, Reported> {
        let (Some(table), Some(orders)) = (self.table, axes::weight_orders(self.kind()).filter(|_| key == "weight")) else {
            return Ok(None);
        };
        let layout = axis_keys::word(self.reader, table, WEIGHT_LAYOUT, &orders.map(|order| order.name))?;
        Ok(self.reader.layout.weight(self.kind(), layout))
    }

    /// Returns the tensor in PyTorch's order of axes. It changes only if it is an image and the file writes images in another order.
    fn in_image_layout(&self, source: TensorSource<'t, 'i>, key: &str, shape: &[usize]) -> TensorSource<'t, 'i> {
        let is_weight = key == "weight" && axes::weight_orders(self.kind()).is_some();
        if shape.len() == 3 && !is_weight { source.in_image_layout(self.reader) } else { source }
    }

    /// Returns the shape of the tensor under a key, as written in the file; `None` for a missing key or an initializer without a shape.
    fn written_shape(&mut self, key: &str) -> Result<Option<Vec<usize>>, Reported> {
        self.read_once(key); // stores the result in `tensors`
        match self.tensors.iter().find(|(name, _)| name == key) {
            Some((_, read)) => read.as_ref().map(|found| found.shape().map(<[usize]>::to_vec)).map_err(|&reported| reported),
            None => Ok(None),
        }
    }

    /// Reads the activation under `key`, with its own keys. Returns `None` if the layer has no activation, or if it was read before.
    fn read_activation(&mut self, key: &str) -> Result<Option<Arc<dyn Function>>, Reported> {
        let Some(table) = self.table.filter(|_| self.mark_seen(key)) else { return Ok(None) };
        // the activation is unknown until the end of this function, so that it stays unknown after a fault
        let previous = std::mem::replace(&mut self.activation, Err(Reported));
        let Some((name, name_span)) = self.reader.string(table, key)? else {
            // the key is missing, so the layer has no activation. But if this was reported as a fault, the activation stays unknown
            if !self.is_suppressed(key) {
                self.activation = previous;
            }
            return Ok(None);
        };
        let Some(found) = activation::find(name) else {
            // the activation is unknown, so the types of all keys that any activation can have are checked
            for (key, _) in ACTIVATIONS.iter().flat_map(|activation| activation.keys) {
                let _ = table.get(*key).map(|value| self.reader.number(key, value));
            }
            let names: Vec<&str> = ACTIVATIONS.iter().map(|activation| activation.name).collect();
            return Err(self.reader.report(
                name_span,
                format!("there is no activation {}", quoted(name)),
                words::help(Vocabulary::Activation, name, &names),
            ));
        };
        self.activation = Ok(Some(found));
        let number = |&(key, default): &(&str, f64)| table.get(key).map_or(Ok(default), |value| self.reader.number(key, value));
        // all keys are read before an error is returned, so that all their faults are reported
        let read: Vec<Result<f64, Reported>> = found.keys.iter().map(number).collect();
        let values: Vec<f64> = read.into_iter().collect::<Result<_, _>>()?;
        // some activations need values that increase from key to key, such as a lower and an upper bound; this finds the first pair that does not
        if let Some(n) = (1..values.len()).find(|&n| found.has_ascending_keys && values[n - 1] >= values[n]) {
            let [(lower, _), (upper, _)] = [found.keys[n - 1], found.keys[n]];
            let span = [upper, lower].into_iter().find_map(|key| table.get(key)).map_or(name_span, toml::Spanned::span);
            let message = format!("{lower} is {}, which is not less than {upper}, {}", values[n - 1], values[n]);
            return Err(self.reader.report(span, message, format!("give a {lower} that is less than {upper}")));
        }
        Ok(Some(found.function(&values)))
    }

    /// Reads the tensors under `keys`, and the activation under the key `activation`, if the layer has not read them. This reports their faults even if the
    /// layer could not be built.
    pub fn read_unread(&mut self, keys: &[&str], activation: Option<&str>) {
        for key in keys.iter().filter(|key| TENSORS.contains(key)) {
            self.read_once(key);
        }
        if let Some(key) = activation {
            let _ = self.read_activation(key);
        }
    }

    /// Makes the tensor under a key. If `allows_flat` is set, a vector with the same number of entries is accepted too. `fan` is used by some initializers.
    fn try_tensor(&mut self, key: &str, shape: &[usize], fan: Fan, allows_flat: bool) -> Result<Tensor, Reported> {
        let label = self.label(key);
        self.written_shape(key)?;
        let Some(at) = self.tensors.iter().position(|(name, _)| name == key) else {
            let help = format!("add {key} = …, with numbers or such as {{ init = \"normal\", seed = 1 }}");
            return Err(self.reader.report(self.at.clone(), format!("{label} is missing"), help));
        };
        let (_, source) = self.tensors.swap_remove(at);
        let source = self.in_image_layout(source?, key, shape);
        if let Some(written) = source.shape()
            && with_rank(written, shape.len()).as_deref() != Some(shape)
            && !(allows_flat && written == [len(shape)])
            && !(key == "bias" && shape.len() == 1 && layouts::is_vector(written, shape[0]))
        {
            let written = written.to_vec();
            return Err(self.report_wrong_shape(key, shape, &written, allows_flat));
        }
        source.fill(self.reader, &label, shape, fan)
    }

    /// Swaps the dimensions of a linear layer's weight that seems to be written as in x out: for a layer with 3 inputs, 3x2 becomes 2x3. Other shapes are
    /// returned unchanged.
    ///
    /// Without the swap, the layer would have the wrong number of outputs, and later layers would have faults too. [`Self::try_tensor`] reports the wrong order
    /// itself.
    fn with_outputs_first(&self, key: &str, shape: Vec<usize>) -> Vec<usize> {
        // if `out_features` equals the number of rows, the weight is written as out x in
        let is_out_features = |rows: usize| {
            let out_features = self.value("out_features").and_then(|value| value.get_ref().as_integer());
            out_features.is_some_and(|out_features| out_features.as_str().parse() == Ok(rows))
        };
        match (self.inputs.first(), &shape[..]) {
            (Some(&&[inputs]), &[rows, columns])
                if self.has_sizes && key == "weight" && inputs > 1 && rows == inputs && columns != inputs && !is_out_features(rows) =>
            {
                vec![columns, rows]
            }
            _ => shape,
        }
    }

    /// Reports a tensor with the shape `written` in the file, where the shape `shape` is needed.
    fn report_wrong_shape(&mut self, key: &str, shape: &[usize], written: &[usize], allows_flat: bool) -> Reported {
        let is_weight = key == "weight" && shape.len() > 1;
        if is_weight {
            // the size of the output is known from these keys; without them, it is known only from the weight, whose shape is wrong
            let sizes: &[&str] = if shape.len() == 2 { &["out_features"] } else { &["out_channels", "kernel_size"] };
            self.is_output_uncertain |= !sizes.iter().all(|key| self.has(key));
        } else if self.is_output_uncertain {
            return Reported; // may be a consequence of a fault in the weight
        }
        let input = self.inputs.first().copied().filter(|_| self.reads_input);
        let Ok(order) = self.weight_order(key) else { return Reported };
        let help = if is_weight { layouts::weight(shape, written, input, self.kind(), order) } else { None };
        let or_vector = if allows_flat && shape.len() > 1 { ", or a flat vector of as many numbers" } else { "" };
        // the shape in the order of axes that the file uses
        let in_file = |shape: &[usize]| match order {
            Some(order) if shape.len() == order.axes.len() => shape_words(&axes::shape(shape, &axes::inverse(order.axes))),
            _ => shape_words(shape),
        };
        let in_words = order.map_or_else(String::new, |order| format!(" ({})", order.words));
        let message = format!("{} must be {}{in_words}{or_vector}, not {}", self.label(key), in_file(shape), in_file(written));
        let help = help.or_else(|| match (self.kind(), shape, written) {
            // PyTorch writes out x in, the other order is in x out
            ("linear", &[_, inputs], &[rows, columns]) if is_weight => {
                layouts::other_inputs(&(self.shape_help)(), inputs, if order.is_some() { rows } else { columns })
            }
            _ => None,
        });
        self.reader.report(self.span_of(key), message, help.unwrap_or_else(self.shape_help))
    }

    /// Returns the tensor under a key, or zeros after a fault. If the sizes are unknown, returns an empty tensor.
    fn tensor_or_zeros(&mut self, key: &str, shape: &[usize], fan: Fan, allows_flat: bool) -> Tensor {
        if !self.has_sizes {
            self.read_once(key); // reports the faults of the tensor itself
            return from_flat(&[0], Vec::new());
        }
        self.try_tensor(key, shape, fan, allows_flat).unwrap_or_else(|Reported| from_flat(shape, vec![0.0; len(shape)]))
    }
}

impl Args for TableArgs<'_, '_, '_> {
    fn inputs(&self) -> &[&[usize]] {
        self.inputs
    }

    // after a fault, the sizes of the inputs may be assumed ones
    fn fail_for_sizes(&mut self, key: &str, message: String, help: &str) -> Reported {
        if self.has_sizes { self.fail(key, message, help) } else { Reported }
    }

    fn fail(&mut self, key: &str, message: String, help: &str) -> Reported {
        if self.is_suppressed(key) {
            return Reported;
        }
        self.suppress(key);
        let span = self.span_of(key);
        // if a kernel does not fit into the image, the image may be written as height x width x channels
        let input =
            self.inputs.first().filter(|_| self.reads_input && matches!(key, "kernel_size" | "weight" | "dilation") && self.has(key));
        let layout_help = input.and_then(|input| layouts::channels_last(input));
        let weight = self.tensors.iter().find(|(name, _)| name == "weight");
        let weight = weight.and_then(|(_, read)| read.as_ref().ok()?.shape()).filter(|_| self.kind() == "conv2d");
        let weight_help = weight.and_then(|shape| match (key, shape) {
            ("groups", &[rows, columns, inputs, _]) => layouts::depthwise([rows, columns, inputs]),
            _ => Some(layouts::of_rank(key, 4, shape.len()).to_owned()).filter(|help| !help.is_empty()),
        });
        let help = weight_help.map_or_else(|| help.to_owned(), |weight_help| format!("{help}; {weight_help}"));
        self.reader.report(span, message, layout_help.unwrap_or(help))
    }

    fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    fn integer(&mut self, key: &str, min: usize) -> Result<Option<usize>, Reported> {
        let Some(value) = self.unsuppressed_value(key) else { return Ok(None) };
        let read = self.reader.size(key, value, min);
        let determines_size = true;
        Ok(self.checked(key, determines_size, read))
    }

    fn pair(&mut self, key: &str, min: usize) -> Result<Option<[usize; 2]>, Reported> {
        let Some(value) = self.unsuppressed_value(key) else { return Ok(None) };
        let read = match value.get_ref() {
            DeValue::Integer(_) => self.reader.size(key, value, min).map(|n| [n, n]),
            DeValue::Array(items) => match &items[..] {
                [vertical, horizontal] => {
                    // both sizes are read before an error is returned, so that the faults of both are reported
                    let (vertical, horizontal) = (self.reader.size(key, vertical, min), self.reader.size(key, horizontal, min));
                    vertical.and_then(|vertical| Ok([vertical, horizontal?]))
                }
                items => {
                    let message = format!("{key} has {}, not 2", counted(items.len(), "entry"));
                    Err(self.reader.report(value.span(), message, "write one integer, or [vertical, horizontal]"))
                }
            },
            other => {
                let help = other.as_str().filter(|_| key == "padding").map(padding::word_help);
                Err(self.reader.wrong_type(key, value, "an integer, or [vertical, horizontal]", &help.unwrap_or_default()))
            }
        };
        let determines_size = true;
        Ok(self.checked(key, determines_size, read))
    }

    fn padding(&mut self, key: &str, axes: usize) -> Result<Option<Padding>, Reported> {
        let Some(value) = self.unsuppressed_value(key) else { return Ok(None) };
        let read = padding::read(self.reader, key, value, axes);
        let determines_size = true;
        Ok(self.checked(key, determines_size, read))
    }

    fn number(&mut self, key: &str) -> Result<Option<f64>, Reported> {
        let Some(value) = self.unsuppressed_value(key) else { return Ok(None) };
        let read = self.reader.number(key, value);
        let determines_size = false;
        Ok(self.checked(key, determines_size, read))
    }

    fn flag(&mut self, key: &str) -> Result<Option<bool>, Reported> {
        let Some(value) = self.unsuppressed_value(key) else { return Ok(None) };
        let read = match value.get_ref() {
            DeValue::Boolean(flag) => Ok(*flag),
            _ => Err(self.reader.wrong_type(key, value, "true or false", "")),
        };
        let determines_size = false;
        Ok(self.checked(key, determines_size, read))
    }

    fn choice(&mut self, key: &str, words: &[&'static str]) -> Result<Option<&'static str>, Reported> {
        let Some(table) = self.table.filter(|_| !self.is_suppressed(key)) else { return Ok(None) };
        let read = match self.reader.string(table, key) {
            Ok(None) => return Ok(self.reader.layout.default_word(key, words)),
            Ok(Some((word, span))) => words.iter().find(|known| **known == word).copied().ok_or_else(|| {
                let help = match key {
                    "reduction" | BATCH_REDUCTION => words::help(Vocabulary::Reduction, word, words),
                    _ => suggest::help(word, words),
                };
                self.reader.report(span, format!("{key} cannot be {}", quoted(word)), help)
            }),
            Err(reported) => Err(reported),
        };
        let determines_size = false;
        Ok(self.checked(key, determines_size, read))
    }

    fn shape(&mut self, key: &str, rank: usize) -> Result<Option<Vec<usize>>, Reported> {
        let read = self.written_shape(key).and_then(|written| {
            let Some(written) = written.filter(|_| !self.is_suppressed(key)) else { return Ok(None) };
            with_rank(&written, rank).map(|shape| Some(self.with_outputs_first(key, shape))).ok_or_else(|| {
                let (label, shape, are) = (self.label(key), shape_words(&written), are(rank));
                let message = format!("{label} has {} ({shape}), but at most {rank} {are} possible", counted(written.len(), "dimension"));
                self.reader.report(self.span_of(key), message, layouts::of_rank(key, rank, written.len()))
            })
        });
        let determines_size = true;
        Ok(self.checked(key, determines_size, read).flatten())
    }

    fn tensor(&mut self, key: &str, shape: &[usize], fan: Fan) -> Tensor {
        let allows_flat = false;
        self.tensor_or_zeros(key, shape, fan, allows_flat)
    }

    fn tensor_or_flat(&mut self, key: &str, shape: &[usize], fan: Fan) -> Tensor {
        let allows_flat = true;
        self.tensor_or_zeros(key, shape, fan, allows_flat)
    }

    fn claim(&mut self, shape: &[usize]) -> Result<(), Reported> {
        if self.has_sizes { self.reader.claim(&self.at, shape) } else { self.reader.claim_assumed(shape) }
    }

    fn activation(&mut self, key: &str, _shape: &[usize]) -> Arc<dyn Function> {
        self.read_activation(key).ok().flatten().unwrap_or_else(activation::identity)
    }
}
