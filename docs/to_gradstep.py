"""Exports a PyTorch model to gradstep. This one file needs PyTorch (2.3 or newer) alone: copy it beside your model.

    import to_gradstep
    to_gradstep.save(model, image, target, "model.toml", loss="cross_entropy")   # a scenario, and its tensors beside it
    loss.backward()
    to_gradstep.gradients(model, "mine.npz")                                     # .grad of every parameter, for `gradstep diff model.toml mine.npz`
    to_gradstep.compare("model.toml", model)                                     # the largest difference to .grad; runs `gradstep`

The model is traced by torch.export. If each of its operations is a layer of gradstep, the scenario has these layers, with the names of the modules. Anything else
becomes a graph of tensors with a statement for each operation. What gradstep has not is an error that names the module and the operation.

`save` runs the model once to record its random numbers, such as the masks of dropout, and leaves PyTorch's generator, the parameters and the buffers as they were:
the next pass of the model is the one that was exported. If something else draws random numbers in between, call torch.manual_seed with the same seed before both.
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
    "kl_div": '{ type = "kl_div", reduction = "mean" }',
    "multi_margin_loss": '"multi_margin_loss"',
}
# the losses whose target is a class
_OF_CLASSES = ("cross_entropy", "nll", "multi_margin")


def save(model, image, target, path, loss="cross_entropy", graph=False):
    """Writes the scenario of one forward and backward pass to `path`, and its tensors to a .pt file beside it.

    image   the input of the model, or a tuple of inputs, as the model takes them
    target  what the loss compares the output with: class indices, or numbers
    loss    a name of torch.nn.functional, such as "cross_entropy" or "mse_loss", with its default reduction: the mean
    graph   True writes a graph of tensors even if the model is a chain of layers
    """
    if loss not in _LOSSES:
        raise NotExportable(f"gradstep has no loss {loss!r}; it has {', '.join(_LOSSES)}")
    inputs = tuple(torch.as_tensor(value) for value in (image if isinstance(image, (tuple, list)) else [image]))
    with torch.random.fork_rng():
        trace = _Trace(model, inputs)
    trace.run(inputs)
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
        if parameter.grad is None:
            continue
        if ours not in found:
            print(f"{name}: the scenario has no gradient of it")
            largest = max(largest, parameter.grad.detach().double().abs().max().item())
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
                if _changes_a_tensor_that_is_read(program.graph):
                    program = _without_changes(program)
            except NotExportable:
                raise
            except Exception as error:
                reason = str(error).strip().splitlines() or [type(error).__name__]
                if "data-dependent" in reason[0]:
                    reason[0] = f"it branches on a number of a tensor, or takes a size from one ({reason[0]})"
                raise NotExportable(f"torch.export cannot trace {type(model).__name__}: {reason[0]}") from error
        self.model = model
        self.program = program
        self.nodes = [node for node in program.graph.nodes if node.op == "call_function"]
        parameters = dict(model.named_parameters(remove_duplicate=False))
        buffers = dict(model.named_buffers(remove_duplicate=False))
        self.targets, self.values, self.inputs, self.learns = {}, {}, [], set()
        self.placeholders = [node for node in program.graph.nodes if node.op == "placeholder"]
        first = {}  # tied parameters have one name: that of the first
        for spec, node in zip(program.graph_signature.input_specs, self.placeholders):
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
        kinds = [spec.kind.name for spec in program.graph_signature.output_specs]
        self.output = output[kinds.index("USER_OUTPUT")] if isinstance(output, (tuple, list)) else output
        self.live = self._live()
        self.flows = self._flows()
        self.noise, self.recorded = {}, {}

    def _live(self):
        """The nodes on which the output depends."""
        live, open_nodes = set(), [self.output]
        while open_nodes:
            node = open_nodes.pop()
            if node not in live:
                live.add(node)
                open_nodes.extend(node.all_input_nodes)
        return live

    def _flows(self):
        """The nodes with a derivative: what depends on a parameter or on an input of floating point numbers. All others are constants."""
        flows = set(self.learns)
        flows.update(node for node in self.inputs if _is_float(node))
        for node in self.nodes:
            is_drawn = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()) and _key(node) not in _DRAWS
            is_constant = is_drawn or _key(node) in ("aten.detach.default", _NO_GRADIENT) or not _is_float(node)
            if not is_constant and any(source in flows for source in node.all_input_nodes):
                flows.add(node)
        return flows

    def run(self, inputs):
        """Runs the model as its own forward pass does, with the same random numbers: `noise` has the masks of dropout, and `recorded` the values of the constants."""
        given = iter(inputs)
        arguments = [self.values[node].detach().clone() if node in self.values else next(given) for node in self.placeholders]
        recorder = _Recorder(self)
        with torch.random.fork_rng(), torch.no_grad():
            try:
                recorder.run(*arguments)
            except RuntimeError as error:
                reason = str(error).strip().splitlines()[0]
                raise NotExportable(f"{type(self.model).__name__} does not run on this input: {reason}") from error
        if recorder.is_random:
            self._check_pass(inputs, self.recorded[self.output])

    def _check_pass(self, inputs, expected):
        """Checks that the forward pass of the model itself draws the recorded random numbers."""
        buffers = {name: buffer.detach().clone() for name, buffer in self.model.named_buffers()}
        with torch.random.fork_rng():
            found = self.model(*inputs)
        with torch.no_grad():
            for name, buffer in self.model.named_buffers():
                buffer.copy_(buffers[name])
        found = found[0] if isinstance(found, (tuple, list)) else found
        if not torch.allclose(found.detach(), expected, rtol=1e-4, atol=1e-6):
            name = type(self.model).__name__
            raise NotExportable(f"{name}: its own forward pass draws other random numbers than the operations that torch.export finds; export it with model.eval()")

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


class _Recorder(torch.fx.Interpreter):
    """Runs the operations one after another, and records masks and constants."""

    def __init__(self, trace):
        super().__init__(trace.program.graph_module)
        self.trace, self.is_random = trace, False

    def run_node(self, node):
        if node.op == "call_function" and node in self.trace.live:
            drawing = _DRAWS.get(_key(node))
            a = _arguments(node, lambda value: self.map_nodes_to_values(value, node))
            self.is_random |= _draws(node, a)
            if drawing and _draws(node, a):
                self.trace.noise[node] = drawing(node, a)
        result = super().run_node(node)
        if node is self.trace.output or node not in self.trace.flows or _key(node) in _CHOICES:
            self.trace.recorded[node] = torch.utils._pytree.tree_map(lambda value: value.clone() if isinstance(value, torch.Tensor) else value, result)
        return result


def _draws(node, a):
    """`true` if an operation draws random numbers."""
    if torch.Tag.nondeterministic_seeded not in getattr(node.target, "tags", ()):
        return False
    p = a["dropout_p"] if "dropout_p" in a else a.get("p" if "p" in a else "dropout")
    is_training = a.get("train", a.get("training", True))
    return is_training is not False and p != 0 and not (_key(node) in _ONE_LAYER and a["num_layers"] == 1)


def _probe(node, a, value):
    """The result of an operation for another input, with the random numbers that the next call draws."""
    rest = [a[argument.name] for argument in node.target._schema.arguments[1:] if not argument.kwarg_only]
    with torch.random.fork_rng():
        return node.target(value.clone(), *rest)


def _noise_of_dropout(node, a):
    """Dropout of any kind is x · factor + offset, entry by entry."""
    x = next(iter(a.values()))
    results = [_probe(node, a, make(x)) for make in (torch.zeros_like, torch.ones_like)]
    offset, one = (result[0] if isinstance(result, tuple) else result for result in results)
    return one - offset, offset


def _noise_of_attention(node, a):
    shape = (*torch.broadcast_shapes(a["query"].shape[:-2], a["key"].shape[:-2]), a["query"].shape[-2], a["key"].shape[-2])
    with torch.random.fork_rng():
        return torch.dropout(torch.ones(shape, dtype=a["query"].dtype, device=a["query"].device), a["dropout_p"], True), None


def _noise_of_sequence(node, a):
    """The masks between the layers of a recurrent network: turns x batch x features each."""
    x, size = a["input"], a["params"][1].shape[1] * (2 if a["bidirectional"] else 1)
    shape = (x.shape[1], x.shape[0], size) if a["batch_first"] else (x.shape[0], x.shape[1], size)
    with torch.random.fork_rng():
        ones = torch.ones(shape, dtype=x.dtype, device=x.device)
        return torch.stack([torch.dropout(ones, a["dropout"], True) for _ in range(a["num_layers"] - 1)]), None


def _noise_of_rrelu(node, a):
    x = a["self"]
    return torch.where(x < 0, _probe(node, a, x) / x, torch.ones_like(x)), torch.zeros_like(x)


_ONE_LAYER = {"aten.lstm.input", "aten.gru.input", "aten.rnn_tanh.input", "aten.rnn_relu.input"}
_DROPOUTS = ["aten.dropout.default", "aten.feature_dropout.default", "aten.alpha_dropout.default", "aten.feature_alpha_dropout.default", "aten.native_dropout.default"]
# operations with random numbers and a derivative
_DRAWS = {
    **{name: _noise_of_dropout for name in _DROPOUTS},
    **{name: _noise_of_sequence for name in _ONE_LAYER},
    "aten.scaled_dot_product_attention.default": _noise_of_attention,
    "aten.rrelu.default": _noise_of_rrelu,
}
_NO_GRADIENT = "wrap_with_set_grad_enabled"
# operations that return values and the places where they found them
_CHOICES = {"aten.max.dim", "aten.min.dim", "aten.topk.default", "aten.sort.default", "aten.sort.stable"}


def _changes_a_tensor_that_is_read(graph):
    """`true` if an operation such as `y[:, 0] = 1` changes a tensor, and another name of the same numbers is read later."""
    order = {node: number for number, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if not _is_mutable(node) or not isinstance(node.args[0], torch.fx.Node) or _key(node) == "aten.detach.default":
            continue
        changed, users = node.args[0], set()
        while changed.op == "call_function" and _is_view(changed):
            users.update(changed.users)
            changed = changed.args[0]
        users.update(changed.users)
        later = [user for user in users if order[user] > order[node]]
        shared = [user for user in users if user is not node and _is_view(user) and user.users and not _leads_to(user, node)]
        if later or shared:
            return True
    return False


def _leads_to(view, node):
    """`true` if the only use of a view, or of a view of it, is `node`."""
    users = list(view.users)
    return users == [node] or (len(users) == 1 and _is_view(users[0]) and _leads_to(users[0], node))


def _without_changes(program):
    """The same operations, none of which changes a tensor."""
    if any(_key(node) == _NO_GRADIENT for node in program.graph.nodes):
        raise NotExportable("the model assigns to entries of a tensor, and has a part under torch.no_grad(): gradstep cannot have both")
    return program.run_decompositions({})


def _is_mutable(node):
    return node.op == "call_function" and hasattr(node.target, "_schema") and node.target._schema.is_mutable


def _is_view(node):
    """`true` if the result of an operation has the memory of its first argument."""
    if node.target is operator.getitem or _name(node) == "aten.dropout.default":
        return True
    schema = getattr(node.target, "_schema", None)
    return schema is not None and not schema.is_mutable and any(value.alias_info is not None for value in schema.returns)


def _is_float(node):
    """`true` if a tensor of a node may have a derivative."""
    value = node.meta.get("val")
    values = value if isinstance(value, (tuple, list)) else [value]
    return any(isinstance(value, torch.Tensor) and value.is_floating_point() for value in values)


def _name(node):
    """The name of an operation: `aten.conv2d.default`, or `getitem`."""
    return node.target.__name__ if node.target is operator.getitem else str(node.target)


def _key(node):
    """The name of an operation in the tables: `aten.relu_.default` is `aten.relu.default`."""
    name = _name(node)
    return name.replace("_.", ".", 1) if _is_mutable(node) else name


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


class _Arguments(dict):
    """The arguments of an operation, which remember the ones that are read."""

    def __init__(self, pairs):
        super().__init__(pairs)
        self.read = set()

    def __getitem__(self, name):
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        self.read.add(name)
        return super().get(name, default)


def _arguments(node, resolve=lambda value: value):
    """The arguments of an operation by their names, with the defaults of the operation."""
    if not hasattr(node.target, "_schema"):
        return _Arguments({})
    schema = node.target._schema.arguments
    found = {argument.name: argument.default_value for argument in schema}
    found.update(zip((argument.name for argument in schema), resolve(node.args)))
    found.update(resolve(node.kwargs))
    return _Arguments(found)


# arguments that change no number: gradstep computes in float64, and knows no devices
_MEANINGLESS = {
    "dtype", "layout", "device", "pin_memory", "memory_format", "non_blocking", "copy", "implicit", "momentum", "cudnn_enabled", "cudnn_enable", "sparse", "inplace",
    "threshold", "path", "enable_gqa", "align_corners", "generator", "allow_tf32", "exponential_average_factor",
}


def _unread(node, a):
    """The name of an argument that is not the default, and that nothing has read; `None` if there is none."""
    for argument in node.target._schema.arguments:
        value = dict.__getitem__(a, argument.name)
        is_default = not isinstance(value, torch.fx.Node) and value in (argument.default_value, None, [])
        if argument.name not in a.read and argument.name not in _MEANINGLESS and not is_default:
            return f"{argument.name}={value!r}"
    return None


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
        name = _key(node)
        if name in ("aten._assert_tensor_metadata.default", "aten.sym_size.int"):
            return
        handler = _HANDLERS.get(name)
        if handler is None:
            raise _NoLayer(f"{name} is no layer")
        self._sample(node)
        a = _arguments(node)
        handler(self, node, a)
        if _unread(node, a):
            raise _NoLayer(f"{_unread(node, a)} of {name}")

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
        classes = loss.startswith(_OF_CLASSES) and not target.is_floating_point()
        count = self.batch or 1
        if classes and target.numel() != count:
            raise _NoLayer("a class for each pixel")
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
    a.read.update(a)  # the result has the shape
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
    factor, offset = layers.trace.noise[node]
    if a["p"] == 1 or offset.any():
        raise _NoLayer("a dropout with other numbers than 0")
    mask = (factor != 0).to(torch.uint8).reshape(layers._sample(node))
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
    if a["training"] or a["running_mean"] is None or a["running_var"] is None:
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
    "aten.dropout.default": _dropout,
    "aten.feature_dropout.default": _dropout,
    "aten.hardtanh.default": _clamp,
    "aten.elu.default": _activation("elu", ("alpha", "alpha")),
    "aten.leaky_relu.default": _activation("leaky_relu", ("negative_slope", "negative_slope")),
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
    _HANDLERS[f"aten.{_function}.default"] = _activation(_function)


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
        if table == "constants" and value.is_floating_point() and not value.isfinite().all():
            return self._give_infinite(node, name, value)
        name = self._unique(name)
        if node is not None:
            self.names[node] = name
        self.tensors[name] = value
        self.given[table].append(name)
        return name

    def _give_infinite(self, node, name, value):
        """A file with tensors has no infinite numbers: they are where a mask is."""
        if value.isnan().any():
            raise NotExportable(f"{type(self.trace.model).__name__}: {name} has entries that are NaN")
        result = self._give("constants", None, f"{name}_finite", torch.where(value.isfinite(), value, 0))
        for sign, number in (("inf", math.inf), ("-inf", -math.inf)):
            if (value == number).any():
                mask = self._give("constants", None, f"{name}_is_infinite", (value == number).to(torch.uint8))
                result = self.let(name, f"torch.where({mask} == 1, {sign}, {result})")
        if node is not None:
            self.names[node] = result
        return result

    def _loss(self):
        output, target = self.names[self.trace.output], self.target
        if not self.loss.startswith(_OF_CLASSES) or target.is_floating_point():
            target = target.to(self.trace.output.meta["val"].dtype)
        name = self._give("constants", None, "target", target)
        if self.loss == "kl_div":
            entropy = self.constant("target_log_target", torch.special.xlogy(target, target))
            self.statements.append(f"loss = ({entropy} - {name} * {output}).mean()")
            return
        if self.loss == "multi_margin_loss":
            shape = _shape(self.trace.output)
            others = self.constant("others", 1 - torch.nn.functional.one_hot(target.reshape(-1), shape[-1]).reshape(shape))
            true = self.let("true", f"torch.gather({output}, -1, {name}.unsqueeze(-1))")
            self.statements.append(f"loss = (torch.relu(1 - {true} + {output}) * {others}).sum() / {math.prod(shape)}")
            return
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
        name = _key(node)
        if name in _IGNORED:
            return
        is_constant = node not in self.trace.flows
        maker, count = _STATEMENTS.get(name), len(self.statements)
        if (maker is None or torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())) and is_constant:
            self.names[node] = _constants(self, node.name, self.trace.recorded[node])
            return
        try:
            if maker is None:
                raise NotExportable(f"{self.trace.where(node)}: gradstep has no such operation")
            a = _arguments(node)
            expression = maker(self, node, a)
            if _unread(node, a):
                raise NotExportable(f"{self.trace.where(node)}: gradstep has no argument {_unread(node, a)}")
        except NotExportable:
            if not is_constant:
                raise
            del self.statements[count:]
            self.names[node] = _constants(self, node.name, self.trace.recorded[node])
            return
        if isinstance(expression, (list, tuple)):
            self.names[node] = expression
            return
        if re.fullmatch(r"\w+", expression):  # the same tensor
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

    def constant(self, name, value):
        """Gives a tensor without a derivative, and returns its name."""
        return self._give("constants", None, name, value)

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
        parts += _keywords(graph, node, a, renamed)
        return f"{function}({', '.join(parts)})"

    return maker


def _keywords(graph, node, a, renamed):
    """Arguments by keyword: without those that are the default, and with one number for equal ones."""
    defaults = {argument.name: argument.default_value for argument in node.target._schema.arguments}
    parts = []
    for own, name in renamed.items():
        value, default = _one(a[name]), _one(defaults[name])
        if value != default or default is None:
            parts.append(f"{own}={graph.text(value)}")
    return parts


def _one(value):
    """One number for a list of equal ones."""
    return value[0] if isinstance(value, (list, tuple)) and len(set(map(str, value))) == 1 and isinstance(value[0], int) else value


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
    a.read.update(a)  # the result has the shape
    return f"{graph.text(a['self'])}.reshape({', '.join(map(str, _shape(node)))})"


def _expand(graph, node, a):
    a.read.update(a)
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
    a.get("running_mean"), a.get("running_var")
    if a["training"] or a["running_mean"] is None:
        return f"F.batch_norm({x}, None, None, {weight}, {bias}, training=True, eps={a['eps']!r})"
    mean, var = graph.text(a["running_mean"]), graph.text(a["running_var"])
    return f"F.batch_norm({x}, {mean}, {var}, {weight}, {bias}, training=False, eps={a['eps']!r})"


def _constants(graph, name, value):
    """Gives the recorded value of an operation, or of each of its results, as constants."""
    if isinstance(value, (tuple, list)):
        return [_constants(graph, name, item) for item in value]
    return graph.constant(name, value) if isinstance(value, torch.Tensor) else repr(value)


def _masked(graph, name, x, factor, p):
    """x · mask / (1 − p)"""
    if p == 1:
        return f"{x} * {graph.constant(name, torch.zeros_like(factor))}"
    return f"{x} * {graph.constant(name, (factor != 0).to(torch.uint8))} / {1 - p!r}"


def _statement_dropout(graph, node, a):
    x, p = graph.text(next(a[name] for name in ("input", "self") if name in a)), a.get("p")
    if not a.get("train", True) or p == 0:
        return x
    factor, offset = graph.trace.noise[node]
    if not offset.any() and _key(node) != "aten.rrelu.default":
        return _masked(graph, f"{node.name}_mask", x, factor, p)
    return f"{x} * {graph.constant(f'{node.name}_factor', factor)} + {graph.constant(f'{node.name}_offset', offset)}"


def _statement_rrelu(graph, node, a):
    lower, upper = a["lower"], a["upper"]
    if not a["training"]:
        return f"F.leaky_relu({graph.text(a['self'])}, {(lower + upper) / 2!r})"
    return f"{graph.text(a['self'])} * {graph.constant(f'{node.name}_slope', graph.trace.noise[node][0])}"


def _attention(graph, node, a):
    query, key, value = (graph.text(a[name]) for name in ("query", "key", "value"))
    if _shape(a["query"])[:-2] != _shape(a["key"])[:-2]:
        raise NotExportable(f"{graph.trace.where(node)}: queries and keys with different numbers of heads")
    if a["dropout_p"]:
        return _attention_with_dropout(graph, node, a, (query, key, value))
    parts = [query, key, value]
    if a["attn_mask"] is not None:
        parts.append(f"attn_mask={graph.text(a['attn_mask'])}")
    parts += ["is_causal=True"] if a["is_causal"] else []
    parts += [f"scale={a['scale']!r}"] if a.get("scale") is not None else []
    return f"F.scaled_dot_product_attention({', '.join(parts)})"


def _attention_with_dropout(graph, node, a, operands):
    query, key, value = operands
    rows, columns, size = _shape(a["query"])[-2], _shape(a["key"])[-2], _shape(a["query"])[-1]
    scale = a["scale"] if a.get("scale") is not None else 1 / math.sqrt(size)
    scores = graph.let("scores", f"{query} @ {key}.mT * {scale!r}")
    if a["is_causal"]:
        scores = graph.let("scores", f"torch.where(torch.tril(torch.ones({rows}, {columns})) == 1, {scores}, -inf)")
    elif a["attn_mask"] is not None:
        mask = graph.text(a["attn_mask"])
        is_mask = a["attn_mask"].meta["val"].dtype == torch.bool
        scores = graph.let("scores", f"torch.where({mask}, {scores}, -inf)" if is_mask else f"{scores} + {mask}")
    weights = graph.let("weights", f"torch.softmax({scores}, dim=-1)")
    weights = graph.let("dropped", _masked(graph, f"{node.name}_mask", weights, graph.trace.noise[node][0], a["dropout_p"]))
    return f"{weights} @ {value}"


def _linear(x, weight, bias):
    return f"F.linear({x}, {weight}, {bias})" if bias else f"F.linear({x}, {weight})"


def _lstm_step(graph, x, state, weights, size):
    """The next states of an LSTM. `weights` has w_ih, w_hh, b_ih, b_hh and perhaps w_hr, as PyTorch orders them: the gates i, f, g, o one below the other."""
    (h, c), (w_ih, w_hh, b_ih, b_hh, *w_hr) = state, weights
    size //= 4
    gates = graph.let("gates", f"{_linear(x, w_ih, b_ih)} + {_linear(h, w_hh, b_hh)}")
    functions = [("i", "sigmoid"), ("f", "sigmoid"), ("g", "tanh"), ("o", "sigmoid")]
    i, f, g, o = (graph.let(name, f"{function}({gates}[:, {n * size}:{(n + 1) * size}])") for n, (name, function) in enumerate(functions))
    c = graph.let("c", f"{f} * {c} + {i} * {g}")
    h = graph.let("h", f"{o} * tanh({c})")
    return [graph.let("h_projected", _linear(h, w_hr[0], None)) if w_hr else h, c]


def _gru_step(graph, x, state, weights, size):
    (h,), (w_ih, w_hh, b_ih, b_hh) = state, weights
    size //= 3
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
        found = step(graph, graph.text(a["input"]), [graph.text(state) for state in states], weights, _shape(a["w_ih"])[0])
        return found if len(found) > 1 else found[0]

    return maker


def _sequence(step):
    """Layers of cells over a sequence, in one direction or both, unrolled: a statement for each operation of each turn."""

    def maker(graph, node, a):
        states = list(a["hx"]) if isinstance(a["hx"], (list, tuple)) else [a["hx"]]
        weights, layers, directions = [graph.text(weight) for weight in a["params"]], a["num_layers"], 2 if a["bidirectional"] else 1
        count = len(weights) // (layers * directions)
        size, axis = _shape(a["params"][0])[0], 1 if a["batch_first"] else 0
        turns = [f"{graph.text(a['input'])}[{':, ' * axis}{turn}]" for turn in range(_shape(a["input"])[axis])]
        last = [[] for _ in states]
        for layer in range(layers):
            outputs = []
            for direction in range(directions):
                number = layer * directions + direction
                own = weights[number * count : (number + 1) * count]
                own = own if a["has_biases"] else [*own[:2], None, None, *own[2:]]
                state = [graph.let("h0", f"{graph.text(states[n])}[{number}]") for n in range(len(states))]
                results = []
                for x in reversed(turns) if direction else turns:
                    state = step(graph, x, state, own, size)
                    results.append(state[0])
                outputs.append(results[::-1] if direction else results)
                for n, value in enumerate(state):
                    last[n].append(value)
            turns = [graph.let("both", f"torch.cat([{', '.join(pair)}], 1)") for pair in zip(*outputs)] if directions == 2 else outputs[0]
            if a["train"] and a["dropout"] and layer + 1 < layers:
                masks = graph.trace.noise[node][0][layer]
                turns = [graph.let("dropped", _masked(graph, "mask", x, masks[turn], a["dropout"])) for turn, x in enumerate(turns)]
        stacked = graph.let(graph._node_name(node), f"torch.stack([{', '.join(turns)}], {axis})")
        return [stacked, *(graph.let("state", f"torch.stack([{', '.join(values)}], 0)") for values in last)]

    return maker


def _picked(graph, x, axis, places):
    """The entries `places` of an axis."""
    return graph.let("picked", f"torch.index_select({x}, {axis}, torch.tensor({list(places)}))")


def _statement_nearest(graph, node, a):
    """The places that PyTorch reads, along each axis."""
    x, own = graph.text(a["input"]), _shape(a["input"])[2:]
    a.get("output_size"), a.get("scale_factors")
    rest = [value for name, value in a.items() if name != "input"]
    for axis, size in enumerate(own):
        line = torch.arange(size, dtype=torch.float64).reshape([size if n == axis else 1 for n in range(len(own))]).expand(own)
        found = node.target(line[None, None].contiguous(), *rest)[0, 0]
        places = found.movedim(axis, 0).reshape(found.shape[axis], -1)[:, 0].long().tolist()
        if places != list(range(size)):
            x = _picked(graph, x, axis + 2, places)
    return x


def _statement_linear_upsample(graph, node, a):
    """Two neighbours along each axis, each times its share."""
    x, own, wanted = graph.text(a["input"]), _shape(a["input"])[2:], _shape(node)[2:]
    a.get("output_size"), a.get("scale_factors")
    for axis in reversed(range(len(own))):
        size, count = own[axis], wanted[axis]
        if a["align_corners"]:
            places = [n * (size - 1) / (count - 1) if count > 1 else 0.0 for n in range(count)]
        else:
            scale = 1 / a["scale_factors"][axis] if a["scale_factors"] else size / count
            places = [max(0.0, scale * (n + 0.5) - 0.5) for n in range(count)]
        first = [min(int(place), size - 1) for place in places]
        second = [min(place + 1, size - 1) for place in first]
        shape = [1] * (axis + 2) + [count] + [1] * (len(own) - axis - 1)
        shares = torch.tensor([place - start for place, start in zip(places, first)], dtype=torch.float64).reshape(shape)
        parts = (_picked(graph, x, axis + 2, first), graph.constant("share", 1 - shares), _picked(graph, x, axis + 2, second), graph.constant("share", shares))
        x = graph.let("blend", "{} * {} + {} * {}".format(*parts))
    return x


def _window(size, count, n):
    """The first place of an adaptive window, and the one after its last."""
    return n * size // count, -((n + 1) * size // -count)


def _statement_adaptive_avg(graph, node, a):
    """Means along one axis after another: the windows of an axis have the same columns, so the mean of their means is their mean."""
    rank = 1 if "1d" in _name(node) else 2
    x, own, size = graph.text(a["self"]), _shape(a["self"])[-rank:], _shape(node)[-rank:]
    if all(n % m == 0 for n, m in zip(own, size)):
        a.get("output_size")
        return f"F.avg_pool{rank}d({x}, {graph.text([n // m for n, m in zip(own, size)]) if rank == 2 else own[0] // size[0]})"
    a.get("output_size")
    first = len(_shape(node)) - rank
    for axis in range(rank):
        pieces = []
        for n in range(size[axis]):
            start, end = _window(own[axis], size[axis], n)
            pieces.append(f"{x}[{':, ' * (first + axis)}{start}:{end}].mean({first + axis}, keepdim=True)")
        x = graph.let("means", f"torch.cat([{', '.join(pieces)}], {first + axis})")
    return x


def _statement_adaptive_max(graph, node, a):
    rank = 1 if "1d" in _name(node) else 2
    x, own, size = graph.text(a["self"]), _shape(a["self"])[-rank:], list(node.meta["val"][0].shape)[-rank:]
    a.get("output_size")
    if all(n % m == 0 for n, m in zip(own, size)):
        kernel = [n // m for n, m in zip(own, size)]
        return [graph.let(node.name, f"F.max_pool{rank}d({x}, {kernel if rank == 2 else kernel[0]})"), None]
    first, rows = ":, " * (len(_shape(a["self"])) - rank), []
    windows = [[_window(own[axis], size[axis], n) for n in range(size[axis])] for axis in range(rank)]
    for row in windows[0]:
        cells = []
        for window in [(row,)] if rank == 1 else [(row, column) for column in windows[1]]:
            kernel = [end - start for start, end in window]
            places = ", ".join(f"{start}:{end}" for start, end in window)
            cells.append(f"F.max_pool{rank}d({x}[{first}{places}], {kernel if rank == 2 else kernel[0]})")
        rows.append(graph.let("row", f"torch.cat([{', '.join(cells)}], -1)") if rank == 2 else cells[0])
    return [graph.let(node.name, f"torch.cat([{', '.join(rows)}], {-rank})"), None]


def _statement_pool(function, *more):
    def maker(graph, node, a):
        size, stride = _one(a["kernel_size"]), _one(a["stride"] or a["kernel_size"])
        parts = [graph.text(a["self"]), graph.text(size)] + ([f"stride={graph.text(stride)}"] if stride != size else [])
        return f"F.{function}({', '.join([*parts, *_keywords(graph, node, a, {key: key for key in ('padding', 'ceil_mode', *more)})])})"

    return maker


def _statement_pad(graph, node, a):
    """Padding with numbers of the tensor itself picks places along each axis."""
    x, pads, mode = graph.text(a["self"]), list(a["pad"]), a.get("mode") or "constant"
    if mode == "constant":
        return f"F.pad({x}, {pads}, value={graph.text(a.get('value') or 0)})"
    a.get("value")
    shape = _shape(a["self"])
    for number in range(len(pads) // 2):
        axis, before, after = len(shape) - 1 - number, pads[2 * number], pads[2 * number + 1]
        line = torch.arange(shape[axis], dtype=torch.float64)[None, None]
        if before or after:
            x = _picked(graph, x, axis, torch.nn.functional.pad(line, (before, after), mode=mode)[0, 0].long().tolist())
    return x


def _copied(graph, node, a):
    """An operation that only copies entries: the place of each is that of its number in a tensor of numbers."""
    source, shape = next(iter(a.values())), _shape(next(iter(a.values())))
    numbers = torch.arange(1, math.prod(shape) + 1, dtype=torch.float64).reshape(shape)
    places = node.target(numbers, *node.args[1:], **node.kwargs)
    a.read.update(a)
    index = graph.constant(f"{node.name}_places", (places.reshape(-1).long() - 1).clamp(min=0))
    if (places == 0).any():
        mask = graph.constant(f"{node.name}_inside", (places != 0).to(torch.uint8))
        return f"{graph.text(source)}.reshape({math.prod(shape)})[{index}].reshape({', '.join(map(str, places.shape))}) * {mask}"
    return f"{graph.text(source)}.reshape({math.prod(shape)})[{index}].reshape({', '.join(map(str, places.shape))})"


def _statement_pixel_shuffle(graph, node, a):
    *batch, channels, height, width = _shape(a["self"])
    r, n = a["upscale_factor"], len(_shape(a["self"])) - 3
    sizes, order = [*batch, channels // r**2, r, r, height, width], [*range(n), n, n + 3, n + 1, n + 4, n + 2]
    return f"{graph.text(a['self'])}.reshape({_listed(sizes)}).permute({_listed(order)}).reshape({_listed(_shape(node))})"


def _statement_pixel_unshuffle(graph, node, a):
    *batch, channels, height, width = _shape(a["self"])
    r, n = a["downscale_factor"], len(_shape(a["self"])) - 3
    sizes, order = [*batch, channels, height // r, r, width // r, r], [*range(n), n, n + 2, n + 4, n + 1, n + 3]
    return f"{graph.text(a['self'])}.reshape({_listed(sizes)}).permute({_listed(order)}).reshape({_listed(_shape(node))})"


def _statement_channel_shuffle(graph, node, a):
    batch, channels, *rest = _shape(a["self"])
    sizes = [batch, a["groups"], channels // a["groups"], *rest]
    return f"{graph.text(a['self'])}.reshape({_listed(sizes)}).transpose(1, 2).reshape({_listed(_shape(node))})"


def _listed(sizes):
    return ", ".join(map(str, sizes))


def _statement_instance_norm(graph, node, a):
    x, weight, bias = (graph.text(a[key]) for key in ("input", "weight", "bias"))
    a.get("running_mean"), a.get("running_var")
    if a["use_input_stats"]:
        return f"F.group_norm({x}, {_shape(a['input'])[1]}, {weight}, {bias}, {a['eps']!r})"
    return f"F.batch_norm({x}, {graph.text(a['running_mean'])}, {graph.text(a['running_var'])}, {weight}, {bias}, training=False, eps={a['eps']!r})"


def _statement_functional_norm(graph, node, a):
    """Batch norm after torch.export has taken it apart: the first of several results is the output."""
    x, weight, bias = (graph.text(a[key]) for key in ("input", "weight", "bias"))
    a.get("running_mean"), a.get("running_var")
    if a.get("training", False):
        return [graph.let(graph._node_name(node), f"F.batch_norm({x}, None, None, {weight}, {bias}, training=True, eps={a['eps']!r})")] + [None] * 5
    mean, var = graph.text(a["running_mean"]), graph.text(a["running_var"])
    return [graph.let(graph._node_name(node), f"F.batch_norm({x}, {mean}, {var}, {weight}, {bias}, training=False, eps={a['eps']!r})")] + [None] * 5


def _statement_embedding(graph, node, a):
    weight, row = graph.text(a["weight"]), a.get("padding_idx", -1)
    if row is not None and row >= 0:  # the row of the padding has no derivative
        parts = [f"{weight}[:{row}]"] if row else []
        parts += [f"{weight}[{row}:{row + 1}].detach()"] + ([f"{weight}[{row + 1}:]"] if row + 1 < _shape(a["weight"])[0] else [])
        weight = graph.let("table", f"torch.cat([{', '.join(parts)}], 0)")
    return f"F.embedding({graph.text(a['indices'])}, {weight})"


def _statement_embedding_bag(graph, node, a):
    weight, indices, offsets, mode = graph.text(a["weight"]), graph.text(a["indices"]), a["offsets"], a["mode"]
    starts = graph.trace.recorded.get(offsets)
    a.get("include_last_offset")
    if a.get("scale_grad_by_freq") or starts is None or a.get("per_sample_weights") is not None or a.get("padding_idx", -1) not in (-1, None):
        raise NotExportable(f"{graph.trace.where(node)}: bags with weights, a padding, or offsets that are an input")
    starts = starts.tolist()
    ends = [*starts[1:], _shape(a["indices"])[0]]
    rows = [f"F.embedding({indices}[{start}:{end}], {weight})" for start, end in zip(starts, ends)]
    rows = [f"{row}.amax(0)" if mode == 2 else f"{row}.{'mean' if mode else 'sum'}(0)" for row in rows]
    return [graph.let(node.name, f"torch.stack([{', '.join(rows)}], 0)")] + [None] * 3


def _statement_prelu(graph, node, a):
    x, weight, rank = graph.text(a["self"]), graph.text(a["weight"]), len(_shape(node))
    if _shape(a["weight"])[0] > 1 and rank > 2:
        weight = f"{weight}.reshape({_listed([-1] + [1] * (rank - 2))})"
    return f"torch.where({x} > 0, {x}, {weight} * {x})"


def _statement_glu(graph, node, a):
    value, gate = (_indexed(graph, a["self"], a["dim"], place) for place in (f":{_shape(node)[a['dim']]}", f"{_shape(node)[a['dim']]}:"))
    return f"{value} * sigmoid({gate})"


def _statement_cosine(graph, node, a):
    rank = len(_shape(a["x1"]))
    x, y = (f"F.normalize({graph.text(a[key])}, dim={a['dim']}, eps={a['eps']!r})" for key in ("x1", "x2"))
    if rank != len(_shape(a["x2"])):
        raise NotExportable(f"{graph.trace.where(node)}: operands of different rank")
    return f"({x} * {y}).sum({a['dim']})"


def _statement_distance(graph, node, a):
    if a["p"] != 2:
        raise NotExportable(f"{graph.trace.where(node)}: gradstep has no argument p={a['p']!r}")
    return f"torch.norm({graph.text(a['x1'])} - {graph.text(a['x2'])} + {a['eps']!r}, dim=-1, keepdim={a['keepdim']})"


def _statement_bilinear(graph, node, a):
    letters = "abcdefgh"[: len(_shape(node)) - 1]
    x, w, y = (graph.text(a[key]) for key in ("input1", "weight", "input2"))
    bias = f" + {graph.text(a['bias'])}" if a["bias"] is not None else ""
    return f"torch.einsum('{letters}i,oij,{letters}j->{letters}o', {x}, {w}, {y}){bias}"


def _statement_max(graph, node, a):
    call = f"torch.{_key(node).split('.')[1]}({graph.text(a['self'])}, dim={a['dim']}, keepdim={a['keepdim']})"
    return [graph.let(graph._node_name(node), f"{call}.values"), graph.constant(f"{node.name}_indices", graph.trace.recorded[node][1])]


def _statement_chosen(graph, node, a):
    """topk and sort: their order is a constant, the values are read by it."""
    a.read.update(a)
    dim = a.get("dim", -1)
    index = graph.constant(f"{node.name}_indices", graph.trace.recorded[node][1])
    return [graph.let(node.name, f"torch.gather({graph.text(a['self'])}, {dim}, {index})"), index]


def _statement_scatter(graph, node, a):
    """A copy of a tensor in which a slice is another tensor."""
    x = graph.let(node.name, f"{graph.text(a['self'])}.clone()")
    place = str(a["index"]) if "index" in a else None
    if place is None:
        start, end, step = a["start"] or 0, a["end"], a["step"]
        size = _shape(a["self"])[a["dim"]]
        place = f"{start}:{'' if end is None or end >= size else end}{'' if step == 1 else f':{step}'}"
    rank = len(_shape(a["self"]))
    graph.statements.append(f"{x}[{', '.join([':'] * (a['dim'] % rank) + [place])}] = {graph.text(a['src'])}")
    return x


def _statement_index_put(graph, node, a):
    if a.get("accumulate"):
        raise NotExportable(f"{graph.trace.where(node)}: gradstep has no argument accumulate=True")
    x = graph.let(node.name, f"{graph.text(a['self'])}.clone()")
    parts = [":" if index is None else graph.text(index) for index in a["indices"]]
    graph.statements.append(f"{x}[{', '.join(parts)}] = {graph.text(a['values'])}")
    return x


def _statement_index_add(graph, node, a):
    """A product with a matrix of 0 and 1: 1 where a row is added to."""
    index, rows = graph.trace.recorded.get(a["index"]), _shape(a["self"])[0]
    if index is None or a["dim"] != 0 or len(_shape(node)) > 2:
        raise NotExportable(f"{graph.trace.where(node)}: rows of a matrix at a known index can be added, and nothing else")
    hot = graph.constant(f"{node.name}_rows", torch.nn.functional.one_hot(index, rows).T.contiguous().to(torch.uint8))
    factor = "" if a.get("alpha", 1) == 1 else f"{a['alpha']!r} * "
    return f"{graph.text(a['self'])} + {factor}({hot} @ {graph.text(a['source'])})"


def _statement_weight_norm(graph, node, a):
    v, g, dim = graph.text(a["v"]), graph.text(a["g"]), a["dim"]
    axes = [axis for axis in range(len(_shape(node))) if axis != dim]
    return f"{v} * ({g} / torch.sqrt(torch.square({v}).sum({tuple(axes) if len(axes) != 1 else axes[0]}, keepdim=True)))"


def _statement_cast(graph, node, a):
    """A conversion: it changes numbers only on the way to integers and masks."""
    source = a["self"] if "self" in a else a["input"]
    before, after = source.meta["val"].dtype, node.meta["val"].dtype
    a.read.update(a)
    if before.is_floating_point and after == torch.bool:
        return f"{graph.text(source)} != 0"
    if before.is_floating_point and not after.is_floating_point:
        return f"{graph.text(source)}.long()"
    return graph.text(source)


def _statement_copy(graph, node, a):
    a.read.update(a)
    return f"{graph.text(a['src'])}.expand({_listed(_shape(node))})" if _shape(a["src"]) != _shape(node) else graph.text(a["src"])


def _scaled_product(left, right):
    """β · self + α · left @ right"""

    def maker(graph, node, a):
        parts = [graph.text(a["self"]), f"{graph.text(a[left])} @ {graph.text(a[right])}"]
        factors = [a.get("beta", 1), a.get("alpha", 1)]
        return " + ".join(part if factor == 1 else f"{factor!r} * ({part})" for factor, part in zip(factors, parts))

    return maker


def _element(pattern, *names):
    """A formula of the arguments."""
    return lambda graph, node, a: pattern.format(*(graph.text(a[name]) for name in names))


def _full(graph, node, a):
    a.read.update(a)
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
        parts += [f"p={graph.text(a['ord'])}"] if a.get("ord", 2) != 2 else []
        parts += [f"correction={graph.text(a['correction'])}"] if a.get("correction") is not None else []
        parts += [f"unbiased={a['unbiased']}"] if "unbiased" in a else []
        return f"torch.{function}({', '.join(parts)})"

    return maker


def _clamped(graph, node, a):
    return f"torch.clamp({graph.text(a['self'])}, {graph.text(a['min'])}, {graph.text(a['max'])})"


def _comparison(sign):
    return lambda graph, node, a: f"{graph.text(a['self'])} {sign} {graph.text(a['other'])}"


_IGNORED = {"aten._assert_tensor_metadata.default", "aten.sym_size.int", "aten._assert_async.msg"}
_LISTS = {torch.ops.aten.split.Tensor, torch.ops.aten.split_with_sizes.default, torch.ops.aten.chunk.default, torch.ops.aten.unbind.int}
_ALIASES = ["aten.contiguous.default", "aten.clone.default", "aten.alias.default", "aten.to.dtype", "aten.to.device", "aten._to_copy.default", "aten.lift_fresh_copy.default",
            "aten.to.dtype_layout", "aten.type_as.default", "aten.to.other", "aten.lift_fresh.default"]

# each operation of a graph
_STATEMENTS = {
    "aten.linear.default": _call("F.linear", "input", "weight", "bias"),
    "aten.conv1d.default": _call("F.conv1d", "input", "weight", "bias", stride="stride", padding="padding", dilation="dilation", groups="groups"),
    "aten.conv1d.padding": _call("F.conv1d", "input", "weight", "bias", stride="stride", padding="padding", dilation="dilation", groups="groups"),
    "aten.conv2d.default": _call("F.conv2d", "input", "weight", "bias", stride="stride", padding="padding", dilation="dilation", groups="groups"),
    "aten.conv2d.padding": _call("F.conv2d", "input", "weight", "bias", stride="stride", padding="padding", dilation="dilation", groups="groups"),
    "aten.conv_transpose1d.default": _call(
        "F.conv_transpose1d", "input", "weight", "bias", stride="stride", padding="padding", output_padding="output_padding", groups="groups", dilation="dilation"
    ),
    "aten.conv_transpose2d.input": _call(
        "F.conv_transpose2d", "input", "weight", "bias", stride="stride", padding="padding", output_padding="output_padding", groups="groups", dilation="dilation"
    ),
    "aten.max_pool1d.default": _statement_pool("max_pool1d", "dilation"),
    "aten.max_pool2d.default": _statement_pool("max_pool2d", "dilation"),
    "aten.avg_pool1d.default": _statement_pool("avg_pool1d", "count_include_pad"),
    "aten.avg_pool2d.default": _statement_pool("avg_pool2d", "count_include_pad"),
    "aten.adaptive_avg_pool1d.default": _statement_adaptive_avg,
    "aten.adaptive_avg_pool2d.default": _statement_adaptive_avg,
    "aten.adaptive_max_pool1d.default": _statement_adaptive_max,
    "aten.adaptive_max_pool2d.default": _statement_adaptive_max,
    "aten.upsample_nearest1d.vec": _statement_nearest,
    "aten.upsample_nearest2d.vec": _statement_nearest,
    "aten.upsample_linear1d.vec": _statement_linear_upsample,
    "aten.upsample_bilinear2d.vec": _statement_linear_upsample,
    "aten.instance_norm.default": _statement_instance_norm,
    "aten._native_batch_norm_legit_functional.default": _statement_functional_norm,
    "aten._native_batch_norm_legit.default": _statement_functional_norm,
    "aten._native_batch_norm_legit_no_training.default": _statement_functional_norm,
    "aten.layer_norm.default": _call("F.layer_norm", "input", "normalized_shape", "weight", "bias", "eps"),
    "aten.rms_norm.default": _call("F.rms_norm", "input", "normalized_shape", "weight", "eps"),
    "aten.group_norm.default": _call("F.group_norm", "input", "num_groups", "weight", "bias", "eps"),
    "aten.batch_norm.default": _statement_batch_norm,
    "aten.rrelu.default": _statement_rrelu,
    "aten.scaled_dot_product_attention.default": _attention,
    "aten.lstm_cell.default": _cell(_lstm_step),
    "aten.gru_cell.default": _cell(_gru_step),
    "aten.rnn_tanh_cell.default": _cell(_plain_step("tanh")),
    "aten.rnn_relu_cell.default": _cell(_plain_step("relu")),
    "aten.lstm.input": _sequence(_lstm_step),
    "aten.gru.input": _sequence(_gru_step),
    "aten.rnn_tanh.input": _sequence(_plain_step("tanh")),
    "aten.rnn_relu.input": _sequence(_plain_step("relu")),
    "aten.embedding.default": _statement_embedding,
    "aten.embedding_bag.padding_idx": _statement_embedding_bag,
    "aten.embedding_bag.default": _statement_embedding_bag,
    "aten.prelu.default": _statement_prelu,
    "aten.glu.default": _statement_glu,
    "aten.selu.default": _element("F.elu({}, 1.6732632423543772) * 1.0507009873554805", "self"),
    # PyTorch's own derivatives of celu and hardsigmoid have constants in float32, so that they differ from these in the ninth digit
    "aten.celu.default": _element("{1} * F.elu({0} / {1})", "self", "alpha"),
    "aten.hardsigmoid.default": _element("torch.clamp(({} + 3) / 6, 0, 1)", "self"),
    "aten.hardswish.default": _element("{0} * torch.clamp({0} + 3, 0, 6) / 6", "self"),
    "aten.threshold.default": _element("torch.where({0} > {1}, {0}, {2})", "self", "threshold", "value"),
    "aten.hardshrink.default": _element("torch.where(torch.abs({0}) > {1}, {0}, 0)", "self", "lambd"),
    "aten.softshrink.default": _element("torch.where({0} > {1}, {0} - {1}, torch.where({0} < -{1}, {0} + {1}, 0))", "self", "lambd"),
    "aten.cosine_similarity.default": _statement_cosine,
    "aten.pairwise_distance.default": _statement_distance,
    "aten.bilinear.default": _statement_bilinear,
    "aten.one_hot.default": lambda graph, node, a: f"F.one_hot({graph.text(a['self'])}, {a.get('num_classes') and _shape(node)[-1]})",
    "aten.pixel_shuffle.default": _statement_pixel_shuffle,
    "aten.pixel_unshuffle.default": _statement_pixel_unshuffle,
    "aten.channel_shuffle.default": _statement_channel_shuffle,
    "aten.max.dim": _statement_max,
    "aten.min.dim": _statement_max,
    "aten.max.default": _element("torch.max({})", "self"),
    "aten.min.default": _element("torch.min({})", "self"),
    "aten.max.other": _element("torch.maximum({}, {})", "self", "other"),
    "aten.min.other": _element("torch.minimum({}, {})", "self", "other"),
    "aten.topk.default": _statement_chosen,
    "aten.sort.default": _statement_chosen,
    "aten.sort.stable": _statement_chosen,
    "aten.select_scatter.default": _statement_scatter,
    "aten.slice_scatter.default": _statement_scatter,
    "aten.index_put.default": _statement_index_put,
    "aten.index_add.default": _statement_index_add,
    "aten.copy.default": _statement_copy,
    "aten._weight_norm.default": _statement_weight_norm,
    "aten.addcmul.default": _element("{} + {} * {} * {}", "self", "value", "tensor1", "tensor2"),
    "aten.addcdiv.default": _element("{} + {} * {} / {}", "self", "value", "tensor1", "tensor2"),
    "aten.lerp.Scalar": _element("{0} + {2} * ({1} - {0})", "self", "end", "weight"),
    "aten.lerp.Tensor": _element("{0} + {2} * ({1} - {0})", "self", "end", "weight"),
    "aten.baddbmm.default": _scaled_product("batch1", "batch2"),
    "aten.addmv.default": _scaled_product("mat", "vec"),
    "aten.vdot.default": _element("{} @ {}", "self", "other"),
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
    "aten.pow.Scalar": _element("{} ** {}", "self", "exponent"),
    "aten.where.ScalarOther": _call("torch.where", "condition", "self", "other"),
    "aten.where.ScalarSelf": _call("torch.where", "condition", "self", "other"),
    "aten.logical_and.default": _comparison("&"),
    "aten.logical_or.default": _comparison("|"),
    "aten.clamp_max.default": _call("torch.clamp_max", "self", "max"),
    "aten.rsub.Scalar": lambda graph, node, a: f"{graph.text(a['other'])} - {graph.text(a['self'])}",
    "aten.matmul.default": _comparison("@"),
    "aten.mm.default": lambda graph, node, a: f"{graph.text(a['self'])} @ {graph.text(a['mat2'])}",
    "aten.bmm.default": lambda graph, node, a: f"{graph.text(a['self'])} @ {graph.text(a['mat2'])}",
    "aten.mv.default": lambda graph, node, a: f"{graph.text(a['self'])} @ {graph.text(a['vec'])}",
    "aten.dot.default": lambda graph, node, a: f"{graph.text(a['self'])} @ {graph.text(a['tensor'])}",
    "aten.addmm.default": _scaled_product("mat1", "mat2"),
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
    "aten.pad.default": _statement_pad,
    "aten.constant_pad_nd.default": _statement_pad,
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
for _function in ["relu", "sigmoid", "tanh", "exp", "log", "sqrt", "rsqrt", "abs", "neg", "sign", "floor", "ceil", "trunc", "sin", "cos", "erf", "log1p", "expm1", "reciprocal", "silu", "square"]:
    _prefix = "F" if _function == "silu" else "torch"
    _STATEMENTS[f"aten.{_function}.default"] = _call(f"{_prefix}.{_function}", "self")
for _kind in ["Tensor", "Scalar", "Tensor_mode"]:
    for _function, _sign in {"add": "+", "sub": "-", "mul": "*", "div": "/"}.items():
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
for _kind in _DROPOUTS:
    _STATEMENTS[_kind] = _statement_dropout
for _kind in _ALIASES:
    _STATEMENTS[_kind] = _statement_cast
for _kind in ["roll.default", "rot90.default", "diagonal.default", "unfold.default", "im2col.default", "movedim.int", "movedim.intlist", "narrow.default", "swapaxes.default"]:
    _STATEMENTS[f"aten.{_kind}"] = _copied
