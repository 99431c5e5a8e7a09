"""Measures PyTorch's forward and backward pass of the networks in `networks/`, for `networks.rs`. Each line of standard input is a name and a number of
calls. The answer to it is a line with the times of the calls in nanoseconds, shortest first."""

import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(int(sys.argv[1]))


def convolutions(*layers):
    """A list of layers from tuples (convolution, pool...): a ReLU follows each convolution."""
    return [part for conv, *pools in layers for part in (conv, nn.ReLU(), *pools)]


def half_squared_error(logits, target):
    return 0.5 * ((logits - target) ** 2).sum()


# the layers, the shape of the input, and the loss: a function, or the true class of a cross-entropy
NETWORKS = {
    "n1": (lambda: [nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 2), nn.Sigmoid()], [2], lambda a: half_squared_error(a, torch.tensor([[0.01, 0.99]]))),
    "n2": (lambda: [nn.Conv2d(1, 1, 2), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2)], [1, 3, 3], 0),
    "n3": (
        lambda: [
            *convolutions((nn.Conv2d(1, 4, 5), nn.MaxPool2d(2)), (nn.Conv2d(4, 16, 5), nn.MaxPool2d(2))),
            *(nn.Flatten(), nn.Linear(400, 200), nn.ReLU(), nn.Linear(200, 2)),
        ],
        [1, 32, 32],
        0,
    ),
    "n4": (
        lambda: [
            *convolutions((nn.Conv2d(1, 6, 5, padding=2), nn.MaxPool2d(2)), (nn.Conv2d(6, 16, 5), nn.MaxPool2d(2))),
            *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
        ],
        [1, 28, 28],
        3,
    ),
    "n5": (
        lambda: [
            *convolutions((nn.Conv2d(3, 32, 3, 1, 1),), (nn.Conv2d(32, 64, 3, 2, 1),), (nn.Conv2d(64, 128, 3, 2, 1),)),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)),
        ],
        [3, 64, 64],
        3,
    ),
    "n6": (
        lambda: convolutions(
            (nn.Conv2d(3, 64, 11, 4, 2), nn.MaxPool2d(3, 2)),
            (nn.Conv2d(64, 192, 5, 1, 2), nn.MaxPool2d(3, 2)),
            (nn.Conv2d(192, 384, 3, 1, 1),),
            (nn.Conv2d(384, 256, 3, 1, 1),),
            (nn.Conv2d(256, 256, 3, 1, 1), nn.MaxPool2d(3, 2)),
        ),
        [3, 224, 224],
        lambda a: a.sum(),
    ),
    "pool": (lambda: [nn.MaxPool2d(31, 1)], [4, 512, 512], lambda a: a.sum()),
}
READY = {}


def prepare(name):
    """The layers, the input, the target or loss, and the optimizer: None for a pass without an update."""
    network, _, suffix = name.partition("-")
    layers, shape, target = NETWORKS[network]
    network = nn.Sequential(*layers())
    is_training = suffix == "train"
    # as usual, training does not compute the gradient of the input
    x = torch.randn(1, *shape, requires_grad=not is_training)
    return network, x, target, torch.optim.SGD(network.parameters(), lr=1e-6) if is_training else None


def call(name):
    if name not in READY:
        READY[name] = prepare(name)
    network, x, target, optimizer = READY[name]
    begin = time.perf_counter_ns()
    network.zero_grad(set_to_none=True)
    x.grad = None
    a = network(x)
    loss = target(a) if callable(target) else F.cross_entropy(a, torch.tensor([target]))
    loss.backward()
    if optimizer is not None:
        optimizer.step()
    return time.perf_counter_ns() - begin


for line in sys.stdin:
    name, calls = line.split()
    print(*sorted(call(name) for _ in range(int(calls))), flush=True)
