"""Networks of PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lmctheory import _checks
from lmctheory._checks import FloatArray
from lmctheory.errors import InvalidInputError
from lmctheory.interop.agreement import refuse_other_outputs
from lmctheory.interop.extras import needs
from lmctheory.networks import LayeredNet, Network, TwoLayerNet, as_layered

CONVOLUTIONS = ("Conv1d", "Conv2d", "Conv3d")
SUPPORTED = ("Linear", "ReLU", "Sequential", "Identity", "Dropout", "Flatten")  # of torch.nn
DECISIVE = ("forward", "__call__", "train", "eval")  # methods that decide on a layer's function
LAST = ("Softmax", "LogSoftmax", "Sigmoid", "LogSigmoid")


def from_torch(module: Any) -> LayeredNet:
    """Return the network of a PyTorch module: linear layers with ReLU between.

    Parameters
    ----------
    module : torch.nn.Sequential
        Of ``Linear`` (with bias or without), each but the last followed by ``ReLU``; nested ``Sequential`` are unfolded.
        ``Identity`` and ``Flatten()`` are passed over, and so is ``Dropout``: the function is that of evaluation, whatever mode
        the module is in. Parametrized, pruned and normalised weights count as they are computed. The module stays as it is.

    Returns
    -------
    LayeredNet
        In double precision, a copy.

    Raises
    ------
    InvalidInputError
        If `module` is anything else; a layer that is not supported is named, and so are subclasses with a ``forward`` of their
        own, and forward hooks. If its outputs at a few inputs are not those of the network that was read, or its weights have no
        values, as on the meta device. Convolutional networks are out of scope.
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
        import torch
        from torch import nn

    if not isinstance(module, nn.Sequential):
        raise InvalidInputError(f"module must be a torch.nn.Sequential of Linear and ReLU, got {_name(module)}{_wrapped(module)}")
    if _known(module) is None:
        raise InvalidInputError(f"module must be a torch.nn.Sequential of Linear and ReLU, got {_name(module)}{_hint(module)}")
    _refuse_other_orders(module)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        copy = _evaluation_copy(module)
        parameters = [_parameters(path, layer) for path, layer in _layers(copy) if _known(layer) is nn.Linear]
        weights = [W for W, _ in parameters]
        net = LayeredNet(weights, [np.zeros(len(W)) if b is None else b for W, b in parameters])
        refuse_other_outputs("module", net, lambda X: copy(torch.from_numpy(X)).numpy())
    return net


def _refuse_other_orders(module: Any) -> None:
    """Refuse layers other than linear ones with ReLU between, what passes the values on apart; the first is named."""
    from torch import nn

    count, linear = 0, False  # linear layers, and whether the last layer seen is one
    for path, layer in _layers(module):
        kind = _known(layer)
        if kind is nn.Linear:
            if linear:
                raise InvalidInputError(f"module must have a ReLU between linear layers, got Linear after Linear at layer {path}")
            count, linear = count + 1, True
        elif kind is nn.ReLU:
            if not linear:
                raise InvalidInputError(f"module must have a linear layer before each ReLU, got none before layer {path}")
            linear = False
        elif kind is None or (kind is nn.Flatten and (layer.start_dim, layer.end_dim) != (1, -1)):
            raise InvalidInputError(f"module must hold Linear and ReLU alone, got {_name(layer)} at layer {path}{_hint(layer)}")
    if not linear or count < 2:
        raise InvalidInputError(
            f"module must have a hidden layer with ReLU and end in a linear layer, got {count} linear layers"
            f"{'' if linear or not count else ' and a ReLU at the end'}"
        )


def _layers(module: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the layers in their order with their names, those of nested sequences too."""
    from torch import nn

    _refuse_hooks(path, module)
    for name, layer in module._modules.items():
        if _known(layer) is nn.Sequential:
            yield from _layers(layer, f"{path}{name}.")
        else:
            if _known(layer) is not None:
                _refuse_hooks(f"{path}{name}", layer)
            yield f"{path}{name}", layer


def _known(layer: Any) -> Any:
    """Return the class whose function the layer computes, whatever subclass it is of, or None."""
    kind = _supported(layer)
    return None if kind is None or _changed(layer, kind) else kind


def _supported(layer: Any) -> Any:
    """Return the supported class that the layer is of, or None."""
    from torch import nn
    from torch.nn.modules.lazy import LazyModuleMixin

    kinds = [getattr(nn, name) for name in SUPPORTED]
    return next((kind for kind in kinds if isinstance(layer, kind) and not isinstance(layer, LazyModuleMixin)), None)


def _changed(layer: Any, kind: type) -> list[str]:
    """Return the methods that decide on a layer's function and are not those of `kind`."""
    return [name for name in DECISIVE if getattr(type(layer), name) is not getattr(kind, name) or name in vars(layer)]


def _refuse_hooks(path: str, layer: Any) -> None:
    """Refuse hooks, which may change what a layer computes, but those that only compute its weights."""
    from torch.nn.utils.prune import BasePruningMethod
    from torch.nn.utils.spectral_norm import SpectralNorm
    from torch.nn.utils.weight_norm import WeightNorm

    hooks = (*layer._forward_pre_hooks.values(), *layer._forward_hooks.values())
    others = [hook for hook in hooks if not isinstance(hook, BasePruningMethod | WeightNorm | SpectralNorm)]
    if others:
        place = f"{_name(layer)} at layer {path.removesuffix('.')}" if path else "the module itself"
        raise InvalidInputError(
            f"module must have no forward hooks, which may change its function, got {len(others)} of {place}: remove them first"
        )


def _evaluation_copy(module: Any) -> Any:
    """Return the module in double precision, on the CPU, in evaluation mode; no tensor is shared with the original."""
    import torch

    def copied(tensor: Any) -> Any:
        tensor = tensor.detach().to_dense().cpu()
        return (tensor.double() if tensor.is_floating_point() else tensor).clone()

    def copy(original: Any) -> Any:
        other = object.__new__(type(original))  # copy.deepcopy refuses tensors that were computed, as those of pruned layers
        vars(other).update(vars(original))
        vars(other).update({name: copied(value) for name, value in vars(original).items() if isinstance(value, torch.Tensor)})
        vars(other).update(
            training=False,
            _parameters={
                name: None if value is None else torch.nn.Parameter(copied(value), requires_grad=False)
                for name, value in original._parameters.items()
            },
            _buffers={name: None if value is None else copied(value) for name, value in original._buffers.items()},
            _modules={name: copy(child) for name, child in original._modules.items() if child is not None},
            _compiled_call_impl=None,
        )
        return other

    try:
        return copy(module)
    except Exception as error:  # tensors without values, or of other libraries
        raise InvalidInputError(f"module must have weights that can be copied, got {type(error).__name__}: {error}") from error


def _parameters(path: str, layer: Any) -> tuple[FloatArray, FloatArray | None]:
    """Return weight and bias of a linear layer as it computes them."""
    try:
        for hook in layer._forward_pre_hooks.values():
            hook(layer, ())
        weight, bias = layer.weight, layer.bias
        return _checks.real_array("weight", weight, 2), None if bias is None else _checks.real_array("bias", bias, 1)
    except Exception as error:  # whatever a parametrization raises
        raise InvalidInputError(f"module must have real weights, got {_name(layer)} at layer {path}: {error}") from error


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
    """Return the name of the type, and where it is from if that is the name of a supported one."""
    kind = type(value)
    return f"{kind.__name__} of {kind.__module__}" if kind.__name__ in SUPPORTED and _supported(value) is None else kind.__name__


def _hint(layer: Any) -> str:
    from torch.nn.modules.lazy import LazyModuleMixin

    if _name(layer) in CONVOLUTIONS:
        return "; convolutional networks are out of scope"
    if _name(layer) in LAST:
        return "; leave it out, losses take the outputs before it"
    if isinstance(layer, LazyModuleMixin):
        return "; evaluate the module once, so that it gets its weights"
    kind = _supported(layer)
    changed = [] if kind is None else _changed(layer, kind)
    return f", with another {changed[0]} than {kind.__name__}" if changed else ""


def _wrapped(module: Any) -> str:
    """Return where the network is in a module that wraps one."""
    from torch import nn

    for name in ("module", "_orig_mod"):
        if isinstance(getattr(module, name, None), nn.Sequential):
            return f"; give its attribute {name}"
    return ""
