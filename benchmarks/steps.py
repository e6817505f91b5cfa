"""One gradient step as users would write it, with output weights one: NumPy, PyTorch, JAX. Each is ``run(steps)``."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lmctheory._compiled.angles import COEFFICIENTS

RATE = 1e-6  # the networks hardly move, so that every step costs the same
CLIP = 1 - 1e-12  # automatic derivatives of the arccosine are infinite at 1

SHORT = 64  # steps from which on a run of ours looks at its last ones, at the same cost whatever its length

Run = Callable[[int], object]


def numpy_steps(W: np.ndarray, V: np.ndarray) -> Run:
    """Return steps of the closed form by array expressions, with a library arccosine."""

    def run(steps: int) -> None:
        moved = W
        for _ in range(steps):
            moved = handwritten_step(np, moved, V)

    return run


def handwritten_step(xp: object, W: object, V: object, angle: Callable[[object], tuple[object, object]] | None = None) -> object:
    """Take one step with the gradient in closed form, on arrays of the module `xp`; `angle` gives sine and angle of a cosine."""
    angle = angle or (lambda cosine: _sine_and_angle(xp, cosine))
    w, v = xp.sqrt((W * W).sum(1)), xp.sqrt((V * V).sum(1))
    student_sine, student = angle(W @ W.T / (w[:, None] * w))
    cross_sine, cross = angle(W @ V.T / (w[:, None] * v))
    radial = (student_sine @ w - cross_sine @ v) / w
    gradient = (radial[:, None] * W + (math.pi - student) @ W - (math.pi - cross) @ V) / math.pi
    return W - RATE * gradient


def _sine_and_angle(xp: object, cosine: object) -> tuple[object, object]:
    angle = xp.arccos(xp.clip(cosine, -1, 1))
    return xp.sin(angle), angle


def _loss(xp: object, W: object, V: object) -> object:
    """Return the loss without its constant, whose gradient is left to automatic differentiation."""

    def kernel(A: object, B: object) -> object:
        norms = xp.sqrt((A * A).sum(1))[:, None] * xp.sqrt((B * B).sum(1))
        cosine = xp.clip(A @ B.T / norms, -CLIP, CLIP)
        angle = xp.arccos(cosine)
        return norms / (2 * math.pi) * (xp.sin(angle) + (math.pi - angle) * cosine)

    return kernel(W, W).sum() - 2 * kernel(W, V).sum()


def torch_steps(W: np.ndarray, V: np.ndarray) -> dict[str, Run]:
    """Return steps by PyTorch: autograd, the closed form, and the closed form compiled."""
    import torch

    start, teacher = torch.tensor(W), torch.tensor(V)

    def autograd(steps: int) -> None:
        moved = start.clone().requires_grad_()
        for _ in range(steps):
            (gradient,) = torch.autograd.grad(_loss(torch, moved, teacher), moved)
            with torch.no_grad():
                moved -= RATE * gradient

    def handwritten(step: Callable[[object, object], object]) -> Run:
        def run(steps: int) -> None:
            moved = start
            with torch.no_grad():
                for _ in range(steps):
                    moved = step(moved, teacher)

        return run

    def step(moved: object, teacher: object) -> object:
        return handwritten_step(torch, moved, teacher)

    return {
        "PyTorch autograd": autograd,
        "PyTorch closed form": handwritten(step),
        "PyTorch closed form, torch.compile": handwritten(torch.compile(step, dynamic=False)),
    }


def jax_steps(W: np.ndarray, V: np.ndarray) -> dict[str, Run]:
    """Return steps by JAX in a compiled loop: grad, the closed form, and the closed form given our arccosine."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    from jax import lax

    def ours(cosine: object) -> tuple[object, object]:
        t = 1 - jnp.minimum(jnp.abs(cosine), 1)
        sine = jnp.sqrt(t * (2 - t))
        acute = sine * jnp.polyval(jnp.array(COEFFICIENTS), t, unroll=len(COEFFICIENTS))
        return sine, jnp.where(cosine < 0, math.pi - acute, acute)

    def looped(step: Callable[[object], object], start: np.ndarray) -> Run:
        compiled = jax.jit(lambda W, steps: lax.fori_loop(0, steps, lambda _, moved: step(moved), W))
        placed = jnp.array(start)
        return lambda steps: compiled(placed, steps).block_until_ready()

    teacher, first = jnp.array(V), W[0]
    gradient = jax.grad(lambda W: _loss(jnp, W, teacher))
    return {
        "JAX grad": looped(lambda W: W - RATE * gradient(W), first),
        "JAX closed form": looped(lambda W: handwritten_step(jnp, W, teacher), first),
        "JAX closed form, our arccosine": looped(lambda W: handwritten_step(jnp, W, teacher, ours), first),
        "JAX vmap, closed form": looped(jax.vmap(lambda W: handwritten_step(jnp, W, teacher)), W),
        "JAX vmap, our arccosine": looped(jax.vmap(lambda W: handwritten_step(jnp, W, teacher, ours)), W),
    }
