"""The networks in which mistakes are planted. Sizes are odd, images and kernels are not square where a mistake allows it."""
from .build import Net


def conv(out, kernel, activation="identity", **keys):
    return {"type": "conv2d", "out": out, "kernel_size": kernel, "activation": activation, **keys}


def fc(out, activation="identity", **keys):
    return {"type": "linear", "out": out, "activation": activation, **keys}


def maxpool(kernel, **keys):
    return {"type": "max_pool2d", "kernel_size": kernel, **keys}


def avgpool(kernel, **keys):
    return {"type": "avg_pool2d", "kernel_size": kernel, **keys}


FLAT = {"type": "flatten"}
GLOBAL = {"type": "global_avg_pool2d"}


def act(function, **keys):
    return {"type": "activation", "function": function, **keys}


def add(*sources, **keys):
    return {"type": "add", "from": list(sources), **keys}


def dropout(p, **keys):
    return {"type": "dropout", "p": p, **keys}


SGD = {"learning_rate": 0.1, "iterations": 3}
DECAY = {"learning_rate": 0.05, "iterations": 2, "momentum": 0.9, "weight_decay": 0.02}


def every():
    nets = [
        # perceptrons
        Net("mlp-tanh", 1, (3,), [fc(4, "tanh"), fc(3, "tanh"), fc(2, "softmax")], "cross_entropy", 3),
        Net("mlp-sigmoid", 2, (4,), [fc(5, "sigmoid"), fc(3, "sigmoid"), fc(2, "sigmoid")], "squared_error"),
        Net("mlp-relu", 3, (5,), [fc(6, "relu"), fc(4, "relu"), fc(3, "softmax")], "cross_entropy", 4),
        Net("mlp-leaky", 4, (3,), [fc(7, "leaky_relu"), fc(5, "elu"), fc(2)], {"type": "squared_error", "reduction": "mean"}, 2),
        Net("mlp-smooth", 5, (4,), [fc(5, "silu"), fc(4, "gelu"), fc(3, "softplus"), fc(2)], {"type": "squared_error", "reduction": "sum"}),
        Net("mlp-square", 6, (4,), [fc(4, "tanh"), fc(4, "sigmoid"), fc(4, "tanh"), fc(4)], "squared_error"),
        Net("mlp-square-relu", 7, (5,), [fc(5, "relu"), fc(5, "relu"), fc(5, "relu"), fc(5, "softmax")], "cross_entropy", 3),
        Net("mlp-binary", 8, (3,), [fc(5, "tanh"), fc(1, "sigmoid")], "binary_cross_entropy", 4),
        Net("mlp-labels", 9, (4,), [fc(6, "relu"), fc(3, "sigmoid")], {"type": "binary_cross_entropy", "reduction": "mean"}, 3),
        Net("mlp-logits", 10, (5,), [fc(4, "hardtanh"), fc(4)], "cross_entropy_with_logits", 2),
        Net("mlp-binary-logits", 11, (3,), [fc(4, "sigmoid"), fc(2)], "binary_cross_entropy_with_logits", 3),
        Net("mlp-softmax-error", 12, (3,), [fc(4, "tanh"), fc(3, "softmax")], "squared_error"),
        Net("mlp-sum", 13, (4,), [fc(3, "tanh"), fc(3)], {"type": "squared_error", "batch_reduction": "sum"}, 3),
        Net("mlp-train", 14, (4,), [fc(5, "tanh"), fc(3, "tanh"), fc(2)], "squared_error", 1, SGD),
        Net("mlp-train-batch", 15, (3,), [fc(4, "sigmoid"), fc(4, "relu"), fc(3, "softmax")], "cross_entropy", 3, {"learning_rate": 0.3, "iterations": 2}),
        Net("mlp-decay", 16, (3,), [fc(4, "relu"), fc(2)], {"type": "squared_error", "reduction": "mean"}, 2, DECAY),
        Net("mlp-dropout", 17, (4,), [fc(7, "relu"), dropout(0.3), fc(5, "tanh"), dropout(0.5), fc(2)], "squared_error"),
        Net("mlp-norm", 18, (4,), [fc(5), {"type": "layer_norm"}, act("relu"), fc(4), {"type": "layer_norm"}, fc(2)], "squared_error"),
        Net("mlp-skip", 19, (4,), [fc(5, "tanh"), fc(5, "tanh"), add("fc1", "fc2"), fc(5, "sigmoid"), add("add1", "fc3"), fc(3, "softmax")], "cross_entropy", 2),
        Net("mlp-upstream", 20, (3,), [fc(6, "softplus"), fc(4, "softmax")], "upstream"),
        Net("mlp-named", 21, (3,), [fc(4, "tanh", name="hidden"), fc(4, "sigmoid", name="hidden2"), fc(2, "softmax", name="out")], "cross_entropy", 3),
        Net("mlp-dropout-twice", 23, (4,), [fc(6, "relu"), dropout(0.3), fc(6, "tanh"), dropout(0.5), fc(2)], "squared_error", 2),
        Net("mlp-penalty", 24, (4,), [fc(5, "tanh"), fc(2)], {"type": "squared_error", "l2": 0.05}, 3),
        Net("mlp-l1", 22, (4,), [fc(5, "elu"), fc(3)], {"type": "l1", "reduction": "mean"}, 2),

        # convolutions
        Net("cnn-two", 31, (1, 7, 6), [conv(2, (3, 2), "relu"), conv(3, (2, 3), "relu"), FLAT, fc(3, "softmax")], "cross_entropy"),
        Net("cnn-pool", 32, (2, 8, 7), [conv(3, (3, 2), "relu"), maxpool(2), conv(2, (2, 2), "tanh"), FLAT, fc(4, "relu"), fc(2)], "squared_error"),
        Net("cnn-stride", 33, (1, 9, 8), [conv(2, (3, 2), "tanh", stride=[2, 1], padding=1), conv(3, (2, 3), "tanh", stride=2, padding=[1, 0]), FLAT, fc(2)],
            "squared_error"),
        Net("cnn-stride-three", 34, (2, 10, 9), [conv(2, 2, "sigmoid"), conv(2, (3, 2), "relu", stride=[2, 3], padding=1), FLAT, fc(2, "softmax")], "cross_entropy", 2),
        Net("cnn-dilated", 35, (1, 9, 10), [conv(2, (2, 3), "tanh"), conv(2, (3, 2), "tanh", dilation=2), FLAT, fc(3)], {"type": "squared_error", "reduction": "mean"}),
        Net("cnn-dilated-stride", 36, (2, 9, 11), [conv(2, (2, 2), "leaky_relu"), conv(3, (2, 3), "relu", dilation=[3, 2], stride=[1, 2], padding=1), FLAT, fc(2, "softmax")],
            "cross_entropy", 2),
        Net("cnn-padded", 37, (1, 5, 6), [conv(2, (3, 3), "relu", padding=1), conv(2, (3, 5), "relu", padding=[1, 2]), FLAT, fc(2)], "squared_error", 2),
        Net("cnn-square", 38, (2, 6, 6), [conv(3, 3, "relu", padding=1), conv(3, 3, "tanh"), FLAT, fc(2, "softmax")], "cross_entropy"),
        Net("cnn-square-channels", 39, (3, 6, 7), [conv(3, 2, "tanh"), conv(3, (3, 2), "relu"), conv(3, 2, "tanh"), FLAT, fc(2)], "squared_error", 2),
        Net("cnn-groups", 40, (4, 6, 5), [conv(4, (2, 2), "tanh", groups=2), conv(6, (3, 2), "relu", groups=2), FLAT, fc(3, "softmax")], "cross_entropy"),
        Net("cnn-depthwise", 41, (3, 7, 6), [conv(3, 1, "tanh"), conv(3, (3, 2), "tanh", groups=3), conv(4, 1, "relu"), GLOBAL, FLAT, fc(2)], "squared_error", 2),
        Net("cnn-ties", 42, (1, 8, 7), [conv(2, (2, 2)), maxpool((2, 3), stride=2), FLAT, fc(3)], "squared_error", whole=True),
        Net("cnn-ties-overlap", 43, (2, 7, 8), [conv(2, (2, 3)), maxpool(3, stride=[1, 2]), FLAT, fc(2)], "squared_error", whole=True),
        Net("cnn-overlap", 44, (1, 8, 7), [conv(2, (3, 2), "tanh"), maxpool((3, 2), stride=1), FLAT, fc(2)], "squared_error"),
        Net("cnn-overlap-padded", 45, (2, 6, 7), [conv(3, 2, "leaky_relu"), maxpool(3, stride=2, padding=1), conv(2, (2, 2), "tanh"), maxpool(2, stride=1), FLAT, fc(3, "softmax")],
            "cross_entropy"),
        Net("cnn-average", 46, (1, 7, 8), [conv(2, (2, 3), "tanh"), avgpool((2, 3)), conv(3, 2, "relu"), FLAT, fc(2)], "squared_error"),
        Net("cnn-average-padded", 47, (2, 6, 7), [conv(2, 2, "tanh"), avgpool(3, stride=2, padding=1), FLAT, fc(3, "softmax")], "cross_entropy", 2),
        Net("cnn-average-unpadded", 48, (1, 7, 6), [conv(3, (3, 2), "sigmoid"), avgpool((3, 2), stride=[2, 1], padding=[1, 1], count_include_pad=False), FLAT, fc(2)], "squared_error"),
        Net("cnn-flat", 49, (1, 6, 7), [conv(1, (2, 3), "tanh"), FLAT, fc(3, "tanh"), fc(2)], "squared_error"),
        Net("cnn-flat-deep", 50, (2, 5, 7), [conv(3, (2, 3), "relu"), FLAT, fc(4, "tanh"), fc(3, "softmax")], "cross_entropy", 2),
        Net("cnn-norm", 51, (2, 6, 5), [conv(4, (2, 2)), {"type": "group_norm", "num_groups": 2}, act("relu"), conv(3, (3, 2)), {"type": "instance_norm2d"}, act("tanh"), FLAT, fc(2)],
            "squared_error"),
        Net("cnn-norm-batch", 52, (1, 5, 6), [conv(3, 2), {"type": "instance_norm2d"}, act("leaky_relu"), FLAT, fc(4), {"type": "layer_norm"}, fc(3, "softmax")], "cross_entropy", 3),
        Net("cnn-skip", 53, (2, 5, 6), [conv(3, 1, "relu"), conv(3, 3, "tanh", padding=1), add("conv1", "conv2"), act("relu"), GLOBAL, FLAT, fc(3, "softmax")], "cross_entropy", 2),
        Net("cnn-train", 54, (1, 6, 7), [conv(2, (3, 2), "tanh"), conv(2, 2, "tanh"), FLAT, fc(3, "softmax")], "cross_entropy", 1,
            {"learning_rate": 0.2, "iterations": 2, "momentum": 0.9}),
        Net("cnn-dropout", 55, (1, 6, 7), [conv(2, (2, 3), "relu"), dropout(0.25), FLAT, fc(5, "relu"), dropout(0.5), fc(2)], "squared_error", 2),
        Net("cnn-decay", 56, (1, 5, 6), [conv(2, 2, "relu"), maxpool(2), FLAT, fc(2, "softmax")], "cross_entropy", 2, {"learning_rate": 0.01, "weight_decay": 0.001, "iterations": 5}),
        Net("cnn-three", 57, (3, 9, 8), [conv(4, (2, 3), "relu", padding=1), maxpool(2), conv(5, (3, 2), "relu"), conv(3, 2, "relu"), FLAT, fc(4, "softmax")], "cross_entropy", 2),
        Net("cnn-average-last", 58, (2, 6, 6), [conv(3, (3, 2), "elu"), conv(4, 2, "tanh"), GLOBAL, FLAT, fc(3)], {"type": "squared_error", "reduction": "sum"}, 2),

        # networks on which two mistakes have the same numbers
        symmetric(Net("cnn-symmetric-kernel", 61, (1, 7, 6), [conv(2, (2, 3), "tanh"), conv(3, 3, "tanh"), FLAT, fc(2)], "squared_error"), "conv2.weight"),
        Net("cnn-constant-error", 62, (2, 5, 6), [conv(2, 2, "tanh"), conv(3, (2, 3)), GLOBAL, FLAT, fc(3, "softmax")], "cross_entropy"),
        Net("cnn-apart", 63, (1, 7, 8), [conv(2, (2, 3), "relu"), conv(3, (3, 2), "tanh", stride=[3, 2]), FLAT, fc(2)], "squared_error", 2),
        Net("cnn-narrow", 64, (1, 6, 4), [conv(3, (2, 4), "tanh"), FLAT, fc(3, "tanh"), fc(2)], "squared_error"),
        # in the first sample all z of fc1 are positive, or all are negative; in the second they are not
        Net("mlp-first-positive", 6, (3,), [fc(3, "tanh"), fc(2)], "squared_error", 2),
        Net("mlp-first-negative", 14, (3,), [fc(3, "tanh"), fc(2)], "squared_error", 2),
    ]
    return {net.name: net for net in nets}


def symmetric(net, name):
    """Each kernel is a symmetric matrix, but not the same after half a turn."""
    kernel = net.params[name]
    net.params[name] = ((kernel + kernel.transpose(0, 1, 3, 2)) / 2).round(4)
    return net
