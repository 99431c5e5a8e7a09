"""Normalisation, line by line."""
import numpy as np

from . import graph


@graph("batch-norm-lines", 121, {"W": (4, 3), "gamma": [0.8, 1.4, -0.6], "beta": (3,)}, {"x": (5, 4), "G": (5, 3), "eps": 0.01}, """
h = x @ W
mu = h.mean(0, keepdim=True)
diff = h - mu
var = (diff**2).mean(0, keepdim=True)
inv = (var + eps)**-0.5
xhat = diff * inv
y = gamma * xhat + beta
J = (y * G).sum()
""")
def batch_norm(v, wrong):
    x, W, gamma, G, eps = (v[k] for k in ("x", "W", "gamma", "G", "eps"))
    n = len(x)
    h = x @ W
    mu = h.mean(0, keepdims=True)
    diff = h - mu
    var = (diff ** 2).mean(0, keepdims=True)
    inv = (var + eps) ** -0.5
    xhat = diff * inv
    dxhat = G * gamma
    if "norm-weight-missing" in wrong:
        dxhat = G
    dinv = (dxhat * diff).sum(0, keepdims=True)
    dvar = dinv * -0.5 * (var + eps) ** -1.5
    if "power-rule-wrong" in wrong:
        dvar = dinv * -0.5 * (var + eps) ** -0.5
    ddiff = dxhat * inv
    variance_path = dvar * 2 * diff / (n - 1 if "norm-n-for-n-minus-1" in wrong else n)
    if "scale-missing" in wrong:                 # the 1/n of the variance
        variance_path = dvar * 2 * diff
    if "norm-variance-path-missing" not in wrong:
        ddiff = ddiff + variance_path
    if "path-forgotten" in wrong:                # the numerator of xhat
        ddiff = variance_path
    dmu = -ddiff.sum(0, keepdims=True)
    if "broadcast-not-summed" in wrong:
        dmu = -ddiff
    if "broadcast-averaged/mu" in wrong:
        dmu = -ddiff.mean(0, keepdims=True)
    dh = ddiff + dmu / n
    if "norm-mean-path-missing" in wrong:
        dh = ddiff
    dgamma = (G * xhat).mean(0) if "broadcast-averaged" in wrong else (G * xhat).sum(0)
    dbeta = G.mean(0) if "broadcast-averaged" in wrong else G.sum(0)
    if "operand-gradient-swapped" in wrong:
        dgamma = (G * gamma).sum(0)
    if "norm-weight-gradient-wrong/centred" in wrong:
        dgamma = (G * diff).sum(0)
    if "norm-weight-gradient-wrong/input" in wrong:
        dgamma = (G * h).sum(0)
    return {"W": x.T @ dh, "gamma": dgamma, "beta": dbeta, "h": dh, "mu": dmu, "diff": ddiff, "var": dvar, "inv": dinv, "xhat": dxhat}


@graph("layer-norm-lines", 122, {"x": (4, 4), "g": [1.2, 0.7, -0.9, 1.5], "b": (4,)}, {"G": (4, 4)}, """
mu = x.mean(1, keepdim=True)
d = x - mu
v = (d**2).mean(1, keepdim=True)
r = torch.rsqrt(v + 0.001)
n = d * r
y = n * g + b
J = (y * G).sum()
""")
def layer_norm(v, wrong):
    x, g, G = v["x"], v["g"], v["G"]
    size = x.shape[1]
    d = x - x.mean(1, keepdims=True)
    var = (d ** 2).mean(1, keepdims=True)
    r = 1 / np.sqrt(var + 0.001)
    dn = G * g
    dr = (dn * d).sum(1, keepdims=True)
    dv = dr * -0.5 * r ** 3
    dd = dn * r
    if "norm-variance-path-missing" not in wrong:
        two = 1 if "power-rule-wrong" in wrong else 2
        dd = dd + dv * two * d / (size - 1 if "norm-n-for-n-minus-1" in wrong else size)
    dmu = -dd.sum(1, keepdims=True)
    if "keepdim-lost" in wrong:                  # the sum of the other axis
        dmu = -dd.sum(0).reshape(-1, 1)
    dx = dd + dmu / size
    if "norm-mean-path-missing" in wrong:
        dx = dd
    xhat = d * r
    if "norm-sigma-wrong" in wrong:
        dx = dn - dn.mean(1, keepdims=True) - xhat * (dn * xhat).mean(1, keepdims=True)
    if "norm-sigma-wrong/twice" in wrong:
        dx = r ** 2 * (dn - dn.mean(1, keepdims=True) - xhat * (dn * xhat).mean(1, keepdims=True))
    if "norm-sums-along-wrong-axis" in wrong:
        dx = r * (dn - dn.mean(0) - xhat * (dn * xhat).mean(0))
    if "norm-variance-path-wrong" in wrong:
        dx = r * (dn - dn.mean(1, keepdims=True) - x * (dn * xhat).mean(1, keepdims=True))
    if "path-forgotten" in wrong:                # x only through mu
        dx = np.broadcast_to(dmu / size, x.shape)
    db = G.sum(1) if "keepdim-lost/b" in wrong else G.sum(0)
    return {"x": dx, "g": (G * d * r).sum(0), "b": db, "mu": dmu, "d": dd, "v": dv, "r": dr, "n": dn}


@graph("batch-norm-call", 123, {"W": (3, 2), "g": [1.3, 0.5], "b": (2,)}, {"x": (6, 3), "t": (6, 2)}, """
h = x @ W
y = F.batch_norm(h, None, None, g, b, training=True, eps=0.001)
a = torch.relu(y)
J = F.mse_loss(a, t)
""")
def batch_norm_call(v, wrong):
    x, W, g, b, t = (v[k] for k in ("x", "W", "g", "b", "t"))
    n = len(x)
    h = x @ W
    d = h - h.mean(0)
    inv = 1 / np.sqrt((d ** 2).mean(0) + 0.001)
    xhat = d * inv
    y = g * xhat + b
    a = np.maximum(y, 0)
    da = 2 * (a - t) / a.size
    if "factor-two-missing" in wrong:
        da = (a - t) / a.size
    dy = da if "activation-derivative-missing" in wrong else da * (y > 0)
    dxhat = dy if "norm-weight-missing" in wrong else dy * g
    mean = 0 if "norm-mean-path-missing" in wrong else dxhat.mean(0)
    m = n - 1 if "norm-n-for-n-minus-1" in wrong else n
    variance = 0 if "norm-variance-path-missing" in wrong else xhat * (dxhat * xhat).sum(0) / m
    if "norm-sums-along-wrong-axis" in wrong:
        mean, variance = dxhat.mean(1, keepdims=True), xhat * (dxhat * xhat).mean(1, keepdims=True)
    if "norm-sums-not-divided" in wrong:
        mean, variance = dxhat.sum(0), xhat * (dxhat * xhat).sum(0)
    dh = inv * (dxhat - mean - variance)
    if "norm-sigma-wrong" in wrong:
        dh = dxhat - mean - variance
    return {"W": x.T @ dh, "g": (dy * xhat).sum(0), "b": dy.sum(0), "h": dh, "y": dy, "a": da}


@graph("unit-rows", 124, {"x": (3, 3), "W": (3, 3)}, {"G": (3, 3)}, """
z = x @ W
q = (z * z).sum(1, keepdim=True)
r = torch.sqrt(q)
u = z / r
J = (u * G).sum()
""")
def unit_rows(v, wrong):
    x, W, G = v["x"], v["W"], v["G"]
    z = x @ W
    r = np.sqrt((z * z).sum(1, keepdims=True))
    du = G
    dr = (-du * z / r ** 2).sum(1, keepdims=True)
    if "keepdim-lost" in wrong:
        dr = (-du * z / r ** 2).sum(0).reshape(-1, 1)
    if "broadcast-averaged" in wrong:
        dr = (-du * z / r ** 2).mean(1, keepdims=True)
    dq = dr / (2 * r)
    dz = du / r
    if "path-forgotten" not in wrong:            # the length
        dz = dz + 2 * z * dq
    if "factor-two-missing" in wrong:            # z * z has z twice
        dz = du / r + z * dq
    dx = dz @ W if "transpose-missing" in wrong else dz @ W.T
    return {"x": dx, "W": x.T @ dz, "z": dz, "q": dq, "r": dr}
