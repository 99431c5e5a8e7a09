"""Files with two mistakes, and files that no mistake explains."""
import numpy as np

# subject | first mistake | second mistake | form; a mistake is `id@layer` or `id/how@layer`, in a graph `id/how@node`
TWO = """
cnn-two | kernel-not-flipped@conv2 | bias-gradient-divided-by-positions@conv1 | parameters
cnn-pool | activation-derivative-missing@conv2 | weight-gradient-rotated@conv1 | parameters
mlp-tanh | softmax-derivative-twice@ | derivative-at-a-instead-of-z@fc1 | parameters
mlp-square-relu | outer-product-transposed@fc3 | relu-mask-from-gradient@fc1 | parameters
cnn-three | sum-instead-of-mean@ | kernel-not-flipped@conv3 | parameters
mlp-dropout | dropout-scale-missing@drop2 | dropout-mask-missing@drop1 | all
mlp-norm | norm-variance-path-missing@norm2 | activation-derivative-missing@act1 | parameters
cnn-stride | padding-not-cropped@conv2 | stride-ignored-in-weight-gradient@conv1 | all
affine | factor-two-missing@J | broadcast-averaged@y | inputs
batch-norm-lines | norm-variance-path-missing@var | broadcast-averaged@y | inputs
embedding | activation-derivative-missing@h | repeated-index-overwritten@emb | inputs
attention | attention-scale-missing/backward-only@s | path-forgotten@v | all
mlp-relu | softmax-derivative-twice@ | sum-instead-of-mean@ | own-stack
mlp-l1 | sum-instead-of-mean/outputs@ | activation-derivative-missing@fc1 | stack
mlp-binary-logits | sigmoid-derivative-on-top-of-cross-entropy@ | sum-instead-of-mean@ | own-stack
mlp-relu | softmax-derivative-twice@ | activation-derivative-missing@fc1 | stack
mlp-relu | sum-instead-of-mean@ | activation-derivative-missing@fc2 | own-stack
""".strip().splitlines()


def two():
    """(subject, [(switch, layer or None, at)], form)."""
    for line in TWO:
        name, first, second, form = (part.strip() for part in line.split("|"))
        yield name, [tuple(what.split("@")) for what in (first, second)], form


def one_entry(rng, a):
    """A typing error: one entry is half as large again."""
    flat = a.ravel().copy()
    flat[rng.integers(flat.size)] += 0.5 * np.abs(flat).max()
    return flat.reshape(a.shape)


def small_slip(rng, a):
    """One entry is off by a thousandth of the largest."""
    flat = a.ravel().copy()
    flat[rng.integers(flat.size)] += 0.001 * np.abs(flat).max()
    return flat.reshape(a.shape)


def noise(rng, a):
    """Ten per cent of noise on each entry."""
    return a * (1 + 0.1 * rng.normal(size=a.shape))


def random(rng, a):
    """Random numbers of the right size."""
    return rng.normal(size=a.shape) * np.abs(a).max()


def squashed(_rng, a):
    """A tanh where nobody would put one."""
    return np.tanh(3 * a) / 3


def shuffled(rng, a):
    """The right numbers in a random order."""
    return rng.permutation(a.ravel()).reshape(a.shape)


def two_slips(rng, a):
    """Two entries are wrong, in unrelated ways."""
    return one_entry(rng, small_slip(rng, a))


# subject | tensor | what happens to it | form
NONE = """
mlp-tanh | fc2.weight | one_entry | parameters
cnn-two | conv1.weight | one_entry | parameters
mlp-leaky | fc1.weight | small_slip | parameters
cnn-groups | conv2.weight | noise | parameters
mlp-relu | fc2.weight | random | torch
cnn-square | conv1.z | squashed | all
mlp-square | fc2.weight | shuffled | parameters
cnn-pool | conv2.weight | two_slips | parameters
affine | W | one_entry | inputs
attention | x | random | inputs
rnn-all | U | noise | all
cnn-three | conv3.weight | small_slip | torch
""".strip().splitlines()


def none():
    """(subject, tensor, function, form)."""
    for line in NONE:
        name, tensor, change, form = (part.strip() for part in line.split("|"))
        yield name, tensor, globals()[change], form
