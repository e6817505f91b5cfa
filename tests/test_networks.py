import dataclasses
import itertools
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lmctheory as lmc
from lmctheory.strategies import networks, permutations

NET = lmc.TwoLayerNet(np.random.default_rng(0).normal(size=(3, 2)), [0.1, -1 / 3, 5e-324])


def test_network_evaluates_its_definition():
    X = np.random.default_rng(1).normal(size=(5, 2))
    expected = [sum(a * max(w @ x, 0.0) for w, a in zip(NET.W, NET.a, strict=True)) for x in X]
    np.testing.assert_allclose(NET(X), expected, rtol=1e-14)
    assert (NET.width, NET.input_dim) == (3, 2)


def test_output_weights_default_to_one():
    np.testing.assert_array_equal(lmc.TwoLayerNet([[1, 2], [3, 4]]).a, [1.0, 1.0])


@given(st.data())
def test_permuting_gathers_neurons_and_keeps_the_function(data):
    net = data.draw(networks())
    perm, X = data.draw(permutations(net.width)), np.random.default_rng(0).normal(size=(4, net.input_dim))
    permuted = net.permute(perm)
    for i, source in enumerate(perm):
        assert (permuted.W[i] == net.W[source]).all()
        assert permuted.a[i] == net.a[source]
    np.testing.assert_allclose(permuted(X), net(X), rtol=0, atol=1e-15 * (np.abs(net.a) @ np.abs(net.W)).sum() * 10)
    np.testing.assert_array_equal(permuted.permute(np.argsort(perm)).W, net.W)


def test_arrays_are_copied_and_read_only():
    W, a = np.ones((2, 2)), np.ones(2)
    net = lmc.TwoLayerNet(W, a)
    W[0, 0] = a[0] = 7.0
    assert net.W[0, 0] == net.a[0] == 1.0
    for array in (net.W, net.a, net.permute([1, 0]).W):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 2.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        net.W = W


@pytest.mark.parametrize(("M", "d"), [(1, 1), (3, 3), (2, 5)])
def test_orthonormal_teacher(M, d):
    teacher = lmc.orthonormal_teacher(M, d)
    np.testing.assert_array_equal(teacher.W @ teacher.W.T, np.eye(M))
    np.testing.assert_array_equal(teacher.a, np.ones(M))
    assert teacher.input_dim == d


@pytest.mark.parametrize("name", ["net.npz", "no suffix", "ünï.dat"])
def test_saving_keeps_every_bit(tmp_path, name):
    NET.save(tmp_path / name)
    loaded = lmc.TwoLayerNet.load(str(tmp_path / name))
    assert loaded.W.tobytes() == NET.W.tobytes()
    assert loaded.a.tobytes() == NET.a.tobytes()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("step", ["savez", "fsync", "replace"])
def test_failing_write_leaves_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / "net.npz"
    NET.save(path)

    def fail(*args, **kwargs):
        if step == "savez":
            args[0].write(b"half of it")
        raise OSError("disk full")

    monkeypatch.setattr(np if step == "savez" else os, step, fail)
    with pytest.raises(OSError, match="disk full"):
        lmc.TwoLayerNet([[1.0]]).save(path)
    monkeypatch.undo()
    np.testing.assert_array_equal(lmc.TwoLayerNet.load(path).W, NET.W)
    assert [file.name for file in tmp_path.iterdir()] == ["net.npz"]


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        lmc.TwoLayerNet.load(tmp_path / "absent.npz")


def _archive(path, **arrays):
    with open(path, "wb") as file:
        np.savez(file, **arrays)


FOREIGN = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("W = [[1.0]]"),
    "single array": lambda path: np.save(path.open("wb"), np.ones((2, 2))),
    "pickle": lambda path: path.write_bytes(b"\x80\x04]\x94."),
    "no W": lambda path: _archive(path, V=np.ones((2, 2))),
    "W of wrong shape": lambda path: _archive(path, W=np.ones(3)),
    "W not finite": lambda path: _archive(path, W=np.array([[np.nan]])),
    "W of strings": lambda path: _archive(path, W=np.array([["a"]])),
    "W of objects": lambda path: _archive(path, W=np.array([[None]], dtype=object)),
    "a of wrong length": lambda path: _archive(path, W=np.ones((2, 2)), a=np.ones(3)),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("write", FOREIGN.values(), ids=FOREIGN)
def test_foreign_file_is_refused(tmp_path, write):
    write(tmp_path / "file")
    with pytest.raises(lmc.InvalidInputError):
        lmc.TwoLayerNet.load(tmp_path / "file")


def test_truncated_file_is_refused_wherever_it_was_cut(tmp_path):
    path = tmp_path / "net.npz"
    NET.save(path)
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(lmc.InvalidInputError):
            lmc.TwoLayerNet.load(path)


def test_flipped_bit_is_refused_or_harmless(tmp_path):
    """Bits of time stamps and the like do not matter; no other change may go unnoticed or end in another kind of error."""
    path = tmp_path / "net.npz"
    NET.save(path)
    content, unexpected = path.read_bytes(), {}
    for k, bit in itertools.product(range(len(content)), range(8)):
        path.write_bytes(content[:k] + bytes([content[k] ^ 1 << bit]) + content[k + 1 :])
        try:
            loaded = lmc.TwoLayerNet.load(path)
            if loaded.W.tobytes() != NET.W.tobytes() or loaded.a.tobytes() != NET.a.tobytes():
                unexpected[k, bit] = "another network"
        except lmc.InvalidInputError:
            pass
        except Exception as error:
            unexpected[k, bit] = repr(error)
    assert not unexpected
