//! Reads the `[[layer]]` tables of a scenario file and builds the layers. First, the types and names of all layers are read. Then the layers are built in the
//! order of the file, because a layer needs the shapes of the outputs that it reads.

use std::collections::HashMap;

use toml::Spanned;
use toml::de::DeValue;

use super::axes;
use super::excerpt::quoted;
use super::keys::{TENSORS, TableArgs};
use super::names::{LayerNames, UnknownNames};
use super::reader::{ScenarioReader, Span, TomlTable};
use super::wiring::LayerEntry;
use super::{spelling, wiring};
use crate::network::LayersBuilder;
use crate::op::LAYERS;
use crate::op::activation::{self, ACTIVATIONS, Activation};
use crate::op::layer::{Args, Layer, LayerKind, Reported};
use crate::tensor::shape_words;
use crate::words::{self, Vocabulary, suggest};

/// Names that a layer may not have, because tensors or addresses already use them.
const RESERVED: [&str; 4] = ["input", "target", "loss", "grad"];

/// The layers of a file before they are built.
#[derive(Debug)]
pub(super) struct Layers<'t, 'i> {
    pub entries: Vec<LayerEntry<'t, 'i>>,
    pub names: LayerNames,
}

/// Reads the types and names of the layers, and reports unknown types and duplicate names. `is_complete` is `false` if the file has further layers that could
/// not be read.
pub(super) fn layers<'t, 'i>(reader: &mut ScenarioReader, tables: Vec<(&'t TomlTable<'i>, Span)>, is_complete: bool) -> Layers<'t, 'i> {
    // for each beginning of a default name, such as `fc`, the number of layers of this type so far
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut taken_names: HashMap<String, TakenName> = HashMap::new();
    let mut entries = Vec::with_capacity(tables.len());
    let mut invalid = Vec::new();
    let mut unknown = if is_complete { UnknownNames::None } else { UnknownNames::Any };
    for (table, span) in tables {
        // the position for messages about the layer
        let at = table.get("type").map_or(span, Spanned::span);
        let (kind, base) = kind(reader, table, &at);
        let number = counts.entry(base).and_modify(|n| *n += 1).or_insert(1);
        let default_name = format!("{base}{number}");
        // without the key `from`, a layer reads the previous layer, and the first layer reads the network's input, which is `None`
        let from = Ok(vec![entries.len().checked_sub(1)]);
        let mut entry = LayerEntry { table, at: at.clone(), name: default_name, kind, from };
        if kind.is_err() {
            unknown = unknown.max(UnknownNames::Default); // unless any name is possible already
        }
        let name_to_claim = match written_name(reader, table) {
            Err(name) => {
                if name.is_none() {
                    unknown = UnknownNames::Any;
                }
                invalid.extend(name);
                None
            }
            Ok(None) => Some(TakenName { span: at, is_default: true }),
            Ok(Some((name, span))) => {
                name.clone_into(&mut entry.name);
                Some(TakenName { span, is_default: false })
            }
        };
        // a layer of unknown type has no default name
        if let Some(claim) = name_to_claim
            && (!claim.is_default || !base.is_empty())
            && claim_name(reader, &mut taken_names, &entry.name, claim).is_err()
        {
            unknown = UnknownNames::Any;
        }
        entries.push(entry);
    }
    let mut names = LayerNames::new(entries.iter().map(|entry| entry.name.clone()).collect(), unknown, invalid);
    wiring::resolve(reader, &mut entries, &names);
    names.missing = wiring::missing(&entries, &names);
    Layers { entries, names }
}

/// Returns the type of a layer and the beginning of its default name: `fc` for `fc1`, `fc2`, …. The beginning is empty if the type is unknown.
fn kind(reader: &mut ScenarioReader, table: &TomlTable<'_>, at: &Span) -> (Result<&'static LayerKind, Reported>, &'static str) {
    let (name, span) = match reader.string(table, "type") {
        Ok(Some(found)) => found,
        Err(reported) => return (Err(reported), ""),
        Ok(None) => {
            let reported =
                reader.report(at.clone(), "the type of this layer is missing", "add type = \"linear\", or another kind of layer");
            return (Err(reported), "");
        }
    };
    if let Some(kind) = find_kind(name) {
        return (Ok(kind), kind.default_name);
    }
    (Err(reader.report(span, format!("there is no layer of type {}", quoted(name)), unknown_type_help(name, table))), "")
}

/// Returns the help text for a layer of unknown type. It suggests a type, and for each unknown key the name of this key in the suggested type: `did you mean
/// "linear"?; "units" is called "out_features"`.
fn unknown_type_help(name: &str, table: &TomlTable<'_>) -> String {
    let activations: Vec<&str> = ACTIVATIONS.iter().map(|activation| activation.name).collect();
    let activation = words::best_match(Vocabulary::Activation, name, &activations);
    let is_allowed = |_: &str| true;
    let table_help = words::table_help(Vocabulary::LayerType, name, &types(), is_allowed);
    let means_layer_type = table_help.is_some() || suggest::nearest(name, types()).is_some();
    if let Some(function) = activation.filter(|_| !means_layer_type) {
        return format!(
            "{function} is an activation: write activation = \"{function}\" in the layer before, or type = \"activation\" and function = \"{function}\""
        );
    }
    let help = table_help.unwrap_or_else(|| suggest::help(name, &types()));
    let Some(kind) = words::best_match(Vocabulary::LayerType, name, &types()).and_then(find_kind) else { return help };
    let known = known_keys(kind);
    let renamed = spelling::unknown_keys(table, &known).into_iter().filter_map(|(key, _)| {
        let accepts = |known: &str| spelling::accepts(known, &table[key.as_str()]);
        let right_key = words::best_match_where(Vocabulary::LayerKey, &key, &known, accepts)?;
        Some(format!("{} is called \"{right_key}\"", quoted(&key)))
    });
    let renamed: Vec<String> = renamed.collect();
    if renamed.is_empty() { help } else { format!("{help}; {}", renamed.join(", ")) }
}

/// Returns the names of all layer types.
fn types() -> Vec<&'static str> {
    LAYERS.iter().map(|kind| kind.name).collect()
}

/// The keys that every layer has.
const COMMON_KEYS: [&str; 3] = ["type", "name", "from"];

/// Returns the keys of a type of layer, without the keys of its activation, such as `negative_slope`.
fn known_keys(kind: &LayerKind) -> Vec<&'static str> {
    COMMON_KEYS.iter().chain(kind.keys).chain(&kind.activation).chain(axes::layer_keys(kind.name)).copied().collect()
}

/// Returns the keys of all layers and activations.
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    LAYERS.iter().flat_map(known_keys).chain(ACTIVATIONS.iter().flat_map(|activation| activation.keys).map(|(key, _)| *key))
}

/// Reports and mends the unknown keys of a layer.
pub(super) fn mend(reader: &mut ScenarioReader, table: &mut TomlTable<'_>) {
    mend_type(reader, table);
    // a layer of unknown type may have any key
    let Some(kind) = table.get("type").and_then(|name| find_kind(name.get_ref().as_str()?)) else { return };
    let mut known = known_keys(kind);
    // `None` if the layer names no activation; `Some(None)` if it names one that does not exist
    let activation = kind.activation.and_then(|key| match spelling::find_value(table, Vocabulary::LayerKey, key, &known)?.get_ref() {
        DeValue::String(name) => Some(activation::find(name)),
        _ => None,
    });
    known.extend(activation.flatten().iter().flat_map(|activation| activation.keys).map(|(key, _)| key));
    for (key, span) in spelling::unknown_keys(table, &known) {
        // the first activation with this key, if there is one
        let owner = ACTIVATIONS.iter().find(|activation| activation.keys.iter().any(|(own_key, _)| *own_key == key));
        match (owner, activation) {
            (Some(_), Some(None)) => {} // the unknown name of the activation is reported instead
            // a key of another activation; but if it is also another library's word for a key of this layer, it is mended below
            (Some(owner), _) if kind.activation.is_some() && words::translation(Vocabulary::LayerKey, &key, &known).is_none() => {
                let activation_key = kind.activation.filter(|key| !table.contains_key(*key));
                let add = activation_key.map_or_else(String::new, |key| format!("add {key} = \"{}\", or ", owner.name));
                let message = format!("{key} belongs to the activation \"{}\"", owner.name);
                reader.report(span, message, format!("{add}leave it out"));
            }
            _ => {
                let article = if kind.name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
                spelling::mend_key(reader, table, &key, span, &known, Vocabulary::LayerKey, &format!("{article} {} layer", kind.name));
            }
        }
    }
}

/// Reports and mends the key `type` if it is misspelt, or if the layer has a word of another library instead, such as `kind`.
fn mend_type(reader: &mut ScenarioReader, table: &mut TomlTable<'_>) {
    if table.contains_key("type") {
        return;
    }
    // a key of some layer is not a misspelt `type`
    let all: Vec<&str> = LAYERS.iter().flat_map(known_keys).collect();
    let is_type = |key: &str| {
        let is_allowed = |known: &str| known == "type" && spelling::accepts(known, &table[key]);
        words::best_match_where(Vocabulary::LayerKey, key, &COMMON_KEYS, is_allowed) == Some("type")
    };
    let found = spelling::unknown_keys(table, &all).into_iter().find(|(key, _)| is_type(key));
    if let Some((key, span)) = found {
        spelling::mend_key(reader, table, &key, span, &["type"], Vocabulary::LayerKey, "a layer");
    }
}

fn find_kind(name: &str) -> Option<&'static LayerKind> {
    LAYERS.iter().find(|kind| kind.name == name)
}

/// Returns the value of the key `name` of a layer, with its position. Returns `None` if the layer has no such key. If the value is not a valid name, the error
/// contains its text; if it is not even a string, the error is `None`.
fn written_name<'t>(reader: &mut ScenarioReader, table: &'t TomlTable<'_>) -> Result<Option<(&'t str, Span)>, Option<String>> {
    let Some((name, span)) = reader.string(table, "name").map_err(|Reported| None)? else { return Ok(None) };
    let mut bytes = name.bytes();
    let has_valid_start = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !has_valid_start || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        let help = "a name begins with a letter or _, and goes on with letters, digits, _ and -";
        reader.report(span, format!("{} cannot be a name", quoted(name)), help);
        return Err(Some(name.to_owned()));
    }
    if RESERVED.contains(&name) {
        reader.report(span, format!("the name \"{name}\" is taken by gradstep itself"), "choose another name");
        return Err(Some(name.to_owned()));
    }
    Ok(Some((name, span)))
}

/// A name that a layer has.
#[derive(Clone)]
struct TakenName {
    /// The position of the name. For a default name, it is the position of the layer.
    span: Span,
    is_default: bool,
}

/// Records that a layer has this name. If an earlier layer has the name already, reports it.
fn claim_name(
    reader: &mut ScenarioReader,
    taken_names: &mut HashMap<String, TakenName>,
    name: &str,
    claim: TakenName,
) -> Result<(), Reported> {
    let Some(earlier) = taken_names.get(name).cloned() else {
        taken_names.insert(name.to_owned(), claim);
        return Ok(());
    };
    let name = quoted(name);
    Err(match (claim.is_default, earlier.is_default) {
        (false, false) => {
            let note = (earlier.span, "the first is here");
            reader.report_with_note(claim.span, format!("two layers have the name {name}"), "choose another name", note)
        }
        // a default name is not written in the file, so the fault is reported at the name that is written
        (false, true) => {
            let note = (earlier.span, "this layer has it by default");
            reader.report_with_note(
                claim.span,
                format!("the name {name} is already taken"),
                "choose another name, or name both layers",
                note,
            )
        }
        (true, _) => {
            let note = (claim.span, "this layer has it by default");
            reader.report_with_note(
                earlier.span,
                format!("the name {name} is the default name of another layer"),
                "choose another name, or name both layers",
                note,
            )
        }
    })
}

/// The last layer, with the properties on which the loss and the target depend.
#[derive(Debug)]
pub(super) struct LastLayer {
    pub name: String,
    /// The shape of the layer's output.
    pub shape: Result<Vec<usize>, Reported>,
    /// The activation that computes the output; `None` if the layer has none.
    pub activation: Result<Option<&'static Activation>, Reported>,
}

/// Returns the number of dimensions that the network's input must have at least. It is the largest number that any layer which reads the input needs; `None` if
/// they need none.
pub(super) fn input_rank(entries: &[LayerEntry<'_, '_>]) -> Option<usize> {
    let readers = entries.iter().filter(|entry| entry.from.as_ref().is_ok_and(|from| from.contains(&None)));
    readers.filter_map(|entry| entry.kind.ok()?.rank).max()
}

/// The shapes of one layer's tensors, by the suffix of the tensor's name (`weight`, `z`, …). `None` for an uncertain shape.
type TensorShapes = HashMap<&'static str, Option<Vec<usize>>>;

/// The known tensors of all layers, by the name of the layer.
pub(super) type LayerTensors = HashMap<String, TensorShapes>;

/// Builds all layers. Returns the network without its loss, and the last layer. `input` is the shape of the network's input. If `is_complete` is `false`, or a
/// layer cannot be built, the known tensors take the place of the network.
///
/// If a layer cannot be built, a fault is reported, and the layers after it are still checked as far as possible.
pub(super) fn build_layers(
    reader: &mut ScenarioReader,
    entries: &[LayerEntry<'_, '_>],
    input: Result<&[usize], Reported>,
    is_complete: bool,
) -> (Result<LayersBuilder, LayerTensors>, Option<LastLayer>) {
    let mut built: Vec<BuiltLayer> = Vec::with_capacity(entries.len());
    for entry in entries {
        let layer = build(reader, entries, entry, &built, input);
        built.push(layer);
    }
    let last = entries.last().zip(built.last());
    let last = last.map(|(entry, layer)| LastLayer { name: entry.name.clone(), shape: layer.shape.clone(), activation: layer.activation });
    let named = || entries.iter().zip(&built);
    let tensors = named().filter_map(|(entry, layer)| Some((entry.name.clone(), layer.tensor_shapes()?)));
    let mut network = match input {
        Ok(input) if is_complete && named().all(|(entry, layer)| entry.from.is_ok() && layer.is_certain()) => LayersBuilder::new(input),
        _ => return (Err(tensors.collect()), last),
    };
    for (entry, BuiltLayer { layer, .. }) in entries.iter().zip(built) {
        if let (Ok(layer), Ok(kind), Ok(from)) = (layer, entry.kind, &entry.from)
            // a mismatch of shapes was already reported by `build`
            && network.layer(&entry.name, kind.name, layer, from).is_err()
        {
            return (Err(LayerTensors::new()), last);
        }
    }
    (Ok(network), last)
}

/// The known properties of a layer after [`build`].
struct BuiltLayer {
    layer: Result<Layer, Reported>,
    /// The shapes of the outputs of the layer's stages, if they are certain.
    stage_shapes: Option<Vec<Vec<usize>>>,
    /// The shape of the output.
    shape: Result<Vec<usize>, Reported>,
    activation: Result<Option<&'static Activation>, Reported>,
}

impl BuiltLayer {
    /// Returns whether the layer and the shapes of all its tensors are certain.
    fn is_certain(&self) -> bool {
        self.layer.is_ok() && self.stage_shapes.is_some()
    }

    /// Returns the shapes of the layer's tensors; `None` if the names of its tensors are unknown.
    fn tensor_shapes(&self) -> Option<TensorShapes> {
        Some(tensor_shapes(self.layer.as_ref().ok()?, self.stage_shapes.as_deref()))
    }
}

/// Returns the shapes of a layer's tensors. `stage_shapes` has the shapes of the outputs of the layer's stages. If it is `None`, all shapes are uncertain.
fn tensor_shapes(layer: &Layer, stage_shapes: Option<&[Vec<usize>]>) -> TensorShapes {
    let constants = layer.stages.iter().flat_map(|stage| &stage.constants);
    let leaves = layer.parameters.iter().chain(constants);
    let leaf_shapes = leaves.map(|leaf| (leaf.symbols.suffix, stage_shapes.map(|_| leaf.shape.clone())));
    let stage_shape = |n: usize| stage_shapes.map(|shapes| shapes[n].clone());
    let outputs = layer.stages.iter().enumerate().map(|(n, stage)| (stage.symbols.suffix, stage_shape(n)));
    leaf_shapes.chain(outputs).collect()
}

/// Returns the shape of the layer's output, which is the output of its last stage.
fn output_shape(stage_shapes: &Result<Vec<Vec<usize>>, Reported>) -> Result<Option<&Vec<usize>>, &Reported> {
    stage_shapes.as_ref().map(|shapes| shapes.last())
}

/// Returns two lists of assumed input shapes, for a layer whose inputs are unknown. In list n, every input has the shape `shapes[n]`.
///
/// The layer is built with both lists. If its output has the same shape both times, the shape does not depend on the input, so it is certain.
fn assumed_inputs<'a>(kind: Result<&LayerKind, Reported>, shapes: &'a [Vec<usize>; 2]) -> Vec<Vec<&'a [usize]>> {
    let input_count = kind.map_or(1, |kind| if kind.has_several_inputs { 2 } else { 1 });
    shapes.iter().map(|shape| vec![shape.as_slice(); input_count]).collect()
}

/// Builds one layer. `built` are the layers before it, and `input` is the shape of the network's input.
///
/// If the shapes of the layer's inputs are unknown, the layer is built with two assumed input shapes. This reports the faults in its keys, and sometimes shows
/// the shape of its output.
fn build(
    reader: &mut ScenarioReader,
    entries: &[LayerEntry<'_, '_>],
    entry: &LayerEntry<'_, '_>,
    built: &[BuiltLayer],
    input: Result<&[usize], Reported>,
) -> BuiltLayer {
    let shape_of = |from: &Option<usize>| from.map_or(input, |n| built[n].shape.as_deref().map_err(|&reported| reported));
    let inputs: Result<Vec<&[usize]>, Reported> =
        entry.from.as_ref().map_err(|&reported| reported).and_then(|from| from.iter().map(shape_of).collect());
    let has_known_inputs = inputs.is_ok();
    let rank = entry.kind.map_or(1, |kind| kind.rank.unwrap_or(1));
    // two shapes that differ in every dimension
    let assumed_shapes = [1, 2].map(|size| vec![size; rank]);
    let assumed = assumed_inputs(entry.kind, &assumed_shapes);
    // each alternative is a list with the shapes of all inputs
    let alternatives: Vec<Vec<&[usize]>> = inputs.map_or_else(|Reported| assumed.clone(), |inputs| vec![inputs]);
    let shape_help = || {
        let input_name = match entry.from.as_deref() {
            Ok([Some(n), ..]) => format!("the output of {}", entries[*n].name),
            _ => "the input of the network".to_owned(),
        };
        let input_shape = shape_words(alternatives[0].first().copied().unwrap_or(&[]));
        format!("its shape follows from the sizes of {} and its input, {input_shape} ({input_name})", entry.name)
    };
    // the name of a layer of unknown type may be uncertain
    let owner = if entry.kind.is_ok() { &entry.name } else { "this layer" };
    let mut keys = TableArgs::new(reader, Some(entry.table), entry.at.clone(), owner, &alternatives[0], &shape_help);
    let Ok(kind) = entry.kind else {
        keys.read_unread(TENSORS, Some("activation"));
        return BuiltLayer { layer: Err(Reported), stage_shapes: None, shape: Err(Reported), activation: Err(Reported) };
    };
    keys.has_sizes = has_known_inputs;
    keys.reads_input = matches!(entry.from.as_deref(), Ok([None]));
    let mut layer = Err(Reported);
    // the shapes of the stages, for each alternative
    let mut stage_shapes = Vec::with_capacity(alternatives.len());
    for inputs in &alternatives {
        keys.inputs = inputs;
        layer = (kind.build)(&mut keys);
        let inferred = layer.as_ref().map_err(|&reported| reported).map(|layer| layer.shapes(inputs));
        stage_shapes.push(inferred.and_then(|shapes| shapes.map_err(|mismatch| keys.fail_for_sizes("type", mismatch.to_string(), ""))));
    }
    let is_output_certain = if has_known_inputs {
        keys.has_sizes && !keys.is_output_uncertain
    } else {
        // this is used only for vectors: images of the sizes 1x1x1 and 2x2x2 can give outputs of the same shape, although larger images give another shape
        kind.rank == Some(1) && output_shape(&stage_shapes[0]) == output_shape(&stage_shapes[1])
    };
    if has_known_inputs && layer.is_err() {
        // the layer cannot be built with its actual inputs, so its keys are checked with assumed ones
        keys.has_sizes = false;
        for inputs in &assumed {
            keys.inputs = inputs;
            let _ = (kind.build)(&mut keys);
        }
    }
    keys.read_unread(kind.keys, kind.activation);
    let stage_shapes = stage_shapes.swap_remove(0); // with the actual inputs, or the first assumed ones
    let shape = match output_shape(&stage_shapes) {
        Ok(Some(output)) if is_output_certain => Ok(output.clone()),
        _ => Err(Reported),
    };
    let stage_shapes = stage_shapes.ok().filter(|_| keys.has_sizes && !keys.is_output_uncertain);
    BuiltLayer { layer, stage_shapes, shape, activation: keys.activation }
}

impl LastLayer {
    /// Describes the shape of the output for help texts: "the output of fc1 is a vector of 2 numbers".
    pub fn shape_sentence(&self, shape: &[usize]) -> String {
        format!("the output of {} is {}", self.name, shape_words(shape))
    }
}
