#!/usr/bin/env python3
"""Writes the scenarios of this folder, and for each the numbers of ten iterations of a PyTorch optimizer in float64.

    pip install torch
    python tests/optimizers/generate.py

NAME.expected.json has the loss of each iteration, its gradients, and after it the parameters and the states of the optimizer, such as exp_avg.fc1.weight; and
the loss of all samples at the end. The tests read these files and need no Python.
"""

import json
import pathlib

import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
HERE = pathlib.Path(__file__).parent
ITERATIONS = 10
X = [[0.5, -1.0], [1.5, 0.25], [-0.75, 1.25]]
T = [[0.25], [-0.5], [1.0]]
FC1 = ([[0.4, -0.3], [0.8, 0.1], [-0.6, 0.7]], [0.1, -0.2, 0.05])
FC2 = ([[0.5, -0.4, 0.3]], [0.2])
CLASSES = [2, 0, 1]
FC2_CLASSES = ([[0.5, -0.4, 0.3], [-0.2, 0.6, 0.1], [0.7, 0.2, -0.5]], [0.2, -0.1, 0.05])
NORM = ([1.5, -0.5, 0.75], [0.1, 0.2, -0.3])
# PyTorch's names of states, and the names here
STATES = {"momentum_buffer": "velocity"} | {name: name for name in ("exp_avg", "exp_avg_sq", "square_avg", "grad_avg", "sum")}

SGD, ADAM, ADAM_W, RMS, ADA = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adagrad
# the name, the optimizer, its settings, the schedule, the batch size, and what the loss and the network have beside the usual
CASES = [
    ("sgd", SGD, {"lr": 0.1}, None, 3),
    ("sgd-momentum", SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}, None, 3),
    ("sgd-nesterov", SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}, None, 3),
    ("sgd-nesterov-decay", SGD, {"lr": 0.1, "momentum": 0.5, "nesterov": True, "weight_decay": 0.1}, None, 3),
    ("sgd-dampening", SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.25, "weight_decay": 0.1}, None, 3),
    ("sgd-step", SGD, {"lr": 0.1}, ("step", {"step_size": 3, "gamma": 0.5}), 3),
    ("sgd-exponential", SGD, {"lr": 0.1, "momentum": 0.5}, ("exponential", {"gamma": 0.8}), 3),
    ("sgd-cosine", SGD, {"lr": 0.1, "momentum": 0.5, "nesterov": True, "weight_decay": 0.1}, ("cosine", {"t_max": 6, "eta_min": 0.01}), 3),
    ("adam", ADAM, {}, None, 3),
    ("adam-betas", ADAM, {"lr": 0.05, "betas": [0.8, 0.9], "eps": 1e-3}, None, 2),
    ("adam-decay", ADAM, {"lr": 0.05, "weight_decay": 0.1}, None, 1),
    ("adam-step", ADAM, {"lr": 0.05}, ("step", {"step_size": 4, "gamma": 0.1}), 3),
    ("adamw", ADAM_W, {"lr": 0.05}, None, 3),
    ("adamw-cosine", ADAM_W, {"lr": 0.05, "weight_decay": 0.2}, ("cosine", {"t_max": 10}), 3),
    ("rmsprop", RMS, {}, None, 3),
    ("rmsprop-momentum", RMS, {"lr": 0.02, "alpha": 0.9, "momentum": 0.5, "weight_decay": 0.1}, None, 3),
    ("rmsprop-centered", RMS, {"lr": 0.02, "alpha": 0.9, "centered": True, "eps": 1e-4}, None, 2),
    ("rmsprop-centered-momentum", RMS, {"lr": 0.02, "alpha": 0.9, "centered": True, "momentum": 0.9}, None, 3),
    ("adagrad", ADA, {}, None, 3),
    ("adagrad-decay", ADA, {"lr": 0.1, "lr_decay": 0.5, "weight_decay": 0.1, "initial_accumulator_value": 0.25}, None, 3),
    # a penalty of the weights
    ("l2-sgd", SGD, {"lr": 0.1}, None, 3, {"l2": 0.05}),
    ("l2-sgd-one-sample", SGD, {"lr": 0.1}, None, 1, {"l2": 0.05}),
    ("l2-sgd-two-of-three", SGD, {"lr": 0.1}, None, 2, {"l2": 0.05, "sum": True}),
    ("l2-momentum-decay", SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}, None, 3, {"l2": 0.02}),
    ("l2-nesterov-one-sample", SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, None, 1, {"l2": 0.02}),
    ("l2-adam", ADAM, {"lr": 0.05}, None, 3, {"l2": 0.05}),
    ("l2-adam-classes", ADAM, {"lr": 0.05, "weight_decay": 0.1}, None, 2, {"l2": 0.05, "classes": True}),
    ("l2-adamw-one-sample", ADAM_W, {"lr": 0.05}, None, 1, {"l2": 0.05, "classes": True}),
    ("l2-freeze", SGD, {"lr": 0.1}, None, 3, {"l2": 0.05, "freeze": "fc1.weight"}),
    ("l2-norm", RMS, {"lr": 0.02}, None, 3, {"l2": 0.05, "norm": True}),
]
SCHEDULERS = {
    "step": lambda o, k: torch.optim.lr_scheduler.StepLR(o, k["step_size"], k["gamma"]),
    "exponential": lambda o, k: torch.optim.lr_scheduler.ExponentialLR(o, k["gamma"]),
    "cosine": lambda o, k: torch.optim.lr_scheduler.CosineAnnealingLR(o, k["t_max"], k.get("eta_min", 0)),
}


def toml(value):
    return str(value).lower() if isinstance(value, bool) else json.dumps(value)


def network(own):
    """The layers, each with its type, its parameters and its activation."""
    layers = {"fc1": ("linear", FC1, "tanh")}
    if own.get("norm"):
        layers["norm"] = ("layer_norm", NORM, None)
    layers["fc2"] = ("linear", FC2_CLASSES if own.get("classes") else FC2, "identity")
    return layers


def scenario(name, optimizer, settings, schedule, batch, own={}):
    loss = "cross_entropy_with_logits" if own.get("classes") else "squared_error"
    keys = [f'type = "{loss}"'] + ['batch_reduction = "sum"'] * bool(own.get("sum")) + [f"l2 = {own.get('l2')}"] * ("l2" in own)
    loss = f'"{loss}"' if len(keys) == 1 else f"{{ {', '.join(keys)} }}"
    lines = [f'title = "optimizer: {name}"', f"loss = {loss}"]
    for x, t in zip(X, CLASSES if own.get("classes") else T):
        lines += ["", "[[sample]]", f"input = {x}", f"target = {t}"]
    for layer, (kind, (w, b), activation) in network(own).items():
        lines += ["", "[[layer]]", f'type = "{kind}"', f'name = "{layer}"', f"weight = {w}", f"bias = {b}"]
        lines += [f'activation = "{activation}"'] * bool(activation)
    lines += ["", "[train]", f"iterations = {ITERATIONS}", f"batch_size = {batch}"]
    lines += [f'freeze = ["{own.get("freeze")}"]'] * ("freeze" in own)
    if optimizer is not SGD:
        lines.append(f'optimizer = "{optimizer.__name__.lower()}"')
    lines += [f"{'learning_rate' if key == 'lr' else key} = {toml(value)}" for key, value in settings.items()]
    if schedule:
        keys = ", ".join(f"{key} = {toml(value)}" for key, value in schedule[1].items())
        lines.append(f'lr_schedule = {{ type = "{schedule[0]}", {keys} }}')
    return "\n".join(lines) + "\n"


def loss_of(p, own, samples):
    """The loss of a batch."""
    losses = []
    for n in samples:
        a = torch.tanh(p["fc1.weight"] @ torch.tensor(X[n]) + p["fc1.bias"])
        if own.get("norm"):
            a = torch.nn.functional.layer_norm(a, a.shape, p["norm.weight"], p["norm.bias"])
        a = p["fc2.weight"] @ a + p["fc2.bias"]
        if own.get("classes"):
            losses.append(torch.nn.functional.cross_entropy(a, torch.tensor(CLASSES[n])))
        else:
            losses.append(0.5 * ((a - torch.tensor(T[n])) ** 2).sum())
    loss = torch.stack(losses).sum() if own.get("sum") else torch.stack(losses).mean()
    return loss + own.get("l2", 0) * sum(t.square().sum() for name, t in p.items() if name.endswith("weight"))


def run(optimizer, settings, schedule, batch, own={}):
    p = {f"{layer}.{name}": value for layer, (_, both, _) in network(own).items() for name, value in zip(("weight", "bias"), both)}
    p = {name: torch.tensor(value, requires_grad=True) for name, value in p.items()}
    learned = {name: t for name, t in p.items() if name != own.get("freeze")}
    optimizer = optimizer(learned.values(), **settings)
    scheduler = SCHEDULERS[schedule[0]](optimizer, schedule[1]) if schedule else None
    iterations = []
    for iteration in range(ITERATIONS):
        # the batches go through the samples in order, again and again
        samples = sorted((iteration * batch + n) % len(X) for n in range(batch))
        optimizer.zero_grad()
        loss = loss_of(p, own, samples)
        loss.backward()
        gradients = {name: t.grad.tolist() for name, t in learned.items()}
        optimizer.step()
        if scheduler:
            scheduler.step()
        values = {name: t.tolist() for name, t in learned.items()}
        for name, t in learned.items():
            for state, own_name in STATES.items():
                if torch.is_tensor(optimizer.state[t].get(state)):
                    values[f"{own_name}.{name}"] = optimizer.state[t][state].tolist()
        iterations.append({"loss": loss.item(), "gradients": gradients, "values": values})
    return {"iterations": iterations, "loss": loss_of(p, own, range(len(X))).item()}


for case in CASES:
    (HERE / f"{case[0]}.toml").write_text(scenario(*case))
    (HERE / f"{case[0]}.expected.json").write_text(json.dumps(run(*case[1:])) + "\n")
print(f"{len(CASES)} cases")
