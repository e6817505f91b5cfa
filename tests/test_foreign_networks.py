"""Networks of other libraries are the same function, or refused; what they were read from stays as it was."""

import copy
import pickle
import sys
import warnings

import numpy as np
import pytest

import lmctheory as lmc

DRAW = np.random.default_rng(3)
X = DRAW.normal(size=(30, 4))


# PyTorch

try:
    import torch
    from torch import nn
    from torch.nn import functional
    from torch.nn.utils import prune
except ImportError:
    torch = None

if torch is not None:

    class Scaled(nn.Linear):
        def forward(self, x):
            return 0.1 * functional.linear(x, self.weight, self.bias)

    class LowRank(nn.Linear):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            self.A, self.B = nn.Parameter(torch.randn(sizes[1], 1)), nn.Parameter(torch.randn(1, sizes[0]))

        def forward(self, x):
            return super().forward(x) + x @ (self.A @ self.B).T

    class Quoted(nn.Linear):
        """With the forward of Linear, as NonDynamicallyQuantizableLinear."""

    class Called(nn.Linear):
        def __call__(self, x):
            return 2 * super().__call__(x)

    class Halved(nn.Linear):
        """Its forward is that of Linear, its weight is not the parameter."""

        @property
        def weight(self):
            return 0.5 * self._parameters["weight"]

    class Noisy(nn.Linear):
        @property
        def weight(self):
            return self._parameters["weight"] + torch.randn(())

    class Shifted(nn.ReLU):
        def forward(self, x):
            return functional.relu(x - 1)

    class Doubled(nn.Identity):
        def forward(self, x):
            return 2 * x

    class AlwaysOn(nn.Dropout):
        def forward(self, x):
            return functional.dropout(x, self.p, training=True)

    class NeverEvaluated(nn.Dropout):
        def train(self, mode=True):
            return super().train(True)

    class Iterated(nn.Sequential):
        def __iter__(self):
            yield from super().__iter__()
            yield Doubled()

    class Named(nn.Sequential):
        """With the forward of Sequential."""


needs_torch = pytest.mark.skipif(torch is None, reason="could not import 'torch'")


def sequence(*first):
    return nn.Sequential(*(first or [nn.Linear(4, 6)]), nn.ReLU(), nn.Linear(6, 2))


def outputs(module):
    """Outputs of a copy, in double precision, in evaluation mode."""
    with torch.no_grad():
        return module.double().eval()(torch.tensor(X)).numpy()


def turned(layer, subclass):
    layer.__class__ = subclass
    return layer


def patched(module, place):
    layer = module[place]
    layer.forward = lambda x: 3 * type(layer).forward(layer, x)
    return module


def with_hook(kind, place, hook):
    module = sequence(nn.Linear(4, 6), nn.Identity())
    getattr(module if place is None else module[place], f"register_forward_{kind}")(hook)
    return module


def with_weight(change):
    module = sequence()
    module[0].weight = nn.Parameter(change(module[0].weight.detach()), requires_grad=False)
    return module


def pruned():
    module = sequence().double()
    prune.l1_unstructured(module[0], "weight", 0.5)
    prune.random_unstructured(module[0], "weight", 0.3)
    prune.ln_structured(module[2], "weight", 1, n=2, dim=0)
    prune.l1_unstructured(module[2], "bias", 1)
    with torch.no_grad():
        module[0].weight_orig.add_(1.0)  # an optimiser's step: the weight is stale until the next evaluation
    return module


def tied():
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    module[2].weight = module[0].weight
    return module


def with_nothing():
    module = sequence()
    module.add_module("z", None)
    return module


def moved_bias():
    module = sequence().double()
    bias = module[0].bias.detach()
    del module[0].bias
    module[0].bias = bias + 1  # a tensor that is no parameter, as a hypernetwork leaves it
    return module


SAME = {
    "subclass with the same forward": lambda: sequence(Quoted(4, 6)),
    "of attention": lambda: sequence(nn.modules.linear.NonDynamicallyQuantizableLinear(4, 6)),
    "weight is a property": lambda: sequence(turned(nn.Linear(4, 6), Halved)),
    "subclass of Sequential": lambda: Named(*sequence()),
    "nested": lambda: Named(Named(nn.Linear(4, 6)), nn.Sequential(nn.ReLU(inplace=True), Named(nn.Linear(6, 2)))),
    "no bias": lambda: sequence(nn.Linear(4, 6, bias=False)),
    "in place": lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Dropout(0.9), nn.Linear(6, 2)),
    "passed over": lambda: sequence(nn.Identity(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 6)),
    "pruned": pruned,
    "pruned for good": lambda: (
        lambda module: prune.remove(prune.l1_unstructured(module[0], "weight", 0.5), "weight") and module
    )(sequence()),
    "masked by hand": lambda: (lambda module: prune.custom_from_mask(module[2], "weight", torch.eye(2, 6)) and module)(
        sequence()
    ),
    "weight norm": lambda: sequence(nn.utils.parametrizations.weight_norm(nn.Linear(4, 6))),
    "weight norm of old": lambda: sequence(quietly(nn.utils.weight_norm, nn.Linear(4, 6))),
    "spectral norm": lambda: sequence(nn.utils.parametrizations.spectral_norm(nn.Linear(4, 6))),
    "spectral norm of old": lambda: sequence(quietly(nn.utils.spectral_norm, nn.Linear(4, 6))),
    "orthogonal": lambda: sequence(nn.utils.parametrizations.orthogonal(nn.Linear(4, 6))),
    "frozen": lambda: sequence().requires_grad_(False),
    "bias is no parameter": moved_bias,
    "one object twice": lambda: (lambda layer: nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(4, 2)))(
        nn.Linear(4, 4)
    ),
    "one weight twice": lambda: (lambda a, b: setattr(b, "weight", a.weight) or nn.Sequential(a, nn.ReLU(), b))(
        nn.Linear(4, 4), nn.Linear(4, 4)
    ),
    "bfloat16": lambda: sequence().bfloat16(),
    "half": lambda: sequence().half(),
    "transposed memory": lambda: with_weight(lambda W: W.T.contiguous().T),
    "expanded memory": lambda: with_weight(lambda W: W[:1].expand(6, 4)),
}

OTHER = {
    "scaled": (lambda: sequence(Scaled(4, 6)), "got Scaled at layer 0, with another forward than Linear"),
    "low rank": (lambda: sequence(LowRank(4, 6)), "got LowRank at layer 0, with another forward"),
    "called": (lambda: sequence(Called(4, 6)), "got Called at layer 0, with another __call__"),
    "noisy": (lambda: sequence(turned(nn.Linear(4, 6), Noisy)), "outputs that differ by"),
    "shifted": (lambda: nn.Sequential(nn.Linear(4, 6), Shifted(), nn.Linear(6, 2)), "got Shifted at layer 1"),
    "doubled": (lambda: sequence(nn.Linear(4, 6), Doubled()), "got Doubled at layer 1, with another forward than Identity"),
    "always on": (lambda: sequence(nn.Linear(4, 6), AlwaysOn()), "got AlwaysOn at layer 1"),
    "never evaluated": (lambda: sequence(nn.Linear(4, 6), NeverEvaluated()), "with another train than Dropout"),
    "iterated": (lambda: Iterated(*sequence()), "outputs that differ by"),
    "patched": (lambda: patched(sequence(), 0), "got Linear at layer 0, with another forward"),
    "patched ReLU": (lambda: patched(sequence(), 1), "got ReLU at layer 1, with another forward"),
    "patched inside": (lambda: nn.Sequential(patched(sequence(), 2)), "got Linear at layer 0.2, with another forward"),
    "hook": (
        lambda: with_hook("hook", 0, lambda *_: None),
        "forward hooks, which may change its function, got 1 of Linear at layer 0",
    ),
    "pre-hook": (lambda: with_hook("pre_hook", 1, lambda *_: None), "got 1 of Identity at layer 1"),
    "hook of all": (lambda: with_hook("pre_hook", None, lambda m, x: (2 * x[0],)), "got 1 of the module itself"),
    "leaky": (lambda: nn.Sequential(nn.Linear(4, 6), nn.LeakyReLU(0.0), nn.Linear(6, 2)), "got LeakyReLU at layer 1"),
    "ReLU6": (lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU6(), nn.Linear(6, 2)), "got ReLU6 at layer 1"),
    "Hardtanh": (lambda: nn.Sequential(nn.Linear(4, 6), nn.Hardtanh(), nn.Linear(6, 2)), "got Hardtanh at layer 1"),
    "flatten to the middle": (lambda: sequence(nn.Flatten(1, 2), nn.Linear(4, 6)), "got Flatten at layer 0"),
    "flatten all": (lambda: sequence(nn.Flatten(0), nn.Linear(4, 6)), "got Flatten at layer 0"),
    "nothing": (with_nothing, "got NoneType at layer z"),
    "lazy": (lambda: sequence(nn.LazyLinear(6)), "got LazyLinear at layer 0; evaluate the module once"),
    "meta": (lambda: sequence().to("meta"), "module must have weights that can be copied, got NotImplementedError"),
    "complex": (lambda: sequence().to(torch.complex64), "Linear at layer 0: weight must be a matrix of real numbers"),
    "integers": (lambda: with_weight(lambda W: W.long()), "module must be a function"),
    "NaN": (lambda: with_weight(lambda W: W * np.nan), "layer 0: weight must be finite, got nan"),
    "scripted": (lambda: torch.jit.script(sequence()), "got RecursiveScriptModule"),
    "graph": (lambda: torch.fx.symbolic_trace(sequence()), "got Sequential of torch.fx"),
    "parallel": (lambda: nn.DataParallel(sequence()), "got DataParallel; give its attribute module"),
    "averaged": (lambda: torch.optim.swa_utils.AveragedModel(sequence()), "got AveragedModel; give its attribute module"),
    "compiled": (lambda: torch.compile(sequence()), "got OptimizedModule; give its attribute _orig_mod"),
    "list": (lambda: nn.ModuleList(sequence()), "got ModuleList"),
    "a class": (lambda: nn.Sequential, "got type"),
    "a weight": (lambda: nn.Linear(4, 2).weight, "got Parameter"),
}


def quietly(function, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is deprecated is still met
        return function(*arguments)


@needs_torch
@pytest.mark.parametrize("case", SAME)
def test_modules_are_read_as_they_compute(case):
    torch.manual_seed(0)
    module = SAME[case]()
    found = lmc.from_torch(module)
    expected = outputs(module)
    assert np.allclose(found(X), expected, rtol=0, atol=1e-12 * max(1, np.abs(expected).max()))


@needs_torch
@pytest.mark.parametrize("case", OTHER)
def test_modules_that_compute_something_else_are_refused(case):
    make, message = OTHER[case]
    module = quietly(make)
    state = torch.get_rng_state()
    with pytest.raises(lmc.InvalidInputError) as caught:
        quietly(lmc.from_torch, module)
    assert message in str(caught.value)
    assert torch.equal(torch.get_rng_state(), state)


@needs_torch
def test_a_changed_library_is_noticed(monkeypatch):
    """Whoever patches Linear itself leaves every type as it was: then the outputs tell."""
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: functional.linear(x, self.weight, self.bias) + 1e-6)
    with pytest.raises(lmc.InvalidInputError, match="outputs that differ by"):
        lmc.from_torch(sequence())


@needs_torch
@pytest.mark.parametrize("training", [True, False])
def test_the_module_stays_as_it_was(training):
    layers = (nn.utils.parametrizations.spectral_norm(nn.Linear(4, 6)), nn.Dropout(0.5))
    module = sequence(*layers).train(training)
    prune.l1_unstructured(module[3], "weight", 0.3)
    module[1].train(not training)
    module(torch.randn(3, 4)).sum().backward()
    seen = []
    module[3].register_full_backward_hook(lambda *_: seen.append(1))

    def state():
        arrays = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        parts = [(id(part), part.training, sorted(vars(part)), sorted(part._forward_pre_hooks)) for part in module.modules()]
        parameters = [(id(p), p.data_ptr(), p.requires_grad, p.grad.clone()) for p in module.parameters()]
        return arrays, parts, parameters, torch.get_rng_state(), id(module[3].weight)

    before = state()
    lmc.from_torch(module)
    after = state()
    assert all(torch.equal(tensor, after[0][name]) for name, tensor in before[0].items())
    assert before[1] == after[1]
    for one, other in zip(before[2], after[2], strict=True):
        assert one[:3] == other[:3]
        assert torch.equal(one[3], other[3])
    assert torch.equal(before[3], after[3])
    assert before[4] == after[4]
    assert not seen


@needs_torch
def test_a_module_that_was_compiled_in_place_is_read_and_not_compiled_again():
    module = sequence().double()
    expected = outputs(module)
    quietly(module.compile)
    compiled, calls = module._compiled_call_impl, []
    assert compiled is not None
    module._compiled_call_impl = lambda *arguments: calls.append(arguments) or compiled(*arguments)
    assert np.allclose(lmc.from_torch(module)(X), expected, rtol=0, atol=1e-13)
    assert not calls


@needs_torch
def test_the_network_is_a_copy():
    module = sequence().double()
    found = lmc.from_torch(module)
    with torch.no_grad():
        module[0].weight.add_(1.0)
    assert np.allclose(found.weights[0] + 1, module[0].weight.detach().numpy())
    assert not found.weights[0].flags.writeable


@needs_torch
@pytest.mark.parametrize("context", ["inference", "autocast", "half by default"])
def test_modes_of_torch_do_not_matter(context):
    module = sequence().double()
    if context == "half by default":
        torch.set_default_dtype(torch.float16)
        try:
            found = lmc.from_torch(module)
        finally:
            torch.set_default_dtype(torch.float32)
    else:
        with torch.inference_mode() if context == "inference" else torch.autocast("cpu", dtype=torch.bfloat16):
            found = lmc.from_torch(module)
    assert np.allclose(found(X), outputs(module), rtol=0, atol=1e-13)


@needs_torch
@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e150, 1e200])
def test_weights_of_any_size_are_read(scale):
    module = sequence().double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(scale)
    assert lmc.from_torch(module).widths == (6,)


@needs_torch
def test_deep_and_wide_modules_agree_up_to_rounding():
    torch.manual_seed(1)
    layers = [layer for _ in range(12) for layer in (nn.Linear(300, 300), nn.ReLU())]
    module = nn.Sequential(*layers, nn.Linear(300, 2))
    assert lmc.from_torch(module).depth == 12


# Tensors where arrays are expected


@needs_torch
def test_tensors_with_gradients_are_numbers():
    first, last = nn.Linear(4, 3), nn.Linear(3, 1)
    net = lmc.TwoLayerNet(first.weight, last.weight[0])
    assert np.array_equal(net.W, first.weight.detach().numpy())
    deep = lmc.LayeredNet([first.weight, last.weight], [first.bias, last.bias])
    inputs = torch.tensor(X, requires_grad=True)
    assert np.array_equal(deep(inputs), deep(X))
    assert np.array_equal(deep.with_parameters(torch.tensor(deep.parameters, requires_grad=True)).parameters, deep.parameters)
    assert lmc.DataLoss(inputs, inputs[:, 0])(deep) == lmc.DataLoss(X, X[:, 0])(deep)
    labels = torch.zeros(len(X), dtype=torch.int64)
    assert lmc.DataLoss(inputs, labels, "error")(deep) == 0
    assert np.array_equal(net.permute(torch.tensor([2, 0, 1])).W, net.W[[2, 0, 1]])
    assert first.weight.requires_grad
    assert first.weight.grad is None


TENSORS = {
    "meta": lambda: torch.ones(3, 4, device="meta"),
    "bfloat16": lambda: torch.ones(3, 4, dtype=torch.bfloat16),
    "sparse": lambda: torch.ones(3, 4).to_sparse(),
    "complex": lambda: torch.ones(3, 4, dtype=torch.complex64),
    "quantised": lambda: torch.quantize_per_tensor(torch.ones(3, 4), 0.1, 0, torch.qint8),
    "list with gradients": lambda: list(torch.ones(3, 4, requires_grad=True)),
    "lazy": lambda: nn.LazyLinear(3).weight,
    "module": lambda: nn.Linear(4, 3),
}


@needs_torch
@pytest.mark.parametrize("case", TENSORS)
def test_tensors_without_real_numbers_are_refused_by_name(case):
    value = quietly(TENSORS[case])
    for name, call in {
        "W": lambda: lmc.TwoLayerNet(value),
        r"weights\[0\]": lambda: lmc.LayeredNet([value, np.ones((1, 3))]),
        "X": lambda: lmc.DataLoss(value, np.zeros(3)),
        "y": lambda: lmc.DataLoss(np.ones((3, 1)), value),
    }.items():
        with pytest.raises(lmc.InvalidInputError, match=rf"^{name} must be"):
            quietly(call)


@needs_torch
def test_single_tensors_are_numbers_or_refused():
    net = lmc.TwoLayerNet(np.eye(2))
    settings = {"learning_rate": 0.1, "gradient_tol": torch.tensor(100.0), "n_runs": torch.tensor(1), "max_steps": 3, "rng": 0}
    assert lmc.train(net, 2, **settings).networks[0].width == 2
    for name in ("gradient_tol", "n_runs"):
        with pytest.raises(lmc.InvalidInputError, match=f"^{name} must be"):
            lmc.train(net, 2, **settings | {name: torch.ones((), device="meta")})
    for value in (torch.tensor(1.0), np.array(1.0), torch.ones((), device="meta")):
        with pytest.raises(lmc.InvalidInputError, match="weights must be a sequence of matrices"):
            lmc.LayeredNet(value)


class Unreadable:
    """An array of a library in a mode in which it has no values."""

    shape, dtype = (2, 2), "float32"

    def __init__(self, error):
        self.error = error

    def __array__(self, dtype=None, copy=None):
        raise self.error


@pytest.mark.parametrize(
    "error", [NotImplementedError("symbolic"), RuntimeError("traced"), KeyError("x"), AttributeError("numpy")]
)
def test_whatever_another_library_raises_is_a_refusal(error):
    net = lmc.TwoLayerNet(np.eye(2))
    for name, call in {"W": lmc.TwoLayerNet, "X": net, "perm": net.permute}.items():
        with pytest.raises(
            lmc.InvalidInputError, match=rf"{name} must be .* got a Unreadable of shape \(2, 2\) and dtype float32"
        ):
            call(Unreadable(error))


def test_arrays_of_jax_are_numbers():
    jnp = pytest.importorskip("jax.numpy")
    net = lmc.TwoLayerNet(jnp.ones((3, 4)), jnp.arange(3.0))
    assert net.a.tolist() == [0, 1, 2]
    with pytest.raises(lmc.InvalidInputError, match=r"^W must be a matrix of real numbers"):
        lmc.TwoLayerNet(jnp.ones((3, 4), dtype=jnp.bfloat16))


def test_copies_of_networks_are_read_only_too():
    two = lmc.TwoLayerNet(np.eye(2))
    for net in (two, lmc.LayeredNet.from_two_layer(two)):
        for other in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
            arrays = (other.W, other.a) if net is two else (*other.weights, *other.biases)
            assert type(other) is type(net)
            assert not any(array.flags.writeable for array in arrays)
            assert np.array_equal(other(X[:, :2]), net(X[:, :2]))


# scikit-learn


def perceptron(base, y, inputs=X, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged
        return base(hidden_layer_sizes=(5,), max_iter=3, random_state=0, **settings).fit(inputs, y)


REGRESSION, TWO_CLASSES = X[:, 0] ** 2, (X[:, 0] > 0).astype(int)
THREE_CLASSES = np.array(["a", "b", "c"])[np.arange(len(X)) % 3]


def subclass(base, **methods):
    """A perceptron with other methods; each gets the base class first."""

    def bound(method):
        return lambda self, X: method(base, self, X)

    return type("Mine", (base,), {name: bound(method) for name, method in methods.items()})


def squared(base, self, X):
    found = base.predict_proba(self, X) ** 2
    return found / found.sum(axis=1, keepdims=True)


def strict(base, self, X):
    return self.classes_[(base.predict_proba(self, X)[:, 1] > 0.9).astype(int)]


@pytest.mark.parametrize("kind", ["clipped", "rounded", "tempered", "tempered, three classes", "strict", "instance", "failing"])
def test_perceptrons_that_predict_something_else_are_refused(kind):
    network = pytest.importorskip("sklearn.neural_network")
    regressor, classifier = network.MLPRegressor, network.MLPClassifier
    if kind == "clipped":
        mlp = perceptron(subclass(regressor, predict=lambda b, s, X: np.maximum(b.predict(s, X), 0)), REGRESSION)
    elif kind == "rounded":
        mlp = perceptron(subclass(regressor, predict=lambda b, s, X: np.round(b.predict(s, X), 3)), REGRESSION)
    elif kind == "failing":
        mlp = perceptron(subclass(regressor, predict=lambda b, s, X: 1 / 0), REGRESSION)
    elif kind.startswith("tempered"):
        mlp = perceptron(subclass(classifier, predict_proba=squared), THREE_CLASSES if "three" in kind else TWO_CLASSES)
    elif kind == "strict":
        mlp = perceptron(subclass(classifier, predict=strict), TWO_CLASSES)
    else:
        mlp = perceptron(classifier, THREE_CLASSES)
        mlp.predict = lambda X: np.full(len(X), "a")
    with pytest.raises(lmc.InvalidInputError, match=r"mlp must (compute|predict|be a function)"):
        lmc.from_sklearn(mlp)


def test_other_perceptrons_are_the_same_function():
    network = pytest.importorskip("sklearn.neural_network")
    plain = perceptron(subclass(network.MLPRegressor), REGRESSION)
    assert np.allclose(lmc.from_sklearn(plain)(X)[:, 0], plain.predict(X), rtol=0, atol=1e-13)
    single = perceptron(network.MLPRegressor, REGRESSION.astype(np.float32), X.astype(np.float32))
    assert single.coefs_[0].dtype == np.float32
    assert np.allclose(lmc.from_sklearn(single)(X)[:, 0], single.predict(X), rtol=0, atol=1e-13)
    partly = network.MLPClassifier((5,), random_state=0).partial_fit(X, THREE_CLASSES, classes=["a", "b", "c", "d"])
    assert lmc.from_sklearn(partly).output_dim == 4


def test_features_with_names_raise_no_warning():
    pandas = pytest.importorskip("pandas")
    network = pytest.importorskip("sklearn.neural_network")
    mlp = perceptron(network.MLPRegressor, REGRESSION, pandas.DataFrame(X, columns=list("abcd")))
    assert lmc.from_sklearn(mlp).input_dim == 4


@pytest.mark.parametrize("kind", ["one class", "NaN", "other output", "pipeline", "later activation"])
def test_perceptrons_that_are_no_such_network_are_refused(kind):
    network = pytest.importorskip("sklearn.neural_network")
    mlp = perceptron(network.MLPClassifier, np.zeros(len(X)) if kind == "one class" else TWO_CLASSES)
    if kind == "NaN":
        mlp.coefs_[0][0, 0] = np.nan
    elif kind == "other output":
        mlp.out_activation_ = "tanh"
    elif kind == "pipeline":
        mlp = sys.modules["sklearn"].pipeline.make_pipeline(mlp)
    elif kind == "later activation":
        mlp.set_params(activation="tanh")
    with pytest.raises(lmc.InvalidInputError, match=r"^mlp must|^weights\[0\] must be finite"):
        lmc.from_sklearn(mlp)
