#!/usr/bin/env python3
"""Computes the expected numbers of graphs of tensors with PyTorch in float64.

    pip install torch
    python tests/graphs/generate.py                    # writes NAME.expected.json for every scenario in oracle/ and exercises/
    python tests/graphs/generate.py FILE.toml...       # prints the expected JSON of any scenario
    python tests/graphs/generate.py --check [FILE...]  # compares every gradient with central differences

The text of `nodes` is read with Python's own parser and evaluated statement by statement on PyTorch's tensors. An expected file holds

    {"output": NAME, "values": {NAME: ARRAY}, "gradients": {INPUT: ARRAY}, "statements": {NAME: ARRAY}}

`values` has every statement, versions too: a name that is assigned again has `h@1`, `h@2`, ..., and its last version also as `h`; an input that
is assigned again is `x@0`. Numbers count, masks are 0 and 1, lists and tuples are left out. `gradients` has the inputs that have a derivative;
`statements` has the derivatives of the statements that depend on an input, by the names of `values`.

A scenario whose `large-` name says so is for benchmarks and has no expected file. Central differences mean nothing at ties and kinks and behind
`detach`: such a scenario has the comment `# no central differences` and a reason.
"""

import ast
import importlib.util
import io
import json
import math
import operator
import pathlib
import sys
import textwrap
import tokenize
import tomllib
import warnings

sys.dont_write_bytecode = True

import torch

import functions
from functions import Uses, is_tensor, mask, number

warnings.filterwarnings("ignore")
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
HERE = pathlib.Path(__file__).parent

spec = importlib.util.spec_from_file_location("networks", HERE.parent / "oracle" / "generate.py")
networks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(networks)

PREFIXES = {"torch": "torch", "F": "torch", "nn": "torch", "np": "np", "numpy": "np", "math": "math"}
CONSTANTS = {"inf": math.inf, "nan": math.nan, "pi": math.pi, "e": math.e, "newaxis": None}
BINARY = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.MatMult: torch.matmul,
}
COMPARISONS = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def parse(nodes):
    """Python's tree of the statements. `^` is a power."""
    text = textwrap.dedent(nodes.replace("\r\n", "\n")) if isinstance(nodes, str) else "\n".join(nodes)
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    carets = {t.start for t in tokens if t.string == "^"}
    lines = [
        "".join("**" if (row, column) in carets else c for column, c in enumerate(line)) for row, line in enumerate(text.split("\n"), 1)
    ]
    return ast.parse("\n".join(lines)).body


def skipped(s):
    """Whether a statement is one that a notebook has around its forward pass."""
    if isinstance(s, ast.Expr):
        return not (isinstance(s.value, ast.Call) and isinstance(s.value.func, ast.Attribute) and s.value.func.attr == "append")
    if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Attribute):
        return ast.unparse(s.targets[0]).split(".")[0] != "self"
    if isinstance(s, ast.For):
        return all(skipped(x) for x in s.body)
    return isinstance(s, (ast.Import, ast.ImportFrom, ast.Assert, ast.With, ast.Pass))


class Graph:
    def __init__(self, graph, inputs=None):
        """Evaluates a graph. `inputs` replaces the values of the file."""
        Uses.of = set()
        self.names, self.inputs, self.versions, self.output = {}, {}, {}, None
        for name, value in graph.get("constants", {}).items():
            self.names[name] = constant(value)
        for name, value in graph["inputs"].items():
            t = inputs[name] if inputs else networks.tensor(value)
            t = t.detach().clone().requires_grad_(True)
            t.root = name
            self.names[name] = self.inputs[name] = t
        self.run(parse(graph["nodes"]))
        self.output = graph.get("output", self.output)
        self.result = self.names[self.output]
        assert self.result.numel() == 1, "the output must have one entry"

    # ---- statements

    def run(self, statements):
        for s in statements:
            if isinstance(s, ast.Return):
                self.output = s.value.id
            elif skipped(s):
                pass
            elif isinstance(s, ast.Expr):
                self.names[s.value.func.value.id].append(self.value(s.value.args[0]))
            elif isinstance(s, ast.Assign):
                value = self.value(s.value)
                for target in s.targets:
                    self.assign(target, value)
            elif isinstance(s, ast.AugAssign):
                self.assign(s.target, self.binary(s.op, self.value(s.target), self.value(s.value)))
            elif isinstance(s, ast.For):
                over = self.value(s.iter)
                for item in over.tolist() if is_tensor(over) else over:
                    self.names[s.target.id] = item
                    self.run(s.body)
            else:
                raise SyntaxError(f"line {s.lineno}: {ast.unparse(s)}")

    def assign(self, target, value):
        if isinstance(target, (ast.Tuple, ast.List)):
            value = list(value)
            assert len(value) == len(target.elts), ast.unparse(target)
            for t, v in zip(target.elts, value):
                self.assign(t, v)
        elif isinstance(target, ast.Subscript):
            # functional: a new tensor, the old one stays
            new = number(self.value(target.value)).clone()
            new[self.index(target.slice, new)] = value
            self.keep(without_self(target.value).id, new)
        else:
            self.keep(without_self(target).id, value)

    def keep(self, name, value):
        """A new version of a name."""
        if isinstance(value, (int, float)) or is_tensor(value):
            if is_tensor(value) and value.requires_grad:
                root, value = getattr(value, "root", None), value.clone()
                value.root = root
                value.retain_grad()
            self.versions.setdefault(name, []).append(value)
            self.output = name
        self.names[name] = value

    # ---- expressions

    def value(self, e):
        match e:
            case ast.Constant():
                return e.value
            case ast.Name():
                if e.id in self.names:
                    return self.names[e.id]
                if e.id in CONSTANTS:
                    return CONSTANTS[e.id]
                raise NameError(f"{e.id} is not defined")
            case ast.Tuple():
                return tuple(self.value(x) for x in e.elts)
            case ast.List():
                return [self.value(x) for x in e.elts]
            case ast.BinOp():
                return self.binary(e.op, self.value(e.left), self.value(e.right))
            case ast.UnaryOp(op=ast.USub()):
                x = self.value(e.operand)
                return -(number(x) if is_tensor(x) else x)
            case ast.UnaryOp(op=ast.UAdd()):
                return self.value(e.operand)
            case ast.UnaryOp(op=ast.Invert()):
                return ~mask(self.value(e.operand))
            case ast.Compare():
                assert len(e.ops) == 1
                return COMPARISONS[type(e.ops[0])](self.value(e.left), self.value(e.comparators[0]))
            case ast.Subscript():
                return self.subscript(e)
            case ast.Attribute():
                return self.attribute(e)
            case ast.Call():
                return self.call(e)
        raise SyntaxError(ast.unparse(e))

    def binary(self, op, a, b):
        if isinstance(op, ast.BitAnd):
            return mask(a) & mask(b)
        if isinstance(op, ast.BitOr):
            return mask(a) | mask(b)
        a, b = (number(x) if is_tensor(x) else x for x in (a, b))
        return BINARY[type(op)](a, b)

    def index(self, e, x):
        """The index of `x[e]`; a negative step becomes a list of places."""
        parts = e.elts if isinstance(e, ast.Tuple) else [e]
        skips = sum(not isinstance(p, ast.Constant) or p.value not in (None, ...) for p in parts)
        axis, index = 0, []
        for p in parts:
            if isinstance(p, ast.Slice):
                bounds = [None if b is None else self.value(b) for b in (p.lower, p.upper, p.step)]
                s = slice(*bounds)
                index.append(torch.tensor(list(range(x.shape[axis]))[s]) if (bounds[2] or 1) < 0 else s)
                axis += 1
                continue
            v = self.value(p)
            if v is Ellipsis:
                axis = x.dim() - (skips - len([i for i in index if i is not None]))
            elif v is not None:
                axis += 1
            index.append(v if v is None or v is Ellipsis or (is_tensor(v) and v.dtype == torch.bool) else Uses.note(v))
        return tuple(index)

    def subscript(self, e):
        x = self.value(e.value)
        if not is_tensor(x):
            i = (
                slice(*(b and self.value(b) for b in (e.slice.lower, e.slice.upper, e.slice.step)))
                if isinstance(e.slice, ast.Slice)
                else self.value(e.slice)
            )
            return x[i]
        result = x[self.index(e.slice, x)]
        result.root = getattr(x, "root", None)
        return result

    def attribute(self, e):
        if prefix(e) and prefix(e) not in self.names:
            return CONSTANTS.get(e.attr)
        if isinstance(e.value, ast.Name) and e.value.id == "self":
            return self.value(ast.Name(e.attr))
        x = self.value(e.value)
        match e.attr:
            case "T":
                return x.permute(*reversed(range(x.dim())))
            case "shape":
                return tuple(x.shape)
            case "mT" | "ndim" | "values" | "indices":
                return getattr(x, e.attr)
        raise NameError(ast.unparse(e))

    def call(self, e):
        args = [self.value(a) for a in e.args if not isinstance(a, ast.Starred)]
        keywords = {k.arg: self.value(k.value) for k in e.keywords}
        f = without_self(e.func)
        if isinstance(f, ast.Name):
            assert f.id not in self.names, f"{f.id} is no function here"
            if f.id in ("float", "int") and not is_tensor(args[0]):
                return {"float": float, "int": int}[f.id](args[0])
            if f.id in ("len", "range"):
                return {"len": len, "range": range}[f.id](*args)
            return functions.call("bare", f.id, args, keywords)
        if prefix(f) and prefix(f) not in self.names:
            return functions.call(PREFIXES[prefix(f)], f.attr, args, keywords)
        return functions.call("method", f.attr, [self.value(f.value), *args], keywords)


def prefix(e):
    """The first name of `torch.nn.functional.relu`, if it is a module's."""
    while isinstance(e, ast.Attribute):
        e = e.value
    return e.id if isinstance(e, ast.Name) and e.id in PREFIXES else None


def without_self(e):
    if isinstance(e, ast.Attribute) and isinstance(e.value, ast.Name) and e.value.id == "self":
        return ast.copy_location(ast.Name(e.attr), e)
    return e


def constant(value):
    """A constant: a Python number for rank 0, else a tensor of integers, of booleans or of float64."""
    if isinstance(value, list):
        return torch.tensor(value)
    return networks.initialised(value, None) if isinstance(value, dict) else value


# ---- results ---------------------------------------------------------------------------------------------------------


def plain(x):
    return networks.plain(number(x))


def run(scenario):
    g = Graph(scenario["graph"])
    g.result.sum().backward()
    values, statements = {}, {}
    for name, versions in g.versions.items():
        if name in g.inputs:
            values[f"{name}@0"] = plain(g.inputs[name])
        several = len(versions) > 1 or name in g.inputs
        for i, v in enumerate(versions, 1):
            for key in ([f"{name}@{i}"] if several else []) + ([name] if i == len(versions) else []):
                values[key] = plain(v)
                if is_tensor(v) and v.requires_grad:
                    statements[key] = plain(torch.zeros_like(v) if v.grad is None else v.grad)
    gradients = {
        name: plain(torch.zeros_like(x) if x.grad is None else x.grad)
        for name, x in g.inputs.items()
        if x.grad is not None or name not in Uses.of
    }
    return {"output": g.output, "values": values, "gradients": gradients, "statements": statements}


def check(path):
    """The largest difference between a gradient and the central difference, relative to 1 + its size."""
    scenario = load(path)
    gradients, worst = run(scenario)["gradients"], 0.0
    base = {name: x.detach() for name, x in Graph(scenario["graph"]).inputs.items()}
    for name, gradient in gradients.items():
        flat = torch.tensor(gradient).flatten()
        for i in range(flat.numel()):
            ends = []
            for step in (1e-6, -1e-6):
                moved = {k: v.clone() for k, v in base.items()}
                moved[name].view(-1)[i] += step
                ends.append(Graph(scenario["graph"], moved).result.item())
            slope = (ends[0] - ends[1]) / 2e-6
            off = abs(slope - flat[i].item()) / (1 + abs(slope))
            if not off < 1e-6:
                print(f"{path}: {name} entry {i}: autograd {flat[i].item()}, difference {slope}")
            worst = max(worst, off)
    return worst


def load(path):
    return tomllib.loads(path.read_text())


def expected(path):
    return json.dumps(run(load(path)), allow_nan=False)


def scenarios():
    return [p for d in ("oracle", "exercises") for p in sorted((HERE / d).glob("*.toml")) if not p.name.startswith("large-")]


def main():
    paths = [pathlib.Path(a) for a in sys.argv[1:] if a != "--check"]
    if "--check" in sys.argv:
        of = [p for p in paths or scenarios() if "# no central differences" not in p.read_text()]
        wrong = [p for p in of if not check(p) < 1e-6]
        print(f"{len(of)} scenarios, {len(wrong)} wrong")
        sys.exit(bool(wrong))
    if paths:
        for path in paths:
            print(expected(path))
        return
    for path in scenarios():
        try:
            path.with_suffix(".expected.json").write_text(expected(path) + "\n")
        except Exception as error:
            raise SystemExit(f"{path}: {type(error).__name__}: {error}") from error
    print(f"{len(scenarios())} cases")


if __name__ == "__main__":
    main()
