"""PyTorch's gradients of random networks and graphs, in float32 and float64: `diff` must call all of them equal. README.md says how to run this."""
import json
import pathlib
import subprocess
import sys

import numpy as np
import torch

import networks
import statements

HERE = pathlib.Path(__file__).parent


def save(name, tensors, form):
    """As np.savez or json.dump writes them; a float32 keeps its type or its value."""
    if form == "npz":
        np.savez(HERE / f"{name}.npz", **tensors)
        return f"{name}.npz"
    (HERE / f"{name}.json").write_text(json.dumps({k: v.tolist() for k, v in tensors.items()}, separators=(",", ":")) + "\n")
    return f"{name}.json"


def largest_difference(mine, right):
    """As a part of the largest entry. A gradient that is 0 by mathematics, such as that of a bias before a norm, is compared with 1."""
    right = np.asarray(right, float)
    difference, largest = np.abs(np.asarray(mine, float).reshape(right.shape) - right).max(), np.abs(right).max()
    return difference / (1 if largest < 1e-12 else largest)


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "gradstep"
    for path in [*HERE.glob("*.toml"), *HERE.glob("*.json"), *HERE.glob("*.npz")]:
        path.unlink()
    torch.set_num_threads(1)
    manifest, hard, worst = [], [], {"float64": 0.0, "float32": 0.0}
    for number, case in enumerate([*networks.every(), *statements.every(), *networks.hard()]):
        (HERE / f"{case.name}.toml").write_text(case.text)
        done = subprocess.run([program, "grads", HERE / f"{case.name}.toml", "--format", "json"], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{case.name}: {done.stderr}")
        computed = json.loads(done.stdout)
        for dtype in (torch.float64, torch.float32):
            kind = str(dtype).removeprefix("torch.")
            form = case.forms[(number + (dtype == torch.float32)) % len(case.forms)]
            tensors, ours = case.gradients(dtype, form)
            for name, numbers in tensors.items():
                off = largest_difference(numbers, case.right(computed, ours[name]))
                worst[kind] = max(worst[kind], off if not case.hard else 0)
                if off > (1e-9 if dtype == torch.float64 else 1e-3) and not case.hard:
                    sys.exit(f"{case.name}: {name} ({kind}) is off by {off:.1e}")
            file = save(f"{case.name}-{kind}", tensors, "npz" if form == "npz" else "json")
            row = {"scenario": f"{case.name}.toml", "mine": file, "type": kind, "form": form}
            if case.hard:
                hard.append(row | {"why": case.hard})
            else:
                manifest.append(row)
    cases, hard = (",\n".join(json.dumps(row) for row in rows) for rows in (manifest, hard))
    (HERE / "manifest.json").write_text('{"cases": [\n' + cases + '\n], "hard": [\n' + hard + "\n]}\n")
    print(len(manifest), "files; the largest differences:", ", ".join(f"{k} {v:.1e}" for k, v in worst.items()))


if __name__ == "__main__":
    main()
