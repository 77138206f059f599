"""The learning rate from step to step: it climbs in a line, then falls in a line."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tagwright.errors import InputError

__all__ = ["LinearSchedule"]


@keras.saving.register_keras_serializable(package="tagwright")
class LinearSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # keras is not followed by mypy
    """Transformers' `get_linear_schedule_with_warmup`, for Keras.

    Step 0 is the first: with a warm-up its rate is 0, and step `warmup_steps` has the peak.

    Args:
        peak: the highest learning rate.
        steps: optimizer steps until the rate is at its lowest; it stays there.
        warmup_steps: steps in which it climbs from zero, out of `steps`.
        end_ratio: the lowest rate at the end, as a share of the peak.

    Raises:
        InputError: a value is out of its range; the message names it.

    >>> [round(float(LinearSchedule(1.0, steps=4, warmup_steps=2)(step)), 3) for step in range(5)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    def __init__(self, peak: float, steps: int, warmup_steps: int = 0, *, end_ratio: float = 0.0) -> None:
        self.peak = float(peak)
        self.steps = whole("steps", steps, least=1)
        self.warmup_steps = whole("warmup_steps", warmup_steps, least=0)
        self.end_ratio = float(end_ratio)
        if self.warmup_steps > self.steps:
            raise InputError(
                f"warmup_steps = {self.warmup_steps} of steps = {self.steps}",
                mend="warm up in at most as many steps as there are",
            )

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step: float32, shape ()."""
        step = tf.cast(tf.convert_to_tensor(step), tf.int64)
        falling = tf.cast(tf.maximum(self.steps - step, 0), tf.float32) / max(
            1, self.steps - self.warmup_steps
        )
        falling = self.end_ratio + (1.0 - self.end_ratio) * falling
        climbing = tf.cast(step, tf.float32) / max(1, self.warmup_steps)
        return self.peak * tf.where(step < self.warmup_steps, climbing, falling)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` builds the same schedule from."""
        return {
            "peak": self.peak,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
            "end_ratio": self.end_ratio,
        }


def whole(name: str, value: Any, *, least: int) -> int:
    """Return a whole number.

    Raises:
        InputError: it is none, or less than `least`.
    """
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = least - 1
    if number != value or isinstance(value, bool) or number < least:
        raise InputError(f"{name} = {value!r}", mend=f"give a whole number of at least {least}")
    return number
