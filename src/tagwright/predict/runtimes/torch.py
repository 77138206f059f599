"""The reference runtime: PyTorch, in fp32 or with a bf16 copy of the weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from tagwright.errors import InputError
from tagwright.model.bundle import load_model
from tagwright.model.precision import resolve_precision
from tagwright.predict.runtimes.attention import use_short_attention
from tagwright.predict.runtimes.flat import FlatBatch, Positions, is_padded, positions_of
from tagwright.predict.runtimes.packed import pack_linears

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["TorchRuntime"]

HEADS = ("classifier", "score")


class TorchRuntime:
    """Computes logits with PyTorch.

    In bf16 the weights of the encoder are bf16, which leaves no casts to make at run time; the head stays fp32,
    so that logits are not rounded to eight bits. Measured on a CPU with AVX512_BF16, the copy is as fast as
    autocast at its best and at half the memory.

    On a CPU, in either precision, linear layers are packed for oneDNN, attention goes by a function made for many
    short windows, and padding is left out of all other layers where the model takes positions. What those change
    is rounding alone. A GPU computes the plain model.
    """

    name = "torch"
    _positions: Positions | None = None

    def __init__(self, model: PreTrainedModel, *, precision: str = "fp32", device: str | None = None) -> None:
        """Take over a model.

        Args:
            model: a token-classification model in fp32; it is moved and converted in place.
            precision: `fp32`, `bf16`, or `auto`.
            device: a device of torch; None takes CUDA if it is there.
        """
        self._device = _device(device)
        self.device = str(self._device)
        self.precision = resolve_precision(precision, self._device)
        # Larger batches fall out of a CPU's caches; smaller ones leave a GPU waiting.
        self.batch_pieces = {"cuda": 65536}.get(self._device.type, 4096 if self.precision == "bf16" else 2048)
        if self.precision == "bf16":
            model.to(torch.bfloat16)
            _keep_head_in_fp32(model)
        self._model: Any = model.to(self._device).eval()
        if self._device.type == "cpu":
            pack_linears(model)
            if use_short_attention(model):
                self._positions = positions_of(model.config)

    @classmethod
    def load(cls, path: str | Path, *, precision: str = "auto", device: str | None = None) -> TorchRuntime:
        """Load the weights of a bundle."""
        return cls(load_model(path), precision=precision, device=device)

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits of a padded batch; see `Runtime.logits`."""
        try:
            with torch.inference_mode():
                if self._positions is not None and is_padded(mask := attention_mask != 0):
                    found = self._without_padding(input_ids, mask, self._positions)
                    if found is not None:
                        return found
                    self._positions = None
                batch = {
                    "input_ids": torch.from_numpy(input_ids).to(self._device),
                    "attention_mask": torch.from_numpy(attention_mask).to(self._device),
                }
                logits: NDArray[np.float32] = self._model(**batch).logits.float().cpu().numpy()
                return logits
        except RuntimeError as error:  # torch.OutOfMemoryError is one; the CPU's allocator raises a plain one
            if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
                if self._device.type == "cuda":
                    torch.cuda.empty_cache()
                raise MemoryError(str(error).splitlines()[0]) from None
            raise

    def _without_padding(
        self, input_ids: NDArray[np.int64], mask: NDArray[np.bool_], positions: Positions
    ) -> NDArray[np.float32] | None:
        """Compute real pieces alone; None where the model hands its attention something else than it should."""
        batch = FlatBatch(input_ids, mask, positions)
        logits = self._model(
            input_ids=batch.input_ids, position_ids=batch.position_ids, flat_batch=batch
        ).logits
        return batch.unflattened(logits) if batch.layers == self._model.config.num_hidden_layers else None


def _keep_head_in_fp32(model: PreTrainedModel) -> None:
    for name in HEADS:
        head = getattr(model, name, None)
        if isinstance(head, torch.nn.Linear):
            head.float()
            head.register_forward_pre_hook(_in_fp32)


def _in_fp32(_: torch.nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return inputs[0].float(), *inputs[1:]


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise InputError(
            f"there is no device {name!r} here: {first}", mend="name cpu, cuda or cuda:N"
        ) from None
    return device
