"""The functions of a graph of tensors, as calls of PyTorch: the second file of generate.py.

`call(style, name, args, keywords)` evaluates one call. The style is the spelling: "torch" (also `F.`), "np", "math", "method" or "bare".
PyTorch's own functions are used wherever the spelling is PyTorch's. NumPy's spellings are small functions on PyTorch's tensors, so that
gradients flow through them.
"""

import math

import torch
import torch.nn.functional as F

NUMPY_KEYWORDS = {"axis", "keepdims", "ddof"}
TORCH_KEYWORDS = {"dim", "keepdim", "unbiased", "correction"}
# the place and the keyword of the argument that is a list of indices, and of the one that is a mask
INDICES = {
    "gather": (2, "index"),
    "index_select": (2, "index"),
    "embedding": (0, "input"),
    "one_hot": (0, "tensor"),
    "cross_entropy": (1, "target"),
    "nll_loss": (1, "target"),
    "take_along_dim": (1, "indices"),
}
MASKS = {"where": (0, "condition"), "masked_fill": (1, "mask")}
SECOND_NAMES = {
    "power": "pow",
    "multiply": "mul",
    "subtract": "sub",
    "divide": "div",
    "negative": "neg",
    "clip": "clamp",
    "t": "t",
    "fabs": "abs",
}
UNDER_TORCH = {"concatenate": "cat", "concat": "cat", "expand_dims": "unsqueeze"}


def is_tensor(x):
    return isinstance(x, torch.Tensor)


def number(x):
    """A tensor of float64 of a number, a list, a mask or a tensor of integers."""
    if is_tensor(x):
        return x if x.dtype == torch.float64 else x.double()
    return torch.as_tensor(x, dtype=torch.float64)


def mask(x):
    return x if is_tensor(x) and x.dtype == torch.bool else number(x).detach() != 0


class Uses:
    """The inputs that were used as an index, a class or a mask."""

    of = set()

    @classmethod
    def note(cls, x):
        """An index: integers without a derivative."""
        if is_tensor(x):
            root = getattr(x, "root", None)
            cls.of |= {root} if root else set()
            return x.detach().long()
        if isinstance(x, range):
            return torch.tensor(list(x))
        if isinstance(x, (list, tuple)):
            return torch.stack([torch.as_tensor(cls.note(y)) for y in x])
        return x

    @classmethod
    def mask(cls, x):
        root = getattr(x, "root", None)
        cls.of |= {root} if root else set()
        return mask(x)


# ---- NumPy's spellings ---------------------------------------------------------------------------------------------


def axes_of(x, dim):
    return tuple(range(x.dim())) if dim is None else dim


def np_max(which):
    def over(x, dim=None, keepdim=False):
        if dim is None or isinstance(dim, tuple):
            return getattr(torch, "a" + which)(x, axes_of(x, dim), keepdim)
        return getattr(torch, which)(x, dim, keepdim).values

    return over


def np_var(which):
    def over(x, dim=None, keepdim=False, ddof=0):
        return getattr(torch, which)(x, axes_of(x, dim), correction=ddof, keepdim=keepdim)

    return over


def np_dot(a, b):
    if a.dim() == 0 or b.dim() == 0:
        return a * b
    return torch.tensordot(a, b, dims=([a.dim() - 1], [max(b.dim() - 2, 0)]))


def np_transpose(x, *axes, **keywords):
    axes = axes or (keywords["axes"],) if axes or keywords else ()
    axes = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
    return x.permute(*(axes or reversed(range(x.dim()))))


def np_split(x, pieces, dim=0):
    if isinstance(pieces, int):
        assert x.shape[dim] % pieces == 0, "np.split: unequal pieces"
        return torch.split(x, x.shape[dim] // pieces, dim)
    return torch.tensor_split(x, list(pieces), dim)


def np_pad(x, widths, mode="constant", constant_values=0):
    widths = [[widths, widths]] * x.dim() if isinstance(widths, int) else [list(w) for w in widths]
    assert mode == "constant" and len(widths) == x.dim()
    return F.pad(x, [w for pair in reversed(widths) for w in pair], value=constant_values)


def np_cum(x, dim=None):
    return torch.cumsum(x.flatten() if dim is None else x, 0 if dim is None else dim)


def np_prod(x, dim=None, keepdim=False):
    return torch.prod(x) if dim is None else torch.prod(x, dim, keepdim)


def np_norm(x, ord=None, dim=None, keepdim=False):
    return torch.linalg.norm(x, ord, dim, keepdim)


def np_clip(x, low=None, high=None, **keywords):
    return torch.clamp(x, keywords.get("a_min", keywords.get("min", low)), keywords.get("a_max", keywords.get("max", high)))


NUMPY = {
    "max": np_max("max"),
    "min": np_max("min"),
    "var": np_var("var"),
    "std": np_var("std"),
    "dot": np_dot,
    "transpose": np_transpose,
    "amax": lambda x, dim=None, keepdim=False: torch.amax(x, axes_of(x, dim), keepdim),
    "amin": lambda x, dim=None, keepdim=False: torch.amin(x, axes_of(x, dim), keepdim),
    "sum": lambda x, dim=None, keepdim=False: torch.sum(x, axes_of(x, dim), keepdim),
    "mean": lambda x, dim=None, keepdim=False: torch.mean(x, axes_of(x, dim), keepdim),
    "prod": np_prod,
    "cumsum": np_cum,
    "norm": np_norm,
    "split": np_split,
    "pad": np_pad,
    "clip": np_clip,
    "repeat": lambda x, n, dim=None: torch.repeat_interleave(x, n, dim),
    "tile": lambda x, n: torch.tile(x, (n,) if isinstance(n, int) else n),
    "flip": lambda x, dim=None: torch.flip(x, (dim,) if isinstance(dim, int) else axes_of(x, dim)),
    "outer": lambda a, b: torch.outer(a.flatten(), b.flatten()),
    "expand_dims": lambda x, dim: torch.unsqueeze(x, dim),
    "concatenate": lambda xs, dim=0: torch.cat(tuple(xs), dim),
    "stack": lambda xs, dim=0: torch.stack(tuple(xs), dim),
    "swapaxes": lambda x, a, b: torch.swapaxes(x, a, b),
    "reshape": lambda x, shape: torch.reshape(x, (shape,) if isinstance(shape, int) else tuple(shape)),
    "squeeze": lambda x, dim=None: torch.squeeze(x) if dim is None else torch.squeeze(x, dim),
    "argmax": lambda x, dim=None: torch.argmax(x, dim),
    "hstack": torch.hstack,
    "vstack": torch.vstack,
}

# ---- PyTorch's spellings that need more than PyTorch's own function ------------------------------------------------


def softplus(x, beta=1.0, threshold=20.0):
    """Exact: F.softplus returns x itself above a threshold."""
    return torch.logaddexp(beta * x, torch.zeros_like(x)) / beta


def elementwise_or_axis(which):
    def of(x, y=None, *rest, **keywords):
        if y is not None and not isinstance(y, int):
            return getattr(torch, which + "imum")(number(x), number(y))
        return getattr(torch, which)(x, *([] if y is None else [y]), *rest, **keywords)

    return of


def dropout(x, p=0.5, training=True):
    assert p == 0 or not training, "dropout needs a mask"
    return x.clone()


def zeros(fill):
    def of(*shape):
        shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return torch.full(tuple(shape), float(fill))

    return of


TORCH = {
    "softplus": softplus,
    "max": elementwise_or_axis("max"),
    "min": elementwise_or_axis("min"),
    "dropout": dropout,
    "zeros": zeros(0),
    "ones": zeros(1),
    "full": lambda shape, value: torch.full((shape,) if isinstance(shape, int) else tuple(shape), float(value)),
    "arange": lambda *bounds: torch.arange(*bounds),
    "tensor": lambda x: torch.as_tensor(x),
    "eye": lambda *sizes: torch.eye(*sizes),
    "zeros_like": lambda x: torch.zeros_like(x, dtype=torch.float64, requires_grad=False),
    "ones_like": lambda x: torch.ones_like(x, dtype=torch.float64, requires_grad=False),
    "maximum": lambda a, b: torch.maximum(*torch.broadcast_tensors(number(a), number(b))),
    "minimum": lambda a, b: torch.minimum(*torch.broadcast_tensors(number(a), number(b))),
    "pow": lambda a, b: a**b,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "ravel": lambda x: x.flatten(),
    "neg": lambda x: -x,
    "clamp_min": lambda x, low: torch.clamp(x, min=low),
    "expand_dims": lambda x, dim: torch.unsqueeze(x, dim),
    "tile": lambda x, *n: torch.tile(x, n[0] if isinstance(n[0], tuple) else n),
}

# ---- methods -------------------------------------------------------------------------------------------------------

METHODS = {
    "float": number,
    "double": number,
    "clone": lambda x: x.clone(),
    "contiguous": lambda x: x.contiguous(),
    "view": lambda x, *shape: x.reshape(*shape),
    "to": lambda x, *_: number(x),
    "int": lambda x: x.detach().long(),
    "long": lambda x: x.detach().long(),
    "bool": mask,
    "item": lambda x: x.detach(),
    "detach": lambda x: x.detach(),
    "numel": lambda x: x.numel(),
    "dim": lambda x: x.dim(),
    "size": lambda x, i=None: tuple(x.shape) if i is None else x.shape[i],
}
KEPT = (
    "view",
    "reshape",
    "long",
    "int",
    "float",
    "double",
    "to",
    "flatten",
    "contiguous",
    "ravel",
    "squeeze",
    "unsqueeze",
    "bool",
    "clone",
)


def only_numpy(name, args, keywords):
    """Whether the arguments of a method fit NumPy's function alone."""
    x, rest = args[0], args[1:]
    if name == "transpose":
        return len(rest) != 2
    if name == "dot":
        return x.dim() != 1
    return name == "flip" and not rest and "dims" not in keywords


def converted(name, args, keywords):
    """The arguments with their types: indices are integers, masks are booleans, all else is float64."""

    logits = args[0] if args else keywords.get("input")
    same_shape = name == "cross_entropy" and is_tensor(logits)

    def one(place, x):
        if place in (INDICES.get(name) or ()):
            return number(x) if same_shape and is_tensor(x) and x.shape == logits.shape else Uses.note(x)
        if place in (MASKS.get(name) or ()):
            return Uses.mask(x)
        if is_tensor(x) and x.dtype == torch.bool and name not in ("sum", "mean"):
            return x
        return number(x) if is_tensor(x) else x

    args = [one(i, x) for i, x in enumerate(args)]
    keywords = {k: one(k, x) for k, x in keywords.items() if k not in ("dtype", "device")}
    return args, keywords


def call(style, name, args, keywords):
    if style == "math":
        return getattr(math, name)(*args)
    if style == "method" and name == "where":
        # x.where(condition, other)
        style, args = "torch", [args[1], args[0], *args[2:]]
    numpy = style == "np" or NUMPY_KEYWORDS & set(keywords) or (style == "method" and only_numpy(name, args, keywords))
    # PyTorch's keyword wins over a prefix that fits both
    assert not (NUMPY_KEYWORDS & set(keywords) and TORCH_KEYWORDS & set(keywords)), "both spellings in one call"
    keywords = {{"axis": "dim", "keepdims": "keepdim"}.get(k, k): v for k, v in keywords.items()}
    if name not in (
        "cat",
        "concat",
        "concatenate",
        "stack",
        "hstack",
        "vstack",
        "tensor",
        "zeros",
        "ones",
        "full",
        "arange",
        "eye",
        "einsum",
    ):
        if args and isinstance(args[0], (int, float)):
            args = [number(args[0]), *args[1:]]
    else:
        args = [[number(x) for x in a] if isinstance(a, (list, tuple)) and any(map(is_tensor, a)) else a for a in args]
    args, keywords = converted(name, args, keywords)
    root = getattr(args[0], "root", None) if args and is_tensor(args[0]) and name in KEPT else None
    result = choose(style, name, args, numpy)(*args, **keywords)
    if root and is_tensor(result):
        result.root = root
    return result


def choose(style, name, args, numpy):
    """The function of a name in a spelling."""
    second = SECOND_NAMES.get(name, name)
    if style == "method" and name in METHODS:
        return METHODS[name]
    if numpy and name in NUMPY:
        return NUMPY[name]
    if style == "bare" and name in ("max", "min") and len(args) == 2:
        return lambda a, b: getattr(torch, name + "imum")(*torch.broadcast_tensors(number(a), number(b)))
    if second in TORCH:
        return TORCH[second]
    second = UNDER_TORCH.get(second, second)
    if style == "method" and hasattr(torch.Tensor, second):
        return getattr(torch.Tensor, second)
    for module in (F, torch, torch.linalg):
        if hasattr(module, second):
            return getattr(module, second)
    if hasattr(torch.Tensor, second):
        return getattr(torch.Tensor, second)
    raise NameError(f"unknown function {name}")
