"""A batch without its padding: layers see one row of pieces, attention sees windows again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["FlatBatch", "Positions", "is_padded", "positions_of"]

Positions = Callable[[NDArray[np.int64]], NDArray[np.int64]]

_FROM_ZERO = frozenset({"albert", "bert", "distilbert", "electra"})
_AFTER_PADDING = frozenset({"camembert", "roberta", "xlm-roberta"})
_STEP = 32  # oneDNN prepares a product for each number of rows it meets, in half a millisecond


def positions_of(config: Any) -> Positions | None:
    """Find how a model numbers the pieces of a padded batch when nobody tells it.

    Args:
        config: the model's, of transformers.

    Returns:
        A function from pieces, shape (windows, longest), to positions of that shape; None for a model whose
        pieces do not carry their positions along, as with relative ones.
    """
    if getattr(config, "position_embedding_type", None) not in (None, "absolute"):
        return None
    if config.model_type in _FROM_ZERO:
        return _from_zero
    if config.model_type in _AFTER_PADDING:
        return partial(_after_padding, padding=config.pad_token_id)
    return None


def _from_zero(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.broadcast_to(np.arange(ids.shape[1]), ids.shape)


def _after_padding(ids: NDArray[np.int64], padding: int) -> NDArray[np.int64]:
    """Count from the number after the padding piece's; that piece itself, wherever it stands, is not counted."""
    shown = ids != padding
    numbers: NDArray[np.int64] = np.cumsum(shown, axis=1) * shown + padding
    return numbers


def is_padded(mask: NDArray[np.bool_]) -> bool:
    """Tell whether every window, shape (windows, longest), begins with a piece, and some end with padding."""
    if mask.all():
        return False
    return bool(mask[:, :1].all() and (mask[:, :-1] >= mask[:, 1:]).all())


class FlatBatch:
    """The pieces of a batch in one row, and their places in the padded one.

    Attributes:
        input_ids: int64, shape (1, rows): the pieces, window after window; then a few copies of the first, so
            that few numbers of rows occur.
        position_ids: int64, shape (1, rows).
        keep: bool, shape (windows, 1, 1, longest): whether a place holds a piece.
        layers: how many attention layers saw the batch.
    """

    def __init__(self, input_ids: NDArray[np.int64], mask: NDArray[np.bool_], positions: Positions) -> None:
        self._mask = mask
        self._pieces = int(mask.sum())
        self._rows = -(-self._pieces // _STEP) * _STEP
        self.input_ids = self._flat_row(input_ids)
        self.position_ids = self._flat_row(positions(input_ids))
        self.keep = torch.from_numpy(mask)[:, None, None, :]
        self.layers = 0
        self._heads = 0

    def padded(self, states: Tensor) -> Tensor:
        """Lay out what a layer gives to attention: (1, heads, rows, width) to (windows, heads, longest, width)."""
        _, heads, rows, width = states.shape
        if heads != self._heads:
            self._prepare(heads)
        flat = states.transpose(1, 2).reshape(rows * heads, width)
        windows, longest = self._mask.shape
        return flat.index_select(0, self._to_padded).view(windows, heads, longest, width)

    def flat(self, states: Tensor) -> Tensor:
        """Lay out what attention gives back: (windows, heads, longest, width) to (1, rows, heads, width)."""
        width = states.shape[-1]
        return (
            states.reshape(-1, width).index_select(0, self._to_flat).view(1, self._rows, self._heads, width)
        )

    def unflattened(self, logits: Tensor) -> NDArray[np.float32]:
        """Lay out logits, shape (1, rows, labels), as a padded batch's; they are 0 on padding."""
        result = np.zeros((*self._mask.shape, logits.shape[-1]), dtype=np.float32)
        result[self._mask] = logits[0, : self._pieces].float().numpy()
        return result

    def _flat_row(self, values: NDArray[np.int64]) -> Tensor:
        shown = values[self._mask]
        row = np.full((1, self._rows), shown[0])
        row[0, : self._pieces] = shown
        return torch.from_numpy(row)

    def _prepare(self, heads: int) -> None:
        """Number the vectors, one for each head of a piece, in both layouts."""
        windows, longest = self._mask.shape
        every = np.arange(heads)
        pieces = np.zeros(
            (windows, longest), dtype=np.int64
        )  # padding takes the first piece, and is not kept
        pieces[self._mask] = np.arange(self._pieces)
        self._to_padded = torch.from_numpy((pieces[:, None, :] * heads + every[:, None]).reshape(-1))
        window, place = np.nonzero(self._mask)
        back = np.zeros((self._rows, heads), dtype=np.int64)
        back[: self._pieces] = (window[:, None] * heads + every) * longest + place[:, None]
        self._to_flat = torch.from_numpy(back.reshape(-1))
        self._heads = heads
