"""Writes tests/valid/layout-*.toml and their numbers in tests/valid/weights/layouts.npz: pip install torch numpy, then python tests/layouts.py.

Each network is computed twice from its definition in Keras' order of axes: with einsum over windows of the image, and with PyTorch's layers. If both agree, the
gradients become the expected numbers of the scenario.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

VALID = Path(__file__).parent / "valid"
torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(19)
arrays = {}


def make(name, *shape):
    """Draws an array, keeps it for the file, and returns it as a tensor with a gradient."""
    arrays[name] = rng.normal(size=shape).round(3)
    return torch.tensor(arrays[name], requires_grad=True)


def expect(at, value):
    return f"\n[[expect]]\nat = \"{at}\"\nvalue = {np.asarray(value.detach()).tolist()}\ntolerance = 1e-10\nsource = \"PyTorch {torch.__version__}\"\n"


def conv_hwio(image, kernel):
    """Keras' Conv2D with padding "valid": image h x w x in, kernel height x width x in x out."""
    rows, columns, _, _ = kernel.shape
    windows = image.unfold(0, rows, 1).unfold(1, columns, 1)  # y x x x in x i x j
    return torch.einsum("yxcij,ijco->yxo", windows, kernel)


def conv_transpose_hwoi(image, kernel, stride):
    """Keras' Conv2DTranspose: each pixel lays the kernel, height x width x out x in, on the output."""
    (height, width, _), (rows, columns, out, _) = image.shape, kernel.shape
    result = torch.zeros((height - 1) * stride + rows, (width - 1) * stride + columns, out)
    for y in range(height):
        for x in range(width):
            laid = torch.einsum("ijoc,c->ijo", kernel, image[y, x])
            result = result + F.pad(laid, (0, 0, x * stride, (width - 1 - x) * stride, y * stride, (height - 1 - y) * stride))
    return result


def file(key, more=""):
    return f'{{ file = "weights/layouts.npz", key = "{key}"{more} }}'


def keras():
    image, conv, bias = make("image", 1, 5, 5, 2), make("conv", 3, 2, 2, 3), make("conv_bias", 1, 3)
    dense, dense_bias = make("dense", 36, 4), make("dense_bias", 4, 1)
    a = torch.relu(conv_hwio(image[0], conv) + bias[0])
    z = a.reshape(-1) @ dense + dense_bias[:, 0]
    twin = F.relu(F.conv2d(image.permute(0, 3, 1, 2), conv.permute(3, 2, 0, 1), bias[0]))
    assert torch.allclose(twin[0].permute(1, 2, 0).reshape(-1) @ dense + dense_bias[:, 0], z, atol=1e-12)
    loss = F.cross_entropy(z[None], torch.tensor([2]))
    loss.backward()
    arrays["label"] = np.array([2])
    return f"""title = "A small network in Keras' order of axes"
layout = "keras"
loss = "cross_entropy_with_logits"
input = {file("image")}
target = {file("label")}

[[layer]]
type = "conv2d"
weight = {file("conv")}
bias = {file("conv_bias")}
activation = "relu"

[[layer]]
type = "flatten"

[[layer]]
type = "linear"
weight = {file("dense")}
bias = {file("dense_bias")}
""" + expect("loss", loss) + expect("grad.conv1.weight", conv.grad.permute(3, 2, 0, 1)) + expect("grad.conv1.bias", bias.grad[0]) \
        + expect("flat1.a", a.reshape(-1)) + expect("grad.fc1.weight", dense.grad.T) + expect("conv1.a", a.permute(2, 0, 1))


def transposed():
    image, kernel, target = make("small", 2, 3, 2), make("kernel", 3, 2, 2, 2), make("picture", 5, 6, 2)
    y = conv_transpose_hwoi(image, kernel, 2)
    twin = F.conv_transpose2d(image.permute(2, 0, 1)[None], kernel.permute(3, 2, 0, 1), stride=2)[0].permute(1, 2, 0)
    assert torch.allclose(twin, y, atol=1e-12)
    loss = ((y - target) ** 2).mean()
    loss.backward()
    return f"""title = "A transposed convolution whose weight and images have their channels last"
image_layout = "hwc"
loss = {{ type = "squared_error", reduction = "mean" }}
input = {file("small")}
target = {file("picture")}

[[layer]]
type = "conv_transpose2d"
weight = {file("kernel")}
weight_layout = "hwoi"
stride = 2
""" + expect("loss", loss) + expect("grad.convt1.weight", kernel.grad.permute(3, 2, 0, 1)) + expect("convt1.a", y.permute(2, 0, 1))


def samples():
    data, weight = make("data", 6, 2, 3), make("columns", 6, 4)
    labels = rng.integers(0, 4, size=(6, 1))
    arrays["labels"] = labels
    loss = torch.stack([F.cross_entropy((data[row].reshape(-1) @ weight)[None], torch.tensor(labels[row])) for row in range(2, 5)]).mean()
    loss.backward()
    return f"""title = "Three of six samples of a file"
loss = "cross_entropy_with_logits"

[samples]
input = {file("data")}
target = {file("labels")}
rows = [2, 5]

[[layer]]
type = "flatten"

[[layer]]
type = "linear"
weight = {file("columns")}
weight_layout = "in_out"

[train]
learning_rate = 0.1
iterations = 1
""" + expect("reduce:loss", loss) + expect("reduce:grad.fc1.weight", weight.grad.T) + expect("2:flat1.a", data[3].reshape(-1))


def arranged():
    stack, pixels = make("stack", 3, 12), make("pixels", 3, 16)
    weight = stack[2].reshape(2, 2, 1, 3).permute(3, 2, 0, 1)
    image = pixels[1].reshape(4, 4)
    y = F.conv2d(image[None, None], weight)[0]
    loss = (y ** 2).sum() / 2
    loss.backward()
    return f"""title = "Tensors that are one row of a file, with another shape and another order of axes"
loss = "squared_error"
input = {file("pixels", ", index = 1, reshape = [4, 4]")}
target = {{ init = "zeros" }}

[[layer]]
type = "conv2d"
weight = {file("stack", ", index = 2, reshape = [2, 2, 1, 3], permute = [3, 2, 0, 1]")}
""" + expect("loss", loss) + expect("grad.conv1.weight", stack.grad[2].reshape(2, 2, 1, 3).permute(3, 2, 0, 1)) + expect("conv1.a", y)


def sequence():
    """Keras' Conv1D: a sequence length x channels, which gradstep reads as channels x length; kernel width x in x out."""
    steps, kernel, target = make("steps", 2, 6), make("kernel1d", 3, 2, 4), make("curve", 4, 4)
    y = torch.einsum("ctk,kco->ot", steps.unfold(1, 3, 1), kernel)
    twin = F.conv1d(steps[None], kernel.permute(2, 1, 0))[0]
    assert torch.allclose(twin, y, atol=1e-12)
    loss = ((y - target) ** 2).sum() / 2
    loss.backward()
    return f"""title = "A convolution over a sequence whose weight is width x in x out"
loss = "squared_error"
input = {file("steps")}
target = {file("curve")}

[[layer]]
type = "conv1d"
weight = {file("kernel1d")}
weight_layout = "kio"
""" + expect("loss", loss) + expect("grad.conv1.weight", kernel.grad.permute(2, 1, 0))


def depthwise_hwim(image, kernel):
    """Keras' DepthwiseConv2D with padding "valid": each channel has its own filters, height x width x in x multiplier, whose results are neighbours."""
    rows, columns, channels, multiplier = kernel.shape
    windows = image.unfold(0, rows, 1).unfold(1, columns, 1)  # y x x x in x i x j
    return torch.einsum("yxcij,ijcm->yxcm", windows, kernel).flatten(2)


def permuted_depthwise(kernel):
    """The weight of PyTorch's grouped convolution: in · multiplier x 1 x height x width."""
    return kernel.permute(2, 3, 0, 1).flatten(0, 1)[:, None]


def depthwise():
    """Keras' SeparableConv2D, then a Conv2D in groups: their kernels are height x width x in x multiplier, 1 x 1 x in x out, height x width x in/groups x out."""
    image, kernel, point, bias = make("rgb", 4, 5, 3), make("depthwise", 2, 2, 3, 2), make("pointwise", 1, 1, 6, 4), make("separable_bias", 4)
    grouped, goal = make("grouped", 2, 2, 1, 8), make("goal", 2, 3, 8)
    a = torch.tanh(conv_hwio(depthwise_hwim(image, kernel), point) + bias)
    y = depthwise_hwim(a, grouped.reshape(2, 2, 4, 2))
    layers = F.conv2d(F.conv2d(image.permute(2, 0, 1), permuted_depthwise(kernel), groups=3), point.permute(3, 2, 0, 1), bias)
    twin = F.conv2d(torch.tanh(layers), grouped.permute(3, 2, 0, 1), groups=4)
    assert torch.allclose(twin.permute(1, 2, 0), y, atol=1e-12)
    loss = ((y - goal) ** 2).sum() / 2
    loss.backward()
    return f"""title = "The kernels of a separable convolution and of a grouped one in Keras' order of axes"
layout = "keras"
loss = "squared_error"
input = {file("rgb")}
target = {file("goal")}

[[layer]]
type = "conv2d"
name = "depthwise"
weight = {file("depthwise")}
groups = 3

[[layer]]
type = "conv2d"
name = "pointwise"
weight = {file("pointwise")}
bias = {file("separable_bias")}
activation = "tanh"

[[layer]]
type = "conv2d"
name = "grouped"
weight = {file("grouped")}
groups = 4
""" + expect("loss", loss) + expect("grad.depthwise.weight", permuted_depthwise(kernel.grad)) \
        + expect("grad.pointwise.weight", point.grad.permute(3, 2, 0, 1)) + expect("grad.grouped.weight", grouped.grad.permute(3, 2, 0, 1))


for name, network in {"sequence": sequence, "keras": keras, "transposed": transposed, "samples": samples, "arranged": arranged, "depthwise": depthwise}.items():
    (VALID / f"layout-{name}.toml").write_text(network())
np.savez(VALID / "weights" / "layouts.npz", **arrays)
