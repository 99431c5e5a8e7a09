"""Writes the files of tests/newcomer/files, mistakes that people make with files of tensors: pip install torch numpy, then python tests/newcomer/files.py.

NAME.toml is a scenario that reads such a file. Every other file is one that a newcomer opens with `gradstep FILE`.
"""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent / "files"
torch.manual_seed(4)
rng = np.random.default_rng(4)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.fc1, self.fc2 = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(8, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(self.bn(self.conv(x)).flatten(1))))


net = Net()
state = {name: tensor.round(decimals=2) if tensor.is_floating_point() else tensor for name, tensor in net.state_dict().items()}
small = {"fc1.weight": state["fc2.weight"], "fc1.bias": state["fc2.bias"]}


def write(name, data):
    (HERE / name).write_bytes(data)


def safetensors(tensors):
    """A .safetensors file; `tensors` has the type, shape and bytes of each name."""
    header, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def files():
    """Files that are opened as they are."""
    torch.save(net, HERE / "whole-model.pt")
    torch.save(state, HERE / "net.pt")
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, HERE / "data-parallel.pt")
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(2, 1, 4, 4)).sum().backward()
    optimizer.step()
    torch.save({"epoch": 3, "state_dict": state, "optimizer": optimizer.state_dict(), "best_acc": 91.5}, HERE / "checkpoint.pt")
    torch.save({"epoch": 3, "global_step": 9, "pytorch-lightning_version": "2.4", "state_dict": {f"model.{name}": t for name, t in state.items()}}, HERE / "lightning.ckpt")
    torch.save(small, HERE / "pytorch_model.bin")
    torch.save({name: tensor.bfloat16() for name, tensor in small.items()}, HERE / "bfloat16.pt")
    torch.save({name: tensor.half() for name, tensor in small.items()}, HERE / "half.pt")
    torch.save({}, HERE / "empty.pt")
    torch.save(optimizer.state_dict(), HERE / "optimizer.pt")
    torch.save([torch.ones(2), torch.ones(3)], HERE / "list.pt")
    torch.save(torch.tensor([1 + 2j, 3.0]), HERE / "complex.pt")
    torch.save({"fc.weight": torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.qint8)}, HERE / "quantised.pt")
    torch.save({"fc.weight": torch.ones(2, 2).to_sparse()}, HERE / "sparse.pt")
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), HERE / "script.pt")
    write("cut.pt", (HERE / "net.pt").read_bytes()[:1500])
    write("pointer.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n")
    write("page.safetensors", b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n")
    write("eight-bits.safetensors", safetensors({"fc.weight": ("F8_E4M3", [2, 2], b"\x38" * 4), "fc.bias": ("F32", [2], b"\0" * 8)}))
    write("empty.safetensors", safetensors({}))
    write("model.onnx", b"\x08\x08\x12\x07pytorch\x1a\x052.4.0:\x10\n\x0e")
    write("model.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 40)
    with zipfile.ZipFile(HERE / "model.keras", "w") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(zipfile.ZipInfo(name), "{}")
    write("model.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 0))
    write("model.pkl", pickle.dumps({"W1": np.ones((2, 2)), "b1": np.ones(2)}))
    write("model.tflite", b"\x1c\0\0\0TFL3" + b"\0" * 24)
    write("model.joblib", pickle.dumps([np.ones(2)]))
    write("image.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 24)
    write("numbers.csv", b"1.0,2.0\n3.0,4.0\n")
    np.savez(HERE / "objects.npz", weights=np.array([np.ones((2, 3)), np.ones(3)], dtype=object))
    np.save(HERE / "objects.npy", np.array([{"W": 1}], dtype=object))
    np.save(HERE / "text.npy", np.array(["cat", "dog"]))
    np.savez(HERE / "unnamed.npz", np.ones((3, 2)), np.ones(3))
    with zipfile.ZipFile(HERE / "empty.npz", "w"):
        pass
    np.save(HERE / "fortran.npy", np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    np.save(HERE / "big-endian.npy", np.arange(6.0).reshape(2, 3).astype(">f4"))


CASE = 'title = "a mistake"\nloss = "{loss}"\ninput = {input}\ntarget = {target}\n'


def scenario(name, layers, inputs="[1, 2, 3, 4]", target="0", loss="cross_entropy_with_logits", top=""):
    """Writes NAME.toml. `layers` has lists of lines, one list for each layer."""
    text = CASE.format(loss=loss, input=inputs, target=target) if inputs else f'title = "a mistake"\nloss = "{loss}"\n'
    text = text.replace("\nloss", f"\n{top}\nloss", 1) if top else text
    for lines in layers:
        text += "\n[[layer]]\n" + "\n".join(lines) + "\n"
    write(f"{name}.toml", text.encode())


def linear(prefix, file="net.pt", **more):
    return ['type = "linear"', tensor("weight", f"{prefix}.weight", file), tensor("bias", f"{prefix}.bias", file), *(f"{k} = {v}" for k, v in more.items())]


def tensor(key, name, file="net.pt"):
    return f'{key} = {{ file = "{file}", key = "{name}" }}'


def scenarios():
    conv = ['type = "conv2d"', tensor("weight", "conv.weight"), tensor("bias", "conv.bias")]
    flat = ['type = "flatten"']
    image = '{ init = "ones", shape = [1, 4, 4] }'
    eight = "[1, 2, 3, 4, 5, 6, 7, 8]"
    np.savez(HERE / "keras.npz", kernel=rng.normal(size=(3, 3, 1, 2)).round(2), dense=rng.normal(size=(4, 3)).round(2), bias=np.ones(3), depthwise=np.ones((2, 2, 3, 2)))
    np.savez(HERE / "data.npz", x=rng.integers(0, 256, (5, 4, 4)).astype("u1"), y=np.array([0, 1, 2, 1, 0]), y_float=np.array([0.0, 1, 2, 1, 0.5]),
             y_from_1=np.array([1, 2, 3, 2, 1]), hwc=np.ones((4, 4, 3), "f4"), batch=np.ones((3, 4), "f4"), w=np.ones((3, 4)), nan=np.array([[1, np.nan, 0, 0]] * 3),
             one_hot=np.eye(3)[[0, 1, 2, 1, 0]], y_column=np.array([[0], [1], [2], [1], [0]]), x_flat=rng.normal(size=(5, 4)).round(2))
    w = ['type = "linear"', tensor("weight", "w", "data.npz")]
    scenario("layers-in-the-wrong-order", [linear("fc2"), linear("fc1")], eight)
    scenario("transposed-weight", [['type = "linear"', 'weight = { file = "keras.npz", key = "dense" }', 'bias = { file = "keras.npz", key = "bias" }']])
    scenario("keras-kernel", [['type = "conv2d"', 'weight = { file = "keras.npz", key = "kernel" }']], image, '{ init = "zeros" }', "squared_error")
    scenario("depthwise-kernel", [['type = "conv2d"', 'weight = { file = "keras.npz", key = "depthwise" }', "groups = 3"]], '{ init = "ones", shape = [3, 4, 4] }', '{ init = "zeros" }', "squared_error")
    scenario("name-without-module", [linear("fc2", "data-parallel.pt")])
    scenario("name-without-state-dict", [linear("fc2", "checkpoint.pt")])
    scenario("name-with-model", [linear("model.fc2")])
    scenario("name-of-a-dictionary", [['type = "linear"', tensor("weight", "state_dict", "checkpoint.pt")]])
    scenario("name-of-a-number", [['type = "linear"', tensor("weight", "epoch", "checkpoint.pt")]])
    scenario("name-without-weight", [['type = "linear"', tensor("weight", "fc2")]])
    scenario("number-of-batches", [conv, ['type = "batch_norm2d"', tensor("running_mean", "bn.num_batches_tracked"), tensor("running_var", "bn.running_var")]], image, '{ init = "zeros" }', "squared_error")
    scenario("no-running-mean", [conv, ['type = "batch_norm2d"', tensor("weight", "bn.weight"), tensor("bias", "bn.bias")]], image, '{ init = "zeros" }', "squared_error")
    scenario("no-flatten", [conv, linear("fc1")], image)
    scenario("padding-forgotten", [conv, flat, linear("fc1")], '{ init = "ones", shape = [1, 6, 6] }')
    scenario("bias-of-another-layer", [['type = "linear"', tensor("weight", "fc2.weight"), tensor("bias", "fc1.bias")]])
    scenario("filter-as-matrix", [['type = "linear"', tensor("weight", "conv.weight")]])
    scenario("matrix-as-filter", [['type = "conv2d"', tensor("weight", "fc1.weight")]], image)
    scenario("whole-model", [linear("fc2", "whole-model.pt")])
    scenario("script", [linear("fc2", "script.pt")])
    scenario("onnx", [linear("fc2", "model.onnx")])
    scenario("hdf5", [linear("fc2", "model.h5")])
    scenario("pickle", [['type = "linear"', tensor("weight", "W1", "model.pkl")]])
    scenario("no-key", [['type = "linear"', 'weight = { file = "data.npz" }']])
    scenario("key-of-npy", [['type = "linear"', tensor("weight", "w", "fortran.npy")]], "[1, 2, 3]")
    scenario("no-file", [['type = "linear"', tensor("weight", "w", "weights.npz")]])
    scenario("other-folder", [['type = "linear"', tensor("weight", "w", "../data.npz")]])
    scenario("home-folder", [['type = "linear"', tensor("weight", "w", "~/data.npz")]])
    scenario("not-a-number", [['type = "linear"', tensor("weight", "nan", "data.npz")]])
    scenario("batch-as-input", [w], '{ file = "data.npz", key = "batch" }')
    scenario("image-hwc", [['type = "conv2d"', 'weight = { init = "ones", shape = [2, 3, 2, 2] }']], '{ file = "data.npz", key = "hwc" }', '{ init = "zeros" }', "squared_error")
    scenario("class-from-1", [w], target="3")
    samples = '\n[samples]\ninput = {{ file = "data.npz", key = "{}" }}\ntarget = {{ file = "data.npz", key = "{}" }}\n{}'
    for name, arguments in {
        "rows-beyond-the-file": ("x_flat", "y", "rows = [0, 10]\n"), "targets-of-floats": ("x_flat", "y_float", ""), "targets-from-1": ("x_flat", "y_from_1", ""),
        "targets-one-hot": ("x_flat", "one_hot", ""), "targets-in-a-column": ("x_flat", "y_column", ""), "targets-of-another-size": ("x_flat", "batch", ""),
        "pixels-to-255": ("x", "y", "rows = [0, 2]\n"),
    }.items():
        layers = [["type = \"flatten\""], ["type = \"linear\"", "weight = { init = \"ones\", shape = [3, 16] }"]] if name == "pixels-to-255" else [w]
        scenario(name, layers, inputs=None)
        path = HERE / f"{name}.toml"
        path.write_text(path.read_text().replace("\n\n[[layer]]", "\n" + samples.format(*arguments) + "\n[[layer]]", 1))


HERE.mkdir(exist_ok=True)
files()
scenarios()
