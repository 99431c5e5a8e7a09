"""Writes the scenarios, the wrong gradients and the manifest of this folder; README.md says how."""
import collections
import json
import pathlib
import sys

import numpy as np

from student import cases, graphs, nets, others, same
from student.graphs import cases as graph_cases
from student.subject import Gradstep, Layered, OfTensors

HERE = pathlib.Path(__file__).parent


def short(value):
    """Nested lists with 12 digits."""
    if isinstance(value, list):
        return [short(v) for v in value]
    return float(f"{value:.12g}")


def planted(mistakes, at=None):
    """[{id, how, at}], a row for each switch."""
    rows = {}
    for switch, layer in mistakes:
        kind, _, how = switch.partition("/")
        row = rows.setdefault(switch, {"id": kind, "how": how or None, "at": list(at or [])})
        if layer and not at:
            row["at"].append(layer)
    return list(rows.values())


class Writer:
    def __init__(self):
        self.manifest, self.count = [], collections.Counter()

    def add(self, stem, subject, words, run, mistakes):
        """A case: one mistake, two, or numbers that no mistake explains. `words` are the form, and `float32` and `npz` where they hold."""
        form, *words = words.split()
        float32 = "float32" in words
        self.count[stem] += 1
        name = f"{stem}-{self.count[stem]}"
        wrong = subject.wrong(form, run, float32)
        if not wrong:
            sys.exit(f"{name}: nothing is wrong")
        tensors = {file: np.asarray(v) for file, v in subject.given(form, run).values()}
        path = HERE / "mine" / f"{name}.{'npz' if 'npz' in words else 'json'}"
        path.parent.mkdir(exist_ok=True)
        if "npz" in words:
            np.savez(path, **tensors)
        else:
            numbers = {file: v.tolist() if float32 else short(v.tolist()) for file, v in tensors.items()}
            path.write_text(json.dumps(numbers, separators=(",", ":")) + "\n")
        kind = "two" if stem == "two" else "one" if mistakes else "none"
        self.manifest.append({"name": name, "kind": kind, "scenario": f"scenarios/{subject.name}.toml", "mine": f"mine/{path.name}", "form": form, "type": "float32" if float32 else "float64", "planted": mistakes,
                              "first": wrong[0], "wrong": wrong, "same": self.same(subject, form, run, mistakes, 1e-4 if float32 else 1e-7) if kind == "one" else []})

    def same(self, subject, form, run, mistakes, tolerance):
        ids = {m["id"] for m in mistakes}
        planted_id = next(iter(ids))
        found = subject.same_numbers(form, run, ids, tolerance)
        mine, right = ({k: v for k, (_, v) in subject.given(form, r).items()} for r in (run, subject.right))
        for kind in same.multiples(mine, right, tolerance):
            found.setdefault(kind, [])
        rows = [{"id": k, "at": at, "why": same.why(planted_id, k)} for k, at in found.items() if k not in ids]
        known = {row["id"] for row in rows}
        return rows + [{"id": k, "at": at, "why": why} for k, at, why in same.in_graph(planted_id, subject.name) if k not in known]


def plant(table, subjects, writer):
    for kind, name, mistakes, form in cases.rows(table):
        run = subjects[name].run(mistakes, np.float32 if "float32" in form else float)
        writer.add(kind, subjects[name], form, run, planted(mistakes))


def main():
    if len(sys.argv) > 1:
        Gradstep.program = sys.argv[1]
    for path in HERE.glob("mine/*"):
        path.unlink()
    subjects = {name: Layered(net, HERE) for name, net in nets.every().items()}
    subjects |= {name: OfTensors(graph, HERE) for name, graph in graphs.every().items()}
    writer = Writer()
    plant(cases.ROWS, subjects, writer)
    for kind, name, switch, at, form in graph_cases.rows():
        writer.add(kind, subjects[name], form, subjects[name].run([switch]), planted([(switch, None)], at))
    plant(cases.FILES, subjects, writer)
    for name, mistakes, form in others.two():
        subject = subjects[name]
        layered = isinstance(subject, Layered)
        run = subject.run([(switch, layer or None) if layered else switch for switch, layer in mistakes])
        writer.add("two", subject, form, run, [row for switch, layer in mistakes for row in planted([(switch, layer)])])
    for n, (name, tensor, change, form) in enumerate(others.none()):
        subject = subjects[name]
        run = subject.run([])
        tensors = next(t for t in (run if isinstance(run, tuple) else [run]) for t in (t if isinstance(t, list) else [t]) if tensor in t)
        tensors[tensor] = change(np.random.default_rng(n), tensors[tensor])
        writer.add("none", subject, form, run, [])
    count = len(writer.manifest)
    plant(cases.SEARCHED, subjects, writer)
    lists = [",\n".join(json.dumps(case, ensure_ascii=False) for case in part) for part in (writer.manifest[:count], writer.manifest[count:])]
    (HERE / "manifest.json").write_text('{"cases": [\n' + lists[0] + '\n], "searched": [\n' + lists[1] + "\n]}\n")
    print(len(writer.manifest), "cases of", len({row["id"] for case in writer.manifest for row in case["planted"]}), "mistakes")


if __name__ == "__main__":
    main()
