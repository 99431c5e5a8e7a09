//! The call of a function: the values of its parameters, and methods that read them.

use compact_str::CompactString;

use super::arithmetic;
use super::reader::GraphReader;
use super::value::{TensorId, Value};
use crate::op::layer::Reported;
use crate::python::tree::Span;

/// The way in which a function is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// `exp(x)`
    Bare,
    /// `torch.exp(x)`, `F.relu(x)`, `math.exp(x)`
    Torch,
    /// `np.exp(x)`
    NumPy,
    /// `x.exp()`
    Method,
}

/// An argument of a call, before it is known which parameter it is for.
#[derive(Clone, Debug)]
pub struct EvaluatedArgument {
    /// The keyword; `None` for an argument without one.
    pub keyword: Option<CompactString>,
    /// The value.
    pub value: Value,
    /// The place of the argument in the source text.
    pub span: Span,
}

/// A call: a function with the values of its parameters.
#[derive(Clone, Debug)]
pub struct Call {
    /// The name as written in the source text, for messages about this call.
    pub name: CompactString,
    /// The first of the names in the function's row ([`FunctionRow::names`]). An elementwise function has the same name in the table of operators.
    pub canonical: &'static str,
    /// The way in which the function is written.
    pub spelling: Spelling,
    /// `true` if a keyword is NumPy's: `axis`, `keepdims`, `ddof`.
    pub has_numpy_keyword: bool,
    /// `true` if a keyword is PyTorch's: `dim`, `keepdim`, `unbiased`, `correction`.
    pub has_torch_keyword: bool,
    /// For each parameter, the value of its argument, and the place of the argument in the source text. `None` if the call has no such argument. An argument
    /// that is written as `None` has the value [`Value::None`].
    pub values: Vec<Option<(Value, Span)>>,
    /// The arguments for a parameter with a star, such as `*shape`: their values and their places in the source text.
    pub starred: Vec<(Value, Span)>,
    /// The parameters' names.
    pub parameters: &'static [&'static str],
    /// The place of the call in the source text.
    pub span: Span,
}

/// A function of the table, with its names and parameters.
#[derive(Clone, Copy, Debug)]
pub struct FunctionRow {
    /// The names, without a module. The first one is [`Call::canonical`].
    pub names: &'static [&'static str],
    /// The parameters, in order. The parameter `dim|axis` has two names. The parameter `*shape` takes all further arguments.
    pub parameters: &'static [&'static str],
    /// Makes the operations of a call.
    pub build: Build,
}

/// Makes the operations of a call.
pub type Build = fn(&mut GraphReader<'_, '_>, &Call) -> Result<Value, Reported>;

/// Returns a help text with the parameters of a function: `write sum(input, dim, keepdim)`. Of a parameter with several names, it has the first one.
pub fn signature(name: &str, parameters: &[&str]) -> String {
    let names: Vec<&str> = parameters.iter().map(|parameter| parameter.split('|').next().unwrap_or_default()).collect();
    format!("write {name}({})", names.join(", "))
}

impl Call {
    /// Returns whether the call follows NumPy, where NumPy and PyTorch differ.
    pub fn is_numpy(&self) -> bool {
        !self.has_torch_keyword && self.spelling != Spelling::Torch && (self.spelling == Spelling::NumPy || self.has_numpy_keyword)
    }

    /// Returns whether the call gives the parameter with this index a value other than `None`.
    pub fn has(&self, at: usize) -> bool {
        matches!(self.values.get(at), Some(Some((value, _))) if !matches!(value, Value::None))
    }

    /// Returns the value of the parameter with this index, and the place of the argument in the source text. Returns `None` if the call does not give it, or
    /// gives it as Python's `None`.
    pub fn get(&self, at: usize) -> Option<(&Value, &Span)> {
        self.values.get(at)?.as_ref().filter(|(value, _)| !matches!(value, Value::None)).map(|(value, span)| (value, span))
    }

    /// Returns the same as [`Self::get`], for a parameter that the call must give.
    ///
    /// # Errors
    /// If the call does not give it, or gives it as `None`.
    pub fn required(&self, reader: &mut GraphReader<'_, '_>, at: usize) -> Result<(Value, Span), Reported> {
        if let Some((value, span)) = self.get(at) {
            return Ok((value.clone(), span.clone()));
        }
        let parameter = self.parameters.get(at).map_or("", |parameter| parameter.split('|').next().unwrap_or_default());
        let message = format!("{} needs its argument {parameter}", self.name);
        Err(reader.fail(&self.span, message, signature(&self.name, self.parameters)))
    }

    /// Returns a parameter as a tensor. A number or a list of numbers becomes a constant.
    ///
    /// # Errors
    /// If it is not given, or is something else.
    pub fn tensor(&self, reader: &mut GraphReader<'_, '_>, at: usize) -> Result<TensorId, Reported> {
        let (value, span) = self.required(reader, at)?;
        reader.tensor(&value, &span)
    }

    /// Returns a parameter as `True` or `False`; `default` if it is not given.
    ///
    /// # Errors
    /// If it is something else.
    pub fn flag(&self, reader: &mut GraphReader<'_, '_>, at: usize, default: bool) -> Result<bool, Reported> {
        match self.get(at) {
            None => Ok(default),
            Some((Value::Bool(flag), _)) => Ok(*flag),
            Some((value, span)) => {
                let (message, span) = (format!("this must be True or False, not {}", value.kind()), span.clone());
                let parameter = self.parameters.get(at).map_or("", |parameter| parameter.split('|').next().unwrap_or_default());
                let help = match self.two_axes(at) {
                    Some([first, second]) => {
                        format!("for two axes write {}(({first}, {second})); to keep the axis write {parameter}=True", self.name)
                    }
                    None => format!("write {parameter}=True or {parameter}=False"),
                };
                Err(reader.fail(&span, message, help))
            }
        }
    }

    /// Returns the whole numbers that are given for the axis before this parameter and for this parameter: [0, 1] for `keepdim` in `x.sum(0, 1)`.
    fn two_axes(&self, at: usize) -> Option<[i64; 2]> {
        let before = at.checked_sub(1).filter(|before| self.parameters[*before].starts_with("dim"))?;
        Some([self.get(before)?.0.as_integer()?, self.get(at)?.0.as_integer()?])
    }

    /// Returns a parameter as a number; `None` if it is not given.
    ///
    /// # Errors
    /// If it is something else.
    pub fn number(&self, reader: &mut GraphReader<'_, '_>, at: usize) -> Result<Option<f64>, Reported> {
        let Some((value, span)) = self.get(at) else { return Ok(None) };
        if let Some(number) = value.number() {
            return Ok(Some(number.value.as_f64()));
        }
        let (message, span) = (format!("a known number is needed here, not {}", value.kind()), span.clone());
        Err(reader.fail(&span, message, ""))
    }

    /// Returns a parameter as a whole number; `None` if it is not given.
    ///
    /// # Errors
    /// If it is something else.
    pub fn integer(&self, reader: &mut GraphReader<'_, '_>, at: usize) -> Result<Option<i64>, Reported> {
        let Some((value, span)) = self.get(at).map(|(value, span)| (value.clone(), span.clone())) else { return Ok(None) };
        let what = self.parameters[at].split('|').next().unwrap_or_default();
        arithmetic::integer(reader, &value, what, &span).map(Some)
    }

    /// Returns a parameter as a string; `None` if it is not given.
    ///
    /// # Errors
    /// If it is something else.
    pub fn text(&self, reader: &mut GraphReader<'_, '_>, at: usize) -> Result<Option<CompactString>, Reported> {
        match self.get(at) {
            None => Ok(None),
            Some((Value::Text(text), _)) => Ok(Some(text.clone())),
            Some((value, span)) => {
                let (message, span) = (format!("a string is needed here, not {}", value.kind()), span.clone());
                Err(reader.fail(&span, message, ""))
            }
        }
    }

    /// Returns a parameter as an axis of a tensor of this rank, counted from 0; `None` if it is not given.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn axis(&self, reader: &mut GraphReader<'_, '_>, at: usize, rank: usize) -> Result<Option<usize>, Reported> {
        let Some((value, span)) = self.get(at).map(|(value, span)| (value.clone(), span.clone())) else { return Ok(None) };
        let n = arithmetic::integer(reader, &value, "an axis", &span)?;
        axis(reader, n, rank, &span).map(Some)
    }

    /// Returns a parameter as a list of axes, each once, in ascending order; `None` if it is not given. One number is one axis.
    ///
    /// # Errors
    /// If an axis does not exist, or is given twice.
    pub fn axes(&self, reader: &mut GraphReader<'_, '_>, at: usize, rank: usize) -> Result<Option<Vec<usize>>, Reported> {
        let Some((value, span)) = self.get(at).map(|(value, span)| (value.clone(), span.clone())) else { return Ok(None) };
        let items = value.items().unwrap_or_else(|| vec![value]);
        if items.is_empty() && !self.is_numpy() {
            // in PyTorch it means all axes in most functions, and in NumPy none
            return Err(reader.fail(&span, "this list of axes is empty", "name an axis, or leave the argument out for all axes"));
        }
        let mut axes = Vec::new();
        for item in &items {
            let n = arithmetic::integer(reader, item, "an axis", &span)?;
            let axis = axis(reader, n, rank, &span)?;
            if axes.contains(&axis) {
                return Err(reader.fail(&span, format!("axis {n} is given twice"), ""));
            }
            axes.push(axis);
        }
        axes.sort_unstable();
        Ok(Some(axes))
    }

    /// Returns the whole numbers of the parameter with a star, given one by one or as one list: `x.view(2, 3)` and `x.view((2, 3))`. A size may be −1.
    ///
    /// # Errors
    /// If one is not a whole number.
    pub fn integers(&self, reader: &mut GraphReader<'_, '_>, what: &str) -> Result<Vec<i64>, Reported> {
        let values: Vec<(Value, Span)> = match &self.starred[..] {
            [(value, span)] if value.items().is_some() => {
                value.items().unwrap_or_default().into_iter().map(|item| (item, span.clone())).collect()
            }
            starred => starred.to_vec(),
        };
        values.iter().map(|(value, span)| arithmetic::integer(reader, value, what, span)).collect()
    }
}

/// Returns the axis that a number means: −1 is the last one.
///
/// # Errors
/// If there is no such axis.
pub fn axis(reader: &mut GraphReader<'_, '_>, n: i64, rank: usize, span: &Span) -> Result<usize, Reported> {
    let axis_count = i64::try_from(rank).unwrap_or(i64::MAX);
    let axis = if n < 0 { n + axis_count } else { n };
    match usize::try_from(axis) {
        Ok(axis) if axis < rank => Ok(axis),
        _ if rank == 0 => Err(reader.fail(span, format!("a single number has no axis {n}"), "leave the axis out")),
        _ => {
            let help = if rank == 1 {
                "it has the axis 0, also written -1".to_owned()
            } else {
                format!("it has the axes 0 to {}, also written -{rank} to -1", rank - 1)
            };
            let axes = if rank == 1 { "axis" } else { "axes" };
            Err(reader.fail(span, format!("there is no axis {n}: the tensor has {rank} {axes}"), help))
        }
    }
}
