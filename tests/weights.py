"""Writes tests/valid/weights and tests/invalid/weights: pip install numpy safetensors, then python tests/weights.py.

NumPy and safetensors write the valid files. Each invalid file is a valid file with one fault.
"""

import io
import json
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

HERE = Path(__file__).parent
VALID = HERE / "valid" / "weights"
INVALID = HERE / "invalid" / "weights"


def npy(array):
    """An array as the bytes of a .npy file."""
    to = io.BytesIO()
    np.save(to, array, allow_pickle=True)
    return to.getvalue()


def header(descr="'<f8'", order="False", shape="(2, 2)", data=32, length=None):
    """A .npy file with this header, which may be wrong, and `data` zero bytes."""
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", length or len(text)) + text + bytes(data)


def stored(infos, data, more=b""):
    """A .safetensors file with this header, which may be wrong, and `data` bytes."""
    text = json.dumps(infos).encode() if not isinstance(infos, bytes) else infos
    return struct.pack("<Q", len(text)) + text + bytes(data) + more


def valid():
    table = np.arange(6).reshape(2, 3)
    tensors = {}
    for dtype in ["f8", "f4", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]:
        tensors[f"little.{dtype}"] = table.astype(f"<{dtype}")
        tensors[f"big.{dtype}"] = table.astype(f">{dtype}")
    tensors["bool"] = table % 2 == 0
    tensors["fraction.f4"] = (table / 3).astype("<f4")
    tensors["fraction.f2"] = (table / 3).astype(">f2")
    tensors["fortran"] = np.asfortranarray(np.arange(24.0).reshape(2, 3, 4))
    tensors["scalar"] = np.float64(-0.0)
    tensors["large"] = np.arange(10_000, dtype="<f4").reshape(100, 100)
    np.savez(VALID / "types.npz", **{name: tensor for name, tensor in tensors.items() if name != "large"})
    np.savez_compressed(VALID / "deflated.npz", **tensors)
    np.save(VALID / "fortran.npy", np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)))
    kinds = {"float64": "<f8", "float32": "<f4", "float16": "<f2", "int8": "i1", "int16": "<i2", "int32": "<i4", "int64": "<i8", "uint8": "u1"}
    arrays = {name: table.astype(code) for name, code in kinds.items()}
    arrays["bfloat16"] = ((table / 3).astype("<f4").view("<u4") >> 16).astype("<u2")  # NumPy has no bfloat16
    spec = safetensors.TensorSpec
    specs = {name: spec(dtype=name, shape=[2, 3], data_ptr=array.ctypes.data, data_len=array.nbytes) for name, array in arrays.items()}
    (VALID / "types.safetensors").write_bytes(safetensors.serialize(specs, {"format": "np"}))
    # a small convolutional network: float32, as PyTorch saves it
    net = {
        "conv.weight": np.array([[[[1, 0.5], [-0.25, 2]]], [[[0, 1], [1, 0]]]], "<f4"),
        "conv.bias": np.array([0.5, -1], "<f4"),
        "fc.weight": np.array([[0.5, 1, -1, 2, 0.25, 0, 1, 1]], "<f4"),
    }
    np.savez(VALID / "net.npz", **net)
    safetensors.numpy.save_file(net, VALID / "net.safetensors")
    np.save(VALID / "image.npy", np.array([[1, 2, 0], [0, 1, 3], [2, 1, 1]], "u1"))


def invalid():
    good = npy(np.eye(2))
    files = {
        "good.npy": good,
        "nan.npy": npy(np.array([[1, 2], [3, np.nan]])),
        "infinite.npy": npy(np.array([[1, -np.inf], [3, 4]], ">f2", order="F")),
        "lossy.npy": npy(np.array([[1, 2], [3, 2**53 + 1]], "<i8")),
        "objects.npy": npy(np.array([[1, "x"], [3, 4]], object)),
        "complex.npy": npy(np.array([[1, 2], [3, 4]], complex)),
        "structure.npy": npy(np.array([(1, 2)], [("a", "<f8"), ("b", "<f8")])),
        "truncated.npy": good[:-3],
        "cut-header.npy": good[:40],
        "longer.npy": good + b"\0",
        "huge.npy": header(shape="(0, 18446744073709551615, 18446744073709551615)"),
        "claims.npy": header(shape="(100000, 100000)"),
        "overflow.npy": header(shape="(4294967296, 4294967296, 4294967296)"),
        "rank4.npy": npy(np.ones((1, 1, 1, 2))),
        "empty.npy": npy(np.zeros((0, 2))),
        "long-header.npy": header(shape="(2, 2)" + " " * 5000),
        "nothing.npy": b"",
        "text.npy": b"1, 2\n3, 4\n",
        "escape.npy": header(descr="'\x1b]52;c;AAAA\x07'"),
    }

    def npz(members, method=zipfile.ZIP_STORED):
        to = io.BytesIO()
        with zipfile.ZipFile(to, "w", method) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, data in members:
                archive.writestr(zipfile.ZipInfo(name), data, method)
        return to.getvalue()

    names = ["conv1.weight", "conv1.bias", "fc1.weight", "fc1.bias"]
    files["named.npz"] = npz([(f"{name}.npy", good) for name in names])
    files["many.npz"] = npz([(f"layer{n}.weight.npy", good) for n in range(40)])
    files["duplicate.npz"] = npz([("a.npy", good), ("b.npy", good), ("a.npy", npy(np.ones((2, 2))))])
    files["crc.npz"] = files["named.npz"].replace(struct.pack("<d", 1.0), struct.pack("<d", 1.5), 1)
    deflated = npz([("a.npy", npy(np.arange(4.0).reshape(2, 2)))], zipfile.ZIP_DEFLATED)
    # readers use the checksum in the directory, so that one is overwritten
    at = deflated.index(b"PK\x01\x02") + 16
    files["crc-deflated.npz"] = deflated[:at] + bytes(4) + deflated[at + 4 :]
    files["truncated.npz"] = files["named.npz"][:-30]
    files["text.npz"] = npz([("a.npy", b"hello")])
    files["lzma.npz"] = npz([("a.npy", good)], zipfile.ZIP_LZMA)
    # the directory gives 256 MiB as the unpacked size, but the data unpacks to 1 MiB
    bomb = npz([("a.npy", header(shape="(33554432,)", data=1 << 20))], zipfile.ZIP_DEFLATED)
    at = bomb.index(b"PK\x01\x02") + 24
    files["bomb.npz"] = bomb[:at] + struct.pack("<I", (1 << 28) + 128) + bomb[at + 4 :]

    def info(begin, end, dtype="F64", shape=(2, 2)):
        return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}

    files["gap.safetensors"] = stored({"a": info(0, 32), "b": info(40, 72)}, 72)
    files["overlap.safetensors"] = stored({"a": info(0, 32), "b": info(16, 48)}, 48)
    files["short.safetensors"] = stored({"a": info(0, 32), "b": info(32, 64)}, 60)
    files["claims.safetensors"] = stored({"a": info(0, 32, shape=(1000000, 1000000))}, 32)
    files["header.safetensors"] = struct.pack("<Q", 1 << 60) + b"{}"
    files["json.safetensors"] = stored(b'{"a": [}', 0)
    files["float8.safetensors"] = stored({"a": info(0, 4, "F8_E4M3")}, 4)
    once = json.dumps({"a": info(0, 32)})[1:-1]
    twice = json.dumps({"a": info(32, 64)})[1:-1]
    files["duplicate.safetensors"] = stored(f"{{{once}, {twice}}}".encode(), 64)
    files["escape.safetensors"] = stored({"\x1b]52;c;AAAA\x07": info(0, 32)}, 32)
    files["model.pt"] = b"PK"
    for name, data in files.items():
        (INVALID / name).write_bytes(data)


VALID.mkdir(exist_ok=True)
INVALID.mkdir(exist_ok=True)
valid()
invalid()
