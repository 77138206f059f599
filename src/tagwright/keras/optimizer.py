"""AdamW as PyTorch and transformers compute it, for Keras on TensorFlow."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tagwright.errors import InputError
from tagwright.keras.schedule import LinearSchedule, whole

__all__ = ["AdamW", "clip_scale", "create_optimizer", "dense"]

_SPARED = re.compile(r"bias$|^(?:gamma|beta|scale)$")
"""Names of Keras' biases and of the weights of its norms."""


@keras.saving.register_keras_serializable(package="tagwright")
class AdamW(keras.optimizers.AdamW):  # type: ignore[misc]  # keras is not followed by mypy
    """`torch.optim.AdamW` with transformers' exclusions from decay (Loshchilov and Hutter, 2019).

    It differs from Keras' own in these: epsilon is added outside the bias correction; biases and norms are not
    decayed; a gradient that holds only some rows of a table moves all rows, as their moments say; `global_clipnorm`
    counts a row that occurs twice as one sum, and divides as `torch.nn.utils.clip_grad_norm_` does. One fused
    operation updates a variable.

    Args:
        learning_rate: the rate, or a schedule of it.
        weight_decay: decoupled: each step takes `learning_rate * weight_decay` of a weight away.
        beta_1: decay of the first moment.
        beta_2: decay of the second moment.
        epsilon: what is added to the root of the corrected second moment.
        decay_all: decay biases and norms as well.
        rates: factors of the learning rate (and with it of the decay) of single variables, by `variable.path`.
        **kwargs: as of `keras.optimizers.AdamW`, without `amsgrad`.

    Raises:
        InputError: `amsgrad` was asked for; `rates` names a variable that is not there; a variable is kept in 16
            bits, in which `1 - beta_2` is no number.
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        weight_decay: float = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        *,
        decay_all: bool = False,
        rates: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("amsgrad"):
            raise InputError("amsgrad = True", mend="use keras.optimizers.AdamW, which knows it")
        super().__init__(
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            **kwargs,
        )
        self.decay_all = decay_all
        self.rates = dict(rates or {})

    def build(self, variables: Sequence[Any]) -> None:
        """Make the moments of these variables."""
        if self.built:
            return
        for variable in variables:
            if tf.as_dtype(variable.dtype).size < 4:
                raise InputError(
                    f"the variable {_path(variable)} is kept in {tf.as_dtype(variable.dtype).name}",
                    mend="use a mixed policy, such as mixed_bfloat16, which keeps variables in float32",
                )
        paths = [_path(variable) for variable in variables]
        unknown = sorted(set(self.rates) - set(paths))
        if unknown:
            raise InputError(
                f"there is no variable {unknown[0]!r} to give a rate", mend=f"known are {', '.join(paths)}"
            )
        super().build(variables)
        self._factors = tuple(float(self.rates.get(path, 1.0)) for path in paths)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Update the variables; see `keras.optimizers.Optimizer.apply`."""
        super().apply([dense(gradient) for gradient in grads], trainable_variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Decay and move one variable.

        Args:
            gradient: of the variable's shape.
            variable: what to move.
            learning_rate: shape (3,): what `_backend_update_step` makes of the rate.
        """
        index = self._get_variable_index(variable)
        variable, first, second = map(_raw, (variable, self._momentums[index], self._velocities[index]))
        rate, corrected, epsilon = tf.unstack(tf.cast(learning_rate, variable.dtype))
        factor = self._factors[index]
        if self.weight_decay and self._use_weight_decay(variable):
            variable.assign(variable * (1.0 - rate * (factor * self.weight_decay)))
        # The bias corrections are in `corrected` and `epsilon`, taken in float64: here their powers are told as zero.
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=first.handle,
            v=second.handle,
            beta1_power=tf.zeros((), variable.dtype),
            beta2_power=tf.zeros((), variable.dtype),
            lr=corrected * factor,
            beta1=tf.constant(self.beta_1, variable.dtype),
            beta2=tf.constant(self.beta_2, variable.dtype),
            epsilon=epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )

    def moments(self) -> list[tuple[Any, Any]]:
        """Return the first and the second moment of each variable, in the order of `build`."""
        return list(zip(self._momentums, self._velocities, strict=True))

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` builds the same optimizer from."""
        return {**super().get_config(), "decay_all": self.decay_all, "rates": dict(self.rates)}

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        # Once a step, instead of once a variable. PyTorch divides by sqrt(v)/sqrt(1 - beta_2^t) + epsilon, the
        # fused operation by sqrt(v) + epsilon: multiplied out, epsilon shrinks by the root of the correction.
        step = tf.cast(self.iterations + 1, tf.float64)
        first = 1.0 - tf.pow(_rounded(self.beta_1), step)
        second = tf.sqrt(1.0 - tf.pow(_rounded(self.beta_2), step))
        rate = tf.cast(learning_rate, tf.float64)
        scalars = tf.stack([rate, rate * second / first, self.epsilon * second])
        super()._backend_update_step(grads, trainable_variables, scalars)

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        # One replica has nothing to sum, and Keras' way registers a gradient that keeps graph and variables for good.
        if tf.distribute.get_strategy().num_replicas_in_sync == 1:
            return list(grads_and_vars)
        return super()._all_reduce_sum_gradients(grads_and_vars)

    def _apply_weight_decay(self, variables: Any) -> None:
        """Leave it to `update_step`, which knows the variable's rate."""

    def _use_weight_decay(self, variable: Any) -> bool:
        own = variable.name.rpartition("/")[2].partition(":")[0]
        return bool(super()._use_weight_decay(variable)) and (self.decay_all or not _SPARED.search(own))

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        if not self.global_clipnorm or self.global_clipnorm < 0:
            kept: list[Any] = super()._clip_gradients(grads)
            return kept
        scale = clip_scale(tf.linalg.global_norm(grads), self.global_clipnorm)
        return [gradient * tf.cast(scale, gradient.dtype) for gradient in grads]


def create_optimizer(
    init_lr: float,
    num_train_steps: int,
    num_warmup_steps: int = 0,
    *,
    min_lr_ratio: float = 0.0,
    adam_beta1: float = 0.9,
    adam_beta2: float = 0.999,
    adam_epsilon: float = 1e-8,
    adam_global_clipnorm: float = 1.0,
    weight_decay_rate: float = 0.01,
) -> tuple[AdamW, LinearSchedule]:
    """Return an optimizer whose learning rate falls linearly to zero, and its schedule.

    The arguments are called as in the function that transformers had until its version 5; weight decay and clipping,
    which it left out unless asked, are those of its `Trainer`.

    Args:
        init_lr: the highest learning rate.
        num_train_steps: optimizer steps of the whole training: batches in an epoch times epochs.
        num_warmup_steps: the first of them, in which the rate climbs from zero.
        min_lr_ratio: the rate at the end, as a share of `init_lr`.
        adam_beta1: decay of the first moment.
        adam_beta2: decay of the second moment.
        adam_epsilon: what is added to the root of the second moment.
        adam_global_clipnorm: gradients are scaled down to this L2 norm over all variables; 0 leaves them alone.
        weight_decay_rate: decoupled weight decay of everything but biases and norms.

    Raises:
        InputError: a value is out of its range; the message names it.

    >>> optimizer, schedule = create_optimizer(2e-5, num_train_steps=100, num_warmup_steps=10)
    >>> f"{float(schedule(10)):.0e} {float(schedule(100)):.0e}"
    '2e-05 0e+00'
    """
    for name, value, least, below in (
        ("init_lr", init_lr, 0.0, math.inf),
        ("min_lr_ratio", min_lr_ratio, 0.0, math.nextafter(1.0, 2.0)),
        ("adam_beta1", adam_beta1, 0.0, 1.0),
        ("adam_beta2", adam_beta2, 0.0, 1.0),
        ("adam_epsilon", adam_epsilon, 0.0, math.inf),
        ("adam_global_clipnorm", adam_global_clipnorm, 0.0, math.inf),
        ("weight_decay_rate", weight_decay_rate, 0.0, math.inf),
    ):
        _within(name, value, least, below)
    steps = whole("num_train_steps", num_train_steps, least=1)
    warmup_steps = whole("num_warmup_steps", num_warmup_steps, least=0)
    if warmup_steps > steps:
        raise InputError(
            f"num_warmup_steps = {warmup_steps} of num_train_steps = {steps}",
            mend="warm up in at most as many steps as there are",
        )
    schedule = LinearSchedule(init_lr, steps, warmup_steps, end_ratio=min_lr_ratio)
    optimizer = AdamW(
        schedule,
        weight_decay=float(weight_decay_rate),
        beta_1=float(adam_beta1),
        beta_2=float(adam_beta2),
        epsilon=float(adam_epsilon),
        global_clipnorm=float(adam_global_clipnorm) or None,
    )
    return optimizer, schedule


def clip_scale(norm: Any, max_norm: float) -> Any:
    """Return what `torch.nn.utils.clip_grad_norm_` multiplies gradients of this norm by; NaN for one of NaN."""
    return tf.minimum(1.0, max_norm / (norm + 1e-6))


def dense(gradient: Any) -> Any:
    """Return a gradient as one tensor; that of an embedding comes as rows, a row for each time it was looked up."""
    return tf.convert_to_tensor(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient


def _within(name: str, value: Any, least: float, below: float) -> None:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not least <= value < below:
        highest = (
            "" if below == math.inf else f" and at most {below:g}" if below > 1 else f" and below {below:g}"
        )
        raise InputError(f"{name} = {value!r}", mend=f"give a number of at least {least:g}{highest}")


def _raw(variable: Any) -> Any:
    return variable.value if isinstance(variable, keras.Variable) else variable


def _path(variable: Any) -> str:
    return str(getattr(variable, "path", variable.name))


def _rounded(beta: float) -> Any:
    # The moments decay by the float32 value: with its powers the corrections cancel to the last bit.
    return tf.constant(float(np.float32(beta)), tf.float64)
