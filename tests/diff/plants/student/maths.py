"""Activation functions, their derivatives, and the derivatives that people write instead."""
import math

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def normal_cdf(z):
    return 0.5 * (1 + np.vectorize(math.erf)(np.asarray(z, float) / math.sqrt(2)))


def normal_pdf(z):
    return np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


# name: (f, f')
ACTIVATIONS = {
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1, 0.01)),
    "elu": (lambda z: np.where(z > 0, z, np.exp(z) - 1), lambda z: np.where(z > 0, 1, np.exp(z))),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "softplus": (lambda z: np.log(1 + np.exp(z)), sigmoid),
    "silu": (lambda z: z * sigmoid(z), lambda z: sigmoid(z) * (1 + z * (1 - sigmoid(z)))),
    "gelu": (lambda z: z * normal_cdf(z), lambda z: normal_cdf(z) + z * normal_pdf(z)),
    "hardtanh": (lambda z: np.clip(z, -1, 1), lambda z: ((z > -1) & (z < 1)) * 1.0),
}


def activate(name, z):
    return softmax(z) if name == "softmax" else ACTIVATIONS[name][0](z)


def softmax_backward(p, da):
    """(diag(p) - p pᵀ) da, with the whole Jacobian."""
    jacobian = np.diag(p) - np.outer(p, p)
    return jacobian @ da


def activation_backward(name, z, a, da, wrong):
    """From the error of a = f(z) to the error of z."""
    if "activation-derivative-missing" in wrong:
        return da.copy()
    if "output-activation-derivative-missing" in wrong:
        return da.copy()
    if name == "softmax":
        if "softmax-diagonal-only" in wrong:
            return da * a * (1 - a)
        return softmax_backward(a, da)
    slope = ACTIVATIONS[name][1]
    if "relu-mask-from-gradient" in wrong:
        return da * (da > 0)
    if "activation-instead-of-derivative" in wrong:
        return da * a
    if "derivative-at-a-instead-of-z" in wrong:
        return da * slope(a)
    if "activation-derivative-wrong/1-a" in wrong:
        return da * (1 - a)
    if "activation-derivative-wrong/1+a^2" in wrong:
        return da * (1 + a ** 2)
    if "activation-derivative-wrong/a(1+a)" in wrong:
        return da * a * (1 + a)
    if "activation-derivative-wrong/sigmoid" in wrong:     # of silu: the product rule has a second term
        return da * sigmoid(z)
    for switch in wrong:
        kind, _, other = switch.partition("/")
        if kind == "derivative-of-another-activation":
            # "sigmoid(a)" is the usual shortcut s(1 - s), with the stored output in the place of s
            if other == "a(1-a)":
                return da * a * (1 - a)
            if other == "1-a^2":
                return da * (1 - a * a)
            return da * ACTIVATIONS[other][1](z)
    return da * slope(z)
