"""The works that claims cite by a short name in square brackets."""

from __future__ import annotations

import re
from collections.abc import Iterable

SOURCES = {
    "ZLW": "Zhan, Li, Wu, *Analyzing the Role of Permutation Invariance in Linear Mode Connectivity*, AISTATS 2025 "
    "(cited from its abstract).",
    "LLW": "Lin, Li, Wu, *Exploring Neural Network Landscapes: Star-Shaped and Geodesic Connectivity*, 2024.",
    "ESSN": "Entezari, Sedghi, Saukh, Neyshabur, *The role of permutation invariance in linear mode connectivity of neural "
    "networks*, ICLR 2022.",
    "SKD": "Sharma, Kwok, Denton, Roy, Rolnick, Dziugaite, *Simultaneous linear connectivity of neural networks modulo "
    "permutation*, 2024.",
    "AHS": "Ainsworth, Hayase, Srinivasa, *Git Re-Basin*, ICLR 2023.",
    "CS": "Cho, Saul, *Kernel methods for deep learning*, 2009.",
    "SS": "Safran, Shamir, *Spurious local minima are common in two-layer ReLU neural networks*, ICML 2018.",
}


def cited(texts: Iterable[str]) -> dict[str, str]:
    """Return the works whose short names occur in the texts."""
    names = {name for text in texts for name in re.findall(r"\[(\w+)\]", text)}
    return {name: work for name, work in SOURCES.items() if name in names}
