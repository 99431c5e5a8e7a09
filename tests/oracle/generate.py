#!/usr/bin/env python3
"""Computes the expected numbers of scenarios with PyTorch in float64.

    pip install torch
    python tests/oracle/generate.py                    # writes made-*.expected.json for every made-*.toml beside it
    python tests/oracle/generate.py FILE.toml          # prints the expected JSON of any scenario
    python tests/oracle/generate.py --check FILE...    # verifies every [[expect]] of the scenarios

A new case is a new file made-NAME.toml and one run.

The tests read the files and need no Python. Autograd computes all derivatives except dC/da for a cross-entropy: PyTorch computes this loss from z, not from
the output a, so autograd has no dC/da, and run_loss returns -t/a or (1-t)/(1-a) - t/a. Random tensors come from an independent implementation of the
published generators (SplitMix64, xoshiro256++), so the random numbers of gradstep are checked too.

Supported: all layers, activations and losses, and [graph]; one sample, no [train].
"""

import ast
import json
import math
import pathlib
import re
import sys
import tomllib

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
HERE = pathlib.Path(__file__).parent

# ---- tensors ---------------------------------------------------------------------------------------------------

MASK = (1 << 64) - 1


def uniforms(seed):
    """xoshiro256++ seeded through SplitMix64, as numbers in [0, 1)."""
    state, s = [], seed & MASK
    for _ in range(4):
        s = (s + 0x9E3779B97F4A7C15) & MASK
        z = s
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        state.append(z ^ (z >> 31))

    def rotate(x, k):
        return ((x << k) | (x >> (64 - k))) & MASK

    while True:
        result = (rotate((state[0] + state[3]) & MASK, 23) + state[0]) & MASK
        t = (state[1] << 17) & MASK
        state[2] ^= state[0]
        state[3] ^= state[1]
        state[1] ^= state[2]
        state[0] ^= state[3]
        state[2] ^= t
        state[3] = rotate(state[3], 45)
        yield (result >> 11) * 2.0**-53


def normals(seed):
    """Normal numbers of mean 0 and variance 1, by the Box-Muller transform."""
    stream = uniforms(seed)
    while True:
        u, v = next(stream), next(stream)
        yield math.sqrt(-2 * math.log(1 - u)) * math.cos(2 * math.pi * v)


def initialised(spec, shape):
    """The tensor of `{ init = … }`. Its own key `shape` comes before the argument."""
    shape = list(spec.get("shape", shape))
    n, kind = math.prod(shape), spec["init"]
    receptive = math.prod(shape[2:])
    fan_in, fan_out = (shape[1] * receptive, shape[0] * receptive) if len(shape) > 1 else (0, 0)
    if kind == "zeros":
        values = [0.0] * n
    elif kind == "ones":
        values = [1.0] * n
    elif kind == "constant":
        values = [float(spec["value"])] * n
    elif kind == "linspace":
        a, b = spec["start"], spec["stop"]
        values = [a + (b - a) * i / (n - 1) if n > 1 else a for i in range(n)]
    elif kind == "arange":
        values = [spec.get("start", 0) + spec.get("step", 1) * i for i in range(n)]
    elif kind == "uniform":
        low, high, stream = spec.get("low", 0), spec.get("high", 1), uniforms(spec["seed"])
        values = [low + (high - low) * next(stream) for _ in range(n)]
    elif kind == "normal":
        mean, std, stream = spec.get("mean", 0), spec.get("std", 1), normals(spec["seed"])
        values = [mean + std * next(stream) for _ in range(n)]
    elif kind == "xavier_uniform":
        bound, stream = math.sqrt(6 / (fan_in + fan_out)), uniforms(spec["seed"])
        values = [-bound + 2 * bound * next(stream) for _ in range(n)]
    elif kind == "he_normal":
        std, stream = math.sqrt(2 / fan_in), normals(spec["seed"])
        values = [std * next(stream) for _ in range(n)]
    else:
        raise ValueError(kind)
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def tensor(value, shape=None, rank=0):
    """A tensor of the file, written as an array or as `{ init = … }`. An array of lower rank than `rank` gets leading dimensions of size 1."""
    if isinstance(value, dict):
        return initialised(value, shape)
    t = torch.tensor(value, dtype=torch.float64)
    while t.dim() < rank:
        t = t.unsqueeze(0)
    return t


def pair(value):
    return list(value) if isinstance(value, list) else [value, value]


def padded(a, layer, kernel, value=0.0):
    """The image with the padding that the key `padding` says, for a layer that pads unevenly: [top, bottom, left, right]."""
    dilation = pair(layer.get("dilation", 1))
    padding = layer.get("padding", 0)
    if padding == "same":
        both = [d * (k - 1) for d, k in zip(dilation, kernel)]
        top, left = (n // 2 for n in both)
        sides = [left, both[1] - left, top, both[0] - top]
    elif padding == "valid":
        sides = [0, 0, 0, 0]
    else:
        top, bottom, left, right = padding if isinstance(padding, list) and len(padding) == 4 else (n for n in pair(padding) for _ in range(2))
        sides = [left, right, top, bottom]
    return F.pad(a, sides, value=value)


def is_even(layer):
    """Whether PyTorch's own keyword `padding` can say the padding."""
    padding = layer.get("padding", 0)
    return not isinstance(padding, str) and not (isinstance(padding, list) and len(padding) == 4)


# ---- a network -------------------------------------------------------------------------------------------------

ACTIVATIONS = {
    "identity": lambda z, keys: z.clone(),
    "relu": lambda z, keys: torch.relu(z),
    "leaky_relu": lambda z, keys: F.leaky_relu(z, keys.get("negative_slope", 0.01)),
    "elu": lambda z, keys: F.elu(z, keys.get("alpha", 1.0)),
    "sigmoid": lambda z, keys: torch.sigmoid(z),
    "tanh": lambda z, keys: torch.tanh(z),
    # F.softplus returns z itself above a threshold
    "softplus": lambda z, keys: torch.logaddexp(z, torch.zeros_like(z)),
    "silu": lambda z, keys: F.silu(z),
    "gelu": lambda z, keys: F.gelu(z),
    "hardtanh": lambda z, keys: F.hardtanh(z, keys.get("min_val", -1.0), keys.get("max_val", 1.0)),
    "relu6": lambda z, keys: F.relu6(z),
    "mish": lambda z, keys: F.mish(z),
    "hardswish": lambda z, keys: F.hardswish(z),
    "log_softmax": lambda z, keys: torch.log_softmax(z.flatten(), 0).reshape(z.shape),
    "softmax": lambda z, keys: torch.softmax(z.flatten(), 0).reshape(z.shape),
}
# the beginning of the default name of a layer: conv1, conv2, ...
BASE = {
    "activation": "act",
    "adaptive_avg_pool2d": "pool",
    "add": "add",
    "avg_pool1d": "pool",
    "avg_pool2d": "pool",
    "batch_norm1d": "norm",
    "batch_norm2d": "norm",
    "cat": "cat",
    "conv1d": "conv",
    "conv2d": "conv",
    "conv_transpose2d": "convt",
    "dropout": "drop",
    "flatten": "flat",
    "global_avg_pool2d": "pool",
    "group_norm": "norm",
    "instance_norm2d": "norm",
    "layer_norm": "norm",
    "linear": "fc",
    "max_pool1d": "pool",
    "max_pool2d": "pool",
    "upsample": "up",
}
# the layers that read an image
IMAGES = ("conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d", "global_avg_pool2d", "instance_norm2d", "batch_norm2d", "adaptive_avg_pool2d", "upsample")
# the layers that read channels x length
SEQUENCES = ("conv1d", "max_pool1d", "avg_pool1d")


def run_network(scenario):
    layers = scenario["layer"]
    images = any(i == 0 or layer.get("from") == "input" for i, layer in enumerate(layers) if layer["type"] in IMAGES)
    sequences = any(i == 0 or layer.get("from") == "input" for i, layer in enumerate(layers) if layer["type"] in SEQUENCES)
    rank = 3 if images else 2 if sequences else 1
    values, parameters, counts = {}, {}, {}

    def keep(where, name, t):
        """Stores a tensor by its name, and makes autograd keep its gradient."""
        if not t.requires_grad:
            t.requires_grad_(True)
        t.retain_grad()
        where[name] = t
        return t

    a = keep(values, "input", tensor(scenario["input"], rank=rank))
    outputs = {"input": a}
    last = (None, None)  # the last activation and its input
    for layer in layers:
        kind = layer["type"]
        base = BASE[kind]
        counts[base] = counts.get(base, 0) + 1
        name = layer.get("name", f"{base}{counts[base]}")
        if isinstance(layer.get("from"), str):
            a = outputs[layer["from"]]
        if kind == "conv_transpose2d":
            groups = layer.get("groups", 1)
            shape = None
            if "out_channels" in layer:
                shape = [a.shape[0], layer["out_channels"] // groups, *pair(layer.get("kernel_size", 0))]
            w = keep(parameters, f"{name}.weight", tensor(layer["weight"], shape, 4))
            b = None
            if "bias" in layer:
                b = keep(parameters, f"{name}.bias", tensor(layer["bias"], [w.shape[1] * groups], 1))
            stride, padding, output_padding, dilation = (
                pair(layer.get(k, d))
                for k, d in (("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1))
            )
            z = F.conv_transpose2d(a.unsqueeze(0), w, b, stride, padding, output_padding, groups, dilation).squeeze(0)
            z = keep(values, f"{name}.z", z)
            function = layer.get("activation", "identity")
            a, last = ACTIVATIONS[function](z, layer), (function, z)
        elif kind == "conv1d":
            groups = layer.get("groups", 1)
            shape = None
            if "out_channels" in layer:
                shape = [layer["out_channels"], a.shape[0] // groups, layer.get("kernel_size", 0)]
            w = keep(parameters, f"{name}.weight", tensor(layer["weight"], shape, 3))
            b = keep(parameters, f"{name}.bias", tensor(layer["bias"], [w.shape[0]], 1)) if "bias" in layer else None
            padding, x = layer.get("padding", 0), a.unsqueeze(0)
            if isinstance(padding, list):
                padding, x = 0, F.pad(x, padding)
            z = F.conv1d(x, w, b, layer.get("stride", 1), padding, layer.get("dilation", 1), groups).squeeze(0)
            z = keep(values, f"{name}.z", z)
            function = layer.get("activation", "identity")
            a, last = ACTIVATIONS[function](z, layer), (function, z)
        elif kind == "max_pool1d":
            kernel, ceil = layer["kernel_size"], layer.get("ceil_mode", False)
            stride, padding, dilation = layer.get("stride", kernel), layer.get("padding", 0), layer.get("dilation", 1)
            a = F.max_pool1d(a.unsqueeze(0), kernel, stride, padding, dilation, ceil).squeeze(0)
            last = (None, None)
        elif kind == "avg_pool1d":
            kernel, ceil = layer["kernel_size"], layer.get("ceil_mode", False)
            stride, padding, include = layer.get("stride", kernel), layer.get("padding", 0), layer.get("count_include_pad", True)
            a = F.avg_pool1d(a.unsqueeze(0), kernel, stride, padding, ceil, include).squeeze(0)
            last = (None, None)
        elif kind == "adaptive_avg_pool2d":
            a = F.adaptive_avg_pool2d(a.unsqueeze(0), pair(layer["output_size"])).squeeze(0)
            last = (None, None)
        elif kind == "upsample":
            mode, scale = layer.get("mode", "nearest"), tuple(float(n) for n in pair(layer["scale_factor"]))
            a = F.interpolate(a.unsqueeze(0), scale_factor=scale, mode=mode).squeeze(0)
            last = (None, None)
        elif kind == "cat":
            inputs = [outputs[of] for of in layer["from"]]
            rank_of_all = max(t.dim() for t in inputs)
            a = torch.cat([t if t.dim() == rank_of_all else t.unsqueeze(0) for t in inputs], 0)
            last = (None, None)
        elif kind in ("batch_norm1d", "batch_norm2d"):
            channels = [a.shape[0]]
            mean, var = (tensor(layer[k], channels, 1) for k in ("running_mean", "running_var"))
            w, b = (keep(parameters, f"{name}.{k}", tensor(layer[k], channels, 1)) if k in layer else None for k in ("weight", "bias"))
            a = F.batch_norm(a.unsqueeze(0), mean, var, w, b, False, 0.1, layer.get("eps", 1e-5)).squeeze(0)
            last = (None, None)
        elif kind in ("conv2d", "linear"):
            if kind == "conv2d":
                groups = layer.get("groups", 1)
                shape = None
                if "out_channels" in layer:
                    shape = [layer["out_channels"], a.shape[0] // groups, *pair(layer.get("kernel_size", 0))]
                w = tensor(layer["weight"], shape, 4)
            else:
                groups = 1
                w = tensor(layer["weight"], [layer.get("out_features"), a.numel()], 2)
            keep(parameters, f"{name}.weight", w)
            b = None
            if "bias" in layer:
                b = keep(parameters, f"{name}.bias", tensor(layer["bias"], [w.shape[0]], 1))
            if kind == "conv2d":
                stride, dilation = (pair(layer.get(k, 1)) for k in ("stride", "dilation"))
                padding = layer.get("padding", 0)
                if isinstance(padding, list) and len(padding) == 4:
                    image, padding = padded(a, layer, w.shape[2:]), 0
                else:
                    image, padding = a, padding if isinstance(padding, str) else pair(padding)
                z = F.conv2d(image.unsqueeze(0), w, b, stride, padding, dilation, groups).squeeze(0)
            else:
                z = F.linear(a, w, b)
            z = keep(values, f"{name}.z", z)
            function = layer.get("activation", "identity")
            a, last = ACTIVATIONS[function](z, layer), (function, z)
        elif kind == "max_pool2d":
            kernel = pair(layer["kernel_size"])
            stride, dilation = (pair(layer.get(k, d)) for k, d in (("stride", kernel), ("dilation", 1)))
            if is_even(layer):
                image, padding = a, pair(layer.get("padding", 0))
            else:
                image, padding = padded(a, layer, kernel, -math.inf), 0
            a = F.max_pool2d(image.unsqueeze(0), kernel, stride, padding, dilation, layer.get("ceil_mode", False)).squeeze(0)
            last = (None, None)
        elif kind == "avg_pool2d":
            kernel = pair(layer["kernel_size"])
            stride, include = pair(layer.get("stride", kernel)), layer.get("count_include_pad", True)
            if is_even(layer):
                image, padding = a, pair(layer.get("padding", 0))
            else:
                image, padding = padded(a, layer, kernel), 0
            a = F.avg_pool2d(image.unsqueeze(0), kernel, stride, padding, layer.get("ceil_mode", False), include).squeeze(0)
            last = (None, None)
        elif kind == "global_avg_pool2d":
            a = F.adaptive_avg_pool2d(a.unsqueeze(0), 1).squeeze(0)
            last = (None, None)
        elif kind == "add":
            a = sum((outputs[of] for of in layer["from"][1:]), outputs[layer["from"][0]])
            last = (None, None)
        elif kind == "layer_norm":
            w, b = (
                keep(parameters, f"{name}.{k}", tensor(layer[k], list(a.shape), a.dim())) if k in layer else None
                for k in ("weight", "bias")
            )
            a = F.layer_norm(a, list(a.shape), w, b, layer.get("eps", 1e-5))
            last = (None, None)
        elif kind in ("group_norm", "instance_norm2d"):
            w, b = (
                keep(parameters, f"{name}.{k}", tensor(layer[k], [a.shape[0]], 1)) if k in layer else None
                for k in ("weight", "bias")
            )
            groups = layer["num_groups"] if kind == "group_norm" else a.shape[0]
            norm = F.group_norm(a.unsqueeze(0), groups, w, b, layer.get("eps", 1e-5)).squeeze(0)
            if kind == "instance_norm2d":
                same = F.instance_norm(a.unsqueeze(0), None, None, w, b, True, 0, layer.get("eps", 1e-5)).squeeze(0)
                assert torch.allclose(norm, same, rtol=1e-13, atol=1e-13)
            a = norm
            last = (None, None)
        elif kind == "dropout":
            a = a * (tensor(layer["mask"], list(a.shape), a.dim()) / (1 - layer.get("p", 0.5)))
            last = (None, None)
        elif kind == "flatten":
            a = a.flatten().clone()
            last = (None, None)
        elif kind == "activation":
            last = (layer["function"], a)
            a = ACTIVATIONS[layer["function"]](a, layer)
        a = outputs[name] = keep(values, f"{name}.a", a)

    loss, by_output = run_loss(scenario, a, *last)
    loss.backward()
    gradients = {name: plain(v.grad if v.grad is not None else torch.zeros_like(v)) for name, v in values.items()}
    if by_output is not None:
        gradients[f"{name}.a"] = plain(by_output)
    of_parameters = {name: plain(v.grad) for name, v in parameters.items()}
    return {
        "format": 1,
        "scenario": scenario["title"],
        "samples": [
            {
                "name": None,
                "loss": number(loss.item()),
                "values": {name: plain(v) for name, v in values.items()},
                "gradients": gradients | of_parameters,
            }
        ],
        "loss": number(loss.item()),
        "parameters": {name: plain(v) for name, v in parameters.items()},
        "gradients": of_parameters,
    }


def run_loss(scenario, a, function, z):
    """The loss for the output a = function(z). The second result is dC/da if PyTorch computes the loss from z, else None."""
    loss = scenario["loss"]
    loss = {"type": loss} if isinstance(loss, str) else loss
    if loss["type"] == "upstream" and "gradient" in loss:
        return (a * tensor(loss["gradient"], list(a.shape)).reshape(a.shape)).sum(), None
    t = scenario["target"]
    if isinstance(t, int) and a.numel() > 1:
        t = F.one_hot(torch.tensor(t), a.numel()).double().reshape(a.shape)
    else:
        t = tensor(t, list(a.shape)).reshape(a.shape)
    if loss["type"] == "cross_entropy":
        log = F.logsigmoid(z) if function == "sigmoid" else F.log_softmax(z.flatten(), 0).reshape(z.shape)
        return -(t * log).sum(), torch.where(t == 0, torch.zeros_like(a), -t / a)
    if loss["type"] == "cross_entropy_with_logits":
        return F.cross_entropy(a.flatten().unsqueeze(0), t.flatten().unsqueeze(0)), None
    reduction = loss.get("reduction", "sum")
    if loss["type"] == "binary_cross_entropy_with_logits":
        return F.binary_cross_entropy_with_logits(a, t, reduction=reduction), None
    if loss["type"] == "binary_cross_entropy":
        zero = torch.zeros_like(a)
        by_output = torch.where(t == 1, zero, (1 - t) / (1 - a)) - torch.where(t == 0, zero, t / a)
        by_output = by_output / (a.numel() if reduction == "mean" else 1)
        return F.binary_cross_entropy_with_logits(z, t, reduction=reduction), by_output
    if loss["type"] == "squared_error":
        squares = (a - t) ** 2
        reduction = loss.get("reduction", "half_sum")
        return {"half_sum": squares.sum() / 2, "sum": squares.sum(), "mean": squares.mean()}[reduction], None
    # the names of PyTorch's functions have PyTorch's reductions
    is_pytorch = loss["type"].endswith("_loss")
    kind, reduction = loss["type"].removesuffix("_loss"), loss.get("reduction", "mean" if is_pytorch else "sum")
    if kind == "nll":
        if isinstance(scenario["target"], int):
            return F.nll_loss(a.flatten().unsqueeze(0), torch.tensor([scenario["target"]])), None
        return -(t * a).sum(), None
    if kind == "multi_margin":
        y = torch.tensor([int(t.flatten().argmax())])
        return F.multi_margin_loss(a.flatten().unsqueeze(0), y, loss.get("p", 1), loss.get("margin", 1.0)), None
    if kind == "kl_div":
        return F.kl_div(a, t, reduction=reduction), None
    if kind == "mse":
        return F.mse_loss(a, t, reduction=reduction), None
    loss = loss | {"type": kind}
    if loss["type"] == "l1":
        return F.l1_loss(a, t, reduction=reduction), None
    if loss["type"] == "huber":
        return F.huber_loss(a, t, reduction=reduction, delta=loss.get("delta", 1.0)), None
    if loss["type"] == "smooth_l1":
        return F.smooth_l1_loss(a, t, reduction=reduction, beta=loss.get("beta", 1.0)), None
    if loss["type"] == "upstream":
        return (a * t).sum(), None
    raise ValueError(loss["type"])


# ---- a graph ---------------------------------------------------------------------------------------------------

FUNCTIONS = {name: getattr(torch, name) for name in "exp log sqrt sin cos tan tanh sigmoid relu abs".split()}
FUNCTIONS |= {"min": torch.minimum, "max": torch.maximum}
OPERATORS = {
    ast.Add: torch.add,
    ast.Sub: torch.sub,
    ast.Mult: torch.mul,
    ast.Div: torch.div,
    ast.Pow: torch.pow,
}


def run_graph(scenario):
    graph = scenario["graph"]
    values = {}
    # `**` has the precedence and associativity that the format gives to `^`
    nodes = [(n.split("=")[0].strip(), n.split("=")[1].strip().replace("^", "**")) for n in graph["nodes"]]
    def keep(name, t):
        t.retain_grad()
        values[name] = t
        return t

    def evaluate(e, name):
        """Computes an expression. `name` is the name of its node, or None for an operation inside the expression of a node."""
        if isinstance(e, ast.Constant):
            return torch.tensor(float(e.value))
        if isinstance(e, ast.UnaryOp) and isinstance(e.operand, ast.Constant):
            return torch.tensor(-float(e.operand.value))
        if isinstance(e, ast.Name):
            return values[e.id] if name is None else keep(name, values[e.id].clone())
        if isinstance(e, ast.BinOp):
            function, arguments = OPERATORS[type(e.op)], [e.left, e.right]
        elif isinstance(e, ast.UnaryOp):
            function, arguments = torch.neg, [e.operand]
        else:
            function, arguments = FUNCTIONS[e.func.id], e.args
        arguments = [evaluate(x, None) for x in arguments]
        result = function(*arguments)
        if not result.requires_grad:
            result.requires_grad_(True)
        return keep(name, result) if name else result

    for name, value in graph["inputs"].items():
        keep(name, torch.tensor(float(value), requires_grad=True))
    for name, expression in nodes:
        evaluate(ast.parse(expression, mode="eval").body, name)
    output = values[graph.get("output", nodes[-1][0])]
    output.backward()
    # if the output does not depend on a tensor, autograd gives None instead of 0
    # a node of numbers alone is a number, and has no derivative
    numbers = {name for name, e in nodes if not any(isinstance(part, ast.Name) and part.id in values for part in ast.walk(ast.parse(e, mode="eval")))}
    gradients = {name: number(v.grad.item() if v.grad is not None else 0.0) for name, v in values.items() if name not in numbers}
    loss = number(output.item())
    return {
        "format": 1,
        "scenario": scenario["title"],
        "loss": loss,
        "samples": [
            {
                "name": None,
                "loss": loss,
                "values": {name: number(v.item()) for name, v in values.items()},
                "gradients": gradients,
            }
        ],
        "gradients": {name: gradients[name] for name in graph["inputs"]},
    }


# ---- JSON, checking --------------------------------------------------------------------------------------------


def number(x):
    """A number for JSON: NaN and infinities are strings."""
    if math.isnan(x):
        return "nan"
    return x if math.isfinite(x) else ("inf" if x > 0 else "-inf")


def plain(t):
    """A tensor as nested lists."""
    def walk(x):
        return [walk(y) for y in x] if isinstance(x, list) else number(x)

    return walk(t.detach().tolist())


def run(scenario):
    return run_graph(scenario) if "graph" in scenario else run_network(scenario)


def check(path):
    """Compares the [[expect]] numbers of a scenario with PyTorch's, and returns the number of faults."""
    scenario = tomllib.loads(path.read_text().removeprefix("\ufeff"))
    result = run(scenario)
    sample, faults = result["samples"][0], 0
    for expect in scenario.get("expect", []):
        op, _, index = expect["at"].partition("[")
        if op == "loss":
            got = result["loss"]
        elif op.startswith("grad."):
            got = sample["gradients"][op.removeprefix("grad.")]
        else:
            got = sample["values"][op]
        for i in (int(i) for i in re.findall(r"\d+", index)):
            got = got[i]
        want, tolerance = expect["value"], expect.get("tolerance", 1e-9)
        got, want = (torch.tensor(x, dtype=torch.float64) for x in (got, want))
        off = (got - want).abs().max().item() if got.shape == want.shape else math.inf
        if not off <= tolerance:
            faults += 1
            print(f"{path}: {expect['at']}: expected {want.tolist()}, PyTorch says {got.tolist()}")
    print(f"{path}: {len(scenario.get('expect', []))} numbers, {faults} wrong")
    return faults


# ---- commands ----------------------------------------------------------------------------------------------------


def expected(path):
    return json.dumps(run(tomllib.loads(path.read_text().removeprefix("\ufeff"))), allow_nan=False)


def main():
    arguments = [pathlib.Path(a) for a in sys.argv[1:]]
    if sys.argv[1:2] == ["--check"]:
        sys.exit(min(1, sum(check(path) for path in arguments[1:])))
    elif arguments:
        print(expected(arguments[0]))
    else:
        cases = sorted(HERE.glob("made-*.toml"))
        for path in cases:
            path.with_suffix(".expected.json").write_text(expected(path) + "\n")
        print(f"{len(cases)} cases")


if __name__ == "__main__":
    main()
