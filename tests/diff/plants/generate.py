"""Writes the scenarios, the wrong gradients and the manifest of this folder; README.md says how."""
import collections
import json
import pathlib
import subprocess
import sys

import numpy as np

from student import cases, nets, same
from student.network import Student

HERE = pathlib.Path(__file__).parent
GRADSTEP = "gradstep"


def gradstep(*args):
    done = subprocess.run([GRADSTEP, *map(str, args)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"gradstep {' '.join(map(str, args))}\n{done.stderr}")
    return done.stdout


# ----- numbers

def off(mine, right):
    """The largest difference, as a part of the largest right number; infinite for another shape."""
    mine, right = np.asarray(mine, float), np.asarray(right, float)
    if mine.shape != right.shape:
        return np.inf
    difference = np.abs(mine - right).max()
    return 0.0 if difference < 1e-13 else difference / max(np.abs(right).max(), 1e-13)


def short(value):
    """Nested lists with 12 digits."""
    if isinstance(value, list):
        return [short(v) for v in value]
    return float(f"{value:.12g}")


def write_json(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, separators=(",", ":")) + "\n")


# ----- what is written to a file

def torch_names(net):
    """The names of the parameters in an nn.Sequential, where an activation is a module of its own."""
    names, index = {}, 0
    for layer in net.layers:
        for key in ("weight", "bias"):
            names[f"{layer['name']}.{key}"] = f"{index}.{key}"
        index += 2 if layer.get("activation", "identity") != "identity" else 1
    return names


def given(net, form, run):
    """The tensors of a file: {our name: (the file's name, numbers)}."""
    batch, errors = run
    tensors = {k: (k, v) for k, v in batch.items()}
    if form == "torch":
        names = torch_names(net)
        return {k: (names[k], v) for k, v in batch.items()}
    if form == "own":
        numbers = {layer: n for n, layer in enumerate(dict.fromkeys(k.rpartition(".")[0] for k in batch), 1)}
        return {k: (f"d{'W' if k.endswith('weight') else 'b'}{numbers[k.rpartition('.')[0]]}", v) for k, v in batch.items()}
    others = [k for k in errors[0] if k not in batch]
    if form == "all":
        for n, sample in enumerate(errors, 1):
            for k in others:
                name = k if len(errors) == 1 else f"{n}:{k}"
                tensors[name] = (name, sample[k])
    elif form == "stack":
        share = 1 if net.loss.get("batch_reduction") == "sum" else len(errors)
        for k in others:
            tensors[k] = (k, np.stack([sample[k] for sample in errors]) / share)
    else:
        assert form == "parameters", form
    return tensors


def order_of(path, samples):
    """Our names in the order of the gradient ops of the trace."""
    order = []
    for line in gradstep("trace", path, "--level", "op", "--iteration", 1).splitlines():
        op = json.loads(line)
        name = op["op"]
        if name.startswith("grad."):
            name = name[5:]
            sample = op["sample"] if samples > 1 and op["pass"] != "reduce" else None
            order += [f"{sample}:{name}", ] if sample else [name]
    return order


def rank(order, name):
    """The place of a tensor; a stack is where the tensor of its first sample is."""
    if name in order:
        return order.index(name)
    return order.index("1:" + name)


# ----- cases

class Network:
    """A network with its right gradients, which gradstep confirms, and those of all single mistakes."""

    def __init__(self, net):
        self.net, self.path = net, HERE / "scenarios" / f"{net.name}.toml"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(net.text())
        self.right = Student(net).run()
        self.order = order_of(self.path, len(net.samples))
        self.verify()
        self.others = None

    def verify(self):
        computed = json.loads(gradstep("grads", self.path, "--format", "json"))
        pairs = [(k, v, computed["gradients"][k]) for k, v in self.right[0].items()]
        for n, (mine, theirs) in enumerate(zip(self.right[1], computed["samples"])):
            pairs += [(f"{n + 1}:{k}", v, theirs["gradients"][k]) for k, v in mine.items()]
        for name, mine, theirs in pairs:
            # the gradient of a bias before a norm is 0, up to rounding
            if off(mine, theirs) > 1e-9 and np.abs(mine - np.asarray(theirs)).max() > 1e-13:
                sys.exit(f"{self.net.name}: the student's {name} is not gradstep's")

    def run(self, mistakes):
        return Student(self.net, mistakes).run()

    def mistakes(self):
        """Every single mistake that this network allows, and its numbers."""
        if self.others is None:
            self.others = []
            for mistakes in cases.candidates(self.net):
                try:
                    self.others.append((mistakes, self.run(mistakes)))
                except (KeyError, IndexError, ValueError, TypeError, AssertionError):
                    pass    # the mistake is impossible here, mostly because a shape does not fit
        return self.others


def places(mistakes):
    """[{id, how, at}], a row for each id."""
    rows = {}
    for switch, layer in mistakes:
        kind, _, how = switch.partition("/")
        row = rows.setdefault(switch, {"id": kind, "how": how or None, "at": []})
        if layer:
            row["at"].append(layer)
    return list(rows.values())


def wrong_tensors(network, form, run):
    right, mine = given(network.net, form, network.right), given(network.net, form, run)
    wrong = []
    for name in right:
        difference = off(mine[name][1], right[name][1])
        tiny = difference < np.inf and np.abs(mine[name][1] - right[name][1]).max() < 1e-12
        if difference > 1e-7 and not tiny:
            if difference < 1e-4:
                sys.exit(f"{network.net.name}: the difference of {name} is so small ({difference:.1e}) that it proves little")
            wrong.append(name)
    return sorted(wrong, key=lambda name: rank(network.order, name))


def same_numbers(network, form, run, planted):
    """Other mistakes with the same numbers in every tensor that is given."""
    mine, found = given(network.net, form, run), {}
    ids = {row["id"] for row in planted}
    for mistakes, other in network.mistakes():
        theirs = given(network.net, form, other)
        kind = places(mistakes)[0]
        if kind["id"] not in ids and all(off(theirs[k][1], mine[k][1]) < 1e-7 for k in mine):
            found.setdefault(kind["id"], kind["at"])
    factors = same.factor({k: v for k, (_, v) in mine.items()}, {k: v for k, (_, v) in given(network.net, form, network.right).items()})
    if factors is not None:
        found.setdefault("constant-factor", [])
        for kind, factor in (("factor-two-extra", 2), ("factor-two-missing", 0.5), ("sign-flipped", -1)):
            if abs(factors / factor - 1) < 1e-9:
                found.setdefault(kind, [])
    return [{"id": k, "at": at, "why": same.why(next(iter(ids)), k)} for k, at in found.items() if k not in ids]


def write_case(manifest, network, name, form, run, planted, kind):
    wrong = wrong_tensors(network, form, run)
    if not wrong:
        sys.exit(f"{name}: nothing is wrong")
    write_json(HERE / "mine" / f"{name}.json", {file: short(np.asarray(v).tolist()) for file, v in given(network.net, form, run).values()})
    manifest.append({"name": name, "kind": kind, "scenario": f"scenarios/{network.net.name}.toml", "mine": f"mine/{name}.json", "form": form, "planted": planted,
                     "first": wrong[0], "wrong": wrong, "same": same_numbers(network, form, run, planted) if kind == "one" else []})


def layered(manifest):
    networks = {name: Network(net) for name, net in nets.every().items()}
    count = collections.Counter()
    for kind, net, mistakes, form in cases.rows():
        count[kind] += 1
        network = networks[net]
        write_case(manifest, network, f"{kind}-{count[kind]}", form, network.run(mistakes), places(mistakes), "one")


def main():
    global GRADSTEP
    GRADSTEP = sys.argv[1] if len(sys.argv) > 1 else GRADSTEP
    manifest = []
    layered(manifest)
    lines = ",\n".join(json.dumps(case) for case in manifest)
    (HERE / "manifest.json").write_text('{"cases": [\n' + lines + "\n]}\n")
    print(len(manifest), "cases of", len({row["id"] for case in manifest for row in case["planted"]}), "mistakes")


if __name__ == "__main__":
    main()
