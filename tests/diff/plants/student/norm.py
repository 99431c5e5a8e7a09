"""Layer, group and instance norm: each row of a matrix is normalised."""
import numpy as np


def rows_of(x, layer):
    """A row for each set of numbers that shares a mean."""
    if layer["type"] == "layer_norm":
        return x.reshape(1, -1)
    if layer["type"] == "instance_norm2d":
        return x.reshape(x.shape[0], -1)
    return x.reshape(layer["num_groups"], -1)


def spread(parameter, x, layer):
    """gamma or beta in the shape of x."""
    if layer["type"] == "layer_norm":
        return parameter.reshape(x.shape)
    return np.broadcast_to(parameter.reshape((-1,) + (1,) * (x.ndim - 1)), x.shape)


def forward(x, layer, gamma, beta, wrong):
    rows = rows_of(x, layer)
    n = rows.shape[1]
    mean = rows.mean(axis=1, keepdims=True)
    divisor = n - 1 if "norm-n-for-n-minus-1/forward" in wrong or "norm-n-for-n-minus-1/both" in wrong else n
    variance = ((rows - mean) ** 2).sum(axis=1, keepdims=True) / divisor
    rstd = 1 / np.sqrt(variance + layer["eps"])
    xhat = ((rows - mean) * rstd).reshape(x.shape)
    out = spread(gamma, x, layer) * xhat
    if beta is not None:
        out = out + spread(beta, x, layer)
    return out, (xhat, rstd)


def backward(x, layer, gamma, cache, dout, wrong):
    """The errors of x, gamma and beta; line by line from the paper."""
    xhat, rstd = cache
    dxhat = rows_of(dout * spread(gamma, x, layer), layer)
    if "norm-weight-missing" in wrong:
        dxhat = rows_of(dout, layer)
    xh = rows_of(xhat, layer)
    n = xh.shape[1]
    m = n - 1 if "norm-n-for-n-minus-1" in wrong or "norm-n-for-n-minus-1/both" in wrong else n
    dx = dxhat * rstd
    formula = formulas(xh, dxhat, rstd, wrong)
    if "norm-variance-path-missing" not in wrong:
        dvariance = np.sum(dxhat * xh / rstd, axis=1, keepdims=True) * -0.5 * rstd ** 3
        dx = dx + dvariance * 2 * (xh / rstd) / m
    if "norm-mean-path-missing" not in wrong:
        dmean = -np.sum(dxhat * rstd, axis=1, keepdims=True)
        dx = dx + dmean / n
    if formula is not None:
        dx = formula
    if "norm-weight-gradient-wrong/centred" in wrong:
        xhat = (rows_of(xhat, layer) / rstd).reshape(x.shape)
    if "norm-weight-gradient-wrong/input" in wrong:
        xhat = x
    if layer["type"] == "layer_norm":
        dgamma, dbeta = (dout * xhat).reshape(gamma.shape), dout.reshape(gamma.shape)
    else:
        axes = tuple(range(1, x.ndim))
        dgamma, dbeta = (dout * xhat).sum(axis=axes), dout.sum(axis=axes)
    return dx.reshape(x.shape), dgamma, dbeta


def formulas(xh, dxh, rstd, wrong):
    """The closed form that one finds on the web, with a slip; None if there is none in it."""
    mean = lambda rows: rows.mean(axis=1, keepdims=True)    # noqa: E731
    if "norm-sigma-wrong" in wrong:
        return dxh - mean(dxh) - xh * mean(dxh * xh)
    if "norm-sigma-wrong/twice" in wrong:
        return rstd ** 2 * (dxh - mean(dxh) - xh * mean(dxh * xh))
    if "norm-sums-not-divided" in wrong:
        return rstd * (dxh - dxh.sum(axis=1, keepdims=True) - xh * (dxh * xh).sum(axis=1, keepdims=True))
    if "norm-sums-along-wrong-axis" in wrong:
        return rstd * (dxh - dxh.mean(axis=0) - xh * (dxh * xh).mean(axis=0))
    if "norm-variance-path-wrong" in wrong:
        return rstd * (dxh - mean(dxh) + xh * mean(dxh * xh))
    if "norm-variance-path-wrong/centred" in wrong:
        return rstd * (dxh - mean(dxh) - xh / rstd * mean(dxh * xh))
    return None
