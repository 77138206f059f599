"""One optimizer step, compiled once for batches of all shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tagwright.encode.align import IGNORED
from tagwright.errors import InputError
from tagwright.keras.classifier import TokenClassifier
from tagwright.keras.inputs import SPEC, input_names, label_tensor, to_tensors
from tagwright.keras.memory import memory_errors
from tagwright.keras.optimizer import AdamW, clip_scale, dense
from tagwright.keras.rates import rate_factors
from tagwright.keras.schedule import LinearSchedule

__all__ = ["StepResult", "TrainStep"]


@dataclass(frozen=True, slots=True)
class StepResult:
    """What came of a step.

    Attributes:
        loss: mean cross-entropy over the step's labelled pieces; 0 where there are none.
        gradient_norm: L2 norm of the gradients of all variables, before clipping.
    """

    loss: float
    gradient_norm: float

    @property
    def finite(self) -> bool:
        """Whether both are numbers; the model was changed only then."""
        return math.isfinite(self.loss) and math.isfinite(self.gradient_norm)


class TrainStep:
    """Trains a model, step by step: forward, backward, clipping and AdamW are one graph.

    The top layer learns at the schedule's rate, each layer below at `layer_decay` times the rate of the one above, the
    embeddings one step below the lowest layer, and the head at `head_rate` times the top layer's rate.

    Args:
        model: what to train; its dropout is that of its architecture.
        learning_rate: the highest rate of the top layer.
        steps: optimizer steps of the whole training, at whose end the rate is zero.
        warmup_steps: the first of them, in which the rate climbs from zero.
        weight_decay: AdamW's.
        decay_all: decay biases and norms as well.
        head_rate: the head's rate as a multiple of the top layer's.
        layer_decay: each layer's rate as a multiple of that of the layer above it.
        max_grad_norm: gradients are scaled down to this L2 norm; 0 leaves them alone.

    Raises:
        InputError: the model computes in fp16, in which gradients vanish; the steps are none.
    """

    def __init__(
        self,
        model: TokenClassifier,
        *,
        learning_rate: float,
        steps: int,
        warmup_steps: int,
        weight_decay: float,
        decay_all: bool,
        head_rate: float,
        layer_decay: float,
        max_grad_norm: float,
    ) -> None:
        if model.compute_dtype == "float16":
            raise InputError(
                "the model computes in float16, in which small gradients are zero",
                mend="use mixed_bfloat16, or fit with keras.optimizers.LossScaleOptimizer",
            )
        self.model = model
        self.max_grad_norm = max_grad_norm
        self.schedule = LinearSchedule(learning_rate, steps, warmup_steps)
        self.variables = {
            name: variable for name, variable in model.named_variables().items() if variable.trainable
        }
        factors = rate_factors(model.named_variables(), layer_decay=layer_decay, head_rate=head_rate)
        self.optimizer = AdamW(
            self.schedule,
            weight_decay=weight_decay,
            decay_all=decay_all,
            rates={variable.path: factors[name] for name, variable in self.variables.items()},
        )
        self.optimizer.build(list(self.variables.values()))
        # Of no size until a step has two batches: assigning a gradient takes its buffer over.
        self._sums = [
            tf.Variable(tf.zeros(0), shape=tf.TensorShape(None), trainable=False) for _ in self.variables
        ]
        inputs = dict.fromkeys(input_names(model.architecture), SPEC)
        scalar, flag = tf.TensorSpec((), tf.float32), tf.TensorSpec((), tf.bool)
        self._add = tf.function(
            partial(self._add_batch),  # counted by itself: else a fifth step in a process brings a warning
            input_signature=[inputs, SPEC, scalar, scalar, flag, flag],
            autograph=False,
            jit_compile=False,
        )

    @property
    def graphs(self) -> int:
        """How many graphs were traced so far."""
        return int(self._add.experimental_get_tracing_count())

    @property
    def learning_rate(self) -> float:
        """The top layer's learning rate in the next step."""
        return float(self.schedule(self.optimizer.iterations.value))

    def run(self, batches: Sequence[Mapping[str, NDArray[np.integer]]]) -> StepResult:
        """Take one optimizer step out of one or more batches.

        Where the loss or the gradients are not finite, neither the variables nor their moments are changed, and the
        step does not count.

        Args:
            batches: `input_ids`, `attention_mask`, `labels` (-100 where there is none) and, where the encoder has
                token types, perhaps `token_type_ids`: integers, (batch, pieces).

        Raises:
            InputError: a batch is too wide, or holds a piece or a label that the model does not know.
            MemoryError: a batch does not fit the memory. The variables may be of this step in part.
        """
        if not batches:
            raise InputError("a step of no batches", mend="give at least one")
        count = sum(int(np.count_nonzero(batch["labels"] != IGNORED)) for batch in batches)
        pieces = tf.constant(float(max(count, 1)))
        ready = [
            (
                to_tensors(self.model.architecture, batch),
                label_tensor(batch["labels"], len(self.model.labels)),
            )
            for batch in batches
        ]
        loss = norm = tf.constant(0.0)
        with memory_errors():
            for place, (inputs, labels) in enumerate(ready):
                first, last = tf.constant(place == 0), tf.constant(place == len(ready) - 1)
                loss, norm = self._add(inputs, labels, pieces, loss, first, last)
            return StepResult(float(loss), float(norm))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a run needs, besides the weights, to go on as if it had never stopped; copies.

        Returns:
            `iterations`; `momentum/NAME` and `velocity/NAME` by the variable's Hugging Face name, in Keras' layout;
            `dropout/N`, the state of the N-th dropout layer's generator.
        """
        return {key: np.array(variable.value.numpy()) for key, variable in self._held().items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up what `state` returned.

        Raises:
            InputError: it is of another model; nothing is changed then.
        """
        held = self._held()
        for key in sorted(held.keys() ^ state.keys()):
            what = "lacks" if key in held else "holds"
            raise InputError(
                f"the optimizer's state {what} {key!r}", mend="it is of another model: start anew"
            )
        for key, variable in held.items():
            if tuple(variable.shape) != state[key].shape:
                raise InputError(
                    f"{key!r} has the shape {state[key].shape} in the optimizer's state, {tuple(variable.shape)} here",
                    mend="it is of another model: start anew",
                )
        for key, variable in held.items():
            variable.assign(state[key])

    def _held(self) -> dict[str, Any]:
        held = {"iterations": self.optimizer.iterations}
        for name, (first, second) in zip(self.variables, self.optimizer.moments(), strict=True):
            held |= {f"momentum/{name}": first, f"velocity/{name}": second}
        return held | {f"dropout/{place}": seed for place, seed in enumerate(self.model.seed_states())}

    def _add_batch(self, inputs: Any, labels: Any, pieces: Any, before: Any, first: Any, last: Any) -> Any:
        """Add a batch's gradients to the step's, and take the step with the last batch's.

        Returns:
            The loss of the batches so far, and the norm of their gradients: 0 until the last.
        """
        variables = [variable.value for variable in self.variables.values()]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            loss = _cross_entropy(self.model(inputs, training=True), labels) / pieces
        gradients = [dense(gradient) for gradient in tape.gradient(loss, variables)]
        loss += before
        norm = tf.cond(
            last, lambda: self._take_step(gradients, loss, first), lambda: self._put_by(gradients, first)
        )
        return loss, norm

    def _put_by(self, gradients: list[Any], first: Any) -> Any:
        def start() -> Any:
            for held, gradient in zip(self._sums, gradients, strict=True):
                held.assign(gradient)
            return tf.constant(0.0)

        def add() -> Any:
            for held, gradient in zip(self._sums, gradients, strict=True):
                held.assign_add(gradient)
            return tf.constant(0.0)

        return tf.cond(first, start, add)

    def _take_step(self, gradients: list[Any], loss: Any, first: Any) -> Any:
        def total() -> list[Any]:
            return [
                tf.ensure_shape(held.read_value(), gradient.shape) + gradient
                for held, gradient in zip(self._sums, gradients, strict=True)
            ]

        gradients = tf.cond(first, lambda: gradients, total)
        norm = tf.linalg.global_norm(gradients)

        def update() -> Any:
            scaled = gradients
            if self.max_grad_norm > 0:
                scale = clip_scale(norm, self.max_grad_norm)
                scaled = [gradient * scale for gradient in gradients]
            self.optimizer.apply(scaled, list(self.variables.values()))
            return norm

        return tf.cond(tf.math.is_finite(norm) & tf.math.is_finite(loss), update, lambda: norm)


def _cross_entropy(logits: Any, labels: Any) -> Any:
    """Return the sum of the cross-entropies of the labelled pieces: float32, shape ()."""
    labelled = labels != IGNORED
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.where(labelled, labels, 0), logits=tf.cast(logits, tf.float32)
    )
    return tf.reduce_sum(tf.where(labelled, each, 0.0))
