"""Random networks as nn.Sequential, and a few with skip connections."""
import pathlib
import random
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "plants"))
from student.build import inline    # noqa: E402

ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "silu": nn.SiLU, "gelu": nn.GELU, "hardtanh": nn.Hardtanh,
               "relu6": nn.ReLU6, "softplus": nn.Softplus, "mish": nn.Mish, "hardswish": nn.Hardswish}
PREFIX = {nn.Conv2d: "conv", nn.ConvTranspose2d: "convt", nn.Linear: "fc", nn.MaxPool2d: "pool", nn.AvgPool2d: "pool", nn.AdaptiveAvgPool2d: "pool", nn.Flatten: "flat",
          nn.LayerNorm: "norm", nn.GroupNorm: "norm", nn.InstanceNorm2d: "norm"}
# the loss in a scenario, whether its target is a class, and the loss of a batch in PyTorch
LOSSES = [
    ("cross_entropy_with_logits", "class", F.cross_entropy),
    ("binary_cross_entropy_with_logits", "bits", lambda o, t: F.binary_cross_entropy_with_logits(o, t, reduction="sum") / len(o)),
    ({"type": "binary_cross_entropy_with_logits", "reduction": "mean"}, "bits", F.binary_cross_entropy_with_logits),
    ("squared_error", "numbers", lambda o, t: 0.5 * ((o - t) ** 2).sum() / len(o)),
    ({"type": "squared_error", "reduction": "mean"}, "numbers", F.mse_loss),
    ({"type": "squared_error", "reduction": "sum", "batch_reduction": "sum"}, "numbers", lambda o, t: F.mse_loss(o, t, reduction="sum")),
    ({"type": "huber", "delta": 0.7, "reduction": "mean"}, "numbers", lambda o, t: F.huber_loss(o, t, delta=0.7)),
    ({"type": "smooth_l1", "reduction": "mean"}, "numbers", F.smooth_l1_loss),
    ({"type": "l1", "reduction": "mean"}, "numbers", F.l1_loss),
]


class Dropped(nn.Module):
    """Dropout with a mask that the scenario knows."""

    def __init__(self, mask, p):
        super().__init__()
        self.mask, self.p = mask, p

    def forward(self, x):
        return x * self.mask.to(x.dtype) / (1 - self.p)


def activation(rng):
    return ACTIVATIONS[rng.choice(list(ACTIVATIONS))]()


def convolution(rng, depth, shape):
    groups = rng.choice([1, 1, depth])
    out = groups * rng.randint(1, 4 if groups == 1 else 2)
    kernel = (rng.randint(1, min(3, shape[0])), rng.randint(1, min(3, shape[1])))
    dilation = tuple(rng.choice([1, 1, 2]) if 2 * (k - 1) < n else 1 for k, n in zip(kernel, shape))
    padding = (rng.randint(0, 1), rng.randint(0, 2))
    return nn.Conv2d(depth, out, kernel, stride=(rng.randint(1, 2), rng.choice([1, 1, 3])), padding=padding, dilation=dilation, groups=groups, bias=rng.random() < 0.8)


def pooling(rng, shape):
    kernel = (rng.randint(1, min(3, shape[0])), rng.randint(2, 3) if shape[1] > 2 else 1)
    padding = tuple(k // 2 * rng.randint(0, 1) for k in kernel)
    stride = (rng.randint(1, 2), rng.randint(1, 3))
    if rng.random() < 0.5:
        return nn.MaxPool2d(kernel, stride, padding)
    return nn.AvgPool2d(kernel, stride, padding, count_include_pad=rng.random() < 0.5)


def norm(rng, x):
    if x.dim() == 2:
        return nn.LayerNorm(x.shape[1:])
    choices = [nn.LayerNorm(x.shape[1:]), nn.GroupNorm(x.shape[1], x.shape[1]), nn.GroupNorm(1, x.shape[1]), nn.InstanceNorm2d(x.shape[1], affine=True)]
    return rng.choice(choices)


def modules(rng, x):
    """Random modules, of which each fits the output of the one before."""
    made = []

    def add(module):
        nonlocal x
        made.append(module)
        with torch.no_grad():
            x = module(x)

    if x.dim() == 4:
        for _ in range(rng.randint(1, 3)):
            add(convolution(rng, x.shape[1], x.shape[2:]) if rng.random() < 0.85 else
                nn.ConvTranspose2d(x.shape[1], rng.randint(1, 3), (2, rng.randint(1, 3)), stride=(rng.randint(1, 2), 1), padding=(1, 0)))
            if rng.random() < 0.3 and x.shape[2] * x.shape[3] > 1:
                add(norm(rng, x))
            if rng.random() < 0.9:
                add(activation(rng))
            if rng.random() < 0.5:
                add(pooling(rng, x.shape[2:]))
            if rng.random() < 0.15:
                add(dropped(rng, x))
        if rng.random() < 0.2:
            add(nn.AdaptiveAvgPool2d(1))
        add(nn.Flatten())
    for _ in range(rng.randint(0, 2)):
        add(nn.Linear(x.shape[1], rng.randint(3, 6), bias=rng.random() < 0.9))
        if rng.random() < 0.3:
            add(norm(rng, x))
        add(activation(rng))
        if rng.random() < 0.2:
            add(dropped(rng, x))
    add(nn.Linear(x.shape[1], rng.randint(2, 4)))
    return made


def dropped(rng, x):
    mask = torch.tensor(np.random.default_rng(rng.randint(0, 999)).random(x.shape[1:]) > 0.4)
    return Dropped(mask, rng.choice([0.2, 0.5]))


class Case:
    forms = ("json", "npz", "names", "stack")

    def __init__(self, number):
        rng = random.Random(number)
        torch.manual_seed(number)
        torch.set_default_dtype(torch.float64)
        self.name, self.hard = f"network-{number:02}", HARD.get(number)
        if self.hard:
            self.forms = ("stack",)
        n = rng.choice([1, 2, 3, 4])
        shape = (rng.randint(1, 3), rng.randint(5, 8), rng.randint(5, 8)) if rng.random() < 0.75 else (rng.randint(2, 5),)
        self.x = torch.randn((n, *shape), dtype=torch.float64).mul(1e4).round().div(1e4)
        self.model = nn.Sequential(*modules(rng, self.x))
        with torch.no_grad():
            for p in self.model.parameters():
                noise = torch.randn_like(p) * 0.1    # the weights of a norm are 1 and 0 at first
                p.copy_((p + noise).mul(1e4).round().div(1e4))
        self.loss, kind, self.criterion = rng.choice(LOSSES)
        outputs = self.model(self.x).shape[1]
        if kind == "class":
            self.target = torch.tensor([rng.randrange(outputs) for _ in range(n)])
        elif kind == "bits":
            self.target = torch.tensor([[rng.randrange(2) for _ in range(outputs)] for _ in range(n)])
        else:
            self.target = torch.randn(n, outputs, dtype=torch.float64).mul(1e3).round().div(1e3)
        self.layers = self.describe()
        self.text = self.scenario()

    def describe(self):
        """A dictionary for each layer; `torch` has the names of its modules. An activation belongs to the convolution or the linear layer before it."""
        layers, count = [], {}
        for index, m in enumerate(self.model):
            name = next((k for k, v in ACTIVATIONS.items() if isinstance(m, v) and type(m) is v), None)
            if name and layers and layers[-1]["type"] in ("conv2d", "conv_transpose2d", "linear") and "activation" not in layers[-1]:
                layers[-1]["activation"] = name
                layers[-1]["output"] = index
                continue
            prefix = "act" if name else "drop" if isinstance(m, Dropped) else PREFIX[type(m)]
            count[prefix] = count.get(prefix, 0) + 1
            layer = {"name": f"{prefix}{count[prefix]}", "module": index, "output": index}
            layers.append(layer | ({"type": "activation", "function": name} if name else keys(m)))
        return layers

    def scenario(self):
        lines = [f'title = "{self.name.replace("-", " ")}"', "loss = " + inline(self.loss)]
        for x, t in zip(self.x, self.target):
            lines += ["", "[[sample]]", "input = " + inline(x.tolist()), "target = " + inline(t.tolist())]
        for layer in self.layers:
            lines += ["", "[[layer]]"] + [f"{k} = {inline(v)}" for k, v in layer.items() if k not in ("name", "module", "output")]
            for key, p in self.model[layer["module"]].named_parameters():
                lines.append(f"{key} = {inline(p.tolist())}")
        return "\n".join(lines) + "\n"

    def gradients(self, dtype, form):
        """(tensors by the names of the file, our names by those). The forms `json` and `npz` have PyTorch's names; `names` ours; `stack` also the errors, as [N, …]."""
        model = self.model.to(dtype)
        values, x = [], self.x.to(dtype).clone().requires_grad_()
        out = x
        for m in model:
            out = m(out)
            out.retain_grad()
            values.append(out)
        target = self.target if self.loss == "cross_entropy_with_logits" else self.target.to(dtype)
        model.zero_grad()
        self.criterion(out, target).backward()
        tensors, ours = {}, {}
        for layer in self.layers:
            for key, p in model[layer["module"]].named_parameters():
                name = f"{layer['module']}.{key}" if form in ("json", "npz") else f"{layer['name']}.{key}"
                tensors[name], ours[name] = p.grad.clone(), f"{layer['name']}.{key}"
            if form == "stack":
                weights = layer["type"] in ("conv2d", "conv_transpose2d", "linear")
                parts = [("z" if weights else "a", layer["module"])] + ([("a", layer["output"])] if weights and "activation" in layer else [])
                for part, index in parts:
                    tensors[f"{layer['name']}.{part}"] = values[index].grad
                    ours[f"{layer['name']}.{part}"] = f"{layer['name']}.{part}"
        if form == "stack":
            tensors["input"], ours["input"] = x.grad, "input"
        self.model = model.double()
        return {k: v.detach().numpy() for k, v in tensors.items()}, ours

    def right(self, computed, name):
        if name in computed["gradients"]:
            return computed["gradients"][name]
        share = 1 if isinstance(self.loss, dict) and self.loss.get("batch_reduction") == "sum" else len(self.x)
        return np.stack([np.asarray(s["gradients"][name]) for s in computed["samples"]]) / share


def keys(m):
    """The keys of a scenario's layer."""
    def pair(v):
        return [v, v] if isinstance(v, int) else list(v)
    if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)):
        kind = "conv2d" if isinstance(m, nn.Conv2d) else "conv_transpose2d"
        return {"type": kind, "stride": pair(m.stride), "padding": pair(m.padding), "dilation": pair(m.dilation), "groups": m.groups}
    if isinstance(m, nn.Linear):
        return {"type": "linear"}
    if isinstance(m, nn.MaxPool2d):
        return {"type": "max_pool2d", "kernel_size": pair(m.kernel_size), "stride": pair(m.stride), "padding": pair(m.padding)}
    if isinstance(m, nn.AvgPool2d):
        return {"type": "avg_pool2d", "kernel_size": pair(m.kernel_size), "stride": pair(m.stride), "padding": pair(m.padding), "count_include_pad": m.count_include_pad}
    if isinstance(m, nn.GroupNorm):
        return {"type": "group_norm", "num_groups": m.num_groups}
    if isinstance(m, Dropped):
        return {"type": "dropout", "mask": (m.mask * 1).tolist(), "p": m.p}
    return {"type": {nn.AdaptiveAvgPool2d: "global_avg_pool2d", nn.Flatten: "flatten", nn.LayerNorm: "layer_norm", nn.InstanceNorm2d: "instance_norm2d"}[type(m)]}


# Numbers of networks on which rounding alone makes a large relative difference, and where
HARD = {
    13: "norm1 is of equal numbers: its weight's gradient is 0 by mathematics, and its terms are rounding themselves",
    146: "norm2 is of equal numbers: its weight's gradient is 0 by mathematics, and its terms are rounding themselves",
    198: "conv1.a has the same number at the padding of every row: a max pool has ties there, which float32 rounds to different numbers",
    596: "norm1 is of equal numbers: its weight's gradient is 0 by mathematics, and its terms are rounding themselves",
    677: "norm1 is over few entries: what passes through it is a difference of almost equal numbers, and float32 leaves its rounding in all earlier layers",
    777: "norm2 is over two entries: what passes through it is a difference of almost equal numbers, and float32 leaves its rounding in all earlier layers",
    842: "conv2.a has equal numbers at the padding: a max pool has ties there, which float32 rounds to different numbers",
    203: "the gradient of conv2.bias, before a norm of almost equal numbers, is 0 by mathematics; float32 leaves 1e-8",
}


def every():
    """Those of the first numbers whose gradients are neither dead nor large, and the first hard ones."""
    made, number = [], 0
    while len(made) < 40:
        number += 1
        try:
            case = Case(number)
        except (RuntimeError, ValueError):
            continue    # an image became too small
        grads, _ = case.gradients(torch.float64, "names")
        largest = [np.abs(g).max() for g in grads.values()]
        if len(case.text) < 9000 and all(1e-3 < g < 1e3 or g < 1e-12 for g in largest):
            made.append(case)
    return made + [Case(number) for number in (146, 198, 203)]


def hard():
    """The other hard ones. They come last, so that the forms of the files before them stay as they are."""
    return [Case(number) for number in HARD if number > 203]
