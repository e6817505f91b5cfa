"""The barrier on a very dense grid: a cheap reference for the search of the library, of which it shares the losses alone."""

import numpy as np

import lmctheory as lmc

UNIFORM = 1025
LADDER = np.concatenate([[0.0], np.geomspace(1e-12, 0.1, 34), -np.geomspace(1e-12, 0.1, 34)])
WIDTHS = np.linspace(-8, 8, 65)
ZOOMS, PEAKS = 12, 6


def dense_barrier(net_a, net_b, teacher):
    """Return the height of the barrier, the rounding error of the excess at its maximiser, and the maximiser.

    The grid is uniform, dense around the foot of each neuron at all scales, and in widths of its passage, and dense between feet.
    The highest points are approached by grids of 17 points.
    """
    segments, path = lmc.PopulationLoss(teacher).segments([net_a], [net_b]), np.zeros(1, dtype=np.intp)
    start, end = segments(path, np.array([[0.0, 1.0]]))[0]

    def excess(ts):
        return segments(path, ts[None])[0] - ((1 - ts) * start + ts * end)

    ts = _grid(net_a.W, net_b.W)
    values = excess(ts)
    values[0] = values[-1] = 0.0
    best, position = float(values.max()), ts[values.argmax()]
    padded = np.pad(values, 1, constant_values=-np.inf)
    peaks = np.flatnonzero((values >= padded[:-2]) & (values >= padded[2:]))
    for peak in peaks[np.argsort(-values[peaks])][:PEAKS]:
        left, centre, right = ts[max(peak - 1, 0)], ts[peak], ts[min(peak + 1, len(ts) - 1)]
        for _ in range(ZOOMS):
            near = np.concatenate([np.linspace(left, centre, 9), np.linspace(centre, right, 9)[1:]])
            values = excess(near)
            k = int(values.argmax())
            if values[k] > best:
                best, position = float(values[k]), near[k]
            left, centre, right = near[max(k - 1, 0)], near[k], near[min(k + 1, 16)]
    floors = segments.floor(path, np.array([[position, 0.0, 1.0]]))[0]
    return best, float(floors @ [1.0, 1.0 - position, position]), float(position)


def _grid(A, B):
    direction = B - A
    length = np.square(direction).sum(axis=1)
    A, direction, length = A[length > 0], direction[length > 0], length[length > 0]
    feet = -(A * direction).sum(axis=1) / length
    widths = np.linalg.norm(A + feet[:, None] * direction, axis=1) / np.sqrt(length)
    inner = np.sort(feet[(feet > 0) & (feet < 1)])
    between = inner[:-1, None] + np.diff(inner)[:, None] * np.linspace(0, 1, 33)
    parts = [np.linspace(0, 1, UNIFORM), feet[:, None] + LADDER, feet[:, None] + widths[:, None] * WIDTHS, between]
    ts = np.concatenate([part.ravel() for part in parts])
    return np.unique(ts[(ts >= 0) & (ts <= 1)])
