//! The description of a layer: its keys, its parameters and its stages.
//!
//! A *stage* computes one tensor. It is the sum of one or more *parts*, and each part is a function of other tensors. The network makes an op from each
//! stage. A linear layer with an activation has the parameters `weight` and `bias` and two stages: z = W x + b, with the parts W x and b, and a = g(z).

use std::sync::Arc;

use super::bias::bias;
use super::mismatch::{Mismatch, shape_of_sum};
use super::padding::Padding;
use super::rule::Function;
use crate::tensor::{Tensor, len};

/// The error of a function that has already reported a fault of the scenario file to the user. The caller has nothing more to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported;

/// The fan-in and fan-out of a weight, from which PyTorch's initialisations derive the spread of random values.
#[derive(Clone, Copy, Debug)]
pub struct Fan {
    /// The fan-in: the number of inputs of one output.
    pub inputs: usize,
    /// The fan-out: the number of outputs of one input.
    pub outputs: usize,
}

impl Fan {
    /// The fans of a weight, as in PyTorch. The first dimension of `shape` is the number of outputs, the second the number of inputs, and the others are the
    /// size of the kernel. With fewer than two dimensions, both fans are 1.
    ///
    /// A convolution from 2 channels to 4 channels, with a kernel of 3 x 3:
    ///
    /// ```
    /// let fan = gradstep::op::layer::Fan::of(&[4, 2, 3, 3]);
    /// assert_eq!((fan.inputs, fan.outputs), (18, 36));
    /// ```
    #[must_use]
    pub fn of(shape: &[usize]) -> Self {
        match shape {
            [outputs, inputs, kernel @ ..] => Self { inputs: inputs * len(kernel), outputs: outputs * len(kernel) },
            _ => Self { inputs: 1, outputs: 1 },
        }
    }
}

/// The keys of a layer or loss in a scenario file, and the shapes of its inputs.
///
/// A method that reads a key reports a fault at the key. The method then returns `None` or a default, so that the other keys are checked too; the layer is
/// discarded at the end. If a method returns [`Reported`], the caller stops: a fault has been reported.
pub trait Args {
    /// The shapes of the layer's inputs. A layer has one input, or one for each name in the key `from`.
    fn inputs(&self) -> &[&[usize]];

    /// Reports a fault that depends on sizes, such as a kernel that is larger than the image. The message points at the key, or at the layer if the key is
    /// absent. If one of the sizes is unknown because of an earlier fault, nothing is reported.
    fn fail_for_sizes(&mut self, key: &str, message: String, help: &str) -> Reported;

    /// Reports a fault that does not depend on sizes, such as a missing key. It is reported unless the key already has a fault.
    fn fail(&mut self, key: &str, message: String, help: &str) -> Reported;

    /// Returns whether the key is present, with or without a fault.
    fn has(&self, key: &str) -> bool;

    /// Reads an integer that is at least `least`; `None` if the key is absent or has a fault.
    ///
    /// # Errors
    /// Never for a scenario file: a fault is reported, and the result is `None`.
    fn integer(&mut self, key: &str, least: usize) -> Result<Option<usize>, Reported>;

    /// Reads `[vertical, horizontal]`, two integers that are at least `least`. One integer stands for both. `None` if the key is absent or has a fault.
    ///
    /// # Errors
    /// Never for a scenario file: a fault is reported, and the result is `None`.
    fn pair(&mut self, key: &str, least: usize) -> Result<Option<[usize; 2]>, Reported>;

    /// Reads a padding, `"same"`, `"valid"` or numbers: one for all sides, or `[vertical, horizontal]`, or `[top, bottom, left, right]`. In a one-dimensional
    /// layer the value can be one number for both sides, or `[left, right]`. `None` if the key is absent or has a fault. `axes` is the number of padded axes, 1
    /// or 2.
    ///
    /// # Errors
    /// Never for a scenario file: a fault is reported, and the result is `None`.
    fn padding(&mut self, key: &str, axes: usize) -> Result<Option<Padding>, Reported>;

    /// Reads a finite number; `None` if the key is absent or has a fault.
    ///
    /// # Errors
    /// Never for a scenario file: a fault is reported, and the result is `None`.
    fn number(&mut self, key: &str) -> Result<Option<f64>, Reported>;

    /// Reads `true` or `false`; `None` if the key is absent or has a fault.
    ///
    /// # Errors
    /// Never for a scenario file: a fault is reported, and the result is `None`.
    fn flag(&mut self, key: &str) -> Result<Option<bool>, Reported>;

    /// Reads one of these words; `None` if the key is absent or has a fault. A file in Keras' layout can have a default for an absent key.
    ///
    /// # Errors
    /// Never for a scenario file: a fault is reported, and the result is `None`.
    fn choice(&mut self, key: &str, words: &[&'static str]) -> Result<Option<&'static str>, Reported>;

    /// Reads the shape of a tensor whose numbers are in the scenario file or in a tensor file. If the tensor has fewer than `rank` dimensions, leading
    /// dimensions of size 1 are added. `None` if the key is absent or has a fault, such as a rank higher than `rank`, or if its value does not say a shape,
    /// such as `{ init = "zeros" }`.
    ///
    /// # Errors
    /// Never for a scenario file: a fault is reported, and the result is `None`.
    fn shape(&mut self, key: &str, rank: usize) -> Result<Option<Vec<usize>>, Reported>;

    /// Reads a tensor of this shape. If the file asks for random values, `fan` determines how large they are. A fault is reported, and the tensor is then all
    /// zeros, so that the rest of the file is checked too. If an earlier fault leaves the sizes of the layer unknown, the tensor is empty.
    fn tensor(&mut self, key: &str, shape: &[usize], fan: Fan) -> Tensor;

    /// Reads a tensor like [`Args::tensor`]. In the file, the tensor may also be a vector with the same number of entries.
    fn tensor_or_flat(&mut self, key: &str, shape: &[usize], fan: Fan) -> Tensor;

    /// Adds the memory of a tensor of this shape, and of the tensor's gradient, to the memory that the network needs. This must come before the tensor is
    /// allocated.
    ///
    /// # Errors
    /// If the network exceeds the memory limit.
    fn claim(&mut self, shape: &[usize]) -> Result<(), Reported>;

    /// Reads the activation under `key`, for an input of this shape. Returns the identity if the key is absent or faulty.
    fn activation(&mut self, key: &str, shape: &[usize]) -> Arc<dyn Function>;
}

impl dyn Args + '_ {
    /// The shape of the layer's first input.
    #[must_use]
    pub fn input_shape(&self) -> &[usize] {
        self.inputs().first().copied().unwrap_or(&[])
    }

    /// The channels, height and width of the input image. An image without a channel axis has one channel.
    ///
    /// # Errors
    /// If the input is not an image.
    pub fn image(&mut self) -> Result<[usize; 3], Reported> {
        match *self.input_shape() {
            [h, w] => Ok([1, h, w]),
            [c, h, w] => Ok([c, h, w]),
            ref shape => {
                let text = crate::tensor::shape_words(shape);
                Err(self.fail_for_sizes(
                    "type",
                    format!("this layer reads an image C x H x W, but its input is {text}"),
                    "give it an input of rank 2 (H x W) or 3 (C x H x W); flatten and linear, which make vectors, come after it",
                ))
            }
        }
    }

    /// The channels, height 1 and length of an input that is channels x length. A vector has one channel.
    ///
    /// # Errors
    /// If the input is neither a vector nor channels x length.
    pub fn sequence(&mut self) -> Result<[usize; 3], Reported> {
        match *self.input_shape() {
            [length] => Ok([1, 1, length]),
            [channels, length] => Ok([channels, 1, length]),
            ref shape => {
                let message = format!("this layer reads channels x length, but its input is {}", crate::tensor::shape_words(shape));
                Err(self.fail_for_sizes("type", message, "for an image take the layer whose name ends with 2d"))
            }
        }
    }

    /// Returns the padding before and after each axis; see [`Padding::places`].
    ///
    /// # Errors
    /// If the padding is `"same"` and the stride is not 1.
    pub fn padding_places(
        &mut self,
        padding: Padding,
        size: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
    ) -> Result<[[usize; 2]; 2], Reported> {
        let places = padding.places(size, kernel, stride, dilation);
        places.map_err(|help| self.fail_for_sizes("padding", "padding = \"same\" needs the stride 1, as in PyTorch".to_owned(), &help))
    }

    /// Reads a pair like [`Args::pair`]. If `is_1d` is `true`, the value of the key is one integer, which is the second number of the pair; the first number is
    /// 1.
    ///
    /// # Errors
    /// As for [`Args::pair`].
    pub fn pair_or_size(&mut self, key: &str, least: usize, is_1d: bool) -> Result<Option<[usize; 2]>, Reported> {
        if is_1d { Ok(self.integer(key, least)?.map(|size| [1, size])) } else { self.pair(key, least) }
    }

    /// Reads a size, such as a number of outputs. The file may give it by its key, by the weight's shape, or by both.
    ///
    /// # Errors
    /// If both are absent, or they differ.
    pub fn size(&mut self, key: &str, from_weight: Option<usize>) -> Result<usize, Reported> {
        let least = 1;
        match (self.integer(key, least)?, from_weight) {
            (Some(a), Some(b)) if a != b => Err(self.fail_for_sizes(
                key,
                format!("{key} is {a}, but the weight's shape makes it {b}"),
                "leave it out, or make both agree",
            )),
            (Some(n), _) | (None, Some(n)) => Ok(n),
            (None, None) => Err(self.missing(key)),
        }
    }

    /// Reads a pair of sizes, such as those of a kernel. The file may give it by its key, by the weight's shape, or by both.
    ///
    /// # Errors
    /// If both are absent, or they differ.
    pub fn sizes(&mut self, key: &str, from_weight: Option<[usize; 2]>) -> Result<[usize; 2], Reported> {
        let least = 1;
        match (self.pair(key, least)?, from_weight) {
            (Some(a), Some(b)) if a != b => Err(self.fail_for_sizes(
                key,
                format!("{key} is {}x{}, but the weight's shape makes it {}x{}", a[0], a[1], b[0], b[1]),
                "leave it out, or make both agree",
            )),
            (Some(n), _) | (None, Some(n)) => Ok(n),
            (None, None) => Err(self.missing(key)),
        }
    }

    /// Reports that neither `key` nor the weight determines a size.
    fn missing(&mut self, key: &str) -> Reported {
        if self.has(key) {
            return Reported; // the key is present with a fault, which is already reported
        }
        if self.has("weight") {
            return self.fail("weight", format!("the shape of this weight is not known: {key} is missing"), &format!("add {key} = …"));
        }
        self.fail(key, format!("{key} is missing"), &format!("add {key} = …, or a weight whose shape gives it"))
    }
}

/// A tensor that a part of a stage reads. The number in each variant is an index from 0: `Input(1)` is the second input of the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageSource {
    /// An input of the layer.
    Input(usize),
    /// A parameter of the layer, such as its weight.
    Parameter(usize),
    /// An earlier stage of the layer.
    Stage(usize),
    /// A constant of the stage itself.
    Constant(usize),
}

/// The name and symbols of a tensor of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorSymbols {
    /// The name of the tensor within its layer: `z` in `fc1.z`, `weight` in `fc1.weight`.
    pub suffix: &'static str,
    /// The letter of an entry, such as w.
    pub letter: &'static str,
    /// The letter of the whole tensor, such as W.
    pub whole: &'static str,
    /// The letter of the derivative, such as δ for z; `None` if the derivative is written with ∂, as ∂C/∂W is.
    pub derivative: Option<&'static str>,
}

/// A weight: w for an entry, W for the whole.
pub const WEIGHT: TensorSymbols = TensorSymbols { whole: "W", ..TensorSymbols::named("weight").with_letter("w") };
/// A bias b.
pub const BIAS: TensorSymbols = TensorSymbols::named("bias").with_letter("b");
/// The weighted input z, whose derivative is the error δ.
pub const Z: TensorSymbols = TensorSymbols { derivative: Some("δ"), ..TensorSymbols::named("z") };
/// The output a.
pub const A: TensorSymbols = TensorSymbols::named("a");

impl TensorSymbols {
    /// Creates the symbols of a tensor whose letter is its name `suffix`.
    #[must_use]
    pub const fn named(suffix: &'static str) -> Self {
        Self { suffix, letter: suffix, whole: suffix, derivative: None }
    }

    /// Returns the same symbols with another letter, both for an entry and for the whole tensor.
    #[must_use]
    pub const fn with_letter(self, letter: &'static str) -> Self {
        Self { letter, whole: letter, ..self }
    }
}

/// A tensor that a layer reads from the file: a parameter, or a constant such as a mask.
#[derive(Debug)]
pub struct Leaf {
    /// Name and symbols.
    pub symbols: TensorSymbols,
    /// The shape.
    pub shape: Vec<usize>,
    /// The value; empty if a reported fault leaves the sizes of the layer unknown.
    pub value: Tensor,
}

impl Leaf {
    /// Reads the tensor from the key whose name is the tensor's suffix, such as `weight`.
    pub fn read(args: &mut dyn Args, symbols: TensorSymbols, shape: &[usize], fan: Fan) -> Self {
        Self { symbols, shape: shape.to_vec(), value: args.tensor(symbols.suffix, shape, fan) }
    }
}

/// One tensor that a layer computes, as the sum of its parts.
#[derive(Debug)]
pub struct Stage {
    /// Name and symbols.
    pub symbols: TensorSymbols,
    /// Tensors of the file that are not trained, such as a mask.
    pub constants: Vec<Leaf>,
    /// The functions whose values are added, each with the tensors that it reads.
    pub parts: Vec<(Arc<dyn Function>, Vec<StageSource>)>,
    /// `false` for a stage that depends only on constants. It has no derivative.
    pub has_derivative: bool,
}

impl Stage {
    /// A stage without parts.
    #[must_use]
    pub fn new(symbols: TensorSymbols) -> Self {
        Self { symbols, constants: Vec::new(), parts: Vec::new(), has_derivative: true }
    }

    /// Returns the same stage without a derivative, because it depends only on constants.
    #[must_use]
    pub fn without_derivative(mut self) -> Self {
        self.has_derivative = false;
        self
    }

    /// Returns the same stage with one more constant.
    #[must_use]
    pub fn with_constant(mut self, constant: Leaf) -> Self {
        self.constants.push(constant);
        self
    }

    /// Returns the same stage with one more part.
    #[must_use]
    pub fn with_part(mut self, function: Arc<dyn Function>, sources: impl Into<Vec<StageSource>>) -> Self {
        self.parts.push((function, sources.into()));
        self
    }
}

/// A layer: its parameters and the tensors that it computes. The last computed tensor is its output.
#[derive(Debug)]
pub struct Layer {
    /// The trainable tensors.
    pub parameters: Vec<Leaf>,
    /// The stages, in the order of the forward pass.
    pub stages: Vec<Stage>,
}

impl Layer {
    /// Infers the shape of each stage from the shapes of the layer's inputs.
    ///
    /// # Errors
    /// If a function cannot read tensors of these shapes, or the parts of a stage have different shapes.
    pub fn shapes(&self, inputs: &[&[usize]]) -> Result<Vec<Vec<usize>>, Mismatch> {
        let mut stages: Vec<Vec<usize>> = Vec::with_capacity(self.stages.len());
        for Stage { constants, parts, .. } in &self.stages {
            let source_shape = |source: &StageSource| match *source {
                StageSource::Input(i) => inputs[i],
                StageSource::Parameter(i) => &self.parameters[i].shape,
                StageSource::Stage(i) => &stages[i],
                StageSource::Constant(i) => &constants[i].shape,
            };
            let part_shapes = parts.iter().map(|(function, sources)| function.shape(&sources.iter().map(source_shape).collect::<Vec<_>>()));
            let shape = shape_of_sum(part_shapes)?;
            stages.push(shape);
        }
        Ok(stages)
    }
}

/// A kind of layer: one row of [`LAYERS`](super::LAYERS).
#[derive(Clone, Copy, Debug)]
pub struct LayerKind {
    /// The name in scenario files: the value of `type`.
    pub name: &'static str,
    /// The default name of a layer, without the number that follows: `conv` for `conv1`, `conv2`, ….
    pub default_name: &'static str,
    /// The keys, without `type`, `name`, `from` and the keys of the activation.
    pub keys: &'static [&'static str],
    /// The rank of the input; `None` if any rank is accepted. If the network's input has fewer dimensions, leading dimensions of size 1 are added.
    pub rank: Option<usize>,
    /// `true` if the layer reads the outputs of several layers, `from = ["A", "B", …]`.
    pub has_several_inputs: bool,
    /// The key of the activation; `None` for a layer that cannot have one.
    pub activation: Option<&'static str>,
    /// Reads the keys and makes the layer.
    pub build: fn(&mut dyn Args) -> Result<Layer, Reported>,
}

/// Makes a layer with a weight, such as a linear layer. Its stages are the weighted input `z`, with the optional bias, and the activation `a`.
///
/// `function` computes z without the bias from the input and the weight. The bias has `channels` entries. The caller claims the memory of z and of the weight
/// first; this function claims the memory of a.
///
/// # Errors
/// If `function` cannot read an input of this shape, or the network exceeds the memory limit.
pub fn weighted_layer(
    args: &mut dyn Args,
    function: Arc<dyn Function>,
    weight_shape: &[usize],
    channels: usize,
    fan: Fan,
) -> Result<Layer, Reported> {
    let no_help = "";
    let shape = function.shape(&[args.input_shape(), weight_shape]).map_err(|why| args.fail_for_sizes("type", why.to_string(), no_help))?;
    args.claim(&shape)?;
    let mut parameters = vec![Leaf::read(args, WEIGHT, weight_shape, fan)];
    let mut z = Stage::new(Z).with_part(function, [StageSource::Input(0), StageSource::Parameter(0)]);
    if args.has(BIAS.suffix) {
        parameters.push(Leaf::read(args, BIAS, &[channels], fan));
        z = z.with_part(Arc::new(bias(&[channels], &shape)), [StageSource::Parameter(1)]);
    }
    let a = Stage::new(A).with_part(args.activation("activation", &shape), [StageSource::Stage(0)]);
    Ok(Layer { parameters, stages: vec![z, a] })
}
