"""Exports a PyTorch model to gradstep. This one file needs PyTorch (2.3 or newer) alone: copy it beside your model.

    import to_gradstep
    to_gradstep.save(model, image, target, "model.toml", loss="cross_entropy")   # a scenario, and its tensors beside it
    loss.backward()
    to_gradstep.gradients(model, "mine.npz")                                     # .grad of every parameter, for `gradstep diff model.toml mine.npz`
    to_gradstep.compare("model.toml", model)                                     # the largest difference to .grad; runs `gradstep`

The model is traced by torch.export. If each of its operations is a layer of gradstep, the scenario has these layers, with the names of the modules. Anything else
becomes a graph of tensors with a statement for each operation. What gradstep has not is an error that names the module and the operation.
"""

import ctypes
import json
import math
import operator
import re
import struct
import subprocess
import tempfile
import warnings
import zipfile
from pathlib import Path

import torch

__all__ = ["save", "gradients", "compare", "NotExportable"]


class NotExportable(Exception):
    """A part of a model that gradstep cannot say."""


class _NoLayer(Exception):
    """An operation that is no layer: the model becomes a graph."""


# PyTorch's names of losses, with gradstep's for layers. "squared_error" and "sum" are gradstep's own.
_LOSSES = {
    "cross_entropy": '"cross_entropy_with_logits"',
    "cross_entropy_with_logits": '"cross_entropy_with_logits"',
    "nll_loss": None,
    "mse_loss": '{ type = "squared_error", reduction = "mean" }',
    "l1_loss": '{ type = "l1", reduction = "mean" }',
    "smooth_l1_loss": '{ type = "smooth_l1", reduction = "mean" }',
    "huber_loss": '{ type = "huber", reduction = "mean" }',
    "binary_cross_entropy": '{ type = "binary_cross_entropy", reduction = "mean" }',
    "binary_cross_entropy_with_logits": '{ type = "binary_cross_entropy_with_logits", reduction = "mean" }',
}


def save(model, image, target, path, loss="cross_entropy", graph=False):
    """Writes the scenario of one forward and backward pass to `path`, and its tensors to a .pt file beside it.

    image   the input of the model, or a tuple of inputs, as the model takes them
    target  what the loss compares the output with: class indices, or numbers
    loss    a name of torch.nn.functional, such as "cross_entropy" or "mse_loss", with its default reduction: the mean
    graph   True writes a graph of tensors even if the model is a chain of layers
    """
    if loss not in _LOSSES:
        raise NotExportable(f"gradstep has no loss {loss!r}; it has {', '.join(_LOSSES)}")
    inputs = tuple(image) if isinstance(image, (tuple, list)) else (image,)
    trace = _Trace(model, inputs)
    path = Path(path)
    tensors_file = path.with_suffix(".tensors.pt")
    target = torch.as_tensor(target).detach().cpu()
    try:
        if graph:
            raise _NoLayer("a graph is asked for")
        text, tensors = _Layers(trace, inputs, target, loss, tensors_file.name).scenario(path.stem)
        kind = "layers"
    except _NoLayer:
        text, tensors = _Graph(trace, inputs, target, loss, tensors_file.name).scenario(path.stem)
        kind = "a graph"
    torch.save({name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}, tensors_file)
    path.write_text(text, encoding="utf-8")
    return kind


def gradients(model, path):
    """Writes .grad of every parameter to an .npz file, for `gradstep diff SCENARIO FILE`."""
    found = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    if not found:
        raise ValueError("no parameter has a gradient: call loss.backward() first")
    with zipfile.ZipFile(path, "w") as archive:
        for name, tensor in found.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), _npy(tensor))


def compare(scenario, model, program="gradstep"):
    """Returns the largest difference between the gradients of a scenario and .grad of the model's parameters, and prints it for each parameter."""
    with tempfile.TemporaryDirectory() as folder:
        computed = Path(folder) / "grads.json"
        subprocess.run([program, "grads", str(scenario), "--format", "json", "-o", str(computed)], check=True)
        found = json.loads(computed.read_text())["gradients"]
    names = _saved_names(scenario)
    largest = 0.0
    for name, parameter in model.named_parameters():
        ours = names.get(name)
        if parameter.grad is None or ours is None:
            continue
        own = torch.tensor(found[ours], dtype=torch.float64)
        difference = (own.reshape(-1) - parameter.grad.detach().double().cpu().reshape(-1)).abs().max().item()
        print(f"{name}: {difference:.3g}")
        largest = max(largest, difference)
    return largest


def _saved_names(scenario):
    """The names of parameters in a scenario, by their names in PyTorch: the comments at its end have them."""
    return dict(re.findall(r"^# (\S+) is (\S+) here$", Path(scenario).read_text(encoding="utf-8"), re.M))


_TYPES = {torch.float64: "f8", torch.float32: "f4", torch.float16: "f2"}


def _npy(tensor):
    """A tensor as the bytes of a .npy file."""
    tensor = tensor.detach().cpu()
    tensor = (tensor if tensor.dtype in _TYPES else tensor.double()).contiguous()
    header = f"{{'descr': '<{_TYPES[tensor.dtype]}', 'fortran_order': False, 'shape': {tuple(tensor.shape)}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    data = ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size())
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode("latin1") + data


class _Trace:
    """The operations of a model, as torch.export finds them."""

    def __init__(self, model, inputs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                program = torch.export.export(model, inputs, strict=False)
            except Exception as error:
                raise NotExportable(f"torch.export cannot trace {type(model).__name__}: {error}") from error
        self.model = model
        self.nodes = [node for node in program.graph.nodes if node.op == "call_function"]
        parameters = dict(model.named_parameters(remove_duplicate=False))
        buffers = dict(model.named_buffers(remove_duplicate=False))
        self.targets, self.values, self.inputs, self.learns = {}, {}, [], set()
        first = {}  # tied parameters have one name: that of the first
        for spec, node in zip(program.graph_signature.input_specs, [n for n in program.graph.nodes if n.op == "placeholder"]):
            kind = spec.kind.name
            if kind == "USER_INPUT":
                self.inputs.append(node)
                continue
            value = {"PARAMETER": parameters, "BUFFER": buffers}.get(kind, program.constants)[spec.target]
            self.targets[node] = first.setdefault(id(value), spec.target)
            self.values[node] = value
            if kind == "PARAMETER":
                self.learns.add(node)
        output = next(node for node in program.graph.nodes if node.op == "output").args[0]
        skipped = len(program.graph_signature.buffers_to_mutate)
        self.output = output[skipped] if isinstance(output, (tuple, list)) else output
        self.live = self._live()

    def _live(self):
        """The nodes on which the output depends."""
        live, open_nodes = set(), [self.output]
        while open_nodes:
            node = open_nodes.pop()
            if node not in live:
                live.add(node)
                open_nodes.extend(node.all_input_nodes)
        return live

    def where(self, node):
        """The module and the operation of a node, for messages."""
        path = self.module(node)
        module = f"{path} ({type(self.model.get_submodule(path)).__name__})" if path else type(self.model).__name__
        return f"{module}: {_name(node)}"

    def module(self, node):
        """The path of the module that a node belongs to; empty for the model itself."""
        stack = node.meta.get("nn_module_stack") or {}
        path = list(stack.values())[-1][0] if stack else ""
        path = path.removeprefix("L['self']").lstrip(".")
        try:
            self.model.get_submodule(path)
        except AttributeError:
            return ""
        return path


def _name(node):
    """The name of an operation: `aten.conv2d.default`, or `getitem`."""
    return node.target.__name__ if node.target is operator.getitem else str(node.target)


def _shape(node):
    return list(node.meta["val"].shape)


def _toml(value):
    """A value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        value = list(value)
        return str(value[0]) if len(set(value)) == 1 else str(value)
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _arguments(node):
    """The arguments of an operation by their names, with the defaults of the operation."""
    schema = node.target._schema.arguments
    found = {argument.name: argument.default_value for argument in schema}
    found.update(zip((argument.name for argument in schema), node.args))
    found.update(node.kwargs)
    return found


class _Layers:
    """Writes a model as layers."""

    def __init__(self, trace, inputs, target, loss, file):
        self.trace, self.inputs, self.target, self.loss, self.file = trace, inputs, target, loss, file
        self.layers, self.tensors, self.notes = [], {}, []
        self.named = {}  # the layer of each node; None for the input
        self.used, self.names = set(), set()
        self.batch = None

    def scenario(self, title):
        trace = self.trace
        if len(trace.inputs) != 1:
            raise _NoLayer("layers read one input")
        self.batch = self._batch()
        self.named[trace.inputs[0]] = None
        for node in trace.nodes:
            if node in trace.live:
                self._layer(node)
        if not self.layers or trace.output not in self.named:
            raise _NoLayer("no layers")
        return self._text(title), self.tensors

    def _batch(self):
        """The size of the batch; 0 if the input is a single sample."""
        rank = len(_shape(self.trace.inputs[0]))
        for node in self.trace.nodes:
            plain = {"conv1d": 2, "conv2d": 3, "conv_transpose2d": 3, "linear": 1}.get(_name(node).split(".")[1] if "." in _name(node) else "")
            if plain is not None and node in self.trace.live:
                own = len(_shape(node.args[0]))
                if own not in (plain, plain + 1):
                    raise _NoLayer("a layer over more axes")
                if own == plain + 1:
                    return _shape(self.trace.inputs[0])[0]
                return 0
        raise _NoLayer(f"an input of rank {rank} without a layer")

    def _sample(self, node):
        """The shape of a node for one sample."""
        shape = _shape(node)
        if not self.batch:
            return shape
        if not shape or shape[0] != self.batch:
            raise _NoLayer("an axis of the batch is mixed with others")
        return shape[1:]

    def _layer(self, node):
        name = _name(node)
        if name in ("aten._assert_tensor_metadata.default", "aten.sym_size.int"):
            return
        handler = _HANDLERS.get(name)
        if handler is None:
            raise _NoLayer(f"{name} is no layer")
        self._sample(node)
        handler(self, node, _arguments(node))

    def source(self, node):
        if not isinstance(node, torch.fx.Node) or node not in self.named:
            raise _NoLayer("an operand that is no layer")
        return self.named[node]

    def skip(self, node, source):
        """The node is the same tensor as another one."""
        self.named[node] = self.source(source)

    def add(self, node, kind, sources, keys=(), tensors=(), base=None):
        """Adds a layer. `keys` are pairs of a key and its value, `tensors` pairs of a key and the node of a parameter or buffer. `base` is the name of a layer
        that no module has."""
        sources = [self.source(source) for source in sources]
        path = self.trace.module(node)
        owner = next((self.trace.targets[value].rpartition(".")[0] for _, value in tensors if value in self.trace.targets), None)
        layer = {"type": kind, "name": self._layer_name(owner if owner is not None else path, base or kind), "lines": [], "from": sources, "node": node}
        for key, value in keys:
            layer["lines"].append(f"{key} = {_toml(value)}")
        for key, value in tensors:
            if value is None:
                continue
            if value not in self.trace.values:
                raise _NoLayer("a weight that is computed")
            target = self.trace.targets[value]
            if target in self.used:
                raise _NoLayer("a parameter that two layers share")
            self.used.add(target)
            self.tensors[target] = self.trace.values[value]
            line = f'{key} = {{ file = {json.dumps(self.file)}, key = {json.dumps(target)} }}'
            if value in self.trace.learns:
                self.notes.append(f"# {target} is {layer['name']}.{key} here")
            layer["lines"].append(line)
        self.layers.append(layer)
        self.named[node] = layer["name"]

    def _layer_name(self, path, kind):
        base = re.sub(r"[^A-Za-z0-9_-]", "_", path) or kind.removesuffix("2d").removesuffix("1d")
        if not re.match(r"[A-Za-z_]", base):
            base = f"layer{base}"
        if base in ("input", "target", "loss", "grad"):
            base += "_"
        name, number = base, 1
        while name in self.names:
            number += 1
            name = f"{base}_{number}"
        self.names.add(name)
        return name

    def activate(self, node, source, function, keys=()):
        """Adds an activation: to the layer before it, if nothing else reads that layer."""
        previous = self.layers[-1] if self.layers else None
        may_join = previous and previous["name"] == self.source(source) and previous["type"] in _WITH_ACTIVATION and "activation" not in previous
        if may_join and len([user for user in source.users if user in self.trace.live]) == 1 and previous["node"] is source:
            previous["activation"] = function
            previous["lines"] += [f'activation = "{function}"'] + [f"{key} = {_toml(value)}" for key, value in keys]
            self.named[node] = previous["name"]
        else:
            self.add(node, "activation", [source], [("function", function), *keys], base=function)

    def _text(self, title):
        loss, target, output = self.loss, self.target, self.named[self.trace.output]
        if output != self.layers[-1]["name"]:
            raise _NoLayer("the output is not the last layer")
        if loss == "nll_loss":
            last = self.layers[-1]
            if last.get("activation") != "log_softmax":
                raise _NoLayer("nll_loss without log_softmax")
            last["lines"].remove('activation = "log_softmax"')
            last["lines"].append("# the model ends with log_softmax, and its loss is nll_loss: together they are cross_entropy_with_logits")
            loss = "cross_entropy_with_logits"
        lines = [f"title = {json.dumps(title)}", f"loss = {_LOSSES[loss]}"]
        image = self.inputs[0].detach()
        classes = loss.startswith("cross_entropy") and not target.is_floating_point()
        count = self.batch or 1
        target = target.reshape(count) if classes else target.reshape(count, -1)
        self.tensors["input"] = image if self.batch else image[None]
        if count > 1:
            self.tensors["target"] = target
            lines += ["", "[samples]", self._file("input", "input"), self._file("target", "target")]
        else:
            self.tensors["input"] = self.tensors["input"][0]
            lines += [self._file("input", "input")]
            if classes:
                lines.append(f"target = {int(target[0])}")
            else:
                self.tensors["target"] = target[0]
                lines.append(self._file("target", "target"))
        previous = None
        for layer in self.layers:
            lines += ["", "[[layer]]", f'type = "{layer["type"]}"', f'name = "{layer["name"]}"']
            sources = ["input" if source is None else source for source in layer["from"]]
            if len(sources) > 1:
                lines.append(f"from = {json.dumps(sources)}")
            elif layer["from"][0] != previous:
                lines.append(f"from = {json.dumps(sources[0])}")
            lines += layer["lines"]
            previous = layer["name"]
        return "\n".join([*lines, "", *self.notes, ""])

    def _file(self, key, name):
        return f"{key} = {{ file = {json.dumps(self.file)}, key = {json.dumps(name)} }}"


_WITH_ACTIVATION = {"conv1d", "conv2d", "conv_transpose2d", "linear"}


def _if_not(default, *pairs):
    """The pairs whose values differ from a default."""
    return [(key, value) for key, value in pairs if list(value if isinstance(value, (list, tuple)) else [value]) not in ([default], [default, default])]


def _weighted(kind):
    def handler(layers, node, a):
        padding = a.get("padding", 0)
        keys = _if_not(1, ("stride", a.get("stride", 1)), ("dilation", a.get("dilation", 1)), ("groups", a.get("groups", 1)))
        keys += [("padding", padding)] if isinstance(padding, str) else _if_not(0, ("padding", padding))
        keys += _if_not(0, ("output_padding", a.get("output_padding", 0)))
        layers.add(node, kind, [a["input"]], keys, [("weight", a["weight"]), ("bias", a["bias"])])

    return handler


def _activation(function, *keys, argument="self"):
    def handler(layers, node, a):
        layers.activate(node, a[argument], function, [(own, a[key]) for own, key in keys])

    return handler


def _clamp(layers, node, a):
    low, high = a.get("min_val", -1.0), a.get("max_val", 1.0)
    if (low, high) == (0.0, 6.0):
        return layers.activate(node, a["self"], "relu6")
    layers.activate(node, a["self"], "hardtanh", [("min_val", float(low)), ("max_val", float(high))])


def _over_vector(function):
    def handler(layers, node, a):
        if len(layers._sample(node)) != 1 or a["dim"] not in (-1, len(_shape(node)) - 1):
            raise _NoLayer(f"{function} over an axis of an image")
        layers.activate(node, a["self"], function)

    return handler


def _pool(kind):
    def handler(layers, node, a):
        size = a["kernel_size"]
        stride = a["stride"] or size
        keys = [("kernel_size", size)] + ([("stride", stride)] if list(stride) != list(size) else [])
        keys += _if_not(0, ("padding", a["padding"])) + _if_not(1, ("dilation", a.get("dilation", 1)))
        keys += [("ceil_mode", True)] if a["ceil_mode"] else []
        keys += [("count_include_pad", False)] if a.get("count_include_pad") is False else []
        if a.get("divisor_override"):
            raise _NoLayer("divisor_override")
        layers.add(node, kind, [a["self"]], keys)

    return handler


def _adaptive(layers, node, a):
    size = list(a["output_size"])
    if size == [1, 1]:
        return layers.add(node, "global_avg_pool2d", [a["self"]])
    layers.add(node, "adaptive_avg_pool2d", [a["self"]], [("output_size", size)])


def _reshape(layers, node, a):
    source = a["self"]
    before, after = layers._sample(source), layers._sample(node)
    if after == before:
        return layers.skip(node, source)
    if len(after) == 1 and len(before) > 1:
        return layers.add(node, "flatten", [source])
    raise _NoLayer("a reshape that is no flatten")


def _same(argument="self"):
    return lambda layers, node, a: layers.skip(node, a[argument])


def _dropout(layers, node, a):
    if not a["train"] or a["p"] == 0:
        return layers.skip(node, a["input"])
    if layers.batch and layers.batch > 1:
        raise _NoLayer("a mask for each sample")
    mask = (torch.rand(layers._sample(node)) >= a["p"]).to(torch.uint8)
    layers.add(node, "dropout", [a["input"]], [("p", a["p"])])
    name = f"{layers.layers[-1]['name']}.mask"
    layers.tensors[name] = mask
    layers.layers[-1]["lines"].append(layers._file("mask", name))


def _sum(layers, node, a):
    if a["alpha"] != 1:
        raise _NoLayer("a sum with a factor")
    if not isinstance(a["other"], torch.fx.Node) or _shape(a["self"]) != _shape(a["other"]):
        raise _NoLayer("a sum that is broadcast")
    layers.add(node, "add", [a["self"], a["other"]])


def _cat(layers, node, a):
    if a["dim"] not in (1, -len(_shape(node)) + 1) or not layers.batch:
        raise _NoLayer("a cat along another axis")
    layers.add(node, "cat", list(a["tensors"]))


def _batch_norm(layers, node, a):
    if a["training"] or a["running_mean"] is None:
        raise _NoLayer("batch norm over a batch")
    kind = "batch_norm2d" if len(layers._sample(node)) == 3 else "batch_norm1d"
    tensors = [(key, a[key]) for key in ("weight", "bias", "running_mean", "running_var")]
    layers.add(node, kind, [a["input"]], [("eps", a["eps"])], tensors)


def _layer_norm(layers, node, a):
    if list(a["normalized_shape"]) != layers._sample(node):
        raise _NoLayer("a norm over some axes")
    layers.add(node, "layer_norm", [a["input"]], [("eps", a["eps"])], [("weight", a["weight"]), ("bias", a["bias"])])


def _group_norm(layers, node, a):
    keys = [("num_groups", a["num_groups"]), ("eps", a["eps"])]
    layers.add(node, "group_norm", [a["input"]], keys, [("weight", a["weight"]), ("bias", a["bias"])])


def _instance_norm(layers, node, a):
    if not a["use_input_stats"] or len(layers._sample(node)) != 3:
        raise _NoLayer("an instance norm with other statistics")
    layers.add(node, "instance_norm2d", [a["input"]], [("eps", a["eps"])], [("weight", a["weight"]), ("bias", a["bias"])])


def _upsample(mode):
    def handler(layers, node, a):
        factors = [out / own for out, own in zip(layers._sample(node)[1:], layers._sample(a["input"])[1:])]
        if a.get("align_corners") or any(factor != int(factor) for factor in factors):
            raise _NoLayer("an upsampling by another factor")
        layers.add(node, "upsample", [a["input"]], [("scale_factor", [int(factor) for factor in factors]), ("mode", mode)])

    return handler


def _gelu(layers, node, a):
    if a["approximate"] != "none":
        raise _NoLayer("an approximate gelu")
    layers.activate(node, a["self"], "gelu")


def _softplus(layers, node, a):
    if a["beta"] != 1:
        raise _NoLayer("a softplus with beta")
    layers.activate(node, a["self"], "softplus")


# each operation that is a layer
_HANDLERS = {
    "aten.conv1d.default": _weighted("conv1d"),
    "aten.conv1d.padding": _weighted("conv1d"),
    "aten.conv2d.default": _weighted("conv2d"),
    "aten.conv2d.padding": _weighted("conv2d"),
    "aten.conv_transpose2d.input": _weighted("conv_transpose2d"),
    "aten.linear.default": _weighted("linear"),
    "aten.max_pool2d.default": _pool("max_pool2d"),
    "aten.avg_pool2d.default": _pool("avg_pool2d"),
    "aten.max_pool1d.default": _pool("max_pool1d"),
    "aten.avg_pool1d.default": _pool("avg_pool1d"),
    "aten.adaptive_avg_pool2d.default": _adaptive,
    "aten.batch_norm.default": _batch_norm,
    "aten.layer_norm.default": _layer_norm,
    "aten.group_norm.default": _group_norm,
    "aten.instance_norm.default": _instance_norm,
    "aten.upsample_nearest2d.vec": _upsample("nearest"),
    "aten.upsample_bilinear2d.vec": _upsample("bilinear"),
    "aten.cat.default": _cat,
    "aten.add.Tensor": _sum,
    "aten.add_.Tensor": _sum,
    "aten.dropout.default": _dropout,
    "aten.feature_dropout.default": _dropout,
    "aten.hardtanh.default": _clamp,
    "aten.hardtanh_.default": _clamp,
    "aten.elu.default": _activation("elu", ("alpha", "alpha")),
    "aten.leaky_relu.default": _activation("leaky_relu", ("negative_slope", "negative_slope")),
    "aten.leaky_relu_.default": _activation("leaky_relu", ("negative_slope", "negative_slope")),
    "aten.gelu.default": _gelu,
    "aten.softplus.default": _softplus,
    "aten.softmax.int": _over_vector("softmax"),
    "aten.log_softmax.int": _over_vector("log_softmax"),
    "aten.view.default": _reshape,
    "aten.reshape.default": _reshape,
    "aten.flatten.using_ints": _reshape,
    "aten.squeeze.default": _reshape,
    "aten.squeeze.dims": _reshape,
    "aten.contiguous.default": _same(),
    "aten.clone.default": _same(),
    "aten.alias.default": _same(),
}
for _function in ["relu", "sigmoid", "tanh", "silu", "mish", "hardswish", "relu6"]:
    _HANDLERS[f"aten.{_function}.default"] = _HANDLERS[f"aten.{_function}_.default"] = _activation(_function)


class _Graph:
    """Writes a model as a graph of tensors, with a statement for each operation."""

    def __init__(self, trace, inputs, target, loss, file):
        self.trace, self.inputs, self.target, self.loss, self.file = trace, inputs, target, loss, file
        self.names, self.taken, self.tensors = {}, {"loss", "first", "last", "backward"}, {}
        self.given = {"inputs": [], "constants": []}
        self.statements, self.notes = [], []

    def scenario(self, title):
        trace = self.trace
        for node, value in zip(trace.inputs, self.inputs):
            if node in trace.live:
                self._give("inputs" if value.is_floating_point() else "constants", node, node.name, value)
        for node, value in trace.values.items():
            if node in trace.live:
                target = trace.targets[node]
                known = next((name for other, name in self.names.items() if trace.targets.get(other) == target), None)
                if known:
                    self.names[node] = known
                    continue
                name = self._give("inputs" if node in trace.learns else "constants", node, target.replace(".", "_"), value)
                if node in trace.learns:
                    self.notes.append(f"# {target} is {name} here")
        for node in trace.nodes:
            if node in trace.live:
                self._statement(node)
        self._loss()
        lines = [f"title = {json.dumps(title)}", "", "[graph]", "nodes = '''", *self.statements, "'''"]
        read = set(re.findall(r"\w+", " ".join(self.statements)))
        for table in ("inputs", "constants"):
            self.given[table] = [name for name in self.given[table] if name in read or self.tensors.pop(name) is None]
            lines += ["", f"[graph.{table}]"] + [f"{name} = {{ file = {json.dumps(self.file)}, key = {json.dumps(name)} }}" for name in self.given[table]]
        return "\n".join([*lines, "", *self.notes, ""]), self.tensors

    def _unique(self, name):
        base = re.sub(r"\W", "_", name)
        base = f"_{base}" if not base or base[0].isdigit() else base
        name, number = base, 1
        while name in self.taken:
            number += 1
            name = f"{base}_{number}"
        self.taken.add(name)
        return name

    def _give(self, table, node, name, value):
        name = self._unique(name)
        if node is not None:
            self.names[node] = name
        self.tensors[name] = value
        self.given[table].append(name)
        return name

    def _loss(self):
        output, target = self.names[self.trace.output], self.target
        if not self.loss.startswith(("cross_entropy", "nll")) or target.is_floating_point():
            target = target.to(self.trace.output.meta["val"].dtype)
        name = self._give("constants", None, "target", target)
        function = "cross_entropy" if self.loss.startswith("cross_entropy") else self.loss
        self.statements.append(f"loss = F.{function}({output}, {name})")

    def _statement(self, node):
        if node.target is operator.getitem:
            source, index = node.args
            if source.target in _LISTS:
                self.names[node] = f"{self.names[source]}[{index}]"
                return
            parts = self.names[source]
            if not isinstance(parts, (list, tuple)):
                raise NotExportable(f"{self.trace.where(node)}: gradstep has no list of this kind")
            self.names[node] = parts[index]
            return
        name = _name(node)
        if name in _ALIASES:
            self.names[node] = self.names[node.args[0]]
            return
        if name in _IGNORED:
            return
        if name == "aten.dropout.default" and (not node.args[2] or node.args[1] == 0):
            self.names[node] = self.names[node.args[0]]
            return
        maker = _STATEMENTS.get(name)
        if maker is None:
            raise NotExportable(f"{self.trace.where(node)}: gradstep has no such operation")
        expression = maker(self, node, _arguments(node))
        if isinstance(expression, (list, tuple)):
            self.names[node] = expression
            return
        own = self._unique(self._node_name(node))
        self.statements.append(f"{own} = {expression}")
        self.names[node] = own

    def _node_name(self, node):
        """The name of the module if it is the only operation of a module without children, otherwise that of the operation."""
        path = self.trace.module(node)
        alone = [other for other in self.trace.nodes if other in self.trace.live and self.trace.module(other) == path]
        return path.replace(".", "_") if path and len(alone) == 1 else node.name

    def text(self, value):
        """An argument as text."""
        if isinstance(value, torch.fx.Node):
            found = self.names[value]
            if not isinstance(found, str):
                raise NotExportable(f"{self.trace.where(value)}: gradstep has no list of this kind")
            return found
        if isinstance(value, (list, tuple)):
            return f"[{', '.join(self.text(item) for item in value)}]"
        if isinstance(value, float):
            return "inf" if value == math.inf else "-inf" if value == -math.inf else repr(value)
        if isinstance(value, (bool, int, str)) or value is None:
            return repr(value)
        raise NotExportable(f"gradstep has no argument {value!r}")

    def let(self, name, expression):
        """Adds a statement of its own, and returns its name."""
        name = self._unique(name)
        self.statements.append(f"{name} = {expression}")
        return name


def _call(function, *names, **renamed):
    """A statement that calls a function: the arguments `names` by position, and the others by keyword."""

    def maker(graph, node, a):
        values = [a[name] for name in names]
        while values and values[-1] is None:
            values.pop()
        parts = [graph.text(value) for value in values]
        parts += [f"{own}={graph.text(a[name])}" for own, name in renamed.items()]
        return f"{function}({', '.join(parts)})"

    return maker


def _binary(sign):
    def maker(graph, node, a):
        other = graph.text(a["other"])
        if a.get("alpha", 1) != 1:
            other = f"{graph.text(a['alpha'])} * {other}"
        if a.get("rounding_mode"):
            raise NotExportable(f"{graph.trace.where(node)}: gradstep has no rounded division")
        return f"{graph.text(a['self'])} {sign} {other}"

    return maker


def _to_shape(graph, node, a):
    return f"{graph.text(a['self'])}.reshape({', '.join(map(str, _shape(node)))})"


def _expand(graph, node, a):
    return f"{graph.text(a['self'])}.expand({', '.join(map(str, _shape(node)))})"


def _indexed(graph, source, dim, inside):
    rank = len(_shape(source))
    return f"{graph.text(source)}[{', '.join([':'] * (dim % rank) + [inside])}]"


def _select(graph, node, a):
    return _indexed(graph, a["self"], a["dim"], str(a["index"]))


def _slice(graph, node, a):
    size = _shape(a["self"])[a["dim"]]
    end = "" if a["end"] is None or a["end"] >= size else str(a["end"])
    step = "" if a["step"] == 1 else f":{a['step']}"
    return _indexed(graph, a["self"], a["dim"], f"{a['start'] or ''}:{end}{step}")


def _index(graph, node, a):
    parts = [":" if index is None else graph.text(index) for index in a["indices"]]
    return f"{graph.text(a['self'])}[{', '.join(parts)}]"


def _statement_batch_norm(graph, node, a):
    x, weight, bias = (graph.text(a[key]) for key in ("input", "weight", "bias"))
    if a["training"] or a["running_mean"] is None:
        return f"F.batch_norm({x}, None, None, {weight}, {bias}, training=True, eps={a['eps']!r})"
    mean, var = graph.text(a["running_mean"]), graph.text(a["running_var"])
    return f"F.batch_norm({x}, {mean}, {var}, {weight}, {bias}, training=False, eps={a['eps']!r})"


def _statement_dropout(graph, node, a):
    x = graph.text(a["input"])
    mask = (torch.rand(_shape(node)) >= a["p"]).to(torch.float32)
    name = graph._give("constants", None, f"{node.name}_mask", mask)
    return f"{x} * {name} / {1 - a['p']!r}"




def _attention(graph, node, a):
    parts = [graph.text(a[key]) for key in ("query", "key", "value")]
    if a["attn_mask"] is not None:
        parts.append(f"attn_mask={graph.text(a['attn_mask'])}")
    parts += ["is_causal=True"] if a["is_causal"] else []
    parts += [f"scale={a['scale']!r}"] if a.get("scale") is not None else []
    if a["dropout_p"]:
        raise NotExportable(f"{graph.trace.where(node)}: dropout inside attention; export it with model.eval() or dropout=0")
    return f"F.scaled_dot_product_attention({', '.join(parts)})"


def _linear(x, weight, bias):
    return f"F.linear({x}, {weight}, {bias})" if bias else f"F.linear({x}, {weight})"


def _lstm_step(graph, x, state, weights, size):
    """The next states of an LSTM. `weights` has w_ih, w_hh, b_ih and b_hh, as PyTorch orders them: the gates i, f, g, o one below the other."""
    (h, c), (w_ih, w_hh, b_ih, b_hh) = state, weights
    gates = graph.let("gates", f"{_linear(x, w_ih, b_ih)} + {_linear(h, w_hh, b_hh)}")
    functions = [("i", "sigmoid"), ("f", "sigmoid"), ("g", "tanh"), ("o", "sigmoid")]
    i, f, g, o = (graph.let(name, f"{function}({gates}[:, {n * size}:{(n + 1) * size}])") for n, (name, function) in enumerate(functions))
    c = graph.let("c", f"{f} * {c} + {i} * {g}")
    return [graph.let("h", f"{o} * tanh({c})"), c]


def _gru_step(graph, x, state, weights, size):
    (h,), (w_ih, w_hh, b_ih, b_hh) = state, weights
    own, old = graph.let("gates_x", _linear(x, w_ih, b_ih)), graph.let("gates_h", _linear(h, w_hh, b_hh))

    def part(gates, n):
        return f"{gates}[:, {n * size}:{(n + 1) * size}]"

    reset = graph.let("r", f"sigmoid({part(own, 0)} + {part(old, 0)})")
    update = graph.let("z", f"sigmoid({part(own, 1)} + {part(old, 1)})")
    new = graph.let("n", f"tanh({part(own, 2)} + {reset} * {part(old, 2)})")
    return [graph.let("h", f"(1 - {update}) * {new} + {update} * {h}")]


def _plain_step(function):
    def step(graph, x, state, weights, size):
        (h,), (w_ih, w_hh, b_ih, b_hh) = state, weights
        return [graph.let("h", f"{function}({_linear(x, w_ih, b_ih)} + {_linear(h, w_hh, b_hh)})")]

    return step


def _cell(step):
    """A cell: one step."""

    def maker(graph, node, a):
        states = a["hx"] if isinstance(a["hx"], (list, tuple)) else [a["hx"]]
        weights = [graph.text(a[key]) if a[key] is not None else None for key in ("w_ih", "w_hh", "b_ih", "b_hh")]
        found = step(graph, graph.text(a["input"]), [graph.text(state) for state in states], weights, _shape(a["w_hh"])[1])
        return found if len(found) > 1 else found[0]

    return maker


def _sequence(step):
    """Layers of cells over a sequence, unrolled: a statement for each operation of each turn."""

    def maker(graph, node, a):
        if a["bidirectional"] or (a["dropout"] and a["train"]):
            raise NotExportable(f"{graph.trace.where(node)}: both directions, or dropout between its layers")
        states = list(a["hx"]) if isinstance(a["hx"], (list, tuple)) else [a["hx"]]
        weights, has_biases = [graph.text(weight) for weight in a["params"]], a["has_biases"]
        count = 4 if has_biases else 2
        axis = 1 if a["batch_first"] else 0
        size = _shape(a["params"][1])[1]
        turns = [f"{graph.text(a['input'])}[{':, ' * axis}{turn}]" for turn in range(_shape(a["input"])[axis])]
        last = [[] for _ in states]
        for layer in range(a["num_layers"]):
            own = weights[layer * count : (layer + 1) * count] + ([] if has_biases else [None, None])
            state = [graph.let("h0", f"{graph.text(states[n])}[{layer}]") for n in range(len(states))]
            outputs = []
            for x in turns:
                state = step(graph, x, state, own, size)
                outputs.append(state[0])
            turns = outputs
            for n, value in enumerate(state):
                last[n].append(value)
        stacked = graph.let(graph._node_name(node), f"torch.stack([{', '.join(turns)}], {axis})")
        return [stacked, *(graph.let("state", f"torch.stack([{', '.join(values)}], 0)") for values in last)]

    return maker


def _statement_nearest(graph, node, a):
    factors = [out // own for out, own in zip(_shape(node)[2:], _shape(a["input"])[2:])]
    if [own * factor for own, factor in zip(_shape(a["input"])[2:], factors)] != _shape(node)[2:]:
        raise NotExportable(f"{graph.trace.where(node)}: an upsampling by a factor that is no integer")
    return f"{graph.text(a['input'])}.repeat_interleave({factors[0]}, 2).repeat_interleave({factors[1]}, 3)"


def _statement_adaptive(graph, node, a):
    own, size = _shape(a["self"])[-2:], list(a["output_size"])
    if any(n % m for n, m in zip(own, size)):
        raise NotExportable(f"{graph.trace.where(node)}: windows of different sizes")
    return f"F.avg_pool2d({graph.text(a['self'])}, [{own[0] // size[0]}, {own[1] // size[1]}])"


def _statement_pool(function, *more):
    def maker(graph, node, a):
        if a["ceil_mode"]:
            raise NotExportable(f"{graph.trace.where(node)}: ceil_mode in a graph")
        parts = [graph.text(a["self"]), graph.text(a["kernel_size"]), f"stride={graph.text(a['stride'] or a['kernel_size'])}"]
        parts += [f"{key}={graph.text(a[key])}" for key in ("padding", *more)]
        return f"F.{function}({', '.join(parts)})"

    return maker


def _full(graph, node, a):
    value = {"zeros": 0, "ones": 1}.get(_name(node).split(".")[1].removesuffix("_like"), a.get("fill_value", a.get("s")))
    return f"torch.full([{', '.join(map(str, _shape(node)))}], {graph.text(value)})"


def _axes(function):
    """A reduction over one or more axes."""

    def maker(graph, node, a):
        axes = a.get("dim")
        parts = [graph.text(a["self"])]
        if axes is not None and axes != []:
            axes = list(axes) if isinstance(axes, (list, tuple)) else [axes]
            parts.append(f"dim={axes[0]}" if len(axes) == 1 else f"dim=({', '.join(map(str, axes))})")
        parts += ["keepdim=True"] if a.get("keepdim") else []
        parts += [f"correction={graph.text(a['correction'])}"] if a.get("correction") is not None else []
        parts += [f"unbiased={a['unbiased']}"] if "unbiased" in a else []
        return f"torch.{function}({', '.join(parts)})"

    return maker


def _clamped(graph, node, a):
    return f"torch.clamp({graph.text(a['self'])}, {graph.text(a['min'])}, {graph.text(a['max'])})"


def _comparison(sign):
    return lambda graph, node, a: f"{graph.text(a['self'])} {sign} {graph.text(a['other'])}"


_IGNORED = {"aten._assert_tensor_metadata.default", "aten.sym_size.int"}
_LISTS = {torch.ops.aten.split.Tensor, torch.ops.aten.split_with_sizes.default, torch.ops.aten.chunk.default, torch.ops.aten.unbind.int}
_ALIASES = {"aten.contiguous.default", "aten.clone.default", "aten.alias.default", "aten.to.dtype", "aten.to.device", "aten._to_copy.default",
            "aten.lift_fresh_copy.default", "aten.to.dtype_layout", "aten.type_as.default"}

# each operation of a graph
_STATEMENTS = {
    "aten.linear.default": _call("F.linear", "input", "weight", "bias"),
    "aten.conv1d.default": _call("F.conv1d", "input", "weight", "bias", stride="stride", padding="padding", dilation="dilation", groups="groups"),
    "aten.conv1d.padding": _call("F.conv1d", "input", "weight", "bias", stride="stride", padding="padding", dilation="dilation", groups="groups"),
    "aten.conv2d.default": _call("F.conv2d", "input", "weight", "bias", stride="stride", padding="padding", dilation="dilation", groups="groups"),
    "aten.conv2d.padding": _call("F.conv2d", "input", "weight", "bias", stride="stride", padding="padding", dilation="dilation", groups="groups"),
    "aten.conv_transpose2d.input": _call(
        "F.conv_transpose2d", "input", "weight", "bias", stride="stride", padding="padding", output_padding="output_padding", groups="groups", dilation="dilation"
    ),
    "aten.max_pool1d.default": _statement_pool("max_pool1d", "dilation"),
    "aten.max_pool2d.default": _statement_pool("max_pool2d", "dilation"),
    "aten.avg_pool1d.default": _statement_pool("avg_pool1d", "count_include_pad"),
    "aten.avg_pool2d.default": _statement_pool("avg_pool2d", "count_include_pad"),
    "aten.adaptive_avg_pool2d.default": _statement_adaptive,
    "aten.upsample_nearest2d.vec": _statement_nearest,
    "aten.layer_norm.default": _call("F.layer_norm", "input", "normalized_shape", "weight", "bias", "eps"),
    "aten.rms_norm.default": _call("F.rms_norm", "input", "normalized_shape", "weight", "eps"),
    "aten.group_norm.default": _call("F.group_norm", "input", "num_groups", "weight", "bias", "eps"),
    "aten.batch_norm.default": _statement_batch_norm,
    "aten.dropout.default": _statement_dropout,
    "aten.scaled_dot_product_attention.default": _attention,
    "aten.lstm_cell.default": _cell(_lstm_step),
    "aten.gru_cell.default": _cell(_gru_step),
    "aten.rnn_tanh_cell.default": _cell(_plain_step("tanh")),
    "aten.rnn_relu_cell.default": _cell(_plain_step("relu")),
    "aten.lstm.input": _sequence(_lstm_step),
    "aten.gru.input": _sequence(_gru_step),
    "aten.rnn_tanh.input": _sequence(_plain_step("tanh")),
    "aten.rnn_relu.input": _sequence(_plain_step("relu")),
    "aten.embedding.default": lambda graph, node, a: f"F.embedding({graph.text(a['indices'])}, {graph.text(a['weight'])})",
    "aten.softmax.int": _call("torch.softmax", "self", dim="dim"),
    "aten.log_softmax.int": _call("torch.log_softmax", "self", dim="dim"),
    "aten.gelu.default": _call("F.gelu", "self", approximate="approximate"),
    "aten.elu.default": _call("F.elu", "self", "alpha"),
    "aten.leaky_relu.default": _call("F.leaky_relu", "self", "negative_slope"),
    "aten.softplus.default": _call("F.softplus", "self", "beta"),
    "aten.log_sigmoid.default": _call("F.logsigmoid", "self"),
    "aten.hardtanh.default": lambda graph, node, a: f"torch.clamp({graph.text(a['self'])}, {a['min_val']!r}, {a['max_val']!r})",
    "aten.relu6.default": lambda graph, node, a: f"torch.clamp({graph.text(a['self'])}, 0, 6)",
    "aten.mish.default": lambda graph, node, a: f"{graph.text(a['self'])} * tanh(F.softplus({graph.text(a['self'])}))",
    "aten.clamp.default": _clamped,
    "aten.clamp_min.default": _call("torch.clamp_min", "self", "min"),
    "aten.pow.Tensor_Scalar": lambda graph, node, a: f"{graph.text(a['self'])} ** {graph.text(a['exponent'])}",
    "aten.pow.Tensor_Tensor": lambda graph, node, a: f"{graph.text(a['self'])} ** {graph.text(a['exponent'])}",
    "aten.rsub.Scalar": lambda graph, node, a: f"{graph.text(a['other'])} - {graph.text(a['self'])}",
    "aten.matmul.default": _comparison("@"),
    "aten.mm.default": lambda graph, node, a: f"{graph.text(a['self'])} @ {graph.text(a['mat2'])}",
    "aten.bmm.default": lambda graph, node, a: f"{graph.text(a['self'])} @ {graph.text(a['mat2'])}",
    "aten.mv.default": lambda graph, node, a: f"{graph.text(a['self'])} @ {graph.text(a['vec'])}",
    "aten.dot.default": lambda graph, node, a: f"{graph.text(a['self'])} @ {graph.text(a['tensor'])}",
    "aten.addmm.default": lambda graph, node, a: f"{graph.text(a['self'])} + {graph.text(a['mat1'])} @ {graph.text(a['mat2'])}",
    "aten.einsum.default": lambda graph, node, a: f"torch.einsum({a['equation']!r}, {', '.join(graph.text(x) for x in a['tensors'])})",
    "aten.permute.default": lambda graph, node, a: f"{graph.text(a['self'])}.permute({', '.join(map(str, a['dims']))})",
    "aten.transpose.int": _call("torch.transpose", "self", "dim0", "dim1"),
    "aten.t.default": lambda graph, node, a: f"{graph.text(a['self'])}.T",
    "aten.numpy_T.default": lambda graph, node, a: f"{graph.text(a['self'])}.T",
    "aten.mT.default": lambda graph, node, a: f"{graph.text(a['self'])}.mT",
    "aten.expand.default": _expand,
    "aten.expand_as.default": _expand,
    "aten.repeat.default": lambda graph, node, a: f"{graph.text(a['self'])}.repeat({', '.join(map(str, a['repeats']))})",
    "aten.select.int": _select,
    "aten.slice.Tensor": _slice,
    "aten.index.Tensor": _index,
    "aten.cat.default": _call("torch.cat", "tensors", "dim"),
    "aten.stack.default": _call("torch.stack", "tensors", "dim"),
    "aten.split.Tensor": _call("torch.split", "self", "split_size", "dim"),
    "aten.split_with_sizes.default": _call("torch.split", "self", "split_sizes", "dim"),
    "aten.chunk.default": _call("torch.chunk", "self", "chunks", "dim"),
    "aten.unbind.int": _call("torch.unbind", "self", "dim"),
    "aten.flip.default": _call("torch.flip", "self", "dims"),
    "aten.tril.default": _call("torch.tril", "self", "diagonal"),
    "aten.triu.default": _call("torch.triu", "self", "diagonal"),
    "aten.gather.default": _call("torch.gather", "self", "dim", "index"),
    "aten.index_select.default": _call("torch.index_select", "self", "dim", "index"),
    "aten.masked_fill.Scalar": _call("torch.masked_fill", "self", "mask", "value"),
    "aten.masked_fill.Tensor": _call("torch.masked_fill", "self", "mask", "value"),
    "aten.where.self": _call("torch.where", "condition", "self", "other"),
    "aten.pad.default": _call("F.pad", "self", "pad", value="value"),
    "aten.constant_pad_nd.default": _call("F.pad", "self", "pad", value="value"),
    "aten.arange.default": _call("torch.arange", "end"),
    "aten.arange.start": _call("torch.arange", "start", "end"),
    "aten.arange.start_step": _call("torch.arange", "start", "end", "step"),
    "aten.logical_not.default": lambda graph, node, a: f"~{graph.text(a['self'])}",
    "aten.bitwise_not.default": lambda graph, node, a: f"~{graph.text(a['self'])}",
    "aten.cumsum.default": _call("torch.cumsum", "self", "dim"),
    "aten.logsumexp.default": _axes("logsumexp"),
    "aten.linalg_vector_norm.default": _axes("norm"),
    "aten.detach.default": _call("torch.detach", "self"),
}
for _function in ["relu", "sigmoid", "tanh", "exp", "log", "sqrt", "rsqrt", "abs", "neg", "sin", "cos", "erf", "log1p", "expm1", "reciprocal", "silu", "square"]:
    _prefix = "F" if _function == "silu" else "torch"
    _STATEMENTS[f"aten.{_function}.default"] = _STATEMENTS[f"aten.{_function}_.default"] = _call(f"{_prefix}.{_function}", "self")
for _kind in ["Tensor", "Scalar", "Tensor_mode"]:
    for _function, _sign in {"add": "+", "sub": "-", "mul": "*", "div": "/", "add_": "+", "sub_": "-", "mul_": "*", "div_": "/"}.items():
        _STATEMENTS[f"aten.{_function}.{_kind}"] = _binary(_sign)
    for _function, _sign in {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "bitwise_and": "&", "bitwise_or": "|"}.items():
        _STATEMENTS[f"aten.{_function}.{_kind}"] = _comparison(_sign)
for _function in ["maximum", "minimum"]:
    _STATEMENTS[f"aten.{_function}.default"] = _call(f"torch.{_function}", "self", "other")
for _function, _kinds in {"sum": ["default", "dim_IntList"], "mean": ["default", "dim"], "amax": ["default"], "amin": ["default"], "var": ["default", "dim", "correction"],
                          "std": ["default", "dim", "correction"]}.items():
    for _kind in _kinds:
        _STATEMENTS[f"aten.{_function}.{_kind}"] = _axes(_function)
for _kind in ["view.default", "reshape.default", "flatten.using_ints", "unflatten.int", "squeeze.default", "squeeze.dim", "squeeze.dims", "unsqueeze.default", "view_as.default"]:
    _STATEMENTS[f"aten.{_kind}"] = _to_shape
for _kind in ["zeros.default", "ones.default", "full.default", "zeros_like.default", "ones_like.default", "full_like.default", "scalar_tensor.default"]:
    _STATEMENTS[f"aten.{_kind}"] = _full
