"""The excess at a fixed position as a quadratic assignment problem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmctheory._checks import FloatArray, IntArray
from lmctheory.kernels import relu_kernel
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss


@dataclass(frozen=True, eq=False)
class QuadraticExcess:
    """The excess at t under a permutation p, ``constant + sum_i linear[i, p_i] + sum_{i != j} quadratic[i, p_i, j, p_j]``.

    The mixed neuron ``g_ip = ((1-t) a_i + t b_p) relu(((1-t) w_i + t v_p) . x)`` exceeds the chord between the neurons' outputs
    by ``r_ip = g_ip - (1-t) a_i relu(w_i . x) - t b_p relu(v_p . x)``. The chord between the networks' residuals, ``D = (1-t)
    (f_A - f*) + t (f_B - f*)``, does not depend on the permutation, and ``f_t - f* = D + sum_i r_ip_i``. Hence

        e(t) = -t (1-t) E[(f_A - f_B)^2] + sum_i E[r_ip_i (2 D + r_ip_i)] + sum_{i != j} E[r_ip_i r_jp_j]

    for Gaussian inputs. With output weights one, relu is convex, every r is at most 0, and no quadratic cost is negative.
    Shapes ``(m, m)`` and ``(m, m, m, m)``; entries with i = j or p = q have no meaning.
    """

    constant: float
    linear: FloatArray
    quadratic: FloatArray

    def __call__(self, permutation: IntArray) -> float:
        """Return the excess under `permutation`."""
        rows = np.arange(len(permutation))
        pairs = self.quadratic[rows[:, None], permutation[:, None], rows, permutation]
        return float(self.constant + self.linear[rows, permutation].sum() + pairs.sum() - np.trace(pairs))


def quadratic_excess(loss: PopulationLoss, net_a: TwoLayerNet, net_b: TwoLayerNet, t: float) -> QuadraticExcess:
    """Return the excess at position t as a function of the permutation, at a cost of ``m^4`` kernel evaluations."""
    m = net_a.width
    chord_W = np.vstack([net_a.W, net_b.W, loss.teacher.W])  # the chord is D = sum_k chord_k relu(chord_W_k . x)
    chord = np.concatenate([(1 - t) * net_a.a, t * net_b.a, -loss.teacher.a])
    weights = ((1 - t) * net_a.W[:, None] + t * net_b.W).reshape(m * m, -1)
    outputs = ((1 - t) * net_a.a[:, None] + t * net_b.a).ravel()
    chords = np.outer(chord, chord) * relu_kernel(chord_W, chord_W)
    mixed = (outputs[:, None] * chord * relu_kernel(weights, chord_W)).reshape(m, m, -1)
    aa, ab, bb = chords[:m, :m], chords[:m, m : 2 * m], chords[m : 2 * m, m : 2 * m]
    to_a, to_b = mixed[:, :, :m], mixed[:, :, m : 2 * m]  # E[g_ip of neuron k of A], of B
    quadratic = np.empty((m, m, m, m))
    for i in range(m):
        own = slice(i * m, (i + 1) * m)
        block = np.outer(outputs[own], outputs) * relu_kernel(weights[own], weights)
        quadratic[i] = block.reshape(m, m, m)
        quadratic[i] -= to_a[i][:, :, None] + to_b[i][:, None, :]
        quadratic[i] -= to_a[:, :, i][None] + to_b.transpose(2, 0, 1)
        quadratic[i] += aa[i][None, :, None] + ab[i][None, None, :] + ab.T[:, :, None] + bb[:, None, :]
    difference = np.concatenate([net_a.a, -net_b.a])
    apart = difference @ relu_kernel(chord_W[: 2 * m], chord_W[: 2 * m]) @ difference
    along = mixed.sum(axis=2) - chords[:m].sum(axis=1)[:, None] - chords[m : 2 * m].sum(axis=1)
    own_terms = np.einsum("ipip->ip", quadratic)
    return QuadraticExcess(-t * (1 - t) * float(apart), 2 * along + own_terms, quadratic)
