"""The model as it is now, as a runtime: token arrays in, logits out."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tagwright.keras.classifier import TokenClassifier
from tagwright.keras.inputs import SPEC, input_names, to_tensors
from tagwright.keras.memory import memory_errors

__all__ = ["KerasRuntime"]

_PRECISIONS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


class KerasRuntime:
    """Computes logits with a live model, dropout off, in one graph for batches of all shapes.

    It keeps no copy: what training changes shows in the next batch. See `tagwright.predict.runtimes.Runtime`.

    Args:
        model: the model.
        batch_pieces: the budget of pieces in a batch, padding included.
    """

    name = "keras"

    def __init__(self, model: TokenClassifier, *, batch_pieces: int = 2048) -> None:
        self.model = model
        self.batch_pieces = batch_pieces
        self.precision = _PRECISIONS[model.compute_dtype]
        self.device = "gpu" if "GPU" in next(iter(model.named_variables().values())).value.device else "cpu"
        # A partial is counted by itself: TensorFlow takes the lambdas of several runtimes for one that is traced anew
        # for each, and warns.
        self._compute = tf.function(
            partial(lambda inputs: self.model(inputs, training=False)),
            input_signature=[dict.fromkeys(input_names(model.architecture), SPEC)],
            autograph=False,
            jit_compile=False,
        )

    @property
    def graphs(self) -> int:
        """How many graphs were traced so far."""
        return int(self._compute.experimental_get_tracing_count())

    def logits(
        self, input_ids: NDArray[np.integer[Any]], attention_mask: NDArray[np.integer[Any]]
    ) -> NDArray[np.float32]:
        """Return the logits of a padded batch; see `Runtime.logits`.

        Raises:
            InputError: the batch is too wide, or holds a piece that the model does not know.
            MemoryError: the batch does not fit the memory.
        """
        inputs = to_tensors(
            self.model.architecture, {"input_ids": input_ids, "attention_mask": attention_mask}
        )
        with memory_errors():
            logits: NDArray[np.float32] = self._compute(inputs).numpy()
        return logits
