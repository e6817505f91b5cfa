"""Networks of PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from lmctheory import _checks
from lmctheory.errors import InvalidInputError
from lmctheory.interop.extras import needs
from lmctheory.networks import LayeredNet, Network, TwoLayerNet, as_layered

CONVOLUTIONS = ("Conv1d", "Conv2d", "Conv3d")
LAST = ("Softmax", "LogSoftmax", "Sigmoid", "LogSigmoid")


def from_torch(module: Any) -> LayeredNet:
    """Return the network of a PyTorch module: linear layers with ReLU between.

    Parameters
    ----------
    module : torch.nn.Sequential
        Of ``Linear`` (with bias or without), each but the last followed by ``ReLU``; nested ``Sequential`` are unfolded.
        ``Identity`` and ``Flatten`` are passed over, and so is ``Dropout``: the function is that of evaluation, whatever mode the
        module is in.

    Returns
    -------
    LayeredNet
        In double precision, a copy.

    Raises
    ------
    InvalidInputError
        If `module` is anything else; a layer that is not supported is named. Convolutional networks are out of scope.
    MissingDependencyError
        Without PyTorch.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> from torch import nn  # doctest: +SKIP
    >>> lmc.from_torch(nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)))  # doctest: +SKIP
    LayeredNet(widths=(32,), input_dim=64, output_dim=10)
    """
    with needs("PyTorch", "from_torch", "torch"):
        from torch import nn

    if not isinstance(module, nn.Sequential):
        raise InvalidInputError(f"module must be a torch.nn.Sequential of Linear and ReLU, got {_name(module)}")
    weights: list[Any] = []
    biases: list[Any] = []
    linear = False  # whether the last layer seen is linear
    for path, layer in module.named_modules(remove_duplicate=False):
        if isinstance(layer, nn.Sequential) and type(layer).forward is nn.Sequential.forward:
            continue  # its layers come next
        if isinstance(layer, nn.Identity | nn.Dropout) or (isinstance(layer, nn.Flatten) and layer.start_dim == 1):
            continue
        if isinstance(layer, nn.Linear) and not isinstance(layer, nn.LazyLinear):
            if linear:
                raise InvalidInputError(f"module must have a ReLU between linear layers, got Linear after Linear at layer {path}")
            weights.append(layer.weight.detach().cpu().double().numpy())
            biases.append(None if layer.bias is None else layer.bias.detach().cpu().double().numpy())
            linear = True
        elif isinstance(layer, nn.ReLU):
            if not linear:
                raise InvalidInputError(f"module must have a linear layer before each ReLU, got none before layer {path}")
            linear = False
        else:
            raise InvalidInputError(f"module must hold Linear and ReLU alone, got {_name(layer)} at layer {path}{_hint(layer)}")
    if not linear or len(weights) < 2:
        raise InvalidInputError(
            f"module must have a hidden layer with ReLU and end in a linear layer, got {len(weights)} linear layers"
            f"{'' if linear or not weights else ' and a ReLU at the end'}"
        )
    return LayeredNet(weights, [np.zeros(len(W)) if b is None else b for W, b in zip(weights, biases, strict=True)])


def to_torch(net: Network) -> Any:
    """Return the network as a ``torch.nn.Sequential`` of Linear and ReLU, in double precision.

    Parameters
    ----------
    net : LayeredNet or TwoLayerNet

    Returns
    -------
    torch.nn.Sequential
        Its parameters are a copy, named ``0.weight, 0.bias, 2.weight, ...``; ``.float()`` rounds them.

    Raises
    ------
    InvalidInputError
        If `net` is not a network.
    MissingDependencyError
        Without PyTorch.
    """
    with needs("PyTorch", "to_torch", "torch"):
        import torch

    if not isinstance(net, LayeredNet):
        _checks.instance("net", net, TwoLayerNet)
    net = as_layered(net)
    modules: list[Any] = []
    for W, b in zip(net.weights, net.biases, strict=True):
        linear = torch.nn.Linear(W.shape[1], W.shape[0], dtype=torch.float64, device="cpu")
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(W))
            linear.bias.copy_(torch.tensor(b))
        modules += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1])


def _name(value: Any) -> str:
    return type(value).__name__


def _hint(layer: Any) -> str:
    if _name(layer) in CONVOLUTIONS:
        return "; convolutional networks are out of scope"
    return "; leave it out, losses take the outputs before it" if _name(layer) in LAST else ""
