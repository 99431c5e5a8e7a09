"""A network or a graph with its right gradients, which gradstep confirms, and the numbers of its mistakes."""
import json
import subprocess
import sys

import numpy as np

from . import cases
from .graphs import cases as graph_cases
from .network import Student


class Gradstep:
    program = "gradstep"

    @classmethod
    def run(cls, *args):
        done = subprocess.run([cls.program, *map(str, args)], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"gradstep {' '.join(map(str, args))}\n{done.stderr}")
        return done.stdout


def off(mine, right):
    """The largest difference, as a part of the largest right number; infinite for another shape."""
    mine, right = np.asarray(mine, float), np.asarray(right, float)
    if mine.shape != right.shape:
        return np.inf
    difference = np.abs(mine - right).max()
    # some gradients are 0 by mathematics, such as that of a bias before a norm
    return 0.0 if difference < 1e-13 else difference / max(np.abs(right).max(), 1e-13)


class Subject:
    """`given(form, run)` is the content of a file: {our name: (name in the file, numbers)}."""

    def __init__(self, name, text, folder, samples):
        self.name, self.path = name, folder / "scenarios" / f"{name}.toml"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(text)
        self.right = self.run([])
        self.order = self.order_of(samples)
        computed = json.loads(Gradstep.run("grads", self.path, "--format", "json"))
        for key, mine, theirs in self.pairs(computed):
            if off(mine, theirs) > 1e-9 and np.abs(mine - np.asarray(theirs)).max() > 1e-13:
                sys.exit(f"{name}: the student's {key} is not gradstep's")
        self.others = None

    def order_of(self, samples):
        """Our names in the order of the gradient ops of the trace."""
        order = []
        for line in Gradstep.run("trace", self.path, "--level", "op", "--iteration", 1).splitlines():
            op = json.loads(line)
            if op["op"].startswith("grad."):
                sample = f"{op['sample']}:" if samples > 1 and op["pass"] != "reduce" else ""
                order.append(sample + op["op"].removeprefix("grad."))
        return order

    def rank(self, name):
        """The place of a tensor; a stack is where the tensor of its first sample is."""
        return self.order.index(name if name in self.order else "1:" + name)

    def wrong(self, form, run, float32=False):
        """The names of the wrong tensors, in order."""
        rounding, zero = (3e-5, 1e-5) if float32 else (1e-7, 1e-12)
        right, mine = self.given(form, self.right), self.given(form, run)
        wrong = []
        for name in right:
            difference = off(mine[name][1], right[name][1])
            tiny = np.abs(right[name][1]).max() < 1e-12 and np.abs(mine[name][1]).max() < zero
            if difference > rounding and not tiny:
                if difference < 1e-3 * (1 + 9 * float32) / 10:
                    sys.exit(f"{self.name}: the difference of {name} is so small ({difference:.1e}) that it proves little")
                wrong.append(name)
        return sorted(wrong, key=self.rank)

    def same_numbers(self, form, run, ids, tolerance):
        """The other mistakes with the same numbers in every tensor of the file: {id: at}."""
        mine, found = self.given(form, run), {}
        for kind, at, other in self.mistakes():
            theirs = self.given(form, other)
            if kind not in ids and theirs.keys() == mine.keys() and all(off(theirs[k][1], mine[k][1]) < tolerance for k in mine):
                found.setdefault(kind, at)
        return found


class Layered(Subject):
    def __init__(self, net, folder):
        self.net = net
        super().__init__(net.name, net.text(), folder, len(net.samples))

    def run(self, mistakes, dtype=float):
        return Student(self.net, mistakes, dtype).run()

    def pairs(self, computed):
        for key, mine in self.right[0].items():
            yield key, mine, computed["gradients"][key]
        for n, (mine, theirs) in enumerate(zip(self.right[1], computed["samples"])):
            for key, numbers in mine.items():
                yield f"{n + 1}:{key}", numbers, theirs["gradients"][key]

    def given(self, form, run):
        batch, errors = run
        if form in ("torch", "own"):
            names = torch_names(self.net) if form == "torch" else own_names(batch)
            return {k: (names[k], v) for k, v in batch.items()}
        tensors = {k: (k, v) for k, v in batch.items()}
        others = [k for k in errors[0] if k not in batch]
        if form == "all":
            for n, sample in enumerate(errors, 1):
                tensors |= {k if len(errors) == 1 else f"{n}:{k}": (k if len(errors) == 1 else f"{n}:{k}", sample[k]) for k in others}
        elif form in ("stack", "own-stack"):
            # errors of the mean loss, or of each sample's own
            share = 1 if form == "own-stack" or self.net.loss.get("batch_reduction") == "sum" else len(errors)
            tensors |= {k: (k, np.stack([sample[k] for sample in errors]) / share) for k in others}
        else:
            assert form == "parameters", form
        return tensors

    def mistakes(self):
        if self.others is None:
            self.others = []
            for mistakes in cases.candidates(self.net):
                at = [layer for _, layer in mistakes if layer]
                try:
                    self.others.append((mistakes[0][0].partition("/")[0], at, self.run(mistakes)))
                except (KeyError, IndexError, ValueError, AssertionError):
                    pass    # impossible here, mostly because a shape does not fit
        return self.others


class OfTensors(Subject):
    def __init__(self, graph, folder):
        self.graph = graph
        super().__init__(graph.name, graph.text(), folder, 1)

    def run(self, mistakes):
        return self.graph.run(mistakes)

    def pairs(self, computed):
        for key, mine in self.right.items():
            yield key, mine, computed["samples"][0]["gradients"][key]

    def given(self, form, run):
        assert form in ("inputs", "all"), form
        return {k: (k, v) for k, v in run.items() if form == "all" or k in self.graph.inputs}

    def mistakes(self):
        if self.others is None:
            self.others = [(kind, at, self.run([switch])) for kind, graph, switch, at, _ in graph_cases.rows() if graph == self.name]
        return self.others


def torch_names(net):
    """The names of the parameters in an nn.Sequential, where an activation is a module of its own."""
    names, index = {}, 0
    for layer in net.layers:
        for key in ("weight", "bias"):
            names[f"{layer['name']}.{key}"] = f"{index}.{key}"
        index += 2 if layer.get("activation", "identity") != "identity" else 1
    return names


def own_names(batch):
    """dW1, db1, dW2, …"""
    numbers = {layer: n for n, layer in enumerate(dict.fromkeys(key.rpartition(".")[0] for key in batch), 1)}
    return {key: f"d{'W' if key.endswith('weight') else 'b'}{numbers[key.rpartition('.')[0]]}" for key in batch}
