//! The description of a layer: its keys, parameters and stages, from which the network makes ops.
//!
//! A linear layer with an activation has the parameters `weight` and `bias` and the stages z = W x + b (two parts, the product and the bias) and a = g(z).

use std::sync::Arc;

use super::bias::bias;
use super::mismatch::{Mismatch, summed};
use super::rule::Function;
use crate::tensor::{Tensor, len};

/// The error of a function that has already reported a fault to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported;

/// The fan-in and fan-out of a weight, as PyTorch's initialisations use them.
#[derive(Clone, Copy, Debug)]
pub struct Fan {
    /// The fan-in: the number of inputs of one output.
    pub inputs: usize,
    /// The fan-out: the number of outputs of one input.
    pub outputs: usize,
}

impl Fan {
    /// The fans of a tensor of the shape out x in x area, as PyTorch derives them; 1 and 1 for fewer than two dimensions.
    ///
    /// ```
    /// let fan = gradstep::op::layer::Fan::of(&[4, 2, 3, 3]);
    /// assert_eq!((fan.inputs, fan.outputs), (18, 36));
    /// ```
    #[must_use]
    pub fn of(shape: &[usize]) -> Self {
        match shape {
            [outputs, inputs, area @ ..] => Self { inputs: inputs * len(area), outputs: outputs * len(area) },
            _ => Self { inputs: 1, outputs: 1 },
        }
    }
}

/// The keys of one layer or loss in a scenario file.
///
/// A fault is reported at its key. The key then counts as absent, so that the other keys are checked too; what is built from them is discarded. A method that
/// returns [`Reported`] has reported a fault, or depends on a value with a reported fault.
pub trait Args {
    /// The shapes of the layer's inputs: one, or one for each layer in `from`.
    fn inputs(&self) -> &[&[usize]];

    /// Reports a fault at a key, or at the layer if the key is absent. The fault depends on sizes: if one of these is faulty itself, nothing is reported.
    fn fail(&mut self, key: &str, message: String, help: &str) -> Reported;

    /// Reports a fault that does not depend on sizes, such as a missing key.
    fn fail_alone(&mut self, key: &str, message: String, help: &str) -> Reported;

    /// Returns whether the key is present, with or without a fault.
    fn has(&self, key: &str) -> bool;

    /// Reads an integer that is at least `least`.
    ///
    /// # Errors
    /// If the value is something else.
    fn integer(&mut self, key: &str, least: usize) -> Result<Option<usize>, Reported>;

    /// Reads one integer or `[vertical, horizontal]`, each at least `least`.
    ///
    /// # Errors
    /// If the value is something else.
    fn pair(&mut self, key: &str, least: usize) -> Result<Option<[usize; 2]>, Reported>;

    /// Reads a finite number.
    ///
    /// # Errors
    /// If the value is something else.
    fn number(&mut self, key: &str) -> Result<Option<f64>, Reported>;

    /// Reads `true` or `false`.
    ///
    /// # Errors
    /// If the value is something else.
    fn flag(&mut self, key: &str) -> Result<Option<bool>, Reported>;

    /// Reads one of these words.
    ///
    /// # Errors
    /// If the value is something else.
    fn choice(&mut self, key: &str, words: &[&'static str]) -> Result<Option<&'static str>, Reported>;

    /// The shape of a tensor that the file contains or names, with leading dimensions of size 1 up to `rank`; `None` if the value has no shape of its own, as
    /// with `init`.
    ///
    /// # Errors
    /// If its rank is too high, or it is not a tensor.
    fn shape(&mut self, key: &str, rank: usize) -> Result<Option<Vec<usize>>, Reported>;

    /// Reads a tensor of this shape. A fault is reported and gives zeros, so that the rest of the file is checked too.
    fn tensor(&mut self, key: &str, shape: &[usize], fan: Fan) -> Tensor;

    /// Reads a tensor like [`Args::tensor`], which may also be written as a flat vector with the same number of entries.
    fn tensor_or_flat(&mut self, key: &str, shape: &[usize], fan: Fan) -> Tensor;

    /// Counts the memory of a tensor of this shape and of its gradient, before it is allocated.
    ///
    /// # Errors
    /// If the network becomes larger than allowed.
    fn claim(&mut self, shape: &[usize]) -> Result<(), Reported>;

    /// Reads the activation under `key`; the identity if the key is absent or faulty.
    fn activation(&mut self, key: &str, shape: &[usize]) -> Arc<dyn Function>;
}

impl dyn Args + '_ {
    /// The shape of the layer's first input.
    #[must_use]
    pub fn input_shape(&self) -> &[usize] {
        self.inputs().first().copied().unwrap_or(&[])
    }

    /// The channels, height and width of the input image.
    ///
    /// # Errors
    /// If the input is not an image.
    pub fn image(&mut self) -> Result<[usize; 3], Reported> {
        match *self.input_shape() {
            [h, w] => Ok([1, h, w]),
            [c, h, w] => Ok([c, h, w]),
            ref shape => {
                let text = crate::tensor::shape_words(shape);
                Err(self.fail(
                    "type",
                    format!("this layer reads an image C x H x W, but its input is {text}"),
                    "give it an input of rank 2 (H x W) or 3 (C x H x W); flatten and linear, which make vectors, come after it",
                ))
            }
        }
    }

    /// Reads a size that the weight's shape may give too.
    ///
    /// # Errors
    /// If both are absent, or they differ.
    pub fn size(&mut self, key: &str, from_weight: Option<usize>) -> Result<usize, Reported> {
        match (self.integer(key, 1)?, from_weight) {
            (Some(a), Some(b)) if a != b => {
                Err(self.fail(key, format!("{key} is {a}, but the weight's shape makes it {b}"), "leave it out, or make both agree"))
            }
            (Some(n), _) | (None, Some(n)) => Ok(n),
            (None, None) => Err(self.missing(key)),
        }
    }

    /// Reads a pair of sizes that the weight's shape may give too.
    ///
    /// # Errors
    /// If both are absent, or they differ.
    pub fn sizes(&mut self, key: &str, from_weight: Option<[usize; 2]>) -> Result<[usize; 2], Reported> {
        match (self.pair(key, 1)?, from_weight) {
            (Some(a), Some(b)) if a != b => Err(self.fail(
                key,
                format!("{key} is {}x{}, but the weight's shape makes it {}x{}", a[0], a[1], b[0], b[1]),
                "leave it out, or make both agree",
            )),
            (Some(n), _) | (None, Some(n)) => Ok(n),
            (None, None) => Err(self.missing(key)),
        }
    }

    fn missing(&mut self, key: &str) -> Reported {
        if self.has(key) {
            return Reported; // the key is present with a fault, which is already reported
        }
        if self.has("weight") {
            return self.fail_alone(
                "weight",
                format!("the shape of this weight is not known: {key} is missing"),
                &format!("add {key} = …"),
            );
        }
        self.fail_alone(key, format!("{key} is missing"), &format!("add {key} = …, or a weight whose shape gives it"))
    }
}

/// A tensor that one part of a stage reads, by its number.
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
    /// The name after the layer's name and a point: `z`, `weight`.
    pub suffix: &'static str,
    /// The letter of an entry.
    pub letter: &'static str,
    /// The letter of the whole tensor.
    pub whole: &'static str,
    /// The letter of its derivative, if it has a special one: δ for z.
    pub derivative: Option<&'static str>,
}

/// A weight: w for an entry, W for the whole.
pub const WEIGHT: TensorSymbols = TensorSymbols { whole: "W", ..TensorSymbols::of("weight").written("w") };
/// A bias b.
pub const BIAS: TensorSymbols = TensorSymbols::of("bias").written("b");
/// The weighted input z, whose derivative is the error δ.
pub const Z: TensorSymbols = TensorSymbols { derivative: Some("δ"), ..TensorSymbols::of("z") };
/// The output a.
pub const A: TensorSymbols = TensorSymbols::of("a");

impl TensorSymbols {
    /// The symbols of a tensor whose letter is its name.
    #[must_use]
    pub const fn of(suffix: &'static str) -> Self {
        Self { suffix, letter: suffix, whole: suffix, derivative: None }
    }

    /// The same symbols with another letter.
    #[must_use]
    pub const fn written(self, letter: &'static str) -> Self {
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
    /// The value; empty in a layer whose sizes are not known.
    pub value: Tensor,
}

impl Leaf {
    /// Reads the tensor; its key is the suffix of its name.
    pub fn read(args: &mut dyn Args, symbols: TensorSymbols, shape: &[usize], fan: Fan) -> Self {
        Self { symbols, shape: shape.to_vec(), value: args.tensor(symbols.suffix, shape, fan) }
    }
}

/// One tensor that a layer computes, as the sum of its parts.
#[derive(Debug)]
pub struct Stage {
    /// Name and symbols.
    pub symbols: TensorSymbols,
    /// Tensors that are read from the file but not trained, such as a mask.
    pub constants: Vec<Leaf>,
    /// The functions whose values are added, each with the tensors that it reads.
    pub parts: Vec<(Arc<dyn Function>, Vec<StageSource>)>,
}

impl Stage {
    /// A stage without parts.
    #[must_use]
    pub fn new(symbols: TensorSymbols) -> Self {
        Self { symbols, constants: Vec::new(), parts: Vec::new() }
    }

    /// The same stage with one more constant.
    #[must_use]
    pub fn given(mut self, constant: Leaf) -> Self {
        self.constants.push(constant);
        self
    }

    /// The same stage with one more part.
    #[must_use]
    pub fn with(mut self, function: Arc<dyn Function>, sources: impl Into<Vec<StageSource>>) -> Self {
        self.parts.push((function, sources.into()));
        self
    }
}

/// A layer: its parameters and the tensors that it computes. The last of these is its output.
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
    /// If the shapes that a function reads do not fit together.
    pub fn shapes(&self, inputs: &[&[usize]]) -> Result<Vec<Vec<usize>>, Mismatch> {
        let mut stages: Vec<Vec<usize>> = Vec::with_capacity(self.stages.len());
        for Stage { constants, parts, .. } in &self.stages {
            let read = |source: &StageSource| match *source {
                StageSource::Input(i) => inputs[i],
                StageSource::Parameter(i) => &self.parameters[i].shape,
                StageSource::Stage(i) => &stages[i],
                StageSource::Constant(i) => &constants[i].shape,
            };
            let shape =
                |(function, sources): &(Arc<dyn Function>, Vec<StageSource>)| function.shape(&sources.iter().map(read).collect::<Vec<_>>());
            let shape = summed(parts.iter().map(shape))?;
            stages.push(shape);
        }
        Ok(stages)
    }
}

/// A kind of layer: one row of [`LAYERS`](super::LAYERS).
#[derive(Clone, Copy, Debug)]
pub struct LayerKind {
    /// The value of `type`.
    pub name: &'static str,
    /// The default name of its layers, to which a number is added: `conv` for `conv1`.
    pub base: &'static str,
    /// The keys, besides `type`, `name` and those of the activation.
    pub keys: &'static [&'static str],
    /// The rank of its input, to which leading dimensions of size 1 are added if it is the network's input; `None` accepts any rank.
    pub rank: Option<usize>,
    /// Whether it reads several layers, `from = [A, B, …]`, instead of one.
    pub joins: bool,
    /// The key of its activation, if it can have one.
    pub activation: Option<&'static str>,
    /// Reads the keys and makes the layer.
    pub build: fn(&mut dyn Args) -> Result<Layer, Reported>,
}

/// Makes a layer with weights: its parameters, the weighted input `z` with the optional bias, and the activation `a`.
///
/// The caller claims the memory of `z` and of the weight first.
///
/// # Errors
/// If the network becomes larger than allowed.
pub fn weighted(args: &mut dyn Args, function: Arc<dyn Function>, weight: &[usize], channels: usize, fan: Fan) -> Result<Layer, Reported> {
    let shape = function.shape(&[args.input_shape(), weight]).map_err(|why| args.fail("type", why.to_string(), ""))?;
    args.claim(&shape)?;
    let mut parameters = vec![Leaf::read(args, WEIGHT, weight, fan)];
    let mut z = Stage::new(Z).with(function, [StageSource::Input(0), StageSource::Parameter(0)]);
    if args.has(BIAS.suffix) {
        parameters.push(Leaf::read(args, BIAS, &[channels], fan));
        z = z.with(Arc::new(bias(&[channels], &shape)), [StageSource::Parameter(1)]);
    }
    let a = Stage::new(A).with(args.activation("activation", &shape), [StageSource::Stage(0)]);
    Ok(Layer { parameters, stages: vec![z, a] })
}
