"""Claims on images: decision rules can fail, numbers are those of the library, MNIST is named and read, figures are drawn."""

import gzip
import json
import struct
from functools import cache

import numpy as np
import pytest

import lmctheory as lmc
from validation import __main__ as command
from validation.cells import images
from validation.cells.images import ALIGNMENTS, FAMILY_ALIGNMENTS, POSITIONS, ImageEnsemble
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.claims import CLAIMS, depth, real_data_double_descent, real_data_rate, real_data_strong
from validation.evidence.falls import fall, fall_of
from validation.evidence.verdicts import all_of, any_of

S, R, I = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE  # noqa: E741
ROOT = np.random.SeedSequence(0)
WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128, 256)


def _ensemble(width, curve, share=0.1, labels="true", depth=1, spread=0.1, n_runs=12, seed=0):
    """An ensemble with mean barrier ``curve(width)``; permutations leave `share` of the unaligned one, random ones all of it."""
    draw = np.random.default_rng([seed, width, depth])
    pairs = np.stack(np.triu_indices(n_runs, 1), axis=1)
    effects = np.exp(spread * draw.normal(size=n_runs)[pairs].sum(axis=1))
    measures = curve(width) * np.array([[1.0, 0.3], [0.8, 0.2]])  # by split and measure
    heights = effects[:, None, None, None] * np.array([1.0, 1 / share, 1.02 / share])[:, None, None] * measures
    n_threes = n_runs // 3
    family = np.exp(spread * draw.normal(size=n_threes))[:, None, None, None]
    threes = family * np.array([1.3, 1.5, 1.5 / share, 1.55 / share])[:, None, None] * measures
    bump = 4 * POSITIONS * (1 - POSITIONS)
    grey = np.arange(3 * 16).reshape(3, 4, 4)
    shown = {"wrong": np.array(3), "images": grey, "labels": np.arange(3), "guesses": np.arange(1, 4)}
    return ImageEnsemble(
        depth=depth,
        width=width,
        labels=labels,
        levels=np.full((n_runs, 2, 2), 0.05),
        diverged=np.zeros(n_runs, dtype=bool),
        pairs=pairs,
        heights=heights,
        by_weights=np.ones(len(pairs), dtype=bool),
        curves=0.05 + heights.mean(axis=0)[..., None] * bump,
        threes=threes,
        midpoint={f"{when}_{name}": value for when in ("before", "after") for name, value in shown.items()},
    )


def _two_peaks(m):
    return 0.5 * m**0.5 if m < 3 else {3: 0.3, 4: 0.1, 6: 0.3}.get(m, 0.8 * (m / 8) ** -1.0)


def _one_peak(m):
    return 0.5 * min(m, 4) / 4 * (max(m, 4) / 4) ** -1.0


def _rises(m):
    return 0.02 * m**0.3


# --- combining verdicts


@pytest.mark.parametrize(
    ("verdicts", "every", "some"), [((S, S), S, S), ((S, I), I, S), ((I, R), R, I), ((R, R), R, R), ((S, R), R, S), ((I,), I, I)]
)
def test_combined_verdicts(verdicts, every, some):
    assert (all_of(verdicts), any_of(verdicts)) == (every, some)


# --- the valley


@pytest.mark.parametrize(
    ("curve", "spread", "verdict"),
    [
        (_two_peaks, 0.03, S),
        (_one_peak, 0.03, R),
        (_rises, 0.03, R),
        (lambda m: 1 / m, 0.03, R),
        (_one_peak, 0.6, I),  # bands too wide to exclude a valley
        (lambda m: _one_peak(m) / (1.25 if m == 6 else 1.0), 0.01, R),  # hardly a kink
    ],
)
def test_rule_on_valleys(curve, spread, verdict):
    ensembles = [_ensemble(m, curve, spread=spread, n_runs=24) for m in WIDTHS]
    found = real_data_double_descent.shape(Context(), ensembles, "modulo", "test")
    assert real_data_double_descent.decide(found) is verdict
    assert found["depth_limits"][0] <= found["depth"] <= found["depth_limits"][1]


def test_valley_is_found_where_it_is():
    means = np.array([1.0, 0.2, 0.8, 0.4])
    found = real_data_double_descent.valley([1, 2, 4, 8], means, np.stack([means / 1.1, means * 1.1], axis=1))
    assert found["valley"] == [1, 2, 4]
    assert found["depth"] == pytest.approx(2.0)  # it falls again by this factor only
    assert found["depth_limits"] == pytest.approx((2.0 / 1.21, 2.0 * 1.21))
    assert real_data_double_descent.valley([1, 2, 4], means[:3], np.ones((3, 2)))["valley"] == []


def test_deepest_valley_agrees_with_all_quadruples():
    draw = np.random.default_rng(0)
    for _ in range(20):
        low = draw.normal(size=7)
        high = low + draw.uniform(size=7)
        for peaks, floors in ((low, low), (low, high), (high, low)):
            best = max(
                min(peaks[i] - floors[j], peaks[k] - floors[j], peaks[k] - floors[last])
                for i in range(7) for j in range(i + 1, 7) for k in range(j + 1, 7) for last in range(k + 1, 7)
            )  # fmt: skip
            assert real_data_double_descent._deepest(peaks, floors)[0] == max(best, 0.0)


# --- rates and shares


def _fall(exponent, share=0.1, alignment="modulo", spread=0.05):
    ensembles = [_ensemble(m, lambda m: m**exponent, share, spread=spread) for m in (16, 32, 64, 128)]
    return fall_of(ensembles, alignment, "train", "loss", ROOT)


@pytest.mark.parametrize(
    ("exponent", "share", "bounded", "falls", "halved"),
    [(-1.0, 0.1, S, S, S), (-0.25, 0.1, R, S, S), (0.3, 0.1, R, R, S), (-1.0, 0.9, S, S, R), (-0.45, 0.1, I, S, S)],
)
def test_rules_on_planted_power_laws(exponent, share, bounded, falls, halved):
    found = _fall(exponent, share)
    assert (found.bounded(), found.falls(), found.halved(), found.halved(last=1)) == (bounded, falls, halved, halved)
    assert found.shares == pytest.approx(np.full(4, share))


@pytest.mark.parametrize("alignment", ["none", "random"])
def test_what_is_not_aligned_never_passes(alignment):
    found = _fall(-1.0, alignment=alignment)
    assert found.bounded() is S  # the rate alone does not tell
    assert found.halved() is R
    for decide in (lambda f: real_data_rate.decide(f, "loss"), depth.decide, real_data_strong.decide):
        assert decide(found) is R


def test_widths_without_barriers_are_left_out_of_the_fit():
    barriers = [np.full(6, 0.1), np.full(6, 0.02), np.full(6, 1e-3), np.zeros(6)]
    barriers = [b * np.linspace(0.9, 1.1, 6) for b in barriers]
    ratios = [np.linspace(0.1, 0.2, 6)] * 4
    found = fall([8, 16, 32, 64], barriers, [np.divide(b, r) for b, r in zip(barriers, ratios, strict=True)], None, ROOT)
    assert found.fits[0].widths.tolist() == [8, 16, 32]
    assert len(found.fits) == 1  # the upper half has one width with barriers
    assert found.bounded() is S


# --- experiments on planted ensembles


@pytest.fixture
def planted(monkeypatch):
    """Make the experiments see ensembles with given mean barriers, by labels."""

    def plant(curve, share=0.1, shuffled=_rises):
        def ensembles(context, requests):
            curves = {"true": curve, "shuffled": shuffled}
            return [
                _ensemble(r["width"], curves[r["labels"]], share, r["labels"], r["depth"], 0.03, max(r["n_runs"], 18))
                for r in requests
            ]

        for module in (real_data_double_descent, real_data_rate, depth, real_data_strong):
            monkeypatch.setattr(module, "image_ensembles", ensembles)

    return plant


@pytest.mark.parametrize(
    ("module", "curve", "share", "verdict"),
    [
        (real_data_double_descent, _two_peaks, 0.1, S),
        (real_data_double_descent, _one_peak, 0.1, R),
        (real_data_rate, _one_peak, 0.1, S),
        (real_data_rate, _one_peak, 0.8, R),
        (depth, lambda m: m**-0.2, 0.1, S),
        (real_data_strong, _one_peak, 0.1, S),
        (real_data_strong, _rises, 0.1, R),
    ],
)
def test_experiments_follow_their_rules(planted, module, curve, share, verdict):
    planted(curve, share)
    outcome = module.experiment(Context())
    assert outcome.verdict is verdict
    if module is not real_data_double_descent or verdict is R:  # two planted peaks are there without permutations too
        assert outcome.control is R
    assert outcome.data["images"] == "digits"
    assert outcome.findings[0].startswith("Data: digits, 1442 training and 355 test images of 8 x 8")
    json.dumps(outcome.data)


def test_a_control_that_passes_is_seen(planted):
    planted(_one_peak, shuffled=_one_peak)
    assert real_data_strong.experiment(Context()).control is S


# --- networks trained on images


@pytest.fixture(scope="module")
def cell():
    return {
        "data": "digits", "folder": None, "n_train": 200, "n_test": 100, "depth": 2, "width": 5, "labels": "true", "n_runs": 3,
        "n_steps": 60, "with_threes": True,
    }  # fmt: skip


@pytest.mark.jit
def test_numbers_of_an_ensemble_are_those_of_the_library(cell):
    found, again = (images.ensemble(3, **cell) for _ in range(2))
    for name in ("levels", "heights", "curves", "threes"):
        np.testing.assert_array_equal(found[name], again[name])
    assert found["heights"].shape == (3, len(ALIGNMENTS), 2, 2)
    assert found["threes"].shape == (1, len(FAMILY_ALIGNMENTS), 2, 2)
    assert (found["heights"] >= 0).all()
    data = images.load(None, 200, 100)
    networks, diverged = images.trained(data.X_train, data.y_train, (5, 5), 60, 3, np.random.SeedSequence([3, 801, 2, 5, 0, 0]))
    assert not diverged.any()
    for k, split in enumerate(images.SPLITS):
        objective = data.objective(split)
        assert found["levels"][0, k] == pytest.approx([objective(networks[0]), 1 - objective.accuracy(networks[0])])
        exact = lmc.barrier(networks[0], networks[1], objective, align=None).height
        assert found["heights"][0, ALIGNMENTS.index("none"), k, 0] == pytest.approx(exact, rel=0.01, abs=1e-6)
    train = data.objective("train")
    best = min(lmc.barrier(networks[0], networks[1], train, align=name).height for name in ("weights", "activations"))
    assert found["heights"][0, 0, 0, 0] == pytest.approx(best, rel=0.01, abs=1e-6)
    weak, strong, none = (found["threes"][0, FAMILY_ALIGNMENTS.index(name), 0, 0] for name in ("weak", "strong", "none"))
    assert weak <= strong * 1.01
    assert none == found["heights"][:, ALIGNMENTS.index("none"), 0, 0].max()


@pytest.mark.jit
def test_shuffled_labels_are_one_shuffle_for_all_networks(cell):
    found = [images.ensemble(1, **cell | {"labels": labels, "width": 16, "depth": 1, "n_steps": 100}) for labels in images.LABELS]
    true, shuffled = (part["levels"][:, 0, 1].mean() for part in found)
    assert true < 0.5 < shuffled


def test_blocks_are_joined(monkeypatch):
    def part(seed, width, n_runs, block, **_):
        planted = _ensemble(width, _one_peak, n_runs=n_runs, seed=block)
        return {name: value for name, value in vars(planted).items() if isinstance(value, np.ndarray)} | planted.midpoint

    monkeypatch.setattr(images, "ensemble", part)
    found = images.image_ensembles(Context(), [images._request(1, width, "true", 18, True) for width in (4, 64)])
    assert [len(e.levels) for e in found] == [18, 18]
    assert [len(e.pairs) for e in found] == [66 + 15, 3 * 15]  # blocks of 12 and 6, and three of 6
    assert found[1].pairs.max() == 17
    np.testing.assert_allclose(found[0].curves[..., 8] - 0.05, found[0].heights.mean(axis=0))


def test_flat_paths_have_no_barrier():
    flat = np.random.default_rng(0).uniform(size=(50, 1)) * np.ones(len(POSITIONS))
    line = flat + np.linspace(0, 0.3, len(POSITIONS))
    assert not images.chord_heights(np.stack([flat, line])).any()
    assert images.chord_heights(line + 0.1 * POSITIONS * (1 - POSITIONS)) == pytest.approx(0.025)


def test_random_permutations_keep_layers_and_function():
    net = lmc.LayeredNet([np.eye(3), np.ones((4, 3)), np.ones((2, 4))])
    X = np.random.default_rng(0).normal(size=(5, 3))
    for seed in range(5):
        moved = net.permute(images.random_permutation(net, np.random.default_rng(seed)))
        np.testing.assert_allclose(moved(X), net(X))


def test_misclassified_images_are_those_of_the_midpoint():
    data = images.load(None, 200, 100)
    net = lmc.LayeredNet([np.eye(2, 64), np.eye(10, 2)], [np.zeros(2), np.arange(10.0)])
    found = images.middle(net, net, np.array([1, 0]), data)
    assert int(found["before_wrong"]) == (data.y_test != 9).sum() == int(found["after_wrong"])
    assert (found["before_guesses"] == 9).all()
    np.testing.assert_array_equal(found["before_labels"], data.y_test[data.y_test != 9][: images.SHOWN])
    np.testing.assert_allclose(found["before_images"][0].ravel() / 255, data.X_test[data.y_test != 9][0], atol=1 / 500)


# --- MNIST


def _write_mnist(folder, n_train=30, n_test=20, first=0):
    folder.mkdir(exist_ok=True)
    for prefix, n in (("train", n_train), ("t10k", n_test)):
        pixels = (np.arange(n * 6) + first).astype(np.uint8) % 250
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, n, 2, 3) + pixels.tobytes())
        labels = (np.arange(n) % 10).astype(np.uint8).tobytes()
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(struct.pack(">II", 0x801, n) + labels))
    return folder


def test_cells_name_the_images_and_change_with_the_files(tmp_path):
    digits = images.image_set(Context())
    assert digits["data"] == "digits"
    assert digits["folder"] is None
    first = images.image_set(Context(mnist=_write_mnist(tmp_path / "a")))
    assert first == images.image_set(Context(mnist=tmp_path / "a"))
    assert first["data"].startswith("mnist ")
    other = images.image_set(Context(mnist=_write_mnist(tmp_path / "b", first=1)))
    assert other["data"] != first["data"]
    assert images.describe_images(Context(mnist=tmp_path / "a")) == "Data: mnist, 30 training and 20 test images of 2 x 3 pixels."
    assert len(images.load(str(tmp_path / "a"), 12, 5).y_train) == 12


@pytest.mark.jit
def test_networks_are_trained_on_mnist_with_the_one_option(tmp_path):
    context = Context(mnist=_write_mnist(tmp_path / "mnist", n_train=100))
    request = images._request(1, 3, "true", 3, False)
    on_mnist, on_digits = (images.ensemble(0, **images.image_set(c), **request, n_steps=10) for c in (context, Context()))
    assert on_mnist["before_images"].shape[1:] == (2, 3)
    assert on_digits["before_images"].shape[1:] == (8, 8)
    assert not np.array_equal(on_mnist["levels"], on_digits["levels"])


def _on_images(context):
    return Outcome(S, R, [Measurement("x", 1.0)], [images.describe_images(context)], {"n": [1]})


def test_command_line_runs_claims_on_mnist_and_says_so(tmp_path, monkeypatch, capsys):
    folder = _write_mnist(tmp_path / "mnist")
    claim = Claim("one", "statement", "source", "prediction", "rule", "control", _on_images, on_images=True)
    monkeypatch.setattr(command, "CLAIMS", {"one": claim})
    recorded = tmp_path / "expected.toml"
    recorded.write_text('[quick]\none = { verdict = "REFUTED", control = "REFUTED" }\n[full]')
    monkeypatch.setattr(command, "EXPECTED", recorded)
    out = tmp_path / "out"
    assert command.main(["--out", str(out)]) == 1  # the digits have a recorded verdict
    capsys.readouterr()
    assert command.main(["--out", str(out), "--mnist", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "no verdicts are recorded on MNIST: one" in printed
    assert "30 training and 20 test images of 2 x 3" in printed
    saved = json.loads((out / "claims" / "one.json").read_text())["provenance"]
    assert saved["images"] == Context(mnist=folder).images
    page = (out / "report.html").read_text()
    assert f"--mnist {folder}" in page
    assert saved["images"] in page


def test_a_folder_without_mnist_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main(["--mnist", str(tmp_path)])
    assert (
        "--mnist must name a folder with the files of MNIST: folder must hold train-images-idx3-ubyte" in capsys.readouterr().err
    )


def test_claims_on_images_are_marked():
    assert {name for name, claim in CLAIMS.items() if claim.on_images} >= {
        "real-data-double-descent", "real-data-rate", "depth", "real-data-strong",
    }  # fmt: skip


# --- figures


def _data_of(module):
    @cache
    def data():
        patch = pytest.MonkeyPatch()
        try:
            for name, widths in (("two_layer_sweep", (8, 16, 32, 64)), ("shuffled_sweep", (16, 64))):
                labels = "true" if name == "two_layer_sweep" else "shuffled"
                requests = [images._request(1, width, labels, 9, True) for width in widths]
                patch.setattr(module, name, lambda context, found=requests: found)
            patch.setattr(
                module,
                "image_ensembles",
                lambda context, requests: [
                    _ensemble(r["width"], _one_peak, labels=r["labels"], depth=r["depth"], n_runs=9) for r in requests
                ],
            )
            return as_json(module.experiment(Context()).data)
        finally:
            patch.undo()

    return data


IMAGES_DATA = {
    "real_data_double_descent": _data_of(real_data_double_descent),
    "real_data_rate": _data_of(real_data_rate),
    "depth": _data_of(depth),
    "real_data_strong": _data_of(real_data_strong),
}
