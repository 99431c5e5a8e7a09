"""Random networks, and their scenario files."""
import numpy as np

from .network import Student

PREFIX = {"conv2d": "conv", "linear": "fc", "max_pool2d": "pool", "avg_pool2d": "pool", "global_avg_pool2d": "pool", "flatten": "flat",
          "activation": "act", "add": "add", "layer_norm": "norm", "group_norm": "norm", "instance_norm2d": "norm", "dropout": "drop"}
PAIRS = ("kernel_size", "stride", "padding", "dilation")
DEFAULT_REDUCTION = {"squared_error": "half_sum"}


def pair(value):
    return [value, value] if isinstance(value, int) else list(value)


class Net:
    """A network with its parameters, samples and loss. `spec` has a dictionary for each layer, with `out` for the number of filters or neurons."""

    def __init__(self, name, seed, shape, spec, loss, samples=1, train=None, whole=False, target=None, title=None):
        self.name, self.rng, self.whole = name, np.random.default_rng(seed), whole
        self.title = title or name.replace("-", " ")
        self.loss = {"type": loss} if isinstance(loss, str) else dict(loss)
        self.loss["default"] = DEFAULT_REDUCTION.get(self.loss["type"], "sum")
        self.train, self.layers, self.params, self.by_name = train, [], {}, {}
        inputs = [self.numbers(shape, 1.0) for _ in range(samples)]
        counts = {}
        student = Student.__new__(Student)
        student.net, student.mistakes, student.params, student.dtype = self, [], self.params, float
        for layer in spec:
            self.add(dict(layer), counts, student, inputs[0])
        student.layers, student.last = self.layers, self.layers[-1]["name"]
        out = student.forward(inputs[0])[student.value_of(student.last)]
        self.samples = [(x.tolist(), self.make_target(out, n) if target is None else target[n]) for n, x in enumerate(inputs)]

    def numbers(self, shape, scale, kind="input"):
        if self.whole and kind != "linear":
            return self.rng.integers(-1, 2, shape).astype(float)
        return np.round(self.rng.normal(0, scale, shape), 4)

    def add(self, layer, counts, student, x):
        kind = layer["type"]
        prefix = PREFIX[kind]
        counts[prefix] = counts.get(prefix, 0) + 1
        layer["named"] = "name" in layer
        layer.setdefault("name", f"{prefix}{counts[prefix]}")
        name = layer["name"]
        student.layers = self.layers
        values = student.forward(x) if self.layers else {"input": x}
        source = layer.get("from", self.layers[-1]["name"] if self.layers else "input")
        read = values[student.value_of(source)] if isinstance(source, str) else None
        out, bias = layer.pop("out", None), layer.pop("bias", True)
        if kind in ("conv2d", "linear"):
            layer.setdefault("activation", "identity")
        if kind == "conv2d":
            layer.setdefault("groups", 1)
            for key, value in (("stride", 1), ("padding", 0), ("dilation", 1)):
                layer.setdefault(key, value)
            shape = (out, read.shape[0] // layer["groups"], *pair(layer.pop("kernel_size")))
        elif kind == "linear":
            shape = (out, read.size)
        elif kind == "layer_norm":
            shape = read.shape
        elif kind in ("group_norm", "instance_norm2d"):
            shape = read.shape[:1]
        elif kind == "dropout":
            layer["mask"] = (self.rng.random(read.shape) > 0.4) * 1
            layer.setdefault("p", 0.5)
        elif kind in ("max_pool2d", "avg_pool2d"):
            layer.setdefault("stride", layer["kernel_size"])
            for key, value in (("padding", 0), ("dilation", 1), ("count_include_pad", True)):
                layer.setdefault(key, value)
        for key in PAIRS:
            if key in layer:
                layer[key] = pair(layer[key])
        if PREFIX[kind] == "norm":
            layer.setdefault("eps", 1e-5)
            self.params[name + ".weight"] = np.round(self.rng.normal(1, 0.4, shape), 4)
        if kind in ("conv2d", "linear"):
            fan = int(np.prod(shape[1:]))
            self.params[name + ".weight"] = self.numbers(shape, 1.3 / fan ** 0.5, kind)
        if name + ".weight" in self.params and bias:
            n = shape if PREFIX[kind] == "norm" else shape[:1]
            self.params[name + ".bias"] = self.numbers(n, 0.3, kind)
        self.layers.append(layer)
        self.by_name[name] = layer

    def make_target(self, out, n):
        """The classes go round; other targets are random."""
        kind = self.loss["type"]
        if kind.startswith("cross_entropy"):
            return int(self.rng.integers(out.size))
        if kind.startswith("binary"):
            return np.array(self.rng.random(out.shape) > 0.5).astype(float).tolist()
        return np.round(self.rng.normal(0, 1, out.shape), 4).tolist()

    # ----- the scenario file

    def text(self):
        lines = [f'title = "{self.title}"']
        loss = {k: v for k, v in self.loss.items() if k != "default"}
        lines.append("loss = " + (inline(loss) if len(loss) > 1 else inline(loss["type"])))
        if len(self.samples) == 1:
            lines += ["input = " + inline(self.samples[0][0]), "target = " + inline(self.samples[0][1])]
        if self.train:
            lines += ["", "[train]"] + [f"{k} = {inline(v)}" for k, v in self.train.items()]
        if len(self.samples) > 1:
            for x, t in self.samples:
                lines += ["", "[[sample]]", "input = " + inline(x), "target = " + inline(t)]
        for layer in self.layers:
            lines += ["", "[[layer]]"] + self.layer_text(layer)
        return "\n".join(lines) + "\n"

    def layer_text(self, layer):
        kind, name = layer["type"], layer["name"]
        lines = [f'type = "{kind}"']
        if layer["named"]:
            lines.append(f'name = "{name}"')
        skip = {"type", "name", "named"}
        if kind == "max_pool2d":
            skip.add("count_include_pad")
        if kind == "avg_pool2d":
            skip.add("dilation")
        for key, value in layer.items():
            usual = {"stride": [1, 1] if kind == "conv2d" else layer.get("kernel_size"), "padding": [0, 0], "dilation": [1, 1],
                     "groups": 1, "activation": "identity", "eps": 1e-5, "count_include_pad": True}
            if key not in skip and value is not None and (key not in usual or usual[key] != value):
                lines.append(f"{key} = {inline(value)}")
        for key in ("weight", "bias"):
            if f"{name}.{key}" in self.params:
                lines.append(f"{key} = {inline(self.params[f'{name}.{key}'])}")
        return lines


def inline(value):
    """A value in TOML on one line; a matrix has a row on each line."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value + '"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {inline(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        parts = [inline(v) for v in value]
        nested = any(isinstance(v, (list, tuple)) for v in value)
        return "[" + (",\n ".join(parts) if nested else ", ".join(parts)) + "]"
    number = float(value)
    return str(int(number)) if number == int(number) else repr(number)
