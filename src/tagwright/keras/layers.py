"""The parts of an encoder: embeddings, and one transformer layer.

Under a mixed policy the products run in the low precision; softmax and layer norms compute in fp32, and every
variable is fp32. `B` is the batch, `L` its pieces, `D` the width, `H` the heads.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tagwright.errors import InputError
from tagwright.keras.architecture import ACTIVATIONS, Architecture

__all__ = ["MASKED", "Embeddings", "EncoderLayer", "Seeds", "normal"]

MASKED = -1e9
"""Added to the attention scores of masked pieces: their share is exactly 0, and a row of nothing else stays finite."""

FORMULAS = {
    "gelu": lambda x: keras.activations.gelu(x, approximate=False),
    "gelu_tanh": lambda x: keras.activations.gelu(x, approximate=True),
    "mish": keras.activations.mish,
    "quick_gelu": lambda x: x * ops.sigmoid(1.702 * x),
    "relu": keras.activations.relu,
    "silu": keras.activations.silu,
    "tanh": keras.activations.tanh,
}


class Seeds:
    """Numbers for the generators of a model, drawn from its seed in the order of construction."""

    def __init__(self, seed: int) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise InputError(f"the seed is {seed!r}", mend="it is a whole number from 0 up")
        self._seed = seed
        self._count = 0

    def next(self) -> int:
        """Return the next number; the same in every process."""
        self._count += 1
        return int(np.random.SeedSequence([self._seed, self._count]).generate_state(1)[0])


class Embeddings(keras.layers.Layer):  # type: ignore[misc]  # keras is not followed by mypy
    """Ids of pieces to hidden states: word, position and token-type tables, a norm and dropout."""

    def __init__(self, architecture: Architecture, seeds: Seeds, *, dtype: Any) -> None:
        super().__init__(dtype=dtype, autocast=False, name="embeddings")
        self.architecture = architecture
        tables = {"word": architecture.vocab_size, "position": architecture.positions}
        if architecture.types:
            tables["type"] = architecture.types
        self.parts = {
            part: keras.layers.Embedding(
                rows,
                architecture.width,
                embeddings_initializer=normal(architecture, seeds),
                dtype=dtype,
                name=part,
            )
            for part, rows in tables.items()
        }
        self.parts["norm"] = keras.layers.LayerNormalization(
            epsilon=architecture.epsilon, dtype=dtype, name="norm"
        )
        self.dropout = keras.layers.Dropout(architecture.dropout, seed=seeds.next(), dtype=dtype)

    def build(self, input_shape: Any = None) -> None:
        """Make the variables."""
        for part in self.parts.values():
            part.build((None, None, self.architecture.width))

    def call(self, ids: Any, types: Any = None, training: bool = False) -> Any:
        """Embed pieces.

        Args:
            ids: ids of pieces, (B, L).
            types: token types, (B, L); None is type 0 everywhere.
            training: whether dropout is on.

        Returns:
            Hidden states, (B, L, D).
        """
        length, limit = ops.shape(ids)[1], self.architecture.limit
        # On a GPU a row past a table's end reads as zeros, and nothing is said.
        tf.debugging.assert_less_equal(length, limit, f"the encoder takes {limit} pieces at once")
        _check_below("pieces", ids, self.architecture.vocab_size)
        if types is not None:
            _check_below("token types", types, self.architecture.types)
        padding = None if self.architecture.pad_id is None else ops.equal(ids, self.architecture.pad_id)
        states = _fixed(self.parts["word"](ids), padding)
        if self.architecture.position_offset:
            real = ops.cast(ops.logical_not(padding), "int32")
            positions = ops.cumsum(real, axis=1) * real + self.architecture.pad_id
            states += _fixed(self.parts["position"](positions), padding)
        else:
            states += self.parts["position"](ops.arange(length))[None]
        if "type" in self.parts:
            states += self.parts["type"](ops.zeros_like(ids) if types is None else types)
        return self.dropout(self.parts["norm"](states), training=training)


class EncoderLayer(keras.layers.Layer):  # type: ignore[misc]  # keras is not followed by mypy
    """Self-attention and a feed-forward block, each followed by a residual sum and a norm."""

    def __init__(self, architecture: Architecture, seeds: Seeds, *, dtype: Any, name: str) -> None:
        # The mask stays fp32 at the door: fp16 has no -1e9.
        super().__init__(dtype=dtype, autocast=False, name=name)
        width, heads, inner = architecture.width, architecture.heads, architecture.inner_width
        self.head_width = width // heads
        self.activation = FORMULAS[ACTIVATIONS[architecture.activation]]
        split, whole = (None, heads, self.head_width), (None, width)

        def dense(part: str, equation: str, shape: tuple[int | None, ...], bias: str) -> Any:
            return keras.layers.EinsumDense(
                equation,
                shape,
                bias_axes=bias,
                kernel_initializer=normal(architecture, seeds),
                dtype=dtype,
                name=part,
            )

        def norm(part: str) -> Any:
            return keras.layers.LayerNormalization(epsilon=architecture.epsilon, dtype=dtype, name=part)

        self.parts = {
            "query": dense("query", "bld,dhk->blhk", split, "hk"),
            "key": dense("key", "bld,dhk->blhk", split, "hk"),
            "value": dense("value", "bld,dhk->blhk", split, "hk"),
            "output": dense("output", "blhk,hkd->bld", whole, "d"),
            "attention_norm": norm("attention_norm"),
            "inner": dense("inner", "bld,df->blf", (None, inner), "f"),
            "outer": dense("outer", "blf,fd->bld", whole, "d"),
            "output_norm": norm("output_norm"),
        }
        inputs = {"output": (heads, self.head_width), "outer": (inner,)}
        self._inputs = {part: (None, None, *inputs.get(part, (width,))) for part in self.parts}
        self.attention_dropout = keras.layers.Dropout(
            architecture.attention_dropout, seed=seeds.next(), dtype=dtype, name="attention_dropout"
        )
        self.output_dropout = keras.layers.Dropout(
            architecture.dropout, seed=seeds.next(), dtype=dtype, name="output_dropout"
        )
        self.inner_dropout = keras.layers.Dropout(
            architecture.dropout, seed=seeds.next(), dtype=dtype, name="inner_dropout"
        )

    def build(self, input_shape: Any = None) -> None:
        """Make the variables."""
        for part, layer in self.parts.items():
            layer.build(self._inputs[part])

    def call(self, states: Any, mask: Any, training: bool = False) -> Any:
        """Compute the next hidden states.

        Args:
            states: hidden states, (B, L, D).
            mask: fp32, 0 for real pieces and `MASKED` for the others, (B, 1, 1, L).
            training: whether dropout is on.

        Returns:
            Hidden states, (B, L, D).
        """
        parts = self.parts
        query = parts["query"](states) * ops.cast(self.head_width**-0.5, self.compute_dtype)
        scores = ops.einsum("blhk,bmhk->bhlm", query, parts["key"](states))
        shares = tf.nn.softmax(ops.cast(scores, "float32") + mask)  # Keras' own warns of a single piece
        shares = self.attention_dropout(ops.cast(shares, self.compute_dtype), training=training)
        context = parts["output"](ops.einsum("bhlm,bmhk->blhk", shares, parts["value"](states)))
        states = parts["attention_norm"](states + self.output_dropout(context, training=training))
        inner = parts["outer"](self.activation(parts["inner"](states)))
        return parts["output_norm"](states + self.inner_dropout(inner, training=training))


def normal(architecture: Architecture, seeds: Seeds) -> Any:
    """Return the initializer of new weights: a normal distribution about 0, seeded."""
    return keras.initializers.RandomNormal(stddev=architecture.initializer_range, seed=seeds.next())


def _fixed(states: Any, padding: Any) -> Any:
    """Keep the padding's row from learning, as PyTorch's `padding_idx` does."""
    return states if padding is None else ops.where(padding[..., None], ops.stop_gradient(states), states)


def _check_below(what: str, ids: Any, count: int) -> None:
    # Unsigned, an id below 0 is a huge one.
    tf.debugging.assert_less(
        tf.cast(ids, "uint64"),
        tf.constant(count, "uint64"),
        f"an id is none of the {count} {what} that the encoder knows",
    )
