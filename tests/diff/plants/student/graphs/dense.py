"""Regressions and classifiers, line by line."""
import numpy as np

from . import graph


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softmax_rows_backward(p, dp):
    return p * (dp - (dp * p).sum(-1, keepdims=True))


@graph("affine", 101, {"x": (5, 3), "W": (3, 4), "b": (4,)}, {"t": (5, 4)}, """
y = x @ W + b
e = y - t
J = (e**2).mean()
""")
def affine(v, wrong):
    x, W, b, t = v["x"], v["W"], v["b"], v["t"]
    y = x @ W + b
    e = y - t
    de = 2 * e / e.size
    if "power-rule-wrong" in wrong:             # n eⁿ
        de = 2 * e ** 2 / e.size
    if "factor-two-missing" in wrong:
        de = e / e.size
    if "sum-instead-of-mean" in wrong:
        de = 2 * e
    if "sum-instead-of-mean/rows" in wrong:      # divided by the number of examples only
        de = 2 * e / len(e)
    dy = -de if "sign-flipped" in wrong else de
    db = dy.sum(0)
    if "broadcast-not-summed" in wrong:
        db = dy
    if "broadcast-not-summed/last" in wrong:
        db = dy[-1]
    if "broadcast-averaged" in wrong:
        db = dy.mean(0)
    return {"x": dy @ W.T, "W": x.T @ dy, "b": db, "y": dy, "e": de}


@graph("square-affine", 102, {"x": (4, 4), "W": (4, 4), "b": (4,)}, {"G": (4, 4)}, """
z = x @ W + b
h = torch.tanh(z)
J = (h * G).sum()
""")
def square_affine(v, wrong):
    x, W, b, G = v["x"], v["W"], v["b"], v["G"]
    h = np.tanh(x @ W + b)
    dh = G
    dz = dh * (1 - h ** 2)
    if "activation-derivative-missing" in wrong:
        dz = dh
    if "derivative-at-a-instead-of-z" in wrong:
        dz = dh * (1 - np.tanh(h) ** 2)
    db = dz.sum(1) if "keepdim-lost" in wrong else dz.sum(0)
    dW, dx = x.T @ dz, dz @ W.T
    if "transpose-missing/W" in wrong:
        dx = dz @ W
    if "transpose-missing/x" in wrong:
        dW = x @ dz
    if "operand-gradient-swapped" in wrong:
        dx, dW = dW, dx
    if "weight-layout-transposed" in wrong:
        dW = dW.T
    return {"x": dx, "W": dW, "b": db, "h": dh, "z": dz}


@graph("softmax-lines", 103, {"x": (4, 3), "W": (3, 4), "b": (4,)}, {"y": [2, 0, 3, 0]}, """
z = x @ W + b
m = z.max(1, keepdim=True).values
e = torch.exp(z - m)
s = e.sum(1, keepdim=True)
p = e / s
q = p[range(4), y]
J = -torch.log(q).mean()
""")
def softmax_lines(v, wrong):
    x, W, b, y = v["x"], v["W"], v["b"], v["y"]
    n = np.arange(4)
    z = x @ W + b
    m = z.max(1, keepdims=True)
    e = np.exp(z - m)
    s = e.sum(1, keepdims=True)
    p = e / s
    q = p[n, y]
    dq = -1 / q / 4
    dp = np.zeros_like(p)
    dp[n, y] = dq
    de = dp / s
    ds = (-dp * e / s ** 2).sum(1, keepdims=True)
    if "broadcast-not-summed" in wrong:
        ds = -dp * e / s ** 2
    if "power-rule-wrong" in wrong:             # the derivative of 1/s as -1/s
        ds = (-dp * e / s).sum(1, keepdims=True)
    if "path-forgotten" not in wrong:            # the denominator
        de = de + (ds.reshape(1, 4) if "keepdim-lost" in wrong else ds)
    dd = de * e
    dm = -dd.sum(1, keepdims=True)
    first = np.zeros_like(z)
    first[n, z.argmax(1)] = 1
    dz = dd + (np.ones_like(z) if "max-gradient-to-all" in wrong else first) * dm
    return {"x": dz @ W.T, "W": x.T @ dz, "b": dz.sum(0), "z": dz, "m": dm, "e": de, "s": ds, "p": dp, "q": dq}


@graph("softmax-call", 104, {"x": (3, 2), "W": (2, 5)}, {"t": [[0, 1, 0, 0, 0], [0.5, 0, 0.5, 0, 0], [0, 0, 0, 0.25, 0.75]]}, """
z = x @ W
p = F.softmax(z, dim=1)
l = torch.log(p)
J = -(t * l).sum() / 3
""")
def softmax_call(v, wrong):
    x, W, t = v["x"], v["W"], v["t"]
    p = softmax(x @ W)
    if "softmax-along-wrong-axis" in wrong:
        p = softmax((x @ W).T).T
    dl = -t / 3
    if "sum-instead-of-mean" in wrong:
        dl = -t
    if "sign-flipped" in wrong:
        dl = -dl
    dp = dl / p
    dz = softmax_rows_backward(p, dp)
    if "softmax-along-wrong-axis" in wrong:
        dz = softmax_rows_backward(p.T, dp.T).T
    if "softmax-diagonal-only" in wrong:
        dz = dp * p * (1 - p)
    if "softmax-derivative-twice" in wrong:
        dz = softmax_rows_backward(p, dz)
    return {"x": dz @ W.T, "W": x.T @ dz, "z": dz, "p": dp, "l": dl}


@graph("classifier", 105, {"W1": (3, 6), "b1": (6,), "W2": (6, 4), "b2": (4,)}, {"x": (5, 3), "y": [1, 3, 0, 2, 3]}, """
h = torch.tanh(x @ W1 + b1)
logits = h @ W2 + b2
loss = F.cross_entropy(logits, y)
""")
def classifier(v, wrong):
    x, y, W1, b1, W2, b2 = (v[k] for k in ("x", "y", "W1", "b1", "W2", "b2"))
    h = np.tanh(x @ W1 + b1)
    p = softmax(h @ W2 + b2)
    if "wrong-target/next" in wrong:
        y = (y + 1) % 4
    d = p.copy()
    if "wrong-target/roll" in wrong:
        y = np.roll(y, 1)
    if "target-not-subtracted" not in wrong:
        d[np.arange(5), y] -= 1
    if "softmax-derivative-twice" in wrong:
        d = softmax_rows_backward(p, d)
    if "sum-instead-of-mean" not in wrong:
        d = d / 5
    db2 = d.mean(0) if "broadcast-averaged" in wrong else d.sum(0)
    dh = d @ W2.T
    dz = dh * (1 - h * h)
    if "activation-derivative-missing" in wrong:
        dz = dh
    if "derivative-at-a-instead-of-z" in wrong:
        dz = dh * (1 - np.tanh(h) ** 2)
    if "derivative-of-another-activation" in wrong:
        dz = dh * h * (1 - h)
    db1 = dz if "broadcast-not-summed" in wrong else dz.sum(0)
    if "broadcast-averaged" in wrong:
        db1 = dz.mean(0)
    dW2 = h.T @ d
    if "other-tensor-read" in wrong:             # z in the place of h
        dW2 = (x @ W1 + b1).T @ d
    if "overwrite-instead-of-accumulate" in wrong:    # dW2 = … in a loop over the examples
        dW2 = np.outer(h[-1], d[-1])
    return {"W1": x.T @ dz, "b1": db1, "W2": dW2, "b2": db2, "h": dh, "logits": d}


@graph("logistic", 106, {"w": (4,), "b": ()}, {"x": (6, 4), "t": [1, 0, 0, 1, 1, 0]}, """
z = x @ w + b
p = torch.sigmoid(z)
loss = F.binary_cross_entropy(p, t)
""")
def logistic(v, wrong):
    x, t = v["x"], v["t"]
    p = sigmoid(x @ v["w"] + v["b"])
    dp = (p - t) / (p * (1 - p)) / 6
    dz = dp * p * (1 - p)
    if "activation-derivative-missing" in wrong:
        dz = dp
    if "sigmoid-derivative-on-top-of-cross-entropy" in wrong:
        dz = (p - t) / 6 * p * (1 - p)
    if "sum-instead-of-mean" in wrong:
        dz = p - t
    db = dz.mean() if "broadcast-averaged" in wrong else dz.sum()
    if "broadcast-not-summed" in wrong:
        db = dz
    return {"w": x.T @ dz, "b": db, "z": dz}


@graph("powers", 107, {"x": (3, 4), "a": (4,), "c": ()}, {"t": (3, 4)}, """
u = x**3
w = u * a + c
J = ((w - t)**2).sum()
""")
def powers(v, wrong):
    x, a, t = v["x"], v["a"], v["t"]
    u = x ** 3
    w = u * a + v["c"]
    dw = 2 * (w - t)
    du = dw * a
    da = (dw * u).sum(0)
    if "operand-gradient-swapped" in wrong:
        du, da = dw * u, (dw * a).sum(0)
    if "broadcast-averaged" in wrong:
        da = (dw * u).mean(0)
    dx = du * 3 * x ** 2
    if "power-rule-wrong" in wrong:             # n xⁿ
        dx = du * 3 * x ** 3
    if "power-rule-wrong/exponent" in wrong:     # xⁿ⁻¹ without n
        dx = du * x ** 2
    if "broadcast-not-summed" in wrong:
        da = dw * u
    return {"x": dx, "a": da, "c": dw.sum(), "u": du, "w": dw}


@graph("inverse-root", 108, {"s": [0.7, 1.9, 3.2], "W": (3, 3)}, {"G": (3, 3)}, """
r = s**-0.5
y = W * r
J = (y * G).sum()
""")
def inverse_root(v, wrong):
    s, W, G = v["s"], v["W"], v["G"]
    r = s ** -0.5
    dy = G
    dr = (dy * W).sum(0)
    dW = dy * r
    if "keepdim-lost" in wrong:
        dr = (dy * W).sum(1)
    if "operand-gradient-swapped" in wrong:
        dr, dW = (dy * r).sum(0), dy * W
    ds = dr * -0.5 * s ** -1.5
    if "power-rule-wrong" in wrong:             # n - 1 is -1.5, here + 1
        ds = dr * -0.5 * s ** 0.5
    if "power-rule-wrong/exponent" in wrong:
        ds = dr * s ** -1.5
    return {"s": ds, "W": dW, "y": dy, "r": dr}


@graph("difference", 109, {"a": (3, 2), "b": (3, 2), "s": [1.3, 0.6]}, {"G": (3, 2)}, """
d = a - b
q = d / s
y = torch.sigmoid(q)
J = (y * G).sum()
""")
def difference(v, wrong):
    a, b, s, G = v["a"], v["b"], v["s"], v["G"]
    d = a - b
    y = sigmoid(d / s)
    dq = G * y * (1 - y)
    if "activation-derivative-missing" in wrong:
        dq = G
    dd, ds = dq / s, (-dq * d / s ** 2).sum(0)
    da, db = dd, -dd
    if "operand-gradient-swapped" in wrong:
        da, db = db, da
    if "operand-gradient-swapped/sign" in wrong:    # b gets the gradient of a sum
        db = dd
    if "broadcast-averaged" in wrong:
        ds = (-dq * d / s ** 2).mean(0)
    return {"a": da, "b": db, "s": ds, "d": dd, "q": dq}


@graph("gate", 110, {"x": (3, 4), "Wg": (4, 2), "Wc": (4, 2), "bg": (2,)}, {"G": (3, 2)}, """
g = torch.sigmoid(x @ Wg + bg)
c = torch.tanh(x @ Wc)
h = g * c
J = (h * G).sum()
""")
def gate(v, wrong):
    x, Wg, Wc, G = v["x"], v["Wg"], v["Wc"], v["G"]
    g, c = sigmoid(x @ Wg + v["bg"]), np.tanh(x @ Wc)
    dg, dc = G * c, G * g
    if "operand-gradient-swapped" in wrong:
        dg, dc = G * g, G * c
    if "product-factor-missing" in wrong:
        dc = G
    zg, zc = dg * g * (1 - g), dc * (1 - c * c)
    if "activation-derivative-missing" in wrong:
        zg = dg
    if "derivative-of-another-activation" in wrong:
        zg = dg * (1 - g * g)
    dx = zg @ Wg.T + zc @ Wc.T
    if "path-forgotten" in wrong:
        dx = zc @ Wc.T
    return {"x": dx, "Wg": x.T @ zg, "Wc": x.T @ zc, "bg": zg.sum(0), "g": dg, "c": dc}


@graph("residual", 111, {"W1": (3, 4), "W2": (4, 4), "W3": (4, 2)}, {"x": (3, 3), "t": (3, 2)}, """
h = torch.relu(x @ W1)
y = h + torch.tanh(h @ W2)
o = y @ W3
J = ((o - t)**2).mean()
""")
def residual(v, wrong):
    x, t, W1, W2, W3 = (v[k] for k in ("x", "t", "W1", "W2", "W3"))
    h = np.maximum(x @ W1, 0)
    f = np.tanh(h @ W2)
    y = h + f
    o = y @ W3
    do = 2 * (o - t) / o.size
    dy = do @ W3.T
    df = dy * (1 - f * f)
    dh = dy + df @ W2.T
    if "path-forgotten/skip" in wrong:
        dh = df @ W2.T
    if "path-forgotten/branch" in wrong:
        dh = dy
    if "path-counted-twice" in wrong:
        dh = 2 * dy + df @ W2.T
    if "transpose-missing" in wrong:
        dh = dy + df @ W2
    dz = dh * (h > 0)
    if "relu-mask-from-gradient" in wrong:
        dz = dh * (dh > 0)
    if "activation-instead-of-derivative" in wrong:
        dz = dh * h
    if "activation-derivative-missing" in wrong:
        dz = dh
    return {"W1": x.T @ dz, "W2": h.T @ df, "W3": y.T @ do, "h": dh, "y": dy, "o": do}
