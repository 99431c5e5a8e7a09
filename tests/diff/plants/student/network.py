"""A network of layers: forward, loss and backward, over a batch, layer by layer.

A mistake is (id, layer), or (id, None) for one that is made in the loss or in the batch. `id/how` is one of several ways to make it.
"""
import numpy as np

from . import conv, maths, norm, pool

WITH_WEIGHTS = ("conv2d", "linear")
NORMS = ("layer_norm", "group_norm", "instance_norm2d")


class Student:
    """With float32 the values and errors are rounded after each layer."""

    def __init__(self, net, mistakes=(), dtype=float):
        self.net, self.dtype, self.params = net, dtype, {k: np.array(v, dtype) for k, v in net.params.items()}
        self.mistakes = list(mistakes)
        self.layers = net.layers
        self.last = self.layers[-1]["name"]

    def wrong(self, layer=None):
        return {what for what, where in self.mistakes if where == layer}

    # ----- forward

    def forward(self, x):
        """All values by name; what a layer reads is under (name, "x")."""
        values = {"input": x}
        if "input-channels-reversed" in self.wrong():
            values["input"] = x = x[::-1]
        before = "input"
        for layer in self.layers:
            name, wrong = layer["name"], self.wrong(layer["name"])
            sources = layer.get("from", before)
            read = [values[self.value_of(s)] for s in (sources if isinstance(sources, list) else [sources])]
            x = read[0]
            values[name, "x"] = x
            out = self.layer_forward(layer, x, read, wrong, values)
            values[self.value_of(name)] = out.astype(self.dtype)
            before = name
        return values

    def value_of(self, name):
        """The name of the tensor that a layer hands on."""
        if name == "input":
            return name
        layer = self.net.by_name[name]
        if layer["type"] in WITH_WEIGHTS and layer["activation"] == "identity":
            return name + ".z"
        return name + ".a"

    def layer_forward(self, layer, x, read, wrong, values):
        name, kind = layer["name"], layer["type"]
        weight, bias = self.params.get(name + ".weight"), self.params.get(name + ".bias")
        if kind in WITH_WEIGHTS:
            if kind == "linear":
                z = weight @ x
                if bias is not None:
                    z = z + bias * (x.size if "bias-in-every-product/forward" in wrong else 1)
            else:
                z = conv.forward(x, layer, weight, bias, wrong)
            values[name + ".z"] = z = z.astype(self.dtype)
            return maths.activate(layer["activation"], z)
        if kind == "activation":
            return maths.activate(layer["function"], x)
        if kind == "add":
            return sum(read[1:], read[0])
        if kind == "flatten":
            return flatten(x, wrong)
        if kind == "dropout":
            return x * layer["mask"] / (1 - layer["p"])
        if kind == "max_pool2d":
            return pool.max_forward(x, layer)
        if kind == "avg_pool2d":
            return pool.average_forward(x, layer, wrong)
        if kind == "global_avg_pool2d":
            return x.mean(axis=(1, 2), keepdims=True)
        assert kind in NORMS
        out, values[name, "cache"] = norm.forward(x, layer, weight, bias, wrong)
        return out

    # ----- the loss

    def output_error(self, values, target):
        """The error of the output, and the tensor that it is the error of: z of the last layer if the formula is a - t."""
        loss, wrong = self.net.loss, self.wrong() | self.wrong(self.last)
        kind, reduction = loss["type"], loss.get("reduction", loss.get("default"))
        out = self.value_of(self.last)
        a = values[out]
        t = self.target(target, a)
        if kind in ("cross_entropy", "cross_entropy_with_logits"):
            p = a if kind == "cross_entropy" else maths.softmax(a)
            z = self.last + ".z"
            dz = p * t.sum() - t
            if "target-not-subtracted" in wrong:
                dz = p * t.sum()
            if "softmax-derivative-twice" in wrong:
                dz = maths.softmax_backward(p, dz)
            if "softmax-diagonal-only" in wrong:
                dz = -t / p * p * (1 - p)
            if "sigmoid-derivative-on-top-of-cross-entropy" in wrong:
                dz = dz * p * (1 - p)
            if "output-activation-derivative-missing" in wrong:
                dz = -t / p
            return z, dz
        if kind.startswith("binary_cross_entropy"):
            p = a if kind == "binary_cross_entropy" else maths.sigmoid(a)
            dz = (p - t) / self.outputs(reduction, t.size, wrong)
            if "target-not-subtracted" in wrong:
                dz = p / self.outputs(reduction, t.size, wrong)
            if "sigmoid-derivative-on-top-of-cross-entropy" in wrong:
                dz = dz * p * (1 - p)
            if "output-activation-derivative-missing" in wrong:
                dz = dz / (p * (1 - p))
            return self.last + ".z", dz
        if kind == "squared_error":
            two = 1 if reduction == "half_sum" else 2
            if "factor-two-extra" in wrong:
                two = 2
            if "factor-two-missing" in wrong:
                two = 1
            return out, two * (a - t) / self.outputs(reduction, t.size, wrong)
        if kind == "l1":
            return out, np.sign(a - t) / self.outputs(reduction, t.size, wrong)
        assert kind == "upstream"
        return out, t

    def outputs(self, reduction, n, wrong):
        """What the error of an output is divided by."""
        mean = reduction == "mean"
        if "sum-instead-of-mean/outputs" in wrong or "mean-instead-of-sum/outputs" in wrong:
            mean = not mean
        return n if mean else 1

    def target(self, target, a):
        wrong = self.wrong()
        if isinstance(target, int):
            if "wrong-target/next-class" in wrong:
                target = (target + 1) % a.size
            if "wrong-target/previous-class" in wrong:
                target = (target - 1) % a.size
            target = np.eye(a.size)[target]
        t = np.array(target, float).reshape(a.shape)
        if "wrong-target/reversed" in wrong:
            t = t.reshape(-1)[::-1].reshape(a.shape)
        if "wrong-target/zero" in wrong:
            t = t * 0
        if "sign-flipped/target" in wrong:
            t = -t
        return t

    # ----- backward

    def run(self):
        """(gradients of the batch by parameter, a list with the errors of each sample by tensor)."""
        samples = self.net.samples
        passes = [self.forward(np.array(x, self.dtype)) for x, _ in samples]
        targets = [t for _, t in samples]
        if "wrong-target/next-sample" in self.wrong():
            targets = targets[1:] + targets[:1]
        errors = [{} for _ in samples]
        own = [{} for _ in samples]
        for values, target, error in zip(passes, targets, errors):
            name, start = self.output_error(values, target)
            error[name] = (-start if "sign-flipped" in self.wrong() else start).astype(self.dtype)
        batch = {}
        for index in reversed(range(len(self.layers))):
            layer = self.layers[index]
            for n, values in enumerate(passes):
                own[n].update(self.parameter_gradients(index, self.cached(index, passes, n), errors[n]))
            for key in self.net.params:
                if key.rpartition(".")[0] == layer["name"]:
                    batch[key] = self.reduce([g[key] for g in own], layer["name"])
                    if "updated-weights-used-in-backward" in self.wrong(layer["name"]):
                        train = self.net.train
                        decay = train.get("weight_decay", 0) * self.params[key]
                        self.params[key] = self.params[key] - train["learning_rate"] * (batch[key] + decay)
            read = list(errors)
            if "another-sample-read/error" in self.wrong(layer["name"]):    # np.roll(dz, 1, axis=0)
                read = [dict(error) for error in errors[-1:] + errors[:-1]]
            for n, values in enumerate(passes):
                self.pass_on(index, values, errors[n], read[n])
        for error, gradients in zip(errors, own):
            error.update(gradients)
        if not any(layer["name"] + ".weight" in batch for layer in self.layers):
            raise ValueError("no parameters")
        return {key: self.finish(key, batch[key]) for key in self.net.params}, errors

    def cached(self, index, passes, n):
        """The values that the backward pass of a sample reads at a layer."""
        wrong = self.wrong(self.layers[index]["name"])
        if "another-sample-read/last" in wrong:      # the cache of the layer is overwritten by each sample
            return passes[-1]
        if "another-sample-read/next" in wrong:
            return passes[(n + 1) % len(passes)]
        return passes[n]

    def source(self, index):
        layer = self.layers[index]
        return layer.get("from", "input" if index == 0 else self.layers[index - 1]["name"])

    def parameter_gradients(self, index, values, errors):
        """First the error of z, from the error of a; then the gradients of the parameters of this layer."""
        layer = self.layers[index]
        name, kind, wrong = layer["name"], layer["type"], self.wrong(layer["name"])
        x = values[name, "x"]
        if kind in NORMS:
            dx, dgamma, dbeta = norm.backward(x, layer, self.params[name + ".weight"], values[name, "cache"], errors[name + ".a"], wrong)
            errors[name, "dx"] = dx
            gradients = {name + ".weight": dgamma, name + ".bias": dbeta}
            return {k: g for k, g in gradients.items() if k in self.params}
        if kind not in WITH_WEIGHTS:
            return {}
        if name + ".z" not in errors:
            dz = maths.activation_backward(layer["activation"], values[name + ".z"], values[name + ".a"], errors[name + ".a"], wrong)
            for switch in wrong:
                if switch.startswith("relu-mask-of-another-layer/"):
                    dz = errors[name + ".a"] * (values[switch.partition("/")[2] + ".z"] > 0)
            for switch in wrong:
                if switch.startswith("error-clipped/"):
                    bound = float(switch.partition("/")[2])
                    dz = np.clip(dz, -bound, bound)
            errors[name + ".z"] = dz.astype(self.dtype)
        dz, weight = errors[name + ".z"], self.params[name + ".weight"]
        before = self.source(index)
        if "z-instead-of-a" in wrong:
            x = values[before + ".z"]
        if "input-off-by-one-layer" in wrong:        # the activations are counted from 1 here
            x = values[before, "x"]
        if "input-off-by-one-layer/next" in wrong:
            x = values[self.value_of(name)]
        if "error-off-by-one-layer" in wrong:
            dz = errors[self.layers[index + 1]["name"] + ".z"]
        if kind == "linear":
            dweight = np.outer(dz, x)
            if "outer-product-transposed" in wrong:
                dweight = np.outer(x, dz).reshape(weight.shape)
            if "weight-layout-transposed" in wrong:
                dweight = dweight.T
            dbias = dz * (x.size if "bias-in-every-product/gradient" in wrong else 1)
        else:
            dweight = conv.weight_gradient(x, layer, weight, dz, wrong)
            dbias = conv.bias_gradient(dz, weight[0].size, wrong)
        if "sign-flipped" in wrong:
            dweight, dbias = -dweight, -dbias
        for switch in wrong:
            if switch.startswith("constant-factor/"):
                dweight = dweight * float(switch.partition("/")[2])
        gradients = {name + ".weight": dweight}
        if name + ".bias" in self.params:
            gradients[name + ".bias"] = dbias
        return gradients

    def pass_on(self, index, values, errors, read):
        """The error of what the layer reads, from the errors `read`. Where several layers read it, the errors add up."""
        layer = self.layers[index]
        name, kind, wrong = layer["name"], layer["type"], self.wrong(layer["name"])
        sources = self.source(index)
        x = values[name, "x"]
        dout = read.get(name + ".a")
        if kind == "add":
            parts = [(s, dout.copy()) for s in sources]
            for switch in wrong:
                if switch.startswith("skip-branch-forgotten/"):
                    parts[int(switch.partition("/")[2])][1][:] = 0
                if switch.startswith("skip-branch-twice/"):
                    parts[int(switch.partition("/")[2])][1][:] *= 2
        else:
            if kind == "linear":
                dx = self.linear_input_error(x, read[name + ".z"], self.params[name + ".weight"], wrong)
            elif kind == "conv2d":
                dx = conv.input_error(x, layer, self.params[name + ".weight"], read[name + ".z"], wrong)
            elif kind in NORMS:
                dx = errors.pop((name, "dx"))
            elif kind == "activation":
                dx = maths.activation_backward(layer["function"], x, values[name + ".a"], dout, wrong)
            elif kind == "flatten":
                dx = unflatten(dout, x.shape, wrong)
            elif kind == "dropout":
                dx = dropout_backward(dout, layer, wrong, self.net.by_name)
            elif kind == "max_pool2d":
                dx = pool.max_backward(x, layer, dout, wrong)
            elif kind == "avg_pool2d":
                dx = pool.average_backward(x, layer, dout, wrong)
            else:
                n = 1 if "average-pool-divisor-missing" in wrong else x[0].size
                dx = np.broadcast_to(dout / n, x.shape).copy()
            parts = [(sources, dx)]
        for source, dx in parts:
            key = self.value_of(source)
            if key in errors:
                dx = errors[key] + dx
            errors[key] = dx.astype(self.dtype)

    def linear_input_error(self, x, dz, weight, wrong):
        if "weight-transpose-missing" in wrong:
            return weight @ dz
        if "overwrite-instead-of-accumulate" in wrong:
            dx = np.zeros_like(x)
            for i in range(dz.size):
                for j in range(x.size):
                    dx[j] = weight[i, j] * dz[i]
            return dx
        return weight.T @ dz

    # ----- the batch

    def reduce(self, gradients, layer):
        wrong = self.wrong() | self.wrong(layer)
        n = len(gradients)
        mean = self.net.loss.get("batch_reduction", "mean") == "mean"
        if "sum-instead-of-mean" in wrong or "mean-instead-of-sum" in wrong:
            mean = not mean
        if "only-last-sample" in wrong or "only-last-sample/divided" in wrong:
            return gradients[-1] / (n if mean and "only-last-sample/divided" in wrong else 1)
        if "only-first-sample" in wrong or "only-first-sample/divided" in wrong:
            return gradients[0] / (n if mean and "only-first-sample/divided" in wrong else 1)
        if "mean-twice" in wrong:
            return np.mean(gradients, axis=0) / n
        return sum(gradients) / (n if mean else 1)

    def finish(self, key, gradient):
        """What happens to a gradient before it is written to the file."""
        wrong = self.wrong()
        if "learning-rate-multiplied-in" in wrong:
            gradient = gradient * self.net.train["learning_rate"]
        penalty = self.net.loss.get("l2", 0) if key.endswith(".weight") else 0
        if penalty:
            weight = self.params[key]
            if "penalty-gradient-wrong/of-l1" in wrong:
                gradient = gradient + penalty * np.sign(weight)
            elif "penalty-gradient-wrong/half" in wrong:
                gradient = gradient + penalty * weight
            elif "penalty-gradient-wrong/missing" not in wrong:
                gradient = gradient + 2 * penalty * weight
        if "weight-sign-added" in wrong:             # the gradient of an l1 penalty
            gradient = gradient + 0.02 * np.sign(self.params[key])
        if "weight-decay-added" in wrong:
            gradient = gradient + self.net.train["weight_decay"] * self.params[key]
        if "weight-decay-added/weights" in wrong and key.endswith(".weight"):
            gradient = gradient + self.net.train["weight_decay"] * self.params[key]
        for switch in wrong:
            if switch.startswith("constant-factor/"):
                gradient = gradient * float(switch.partition("/")[2])
        return gradient.astype(self.dtype)


def flatten(x, wrong):
    if "flatten-column-major" in wrong or "flatten-column-major/forward" in wrong:
        return x.flatten(order="F")
    if "flatten-column-major/image" in wrong:
        return x.transpose(0, 2, 1).flatten()
    if "flatten-channels-last" in wrong:
        return x.transpose(1, 2, 0).flatten()
    return x.flatten()


def unflatten(dout, shape, wrong):
    if "flatten-column-major" in wrong or "unflatten-column-major" in wrong:
        return dout.reshape(shape, order="F")
    depth, height, width = shape
    if "flatten-column-major/image" in wrong or "unflatten-column-major/image" in wrong:
        return dout.reshape(depth, width, height).transpose(0, 2, 1)
    if "flatten-channels-last" in wrong or "unflatten-channels-last" in wrong:
        return dout.reshape(height, width, depth).transpose(2, 0, 1)
    return dout.reshape(shape)


def dropout_backward(dout, layer, wrong, layers):
    for switch in wrong:
        if switch.startswith("dropout-mask-of-another-layer/"):
            return dout * layers[switch.partition("/")[2]]["mask"] / (1 - layer["p"])
    if "dropout-other-mask" in wrong:                # drawn again in the backward pass
        return dout * np.roll(layer["mask"], 1) / (1 - layer["p"])
    if "dropout-mask-missing" in wrong:
        return dout / (1 - layer["p"])
    if "dropout-mask-missing/both" in wrong:
        return dout.copy()
    if "dropout-scale-missing" in wrong:
        return dout * layer["mask"]
    return dout * layer["mask"] / (1 - layer["p"])
