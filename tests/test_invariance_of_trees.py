"""Permutation checks of losses that take any structure of arrays."""

import re
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory import strategies
from lmctheory.strategies import with_arrays

X = np.random.default_rng(0).normal(size=(15, 3))
EXAMPLE = {"W1": np.zeros((5, 3)), "b1": np.zeros(5), "W2": np.zeros((4, 5)), "b2": np.zeros(4), "W3": np.zeros((2, 4))}
AXES = {"W1": ("h1", None), "b1": ("h1",), "W2": ("h2", "h1"), "b2": ("h2",), "W3": (None, "h2")}
check = strategies.assert_permutation_invariant


def deep(p):
    h = np.maximum(X.astype(p["W1"].dtype) @ p["W1"].T + p["b1"], 0)
    return np.mean((np.maximum(h @ p["W2"].T + p["b2"], 0) @ p["W3"].T - 1) ** 2)


def single(tree):
    return {name: array.astype(np.float32) for name, array in tree.items()}


def large(dtype=np.float64):
    shapes = {"W1": (200, 3), "b1": (200,), "W2": (300, 200), "b2": (300,), "W3": (2, 300)}
    return {name: np.zeros(shape, dtype) for name, shape in shapes.items()}


class Layer(NamedTuple):
    W: Any
    b: Any


@dataclass(frozen=True)
class Model:
    layers: list
    out: Any
    name: str = "model"
    scale: float = 2.0


def model_loss(model):
    (W, b), out = model.layers[0], model.out[0]
    assert model.name == "model"
    return model.scale * np.sum((np.maximum(X @ W.T + b, 0) @ out) ** 2)


MODEL = Model([Layer(np.ones((4, 3)), np.ones(4))], (np.ones(4),))
MODEL_AXES = {"layers/0/W": ("h", None), "layers/0/b": ("h",), "out/0": ("h",)}


@pytest.mark.parametrize("example", [EXAMPLE, single(EXAMPLE), large(), large(np.float32), OrderedDict(EXAMPLE)])
def test_right_losses_pass(example):
    check(deep, params=example, axes=AXES, max_examples=40)
    check(lambda p: float(deep(p)), params=example, axes=AXES, max_examples=40)


def test_trees_of_all_kinds_are_rebuilt_in_their_types():
    seen = []
    check(lambda model: seen.append(model) or model_loss(model), params=MODEL, axes=MODEL_AXES, max_examples=20)
    assert {type(model) for model in seen} == {Model}
    assert {type(model.layers[0]) for model in seen} == {Layer}
    assert {type(model.out) for model in seen} == {tuple}
    assert len({model.out[0].tobytes() for model in seen}) > 10
    assert MODEL.layers[0].W.tolist() == np.ones((4, 3)).tolist()


def test_whole_numbers_are_permuted_but_not_drawn():
    seen = set()

    def masked(p):
        seen.add(tuple(p["mask"].tolist()))
        return np.sum(p["W"] * p["mask"][:, None])

    axes = {"W": ("h", None), "mask": ("h",)}
    check(masked, params={"W": np.zeros((3, 2)), "mask": np.array([1, 0, 1]), "steps": np.array(7)}, axes=axes)
    assert seen == {(1, 0, 1), (0, 1, 1), (1, 1, 0)}
    with pytest.raises(AssertionError, match="of group 'h'"):
        check(lambda p: p["W"][0].sum(), params={"W": np.zeros((3, 2)), "mask": np.array([1, 0, 1])}, axes=axes)


def test_one_name_twice_on_one_array():
    """Recurrent weights: rows and columns are the same units."""
    axes = {"R": ("h", "h"), "out": ("h",)}
    example = {"R": np.zeros((4, 4)), "out": np.zeros(4)}
    check(lambda p: p["out"] @ np.tanh(p["R"]) @ p["out"], params=example, axes=axes)
    with pytest.raises(AssertionError, match=r"units \d and \d of group 'h'"):
        check(lambda p: np.triu(p["R"]).sum(), params=example, axes=axes)


BROKEN = {
    "forgotten bias": (deep, {k: v for k, v in AXES.items() if k != "b1"}),
    "wrong axis": (lambda p: np.sum(np.maximum(p["W1"] @ p["W1"].T, 0)[0]), AXES),
    "first unit of a deep layer": (lambda p: deep(p) + p["b2"][0], AXES),
    "first unit of a shallow layer": (lambda p: deep(p) + np.abs(p["W1"][0]).sum(), AXES),
    "columns": (lambda p: deep(p) + p["W2"][:, 0] @ p["W2"][:, 0], AXES),
    "layers mixed up": (lambda p: np.sum(p["W2"] @ np.sort(p["b1"])) + p["b2"] @ p["b2"], AXES),
    "order": (lambda p: np.sum(np.cumsum(p["b2"]) ** 2), AXES),
    "diagonal": (lambda p: np.trace(p["W2"]), AXES),
    "last unit": (lambda p: p["W3"][:, -1] @ p["W3"][:, -1], AXES),
    "relative 1e-3": (lambda p: deep(p) * p["b1"].dtype.type(1 + 1e-3 * (p["b1"][0] > p["b1"][1])), AXES),
    "not a number": (lambda p: np.nan * p["b1"][0], AXES),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize(
    "example", [EXAMPLE, single(EXAMPLE), large(), large(np.float32)], ids=["small", "small32", "large", "large32"]
)
def test_broken_losses_are_caught_and_the_code_repeats_the_failure(name, example, capsys):
    loss, axes = BROKEN[name]
    with pytest.raises(strategies.BrokenSymmetryError) as failure:
        check(loss, params=example, axes=axes)
    text = str(failure.value)
    assert f"{failure.value.before!r} before, {failure.value.after!r} after" in text
    if name != "not a number":
        assert re.search(r"changes:        units \d+ and \d+ of group 'h[12]'", text)
        assert ("precision:      single" in text) == (example["W1"].dtype == np.float32)
    code = re.search(r"reproduce:\n(.*)", text, re.DOTALL)[1]
    exec("\n".join(line.removeprefix("    ") for line in code.splitlines()), {"loss": loss, "params": example})
    before, after = (float(number) for number in re.sub(r"np.float\d\d\((.*?)\)", r"\1", capsys.readouterr().out).split())
    np.testing.assert_allclose([before, after], [failure.value.before, failure.value.after], rtol=1e-4)


def test_failures_shrink_to_few_simple_numbers():
    with pytest.raises(strategies.BrokenSymmetryError) as failure:
        check(lambda p: p["b2"][0] ** 2, params=large(), axes=AXES)
    (params,) = failure.value.arguments
    assert sum(np.count_nonzero(array) for array in params.values()) == 1
    assert params["b2"].sum() == 1


# fmt: off
BAD = [
    ({"params": EXAMPLE}, "params and axes must be given together, got params alone"),
    ({"axes": AXES}, "params and axes must be given together, got axes alone"),
    ({"params": EXAMPLE, "axes": AXES, "width": 3}, "width, input_dim and unit_output must be left out where params and axes are given"),  # noqa: E501
    ({"params": EXAMPLE, "axes": {"w1": ("h", None), "b1": ("h",)}}, "a path in axes must be one of 'W1', 'b1', 'W2', 'b2', 'W3', got 'w1'"),  # noqa: E501
    ({"params": EXAMPLE, "axes": {"W1": ("h",), "b1": ("h",)}}, "axes['W1'] must have one name or None for each of the 2 axes of an array of shape (5, 3), got ('h',)"),  # noqa: E501
    ({"params": EXAMPLE, "axes": {"b1": "h"}}, "axes['b1'] must be a tuple of names, one name or None for each of the 1 axes, got 'h'"),  # noqa: E501
    ({"params": EXAMPLE, "axes": {"b1": (1,)}}, "axes['b1'] must be a tuple of names, one name or None for each of the 1 axes, got (1,) of shape (1,)"),  # noqa: E501
    ({"params": EXAMPLE, "axes": {"b1": ("h",), "b2": ("h",)}}, "axes of one name must have one length, got for 'h': axis 0 of 'b1' (length 5), axis 0 of 'b2' (length 4)"),  # noqa: E501
    ({"params": EXAMPLE, "axes": {"b1": ("h",)}}, "the name 'h' in axes must stand for two axes or more, got axis 0 of 'b1' (length 5) alone: units that are renumbered in one place only are another network"),  # noqa: E501
    ({"params": EXAMPLE, "axes": {"b1": (None,)}}, "axes must name at least one group of units, got none: nothing would be permuted"),  # noqa: E501
    ({"params": EXAMPLE, "axes": {}}, "axes must name at least one group of units, got none: nothing would be permuted"),
    ({"params": EXAMPLE, "axes": ["h"]}, "axes must map paths of params to names of their axes, got ['h'] of shape (1,)"),
    ({"params": [np.zeros((1, 2)), np.zeros(1)], "axes": {"0": ("h", None), "1": ("h",)}}, "the group 'h' in axes must have two units or more, got axis 0 of '0' (length 1), axis 0 of '1' (length 1)"),  # noqa: E501
    ({"params": {"W": 1.0}, "axes": {"W": ()}}, "params must hold arrays of NumPy, JAX or PyTorch, in dictionaries, lists, tuples or dataclasses, got {'W': 1.0}"),  # noqa: E501
    ({"params": {"W": np.zeros(3, np.float16)}, "axes": {"W": ("h",)}}, "params must be in single or double precision, got float16 at 'W'"),  # noqa: E501
    ({"params": {"W": np.zeros(3, complex)}, "axes": {"W": ("h",)}}, "params must be in single or double precision, got complex128 at 'W'"),  # noqa: E501
    ({"params": {"W": np.zeros(3, int)}, "axes": {"W": ("h",)}}, "params must hold an array of real numbers, got whole numbers only"),  # noqa: E501
    ({"params": {"a/b": np.zeros(2), "a": {"b": np.zeros(2)}}, "axes": {"a/b": ("h",)}}, "params must have one array a path, got two at 'a/b'"),  # noqa: E501
]
# fmt: on


@pytest.mark.parametrize(("options", "message"), BAD, ids=[message[:60] for _, message in BAD])
def test_mistakes_are_refused(options, message):
    with pytest.raises(lmc.InvalidInputError) as refusal:
        check(deep, **options)
    assert str(refusal.value) == message


def test_arrays_of_another_shape_are_refused():
    with pytest.raises(lmc.InvalidInputError, match="no array at 'W'"):
        with_arrays(EXAMPLE, {"W": np.zeros(3)})
    with pytest.raises(lmc.InvalidInputError, match=re.escape("'b1' must have shape (5,), got (3,)")):
        with_arrays(EXAMPLE, {"b1": np.zeros(3)})


@pytest.mark.filterwarnings("default")  # JAX's own
def test_jax_trees():
    jax = pytest.importorskip("jax")
    jnp = jax.numpy

    @jax.jit
    def loss(p):
        h = jax.nn.relu(jnp.asarray(X, dtype=jnp.float32) @ p["W1"].T + p["b1"])
        return jnp.mean((jax.nn.relu(h @ p["W2"].T + p["b2"]) @ p["W3"].T - 1) ** 2)

    example = {name: jnp.asarray(array, dtype=jnp.float32) for name, array in EXAMPLE.items()}
    check(loss, params=example, axes=AXES)
    check(lambda p: float(loss(p)), params=example, axes=AXES, max_examples=50)
    with pytest.raises(AssertionError, match=r"units \d and \d of group 'h1'") as failure:
        check(lambda p: loss(p) * (1 + 1e-3 * (p["b1"][0] > p["b1"][1])), params=example, axes=AXES)
    assert "single" in str(failure.value)
    assert isinstance(failure.value.arguments[0]["W1"], jax.Array)

    @jax.tree_util.register_pytree_node_class
    class Node:
        def __init__(self, *arrays):
            self.arrays = arrays

        def tree_flatten(self):
            return self.arrays, None

        @classmethod
        def tree_unflatten(cls, _, arrays):
            return cls(*arrays)

    with pytest.raises(lmc.InvalidInputError, match="got a Node at 'inner', whose arrays would not be drawn"):
        check(lambda p: 0.0, params={**example, "inner": Node(example["W1"])}, axes=AXES)
    half = {name: array.astype(jnp.bfloat16) for name, array in example.items()}
    with pytest.raises(lmc.InvalidInputError, match="got bfloat16 at 'W1'"):
        check(loss, params=half, axes=AXES)
    with pytest.raises(lmc.InvalidInputError, match="a value in bfloat16"):
        check(lambda p: loss(p).astype(jnp.bfloat16), params=example, axes=AXES)


def test_state_dictionaries_of_pytorch():
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(3, 6), torch.nn.ReLU(), torch.nn.Linear(6, 1))
    x = torch.tensor(X, dtype=torch.float32)

    def loss(state):
        return torch.mean((torch.func.functional_call(model, state, (x,)) - 1) ** 2)

    axes = {"0.weight": ("h", None), "0.bias": ("h",), "2.weight": (None, "h")}
    check(loss, params=model.state_dict(), axes=axes)
    check(lambda state: loss(state).item(), params=dict(model.named_parameters()), axes=axes, max_examples=50)
    with pytest.raises(AssertionError, match=r"units \d and \d of group 'h'"):
        check(lambda state: loss(state) + 0.01 * state["0.bias"][0] ** 2, params=model.state_dict(), axes=axes)
    with pytest.raises(AssertionError, match=r"units \d and \d of group 'h'"):
        check(loss, params=model.state_dict(), axes={"0.weight": ("h", None), "0.bias": ("h",)})
    with pytest.raises(lmc.InvalidInputError, match=re.escape("pass its state_dict()")):
        check(loss, params=model, axes=axes)
    with pytest.raises(
        lmc.InvalidInputError, match="got a Linear at 'layer', whose arrays would not be drawn; pass its state_dict"
    ):
        check(loss, params={**model.state_dict(), "layer": model[0]}, axes=axes)


@pytest.mark.filterwarnings("default")  # JAX's own
@pytest.mark.parametrize(("library", "number"), [("jax", 0), ("torch", 1)])
def test_examples_of_the_guide_run(library, number):
    """They stand between tildes: other tests run the blocks that need no library."""
    pytest.importorskip(library)
    page = (Path(__file__).parents[1] / "docs" / "property-testing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^~~~python\n(.*?)^~~~", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    assert f"import {library}" in blocks[number]
    exec(blocks[number], {})
