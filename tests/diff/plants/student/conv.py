"""A convolution with loops, as in a first homework, and its backward pass."""
import numpy as np


def forward(x, layer, weight, bias, wrong):
    (sh, sw), (ph, pw), (dh, dw) = layer["stride"], layer["padding"], layer["dilation"]
    filters, depth, kh, kw = weight.shape
    xp = np.pad(x, ((0, 0), (ph, ph), (pw, pw)))
    oh = (xp.shape[1] - dh * (kh - 1) - 1) // sh + 1
    ow = (xp.shape[2] - dw * (kw - 1) - 1) // sw + 1
    z = np.zeros((filters, oh, ow))
    for f in range(filters):
        first = f // (filters // layer["groups"]) * depth
        for i in range(oh):
            for j in range(ow):
                rows, cols = i * sh + dh * np.arange(kh), j * sw + dw * np.arange(kw)
                window = xp[first:first + depth][:, rows][:, :, cols]
                z[f, i, j] = np.sum(window * weight[f])
                if bias is not None:
                    z[f, i, j] += bias[f] * (window.size if "bias-in-every-product/forward" in wrong else 1)
    return z


def full_correlation(dz, kernel, stride, dilation, shape):
    """The error of the padded input by sliding kernel over the error of z, which is spread out and padded."""
    (sh, sw), (dh, dw) = stride, dilation
    filters, depth, kh, kw = kernel.shape
    _, hp, wp = shape
    spread = np.zeros((filters, (dz.shape[1] - 1) * sh + 1, (dz.shape[2] - 1) * sw + 1))
    spread[:, ::sh, ::sw] = dz
    top, left = dh * (kh - 1), dw * (kw - 1)
    spread = np.pad(spread, ((0, 0), (top, hp), (left, wp)))
    dxp = np.zeros((depth, hp, wp))
    for c in range(depth):
        for i in range(hp):
            for j in range(wp):
                window = spread[:, i:i + top + 1:dh, j:j + left + 1:dw]
                dxp[c, i, j] = np.sum(window * kernel[:, c])
    return dxp


def input_error(x, layer, weight, dz, wrong):
    """The error of the layer's input."""
    (sh, sw), (ph, pw), (dh, dw) = layer["stride"], layer["padding"], layer["dilation"]
    filters, depth, kh, kw = weight.shape
    padded = (x.shape[0], x.shape[1] + 2 * ph, x.shape[2] + 2 * pw)
    dxp = np.zeros(padded)
    if "kernel-not-flipped" in wrong or "kernel-transposed-instead-of-rotated" in wrong:
        assert layer["groups"] == 1
        kernel = weight
        if "kernel-transposed-instead-of-rotated" in wrong:
            kernel = weight.transpose(0, 1, 3, 2)
        dxp = full_correlation(dz, kernel, layer["stride"], layer["dilation"], padded)
    else:
        if "kernel-channels-swapped" in wrong:
            weight = weight.transpose(1, 0, 2, 3)
        if "stride-ignored-in-input-gradient" in wrong:
            sh = sw = 1
        if "dilation-ignored-in-input-gradient" in wrong:
            dh = dw = 1
        for f in range(filters):
            first = f // (filters // layer["groups"]) * depth
            if "groups-ignored" in wrong or "groups-ignored/input" in wrong:
                first = 0
            if "only-last-filter-in-input-gradient" in wrong:
                dxp = np.zeros(padded)
            channels = first + np.arange(depth)
            for i in range(dz.shape[1]):
                for j in range(dz.shape[2]):
                    at = np.ix_(channels, i * sh + dh * np.arange(kh), j * sw + dw * np.arange(kw))
                    if "overwrite-instead-of-accumulate" in wrong:
                        dxp[at] = dz[f, i, j] * weight[f]
                    else:
                        dxp[at] += dz[f, i, j] * weight[f]
    if "padding-not-cropped" in wrong:
        return dxp[:, :x.shape[1], :x.shape[2]]
    if "padding-cropped-elsewhere" in wrong:
        ph, pw = ph + (ph > 0), pw + (pw > 0)
    if "padding-cropped-elsewhere/one-less" in wrong:
        ph, pw = max(ph - 1, 0), max(pw - 1, 0)
    return dxp[:, ph:ph + x.shape[1], pw:pw + x.shape[2]]


def weight_gradient(x, layer, weight, dz, wrong):
    (sh, sw), (ph, pw), (dh, dw) = layer["stride"], layer["padding"], layer["dilation"]
    filters, depth, kh, kw = weight.shape
    if "input-channels-reversed/weight" in wrong:
        x = x[::-1]
    if "stride-ignored-in-weight-gradient" in wrong:
        sh = sw = 1
    if "dilation-ignored-in-weight-gradient" in wrong:
        dh = dw = 1
    xp = np.pad(x, ((0, 0), (ph, ph), (pw, pw)))
    dweight = np.zeros_like(weight)
    last_row = dz.shape[1] - ("last-windows-missing" in wrong or "last-windows-missing/both" in wrong)
    last_col = dz.shape[2] - ("last-windows-missing/both" in wrong)
    for f in range(filters):
        first = f // (filters // layer["groups"]) * depth
        if "groups-ignored" in wrong or "groups-ignored/weight" in wrong:
            first = 0
        for i in range(last_row):
            for j in range(last_col):
                rows, cols = i * sh + dh * np.arange(kh), j * sw + dw * np.arange(kw)
                window = xp[first:first + depth][:, rows][:, :, cols]
                if "overwrite-instead-of-accumulate/weight" in wrong:
                    dweight[f] = window * dz[f, i, j]
                else:
                    dweight[f] += window * dz[f, i, j]
    if "weight-gradient-rotated" in wrong:
        dweight = dweight[:, :, ::-1, ::-1]
    if "weight-gradient-channels-swapped" in wrong:
        dweight = dweight.transpose(1, 0, 2, 3)
    return dweight


def bias_gradient(dz, products, wrong):
    if "bias-gradient-divided-by-positions" in wrong:
        return dz.mean(axis=(1, 2))
    if "bias-gradient-first-position-only" in wrong:
        return dz[:, 0, 0].copy()
    if "bias-gradient-last-position-only" in wrong:
        return dz[:, -1, -1].copy()
    if "bias-in-every-product/gradient" in wrong:
        return dz.sum(axis=(1, 2)) * products
    return dz.sum(axis=(1, 2))
