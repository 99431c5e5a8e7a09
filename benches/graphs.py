"""Measures the forward and backward pass of exercises of `tests/graphs/exercises` with PyTorch and with NumPy, for `graphs.rs`. Each line of standard input is
`torch:NAME` or `numpy:NAME`, and a number of calls. The answer is a line with the times of the calls in nanoseconds.

PyTorch executes the text of the exercise, then `backward()`. NumPy has the same lines and the derivatives by hand, as a student writes them; its gradients are
compared with PyTorch's before it is measured."""

import importlib.util
import pathlib
import sys
import textwrap
import time
import tomllib

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(int(sys.argv[1]))
TESTS = pathlib.Path(__file__).parent.parent / "tests"
# lines that a notebook has around its forward pass
AROUND = ("import ", "print(", "loss.backward()", "J.backward()", "torch.manual_seed", "for p in parameters", "p.grad", "for t in [", "logits, h,", "t.retain_grad")

spec = importlib.util.spec_from_file_location("networks", TESTS / "oracle" / "generate.py")
networks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(networks)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def cross_entropy(logits, y):
    """The loss, and its derivative by the logits."""
    n, rows = len(y), np.arange(len(y))
    p = softmax(logits)
    loss = -np.log(p[rows, y]).mean()
    p[rows, y] -= 1
    return loss, p / n


def cell(C, W1, b1, gain, shift, W2, b2, X, Y):
    n = X.shape[0]
    emb = C[X]
    flat = emb.reshape(n, -1)
    pre = flat @ W1 + b1
    mu = pre.sum(0, keepdims=True) / n
    dev = pre - mu
    var = (dev**2).sum(0, keepdims=True) / (n - 1)
    rstd = (var + 1e-5) ** -0.5
    normed = dev * rstd
    h = np.tanh(gain * normed + shift)
    logits = h @ W2 + b2
    loss, dlogits = cross_entropy(logits, Y)
    dh = dlogits @ W2.T
    dact = (1 - h * h) * dh
    dnormed = dact * gain
    dvar = (dnormed * dev).sum(0) * -0.5 * (var + 1e-5) ** -1.5
    ddev = dnormed * rstd + 2 * dev * dvar / (n - 1)
    dpre = ddev - ddev.sum(0) / n
    dC = np.zeros_like(C)
    np.add.at(dC, X, (dpre @ W1.T).reshape(emb.shape))
    return {
        "C": dC, "W1": flat.T @ dpre, "b1": dpre.sum(0), "gain": (dact * normed).sum(0), "shift": dact.sum(0), "W2": h.T @ dlogits, "b2": dlogits.sum(0),
    }


def layer_norm(x, g, b):
    mean = x.mean(-1, keepdims=True)
    rstd = (((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5) ** -0.5
    xhat = (x - mean) * rstd
    return xhat * g + b, (xhat, rstd, g)


def layer_norm_backward(dy, cache):
    xhat, rstd, g = cache
    d = dy * g
    dx = rstd * (d - d.mean(-1, keepdims=True) - xhat * (d * xhat).mean(-1, keepdims=True))
    axes = tuple(range(dy.ndim - 1))
    return dx, (dy * xhat).sum(axes), dy.sum(axes)


def attention(q, k, v):
    """The causal attention of the last two axes; its probabilities are kept for the derivatives."""
    t, scale = q.shape[-2], q.shape[-1] ** -0.5
    scores = q @ k.swapaxes(-1, -2) * scale
    p = softmax(np.where(np.tril(np.ones((t, t))) == 0, -np.inf, scores))
    return p @ v, (q, k, v, p, scale)


def attention_backward(dy, cache):
    q, k, v, p, scale = cache
    dp = dy @ v.swapaxes(-1, -2)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True)) * scale
    return ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ dy


def rows(x):
    return x.reshape(-1, x.shape[-1])


def transformer(x, g1, b1, Wqkv, Wproj, g2, b2, Wup, bup, Wdown, bdown, Wout, heads, targets):
    B, T, C = x.shape
    split = lambda z: z.reshape(B, T, heads, -1).swapaxes(1, 2)
    join = lambda z: z.swapaxes(1, 2).reshape(B, T, C)
    a, norm1 = layer_norm(x, g1, b1)
    q, k, v = np.split(a @ Wqkv, 3, axis=2)
    y, cache = attention(split(q), split(k), split(v))
    y = join(y)
    x1 = x + y @ Wproj
    m, norm2 = layer_norm(x1, g2, b2)
    u = m @ Wup + bup
    phi = 0.5 * (1 + erf(u / 2**0.5))
    w = u * phi
    x2 = x1 + w @ Wdown + bdown
    loss, dlogits = cross_entropy(rows(x2 @ Wout), targets.reshape(-1))
    dx2 = (dlogits @ Wout.T).reshape(x.shape)
    dw = dx2 @ Wdown.T
    du = dw * (phi + u * np.exp(-u * u / 2) / (2 * np.pi) ** 0.5)
    dm, dg2, db2 = layer_norm_backward(du @ Wup.T, norm2)
    dx1 = dx2 + dm
    dq, dk, dv = attention_backward(split(dx1 @ Wproj.T), cache)
    dqkv = np.concatenate([join(dq), join(dk), join(dv)], axis=2)
    da, dg1, db1 = layer_norm_backward(dqkv @ Wqkv.T, norm1)
    return {
        "x": dx1 + da, "g1": dg1, "b1": db1, "Wqkv": rows(a).T @ rows(dqkv), "Wproj": rows(y).T @ rows(dx1), "g2": dg2, "b2": db2,
        "Wup": rows(m).T @ rows(du), "bup": rows(du).sum(0), "Wdown": rows(w).T @ rows(dx2), "bdown": rows(dx2).sum(0), "Wout": rows(x2).T @ dlogits,
    }  # fmt: skip


def erf(x):
    # NumPy has no erf; PyTorch's works on the same memory
    return torch.erf(torch.from_numpy(x)).numpy()


def one_head(x, Wq, Wk, Wv, G):
    y, cache = attention(x @ Wq, x @ Wk, x @ Wv)
    loss = (y * G).sum()
    dq, dk, dv = attention_backward(G, cache)
    return {
        "x": dq @ Wq.T + dk @ Wk.T + dv @ Wv.T, "Wq": rows(x).T @ rows(dq), "Wk": rows(x).T @ rows(dk), "Wv": rows(x).T @ rows(dv), "G": y,
    }  # fmt: skip


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, Wx, Wh, b, h0, G):
    H = h0.shape[1]
    h, c, turns = h0, np.zeros_like(h0), []
    for t in range(len(x)):
        gates = x[t] @ Wx + h @ Wh + b
        i, f, o, g = sigmoid(gates[:, :H]), sigmoid(gates[:, H : 2 * H]), sigmoid(gates[:, 2 * H : 3 * H]), np.tanh(gates[:, 3 * H :])
        c_next = f * c + i * g
        tanh = np.tanh(c_next)
        turns.append((h, c, i, f, o, g, tanh))
        h, c = o * tanh, c_next
    loss = (h * G).sum()
    dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    dh, dc = G, np.zeros_like(h0)
    for t in reversed(range(len(x))):
        before, c, i, f, o, g, tanh = turns[t]
        dc = dc + dh * o * (1 - tanh * tanh)
        d = np.concatenate([dc * g * i * (1 - i), dc * c * f * (1 - f), dh * tanh * o * (1 - o), dc * i * (1 - g * g)], axis=1)
        dx[t], dWx, dWh, db = d @ Wx.T, dWx + x[t].T @ d, dWh + before.T @ d, db + d.sum(0)
        dh, dc = d @ Wh.T, dc * f
    return {"x": dx, "Wx": dWx, "Wh": dWh, "b": db, "h0": dh, "G": h}


BY_HAND = {
    "large-language-model-cell": cell,
    "language-model-batch-norm-lines": cell,
    "large-transformer-block": transformer,
    "attention-one-head": one_head,
    "lstm": lstm,
}
READY = {}


def prepare(side, name):
    graph = tomllib.loads((TESTS / "graphs" / "exercises" / f"{name}.toml").read_text())["graph"]
    inputs = {key: networks.tensor(value).detach().clone().requires_grad_() for key, value in graph["inputs"].items()}
    constants = graph.get("constants", {})
    lines = [line for line in textwrap.dedent(graph["nodes"]).splitlines() if not line.strip().startswith(AROUND)]
    code = compile("\n".join(lines), name, "exec")

    def with_torch():
        names = {"torch": torch, "F": F, **inputs, **tensors}
        begin = time.perf_counter_ns()
        for x in inputs.values():
            x.grad = None
        exec(code, names)
        names["loss" if "loss" in names else "J"].backward()
        return time.perf_counter_ns() - begin

    tensors = {key: torch.tensor(value) if isinstance(value, list) else value for key, value in constants.items()}
    if side == "torch":
        return with_torch
    with_torch()
    arrays = {key: x.detach().numpy() for key, x in inputs.items()}
    arrays |= {key: np.array(value) if isinstance(value, list) else value for key, value in constants.items()}
    for key, gradient in BY_HAND[name](**arrays).items():
        np.testing.assert_allclose(gradient, inputs[key].grad.numpy(), rtol=1e-8, atol=1e-12, err_msg=f"{name}: {key}")

    def with_numpy():
        begin = time.perf_counter_ns()
        BY_HAND[name](**arrays)
        return time.perf_counter_ns() - begin

    return with_numpy


for line in sys.stdin:
    name, calls = line.split()
    if name not in READY:
        READY[name] = prepare(*name.split(":"))
    print(*(READY[name]() for _ in range(int(calls))), flush=True)
