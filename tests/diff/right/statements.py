"""Graphs of tensors: their statements are executed by PyTorch as they are."""
import numpy as np
import torch
from torch.nn import functional as F

from student import graphs
from student.graphs import Graph

# name: inputs, constants, statements
MORE = {
    "convolution": ({"x": (1, 2, 5, 6), "W": (3, 2, 2, 3), "b": (3,)}, {"G": (1, 3, 2, 4)}, """
y = F.conv2d(x, W, b, stride=(2, 1))
h = F.relu(y)
J = (h * G).sum()
"""),
    "convolution-of-a-line": ({"x": (2, 2, 7), "W": (3, 2, 3)}, {"G": (2, 3, 3)}, """
y = F.conv1d(x, W, stride=2, dilation=1)
p = torch.tanh(y)
J = (p * G).sum()
"""),
    "causal-attention": ({"q": (2, 4, 3), "k": (2, 4, 3), "v": (2, 4, 2)}, {"G": (2, 4, 2)}, """
o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
J = (o * G).sum()
"""),
    "layer-norm-call": ({"x": (3, 4), "g": (4,), "b": (4,)}, {"t": (3, 4)}, """
y = F.layer_norm(x, (4,), g, b, eps=0.01)
z = F.gelu(y)
loss = F.mse_loss(z, t)
"""),
    "log-sum": ({"x": (3, 5)}, {"w": (3,)}, """
l = torch.logsumexp(x, 1)
d = l - x.mean(1)
J = (d * w).sum()
"""),
    "cumulative": ({"x": (2, 4), "a": (4,)}, {"G": (2, 4)}, """
s = torch.cumsum(x * a, 1)
e = torch.exp(-s)
J = (e * G).sum()
"""),
    "einsum": ({"A": (2, 3, 4), "B": (4, 3), "c": (2,)}, {"t": 0.3}, """
u = torch.einsum("bij,ji->bi", A, B)
v = (u.sum(1) * c).sum()
J = (v - t)**2
"""),
    "standard-deviation": ({"x": (4, 3), "w": (3,)}, {"G": (4, 3)}, """
m = x.mean(0)
s = x.std(0)
y = (x - m) / s * w
J = (y * G).sum()
"""),
    "concatenated": ({"a": (2, 3), "b": (2, 2), "W": (5, 4)}, {"y": [3, 0]}, """
x = torch.cat([a, b], 1)
z = x @ W
loss = F.cross_entropy(z, y, reduction="sum")
"""),
    "where-and-clamp": ({"x": (3, 4), "s": (4,)}, {"G": (3, 4)}, """
c = torch.clamp(x, -0.5, 0.6)
y = torch.where(x > 0, c * s, x * x)
J = (y * G).sum()
"""),
    "lstm-cell": ({"W": (8, 3), "U": (8, 2), "b": (8,)}, {"x": (3, 3), "G": (2,)}, """
h = torch.zeros(2)
c = torch.zeros(2)
for t in range(3):
    z = W @ x[t] + U @ h + b
    i, f, g, o = z.chunk(4)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
J = (h * G).sum()
"""),
    "triplet": ({"E": (5, 3)}, {"anchor": [0, 1, 1], "near": [2, 2, 4], "far": [3, 0, 3]}, """
p = E[anchor] - E[near]
n = E[anchor] - E[far]
d = (p * p).sum(1) - (n * n).sum(1) + 2
loss = torch.relu(d).mean()
"""),
}
# Statements of NumPy, or tensors whose gradient is 0 by mathematics
LEFT_OUT = ("hinge",)


class Case:
    hard = None
    forms = ("json", "npz", "inputs")

    def __init__(self, graph):
        self.graph, self.name, self.text = graph, f"graph-{graph.name}", graph.text()

    def gradients(self, dtype, form):
        """Of the inputs, and in the form `json` of every name that the statements assign."""
        def tensor(name, numbers, learns):
            if name != "t" and numbers.dtype.kind != "f":
                return numbers.item() if numbers.ndim == 0 else torch.tensor(numbers)
            if numbers.ndim == 0 and not learns:
                return numbers.item()
            return torch.tensor(numbers, dtype=dtype).requires_grad_(learns)

        torch.set_default_dtype(dtype)
        names = {"torch": torch, "F": F, "np": np}
        names |= {k: tensor(k, v, False) for k, v in self.graph.constants.items()}
        inputs = {k: tensor(k, v, True) for k, v in self.graph.inputs.items()}
        names |= inputs
        exec(self.graph.nodes, names)    # our own statements, in this file and in plants/
        torch.set_default_dtype(torch.float64)
        kept = {k: v for k, v in names.items() if torch.is_tensor(v) and v.requires_grad}
        for t in kept.values():
            t.retain_grad()
        last = self.graph.nodes.split("\n")[-1].partition("=")[0].strip()
        names[last].backward()
        wanted = kept if form == "json" else inputs
        assigned = {k: v.grad for k, v in wanted.items() if k in self.graph.inputs or k in self.only_once()}
        tensors = {k: g for k, g in assigned.items() if g is not None}
        return {k: g.numpy() for k, g in tensors.items()}, {k: k for k in tensors}

    def only_once(self):
        """The names of statements outside of loops, except for slices of other tensors."""
        return [line.partition("=")[0].strip() for line in self.graph.nodes.split("\n") if line[0] != " " and line.partition("=")[0].strip().isidentifier()]

    def right(self, computed, name):
        return computed["samples"][0]["gradients"][name]


def every():
    again = [Graph(g.name, g.seed + 500, *g.spec) for g in graphs.every().values() if g.name not in LEFT_OUT]
    more = [Graph(name, seed, inputs, constants, nodes, None, 0.8) for seed, (name, (inputs, constants, nodes)) in enumerate(MORE.items(), 900)]
    return [Case(graph) for graph in again + more]
