//! Proposes a scenario for a file with tensors, if their names and shapes fit a chain of layers. For example, `0.weight` of 4 x 1 x 5 x 5, `0.bias` of 4 and
//! `7.weight` of 2 x 100 become a convolution, a flatten and a linear layer. Activations and pools are not in the file, so the proposal guesses a relu and no
//! pool, and comments in it mark the guesses.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use toml_edit::Value;

use crate::op::LAYERS;
use crate::tensor::{shape_text, shape_words};
use crate::text::counted;

/// The largest number of layers of a proposal.
const MAX_LAYERS: usize = 40;
/// The assumed height and width of an image, if the tensors do not determine them.
const USUAL_SIDE: usize = 28;

/// The role of a tensor in its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TensorRole {
    Weight,
    Bias,
    RunningMean,
    RunningVar,
    /// A counter of PyTorch or Keras that no layer needs.
    Count,
}

impl TensorRole {
    /// Returns the role in words.
    fn words(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
            Self::RunningMean => "running mean",
            Self::RunningVar => "running variance",
            Self::Count => "counter",
        }
    }
}

/// The last words of the names of tensors, each with the role that it means.
#[rustfmt::skip]
const ROLES: [(&str, TensorRole); 16] = [
    ("weight", TensorRole::Weight), ("weights", TensorRole::Weight), ("kernel", TensorRole::Weight), ("depthwise_kernel", TensorRole::Weight), ("pointwise_kernel", TensorRole::Weight),
    ("w", TensorRole::Weight), ("gamma", TensorRole::Weight), ("scale", TensorRole::Weight),
    ("bias", TensorRole::Bias), ("biases", TensorRole::Bias), ("b", TensorRole::Bias), ("beta", TensorRole::Bias),
    ("running_mean", TensorRole::RunningMean), ("running_var", TensorRole::RunningVar), ("num_batches_tracked", TensorRole::Count), ("iterations", TensorRole::Count),
];

/// Prefixes of the names of a model's tensors in a checkpoint.
const MODELS: [&str; 5] = ["state_dict.", "model_state_dict.", "module.", "model.", "net."];

/// A word in the names of Keras' depthwise kernels, which are height x width x in x multiplier.
const DEPTHWISE: &str = "depthwise";

/// The tensors of a layer.
#[derive(Debug, Default)]
struct LayerTensors<'a> {
    /// The name and shape of each tensor.
    by_role: BTreeMap<TensorRole, (&'a str, &'a [usize])>,
}

impl LayerTensors<'_> {
    fn shape(&self, role: TensorRole) -> Option<&[usize]> {
        self.by_role.get(&role).map(|(_, shape)| *shape)
    }
}

/// Splits the name of a tensor into the name of its layer and its role: `fc1` and the weight for `fc1.weight`, `1` and the bias for `b1`.
fn layer_and_role(name: &str) -> Option<(String, TensorRole)> {
    let find = |word: &str| ROLES.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, role)| *role);
    let (layer, word) = name.rsplit_once(['.', '/']).unwrap_or(("", name));
    // TensorFlow's names end in :0
    if let Some(role) = find(word.trim_end_matches(":0")) {
        return Some((layer.to_owned(), role));
    }
    // names such as W1, b1, w_1 and weights1
    let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let role = find(stem.trim_end_matches('_')).filter(|_| stem.len() < word.len())?;
    Some((format!("{layer}{}", &word[stem.len()..]), role))
}

/// Returns a sort key for the name of a layer: the number and the letters of each word, so that 2 comes before 10. The key of `block.conv12` is
/// `[(0, "block"), (12, "conv")]`.
fn sort_key(name: &str) -> Vec<(u64, String)> {
    let mut words = Vec::new();
    for word in name.split(['.', '/', '_']) {
        let digits = word.trim_start_matches(|c: char| !c.is_ascii_digit());
        let letters = &word[..word.len() - digits.len()];
        words.push((digits.parse().unwrap_or(0), letters.to_owned()));
    }
    words
}

/// The layers so far.
struct ProposedLayers {
    text: String,
    /// The number of outputs of the last layer: channels of an image, or entries of a vector.
    outputs: Option<usize>,
    /// `true` if the output of the last layer is a vector.
    is_vector: bool,
    /// The numbers of rows and columns by which the convolutions so far have made the image smaller.
    shrunk_by: [usize; 2],
    /// The shape of the input; `None` until a layer determines it.
    input: Option<Vec<usize>>,
    /// The number of channels that the first convolution reads.
    input_channels: usize,
}

/// Returns a scenario that uses these tensors (names and shapes) of the file `file`. If there is none, the error is a sentence with the reason.
pub(super) fn proposal(file: &str, tensors: &[(String, Vec<usize>)]) -> Result<String, String> {
    let model_prefix = MODELS.iter().find(|model| tensors.iter().any(|(name, _)| name.starts_with(**model)));
    let model_tensors = tensors.iter().filter(|(name, _)| model_prefix.is_none_or(|model| name.starts_with(model)));
    let mut layers: BTreeMap<Vec<(u64, String)>, LayerTensors<'_>> = BTreeMap::new();
    // a separable convolution of Keras has two kernels, and its bias belongs to the second one
    let is_separable = |layer: &str| tensors.iter().any(|(name, _)| name.starts_with(layer) && name.contains("pointwise_kernel"));
    for (name, shape) in model_tensors {
        let Some((layer, role)) = layer_and_role(name) else { return Err(format!("{name} is neither a weight nor a bias")) };
        let mut key = sort_key(&layer);
        if is_separable(&layer) {
            // the layer becomes two layers: 0 is the depthwise one, and 1 the pointwise one, which has the bias
            key.push((u64::from(!name.contains("depthwise_kernel")), String::new()));
        }
        if let Some((earlier_name, _)) = layers.entry(key).or_default().by_role.insert(role, (name, shape)) {
            return Err(format!("{earlier_name} and {name} would be the same tensor of a layer, its {}", role.words()));
        }
    }
    // layers whose names have no numbers are in the order of the file. A key has the number 0 both for a word without a number and for the layer `0`
    let has_numbers = layers.len() < 2 || layers.keys().all(|key| key.iter().any(|(number, _)| *number > 0) || key == &sort_key("0"));
    let mut ordered: Vec<&LayerTensors<'_>> = layers.values().collect();
    if !has_numbers {
        let first_tensor =
            |layer: &&LayerTensors<'_>| tensors.iter().position(|(name, _)| layer.by_role.values().any(|(own_name, _)| own_name == name));
        ordered.sort_by_key(first_tensor);
    }
    if ordered.is_empty() || ordered.len() > MAX_LAYERS {
        return Err(format!("a proposal has 1 to {MAX_LAYERS} layers, and these are {}", ordered.len()));
    }
    let mut chain =
        ProposedLayers { text: String::new(), outputs: None, is_vector: false, shrunk_by: [0, 0], input: None, input_channels: 1 };
    for (n, layer) in ordered.iter().enumerate() {
        let is_last = n + 1 == ordered.len();
        chain.add_layer(file, layer, is_last, ordered.get(n + 1).copied())?;
    }
    Ok(chain.scenario(file))
}

/// Returns whether this is the name of a depthwise kernel of Keras. Such a kernel is alone in its layer, or the first kernel of a separable convolution.
fn is_depthwise(name: &str) -> bool {
    let name = name.to_lowercase();
    name.contains(DEPTHWISE) && !name.contains("pointwise")
}

/// Returns a text as a TOML string.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

impl ProposedLayers {
    /// Adds a layer. `next` is the layer after it.
    fn add_layer(&mut self, file: &str, layer: &LayerTensors<'_>, is_last: bool, next: Option<&LayerTensors<'_>>) -> Result<(), String> {
        let Some((name, shape)) = layer.by_role.get(&TensorRole::Weight) else {
            let names: Vec<&str> = layer.by_role.values().map(|(name, _)| *name).collect();
            return Err(format!("{} has no weight beside it", names.join(", ")));
        };
        if shape.contains(&0) {
            return Err(format!("{name} is {}, so it has no numbers", shape_words(shape)));
        }
        let bias_len = layer.shape(TensorRole::Bias).map(|shape| shape.iter().product::<usize>());
        let mut groups = 1;
        let (kind, layout, comment) = match **shape {
            [_] => (self.norm(layer)?, "", ""),
            [rows, columns] => {
                let is_keras = name.to_lowercase().contains("kernel");
                let layout = self.linear(name, [rows, columns], bias_len, is_keras, next)?;
                (
                    "linear",
                    layout,
                    if rows == columns && layout.is_empty() {
                        "   # or weight_layout = \"in_out\": the shapes do not determine it"
                    } else {
                        ""
                    },
                )
            }
            [a, b, c, d] => {
                let is_hwio = name.to_lowercase().contains("kernel");
                // a kernel of Keras is height x width x in x out, a depthwise one height x width x in x multiplier; a weight of PyTorch is out x in x height x
                // width
                let [out, inputs, rows, columns] = match (is_hwio, is_depthwise(name)) {
                    (true, true) => [c * d, 1, a, b],
                    (true, false) => [d, c, a, b],
                    (false, _) => [a, b, c, d],
                };
                groups =
                    self.convolution(name, [out, inputs, rows, columns], bias_len, if is_depthwise(name) && is_hwio { c } else { 1 })?;
                ("conv2d", if is_hwio { "hwio" } else { "" }, "   # stride and padding are not in the file")
            }
            ref other => return Err(format!("{name} is {}, and no layer of a chain has such a weight", shape_words(other))),
        };
        let _ = writeln!(self.text, "\n[[layer]]\ntype = \"{kind}\"{comment}");
        for (role, key) in [
            (TensorRole::Weight, "weight"),
            (TensorRole::Bias, "bias"),
            (TensorRole::RunningMean, "running_mean"),
            (TensorRole::RunningVar, "running_var"),
        ] {
            if let Some((name, _)) = layer.by_role.get(&role) {
                let _ = writeln!(self.text, "{key} = {{ file = {}, key = {} }}", quoted(file), quoted(name));
            }
        }
        if groups > 1 {
            let _ = writeln!(self.text, "groups = {groups}");
        }
        if !layout.is_empty() {
            let _ = writeln!(self.text, "weight_layout = \"{layout}\"");
        }
        let is_norm_next = next.is_some_and(|next| next.shape(TensorRole::Weight).is_some_and(|shape| shape.len() == 1));
        if kind.contains("norm") {
            self.text.push_str("# eps = 1e-5, PyTorch's default\n");
            if !is_last {
                self.text
                    .push_str("\n[[layer]]\ntype = \"activation\"\nfunction = \"relu\"   # a guess: activations are not in the file\n");
            }
        } else if !is_last && !is_norm_next {
            self.text.push_str("activation = \"relu\"   # a guess: activations are not in the file\n");
        }
        Ok(())
    }

    /// Returns the type of a normalisation.
    ///
    /// # Errors
    /// If its number of weights is not the number of outputs of the layer before.
    fn norm(&self, layer: &LayerTensors<'_>) -> Result<&'static str, String> {
        let has_statistics = layer.shape(TensorRole::RunningMean).is_some();
        let kind = match (has_statistics, self.is_vector) {
            (true, true) => "batch_norm1d",
            (true, false) => "batch_norm2d",
            (false, true) => "layer_norm",
            (false, false) => "instance_norm2d",
        };
        let shape = layer.shape(TensorRole::Weight).unwrap_or_default();
        match LAYERS.iter().find(|known| known.name == kind) {
            Some(known) if self.outputs.is_some_and(|outputs| shape == [outputs]) => Ok(known.name),
            _ => Err(format!("a {kind} of {} does not fit between the layers", shape_text(shape))),
        }
    }

    /// Adds a convolution, and returns the number of its groups: the channels of the layer before, divided by `inputs`, the channels that one group reads.
    /// `groups_of_first` is the number of groups if the convolution is the first layer.
    fn convolution(
        &mut self,
        name: &str,
        [out, inputs, rows, columns]: [usize; 4],
        bias_len: Option<usize>,
        groups_of_first: usize,
    ) -> Result<usize, String> {
        let groups = self.outputs.map_or(groups_of_first, |outputs| outputs / inputs.max(1));
        let is_fitting = groups > 0 && out.is_multiple_of(groups) && self.outputs.is_none_or(|outputs| outputs == inputs * groups);
        if self.is_vector || !is_fitting {
            return Err(format!("{name} reads {}, which the layer before does not make", counted(inputs, "channel")));
        }
        if bias_len.is_some_and(|bias_len| bias_len != out) {
            return Err(format!("{name} makes {}, but its bias has {}", counted(out, "channel"), bias_len.unwrap_or(0)));
        }
        if self.outputs.is_none() {
            self.input_channels = inputs * groups;
        }
        self.shrunk_by = [self.shrunk_by[0] + rows - 1, self.shrunk_by[1] + columns - 1];
        self.outputs = Some(out);
        Ok(groups)
    }

    /// Adds a linear layer and, if the layer before makes an image, a flatten between them. Returns the `weight_layout`, which is empty for PyTorch's order,
    /// out x in.
    fn linear(
        &mut self,
        name: &str,
        [rows, columns]: [usize; 2],
        bias_len: Option<usize>,
        is_keras: bool,
        next: Option<&LayerTensors<'_>>,
    ) -> Result<&'static str, String> {
        // returns whether a layer with these sizes fits between its neighbours
        let fits = |out: usize, inputs: usize| {
            let fits_before = match (self.outputs, self.is_vector) {
                (Some(outputs), true) => outputs == inputs,
                // a flatten makes a vector of all pixels of all channels
                (Some(channels), false) => inputs.is_multiple_of(channels),
                (None, _) => true,
            };
            let fits_after = match next.and_then(|next| next.shape(TensorRole::Weight)) {
                Some(&[a, b]) => a == out || b == out,
                Some(&[n]) => n == out,
                _ => true,
            };
            fits_before && fits_after && bias_len.is_none_or(|bias_len| bias_len == out)
        };
        let (is_out_in, is_in_out) = (fits(rows, columns), fits(columns, rows));
        // W1, W2, … are usual names in NumPy. There, a layer is x @ W, so the weight is in x out
        let is_numpy = name.chars().last().is_some_and(|c| c.is_ascii_digit());
        let prefers_in_out = is_keras || is_numpy;
        let (out, inputs, layout) = match (is_out_in, is_in_out) {
            (_, true) if prefers_in_out || !is_out_in => (columns, rows, "in_out"),
            (true, _) => (rows, columns, ""),
            _ => return Err(format!("{name} of {} does not fit between the layers", shape_text(&[rows, columns]))),
        };
        match (self.outputs, self.is_vector) {
            (None, _) => self.input = Some(vec![inputs]),
            (Some(channels), false) => {
                let area = inputs / channels;
                // of all images of this area, the one that is nearest to a square is assumed
                let height = (1..=area).take_while(|n| n * n <= area).filter(|n| area.is_multiple_of(*n)).last().unwrap_or(1);
                self.input = Some(vec![self.input_channels, height + self.shrunk_by[0], area / height + self.shrunk_by[1]]);
                let order = if is_keras { "\norder = \"hwc\"" } else { "" };
                let _ = writeln!(
                    self.text,
                    "\n[[layer]]\ntype = \"flatten\"{order}   # pools before it are not in the file: without any, its input is {channels} x {height} x {}",
                    area / height
                );
            }
            _ => {}
        }
        self.outputs = Some(out);
        self.is_vector = true;
        Ok(layout)
    }

    fn scenario(self, file: &str) -> String {
        let outputs = self.outputs.unwrap_or(1);
        let (loss, target, target_comment) = match (self.is_vector, outputs) {
            (true, 1) => ("squared_error", "0".to_owned(), "the number that the output should be"),
            (true, _) => ("cross_entropy_with_logits", "0".to_owned(), "the class of your sample, from 0"),
            (false, _) => ("squared_error", "{ init = \"zeros\" }".to_owned(), "an image of the size of the output"),
        };
        let side = |shrunk_by: usize| USUAL_SIDE.max(shrunk_by + 1);
        let is_known = self.input.is_some();
        let shape = self.input.unwrap_or_else(|| vec![self.input_channels, side(self.shrunk_by[0]), side(self.shrunk_by[1])]);
        let guess = if is_known { "" } else { ", whose height and width are a guess" };
        let title = quoted(&format!("The model in {file}"));
        format!(
            "title = {title}\nloss = \"{loss}\"   # a guess: the loss is not in the file\n\
             input = {{ init = \"normal\", shape = {shape:?}, seed = 1 }}   # instead of your sample{guess}\ntarget = {target}   # {target_comment}\n{}",
            self.text
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal_of(tensors: &[(&str, &[usize])]) -> Result<String, String> {
        let tensors: Vec<(String, Vec<usize>)> = tensors.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect();
        proposal("m.pt", &tensors)
    }

    /// Returns the lines of a proposal that set one of these keys, without comments.
    fn lines(text: &str, keys: &[&str]) -> Vec<String> {
        let wanted = text.lines().filter(|line| keys.iter().any(|key| line.starts_with(&format!("{key} = "))));
        wanted.map(|line| line.split("   #").next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn a_convolution_and_a_linear_layer_are_recognised_by_their_shapes() {
        // 100 inputs of the linear layer are 4 channels of 5 x 5, which a 5 x 5 kernel makes from 9 x 9
        let text = proposal_of(&[("0.weight", &[4, 1, 5, 5]), ("0.bias", &[4]), ("7.weight", &[2, 100])]).unwrap();
        assert_eq!(
            lines(&text, &["type", "input"]),
            ["input = { init = \"normal\", shape = [1, 9, 9], seed = 1 }", "type = \"conv2d\"", "type = \"flatten\"", "type = \"linear\"",]
        );
        assert!(text.contains("bias = { file = \"m.pt\", key = \"0.bias\" }") && text.contains("pools before it"), "{text}");
    }

    #[test]
    fn the_order_of_axes_follows_from_bias_and_neighbours() {
        let text = proposal_of(&[("W1", &[2, 5]), ("b1", &[1, 5]), ("W2", &[5, 3]), ("b2", &[1, 3])]).unwrap();
        assert_eq!(lines(&text, &["weight_layout"]).len(), 2, "{text}");
        let text = proposal_of(&[("fc1.weight", &[5, 2]), ("fc1.bias", &[5]), ("fc2.weight", &[3, 5])]).unwrap();
        assert!(lines(&text, &["weight_layout"]).is_empty() && text.contains("shape = [2]"), "{text}");
        let text = proposal_of(&[("dense/kernel", &[2, 5]), ("dense/bias", &[5])]).unwrap();
        assert!(text.contains("weight_layout = \"in_out\""), "{text}");
        assert!(proposal_of(&[("w", &[4, 4])]).unwrap().contains("the shapes do not determine it"));
    }

    #[test]
    fn groups_follow_from_the_channels() {
        let text = proposal_of(&[("0.weight", &[4, 3, 3, 3]), ("1.weight", &[8, 1, 3, 3]), ("2.weight", &[5, 8, 1, 1])]).unwrap();
        assert_eq!(lines(&text, &["type", "groups"]), ["type = \"conv2d\"", "type = \"conv2d\"", "groups = 4", "type = \"conv2d\""]);
    }

    #[test]
    fn the_kernels_of_a_separable_convolution_are_two_layers() {
        let text = proposal_of(&[
            ("separable_conv2d/depthwise_kernel", &[3, 3, 4, 2]),
            ("separable_conv2d/pointwise_kernel", &[1, 1, 8, 5]),
            ("separable_conv2d/bias", &[5]),
        ])
        .unwrap();
        assert_eq!(lines(&text, &["groups", "weight_layout"]), ["groups = 4", "weight_layout = \"hwio\"", "weight_layout = \"hwio\""]);
        // the bias is in the second layer, after its kernel
        let bias = text.find("separable_conv2d/bias").unwrap();
        assert!(text.find("pointwise_kernel").unwrap() < bias && text.contains("shape = [4, 28, 28]"), "{text}");
    }

    #[test]
    fn layers_are_sorted_by_number_and_the_optimizer_of_a_checkpoint_is_left_out() {
        let text =
            proposal_of(&[("state_dict.10.weight", &[2, 3]), ("state_dict.2.weight", &[3, 4]), ("optimizer.state.0.exp_avg", &[3, 4])])
                .unwrap();
        assert!(text.find("2.weight").unwrap() < text.find("10.weight").unwrap() && text.contains("shape = [4]"), "{text}");
    }

    #[test]
    fn tensors_that_fit_no_chain_get_a_reason() {
        for (tensors, reason) in [
            (&[("a.weight", &[3, 4][..]), ("b.weight", &[2, 7])][..], "a.weight of 3x4 does not fit"),
            (&[("c.weight", &[2, 1, 3, 3]), ("d.weight", &[2, 5, 3, 3])], "d.weight reads 5 channels"),
            (&[("a.bias", &[3])], "a.bias has no weight beside it"),
            (&[("x", &[3])], "x is neither a weight nor a bias"),
            (&[("e.weight", &[1, 2, 3, 4, 5])], "no layer of a chain"),
            // these sizes must not become divisors
            (&[("c.weight", &[0, 1, 3, 3]), ("d.weight", &[2, 0])], "c.weight is 0x1x3x3, so it has no numbers"),
            (&[("f.weight", &[0]), ("g.weight", &[3, 0])], "f.weight is a vector of 0 numbers, so it has no numbers"),
            (&[("fc.weight", &[2, 3]), ("fc.kernel", &[3, 2])], "fc.weight and fc.kernel would be the same tensor of a layer, its weight"),
        ] {
            let why = proposal_of(tensors).unwrap_err();
            assert!(why.contains(reason), "{why}");
        }
    }
}
