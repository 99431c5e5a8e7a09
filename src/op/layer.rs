//! What a kind of layer is made of, and how it reads its keys from whatever describes it.

use std::sync::Arc;

use super::bias::bias;
use super::mismatch::{Mismatch, summed};
use super::rule::Function;
use crate::tensor::{Tensor, len};

/// A fault has been reported; there is nothing to build on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported;

/// The numbers of inputs and outputs that a weight joins, for the initialisations that ask; PyTorch's fans.
#[derive(Clone, Copy, Debug)]
pub struct Fan {
    /// Inputs of one output.
    pub inputs: usize,
    /// Outputs of one input.
    pub outputs: usize,
}

impl Fan {
    /// The fans of a tensor of this shape, as PyTorch takes them from the shape alone: out x in x area. A tensor with fewer than two dimensions has none.
    #[must_use]
    pub fn of(shape: &[usize]) -> Self {
        match shape {
            [outputs, inputs, area @ ..] => Self { inputs: inputs * len(area), outputs: outputs * len(area) },
            _ => Self { inputs: 1, outputs: 1 },
        }
    }
}

/// The description of one layer. Faults are reported where the key stands. A key with a fault is as if it were absent, so that the others are looked at
/// too: what is built with it goes nowhere. A method that returns [`Reported`] has reported a fault, or follows from one that was.
pub trait Args {
    /// The shapes of what the layer reads: one, or as many as its `from` lists.
    fn inputs(&self) -> &[&[usize]];

    /// Reports a fault at a key, or at the layer where the key is absent. It follows from the sizes: where one of them is faulty, nothing is reported.
    fn fail(&mut self, key: &str, message: String, help: &str) -> Reported;

    /// Reports a fault of a key by itself, whatever the sizes are, or that it is missing.
    fn fail_alone(&mut self, key: &str, message: String, help: &str) -> Reported;

    /// Whether the key is there.
    fn has(&self, key: &str) -> bool;

    /// An integer that is at least `least`.
    ///
    /// # Errors
    /// When it is something else.
    fn integer(&mut self, key: &str, least: usize) -> Result<Option<usize>, Reported>;

    /// One integer or `[vertical, horizontal]`, each at least `least`.
    ///
    /// # Errors
    /// When it is something else.
    fn pair(&mut self, key: &str, least: usize) -> Result<Option<[usize; 2]>, Reported>;

    /// A finite number.
    ///
    /// # Errors
    /// When it is something else.
    fn number(&mut self, key: &str) -> Result<Option<f64>, Reported>;

    /// `true` or `false`.
    ///
    /// # Errors
    /// When it is something else.
    fn flag(&mut self, key: &str) -> Result<Option<bool>, Reported>;

    /// One of these words.
    ///
    /// # Errors
    /// When it is something else.
    fn choice(&mut self, key: &str, words: &[&'static str]) -> Result<Option<&'static str>, Reported>;

    /// The shape of a tensor that is written down, with leading dimensions of size 1 added up to `rank`; `None` when its shape is not known
    /// from itself.
    ///
    /// # Errors
    /// When it has too high a rank, or is no tensor.
    fn shape(&mut self, key: &str, rank: usize) -> Result<Option<Vec<usize>>, Reported>;

    /// A tensor of this shape. A fault is reported and gives zeros, so that the rest of the file is checked too.
    fn tensor(&mut self, key: &str, shape: &[usize], fan: Fan) -> Tensor;

    /// A tensor of this shape, as [`Args::tensor`], that may also be written as a flat vector of as many numbers, as a target may.
    fn tensor_or_flat(&mut self, key: &str, shape: &[usize], fan: Fan) -> Tensor;

    /// Asks for the memory of a tensor of this shape and its gradient, before anything is allocated.
    ///
    /// # Errors
    /// When it is more than allowed.
    fn claim(&mut self, shape: &[usize]) -> Result<(), Reported>;

    /// The activation under `key` for a tensor of this shape; the identity when the key is absent or faulty.
    fn activation(&mut self, key: &str, shape: &[usize]) -> Arc<dyn Function>;
}

impl dyn Args + '_ {
    /// The shape of what the layer reads first.
    #[must_use]
    pub fn input_shape(&self) -> &[usize] {
        self.inputs().first().copied().unwrap_or(&[])
    }

    /// The input as channels, height and width.
    ///
    /// # Errors
    /// When the input is a vector.
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

    /// A size that the weight's own shape may already give; given twice, both must agree.
    ///
    /// # Errors
    /// When neither gives it, or they disagree.
    pub fn size(&mut self, key: &str, from_weight: Option<usize>) -> Result<usize, Reported> {
        match (self.integer(key, 1)?, from_weight) {
            (Some(a), Some(b)) if a != b => {
                Err(self.fail(key, format!("{key} is {a}, but the weight's shape says {b}"), "leave it out, or make both agree"))
            }
            (Some(n), _) | (None, Some(n)) => Ok(n),
            (None, None) => Err(self.missing(key)),
        }
    }

    /// The same for a pair of sizes.
    ///
    /// # Errors
    /// When neither gives it, or they disagree.
    pub fn sizes(&mut self, key: &str, from_weight: Option<[usize; 2]>) -> Result<[usize; 2], Reported> {
        match (self.pair(key, 1)?, from_weight) {
            (Some(a), Some(b)) if a != b => Err(self.fail(
                key,
                format!("{key} is {}x{}, but the weight's shape says {}x{}", a[0], a[1], b[0], b[1]),
                "leave it out, or make both agree",
            )),
            (Some(n), _) | (None, Some(n)) => Ok(n),
            (None, None) => Err(self.missing(key)),
        }
    }

    fn missing(&mut self, key: &str) -> Reported {
        if self.has(key) {
            return Reported; // it is there, with a fault
        }
        if self.has("weight") {
            return self.fail_alone(
                "weight",
                format!("the shape of this weight is not known: {key} is missing"),
                &format!("add {key} = …"),
            );
        }
        self.fail_alone(key, format!("{key} is missing"), &format!("add {key} = …, or a weight whose shape says it"))
    }
}

/// What a part of a stage reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An input of the layer.
    Input(usize),
    /// A parameter of the layer.
    Parameter(usize),
    /// An earlier stage of the layer.
    Stage(usize),
    /// A constant of the stage itself.
    Constant(usize),
}

/// The name and symbols of a tensor of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Called {
    /// Name after the layer's and a point: `z`, `weight`.
    pub suffix: &'static str,
    /// Letter of an entry.
    pub letter: &'static str,
    /// Letter of the whole tensor.
    pub whole: &'static str,
    /// Letter of its derivative, if that has one of its own: δ for z.
    pub derivative: Option<&'static str>,
}

/// A weight w, W as a whole.
pub const WEIGHT: Called = Called { whole: "W", ..Called::of("weight").written("w") };
/// A bias b.
pub const BIAS: Called = Called::of("bias").written("b");
/// The weighted input z, whose derivative is the error δ.
pub const Z: Called = Called { derivative: Some("δ"), ..Called::of("z") };
/// The output a.
pub const A: Called = Called::of("a");

impl Called {
    /// A tensor whose letter is its name.
    #[must_use]
    pub const fn of(suffix: &'static str) -> Self {
        Self { suffix, letter: suffix, whole: suffix, derivative: None }
    }

    /// The same tensor with another letter.
    #[must_use]
    pub const fn written(self, letter: &'static str) -> Self {
        Self { letter, whole: letter, ..self }
    }
}

/// A tensor that a layer is given: a parameter, or a constant such as a mask.
#[derive(Debug)]
pub struct Leaf {
    /// Name and symbols.
    pub called: Called,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its value, which is empty in a layer whose sizes are not known.
    pub value: Tensor,
}

impl Leaf {
    /// Reads the tensor under the key that it is called by.
    pub fn read(args: &mut dyn Args, called: Called, shape: &[usize], fan: Fan) -> Self {
        Self { called, shape: shape.to_vec(), value: args.tensor(called.suffix, shape, fan) }
    }
}

/// One tensor that a layer computes: the sum of its parts. Its shape follows from theirs.
#[derive(Debug)]
pub struct Stage {
    /// Name and symbols.
    pub called: Called,
    /// Tensors that the layer is given and nothing learns, such as a mask.
    pub constants: Vec<Leaf>,
    /// The functions that it is the sum of, each with what it reads.
    pub parts: Vec<(Arc<dyn Function>, Vec<Source>)>,
}

impl Stage {
    /// A stage without parts.
    #[must_use]
    pub fn new(called: Called) -> Self {
        Self { called, constants: Vec::new(), parts: Vec::new() }
    }

    /// The same with one constant more.
    #[must_use]
    pub fn given(mut self, constant: Leaf) -> Self {
        self.constants.push(constant);
        self
    }

    /// The same with one part more.
    #[must_use]
    pub fn with(mut self, function: Arc<dyn Function>, sources: impl Into<Vec<Source>>) -> Self {
        self.parts.push((function, sources.into()));
        self
    }
}

/// A layer as ops: its parameters and the tensors that it computes, the last of which is its output.
#[derive(Debug)]
pub struct Layer {
    /// The tensors that may learn.
    pub parameters: Vec<Leaf>,
    /// In the order of the forward pass.
    pub stages: Vec<Stage>,
}

impl Layer {
    /// Infers the shape of each stage from the shapes of what the layer reads.
    ///
    /// # Errors
    /// When what a function reads does not fit together.
    pub fn shapes(&self, inputs: &[&[usize]]) -> Result<Vec<Vec<usize>>, Mismatch> {
        let mut stages: Vec<Vec<usize>> = Vec::with_capacity(self.stages.len());
        for Stage { constants, parts, .. } in &self.stages {
            let read = |source: &Source| match *source {
                Source::Input(i) => inputs[i],
                Source::Parameter(i) => &self.parameters[i].shape,
                Source::Stage(i) => &stages[i],
                Source::Constant(i) => &constants[i].shape,
            };
            let shape =
                |(function, sources): &(Arc<dyn Function>, Vec<Source>)| function.shape(&sources.iter().map(read).collect::<Vec<_>>());
            let shape = summed(parts.iter().map(shape))?;
            stages.push(shape);
        }
        Ok(stages)
    }
}

/// A kind of layer: one row of the registry.
#[derive(Clone, Copy, Debug)]
pub struct LayerKind {
    /// Its `type`.
    pub name: &'static str,
    /// What its layers are called by default, before their number.
    pub base: &'static str,
    /// Its keys, besides `type`, `name` and those of its activation.
    pub keys: &'static [&'static str],
    /// The rank of its input, where missing leading dimensions of the network's input are added; `None` takes any.
    pub rank: Option<usize>,
    /// Whether it reads a list of layers, `from = [A, B, …]`, instead of one.
    pub joins: bool,
    /// The key under which it has an activation.
    pub activation: Option<&'static str>,
    /// Reads its keys and makes the layer.
    pub build: fn(&mut dyn Args) -> Result<Layer, Reported>,
}

/// The rest of a layer with weights: parameters, the weighted input `z` with its bias, and the activation `a`.
///
/// The caller has claimed the memory of `z` and of the weight.
///
/// # Errors
/// When the memory is more than allowed.
pub fn weighted(args: &mut dyn Args, function: Arc<dyn Function>, weight: &[usize], channels: usize, fan: Fan) -> Result<Layer, Reported> {
    let shape = function.shape(&[args.input_shape(), weight]).map_err(|why| args.fail("type", why.to_string(), ""))?;
    args.claim(&shape)?;
    let mut parameters = vec![Leaf::read(args, WEIGHT, weight, fan)];
    let mut z = Stage::new(Z).with(function, [Source::Input(0), Source::Parameter(0)]);
    if args.has(BIAS.suffix) {
        parameters.push(Leaf::read(args, BIAS, &[channels], fan));
        z = z.with(Arc::new(bias(&[channels], &shape)), [Source::Parameter(1)]);
    }
    let a = Stage::new(A).with(args.activation("activation", &shape), [Source::Stage(0)]);
    Ok(Layer { parameters, stages: vec![z, a] })
}
