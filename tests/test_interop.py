"""Networks of PyTorch, scikit-learn and files: the same function, or a refusal that names what is not supported."""

import io
import struct
import subprocess
import sys
import warnings
import zipfile
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lmctheory as lmc

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(40, 4))
NET = lmc.LayeredNet([DRAW.normal(size=s) for s in ((5, 4), (3, 5), (2, 3))], [DRAW.normal(size=k) for k in (5, 3, 2)])
PLAIN = lmc.LayeredNet(NET.weights)
TWO = lmc.TwoLayerNet(DRAW.normal(size=(5, 4)), DRAW.normal(size=5))


def same(one, other):
    """Whether two networks are the same to the last bit."""
    if isinstance(one, lmc.TwoLayerNet):
        return isinstance(other, lmc.TwoLayerNet) and np.array_equal(one.W, other.W) and np.array_equal(one.a, other.a)
    arrays = zip((*one.weights, *one.biases), (*other.weights, *other.biases), strict=True)
    return all(np.array_equal(a, b) for a, b in arrays)


# Files


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
@pytest.mark.parametrize("net", [NET, PLAIN, TWO], ids=["layered", "no biases", "two-layer"])
def test_what_is_saved_is_loaded(tmp_path, net, ending):
    if ending == "safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"net.{ending}"
    lmc.save_network(net, path)
    assert same(lmc.load_network(path), net)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_own_files_are_loaded(tmp_path):
    NET.save(tmp_path / "net.npz")
    TWO.save(tmp_path / "two.npz")
    assert same(lmc.load_network(tmp_path / "net.npz"), NET)
    assert same(lmc.load_network(tmp_path / "two.npz"), TWO)


def named(pattern, indices, bias=True):
    """Arrays of `NET` under torch's names, layer k under number ``indices[k]``, in scrambled order."""
    weights = {f"{pattern.format(i)}.weight": W for i, W in zip(indices, NET.weights, strict=True)}
    return dict(reversed(weights.items())) | (
        {f"{pattern.format(i)}.bias": b for i, b in zip(indices, NET.biases, strict=True)} if bias else {}
    )


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("pattern", "indices"), [("{}", (0, 2, 4)), ("{}", (8, 9, 10)), ("fc{}", (1, 2, 3)), ("net.0.layers.{}.linear", (0, 3, 11))]
)
def test_names_that_differ_in_a_number_are_recognised(tmp_path, pattern, indices, bias):
    np.savez(tmp_path / "net.npz", **named(pattern, indices, bias))
    assert same(lmc.load_network(tmp_path / "net.npz"), NET if bias else PLAIN)


def test_names_may_be_given(tmp_path):
    arrays = {"encoder.weight": NET.weights[0], "encoder.bias": NET.biases[0], "mix.weight": NET.weights[1]}
    arrays |= {"head/kernel": NET.weights[2], "head/offset": NET.biases[2]}
    np.savez(tmp_path / "net.npz", **arrays)
    found = lmc.load_network(tmp_path / "net.npz", names=["encoder", "mix", ("head/kernel", "head/offset")])
    assert same(found, lmc.LayeredNet(NET.weights, [NET.biases[0], np.zeros(3), NET.biases[2]]))
    np.savez(tmp_path / "bare.npz", V=NET.weights[0], U=NET.weights[1])
    assert same(lmc.load_network(tmp_path / "bare.npz", names=[("V", None), ("U", None)]), lmc.LayeredNet(NET.weights[:2]))


@pytest.mark.parametrize("dtype", ["float32", "float16", ">f8", "int8"])
def test_numbers_of_any_kind(tmp_path, dtype):
    arrays = {name: array.astype(dtype) for name, array in named("{}", (0, 2, 4)).items()}
    np.savez(tmp_path / "net.npz", **arrays)
    found = lmc.load_network(tmp_path / "net.npz")
    assert all(np.array_equal(W, V.astype(dtype)) for W, V in zip(found.weights, NET.weights, strict=True))
    assert found.weights[0].dtype == np.float64


@given(st.lists(st.integers(1, 4), min_size=3, max_size=6), st.integers(0, 2**32 - 1))
def test_any_architecture_survives_a_file(tmp_path_factory, sizes, seed):
    draw = np.random.default_rng(seed)
    net = lmc.LayeredNet([draw.normal(size=(b, a)) for a, b in pairwise(sizes)])
    path = tmp_path_factory.getbasetemp() / "any.npz"
    np.savez(path, **{f"{k}.weight": W for k, W in enumerate(net.weights)})
    assert same(lmc.load_network(path), net)


# fmt: off
FILES = {
    "unknown names": ({"V": X, "b": X[0]}, None, "got V, b"),
    "two kinds": ({"fc1.weight": X, "head.weight": X}, None, "names must be given"),
    "two numbers": ({"0.0.weight": X, "1.2.weight": X}, None, "names must be given"),
    "bias alone": ({"0.bias": X[0], "2.weight": X}, None, "names must be given"),
    "nothing": ({}, None, "an empty file"),
    "one layer": ({"0.weight": X}, None, "a hidden layer, got one layer, 0.weight"),
    "running mean": ({"0.weight": X, "1.running_mean": X[0]}, None, "1.running_mean"),
    "norm": ({"0.weight": X, "1.weight": X[0], "2.weight": X}, None, "1.weight must be a matrix, got an array of shape (4,)"),
    "convolution": ({"0.weight": np.ones((2, 1, 3, 3)), "2.weight": X}, None, "0.weight must be a matrix or a vector, got shape "
                    "(2, 1, 3, 3): convolutional networks are out of scope"),
    "shapes": ({"0.weight": X, "2.weight": X}, None, "weights[1] must have one column a row of weights[0], 40, got shape (40, 4) "
               "(layers in order: 0.weight (40, 4), 2.weight (40, 4))"),
    "bias shape": ({"0.weight": X, "0.bias": X[0], "2.weight": X.T}, None, "biases[0] must have one entry a row"),
    "nan": ({"0.weight": X, "2.weight": np.full((1, 40), np.nan)}, None, "2.weight must be finite, got nan"),
    "strings": ({"0.weight": X, "2.weight": np.array([["a"]])}, None, "2.weight must be a matrix of real numbers"),
    "missing": ({"a.weight": X, "b.weight": X.T}, ["a", "c"], "a.weight, b.weight, got 'c.weight'"),
    "left over": ({"a.weight": X, "b.weight": X.T, "b.scale": X[0]}, ["a", "b"], "got b.scale left over"),
    "one name": ({"a.weight": X}, ["a"], "at least two, got 1"),
    "a string": ({"a.weight": X}, "a", "names must be a sequence of names of layers"),
    "a number": ({"a.weight": X, "b.weight": X.T}, ["a", 3], "strings or pairs of names, got 3"),
}
# fmt: on


@pytest.mark.parametrize("case", FILES)
@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_files_that_are_no_network(tmp_path, case, ending):
    arrays, names, message = FILES[case]
    path = tmp_path / f"net.{ending}"
    if ending == "npz":
        np.savez(path, **arrays)
    else:
        save_file = pytest.importorskip("safetensors.numpy").save_file
        if case == "strings":
            pytest.skip("safetensors has no strings")
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    with pytest.raises(lmc.InvalidInputError) as caught:
        lmc.load_network(path, names)
    assert message in str(caught.value)


def npz_bytes():
    file = io.BytesIO()
    np.savez(file, **named("{}", (0, 2, 4)))
    return file.getvalue()


@pytest.mark.parametrize("content", [b"", b"no archive", npz_bytes()[:200], np.arange(3).tobytes()])
@pytest.mark.parametrize("ending", ["npz", "safetensors", "weights"])
def test_damaged_files(tmp_path, content, ending):
    if ending == "safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"net.{ending}"
    path.write_bytes(content)
    with pytest.raises(lmc.InvalidInputError, match=rf"path must name an? .*net\.{ending}"):
        lmc.load_network(path)


def test_cut_and_lying_safetensors(tmp_path):
    save = pytest.importorskip("safetensors.numpy").save
    whole = save({"0.weight": X, "2.weight": np.ones((1, 40))})
    path = tmp_path / "net.safetensors"
    for content in (whole[:-1], whole[:20], struct.pack("<Q", 2**60) + whole[8:], whole + b"\0"):
        path.write_bytes(content)
        with pytest.raises(lmc.InvalidInputError, match=r"path must name a \.safetensors file"):
            lmc.load_network(path)


def test_pickles_are_not_opened(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as archive:
        archive.writestr("data.pkl", b"\x80")
    with pytest.raises(lmc.InvalidInputError, match=r"hold programs; write safetensors\.torch\.save_file"):
        lmc.load_network(tmp_path / "net.pt")
    np.savez(tmp_path / "object.npz", **{"0.weight": np.array([{}], dtype=object)})
    with pytest.raises(lmc.InvalidInputError, match="weight holds Python objects"):
        lmc.load_network(tmp_path / "object.npz")
    with pytest.raises(FileNotFoundError):
        lmc.load_network(tmp_path / "missing.npz")


# scikit-learn


@pytest.mark.parametrize("classes", [[3, 5], ["a", "b", "c"], None])
def test_from_sklearn_is_the_function(classes):
    network = pytest.importorskip("sklearn.neural_network")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged
        if classes is None:
            mlp = network.MLPRegressor(hidden_layer_sizes=(6, 3), max_iter=5, random_state=0).fit(X, X[:, :2])
            assert np.allclose(lmc.from_sklearn(mlp)(X), mlp.predict(X), rtol=0, atol=1e-14)
            return
        y = np.array(classes)[np.arange(len(X)) % len(classes)]
        mlp = network.MLPClassifier((6, 3), max_iter=5, random_state=0).fit(X, y)
    net, labels = lmc.from_sklearn(mlp), np.searchsorted(mlp.classes_, y)
    assert net.output_dim == len(classes)
    exponentials = np.exp(net(X))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    assert np.allclose(probabilities, mlp.predict_proba(X), rtol=0, atol=1e-14)
    cross_entropy = -np.log(mlp.predict_proba(X)[np.arange(len(X)), labels]).mean()
    assert lmc.DataLoss(X, labels, "cross-entropy")(net) == pytest.approx(cross_entropy, rel=1e-12)
    assert lmc.DataLoss(X, labels, "error").accuracy(net) == pytest.approx(mlp.score(X, y))


def test_a_logistic_output_mixes_as_two_outputs_do():
    """Along a segment too the cross-entropy is the logistic loss of the mixed perceptron."""
    MLPClassifier = pytest.importorskip("sklearn.neural_network").MLPClassifier
    y = (X[:, 0] > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, other = (MLPClassifier((6,), max_iter=3, random_state=seed).fit(X, y) for seed in (0, 1))
    found = lmc.barrier(lmc.from_sklearn(one), lmc.from_sklearn(other), lmc.DataLoss(X, y, "cross-entropy"), grid_size=5)
    for t, value in zip(found.grid, found.losses, strict=True):
        W, V = ((1 - t) * a + t * b for a, b in zip(one.coefs_, other.coefs_, strict=True))
        b, c = ((1 - t) * a + t * d for a, d in zip(one.intercepts_, other.intercepts_, strict=True))
        z = (np.maximum(X @ W + b, 0) @ V + c)[:, 0]
        assert value == pytest.approx(np.logaddexp(0, np.where(y == 1, -z, z)).mean(), rel=1e-12)


def test_sklearn_s_other_perceptrons_are_refused():
    network = pytest.importorskip("sklearn.neural_network")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tanh = network.MLPRegressor(hidden_layer_sizes=(3,), activation="tanh", max_iter=2).fit(X, X[:, 0])
        flat = network.MLPRegressor(hidden_layer_sizes=(), max_iter=2).fit(X, X[:, 0])
        several = network.MLPClassifier((3,), max_iter=2).fit(X, (X[:, :2] > 0).astype(int))
    for mlp, message in [
        (tanh, "activation='relu', got 'tanh'"),
        (network.MLPRegressor(hidden_layer_sizes=(3,)), "must be fitted"),
        (flat, "hidden_layer_sizes=()"),
        (several, "2 labels at once"),
        (NET, "MLPClassifier or MLPRegressor, got LayeredNet"),
    ]:
        with pytest.raises(lmc.InvalidInputError) as caught:
            lmc.from_sklearn(mlp)
        assert message in str(caught.value)


# PyTorch


def values(module):
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        return module(torch.tensor(X)).numpy()


def test_torch_and_back():
    pytest.importorskip("torch")
    for net in (NET, PLAIN):
        module = lmc.to_torch(net)
        assert same(lmc.from_torch(module), net)
        assert np.allclose(values(module), net(X), rtol=0, atol=1e-13)
    assert np.allclose(values(lmc.to_torch(TWO))[:, 0], TWO(X), rtol=0, atol=1e-13)


def test_state_dicts_are_our_files(tmp_path):
    pytest.importorskip("torch")
    files = pytest.importorskip("safetensors.torch")
    files.save_file(lmc.to_torch(NET).float().state_dict(), tmp_path / "net.safetensors")
    found = lmc.load_network(tmp_path / "net.safetensors")
    assert np.array_equal(found.weights[1], NET.weights[1].astype(np.float32))
    lmc.save_network(NET, tmp_path / "net.safetensors")
    module = lmc.to_torch(PLAIN)
    module.load_state_dict(files.load_file(tmp_path / "net.safetensors"))
    assert np.allclose(values(module), NET(X), rtol=0, atol=1e-13)


def test_half_precision_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    files = pytest.importorskip("safetensors.torch")
    module = lmc.to_torch(NET).to(torch.bfloat16)
    rounded = module[0].weight.detach().double().numpy()
    assert np.array_equal(lmc.from_torch(module).weights[0], rounded)
    files.save_file(module.state_dict(), tmp_path / "net.safetensors")
    with pytest.raises(lmc.InvalidInputError, match=r"float16 numbers, got .* with 'BF16'; save module\.float"):
        lmc.load_network(tmp_path / "net.safetensors")


def test_nested_modules_without_biases():
    nn = pytest.importorskip("torch.nn")
    relu = nn.ReLU(inplace=True)  # one object in two places
    body = nn.Sequential(nn.Linear(4, 6, bias=False), relu, nn.Dropout(0.9))
    module = nn.Sequential(nn.Flatten(), nn.Identity(), body, nn.Sequential(nn.Linear(6, 5), relu), nn.Linear(5, 2)).double()
    net = lmc.from_torch(module.train())
    assert net.widths == (6, 5)
    assert np.allclose(net(X), values(module.eval()), rtol=0, atol=1e-13)
    assert not net.biases[0].any()


def test_torch_modules_that_are_not_supported():
    nn = pytest.importorskip("torch.nn")

    class Mine(nn.Module):
        pass

    class Twice(nn.Sequential):
        def forward(self, x):
            return 2 * super().forward(x)

    linear = nn.Linear(4, 4)
    for layers, message in [
        ([nn.Conv2d(1, 2, 3), nn.ReLU(), linear], "got Conv2d at layer 0; convolutional networks are out of scope"),
        ([linear, nn.Sequential(nn.ReLU(), nn.BatchNorm1d(4)), linear], "got BatchNorm1d at layer 1.1"),
        ([linear, nn.LeakyReLU(), linear], "got LeakyReLU at layer 1"),
        ([linear, nn.ReLU(), linear, nn.LogSoftmax(1)], "got LogSoftmax at layer 3; leave it out"),
        ([nn.Flatten(2), linear, nn.ReLU(), linear], "got Flatten at layer 0"),
        ([nn.LazyLinear(4), nn.ReLU(), linear], "got LazyLinear at layer 0"),
        ([linear, Mine(), linear], "got Mine at layer 1"),
        ([Twice(linear, nn.ReLU(), linear)], "got Twice at layer 0"),
        ([linear, linear], "Linear after Linear at layer 1"),
        ([nn.ReLU(), linear], "none before layer 0"),
        ([linear, nn.ReLU(), nn.ReLU(), linear], "none before layer 2"),
        ([linear, nn.ReLU()], "got 1 linear layers and a ReLU at the end"),
        ([linear], "got 1 linear layers"),
        ([], "got 0 linear layers"),
        ([linear, nn.ReLU(), nn.Linear(3, 2)], "weights[1] must have one column a row of weights[0]"),
    ]:
        with pytest.raises(lmc.InvalidInputError) as caught:
            lmc.from_torch(nn.Sequential(*layers))
        assert message in str(caught.value)
    for module in (linear, Mine(), NET):
        with pytest.raises(
            lmc.InvalidInputError, match=rf"torch\.nn\.Sequential of Linear and ReLU, got {type(module).__name__}"
        ):
            lmc.from_torch(module)


@pytest.mark.parametrize(
    ("module", "extra", "call"),
    [
        ("torch", "torch", "lmc.from_torch(None)"),
        ("torch", "torch", "lmc.to_torch(lmc.TwoLayerNet([[1.0]]))"),
        ("safetensors", "safetensors", "lmc.load_network('net.safetensors')"),
        ("safetensors", "safetensors", "lmc.save_network(lmc.TwoLayerNet([[1.0]]), 'net.safetensors')"),
        ("sklearn", "data", "lmc.load_images()"),
        ("sklearn", "data", "lmc.load_images('mnist')"),
        ("sklearn", "data", "lmc.from_sklearn(None)"),
        ("sklearn", "data", "lmc.train_on_data([[0.0], [1.0]], [0, 1])"),
    ],
)
def test_missing_packages_give_the_line_that_installs_them(tmp_path, monkeypatch, module, extra, call):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(lmc.MissingDependencyError, match=rf"needs .*: pip install 'lmctheory\[{extra}\]'"):
        eval(call, {"lmc": lmc})


def test_loading_the_room_loads_none_of_them():
    heavy = ("torch", "sklearn", "safetensors")
    code = f"import sys, lmctheory; lmctheory.load_images; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
