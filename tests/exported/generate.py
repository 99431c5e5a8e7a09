"""Exports models of torch.nn with docs/to_gradstep.py: pip install torch numpy, then python tests/exported/generate.py.

NAME.toml and NAME.tensors.pt are the files of to_gradstep.save. The script appends the gradients of PyTorch in float64 as expected numbers, which are in
NAME.grads.npz, the file of to_gradstep.gradients. Dropout draws the same masks in both passes, because save leaves the random numbers as they were.
exporter.crc32 is the checksum of the exporter that wrote the files.
"""

import sys
import zlib
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "docs"))
import to_gradstep  # noqa: E402


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(16, 12), nn.Linear(12, 8), nn.Linear(8, 4)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def small_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 3)
    )


class Residual(nn.Module):
    def __init__(self, channels=2):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, channels, 3, padding=1), nn.Conv2d(channels, channels, 3, padding=1)
        self.head = nn.Linear(channels, 3)

    def forward(self, x):
        y = self.conv2(torch.relu(self.conv1(x)))
        return self.head(F.adaptive_avg_pool2d(torch.relu(x + y), 1).flatten(1))


def autoencoder():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(3, 2, 2), nn.Tanh(),
        nn.ConvTranspose2d(2, 3, 2), nn.ReLU(), nn.ConvTranspose2d(3, 1, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid(),
    )


def separable():
    return nn.Sequential(nn.Conv2d(3, 3, 3, groups=3, padding=1), nn.ReLU6(), nn.Conv2d(3, 4, 1), nn.Hardswish(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.middle = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 4, 3, padding=1)
        self.up, self.out = nn.ConvTranspose2d(4, 2, 2, stride=2), nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, x):
        a = F.relu(self.down(x))
        b = F.relu(self.middle(F.max_pool2d(a, 2)))
        return self.out(torch.cat([a, self.up(b)], dim=1))


def cnn1d():
    return nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(6, 2))


class Head(nn.Module):
    """A head of causal attention."""

    def __init__(self, size=6, head=4, length=5):
        super().__init__()
        self.key, self.query, self.value = (nn.Linear(size, head, bias=False) for _ in range(3))
        self.register_buffer("tril", torch.tril(torch.ones(length, length)))

    def forward(self, x):
        _, length, _ = x.shape
        k, q, v = self.key(x), self.query(x), self.value(x)
        weights = q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5
        weights = weights.masked_fill(self.tril[:length, :length] == 0, float("-inf"))
        return F.softmax(weights, dim=-1) @ v


class LanguageModel(nn.Module):
    """An embedding of characters, a hidden layer with batch norm over the batch, and logits."""

    def __init__(self, letters=7, size=3, context=2, hidden=6):
        super().__init__()
        self.table = nn.Embedding(letters, size)
        self.fc1, self.norm, self.fc2 = nn.Linear(context * size, hidden, bias=False), nn.BatchNorm1d(hidden), nn.Linear(hidden, letters)

    def forward(self, x):
        return self.fc2(torch.tanh(self.norm(self.fc1(self.table(x).view(x.shape[0], -1)))))


class BasicBlock(nn.Module):
    """A block of ResNet as torchvision writes it: it changes tensors in place."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(3)
        self.conv2, self.bn2 = nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3)
        self.downsample = nn.Sequential(nn.Conv2d(2, 3, 1, stride=2, bias=False), nn.BatchNorm2d(3))
        self.relu, self.fc = nn.ReLU(inplace=True), nn.Linear(3, 2)

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += self.downsample(x)
        return self.fc(self.relu(out).mean((2, 3)))


def decoder():
    """Windows of several kinds: reflected padding, ceil_mode, instance norm, PReLU, sub-pixels and bilinear upsampling."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(4, affine=True), nn.PReLU(4), nn.MaxPool2d(2, ceil_mode=True),
        nn.PixelShuffle(2), nn.AdaptiveAvgPool2d((2, 3)), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(1, 1, 2),
    )


class MaskedAttention(nn.Module):
    """Attention over words, some of which are padding; the table of the words is also the last layer."""

    def __init__(self, words=6, size=4):
        super().__init__()
        self.table = nn.Embedding(words, size, padding_idx=0)
        self.attention = nn.MultiheadAttention(size, 2, batch_first=True)
        self.head = nn.Linear(size, words, bias=False)
        self.head.weight = self.table.weight

    def forward(self, x):
        e = self.table(x)
        e = e + self.attention(e, e, e, key_padding_mask=x == 0)[0]
        return self.head(e[:, 0])


def trained(model):
    """Gives the norms statistics and parameters that are not 0 and 1."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.running_mean.uniform_(-0.5, 0.5)
                module.running_var.uniform_(0.5, 1.5)
    return model


def like(output):
    return torch.rand_like(output.detach())


# name: model, training mode, input, target (None: numbers like the output), loss
MODELS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)), True, lambda: torch.randn(3, 4), [0, 2, 1], "cross_entropy"),
    "lenet5": (LeNet5, True, lambda: torch.randn(1, 1, 12, 12), [3], "cross_entropy"),
    "cnn-batch-norm-trained": (lambda: trained(small_cnn()), True, lambda: torch.randn(3, 1, 4, 4), [0, 2, 1], "cross_entropy"),
    "cnn-batch-norm-evaluated": (lambda: trained(small_cnn()), False, lambda: torch.randn(2, 1, 4, 4), [2, 1], "cross_entropy"),
    "residual": (Residual, True, lambda: torch.randn(1, 2, 4, 4), [1], "cross_entropy"),
    "autoencoder": (autoencoder, True, lambda: torch.rand(1, 1, 6, 6), None, "mse_loss"),
    "separable": (separable, True, lambda: torch.randn(2, 3, 4, 4), [0, 2], "cross_entropy"),
    "u-net": (UNet, True, lambda: torch.randn(1, 1, 4, 4), None, "binary_cross_entropy_with_logits"),
    "cnn-1d": (cnn1d, True, lambda: torch.randn(2, 2, 8), [0, 1], "cross_entropy"),
    "lstm-cell": (lambda: nn.LSTMCell(3, 4), True, lambda: torch.randn(2, 3), None, "mse_loss"),
    "lstm": (lambda: nn.LSTM(2, 3, num_layers=2, batch_first=True), True, lambda: torch.randn(1, 3, 2), None, "mse_loss"),
    "attention-head": (Head, True, lambda: torch.randn(1, 5, 6), None, "mse_loss"),
    "encoder-layer": (lambda: trained(nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True)), True, lambda: torch.randn(1, 4, 8), None, "mse_loss"),
    "dropout": (lambda: trained(nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.4), nn.Linear(6, 3))), True, lambda: torch.randn(3, 4), [0, 2, 1], "cross_entropy"),
    "dropout2d": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Dropout2d(0.4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(16, 2)), True, lambda: torch.randn(1, 1, 4, 4), [1], "cross_entropy"),
    "encoder-dropout": (lambda: trained(nn.TransformerEncoderLayer(4, 2, 6, dropout=0.2, activation="gelu", norm_first=True, batch_first=True)), True, lambda: torch.randn(1, 3, 4), None, "mse_loss"),
    "lstm-both": (lambda: nn.LSTM(2, 2, num_layers=2, bidirectional=True, dropout=0.4, batch_first=True), True, lambda: torch.randn(1, 3, 2), None, "mse_loss"),
    "basic-block": (lambda: trained(BasicBlock()), True, lambda: torch.randn(2, 2, 4, 4), [0, 1], "cross_entropy"),
    "decoder": (decoder, True, lambda: torch.randn(1, 1, 5, 5), None, "mse_loss"),
    "masked-attention": (MaskedAttention, True, lambda: torch.tensor([[3, 5, 0, 0], [1, 2, 4, 0]]), [5, 2], "cross_entropy"),
    "language-model": (lambda: trained(LanguageModel()), True, lambda: torch.randint(0, 7, (5, 2)), [0, 3, 6, 2, 2], "cross_entropy"),
}


def expected(path, names, count):
    """Appends the gradients as expected numbers."""
    prefix = "reduce:" if count > 1 else ""
    text = path.read_text()
    grads = path.with_suffix(".grads.npz").name
    for name, ours in names.items():
        text += f'\n[[expect]]\nat = "{prefix}grad.{ours}"\nvalue = {{ file = "{grads}", key = "{name}" }}\ntolerance = 1e-10\n'
    path.write_text(text)


for name, (make, is_training, image, target, loss) in MODELS.items():
    if len(sys.argv) > 1 and name not in sys.argv[1:]:
        continue
    torch.manual_seed(19)
    model = make().double().train(is_training)
    image = image()
    image = image.double() if image.is_floating_point() else image
    path = HERE / f"{name}.toml"
    output = model(image)
    output = output[0] if isinstance(output, tuple) else output
    target = like(output) if target is None else torch.tensor(target)
    model.zero_grad()
    kind = to_gradstep.save(model, image, target, path, loss=loss)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    result = model(image)
    result = result[0] if isinstance(result, tuple) else result
    getattr(F, loss)(result, target).backward()
    model.load_state_dict(state)
    to_gradstep.gradients(model, path.with_suffix(".grads.npz"))
    is_samples = "[samples]" in path.read_text()
    with_gradient = {key for key, parameter in model.named_parameters() if parameter.grad is not None}
    names = {key: ours for key, ours in to_gradstep._saved_names(path).items() if key in with_gradient}
    expected(path, names, 2 if is_samples else 1)
    print(f"{name}: {kind}, {len(names)} parameters")
(HERE / "exporter.crc32").write_text(f"{zlib.crc32(Path(to_gradstep.__file__).read_bytes()):08x}\n")
