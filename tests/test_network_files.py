"""One reader for all files of networks: the kind is told by content, every array is accounted for, nothing in them is run."""

import io
import json
import pickle
import struct
import warnings
import zipfile

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory import cli

DRAW = np.random.default_rng(7)
TWO = lmc.TwoLayerNet(DRAW.normal(size=(3, 2)), DRAW.normal(size=3))
DEEP = lmc.LayeredNet([DRAW.normal(size=s) for s in ((3, 2), (4, 3), (1, 4))], [DRAW.normal(size=k) for k in (3, 4, 1)])
STATE = {f"{2 * k}.weight": W for k, W in enumerate(DEEP.weights)} | {f"{2 * k}.bias": b for k, b in enumerate(DEEP.biases)}


def same(one, other):
    arrays = [(*n.weights, *n.biases) if isinstance(n, lmc.LayeredNet) else (n.W, n.a) for n in (one, other)]
    return type(one) is type(other) and all(np.array_equal(a, b) for a, b in zip(*arrays, strict=True))


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(array, **kwargs):
    file = io.BytesIO()
    np.save(file, array, **kwargs)
    return file.getvalue()


def zipped(*members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", compression) as archive:
        warnings.simplefilter("ignore")  # of two members of one name
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def safetensors(header, data=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def refusal(path, **kwargs):
    with pytest.raises(lmc.InvalidInputError) as caught:
        lmc.load_network(path, **kwargs)
    message = str(caught.value)
    assert "allow_pickle" not in message
    assert "unsafe" not in message
    return message


@pytest.mark.parametrize("name", ["net.SafeTensors", "net.npz", "net", "net.pt", "net.bin", "net.weights.NPZ"])
@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_content_decides_and_not_the_ending(tmp_path, name, kind):
    pytest.importorskip("safetensors")
    for net in (TWO, DEEP):
        lmc.save_network(net, tmp_path / f"own.{kind}")
        (tmp_path / "own").with_suffix(f".{kind}").rename(tmp_path / name)
        assert same(lmc.load_network(tmp_path / name), net)


@pytest.mark.parametrize("ending", ["NPZ", "Npz", "SAFETENSORS"])
def test_endings_are_saved_in_capitals_too(tmp_path, ending):
    if ending == "SAFETENSORS":
        pytest.importorskip("safetensors")
    lmc.save_network(DEEP, tmp_path / f"net.{ending}")
    assert [path.name for path in tmp_path.iterdir()] == [f"net.{ending}"]
    assert same(lmc.load_network(tmp_path / f"net.{ending}"), DEEP)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.int16])
def test_single_integers_are_left_out(tmp_path, dtype):
    counters = {name: np.array(3, dtype) for name in ("n_averaged", "epoch", "step")}
    averaged = {f"module.{name}": array for name, array in STATE.items()}
    np.savez(tmp_path / "averaged.npz", **averaged, **counters)
    assert same(lmc.load_network(tmp_path / "averaged.npz"), DEEP)
    np.savez(tmp_path / "two.npz", W=TWO.W, a=TWO.a, **counters)
    assert same(lmc.load_network(tmp_path / "two.npz"), TWO)
    assert same(lmc.TwoLayerNet.load(tmp_path / "two.npz"), TWO)
    DEEP.save(tmp_path / "own.npz")
    with np.load(tmp_path / "own.npz") as own:
        np.savez(tmp_path / "deep.npz", **own, **counters)
    assert same(lmc.LayeredNet.load(tmp_path / "deep.npz"), DEEP)


@pytest.mark.parametrize("extra", [np.array(0.1), np.array([3]), np.ones((2, 2)), np.array(True), np.array("adam")])
def test_what_else_is_in_a_file_must_be_named(tmp_path, extra):
    np.savez(tmp_path / "two.npz", W=TWO.W, a=TWO.a, other=extra)
    np.savez(tmp_path / "deep.npz", **STATE, other=extra)
    for name, net in (("two.npz", TWO), ("deep.npz", DEEP)):
        message = refusal(tmp_path / name)
        assert "other" in message
        assert "must be named in skip" in message
        assert same(lmc.load_network(tmp_path / name, skip=["other", "absent"]), net)
    with pytest.raises(lmc.InvalidInputError, match="it holds W, a, other"):
        lmc.TwoLayerNet.load(tmp_path / "two.npz")


def test_names_and_skip_together_account_for_all(tmp_path):
    arrays = {
        "enc.weight": DEEP.weights[0],
        "enc.bias": DEEP.biases[0],
        "head.weight": DEEP.weights[1],
        "temperature": np.array(2.0),
    }
    np.savez(tmp_path / "net.npz", **arrays)
    assert "temperature left over" in refusal(tmp_path / "net.npz", names=["enc", "head"])
    net = lmc.load_network(tmp_path / "net.npz", names=["enc", "head"], skip=("temperature",))
    assert net.widths == (3,)
    for skip in ("temperature", None, 3):
        assert "skip must be a sequence" in refusal(tmp_path / "net.npz", skip=skip)


def test_a_bias_beside_w_and_a_is_not_dropped(tmp_path):
    np.savez(tmp_path / "net.npz", W=TWO.W, a=TWO.a, b=np.ones(3))
    for load in (lmc.load_network, lmc.TwoLayerNet.load):
        with pytest.raises(lmc.InvalidInputError, match=r"W, a, b"):
            load(tmp_path / "net.npz")


NETWORK = npz(**STATE)
BOMB = zipped(*((f"{name}.npy", npy(np.zeros((3000, 3000)))) for name in "Wa"), compression=zipfile.ZIP_DEFLATED)
LYING_HEADER = npy(np.ones((2, 2))).replace(b"(2, 2)", b"(9, 9)")
HUGE_HEADER = npy(np.ones((2, 2))).replace(b"(2, 2), }", b"(2**2,), }").replace(b"(2**2,)", b"(1<<60,)")
NESTED_HEADER = npy(np.ones(1)).replace(b"(1,)", b"(" * 50)
ONE_NUMBER = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
FOREIGN = {
    "empty": (b"", "it is empty"),
    "one byte": (b"P", "it begins with b'P'"),
    "text": (b"W = [[1.0]]", "it begins with b'W = [[1."),
    "one array": (npy(np.ones((2, 2))), "one array without a name"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
    "gzip": (b"\x1f\x8b\x08" + bytes(20), "gzip"),
    "pickle": (pickle.dumps(STATE), "hold programs; write safetensors.torch.save_file"),
    "old pickle": (pickle.dumps({"W": 1}, protocol=2), "hold programs"),
    "torch.save": (zipped(("archive/data.pkl", b"\x80\x02"), ("archive/data/0", b"\0")), "hold programs"),
    "TorchScript": (zipped(("net/code/x.py", "def"), ("net/constants.pkl", b"\x80")), "hold programs"),
    "no arrays": (zipped(("readme.txt", "text")), "readme.txt in it is no array"),
    "empty archive": (zipped(), "an empty file"),
    "two of one name": (zipped(("W.npy", npy(TWO.W)), ("W.npy", npy(2 * TWO.W)), ("a.npy", npy(TWO.a))), "W stands in it twice"),
    "cut": (NETWORK[:-40], "zip file"),
    "cut early": (NETWORK[:100], "zip file"),
    "cut array": (zipped(("W.npy", npy(TWO.W)[:-8]), ("a.npy", npy(TWO.a))), "W must hold 48 bytes for shape (3, 2)"),
    "long array": (zipped(("W.npy", npy(TWO.W) + bytes(8)), ("a.npy", npy(TWO.a))), "W must hold 48 bytes"),
    "lying header": (zipped(("W.npy", LYING_HEADER), ("a.npy", npy(TWO.a))), "W must hold 648 bytes"),
    "expression in a header": (zipped(("W.npy", HUGE_HEADER), ("a.npy", npy(TWO.a))), "header"),
    "nested header": (zipped(("W.npy", NESTED_HEADER), ("a.npy", npy(TWO.a))), "header of W is damaged"),
    "nested safetensors": (struct.pack("<Q", 100_005) + b'{"W":' + b"[" * 100_000, ""),
    "bomb": (BOMB, "it would expand from"),
    "objects": (npz(W=np.array([[None]]), a=TWO.a), "W holds Python objects"),
    "objects in records": (npz(W=np.zeros(2, dtype=[("x", object)]), a=TWO.a), "W holds Python objects"),
    "records": (npz(W=np.zeros(2, dtype=[("x", float)]), a=TWO.a), "W must be a matrix of real numbers"),
    "complex": (npz(W=TWO.W + 0j, a=TWO.a), "W must be a matrix of real numbers"),
    "truth values": (npz(W=TWO.W > 0, a=TWO.a), "W must be a matrix of real numbers"),
    "dates": (npz(W=TWO.W.astype("M8[s]"), a=TWO.a), "W must be a matrix of real numbers"),
    "NaN": (npz(W=TWO.W * np.nan, a=TWO.a), "W must be finite, got nan"),
    "infinite": (npz(W=TWO.W, a=np.full(3, -np.inf)), "a must be finite, got -inf"),
    "no neurons": (npz(W=np.ones((0, 2)), a=np.ones(0)), "W must not be empty"),
    "cut safetensors": (safetensors({"W": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}, bytes(8)), ""),
    "safetensors that overlap": (safetensors(dict.fromkeys("Wa", ONE_NUMBER), bytes(8)), ""),
    "half a header": (safetensors({"W": ONE_NUMBER})[:20], ""),
    "wrong endianness": (struct.pack(">Q", 2) + b"{}", ""),
    "bfloat16": (safetensors({"W": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}, bytes(4)), "save module.float()"),
    "float8": (safetensors({"W": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}, bytes(4)), "F8_E4M3"),
}  # fmt: skip


@pytest.mark.parametrize("case", FOREIGN)
@pytest.mark.parametrize("name", ["net.npz", "net.safetensors", "net"])
def test_foreign_and_damaged_files_are_refused_in_one_sentence(tmp_path, case, name):
    pytest.importorskip("safetensors")
    content, reason = FOREIGN[case]
    (tmp_path / name).write_bytes(content)
    message = refusal(tmp_path / name)
    assert reason in message
    assert "\n" not in message


@pytest.mark.parametrize("ending", ["pt", "PTH", "ckpt", "pkl", "joblib"])
def test_pickles_of_any_protocol_are_told_how_to_convert(tmp_path, ending):
    path = tmp_path / f"net.{ending}"
    path.write_bytes(pickle.dumps({"W": 1.0}, protocol=0))
    assert "write safetensors.torch.save_file(module.state_dict(), path) instead" in refusal(path)


def test_pickles_run_nothing(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    (tmp_path / "a.npz").write_bytes(pickle.dumps(Bomb()))
    np.savez(tmp_path / "b.npz", W=np.array([Bomb()], dtype=object), a=TWO.a)
    for name in ("a.npz", "b.npz"):
        refusal(tmp_path / name)
        with pytest.raises(lmc.InvalidInputError):
            lmc.TwoLayerNet.load(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("load", [lmc.load_network, lmc.TwoLayerNet.load, lmc.LayeredNet.load])
def test_what_is_no_file(tmp_path, load):
    with pytest.raises(lmc.InvalidInputError, match="Is a directory, and path must name a file"):
        load(tmp_path)
    with pytest.raises(lmc.InvalidInputError, match="path must be the name of a file, got 3"):
        load(3)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "absent.npz")
    TWO.save(tmp_path / "two.npz")
    assert same(lmc.load_network(bytes(tmp_path / "two.npz")), TWO)


def test_two_layer_files_point_to_the_reader_of_safetensors(tmp_path):
    (tmp_path / "net").write_bytes(safetensors({}))
    for load in (lmc.TwoLayerNet.load, lmc.LayeredNet.load):
        with pytest.raises(lmc.InvalidInputError, match="it holds safetensors, which load_network reads"):
            load(tmp_path / "net")


@pytest.mark.parametrize("dtype", [">f8", ">f4", "f2", "i1", ">i8", "u2", "longdouble"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_numbers_of_any_type_and_order(tmp_path, dtype, order, save):
    arrays = {name: np.asarray(10 * array, dtype=dtype, order=order) for name, array in STATE.items()}
    save(tmp_path / "net.npz", **arrays)
    net = lmc.load_network(tmp_path / "net.npz")
    for k, W in enumerate(net.weights):
        assert np.array_equal(W, arrays[f"{2 * k}.weight"].astype(float))


def test_large_zeros_are_a_network_and_no_bomb(tmp_path):
    np.savez_compressed(tmp_path / "zeros.npz", W=np.zeros((500, 400)), a=np.zeros(500))
    assert not lmc.load_network(tmp_path / "zeros.npz").W.any()


def test_folders_in_names(tmp_path):
    np.savez(tmp_path / "net.npz", **{"params/dense_0/kernel": DEEP.weights[0], "params/dense_1/kernel": DEEP.weights[1]})
    net = lmc.load_network(tmp_path / "net.npz", names=[("params/dense_0/kernel", None), ("params/dense_1/kernel", None)])
    assert net.widths == (3,)


def test_metadata_of_safetensors_is_no_array(tmp_path):
    save_file = pytest.importorskip("safetensors.numpy").save_file
    save_file({name: np.ascontiguousarray(array) for name, array in STATE.items()}, tmp_path / "x", metadata={"format": "pt"})
    assert same(lmc.load_network(tmp_path / "x"), DEEP)


# The command line


def run(capsys, *arguments):
    status = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["net.safetensors", "net.SAFETENSORS", "net.npz", "net.NPZ"])
@pytest.mark.parametrize("command", ["sharpness {0} --teacher {0}", "barrier {0} {0} --teacher {0}", "align {0} {0}",
                                     "train --teacher {0} --width 3 --runs 1 --max-steps 2 --quiet --out out"])  # fmt: skip
def test_all_commands_read_all_files(folder, capsys, name, command):
    if name.lower().endswith("safetensors"):
        pytest.importorskip("safetensors")
    lmc.save_network(TWO, name)
    status, _, err = run(capsys, *command.format(name).split())
    assert (status, err.count("error")) == (0, 0)


def test_own_files_in_safetensors_come_back(folder, capsys):
    pytest.importorskip("safetensors")
    training = "train --M 2 --d 2 --width 2 --runs 2 --max-steps 5 --format safetensors --quiet --out nets"
    assert run(capsys, *training.split())[0] == 0
    sharpness = "sharpness nets/network-0.safetensors nets/network-1.safetensors --teacher nets/teacher.npz"
    assert run(capsys, *sharpness.split())[0] == 0


@pytest.mark.parametrize("command", ["sharpness net.npz --teacher net.npz", "barrier net.npz net.npz --teacher net.npz",
                                     "align net.npz net.npz --method exact --teacher net.npz",
                                     "train --teacher net.npz --width 3 --runs 1 --max-steps 2 --quiet --out out"])  # fmt: skip
def test_arrays_are_skipped_by_name_on_the_command_line(folder, capsys, command):
    np.savez("net.npz", W=TWO.W, a=TWO.a, epoch=3, lr=0.1, loss=np.ones(5))
    status, _, err = run(capsys, *command.split())
    assert status == 2
    assert "net.npz: names must be given" in err
    assert err.count("\n") == 1
    assert run(capsys, *command.split(), "--skip", "lr,loss")[0] == 0


def test_nothing_is_skipped_where_no_file_is_read(folder, capsys):
    training = "train --data digits --width 2 --skip lr --out nets"
    status, _, err = run(capsys, *training.split())
    assert status == 2
    assert "--skip belongs to training against a teacher" in err


@pytest.mark.parametrize("option", ["sharpness deep.npz --teacher two.npz", "sharpness two.npz --teacher deep.npz"])
def test_a_deeper_teacher_is_refused_in_one_line(folder, capsys, option):
    TWO.save("two.npz")
    DEEP.save("deep.npz")
    status, _, err = run(capsys, *option.split())
    assert status == 2
    assert "deep.npz: must hold a two-layer network, as the arrays W (m, d) and a (m,), got LayeredNet" in err


@pytest.mark.parametrize("command", ["sharpness {} --teacher two.npz", "sharpness two.npz --teacher {}",
                                     "barrier two.npz {} --teacher two.npz", "align {} two.npz"])  # fmt: skip
@pytest.mark.parametrize("content", [pickle.dumps(1), b"", NETWORK[:50]])
def test_foreign_files_are_refused_in_one_line(folder, capsys, command, content):
    TWO.save("two.npz")
    (folder / "net.pt").write_bytes(content)
    for path in ("net.pt", folder):
        status, _, err = run(capsys, *command.format(path).split())
        assert status == 2
        assert err.count("\n") == 1
        assert "allow_pickle" not in err
        assert str(path) in err
