"""Writes the files of torch.save in tests/valid/weights and tests/invalid/weights: pip install torch numpy, then python tests/torch_files.py.

torch-NAME.npz has the tensors of torch-NAME.pt as float64, under the names that gradstep gives them.
"""

from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
VALID = HERE / "valid" / "weights"
INVALID = HERE / "invalid" / "weights"
torch.manual_seed(19)


def names(value, name=""):
    """All tensors below a value, with the keys that lead to them."""
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, (dict, list, tuple)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from names(item, f"{name}.{key}" if name else str(key))


def save(name, value, **options):
    torch.save(value, VALID / f"torch-{name}.pt", **options)
    np.savez_compressed(VALID / f"torch-{name}.npz", **{key: tensor.detach().double().numpy() for key, tensor in names(value)})


def types():
    table = torch.arange(6).reshape(2, 3)
    floats = {str(dtype)[6:]: (table / 3).to(dtype) for dtype in [torch.float64, torch.float32, torch.float16, torch.bfloat16]}
    whole = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64]
    integers = {str(dtype)[6:]: (table - (0 if dtype in whole[4:] else 3)).to(dtype) for dtype in whole}
    shared = torch.arange(24, dtype=torch.float32)
    views = {
        "transposed": torch.randn(2, 3, 4).permute(2, 0, 1),
        "first": shared[:10].reshape(2, 5),
        "second": shared[10:22].reshape(3, 4).T,
        "every other": shared[::2],
        "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 3),
        "scalar": torch.tensor(-0.0, dtype=torch.float64),
        "parameter": torch.nn.Parameter(torch.randn(2, 2)),
        "channels last": torch.randn(1, 2, 3, 3).to(memory_format=torch.channels_last),
    }
    return {**floats, **integers, "bool": table % 2 == 0, **views}


def checkpoint():
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 2), torch.nn.Flatten(), torch.nn.Linear(8, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model(torch.randn(2, 1, 3, 3)).square().sum().backward()
    optimizer.step()
    more = {"epoch": 3, "best": -0.5, "args": ["a", None, True, 2**70, -7], "history": [torch.ones(2), (torch.zeros(1), 0.25)]}
    return {**more, "state_dict": model.state_dict(), "optimizer": optimizer.state_dict()}


def legacy(value):
    """The types that files without zip can have: the storages of bytes are newer."""
    return {name: tensor for name, tensor in value.items() if tensor.dtype not in (torch.uint16, torch.uint32, torch.uint64)}


save("types", types())
save("checkpoint", checkpoint())
save("protocol5", {"a": torch.arange(3), "b": [torch.ones(2, 2).T]}, pickle_protocol=5)
save("old-types", legacy(types()), _use_new_zipfile_serialization=False)
save("old-checkpoint", checkpoint(), _use_new_zipfile_serialization=False)
torch.save(torch.arange(6.0).reshape(2, 3), VALID / "torch-single.pth")
net = torch.nn.Sequential(torch.nn.Linear(2, 2))
torch.save(net, INVALID / "module.pt")
torch.save(net.state_dict(), INVALID / "state.pt")
torch.save({"best": np.float64(0.5), "state": net.state_dict()}, INVALID / "numpy.pt")
torch.save({"c": torch.ones(2, dtype=torch.complex64)}, INVALID / "complex.pt")
torch.jit.save(torch.jit.script(net), INVALID / "script.pt")
whole = (INVALID / "state.pt").read_bytes()
(INVALID / "cut.pt").write_bytes(whole[: len(whole) // 2])
