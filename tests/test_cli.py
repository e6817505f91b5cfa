import dataclasses
import io
import json
import os
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory import cli
from lmctheory.cli.output import show_trained

ROOT = Path(__file__).parents[1]
TEACHER = lmc.orthonormal_teacher(2, 3)
NET = lmc.TwoLayerNet([[1.0, 0.0, 0.1], [0.0, 1.0, 0.0], [0.5, 0.0, 0.0]])
DEEP = lmc.LayeredNet([np.random.default_rng(k).normal(size=shape) for k, shape in enumerate(((6, 64), (5, 6), (10, 5)))])
OTHER = DEEP.permute([2, 0, 1, 5, 4, 3, 7, 6, 8, 10, 9])
WIDTHS = (4, 8, 16)
COMMANDS = ("barrier", "train", "align", "sharpness", "rate")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder to work in, with networks and a table of barriers."""
    monkeypatch.chdir(tmp_path)
    TEACHER.save("T.npz")
    NET.save("A.npz")
    NET.permute([2, 0, 1]).save("B.npz")
    lmc.TwoLayerNet(np.ones((2, 3))).save("narrow.npz")
    lmc.TwoLayerNet(np.ones((3, 2))).save("flat.npz")
    np.savez("nan.npz", W=[[1.0, np.nan, 0.0]], a=[1.0])
    np.savez("nameless.npz", V=[[1.0]])
    Path("text.npz").write_text("no archive", encoding="utf-8")
    DEEP.save("deep.npz")
    lmc.LayeredNet([np.ones((6, 64)), np.ones((4, 6)), np.ones((10, 4))]).save("wide.npz")
    Path("weights.pt").write_bytes(b"PK")
    Path("folder.npz").mkdir()
    Path("full").mkdir()
    Path("full/something").touch()
    Path("data.csv").write_text(table(), encoding="utf-8")
    return tmp_path


def table(networks=False):
    draw = np.random.default_rng(0)
    header = "width,value,network_a,network_b" if networks else "width,value"
    names = list(combinations("pqrstu", 2))
    rows = [[m, draw.lognormal(-np.log(m), 0.3), *(pair if networks else ())] for m in WIDTHS for pair in names]
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def run(capsys, *arguments):
    """Exit status, standard output and standard error of a call in this process."""
    status = cli.main([str(argument) for argument in arguments])
    return status, *capsys.readouterr()


def result(capsys, *arguments):
    """The JSON document of a call that must succeed."""
    status, out, _ = run(capsys, *arguments, "--json")
    assert status == 0
    document = json.loads(out, parse_constant=pytest.fail)
    assert set(document) == {"command", "version", "arguments", "result", "warnings"}
    assert (document["command"], document["version"]) == (arguments[0], lmc.__version__)
    return document


# The subcommands say what the library says.


@pytest.mark.parametrize("align", ["none", "weights", "activations", "barrier", "exact"])
@pytest.mark.parametrize("kind", ["chord", "midpoint"])
def test_barrier(files, capsys, align, kind):
    expected = lmc.barrier(NET, lmc.TwoLayerNet.load("B.npz"), TEACHER, None if align == "none" else align, kind)
    call = ["barrier", "A.npz", "B.npz", "--teacher", "T.npz", "--align", align, "--kind", kind]
    found = result(capsys, *call)["result"]["barrier"]
    for name in ("height", "position", "kind", "loss_floor", "method"):
        assert found[name] == getattr(expected, name)
    for name in ("grid", "losses", "permutation"):
        assert found[name] == getattr(expected, name).tolist()
    status, out, err = run(capsys, *call)
    assert (status, err) == (0, "")
    assert f"{expected.height:.6g}, at t = {expected.position:.4f}" in out
    assert out.count("#") > 10


def test_barrier_options_reach_the_library(files, capsys):
    call = ["barrier", "A.npz", "B.npz", "--teacher", "T.npz"]
    sphere = result(capsys, *call, "--inputs", "sphere", "--grid-size", 5)
    assert sphere["arguments"]["grid_size"] == 5
    assert len(sphere["result"]["barrier"]["grid"]) == 5
    assert 3 * sphere["result"]["barrier"]["height"] == pytest.approx(
        result(capsys, *call)["result"]["barrier"]["height"], rel=1e-9
    )


def test_barriers_below_rounding_are_printed_as_zero(files, capsys, monkeypatch):
    found = lmc.barrier(NET, NET, TEACHER)
    for height, text in (
        (1.7e-16, "0 up to rounding (1.7e-16)\n"),
        (-3e-16, "0 up to rounding (-3.0e-16)\n"),
        (0.25, "0.25, at t"),
    ):
        monkeypatch.setattr(lmc, "barrier", lambda *_, h=height, **__: dataclasses.replace(found, height=h, loss_floor=4e-16))
        assert run(capsys, "barrier", "A.npz", "B.npz", "--teacher", "T.npz")[1].startswith(f"barrier     {text}")


def test_aligned_barriers_below_rounding_are_printed_as_zero(files, capsys, monkeypatch):
    found = lmc.align(NET, NET, "exact", objective=TEACHER)
    found = dataclasses.replace(found, height=2e-16, lower_bound=1e-16, loss_floor=4e-16)
    monkeypatch.setattr(lmc, "align", lambda *_, **__: found)
    out = run(capsys, "align", "A.npz", "B.npz", "--method", "exact", "--teacher", "T.npz")[1]
    assert "barrier     0 up to rounding (2.0e-16)\n" in out
    assert "no permutation is below 0 up to rounding (1.0e-16) (nodes" in out


def test_an_alignment_that_gains_nothing_says_so(files, capsys):
    assert ": no permutation that was found is better than none" in run(capsys, "align", "A.npz", "A.npz")[1]
    assert "better than none" not in run(capsys, "align", "A.npz", "B.npz")[1]


def test_barrier_of_equal_teachers_is_printed_without_a_scale(files, capsys):
    status, out, _ = run(capsys, "barrier", "T.npz", "T.npz", "--teacher", "T.npz")
    assert status == 0
    assert "barrier     0, at t" in out


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_plots_are_written(files, capsys, ending):
    magic = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[ending]
    for call in (["barrier", "A.npz", "B.npz", "--teacher", "T.npz"], ["rate", "data.csv"]):
        status, out, err = run(capsys, *call, "--plot", f"plot.{ending}")
        assert (status, err) == (0, "")
        assert f"written to plot.{ending}" in out
        assert Path(f"plot.{ending}").read_bytes().startswith(magic)


def test_plots_have_default_names_and_are_not_drawn_unasked(files, capsys):
    run(capsys, "rate", "data.csv")
    assert not Path("rate.png").exists()
    assert run(capsys, "rate", "data.csv", "--plot")[0] == 0
    assert run(capsys, "barrier", "A.npz", "B.npz", "--teacher", "T.npz", "--plot")[0] == 0
    assert Path("rate.png").exists()
    assert Path("barrier.png").exists()


@pytest.mark.jit
def test_train_is_the_library_s_training(files, capsys):
    call = ["train", "--M", 2, "--d", 3, "--width", 2, "--learning-rate", 0.3, "--runs", 3, "--seed", 7, "--out", "new/nets"]
    document = result(capsys, *call)
    expected = lmc.train(TEACHER, 2, learning_rate=0.3, rng=7, n_runs=3)
    assert sorted(os.listdir("new/nets")) == ["network-0.npz", "network-1.npz", "network-2.npz", "teacher.npz"]
    assert np.array_equal(lmc.TwoLayerNet.load("new/nets/teacher.npz").W, TEACHER.W)
    for path, net in zip(document["result"]["networks"], expected.networks, strict=True):
        assert np.array_equal(lmc.TwoLayerNet.load(path).W, net.W)
    training = document["result"]["training"]
    assert training["losses"] == expected.losses.tolist()
    assert training["stopped_by"] == list(expected.stopped_by)
    assert training["seed"] == [7, []]


@pytest.mark.jit
def test_train_from_a_file_polished(files, capsys):
    Path("nets").mkdir()  # an empty folder will do
    document = result(capsys, "train", "--teacher", "T.npz", "--width", 2, "--polish", "--out", "nets", "--quiet")
    assert document["result"]["training"]["learning_rates"] == [0.5, 0.5]
    assert all(report["success"] for report in document["result"]["training"]["polish"])


@pytest.mark.jit
def test_progress_goes_to_standard_error_unless_quiet(files, capsys):
    call = ["train", "--teacher", "T.npz", "--width", 2, "--runs", 2]
    status, out, err = run(capsys, *call, "--out", "loud")
    assert (status, err) == (0, "trained 1 of 2\ntrained 2 of 2\n")
    assert "trained" not in out
    assert run(capsys, *call, "--out", "quiet", "--quiet")[2] == ""


def test_progress_rewrites_its_line_on_a_terminal(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    for done in (1, 2):
        show_trained(done, 2)
    assert terminal.getvalue() == "\rtrained 1 of 2\rtrained 2 of 2\n"


def test_warnings_are_one_line_and_part_of_the_document(files, capsys):
    status, out, err = run(
        capsys, "train", "--teacher", "T.npz", "--width", 3, "--max-steps", 2, "--out", "nets", "--json", "--quiet"
    )
    message = "of 2 runs 0 diverged and 2 met no tolerance in 2 steps"
    assert status == 0
    assert err == f"lmctheory train: warning: {message}\n"
    assert json.loads(out)["warnings"] == [message]


def test_diverged_runs_are_null(files, capsys):
    call = ["train", "--teacher", "T.npz", "--width", 3, "--learning-rate", 1e3, "--out", "nets"]
    status, out, err = run(capsys, *call, "--json")
    assert status == 1
    assert json.loads(out)["result"]["training"]["losses"] == [None, None]
    assert err.endswith("lmctheory train: error: all 2 runs diverged, at learning rate 1000: a lower one may not\n")
    assert lmc.TwoLayerNet.load("nets/network-1.npz").width == 3  # the last iterate of finite loss


def test_align(files, capsys):
    net_b = lmc.TwoLayerNet.load("B.npz")
    expected = lmc.align(NET, net_b, "activations")
    call = ["align", "A.npz", "B.npz", "--method", "activations", "--out", "aligned.npz", "--permutation", "perm.npy"]
    found = result(capsys, *call)["result"]["alignment"]
    assert found["permutation"] == expected.permutation.tolist() == [1, 2, 0]
    assert found["similarity"] == expected.similarity
    assert np.array_equal(lmc.TwoLayerNet.load("aligned.npz").W, NET.W)
    assert np.load("perm.npy").tolist() == [1, 2, 0]
    assert "permutation 1 2 0" in run(capsys, *call)[1]


def test_align_by_the_barrier(files, capsys):
    net_a, net_b = (lmc.sample_minimum(2, 6, rng=seed).to_network(3) for seed in (12, 13))
    net_a.save("A.npz")
    net_b.save("B.npz")
    expected = lmc.align(net_a, net_b, "barrier", objective=TEACHER, inputs="sphere")
    call = ["align", "A.npz", "B.npz", "--method", "barrier", "--teacher", "T.npz", "--inputs", "sphere"]
    found = result(capsys, *call)["result"]["alignment"]
    for name in ("height", "position", "loss_floor", "swaps", "trial_swaps", "started_from", "method"):
        assert found[name] == getattr(expected, name)
    assert found["trace"] == expected.trace.tolist()
    assert f"{expected.height:.6g}, at t = {expected.position:.4f}" in run(capsys, *call)[1]
    exact = [*call[:4], "exact", *call[5:], "--time-limit", 60]
    found = result(capsys, *exact)["result"]["alignment"]
    assert found["is_optimal"] is True
    assert found["height"] == pytest.approx(expected.height, rel=1e-9)
    assert found["time_limit"] == 60
    assert f"optimal: no permutation is below {found['lower_bound']:.6g} (nodes: {found['nodes']})" in run(capsys, *exact)[1]


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_barrier_on_data(files, capsys, ending):
    pytest.importorskip("sklearn")
    if ending == "safetensors":
        pytest.importorskip("safetensors")
    lmc.save_network(DEEP, f"one.{ending}")
    lmc.save_network(OTHER, f"other.{ending}")
    call = ["barrier", f"one.{ending}", f"other.{ending}", "--data", "digits", "--split", "test", "--loss", "squared"]
    objective = lmc.load_images().objective("test", "squared")
    naive = lmc.barrier(DEEP, OTHER, objective)
    found = result(capsys, *call, "--align", "weights", "--grid-size", 9)["result"]
    assert found["barrier"]["height"] <= found["barrier"]["loss_floor"]
    assert found["unaligned"]["losses"] == lmc.barrier(DEEP, OTHER, objective, grid_size=9).losses.tolist()
    assert found["unaligned"]["losses"][4] < found["barrier"]["losses"][4] / 2  # outputs of random networks cancel
    middle = lmc.LayeredNet([(W + V) / 2 for W, V in zip(DEEP.weights, OTHER.weights, strict=True)])
    assert found["unaligned_accuracies"][4] == objective.accuracy(middle)
    assert found["accuracies"] == [objective.accuracy(DEEP)] * 9
    status, out, err = run(capsys, *call, "--plot", "path.png")
    assert (status, err) == (0, "")
    assert f"barrier     {naive.height:.6g}, at t" in out
    assert "chord, squared on 355 images of digits, test" in out
    assert "unaligned" not in out
    assert out.count("#") > 10
    assert Path("path.png").stat().st_size > 1000
    assert "unaligned   barrier" in run(capsys, *call, "--align", "weights")[1]


def test_networks_of_both_kinds_meet_on_data(files, capsys):
    pytest.importorskip("sklearn")
    two = lmc.TwoLayerNet(np.ones((6, 64)))
    two.save("two.npz")
    lmc.LayeredNet.from_two_layer(two).save("layered.npz")
    assert "net_a must have an output for every class, 10, got 1" in run(
        capsys, "barrier", "two.npz", "layered.npz", "--data", "digits"
    )[2]  # fmt: skip


def test_barrier_of_files_whose_layers_are_named(files, capsys):
    pytest.importorskip("sklearn")
    for name, net in (("one", DEEP), ("other", OTHER)):
        np.savez(f"{name}.npz", **{f"{k}.weight": W for k, W in zip(("body", "neck", "head"), net.weights, strict=True)})
    call = ["barrier", "one.npz", "other.npz", "--data", "digits", "--names", "body,neck,head", "--grid-size", 3]
    expected = lmc.barrier(DEEP, OTHER, lmc.load_images().objective(), grid_size=3)
    assert result(capsys, *call)["result"]["barrier"]["height"] == expected.height


def test_mnist_from_a_folder(files, capsys):
    from test_data_sets import mnist_files, write

    Path("images").mkdir()
    write(Path("images"), mnist_files()[1])
    net = lmc.LayeredNet([np.eye(6), np.eye(3, 6)])
    net.save("net.npz")
    found = result(capsys, "barrier", "net.npz", "net.npz", "--mnist", "images", "--align", "weights")["result"]
    assert found["barrier"]["losses"][0] == lmc.load_images("mnist", folder="images").objective()(net)
    assert "on 4 images of mnist, test" in run(capsys, "barrier", "net.npz", "net.npz", "--mnist", "images", "--split", "test")[1]


@pytest.mark.parametrize("method", ["weights", "activations", "barrier"])
def test_align_on_data(files, capsys, method):
    pytest.importorskip("sklearn")
    OTHER.save("other.npz")
    call = ["align", "deep.npz", "other.npz", "--data", "digits", "--method", method, "--out", "aligned.npz"]
    found = result(capsys, *call)["result"]["alignment"]
    assert OTHER.permute(found["permutation"]).weights[0].tolist() == DEEP.weights[0].tolist()
    assert lmc.load_network("aligned.npz").weights[1].tolist() == DEEP.weights[1].tolist()


def test_train_on_data(files, capsys):
    sklearn = pytest.importorskip("sklearn")
    pytest.importorskip("safetensors")
    assert sklearn.__version__
    call = ["train", "--data", "digits", "--width", "8,4", "--max-epochs", 3, "--seed", 5, "--out", "nets", "--solver", "adam"]
    document = result(capsys, *call, "--format", "safetensors", "--learning-rate", 0.01, "--batch-size", 100, "--quiet")
    data = lmc.load_images()
    with pytest.warns(lmc.ConvergenceWarning):
        expected = lmc.train_on_data(
            data.X_train, data.y_train, (8, 4), max_epochs=3, rng=5, solver="adam", learning_rate=0.01, batch_size=100
        )
    assert document["result"]["networks"] == ["nets/network-0.safetensors", "nets/network-1.safetensors"]
    assert document["result"]["training"]["losses"] == expected.losses.tolist()
    assert document["warnings"] == ["of 2 runs 0 diverged and 2 met no tolerance in 3 epochs"]
    for path, net, accuracy in zip(
        document["result"]["networks"], expected.networks, document["result"]["test_accuracies"], strict=True
    ):
        assert np.array_equal(lmc.load_network(path).weights[2], net.weights[2])
        assert accuracy == data.objective("test").accuracy(net)
    status, out, err = run(capsys, *call[:-3], "more", "--loss-tol", 1e9, "--runs", 1)
    assert status == 0
    assert err == "training: 3/3 epochs, finished in 0 s\n"
    assert "network-0.npz" in out
    assert "loss_tol" in out


def test_sharpness(files, capsys):
    found = result(capsys, "sharpness", "A.npz", "T.npz", "--teacher", "T.npz")["result"]["networks"]
    assert [row["network"] for row in found] == ["A.npz", "T.npz"]
    for row, net in zip(found, (NET, TEACHER), strict=True):
        assert row["sharpness"] == lmc.sharpness(net, TEACHER)
        assert row["loss"] == lmc.population_loss(net, TEACHER)
        assert row["gradient_norm"] == pytest.approx(np.linalg.norm(lmc.population_gradient(net, TEACHER)[0]), rel=1e-14)
        assert row["largest_stable_learning_rate"] == 2 / row["sharpness"]
    assert f"{lmc.sharpness(NET, TEACHER):.6g}" in run(capsys, "sharpness", "A.npz", "--teacher", "T.npz")[1]


def test_flat_network_is_stable_at_any_learning_rate(files, capsys):
    lmc.TwoLayerNet(np.zeros((1, 3))).save("zero.npz")
    out = run(capsys, "sharpness", "zero.npz", "--teacher", "T.npz")[1]
    assert "any: the loss curves upwards in no direction" in out


def test_flat_network_has_no_largest_learning_rate(files, capsys):
    lmc.TwoLayerNet(np.zeros((1, 3))).save("zero.npz")
    assert (
        result(capsys, "sharpness", "zero.npz", "--teacher", "T.npz")["result"]["networks"][0]["largest_stable_learning_rate"]
        is None
    )


@pytest.mark.parametrize("networks", [False, True])
def test_rate(files, capsys, networks):
    Path("data.csv").write_text("\ufeff" + table(networks), encoding="utf-8")  # as spreadsheets write it
    rows = [line.split(",") for line in table(networks).splitlines()[1:]]
    samples = [[float(row[1]) for row in rows if row[0] == str(m)] for m in WIDTHS]
    pairs = [[["pqrstu".index(name) for name in row[2:]] for row in rows if row[0] == str(m)] for m in WIDTHS]
    expected = lmc.fit_rate(WIDTHS, samples, pairs=pairs if networks else None, rng=3, level=0.9, n_resamples=500)
    found = result(capsys, "rate", "data.csv", "--seed", 3, "--level", 0.9, "--resamples", 500)["result"]["fit"]
    assert found["exponent"] == expected.exponent
    assert found["interval"] == list(expected.interval)
    assert found["resampled"] == ("networks" if networks else "samples")
    assert found["means"] == expected.means.tolist()


def test_rows_columns_and_blank_lines_may_come_in_any_order(files, capsys):
    plain = result(capsys, "rate", "data.csv")["result"]["fit"]
    rows = [line.split(",") for line in table().splitlines()[1:]]
    rows.sort(key=lambda row: -int(row[0]))
    Path("data.csv").write_text(
        "note, value, width\n\n" + "\n".join(f"x, {value}, {width}" for width, value in rows), encoding="utf-8"
    )
    assert result(capsys, "rate", "data.csv")["result"]["fit"] == plain


@pytest.mark.parametrize(("separator", "mark"), [(";", ","), (";", "."), ("\t", ",")])
def test_tables_of_other_spreadsheets_are_read(files, capsys, separator, mark):
    plain = result(capsys, "rate", "data.csv")["result"]["fit"]
    other = table().replace(",", separator).replace(".", mark)
    Path("other.csv").write_text(other.replace("\n", "\r\n"), encoding="utf-8-sig", newline="")
    assert result(capsys, "rate", "other.csv")["result"]["fit"] == plain


def test_undefined_numbers_are_null(files, capsys):
    Path("data.csv").write_text("width,value\n4,1\n4,2\n4,4\n8,1\n8,1.5\n8,3\n", encoding="utf-8")
    assert result(capsys, "rate", "data.csv")["result"]["fit"]["curvature"] is None


@pytest.mark.parametrize(
    ("first", "second", "line", "warning"),
    [
        ("2 2", "0.5 1.5", "exponent    -1.0000 (no interval: no spread)", "at width 8 show no spread"),
        ("2e-200 2e-200", "1e-200 1e-200", "exponent    -1.0000 (no interval: no spread)", "at width 8, 16 show no spread"),
        ("2 6", "1 3", "exponent    -1.0000 (no interval: too few different barriers)", "3 different barriers at each width"),
    ],
)
def test_a_rate_without_an_interval_says_what_is_missing(files, capsys, first, second, line, warning):
    rows = [f"{width},{value}" for width, values in ((8, first), (16, second)) for value in values.split()]
    Path("data.csv").write_text("\n".join(["width,value", *rows]), encoding="utf-8")
    status, output, errors = run(capsys, "rate", "data.csv", "--plot")
    assert status == 0
    assert output.startswith(line)
    assert warning in errors
    assert not re.search(r"\[-?(nan|inf)", output)
    document = json.loads(run(capsys, "rate", "data.csv", "--json")[1])
    assert document["result"]["fit"]["interval"] == [None, None]
    assert any(warning in message for message in document["warnings"])


# Bad calls: one line on standard error, nothing on standard output, exit status 2.

OBJECTIVE = "the objective must be given as --teacher FILE, or as --data NAME or --mnist FOLDER"
PAIR = "barrier A.npz B.npz --teacher T.npz"
# fmt: off
BAD = [
    ("", "the following arguments are required: COMMAND"),
    ("barrier A.npz B.npz", f"{OBJECTIVE}\n"),
    ("barrier A.npz B.npz --teacher T.npz --data digits", f"{OBJECTIVE}, got both"),
    ("barrier A.npz B.npz --data digit", "source must be one of 'digits', 'mnist', got 'digit' (did you mean 'digits'?)"),
    ("barrier A.npz B.npz --data digits --mnist full", "--mnist must not be given with --data digits"),
    ("barrier A.npz B.npz --mnist full", "folder must hold train-images-idx3-ubyte or train-images-idx3-ubyte.gz, got 'full'"),
    ("barrier A.npz B.npz --data digits", "net_a must have the input dimension of the data, d = 64, got d = 3"),
    ("barrier A.npz B.npz --data digits --split half", "split must be one of 'train', 'test', got 'half'"),
    ("barrier A.npz B.npz --data digits --loss hinge", "loss must be one of 'squared', 'cross-entropy', 'error', got 'hinge'"),
    ("barrier A.npz B.npz --data digits --inputs sphere", "--inputs belongs to a teacher, got 'sphere' without"),
    (f"{PAIR} --loss squared", "--loss belongs to data, got 'squared' without"),
    (f"{PAIR} --split test", "--split belongs to data, got 'test' without"),
    ("barrier A.npz weights.pt --teacher T.npz", "weights.pt: path must name a .safetensors or .npz file, got "),
    ("barrier A.npz B.npz --teacher T.npz --names W,b", "A.npz: names must name arrays of the file, W, a, got 'W.weight'"),
    ("barrier deep.npz wide.npz --data digits", "net_b must have the architecture of net_a: weights[1] of shape (5, 6), "),
    ("barrier deep.npz deep.npz --teacher T.npz", "net_a must be a TwoLayerNet, got LayeredNet(widths=(6, 5), "),
    (f"{PAIR} --grid-size x", "argument --grid-size: invalid int value: 'x'"),
    (f"{PAIR} --tea T.npz", "unrecognized arguments: --tea T.npz"),
    ("barrier missing.npz B.npz --teacher T.npz", "missing.npz cannot be read: No such file or directory"),
    ("barrier A.npz folder.npz --teacher T.npz", "folder.npz cannot be read: Is a directory"),
    ("barrier A.npz B.npz --teacher text.npz", "text.npz: path must name an .npz archive of named arrays, got 'text.npz' ("),
    ("barrier A.npz text.npz --teacher T.npz", "text.npz: path must name an .npz archive of named arrays, got 'text.npz' ("),
    ("barrier nameless.npz B.npz --teacher T.npz", "nameless.npz: names must be given where they are none of 0.weight, "),
    ("barrier nan.npz B.npz --teacher T.npz", "nan.npz: W must be finite, got nan at index [0, 1]"),
    ("barrier A.npz narrow.npz --teacher T.npz", "net_b must have the shape of net_a, (m, d) = (3, 3), got (2, 3)"),
    ("barrier flat.npz flat.npz --teacher T.npz", "net_a must have the input dimension of the teacher, d = 3, got d = 2"),
    (f"{PAIR} --align wieghts", "align must be one of 'weights', 'activations', 'barrier', 'exact', got 'wieghts' (did "),
    (f"{PAIR} --kind height", "kind must be one of 'chord', 'endpoint-mean', 'midpoint', got 'height'"),
    (f"{PAIR} --inputs cube", "inputs must be one of 'gaussian', 'sphere', got 'cube'"),
    (f"{PAIR} --grid-size 2", "grid_size must be at least 3, got 2"),
    (f"{PAIR} --plot path.txt", "path must end in one of ."),
    (f"{PAIR} --plot nowhere/path.png", "nowhere/path.png cannot be written: No such file or directory"),
    (f"{PAIR} --plot folder.npz/x/path.png", "folder.npz/x/path.png cannot be written: No such file or directory"),
    ("train --width 2 --out nets", "the teacher must be given as --teacher FILE, or as --M and --d; or --data, for training on"),
    ("train --width 2 --out nets --teacher T.npz --M 2 --d 3", "the teacher must be given as --teacher FILE, or as --M and --d"),
    ("train --width 2 --out nets --M 2", "--M and --d must be given together"),
    ("train --width 2 --out nets --M 3 --d 2", "M must be at most d = 2 for an orthonormal teacher, got 3"),
    ("train --width 0 --out nets --M 2 --d 3", "width must be at least 1, got 0"),
    ("train --width 2 --out nets --M 2 --d 3 --runs 0", "n_runs must be at least 1, got 0"),
    ("train --width 2 --out nets --M 2 --d 3 --learning-rate nan", "learning_rate must be finite, got nan"),
    ("train --width 2 --out nets --M 2 --d 3 --seed -1", "rng must be at least 0, got -1"),
    ("train --width 2 --out full --M 2 --d 3", "full cannot be written: exists and is not an empty folder"),
    ("train --width 2 --out A.npz --M 2 --d 3", "A.npz cannot be written: exists and is not an empty folder"),
    ("train --width 2 --out A.npz/nets --M 2 --d 3", "A.npz/nets cannot be written: "),
    ("align A.npz narrow.npz", "net_b must have the shape of net_a, (m, d) = (3, 3), got (2, 3)"),
    ("align A.npz B.npz --method best", "method must be one of 'weights', 'activations', 'barrier', 'exact', got 'best'"),
    ("align A.npz B.npz --method barrier", f"{OBJECTIVE} with --method barrier, which minimises the barrier"),
    ("align deep.npz deep.npz --method activations", "objective must be given with method='activations', which needs data "),
    ("align deep.npz wide.npz", "net_b must have the architecture of net_a: weights[1] of shape (5, 6), "),
    ("align deep.npz deep.npz --out deep.txt", "path must end in .safetensors or .npz, got 'deep.txt'"),
    ("train --width 4,x --out nets --data digits", "argument --width: invalid width value: '4,x'"),
    ("train --width 4,0 --out nets --data digits", "widths[1] must be at least 1, got 0"),
    ("train --width 4,4 --out nets --M 2 --d 3", "--width must be one number without --data, got 4,4"),
    ("train --width 4 --out nets --data digits --solver newton", "solver must be one of 'sgd', 'momentum', 'adam', got 'newton'"),
    ("train --width 4 --out nets --data digits --max-steps 3", "--max-steps belongs to training against a teacher, got 3"),
    ("train --width 4 --out nets --data digits --polish", "--polish belongs to training against a teacher, got True without"),
    ("train --width 4 --out nets --M 2 --d 3 --solver adam", "--solver belongs to training on data, got 'adam' without"),
    ("train --width 4 --out nets --M 2 --d 3 --loss squared", "--loss belongs to training on data, got 'squared' without"),
    ("train --width 4 --out nets --data digits --format pt", "argument --format: invalid choice: 'pt'"),
    ("train --width 4 --out full --data digits", "full cannot be written: exists and is not an empty folder"),
    ("align A.npz B.npz --time-limit 5", "time_limit belongs to method='exact', got 5.0 with 'weights'"),
    ("align A.npz B.npz --out nowhere/C.npz", "nowhere/C.npz cannot be written: No such file or directory"),
    ("align A.npz B.npz --permutation folder.npz", "folder.npz cannot be written: Is a directory"),
    ("sharpness --teacher T.npz", "the following arguments are required: NETWORK"),
    ("sharpness A.npz flat.npz --teacher T.npz", "flat.npz: net must have the input dimension of the teacher, d = 3, got d = 2"),
    ("rate missing.csv", "missing.csv cannot be read: No such file or directory"),
    ("rate A.npz", "A.npz: must be UTF-8 text ("),
    ("rate data.csv --level 95", "data.csv: level must lie strictly between 0 and 1, got 95.0"),
    ("rate data.csv --resamples 10", "data.csv: n_resamples must be at least 100, got 10"),
    ("rate data.csv --plot nowhere/rate.png", "nowhere/rate.png cannot be written: No such file or directory"),
]
# fmt: on


def one_line(status, out, err):
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(("call", "message"), BAD, ids=[call or "nothing" for call, _ in BAD])
def test_bad_call_is_refused_in_one_line(files, capsys, call, message, as_json):
    before = sorted(files.rglob("*"))
    command = call.split(" ")[0]
    err = one_line(*run(capsys, *call.split(), *(["--json"] if as_json and call else [])))
    assert err.startswith((f"lmctheory {command}: error: {message}", f"lmctheory: error: {message}"))
    assert sorted(files.rglob("*")) == before  # nothing half-written


def test_unknown_command_is_refused(files, capsys):
    assert "invalid choice: 'barier'" in one_line(*run(capsys, "barier"))


# fmt: off
TABLES = [
    (b"", "line 1: the header must name the columns width, value, got nothing"),
    (b"m;value\n4;1\n", "line 1: the header must name the columns width, value, got m;value"),
    (b"width,value,network_a\n",
     "line 1: the header must name the columns width, value, network_a, network_b, got width,value,network_a"),
    (b"width,value,value\n", "line 1: the header must name each column once, got width,value,value"),
    (b"width,value\n", "must hold at least one row below the header, got none"),
    (b"width,value\n4,1\n\n4\n", "line 4: a row must have 2 fields, got 1"),
    (b"width,value\n4,1,2\n", "line 2: a row must have 2 fields, got 3"),
    (b"width,value\n4,1\n4,one\n", "line 3: value must be a number, got 'one'"),
    (b"width,value\n4,1\n4,\n", "line 3: value must be a number, got ''"),
    (b"width,value\n4,nan\n", "line 2: value must be finite and not negative, got nan"),
    (b"width,value\n4,inf\n", "line 2: value must be finite and not negative, got inf"),
    (b"width,value\n4,-1\n", "line 2: value must be finite and not negative, got -1"),
    (b"width,value\n0,1\n", "line 2: width must be finite and positive, got 0"),
    (b"width,value\nfour,1\n", "line 2: width must be a number, got 'four'"),
    (b"width,value,network_a,network_b\n4,1,p,p\n",
     "line 2: network_a and network_b must name two different networks, got 'p' and 'p'"),
    (b"width,value,network_a,network_b\n4,1,p,\n",
     "line 2: network_a and network_b must name two different networks, got 'p' and ''"),
    (b'width,value\n4,"1\n', "line 2: unexpected end of data"),
    (b"width,value\n4,1\n8,1\n8,2\n", "width 4 must have at least two rows, got 1"),
    (b"width,value\n4,1\n4,2\n", "widths must hold at least two widths, got 1"),
    (b"width,value\n4,1\n4,2\n8,0\n8,0\n", "samples[1] must have a positive mean, got only zeros: their logarithm is undefined"),
    (b"width,value\n4,1_0\n", "line 2: value must be a number, got '1_0'"),
    ("width,value\n4,\u0661\n".encode(), "line 2: value must be a number, got '\u0661'"),
    (b"width,value\n4,0x10\n", "line 2: value must be a number, got '0x10'"),
    (b"width,value\n4," + b"9" * 5000 + b"\n", "line 2: value must be finite and not negative, got " + "9" * 40),
    (b"width,value\n8,0,02\n",
     "line 2: a row must have 2 fields, got 3 (commas separate columns: write decimal points, or semicolons between columns)"),
    (b"width,value\n8;0.02\n",
     "line 2: a row must have 2 fields, got 1 (the header is separated by other characters than the row)"),
    (b"width;value\n8;0,02\n8;0.03\n", "line 3: value must have the decimal mark of the numbers above, got '0.03'"),
    (b"width;value\n8;1.000,5\n", "line 2: value must have the decimal mark of the numbers above, got '1.000,5'"),
    ("width,value\n4,1\n".encode("utf-16"), "must be UTF-8 text (it is UTF-16)"),
    (b"width,value\n4,\xff\n", "must be UTF-8 text (invalid start byte at byte 14)"),
]
# fmt: on


@pytest.mark.parametrize(("content", "message"), TABLES, ids=[message for _, message in TABLES])
def test_malformed_table_is_refused_with_its_line(files, capsys, content, message):
    Path("bad.csv").write_bytes(content)
    assert one_line(*run(capsys, "rate", "bad.csv")) == f"lmctheory rate: error: bad.csv: {message}\n"


@pytest.mark.parametrize("command", ["barrier A.npz B.npz --teacher T.npz", "rate data.csv"])
def test_missing_matplotlib_gives_the_line_that_installs_it(files, command):
    code = f"""
import sys
sys.modules["matplotlib"] = None
from lmctheory.cli import main
sys.exit(main({[*command.split(), "--plot"]}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    err = one_line(done.returncode, done.stdout, done.stderr)
    assert err.endswith("error: plotting needs matplotlib: pip install 'lmctheory[plot]'\n")


# The command itself.


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples(capsys, command):
    status, out, err = run(capsys, command, "--help")
    assert (status, err) == (0, "")
    assert f"examples:\n  lmctheory {command} " in out


def test_help_lists_the_commands_and_version_is_the_package_s(capsys):
    assert all(f"    {command}" in run(capsys, "--help")[1] for command in COMMANDS)
    assert run(capsys, "--version") == (0, f"lmctheory {lmc.__version__}\n", "")


def test_help_loads_nothing_heavy():
    heavy = ("numpy", "scipy", "numba", "matplotlib", "hypothesis", "sympy")
    code = f"""
import sys
from lmctheory.cli import main
assert main(["barrier", "--help"]) == 0
print([name for name in {heavy} if name in sys.modules], file=sys.stderr)
"""
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stderr == "[]\n"


def module(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "lmctheory", *arguments], capture_output=True, text=True, **options)


def test_module_runs_the_command(files):
    done = module("align", "A.npz", "B.npz", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["result"]["alignment"]["permutation"] == [1, 2, 0]
    done = module("align", "A.npz", "nan.npz")
    err = one_line(done.returncode, done.stdout, done.stderr)
    assert err == "lmctheory align: error: nan.npz: W must be finite, got nan at index [0, 1]\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_behind_standard_output_is_one_line(files):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "lmctheory", "align", "A.npz", "B.npz"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    err = one_line(done.returncode, "", done.stderr)
    assert err == "lmctheory align: error: standard output cannot be written: No space left on device\n"


def test_plot_of_a_path_shows_the_barrier():
    found = lmc.barrier(TEACHER, TEACHER.permute([1, 0]), TEACHER)
    ax = lmc.plotting.path_plot(found, label="unaligned")
    assert lmc.plotting.path_plot(lmc.barrier(NET, NET, TEACHER, kind="endpoint-mean"), ax) is ax
    path, _, mark = ax.lines[:3]
    assert path.get_ydata().max() == pytest.approx(found.height, rel=1e-12)
    assert mark.get_xdata().tolist() == [found.position] * 2
    assert np.ptp(mark.get_ydata()) == pytest.approx(found.height, rel=1e-12)
    assert f"unaligned, barrier {found.height:.3g}" in [text.get_text() for text in ax.get_legend().get_texts()]
    with pytest.raises(lmc.InvalidInputError, match="barrier must be a Barrier, got 3"):
        lmc.plotting.path_plot(3)
    lmc.plotting.plt.close(ax.figure)
