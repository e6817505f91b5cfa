"""Plots for matplotlib: each function takes arrays and an optional Axes and returns the Axes.

Needs the extra ``plot``.
"""

from __future__ import annotations

import itertools
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._files import atomic_file
from lmctheory.connectivity import Barrier
from lmctheory.errors import InvalidInputError, MissingDependencyError
from lmctheory.rates import RateFit, fit_rate

# Matplotlib cannot be imported where MPLBACKEND names a backend that it does not know: the variable is read once it is there.
backend = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib as mpl
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes
    from matplotlib.backend_bases import FigureCanvasBase
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator
except ImportError as error:
    raise MissingDependencyError("plotting needs matplotlib: pip install 'lmctheory[plot]'") from error
finally:
    if backend is not None:
        os.environ["MPLBACKEND"] = backend
unknown_backend = None
if backend:
    try:
        mpl.rcParams["backend"] = backend
    except ValueError:
        unknown_backend = backend

# Okabe and Ito's palette: distinguishable with every common form of colour blindness.
COLOURS = {"blue": "#0072B2", "orange": "#E69F00", "green": "#009E73", "red": "#D55E00", "purple": "#CC79A7", "grey": "#666666"}
PATH_STYLES = ((COLOURS["orange"], "--", "s"), (COLOURS["blue"], "-", "o"), (COLOURS["green"], "-.", "^"))
MINUS = "\N{MINUS SIGN}"
STYLE: dict[str, Any] = {
    "figure.dpi": 120,
    "savefig.dpi": 200,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelsize": 10,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "pdf.fonttype": 42,
}


LAYOUT: dict[str, Any] = {"figsize": (4.2, 3.2), "layout": "constrained"}
LAYOUT_OF_TWO: dict[str, Any] = {"nrows": 2, "figsize": (4.2, 4.4), "sharex": True, "layout": "constrained"}


def rate_plot(
    widths: ArrayLike,
    samples: Sequence[ArrayLike],
    fit: RateFit | None = None,
    reference: float | None = -0.5,
    ax: Axes | None = None,
    *,
    color: str = COLOURS["blue"],
    label: str | None = None,
) -> Axes:
    """Draw mean barriers against the width on log-log axes, with intervals, the fitted power law and a reference slope.

    Parameters
    ----------
    widths : array_like, shape (n_widths,)
    samples : sequence of array_like
        Barriers at each width, as for `fit_rate`.
    fit : RateFit, optional
        Fitted to these data; computed (resampling single barriers, seed 0) if missing.
    reference : float or None
        Slope of the dashed reference line, anchored at the first mean.
    ax : matplotlib Axes, optional
        A new figure's if missing.
    color, label : str
        Of the data; the legend shows the label with the fitted exponent and its interval.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidInputError
        As `fit_rate`, or if `fit` belongs to other widths.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> draw = np.random.default_rng(0)
    >>> ax = lmc.plotting.rate_plot([8, 16, 32], [draw.exponential(1 / m, 50) for m in (8, 16, 32)])
    >>> ax.get_xscale(), ax.get_yscale()
    ('log', 'log')
    """
    widths = _checks.real_array("widths", widths, 1)
    if fit is None:
        fit = fit_rate(widths, samples, rng=0)
    elif not np.array_equal(_checks.instance("fit", fit, RateFit).widths, widths):
        raise InvalidInputError(f"fit must belong to the widths {widths.tolist()}, got one for {fit.widths.tolist()}")
    if ax is None:
        ax = _new_axes(LAYOUT)
    exponent = f"exponent {fit.exponent:.2f}"
    if np.isfinite(fit.interval).all():
        exponent += f" [{fit.interval[0]:.2f}, {fit.interval[1]:.2f}]"
    exponent = exponent.replace("-", MINUS)
    errors = np.abs(fit.mean_intervals.T - fit.means)
    errors[:, ~np.isfinite(errors).all(axis=0)] = np.nan
    ax.errorbar(widths, fit.means, yerr=errors, fmt="o", ms=4, capsize=2, lw=1, color=color)
    ax.plot(widths, fit.predict(widths), "-", lw=1.2, color=color, label=f"{label}\n{exponent}" if label else exponent)
    if reference is not None:
        line = fit.means[0] * (widths / widths[0]) ** reference
        ax.plot(widths, line, "--", lw=1, color=COLOURS["grey"], label=f"slope {reference:g}".replace("-", MINUS))
    ax.set(xscale="log", yscale="log", xlabel="width $m$", ylabel="mean barrier")
    ax.set_xticks(widths, [f"{m:g}" for m in widths])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.legend()
    return ax


def path_plot(barrier: Barrier, ax: Axes | None = None, *, color: str = COLOURS["blue"], label: str | None = None) -> Axes:
    """Draw the loss on the path behind a barrier, the level above which it is measured, and the barrier at its maximiser.

    Parameters
    ----------
    barrier : Barrier
    ax : matplotlib Axes, optional
        A new figure's if missing; draw several paths into one to compare them.
    color, label : str
        Of the path; the legend shows the label with the height.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidInputError
        If `barrier` is not a Barrier.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(2, 2)
    >>> ax = lmc.plotting.path_plot(lmc.barrier(teacher, teacher.permute([1, 0]), teacher))
    >>> ax.get_ylabel()
    'loss'
    """
    _checks.instance("barrier", barrier, Barrier)
    if ax is None:
        ax = _new_axes(LAYOUT)
    ends = barrier.losses[[0, -1]]
    levels = ends if barrier.kind == "chord" else np.full(2, ends.mean())
    t = barrier.position
    foot = (1 - t) * levels[0] + t * levels[1]
    height = f"barrier {barrier.height:.3g}"
    path = np.append(barrier.grid, t), np.append(barrier.losses, foot + barrier.height)
    order = np.argsort(path[0], kind="stable")
    ax.plot(path[0][order], path[1][order], "-", lw=1.4, color=color, label=f"{label}, {height}" if label else height)
    ax.plot([0, 1], levels, "--", lw=1, color=COLOURS["grey"])
    ax.plot([t, t], [foot, foot + barrier.height], "-o", lw=1, ms=3, color=color)
    ax.set(xlabel="position $t$ from A to B", ylabel="loss")
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, frameon=False)  # paths fill the axes
    return ax


def accuracy_plot(
    positions: ArrayLike,
    losses: Mapping[str, ArrayLike],
    accuracies: Mapping[str, ArrayLike],
    axes: Sequence[Axes] | None = None,
) -> tuple[Axes, Axes]:
    """Draw loss and accuracy along paths between two networks, one below the other.

    Parameters
    ----------
    positions : array_like, shape (T,)
        From A, 0, to B, 1; `Barrier.grid` is such.
    losses, accuracies : mapping of str to array_like, shape (T,)
        The loss and the share of inputs classified correctly on each path, by the name of the path: "naive", say, and "aligned".
    axes : sequence of two Axes, optional
        For losses and for accuracies; a new figure's if missing.

    Returns
    -------
    tuple of two Axes

    Raises
    ------
    InvalidInputError
        If losses and accuracies are not of the same paths, arrays do not fit, or `axes` are not two.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> upper, lower = lmc.plotting.accuracy_plot([0, 0.5, 1], {"naive": [0, 2, 0]}, {"naive": [1, 0.5, 1]})
    >>> upper.get_ylabel(), lower.get_ylabel()
    ('loss', 'accuracy')
    """
    positions = _checks.real_array("positions", positions, 1)
    if not losses or list(losses) != list(accuracies):
        raise InvalidInputError(f"accuracies must be of the paths of losses, {list(losses)}, got {list(accuracies)}")
    if axes is None:
        axes = _new_axes(LAYOUT_OF_TWO)
    if len(axes) != 2:
        raise InvalidInputError(f"axes must be two, got {len(axes)}")
    styles = zip(losses, itertools.cycle(PATH_STYLES), strict=False)
    for label, (color, line, marker) in styles:
        for name, ax, values in (("losses", axes[0], losses[label]), ("accuracies", axes[1], accuracies[label])):
            array = _checks.real_array(f"{name}[{label!r}]", values, 1)
            if len(array) != len(positions):
                raise InvalidInputError(f"{name}[{label!r}] must hold one value a position, {len(positions)}, got {len(array)}")
            every = max(1, len(array) // 8)
            ax.plot(positions, array, line, lw=1.4, color=color, marker=marker, ms=4, markevery=every, label=label)
    axes[0].set(ylabel="loss", ylim=(0.0, None))
    axes[1].set(ylabel="accuracy", xlabel="position $t$ from A to B")
    axes[0].legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, ncols=len(losses), frameon=False)
    return axes[0], axes[1]


def triangle_plot(
    points: ArrayLike,
    values: ArrayLike,
    ax: Axes | None = None,
    *,
    labels: Sequence[str] = ("1", "2", "3"),
    limits: tuple[float, float] | None = None,
    cmap: str = "cividis",
    n_levels: int = 12,
) -> Axes:
    """Draw values on the simplex of three networks as filled contours over a triangle.

    Parameters
    ----------
    points : array_like, shape (G, 3)
        Barycentric coordinates, such as `SimplexBarrier.grid`.
    values : array_like, shape (G,)
        Such as `SimplexBarrier.losses`.
    ax : matplotlib Axes, optional
        A new figure's if missing.
    labels : sequence of str
        Of the three corners: left, right, top.
    limits : (float, float), optional
        Values of the first and the last colour, the least and the greatest by default. Share them between plots to compare these.
    cmap : str
        A matplotlib colour map; the default reads the same with common forms of colour blindness.
    n_levels : int
        Number of contours, at least 2.

    Returns
    -------
    Axes
        Its last collection, ``ax.collections[-1]``, can be given to ``figure.colorbar``.

    Raises
    ------
    InvalidInputError
        If `points` are not the barycentric coordinates of at least three points, or arrays and labels do not fit together.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(3, 3)
    >>> found = lmc.simplex_barrier([teacher, teacher.permute([1, 2, 0]), teacher.permute([2, 0, 1])], teacher)
    >>> ax = lmc.plotting.triangle_plot(found.grid, found.losses)
    >>> [text.get_text() for text in ax.texts]
    ['1', '2', '3']
    """
    points, values = _checks.real_array("points", points, 2), _checks.real_array("values", values, 1)
    if points.shape[1] != 3 or len(points) < 3 or points.min() < 0 or not np.allclose(points.sum(axis=1), 1):
        raise InvalidInputError(
            f"points must be barycentric coordinates, at least three rows of three that sum to 1, got shape {points.shape}"
        )
    if len(values) != len(points):
        raise InvalidInputError(f"values must hold one a point, {len(points)}, got {len(values)}")
    if len(labels) != 3:
        raise InvalidInputError(f"labels must be three, one a corner, got {len(labels)}")
    n_levels = _checks.integer("n_levels", n_levels, 2)
    if ax is None:
        ax = _new_axes({"figsize": (3.4, 3.0), "layout": "constrained"})
    low, high = (values.min(), values.max()) if limits is None else map(float, limits)
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    x, y = (points @ corners).T
    ax.plot(*corners[[0, 1, 2, 0]].T, "-", lw=1, color="black", zorder=3)
    places = {"right": "top", "left": "top", "center": "bottom"}
    for corner, label, (horizontal, vertical) in zip(corners, labels, places.items(), strict=True):
        ax.annotate(label, corner, (0, 3 if vertical == "bottom" else -3), textcoords="offset points", ha=horizontal, va=vertical)
    ax.set_aspect("equal")
    ax.set_axis_off()
    levels = np.linspace(low, high, n_levels + 1) if low < high else low + np.array([-1.0, 1.0])
    ax.tricontourf(x, y, values, levels=levels, cmap=cmap, extend="neither" if limits is None else "both")
    return ax


def _new_axes(layout: dict[str, Any]) -> Any:
    """Return the axes of a new figure of pyplot, which may show it on a screen."""
    if unknown_backend:
        warnings.warn(f"MPLBACKEND is ignored: matplotlib has no backend {unknown_backend!r}", RuntimeWarning, stacklevel=3)
    return plt.subplots(**layout)[1]


def save_plot(ax: Axes, path: str | os.PathLike[str]) -> None:
    """Write the figure of `ax` to `path` atomically, in the format that its ending names, and close it.

    Raises
    ------
    InvalidInputError
        If matplotlib does not know the format.
    OSError
        If the file cannot be written.
    """
    figure: Any = ax.figure
    try:
        ending = plot_format(path)
        with atomic_file(path) as file:
            figure.savefig(file, format=ending, dpi=STYLE["savefig.dpi"])
    finally:
        plt.close(figure)


def plot_format(path: str | os.PathLike[str]) -> str:
    """Return the format that the ending of `path` names.

    Raises
    ------
    InvalidInputError
        If matplotlib does not know the format.
    """
    ending, known = Path(path).suffix[1:].lower(), FigureCanvasBase.get_supported_filetypes()
    if ending not in known:
        raise InvalidInputError(f"path must end in one of .{', .'.join(known)}, got {os.fspath(path)!r}")
    return ending


def axes_for_a_file(n_axes: int = 1) -> Any:
    """Return the axes of a new figure, or an array of two, one below the other, that need no screen: pyplot does not know them.

    The functions of this module draw into them and `save_plot` writes them, whatever the backend of matplotlib is.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> ax = lmc.plotting.axes_for_a_file()
    >>> lmc.plotting.rate_plot([8, 16], [[0.4, 0.5, 0.6], [0.2, 0.3, 0.25]], ax=ax) is ax
    True
    """
    layout = dict(LAYOUT if n_axes == 1 else LAYOUT_OF_TWO)
    grid = {name: layout.pop(name) for name in ("nrows", "sharex") if name in layout}
    return Figure(**layout).subplots(**grid)
