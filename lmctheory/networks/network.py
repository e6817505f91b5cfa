"""What two-layer and deeper networks have in common: `width` hidden neurons, `permute`, `input_dim`, values at inputs."""

from __future__ import annotations

from typing import Any, TypeAlias

from lmctheory._checks import IntArray, instance, permutation
from lmctheory.errors import InvalidInputError
from lmctheory.networks.layered import LayeredNet
from lmctheory.networks.two_layer import TwoLayerNet

Network: TypeAlias = TwoLayerNet | LayeredNet


def as_layered(net: Network) -> LayeredNet:
    """Return the network as a `LayeredNet`."""
    return net if isinstance(net, LayeredNet) else LayeredNet.from_two_layer(net)


def network_permutation(name: str, value: Any, net: Network) -> IntArray:
    """Gather indices over the hidden neurons of a network that map every layer to itself."""
    if isinstance(net, LayeredNet):
        net.split(value, name)
    return permutation(name, value, net.width)


def same_architecture(name_a: str, net_a: Any, name_b: str, net_b: Any) -> None:
    """Refuse networks of different kind, depth, width or input dimension; the first layer that differs is named."""
    if not isinstance(net_a, LayeredNet):
        instance(name_a, net_a, TwoLayerNet)
        instance(name_b, net_b, TwoLayerNet)
        if net_a.W.shape != net_b.W.shape:
            raise InvalidInputError(f"{name_b} must have the shape of {name_a}, (m, d) = {net_a.W.shape}, got {net_b.W.shape}")
        return
    instance(name_b, net_b, LayeredNet)
    if net_b.depth != net_a.depth:
        raise InvalidInputError(f"{name_b} must have the hidden layers of {name_a}, {net_a.depth}, got {net_b.depth}")
    for k, (W_a, W_b) in enumerate(zip(net_a.weights, net_b.weights, strict=True)):
        if W_a.shape != W_b.shape:
            raise InvalidInputError(
                f"{name_b} must have the architecture of {name_a}: weights[{k}] of shape {W_a.shape}, got {W_b.shape}"
            )
