"""Pooling with loops over the windows."""
import numpy as np


def windows(layer, height, width):
    """The place in the result of each window, and its rows and columns in the padded input."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = (layer[key] for key in ("kernel_size", "stride", "padding", "dilation"))
    for i in range((height + 2 * ph - dh * (kh - 1) - 1) // sh + 1):
        for j in range((width + 2 * pw - dw * (kw - 1) - 1) // sw + 1):
            yield i, j, i * sh + dh * np.arange(kh), j * sw + dw * np.arange(kw)


def padded(x, layer, value):
    ph, pw = layer["padding"]
    return np.pad(x, ((0, 0), (ph, ph), (pw, pw)), constant_values=value)


def real_cells(layer, rows, cols, height, width):
    ph, pw = layer["padding"]
    return np.sum((rows >= ph) & (rows < ph + height)) * np.sum((cols >= pw) & (cols < pw + width))


def cropped(dxp, layer, height, width, wrong):
    ph, pw = (0, 0) if "padding-not-cropped" in wrong else layer["padding"]
    return dxp[:, ph:ph + height, pw:pw + width]


def max_forward(x, layer):
    xp = padded(x, layer, -np.inf)
    every = list(windows(layer, *x.shape[1:]))
    out = np.zeros((x.shape[0], every[-1][0] + 1, every[-1][1] + 1))
    for i, j, rows, cols in every:
        out[:, i, j] = xp[:, rows][:, :, cols].max(axis=(1, 2))
    return out


def max_backward(x, layer, dout, wrong):
    xp = padded(x, layer, -np.inf)
    dxp = np.zeros_like(xp)
    for c in range(x.shape[0]):
        for i, j, rows, cols in windows(layer, *x.shape[1:]):
            at = np.ix_(rows, cols)
            window, error = xp[c][at], dout[c, i, j]
            share = np.zeros_like(window)
            ties = window == window.max()
            if "max-pool-gradient-to-all-ties" in wrong:
                share = ties * error
            elif "max-pool-gradient-split-over-ties" in wrong:
                share = ties * error / ties.sum()
            elif "max-pool-gradient-to-last-tie" in wrong:
                share[tuple(np.argwhere(ties)[-1])] = error
            elif "max-pool-mean-of-window" in wrong:
                share[:] = error / window.size
            elif "max-pool-gradient-to-whole-window" in wrong:
                share[:] = error
            else:
                share[np.unravel_index(window.argmax(), window.shape)] = error
            if "pool-overwrites-overlapping-windows" in wrong:
                row, col = np.unravel_index(window.argmax(), window.shape)
                dxp[c, rows[row], cols[col]] = error
            elif "pool-overwrites-overlapping-windows/window" in wrong:
                dxp[c][at] = share
            else:
                dxp[c][at] += share
    return cropped(dxp, layer, *x.shape[1:], wrong)


def divisor(layer, rows, cols, height, width, include):
    return rows.size * cols.size if include else real_cells(layer, rows, cols, height, width)


def average_forward(x, layer, wrong):
    xp = padded(x, layer, 0)
    include = layer["count_include_pad"] != ("count-include-pad-wrong/both" in wrong)
    every = list(windows(layer, *x.shape[1:]))
    out = np.zeros((x.shape[0], every[-1][0] + 1, every[-1][1] + 1))
    for i, j, rows, cols in every:
        out[:, i, j] = xp[:, rows][:, :, cols].sum(axis=(1, 2)) / divisor(layer, rows, cols, *x.shape[1:], include)
    return out


def average_backward(x, layer, dout, wrong):
    dxp = np.zeros_like(padded(x, layer, 0))
    other = "count-include-pad-wrong" in wrong or "count-include-pad-wrong/both" in wrong
    include = layer["count_include_pad"] != other
    for i, j, rows, cols in windows(layer, *x.shape[1:]):
        n = divisor(layer, rows, cols, *x.shape[1:], include)
        if "average-pool-divisor-missing" in wrong:
            n = 1
        at = np.ix_(range(x.shape[0]), rows, cols)
        share = np.broadcast_to(dout[:, i, j][:, None, None] / n, dxp[at].shape)
        if "pool-overwrites-overlapping-windows" in wrong:
            dxp[at] = share
        else:
            dxp[at] += share
    return cropped(dxp, layer, *x.shape[1:], wrong)
