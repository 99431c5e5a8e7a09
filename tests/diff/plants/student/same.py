"""Reasons why two mistakes have the same numbers."""
import numpy as np

MULTIPLE = "every number is the same multiple of the right one"
TWO = "two samples or two outputs: their number is the factor 2"
COUNT = "the factor is the number of the samples or of the outputs"
ONE = "the derivative of the identity is 1, so multiplying by it is leaving the derivative out"

CONSTANT = "the error of z is the same at all positions"
NARROW = "the image has one column: its rows and channels change places in both"

WHY = {
    ("kernel-not-flipped", "kernel-transposed-instead-of-rotated"): "each kernel is a symmetric matrix",
    ("bias-gradient-first-position-only", "bias-gradient-last-position-only"): CONSTANT,
    ("bias-gradient-first-position-only", "bias-gradient-divided-by-positions"): CONSTANT,
    ("bias-gradient-last-position-only", "bias-gradient-divided-by-positions"): CONSTANT,
    ("only-last-filter-in-input-gradient", "overwrite-instead-of-accumulate"): "the windows do not overlap: what is overwritten are the other filters",
    ("unflatten-column-major", "unflatten-channels-last"): NARROW,
    ("flatten-column-major", "flatten-channels-last"): NARROW,
    ("activation-derivative-missing", "derivative-of-another-activation"): ONE,
    ("output-activation-derivative-missing", "derivative-of-another-activation"): ONE,
    ("output-activation-derivative-missing", "activation-derivative-missing"): "the same rule, at the output",
    ("outer-product-transposed", "weight-layout-transposed"): "the outer product of x and dz is the transpose of that of dz and x",
    ("sum-instead-of-mean", "constant-factor"): MULTIPLE,
    ("sum-instead-of-mean", "factor-two-extra"): TWO,
    ("mean-instead-of-sum", "constant-factor"): MULTIPLE,
    ("mean-instead-of-sum", "factor-two-missing"): TWO,
    ("sign-flipped", "constant-factor"): MULTIPLE,
    ("factor-two-extra", "constant-factor"): MULTIPLE,
    ("factor-two-missing", "constant-factor"): MULTIPLE,
    ("learning-rate-multiplied-in", "constant-factor"): MULTIPLE,
}


def why(planted, other):
    """The reason; a pair without one stops the generator."""
    reason = WHY.get((planted, other)) or WHY.get((other, planted))
    if reason is None and "constant-factor" in (planted, other):
        reason = COUNT
    if reason is None:
        raise SystemExit(f"{planted} and {other} have the same numbers: why?")
    return reason


def factor(mine, right, tolerance):
    """The number c with mine = c · right for every tensor, or None."""
    ratios = []
    for name, numbers in mine.items():
        a, b = np.asarray(numbers, float), np.asarray(right[name], float)
        if a.shape != b.shape:
            return None
        largest = np.abs(b).max()
        if largest > 1e-13:    # a bias before a norm has the gradient 0, up to rounding
            large = np.abs(b) > 1e-9 * largest
            ratios += list(a[large] / b[large])
    same = ratios and np.ptp(ratios) < tolerance * abs(ratios[0]) and abs(ratios[0] - 1) > tolerance
    return ratios[0] if same else None


def multiples(mine, right, tolerance=1e-9):
    """The ids of a multiple that all tensors share."""
    c = factor(mine, right, tolerance)
    if c is None:
        return []
    special = (("factor-two-extra", 2), ("factor-two-missing", 0.5), ("sign-flipped", -1))
    return ["constant-factor"] + [kind for kind, value in special if abs(c / value - 1) < tolerance]


SQUARE = "the derivative of a square without its 2"
USE = "the term is the gradient through one use of the tensor"
IN_GRAPHS = {
    ("norm-mean-path-missing", "batch-norm-lines"): [("path-forgotten", ["h"], USE)],
    ("norm-mean-path-missing", "layer-norm-lines"): [("path-forgotten", ["x"], USE)],
    ("norm-variance-path-missing", "batch-norm-lines"): [("path-forgotten", ["diff"], USE)],
    ("norm-variance-path-missing", "layer-norm-lines"): [("path-forgotten", ["d"], USE)],
    ("factor-two-missing", "unit-rows"): [("path-forgotten", ["z"], "z * z is two uses of z")],
    ("factor-two-missing", "bag-of-words"): [("path-forgotten", ["s"], "s * s is two uses of s")],
    ("power-rule-wrong", "affine"): [("derivative-at-a-instead-of-z", ["J.1"], "the derivative of e² at e² is 2 e²")],
    ("power-rule-wrong", "layer-norm-lines"): [("factor-two-missing", ["v.1"], SQUARE)],
    ("sum-instead-of-mean", "affine"): [("scale-missing", ["J"], "the 1/n of a mean is a scale")],
    ("factor-two-missing", "batch-norm-call"): [("power-rule-wrong", ["J.2"], SQUARE)],
    ("factor-two-missing", "bootstrap"): [("power-rule-wrong", ["J.2"], SQUARE)],
    ("operand-gradient-swapped", "difference"): [("sign-flipped", ["d"], "the gradients of a and b are the same up to the sign")],
}


def in_graph(planted, graph):
    """[(id, at, why)], for mistakes that the graph's backward pass has no switch for."""
    return IN_GRAPHS.get((planted, graph), [])
