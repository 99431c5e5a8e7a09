"""Which mistake is planted where: id, network, the places where it is made, and what is written to the file.

A place is `layer` or `layer:how`, where how is one of several ways to make the mistake; `:how` and "" are the loss or the batch.
The forms of a file: `parameters`; `all` (also the errors of every tensor; of each sample's own loss if there are several, as `2:conv1.z`); `stack` (those errors as one
array, of the loss of the batch); `torch` (the parameters as in nn.Sequential, `0.weight`); `own` (dW1, db1, …).
With `float32` the pass is in single precision, with `npz` np.savez writes the file.
"""

ROWS = """
activation-derivative-missing | mlp-tanh | fc1 | parameters
activation-derivative-missing | cnn-pool | conv2 | all
activation-derivative-missing | mlp-smooth | fc1 fc2 fc3 | torch
activation-derivative-missing | cnn-norm | act1 | parameters
activation-derivative-missing | mlp-relu | fc2 | stack
derivative-at-a-instead-of-z | mlp-sigmoid | fc1 | parameters
derivative-at-a-instead-of-z | mlp-tanh | fc2 | all
derivative-at-a-instead-of-z | mlp-smooth | fc2 | own
derivative-of-another-activation | mlp-leaky | fc1:relu | parameters
derivative-of-another-activation | cnn-stride | conv1:a(1-a) | all
derivative-of-another-activation | mlp-square | fc2:1-a^2 | parameters
derivative-of-another-activation | mlp-tanh | fc2:sigmoid | torch
derivative-of-another-activation | mlp-leaky | fc2:leaky_relu | all
kernel-not-flipped | cnn-two | conv2 | parameters
kernel-not-flipped | cnn-dilated | conv2 | all
kernel-not-flipped | cnn-three | conv2 conv3 | torch
kernel-not-flipped | cnn-stride | conv2 | parameters
kernel-transposed-instead-of-rotated | cnn-square | conv2 | parameters
kernel-transposed-instead-of-rotated | cnn-square-channels | conv3 | all
weight-gradient-rotated | cnn-two | conv1 | parameters
weight-gradient-rotated | cnn-three | conv2 | all
weight-gradient-rotated | cnn-padded | conv1 conv2 | torch
stride-ignored-in-input-gradient | cnn-stride | conv2 | parameters
stride-ignored-in-input-gradient | cnn-stride-three | conv2 | all
stride-ignored-in-weight-gradient | cnn-stride | conv1 | parameters
stride-ignored-in-weight-gradient | cnn-stride-three | conv2 | torch
stride-ignored-in-weight-gradient | cnn-dilated-stride | conv2 | all
dilation-ignored-in-input-gradient | cnn-dilated | conv2 | parameters
dilation-ignored-in-input-gradient | cnn-dilated-stride | conv2 | all
dilation-ignored-in-weight-gradient | cnn-dilated | conv2 | all
dilation-ignored-in-weight-gradient | cnn-dilated-stride | conv2 | parameters
padding-not-cropped | cnn-padded | conv2 | parameters
padding-not-cropped | cnn-stride | conv2 | all
padding-not-cropped | cnn-average-padded | pool1 | parameters
last-windows-missing | cnn-two | conv1 | parameters
last-windows-missing | cnn-stride-three | conv2:both | all
overwrite-instead-of-accumulate | cnn-two | conv2 | parameters
overwrite-instead-of-accumulate | cnn-stride | conv2 | all
overwrite-instead-of-accumulate | mlp-leaky | fc2 | parameters
overwrite-instead-of-accumulate | cnn-pool | conv1:weight | parameters
pool-overwrites-overlapping-windows | cnn-overlap | pool1 | parameters
pool-overwrites-overlapping-windows | cnn-ties-overlap | pool1 | all
pool-overwrites-overlapping-windows | cnn-average-padded | pool1 | parameters
pool-overwrites-overlapping-windows | cnn-overlap-padded | pool1:window | torch
only-last-sample | mlp-tanh | | parameters
only-last-sample | cnn-flat-deep | :divided | parameters
only-last-sample | mlp-sum | | torch
only-first-sample | mlp-relu | :divided | parameters
only-last-sample | mlp-sum | fc1 | parameters
only-last-sample | mlp-leaky | fc2:divided | torch
only-first-sample | cnn-square-channels | | torch
skip-branch-twice | mlp-skip | add1:0 | parameters
skip-branch-twice | cnn-skip | add1:1 | all
another-sample-read | mlp-tanh | fc2:last | parameters
another-sample-read | mlp-relu | fc1:last fc2:last fc3:last | torch
another-sample-read | mlp-labels | fc2:next | all
another-sample-read | mlp-binary | fc2:error | all
another-sample-read | cnn-average-last | conv2:error | parameters
error-clipped | mlp-sigmoid | fc2:0.1 | parameters
error-clipped | mlp-square | fc3:0.5 | torch
activation-derivative-wrong | mlp-tanh | fc1:1-a | parameters
activation-derivative-wrong | mlp-square | fc1:1+a^2 fc3:1+a^2 | all
activation-derivative-wrong | mlp-sigmoid | fc2:a(1+a) | torch
activation-derivative-wrong | mlp-smooth | fc1:sigmoid | parameters
padding-cropped-elsewhere | cnn-padded | conv2 | parameters
padding-cropped-elsewhere | cnn-padded | conv2:one-less | all
padding-cropped-elsewhere | cnn-stride | conv2 | torch
penalty-gradient-wrong | mlp-penalty | :of-l1 | parameters
penalty-gradient-wrong | mlp-penalty | :half | torch
penalty-gradient-wrong | mlp-penalty | :missing | own
skip-branch-forgotten | mlp-skip | add1:0 | parameters
skip-branch-forgotten | cnn-skip | add1:0 | all
skip-branch-forgotten | mlp-skip | add2:1 | all
skip-branch-forgotten | cnn-skip | add1:1 | parameters
target-not-subtracted | mlp-relu | | parameters
target-not-subtracted | mlp-logits | | all
softmax-derivative-twice | mlp-relu | | parameters
softmax-derivative-twice | cnn-two | | all
softmax-derivative-twice | mlp-logits | | own
softmax-diagonal-only | mlp-softmax-error | fc2 | parameters
softmax-diagonal-only | cnn-square | | all
softmax-diagonal-only | mlp-upstream | fc2 | all
sigmoid-derivative-on-top-of-cross-entropy | mlp-labels | | parameters
sigmoid-derivative-on-top-of-cross-entropy | mlp-binary-logits | | all
sigmoid-derivative-on-top-of-cross-entropy | mlp-binary | | torch
output-activation-derivative-missing | mlp-sigmoid | fc3 | parameters
output-activation-derivative-missing | mlp-softmax-error | fc2 | all
output-activation-derivative-missing | mlp-binary | | parameters
max-pool-gradient-to-all-ties | cnn-ties | pool1 | parameters
max-pool-gradient-to-all-ties | cnn-ties-overlap | pool1 | all
max-pool-gradient-split-over-ties | cnn-ties | pool1 | all
max-pool-gradient-split-over-ties | cnn-ties-overlap | pool1 | parameters
max-pool-gradient-to-last-tie | cnn-ties | pool1 | parameters
max-pool-gradient-to-last-tie | cnn-ties-overlap | pool1 | torch
max-pool-mean-of-window | cnn-pool | pool1 | parameters
max-pool-mean-of-window | cnn-overlap | pool1 | all
max-pool-gradient-to-whole-window | cnn-pool | pool1 | all
max-pool-gradient-to-whole-window | cnn-three | pool1 | parameters
sum-instead-of-mean | mlp-relu | | parameters
sum-instead-of-mean | mlp-labels | fc2 | parameters
sum-instead-of-mean | mlp-relu | fc1 fc3 | own
mean-twice | mlp-relu | | parameters
mean-twice | cnn-flat-deep | fc1 | parameters
relu-mask-of-another-layer | mlp-square-relu | fc1:fc2 | parameters
relu-mask-of-another-layer | mlp-square-relu | fc2:fc3 | all
sum-instead-of-mean | mlp-leaky | :outputs | parameters
sum-instead-of-mean | cnn-stride-three | | torch
sum-instead-of-mean | mlp-labels | :outputs | all
mean-instead-of-sum | mlp-sum | | parameters
mean-instead-of-sum | mlp-binary-logits | :outputs | parameters
mean-instead-of-sum | mlp-smooth | :outputs | all
outer-product-transposed | mlp-square | fc3 | parameters
outer-product-transposed | mlp-square-relu | fc2 | all
outer-product-transposed | mlp-sigmoid | fc2 | parameters
weight-transpose-missing | mlp-square | fc3 | parameters
weight-transpose-missing | mlp-square-relu | fc2 | all
weight-transpose-missing | mlp-square-relu | fc2 fc3 fc4 | torch
kernel-channels-swapped | cnn-square-channels | conv2 | parameters
kernel-channels-swapped | cnn-square-channels | conv3 | all
kernel-channels-swapped | cnn-skip | conv2 | parameters
weight-gradient-channels-swapped | cnn-square-channels | conv2 | parameters
weight-gradient-channels-swapped | cnn-skip | conv2 | all
input-channels-reversed | cnn-pool | conv1:weight | parameters
input-channels-reversed | cnn-three | | parameters
input-channels-reversed | cnn-square-channels | | torch
flatten-column-major | cnn-flat | flat1 | parameters
flatten-column-major | cnn-flat-deep | flat1 | parameters
flatten-column-major | cnn-two | flat1:image | parameters
unflatten-column-major | cnn-flat | flat1 | parameters
unflatten-column-major | cnn-flat-deep | flat1 | all
unflatten-column-major | cnn-two | flat1:image | all
flatten-channels-last | cnn-flat-deep | flat1 | parameters
flatten-channels-last | cnn-two | flat1 | torch
unflatten-channels-last | cnn-flat-deep | flat1 | parameters
unflatten-channels-last | cnn-pool | flat1 | all
weight-layout-transposed | mlp-relu | fc2 | parameters
weight-layout-transposed | cnn-flat-deep | fc1 | parameters
bias-gradient-divided-by-positions | cnn-two | conv1 | parameters
bias-gradient-divided-by-positions | cnn-stride-three | conv2 | all
bias-gradient-divided-by-positions | cnn-three | conv1 conv2 conv3 | torch
bias-gradient-first-position-only | cnn-pool | conv2 | parameters
bias-gradient-first-position-only | cnn-flat-deep | conv1 | all
bias-gradient-last-position-only | cnn-two | conv2 | all
bias-gradient-last-position-only | cnn-padded | conv1 | parameters
bias-in-every-product | cnn-two | conv2:gradient | parameters
bias-in-every-product | mlp-leaky | fc2:gradient | all
bias-in-every-product | cnn-stride | conv1:forward | parameters
bias-in-every-product | cnn-padded | conv2:forward conv2:gradient | parameters
average-pool-divisor-missing | cnn-average | pool1 | parameters
average-pool-divisor-missing | cnn-average-padded | pool1 | all
average-pool-divisor-missing | cnn-average-last | pool1 | parameters
count-include-pad-wrong | cnn-average-padded | pool1 | parameters
count-include-pad-wrong | cnn-average-unpadded | pool1 | all
count-include-pad-wrong | cnn-average-unpadded | pool1:both | parameters
only-last-filter-in-input-gradient | cnn-two | conv2 | parameters
only-last-filter-in-input-gradient | cnn-three | conv3 | all
groups-ignored | cnn-groups | conv2:weight | parameters
groups-ignored | cnn-depthwise | conv2:input | all
groups-ignored | cnn-groups | conv2 | torch
groups-ignored | cnn-depthwise | conv2:weight | parameters
sign-flipped | mlp-leaky | | parameters
sign-flipped | cnn-three | | torch
sign-flipped | cnn-pool | conv1 | all
factor-two-extra | mlp-square | | parameters
factor-two-extra | cnn-average | | all
factor-two-missing | mlp-smooth | | parameters
factor-two-missing | cnn-dilated | | torch
constant-factor | mlp-labels | :3 | parameters
constant-factor | cnn-groups | :0.00392156862745098 | torch
constant-factor | mlp-l1 | fc1:0.1 | parameters
learning-rate-multiplied-in | mlp-train | | parameters
learning-rate-multiplied-in | cnn-decay | | torch
updated-weights-used-in-backward | mlp-train | fc2 fc3 | parameters
updated-weights-used-in-backward | cnn-train | conv2 fc1 | parameters
updated-weights-used-in-backward | mlp-train-batch | fc1 fc2 fc3 | torch
updated-weights-used-in-backward | mlp-decay | fc2 | parameters
z-instead-of-a | mlp-tanh | fc2 | parameters
z-instead-of-a | cnn-two | conv2 | all
z-instead-of-a | mlp-named | hidden2 out | parameters
input-off-by-one-layer | mlp-square | fc3 | parameters
input-off-by-one-layer | mlp-square-relu | fc2 fc3 fc4 | torch
input-off-by-one-layer | mlp-square | fc2:next | all
error-off-by-one-layer | mlp-square | fc2 | parameters
error-off-by-one-layer | mlp-square-relu | fc1 | all
activation-instead-of-derivative | mlp-relu | fc1 | parameters
activation-instead-of-derivative | mlp-tanh | fc2 | all
activation-instead-of-derivative | cnn-pool | conv1 conv2 | torch
relu-mask-from-gradient | mlp-relu | fc1 | parameters
relu-mask-from-gradient | cnn-pool | conv1 | all
relu-mask-from-gradient | cnn-three | conv1 conv2 conv3 | torch
dropout-mask-missing | mlp-dropout | drop1 | parameters
dropout-mask-missing | cnn-dropout | drop2:both | all
dropout-mask-missing | cnn-dropout | drop1 | parameters
dropout-scale-missing | mlp-dropout | drop2 | parameters
dropout-scale-missing | cnn-dropout | drop1 | all
dropout-mask-of-another-layer | mlp-dropout-twice | drop1:drop2 | parameters
dropout-mask-of-another-layer | mlp-dropout-twice | drop2:drop1 | all
dropout-other-mask | mlp-dropout | drop1 | all
dropout-other-mask | mlp-dropout | drop2 | parameters
norm-weight-missing | mlp-norm | norm1 | parameters
norm-weight-missing | cnn-norm | norm1 norm2 | torch
norm-weight-gradient-wrong | mlp-norm | norm2:input | parameters
norm-weight-gradient-wrong | cnn-norm-batch | norm1:centred | all
norm-sigma-wrong | mlp-norm | norm1 | parameters
norm-sigma-wrong | cnn-norm | norm2:twice | all
norm-sums-not-divided | mlp-norm | norm2 | all
norm-sums-not-divided | cnn-norm | norm1 | parameters
norm-variance-path-wrong | mlp-norm | norm1 | parameters
norm-variance-path-wrong | cnn-norm-batch | norm1:centred | parameters
norm-mean-path-missing | mlp-norm | norm1 | parameters
norm-mean-path-missing | cnn-norm | norm1 | all
norm-mean-path-missing | cnn-norm-batch | norm1 | parameters
norm-variance-path-missing | mlp-norm | norm2 | parameters
norm-variance-path-missing | cnn-norm | norm2 | all
norm-n-for-n-minus-1 | mlp-norm | norm1:forward | parameters
norm-n-for-n-minus-1 | cnn-norm-batch | norm1 | parameters
norm-n-for-n-minus-1 | cnn-norm | norm1:both | parameters
weight-sign-added | mlp-relu | | parameters
weight-sign-added | cnn-pool | | torch
weight-decay-added | mlp-decay | | parameters
weight-decay-added | cnn-decay | :weights | torch
weight-decay-added | cnn-decay | | parameters
wrong-target | mlp-tanh | :next-class | parameters
wrong-target | cnn-depthwise | :next-sample | parameters
wrong-target | mlp-sigmoid | :reversed | all
wrong-target | cnn-groups | :previous-class | torch
wrong-target | mlp-leaky | :next-sample | parameters
""".strip().splitlines()

# Other kinds of files, single precision, and networks on which two mistakes have the same numbers
FILES = """
kernel-not-flipped | cnn-padded | conv2 | parameters float32
activation-derivative-missing | mlp-skip | fc3 | all float32 npz
softmax-derivative-twice | mlp-tanh | | torch float32 npz
stride-ignored-in-input-gradient | cnn-stride | conv2 | torch float32
only-last-filter-in-input-gradient | cnn-square-channels | conv3 | parameters float32 npz
bias-gradient-divided-by-positions | cnn-average | conv2 | all float32
sum-instead-of-mean | cnn-depthwise | | torch float32 npz
norm-variance-path-missing | cnn-norm-batch | norm2 | parameters float32
norm-mean-path-missing | cnn-norm | norm2 | torch float32
max-pool-mean-of-window | cnn-overlap-padded | pool1 | parameters float32
weight-transpose-missing | mlp-square | fc2 | own float32
z-instead-of-a | mlp-binary-logits | fc2 | parameters npz
dropout-mask-missing | mlp-dropout | drop2 | stack npz
padding-not-cropped | cnn-stride-three | conv2 | torch npz
relu-mask-from-gradient | cnn-dilated-stride | conv2 | parameters npz
unflatten-channels-last | cnn-flat-deep | flat1 | torch float32
kernel-not-flipped | cnn-square-channels | conv2 | stack
max-pool-gradient-to-whole-window | cnn-overlap-padded | pool2 | all npz
kernel-not-flipped | cnn-symmetric-kernel | conv2 | parameters
kernel-transposed-instead-of-rotated | cnn-symmetric-kernel | conv2 | all
bias-gradient-first-position-only | cnn-constant-error | conv2 | parameters
bias-gradient-divided-by-positions | cnn-constant-error | conv2 | all
only-last-filter-in-input-gradient | cnn-apart | conv2 | parameters
overwrite-instead-of-accumulate | cnn-apart | conv2 | all
unflatten-column-major | cnn-narrow | flat1 | all
flatten-channels-last | cnn-narrow | flat1 | parameters
""".strip().splitlines()

# Found later, by a search over random networks: a mistake that differs from another one only from the second sample on, and mistakes in a loss of logits
SEARCHED = """
derivative-of-another-activation | mlp-first-positive | fc1:relu | parameters
derivative-of-another-activation | mlp-first-negative | fc1:relu | all
softmax-diagonal-only | mlp-logits | | parameters
output-activation-derivative-missing | mlp-logits | | all
only-last-filter-in-input-gradient | cnn-depthwise | conv2 | torch
""".strip().splitlines()


def rows(table):
    """(id, network, [(switch, layer or None)], form)."""
    for line in table:
        kind, net, places, form = (part.strip() for part in line.split("|"))
        mistakes = []
        for place in places.split() or [""]:
            layer, _, how = place.partition(":")
            mistakes.append((f"{kind}/{how}" if how else kind, layer or None))
        yield kind, net, mistakes, form


# Where each switch can be thrown, to find those that give the same numbers.
ANYWHERE = ["only-last-sample", "only-last-sample/divided", "only-first-sample", "only-first-sample/divided", "softmax-derivative-twice", "softmax-diagonal-only", "target-not-subtracted",
            "sigmoid-derivative-on-top-of-cross-entropy", "output-activation-derivative-missing", "sign-flipped", "factor-two-extra", "factor-two-missing", "learning-rate-multiplied-in", "weight-decay-added", "weight-decay-added/weights", "wrong-target/next-class",
            "wrong-target/previous-class", "wrong-target/next-sample", "wrong-target/reversed", "wrong-target/zero", "input-channels-reversed"]
DERIVATIVES = ["activation-derivative-missing", "activation-instead-of-derivative", "derivative-at-a-instead-of-z", "relu-mask-from-gradient", "activation-derivative-wrong/1-a",
               "activation-derivative-wrong/1+a^2", "activation-derivative-wrong/a(1+a)"] + [
    "derivative-of-another-activation/" + other for other in ("a(1-a)", "1-a^2", "relu", "leaky_relu", "sigmoid", "tanh", "identity")]
DENSE = ["sign-flipped", "overwrite-instead-of-accumulate", "bias-in-every-product/forward", "bias-in-every-product/gradient", "z-instead-of-a", "input-off-by-one-layer",
         "input-off-by-one-layer/next", "error-off-by-one-layer", "updated-weights-used-in-backward"]
AT = {
    "linear": DENSE + DERIVATIVES + ["outer-product-transposed", "weight-layout-transposed", "weight-transpose-missing", "softmax-diagonal-only"],
    "conv2d": DENSE + DERIVATIVES + [
        "kernel-not-flipped", "kernel-transposed-instead-of-rotated", "weight-gradient-rotated", "stride-ignored-in-input-gradient", "stride-ignored-in-weight-gradient",
        "dilation-ignored-in-input-gradient", "dilation-ignored-in-weight-gradient", "padding-not-cropped", "padding-cropped-elsewhere", "overwrite-instead-of-accumulate/weight",
        "kernel-channels-swapped", "weight-gradient-channels-swapped", "input-channels-reversed/weight", "bias-gradient-divided-by-positions",
        "bias-gradient-first-position-only", "bias-gradient-last-position-only", "only-last-filter-in-input-gradient", "groups-ignored", "groups-ignored/input",
        "groups-ignored/weight"],
    "max_pool2d": ["padding-not-cropped", "pool-overwrites-overlapping-windows", "pool-overwrites-overlapping-windows/window", "max-pool-gradient-to-all-ties",
                   "max-pool-gradient-split-over-ties", "max-pool-gradient-to-last-tie", "max-pool-mean-of-window", "max-pool-gradient-to-whole-window"],
    "avg_pool2d": ["padding-not-cropped", "pool-overwrites-overlapping-windows", "average-pool-divisor-missing", "count-include-pad-wrong", "count-include-pad-wrong/both"],
    "global_avg_pool2d": ["average-pool-divisor-missing"],
    "flatten": ["flatten-column-major", "flatten-column-major/forward", "flatten-column-major/image", "unflatten-column-major", "unflatten-column-major/image",
                "flatten-channels-last", "unflatten-channels-last"],
    "activation": DERIVATIVES,
    "add": ["skip-branch-forgotten/0", "skip-branch-forgotten/1", "skip-branch-twice/0", "skip-branch-twice/1"],
    "dropout": ["dropout-mask-missing", "dropout-mask-missing/both", "dropout-scale-missing", "dropout-other-mask"],
    "layer_norm": ["norm-mean-path-missing", "norm-variance-path-missing", "norm-n-for-n-minus-1", "norm-n-for-n-minus-1/forward", "norm-n-for-n-minus-1/both", "norm-weight-missing",
                   "norm-weight-gradient-wrong/input", "norm-weight-gradient-wrong/centred", "norm-sigma-wrong", "norm-sigma-wrong/twice", "norm-sums-not-divided",
                   "norm-sums-along-wrong-axis", "norm-variance-path-wrong", "norm-variance-path-wrong/centred"],
}
AT["group_norm"] = AT["instance_norm2d"] = AT["layer_norm"]


NEED_TRAIN = ("learning-rate-multiplied-in", "weight-decay-added", "weight-decay-added/weights", "updated-weights-used-in-backward")


def candidates(net):
    """Every single mistake of this network, and every mistake that is made at all layers that allow it."""
    everywhere = {}
    for switch in ANYWHERE:
        if net.train or switch not in NEED_TRAIN:
            yield [(switch, None)]
    batch, outputs = (net.loss.get(key, default) == "mean" for key, default in (("batch_reduction", "mean"), ("reduction", "sum")))
    yield [("sum-instead-of-mean" if batch else "mean-instead-of-sum", None)]
    yield [("sum-instead-of-mean/outputs" if outputs else "mean-instead-of-sum/outputs", None)]
    for layer in net.layers:
        for switch in AT[layer["type"]]:
            if net.train or switch not in NEED_TRAIN:
                everywhere.setdefault(switch, []).append((switch, layer["name"]))
                yield [(switch, layer["name"])]
    yield from (places for places in everywhere.values() if len(places) > 1)
