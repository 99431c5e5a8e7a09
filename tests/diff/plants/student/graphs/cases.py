"""Which mistake is planted in which graph: id, graph, switches (`id/how`, of which only `how` is written), at, form."""

ROWS = """
broadcast-not-summed | affine | | y | inputs
broadcast-not-summed | batch-norm-lines | | diff | inputs
broadcast-not-summed | softmax-lines | | p | all
broadcast-not-summed | powers | | w | inputs
broadcast-not-summed | edges | | y | all
broadcast-averaged | affine | | y | inputs
broadcast-averaged | classifier | | h logits | inputs
broadcast-averaged | batch-norm-lines | | y | all
broadcast-averaged | batch-norm-lines | mu | diff | inputs
broadcast-averaged | unit-rows | | u | inputs
broadcast-averaged | logistic | | z | all
repeated-index-overwritten | embedding | | emb | inputs
repeated-index-overwritten | embedding | added | emb | all
repeated-index-overwritten | bag-of-words | | rows | inputs
repeated-index-overwritten | edges | | m | all
path-forgotten | residual | skip | y | inputs
path-forgotten | residual | branch | y | all
path-forgotten | attention | | v | inputs
path-forgotten | softmax-lines | | s | inputs
path-forgotten | gate | | g | all
path-forgotten | rnn-all | | h | inputs
path-forgotten | hinge | | right | inputs
path-forgotten | unit-rows | | q | all
gradient-overwritten-per-turn | rnn-all | | h | inputs
gradient-overwritten-per-turn | rnn-last | | h | all
gradient-overwritten-per-turn | repeated-layer | last | y | inputs
gradient-overwritten-per-turn | rnn-all | U | h | inputs
gradient-overwritten-per-turn | rnn-last | last | h | inputs
operand-gradient-swapped | gate | | h | inputs
operand-gradient-swapped | attention | | s | inputs
operand-gradient-swapped | square-affine | | z | all
operand-gradient-swapped | difference | | d | inputs
transpose-missing | square-affine | W | z | inputs
transpose-missing | square-affine | x | z | all
transpose-missing | rnn-last | | h | inputs
transpose-missing | graph-convolution | | Z | inputs
transpose-missing | attention | | o | all
power-rule-wrong | powers | | u | inputs
power-rule-wrong | powers | exponent | u | all
power-rule-wrong | inverse-root | | r | inputs
power-rule-wrong | batch-norm-lines | | inv | inputs
power-rule-wrong | affine | | J | inputs
power-rule-wrong | layer-norm-lines | | v | inputs
max-gradient-to-all | max-over-time | | m | inputs
max-gradient-to-all | maxout | | m | all
max-gradient-to-all | max-over-time | | m | all
keepdim-lost | square-affine | | z | inputs
keepdim-lost | unit-rows | | u | all
keepdim-lost | softmax-lines | | p | inputs
keepdim-lost | inverse-root | | y | inputs
norm-weight-missing | batch-norm-lines | | y | inputs
norm-weight-missing | batch-norm-call | | y | all
norm-weight-gradient-wrong | batch-norm-lines | centred | y | inputs
norm-weight-gradient-wrong | batch-norm-lines | input | y | all
norm-sigma-wrong | layer-norm-lines | | n | inputs
norm-sigma-wrong | layer-norm-lines | twice | n | inputs
norm-sigma-wrong | batch-norm-call | | y | inputs
norm-sums-along-wrong-axis | layer-norm-lines | | n | inputs
norm-sums-along-wrong-axis | batch-norm-call | | y | all
norm-sums-not-divided | batch-norm-call | | y | inputs
norm-variance-path-wrong | layer-norm-lines | | n | inputs
norm-mean-path-missing | batch-norm-lines | | mu | inputs
norm-mean-path-missing | layer-norm-lines | | mu | all
norm-mean-path-missing | batch-norm-call | | y | inputs
norm-variance-path-missing | batch-norm-lines | | var | all
norm-variance-path-missing | layer-norm-lines | | v | inputs
norm-variance-path-missing | batch-norm-call | | y | inputs
norm-n-for-n-minus-1 | batch-norm-lines | | var | inputs
norm-n-for-n-minus-1 | batch-norm-call | | y | all
other-tensor-read | rnn-all | | h | inputs
other-tensor-read | rnn-last | | h | all
activation-derivative-wrong | rnn-all | | h | inputs
other-tensor-read | classifier | | logits | inputs
overwrite-instead-of-accumulate | classifier | | logits | inputs
softmax-along-wrong-axis | softmax-call | | p | inputs
activation-derivative-missing | classifier | | h | inputs
activation-derivative-missing | rnn-all | | h | inputs
activation-derivative-missing | gate | | g | all
activation-derivative-missing | graph-convolution | | H | inputs
derivative-at-a-instead-of-z | classifier | | h | inputs
derivative-of-another-activation | gate | | g | inputs
relu-mask-from-gradient | residual | | h | inputs
softmax-diagonal-only | attention | | a | inputs
softmax-diagonal-only | softmax-call | | p | all
softmax-diagonal-only | temperature | | p | inputs
softmax-derivative-twice | classifier | | loss | inputs
softmax-derivative-twice | softmax-call | | p | all
sigmoid-derivative-on-top-of-cross-entropy | logistic | | loss | inputs
attention-scale-missing | attention | backward-only | s | inputs
attention-scale-missing | attention | both-ways | s | all
softmax-sum-of-columns | attention | | a | inputs
softmax-sum-wrong | attention | | a | inputs
softmax-sum-wrong | attention | added | a | all
softmax-sum-wrong | attention | unweighted | a | inputs
softmax-sum-wrong | heads | | a | inputs
attention-scale-twice | attention | | s | inputs
attention-scale-missing | attention | key | s | inputs
operand-gradient-swapped | attention | query | s | all
operand-gradient-swapped | heads | key | a | inputs
transpose-missing | heads | | o | inputs
transpose-missing | heads | heads | o | inputs
path-counted-twice | heads | | x | inputs
path-counted-twice | residual | | h | inputs
product-factor-missing | gate | | h | inputs
attention-scale-missing | attention | forward-only | s | inputs
softmax-row-sum-missing | attention | | a | inputs
softmax-row-sum-missing | temperature | | p | all
error-transposed | attention | | s | inputs
error-transposed | attention | | s | all
gradients-exchanged | attention | | Wq Wk | inputs
target-not-subtracted | classifier | | loss | inputs
activation-instead-of-derivative | residual | | h | inputs
scale-missing | temperature | | z | all
scale-missing | bag-of-words | | s | inputs
scale-missing | batch-norm-lines | | var | inputs
detached-tensor-differentiated | bootstrap | | target | inputs
detached-tensor-differentiated | two-views | | goal | inputs
sum-instead-of-mean | classifier | | loss | inputs
sum-instead-of-mean | affine | | J | all
factor-two-missing | batch-norm-call | | J | inputs
factor-two-missing | bootstrap | | J | all
factor-two-missing | unit-rows | | q | inputs
factor-two-missing | bag-of-words | | p | inputs
sign-flipped | softmax-call | | J | inputs
wrong-target | classifier | next | loss | inputs
wrong-target | classifier | roll | loss | all
""".strip().splitlines()


def rows():
    """(id, graph, switch, at, form)."""
    for line in ROWS:
        kind, name, how, at, form = (part.strip() for part in line.split("|"))
        yield kind, name, f"{kind}/{how}" if how else kind, at.split(), form
