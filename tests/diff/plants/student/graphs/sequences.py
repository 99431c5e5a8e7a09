"""Loops, lookups, attention, maxima and detached tensors."""
import numpy as np

from . import graph
from .dense import sigmoid, softmax, softmax_rows_backward


@graph("embedding", 131, {"C": (5, 2), "W1": (4, 6), "b1": (6,), "W2": (6, 5)}, {"ix": [[0, 2], [2, 2], [4, 0], [1, 2]], "y": [2, 4, 1, 0]}, """
emb = C[ix]
flat = emb.view(4, 4)
h = torch.tanh(flat @ W1 + b1)
logits = h @ W2
loss = F.cross_entropy(logits, y)
""")
def embedding(v, wrong):
    C, W1, W2, ix = v["C"], v["W1"], v["W2"], v["ix"]
    flat = C[ix].reshape(4, 4)
    h = np.tanh(flat @ W1 + v["b1"])
    d = softmax(h @ W2)
    d[np.arange(4), v["y"]] -= 1
    d = d / 4
    dh = d @ W2.T
    dz = dh if "activation-derivative-missing" in wrong else dh * (1 - h * h)
    dflat = dz @ W1.T
    demb = dflat.reshape(4, 2, 2)
    dC = np.zeros_like(C)
    if "repeated-index-overwritten" in wrong:
        dC[ix] = demb
    elif "repeated-index-overwritten/added" in wrong:   # += of NumPy adds once
        dC[ix] += demb
    else:
        np.add.at(dC, ix, demb)
    if "broadcast-averaged" in wrong:
        return {"C": dC, "W1": flat.T @ dz, "b1": dz.mean(0), "W2": h.T @ d}
    return {"C": dC, "W1": flat.T @ dz, "b1": dz.sum(0), "W2": h.T @ d, "emb": demb, "flat": dflat, "h": dh, "logits": d}


@graph("bag-of-words", 132, {"E": (6, 3), "w": (3,)}, {"words": [1, 4, 1, 0, 4, 4, 2], "t": 0.7}, """
rows = E[words]
s = rows.mean(0)
p = torch.tanh(s * s) @ w
J = (p - t)**2
""")
def bag_of_words(v, wrong):
    E, w, words = v["E"], v["w"], v["words"]
    s = E[words].mean(0)
    u = np.tanh(s * s)
    p = u @ w
    dp = 2 * (p - v["t"])
    ds = dp * w * (1 - u * u) * 2 * s
    if "factor-two-missing" in wrong:
        ds = dp * w * (1 - u * u) * s
    drows = np.tile(ds / (1 if "scale-missing" in wrong else len(words)), (len(words), 1))
    dE = np.zeros_like(E)
    if "repeated-index-overwritten" in wrong:
        for word, row in zip(words, drows):
            dE[word] = row
    else:
        for word, row in zip(words, drows):
            dE[word] += row
    return {"E": dE, "w": dp * u, "rows": drows, "s": ds, "p": dp}


@graph("edges", 133, {"x": (4, 3), "W": (3, 3), "a": (3,)}, {"source": [0, 2, 2, 3, 0], "G": (5, 3)}, """
m = x[source]
y = torch.sigmoid(m @ W) * a
J = (y * G).sum()
""")
def edges(v, wrong):
    x, W, a, source, G = (v[k] for k in ("x", "W", "a", "source", "G"))
    m = x[source]
    g = sigmoid(m @ W)
    dg = G * a
    dz = dg if "activation-derivative-missing" in wrong else dg * g * (1 - g)
    dm = dz @ W if "transpose-missing" in wrong else dz @ W.T
    dx = np.zeros_like(x)
    if "repeated-index-overwritten" in wrong:
        dx[source] = dm
    else:
        np.add.at(dx, source, dm)
    da = (G * g).sum(0)
    if "broadcast-not-summed" in wrong:
        da = G * g
    return {"x": dx, "W": m.T @ dz, "a": da, "m": dm}


def rnn_backward(v, wrong, last):
    """Three turns of h = tanh(x[t] @ W + h @ U + b); the error of h comes from each turn, or from the last one only."""
    x, W, U, b, G = (v[k] for k in ("x", "W", "U", "b", "G"))
    h = [np.zeros(U.shape[0])]
    for t in range(3):
        h.append(np.tanh(x[t] @ W + h[t] @ U + b))
    total = {"W": np.zeros_like(W), "U": np.zeros_like(U), "b": np.zeros_like(b)}
    errors, dh = {}, np.zeros_like(h[0])
    for t in reversed(range(3)):
        here = G if last else G[t]
        if not last or t == 2:
            dh = dh + here
        errors["h" if t == 2 else f"h@{t + 2}"] = dh
        dz = dh if "activation-derivative-missing" in wrong else dh * (1 - h[t + 1] ** 2)
        if "activation-derivative-wrong" in wrong:   # the state of the turn before
            dz = dh * (1 - h[t] ** 2)
        turn = {"W": np.outer(x[t], dz), "U": np.outer(h[t], dz), "b": dz}
        if "other-tensor-read" in wrong:             # the state after the turn
            turn["U"] = np.outer(h[t + 1], dz)
        for key in total:
            if "gradient-overwritten-per-turn" in wrong or f"gradient-overwritten-per-turn/{key}" in wrong:
                total[key] = turn[key]
            elif "gradient-overwritten-per-turn/last" in wrong:
                total[key] = turn[key] if t == 2 else total[key]
            else:
                total[key] = total[key] + turn[key]
        dh = dz @ U if "transpose-missing" in wrong else dz @ U.T
        if "path-forgotten" in wrong:             # the state is cut off from the turn before
            dh = dh * 0
    return {**total, **errors}


@graph("rnn-all", 134, {"W": (2, 3), "U": (3, 3), "b": (3,)}, {"x": (3, 2), "G": (3, 3)}, """
h = torch.zeros(3)
J = 0
for t in range(3):
    h = torch.tanh(x[t] @ W + h @ U + b)
    J = J + (h * G[t]).sum()
""")
def rnn_all(v, wrong):
    return rnn_backward(v, wrong, False)


@graph("rnn-last", 153, {"W": (3, 2), "U": (2, 2), "b": (2,)}, {"x": (3, 3), "G": (2,)}, """
h = torch.zeros(2)
for t in range(3):
    h = torch.tanh(x[t] @ W + h @ U + b)
J = (h * G).sum()
""", scale=0.4)
def rnn_last(v, wrong):
    return rnn_backward(v, wrong, True)


@graph("repeated-layer", 136, {"x": (2, 4), "W": (4, 4)}, {"G": (2, 4)}, """
y = x
for i in range(4):
    y = torch.sigmoid(y @ W)
J = (y * G).sum()
""")
def repeated_layer(v, wrong):
    x, W = v["x"], v["W"]
    ys = [x]
    for _ in range(4):
        ys.append(sigmoid(ys[-1] @ W))
    dy, dW = v["G"], np.zeros_like(W)
    for i in reversed(range(4)):
        dz = dy * ys[i + 1] * (1 - ys[i + 1])
        turn = ys[i].T @ dz
        if "gradient-overwritten-per-turn" in wrong:
            dW = turn
        elif "gradient-overwritten-per-turn/last" in wrong:
            dW = turn if i == 3 else dW
        else:
            dW += turn
        dy = dz @ W if "transpose-missing" in wrong else dz @ W.T
    return {"x": dy, "W": dW}


@graph("attention", 141, {"x": (3, 4), "Wq": (4, 2), "Wk": (4, 2), "Wv": (4, 3)}, {"G": (3, 3)}, """
q = x @ Wq
k = x @ Wk
v = x @ Wv
s = q @ k.T / 2**0.5
a = F.softmax(s, dim=-1)
o = a @ v
J = (o * G).sum()
""")
def attention(v, wrong):
    x, Wq, Wk, Wv, G = (v[k] for k in ("x", "Wq", "Wk", "Wv", "G"))
    q, k, val = x @ Wq, x @ Wk, x @ Wv
    forward = 1 if wrong & {"attention-scale-missing/both-ways", "attention-scale-missing/forward-only"} else np.sqrt(2)
    a = softmax(q @ k.T / forward)
    da, dv = G @ val.T, a.T @ G
    if "transpose-missing" in wrong:
        dv = a @ G
    ds = softmax_rows_backward(a, da)
    if "softmax-diagonal-only" in wrong:
        ds = da * a * (1 - a)
    if "activation-derivative-missing" in wrong:
        ds = da
    if "softmax-row-sum-missing" in wrong:
        ds = a * da
    if "softmax-sum-of-columns" in wrong:
        ds = a * (da - (a * da).sum(0))
    if "softmax-sum-wrong" in wrong:
        ds = a * (da - (a * da).sum())
    if "softmax-sum-wrong/added" in wrong:
        ds = a * (da + (a * da).sum(1, keepdims=True))
    if "softmax-sum-wrong/unweighted" in wrong:
        ds = a * (da - da.sum(1, keepdims=True))
    scaled = ds if wrong & {"attention-scale-missing/backward-only", "attention-scale-missing/both-ways"} else ds / np.sqrt(2)
    if "attention-scale-twice" in wrong:
        scaled = ds / 2
    dq, dk = scaled @ k, scaled.T @ q
    if "attention-scale-missing/key" in wrong:
        dk = ds.T @ q
    if "operand-gradient-swapped/query" in wrong:
        dq = scaled @ q
    if "operand-gradient-swapped" in wrong:
        dq, dk = scaled @ q, scaled.T @ k
    if "error-transposed" in wrong:
        dk = scaled @ q
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    if "path-forgotten" in wrong:
        dx = dq @ Wq.T + dk @ Wk.T
    dWq, dWk = x.T @ dq, x.T @ dk
    if "gradients-exchanged" in wrong:
        dWq, dWk = dWk, dWq
    return {"x": dx, "Wq": dWq, "Wk": dWk, "Wv": x.T @ dv, "q": dq, "k": dk, "v": dv, "s": ds, "a": da}


@graph("heads", 151, {"x": (2, 3, 4), "Wq": (4, 4), "Wk": (4, 4), "Wv": (4, 4)}, {"G": (2, 3, 4)}, """
q = (x @ Wq).view(2, 3, 2, 2).transpose(1, 2)
k = (x @ Wk).view(2, 3, 2, 2).transpose(1, 2)
v = (x @ Wv).view(2, 3, 2, 2).transpose(1, 2)
a = F.softmax(q @ k.transpose(-2, -1) / 2**0.5, dim=-1)
o = (a @ v).transpose(1, 2).reshape(2, 3, 4)
J = ((x + o) * G).sum()
""")
def heads(v, wrong):
    x, Wq, Wk, Wv, G = (v[k] for k in ("x", "Wq", "Wk", "Wv", "G"))
    split = lambda t: t.reshape(2, 3, 2, 2).swapaxes(1, 2)       # noqa: E731
    join = lambda t: t.swapaxes(1, 2).reshape(2, 3, 4)           # noqa: E731
    q, k, val = split(x @ Wq), split(x @ Wk), split(x @ Wv)
    a = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(2))
    do = split(G)
    if "transpose-missing/heads" in wrong:
        do = G.reshape(2, 2, 3, 2)
    dv = a.swapaxes(-1, -2) @ do
    if "transpose-missing" in wrong:
        dv = a @ do
    da = do @ val.swapaxes(-1, -2)
    ds = softmax_rows_backward(a, da) / np.sqrt(2)
    if "softmax-sum-wrong" in wrong:
        ds = a * (da - (a * da).sum()) / np.sqrt(2)
    dq, dk = ds @ k, ds.swapaxes(-1, -2) @ q
    if "operand-gradient-swapped/key" in wrong:
        dk = ds.swapaxes(-1, -2) @ k
    dq, dk, dv = join(dq), join(dk), join(dv)
    dW = lambda d: np.einsum("btc,btd->cd", x, d)                # noqa: E731
    dx = G + dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    if "path-counted-twice" in wrong:
        dx = dx + G
    return {"x": dx, "Wq": dW(dq), "Wk": dW(dk), "Wv": dW(dv), "a": da}


@graph("temperature", 142, {"x": (2, 3), "W": (3, 4), "c": (4,)}, {"T": 2.5, "y": [3, 1]}, """
z = (x @ W + c) / T
p = F.softmax(z, dim=1)
loss = -torch.log(p[range(2), y]).mean()
""")
def temperature(v, wrong):
    x, W, T, y = v["x"], v["W"], v["T"], v["y"]
    p = softmax((x @ W + v["c"]) / T)
    dp = np.zeros_like(p)
    dp[range(2), y] = -1 / p[range(2), y] / 2
    dz = softmax_rows_backward(p, dp)
    if "softmax-diagonal-only" in wrong:
        dz = dp * p * (1 - p)
    if "softmax-row-sum-missing" in wrong:
        dz = dp * p
    dl = dz if "scale-missing" in wrong else dz / T
    return {"x": dl @ W.T, "W": x.T @ dl, "c": dl.sum(0), "z": dz, "p": dp}


@graph("max-over-time", 143, {"x": (5, 3), "W": (3, 4), "b": (4,), "w": (4,)}, {"t": 0.4}, """
h = torch.tanh(x @ W + b)
m = h.max(0).values
J = (m @ w - t)**2
""")
def max_over_time(v, wrong):
    x, W, w = v["x"], v["W"], v["w"]
    h = np.tanh(x @ W + v["b"])
    m = h.max(0)
    d = 2 * (m @ w - v["t"])
    dm = d * w
    dh = np.zeros_like(h)
    dh[h.argmax(0), np.arange(4)] = dm
    if "max-gradient-to-all" in wrong:
        dh[:] = dm
    dz = dh if "activation-derivative-missing" in wrong else dh * (1 - h * h)
    return {"x": dz @ W.T, "W": x.T @ dz, "b": dz.sum(0), "w": d * m, "h": dh, "m": dm}


@graph("maxout", 144, {"W": (4, 6), "b": (6,)}, {"x": (3, 4), "G": (3, 2)}, """
z = (x @ W + b).view(3, 2, 3)
m = z.max(dim=2).values
J = (m * G).sum()
""")
def maxout(v, wrong):
    x, W, G = v["x"], v["W"], v["G"]
    z = (x @ W + v["b"]).reshape(3, 2, 3)
    dz = (z == z.max(2, keepdims=True)) * G[:, :, None]
    if "max-gradient-to-all" in wrong:
        dz = np.ones_like(z) * G[:, :, None]
    flat = dz.reshape(3, 6)
    db = flat.mean(0) if "broadcast-averaged" in wrong else flat.sum(0)
    return {"W": x.T @ flat, "b": db, "z": dz, "m": G}


@graph("hinge", 145, {"W": (3, 4)}, {"X": (5, 3), "y": [0, 3, 1, 1, 2]}, """
n = X.shape[0]
scores = X @ W
right = scores[np.arange(n), y][:, np.newaxis]
margins = np.maximum(0, scores - right + 1)
loss = np.sum(margins) / n
""")
def hinge(v, wrong):
    X, y = v["X"], v["y"]
    n = len(X)
    scores = X @ v["W"]
    right = scores[np.arange(n), y][:, None]
    on = (scores - right + 1 > 0) / (1 if "sum-instead-of-mean" in wrong else n)
    dright = -on.sum(1, keepdims=True)
    dscores = on.copy()
    if "path-forgotten" not in wrong:            # the score of the right class
        np.add.at(dscores, (np.arange(n), y), dright[:, 0])
    return {"W": X.T @ dscores, "scores": dscores, "right": dright, "margins": np.full_like(scores, 1 / n)}


@graph("bootstrap", 146, {"W": (3, 2), "b": (2,)}, {"s": (4, 3), "after": (4, 3), "r": (4,), "action": [0, 1, 1, 0], "discount": 0.9}, """
q = s @ W + b
chosen = q[range(4), action]
best = (after @ W + b).max(1).values
target = r + discount * best.detach()
J = ((chosen - target)**2).mean()
""")
def bootstrap(v, wrong):
    s, after, W, b, n = v["s"], v["after"], v["W"], v["b"], np.arange(4)
    q, ahead = s @ W + b, after @ W + b
    error = q[n, v["action"]] - (v["r"] + v["discount"] * ahead.max(1))
    dchosen = 2 * error / 4
    if "factor-two-missing" in wrong:
        dchosen = error / 4
    dq = np.zeros_like(q)
    dq[n, v["action"]] = dchosen
    dW, db = s.T @ dq, dq.sum(0)
    if "detached-tensor-differentiated" in wrong:
        dahead = np.zeros_like(ahead)
        dahead[n, ahead.argmax(1)] = -v["discount"] * dchosen
        dW, db = dW + after.T @ dahead, db + dahead.sum(0)
    return {"W": dW, "b": db, "q": dq, "chosen": dchosen}


@graph("two-views", 147, {"W": (4, 3), "V": (3, 3)}, {"x1": (2, 4), "x2": (2, 4)}, """
z1 = torch.tanh(x1 @ W)
z2 = torch.tanh(x2 @ W)
p = z1 @ V
goal = z2.detach()
J = ((p - goal)**2).sum()
""")
def two_views(v, wrong):
    W, V = v["W"], v["V"]
    z1, z2 = np.tanh(v["x1"] @ W), np.tanh(v["x2"] @ W)
    dp = 2 * (z1 @ V - z2)
    dz1 = dp @ V if "transpose-missing" in wrong else dp @ V.T
    dW = v["x1"].T @ (dz1 * (1 - z1 ** 2))
    if "detached-tensor-differentiated" in wrong:
        dW = dW + v["x2"].T @ (-dp * (1 - z2 ** 2))
    return {"W": dW, "V": z1.T @ dp, "z1": dz1, "p": dp}


@graph("graph-convolution", 148, {"W1": (2, 3), "W2": (3, 2)}, {"A": [[0.5, 0.5, 0, 0], [0, 0.3333, 0.3333, 0.3334], [1, 0, 0, 0], [0, 0.25, 0, 0.75]], "X": (4, 2), "G": (4, 2)}, """
H = torch.relu(A @ X @ W1)
Z = A @ H @ W2
J = (Z * G).sum()
""")
def graph_convolution(v, wrong):
    A, X, W1, W2, G = (v[k] for k in ("A", "X", "W1", "W2", "G"))
    H = np.maximum(A @ X @ W1, 0)
    dH = (A if "transpose-missing" in wrong else A.T) @ G @ W2.T
    dz = dH if "activation-derivative-missing" in wrong else dH * (H > 0)
    return {"W1": (A @ X).T @ dz, "W2": (A @ H).T @ G, "H": dH}
