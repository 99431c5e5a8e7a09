"""Graphs of tensors: each has its statements and a backward pass by hand, with a switch `id` or `id/how` for each mistake."""
import numpy as np

from ..build import inline

GRAPHS = {}


class Graph:
    """`inputs` and `constants` are {name: shape or numbers}; a shape gets random numbers."""

    def __init__(self, name, seed, inputs, constants, nodes, student, scale):
        rng = np.random.default_rng(seed)
        self.seed, self.spec = seed, (inputs, constants, nodes, student, scale)
        self.name, self.title, self.student = name, name.replace("-", " "), student
        self.nodes = nodes.strip("\n")
        self.inputs = {k: self.numbers(v, rng, scale) for k, v in inputs.items()}
        self.constants = {k: self.numbers(v, rng, 1) for k, v in constants.items()}

    def numbers(self, value, rng, scale):
        if isinstance(value, tuple):
            return np.round(rng.normal(0, scale, value), 4)
        return np.array(value)

    def run(self, mistakes=()):
        values = {k: v.copy() for k, v in (self.inputs | self.constants).items()}
        gradients = {k: np.asarray(g, float) for k, g in self.student(values, set(mistakes)).items()}
        return {k: gradients[k] for k in [*self.inputs, *(k for k in gradients if k not in self.inputs)]}

    def text(self):
        lines = [f'title = "{self.title}"', "", "[graph]", "nodes = '''", self.nodes, "'''"]
        for table, tensors in (("inputs", self.inputs), ("constants", self.constants)):
            if tensors:
                lines += ["", f"[graph.{table}]"] + [f"{k} = {inline(v)}" for k, v in tensors.items()]
        return "\n".join(lines) + "\n"


def graph(name, seed, inputs, constants, nodes, scale=0.8):
    def add(student):
        GRAPHS[name] = Graph(name, seed, inputs, constants, nodes, student, scale)
        return student
    return add


def every():
    from . import dense, norms, sequences    # they add their graphs
    assert dense and norms and sequences
    return GRAPHS
