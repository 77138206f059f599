"""Linear layers whose weights lie as oneDNN multiplies them, for models that only predict on a CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PackedLinear", "pack_linears"]

_ROWS = 2048  # of a batch; oneDNN asks, and packs for any number
_FAMILIES = ("Bert", "Camembert", "DebertaV2", "Electra", "Roberta", "XLMRoberta")
_ACTIVATIONS = {
    ("FFN", "lin1"): "activation",  # of DistilBERT
    **{(f"{family}Intermediate", "dense"): "intermediate_act_fn" for family in _FAMILIES},
}
"""What a class of transformers applies right after a layer: GELU there is computed with the product."""


class PackedLinear(nn.Module):
    """Computes what an `nn.Linear`, and maybe GELU after it, computes but for rounding; holds the weight packed.

    A model that reads the weight itself gets it, and the layer is a plain one from then on. A state dict holds
    what the plain layer's holds.
    """

    def __init__(self, linear: nn.Linear, *, gelu: bool = False) -> None:
        super().__init__()
        self.gelu = gelu
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        self._packed: Tensor | None = _pack(linear.weight.detach())
        self._plain: Tensor | None = None
        self.requires_grad_(False)

    @property
    def weight(self) -> Tensor:
        """The weight as `nn.Linear` holds it: shape (outputs, inputs)."""
        if self._plain is None:
            self._plain, self._packed = self._unpacked(), None
        return self._plain

    def forward(self, rows: Tensor) -> Tensor:
        """Map (…, inputs) to (…, outputs)."""
        if self._packed is None:
            plain = functional.linear(rows, self.weight, self.bias)
            return functional.gelu(plain) if self.gelu else plain
        return _multiply(rows, self._packed, self.bias, gelu=self.gelu)

    def __getstate__(self) -> dict[str, Any]:
        """Give a copy the plain weight, for it to pack; packed ones cannot be copied."""
        return {**self.__dict__, "_packed": None, "_plain": self._unpacked(), "packs": self._plain is None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        packs = state.pop("packs")
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        if packs and self._plain is not None:
            self._packed, self._plain = _pack(self._plain), None

    def _unpacked(self) -> Tensor:
        if self._plain is not None:
            return self._plain
        assert self._packed is not None
        return self._packed.to_dense()

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        destination[prefix + "weight"] = self._unpacked()
        super()._save_to_state_dict(destination, prefix, keep_vars)


def pack_linears(model: nn.Module) -> int:
    """Replace a model's linear layers by packed ones, where oneDNN multiplies as `nn.Linear` does.

    PyTorch's own fp32 products go through MKL, which on some processors takes twice oneDNN's time, and its bf16
    products pack the weight anew in every call. Each plain weight is let go as soon as it is packed. Layers with
    hooks and those of another class than `nn.Linear` stay.

    Args:
        model: on a CPU, in evaluation; changed in place.

    Returns:
        How many layers were replaced; none where this PyTorch cannot pack.
    """
    packs: dict[torch.dtype, bool] = {}
    uses = Counter(id(layer) for _, layer in model.named_modules(remove_duplicate=False))
    replaced = 0
    # A list of all layers would keep every plain weight until the last is packed.
    for parent in [module for module in model.modules() if not isinstance(module, nn.Linear)]:
        for name in [name for name, _ in parent.named_children()]:
            layer = parent.get_submodule(name)
            if not _is_plain(layer) or uses[id(layer)] > uses[id(parent)]:
                continue  # a layer in two places stays one
            kind = layer.weight.dtype
            if kind not in packs:
                packs[kind] = _can_pack(kind)
            if not packs[kind]:
                continue
            activation = _ACTIVATIONS.get((type(parent).__name__, name), "")
            gelu = _is_gelu(getattr(parent, activation, None))
            setattr(parent, name, PackedLinear(layer, gelu=gelu))
            if gelu:
                setattr(parent, activation, nn.Identity())
            replaced += 1
    return replaced


def _is_plain(layer: nn.Module) -> TypeGuard[nn.Linear]:
    if type(layer) is not nn.Linear or layer.weight.device.type != "cpu" or layer.weight.numel() == 0:
        return False
    return not (layer._forward_hooks or layer._forward_pre_hooks)


def _is_gelu(activation: Any) -> bool:
    """Tell whether an activation is GELU by the error function, no approximation of it."""
    from transformers.activations import GELUActivation

    if type(activation) is nn.GELU:
        return activation.approximate == "none"
    return type(activation) is GELUActivation and activation.act is functional.gelu


def _can_pack(kind: torch.dtype) -> bool:
    """Try the operators, which are PyTorch's own and may change or be missing, on a small product."""
    if kind not in (torch.float32, torch.bfloat16):
        return False
    probe = torch.linspace(-1, 1, 40 * 24).reshape(40, 24).sin()
    weight, rows = probe[:32].to(kind), probe[32:].reshape(2, 4, 24).to(kind)
    bias = torch.linspace(-1, 1, 32).to(kind)
    near = 1e-5 if kind == torch.float32 else 2e-2
    try:
        with torch.inference_mode():
            packed = _pack(weight)
            found, unpacked = _multiply(rows, packed, bias), packed.to_dense()
            after = _multiply(rows, packed, bias, gelu=True)
    except (
        AttributeError,
        RuntimeError,
        TypeError,
    ):  # missing, or called otherwise, or no kernel for this CPU
        return False
    expected = functional.linear(rows, weight, bias)
    return (
        found.dtype == kind
        and torch.equal(unpacked, weight)
        and torch.allclose(found.float(), expected.float(), rtol=near, atol=near)
        and torch.allclose(after.float(), functional.gelu(expected.float()), rtol=near, atol=near)
    )


def _pack(weight: Tensor) -> Tensor:
    with torch.no_grad():
        reorder: Callable[..., Tensor] = torch.ops.mkldnn._reorder_linear_weight
        return reorder(weight, _ROWS)


def _multiply(rows: Tensor, packed: Tensor, bias: Tensor | None, *, gelu: bool = False) -> Tensor:
    name, kind = ("gelu", "none") if gelu else ("none", "")
    result: Tensor = torch.ops.mkldnn._linear_pointwise(rows, packed, bias, name, [], kind)
    return result
