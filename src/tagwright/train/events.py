"""What callbacks of `transformers.Trainer` are told where another loop than the Trainer's runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import transformers
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    get_reporting_integration_callbacks,
)
from transformers.trainer_callback import CallbackHandler, DefaultFlowCallback

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Events"]


class Events(CallbackHandler):  # type: ignore[misc]  # transformers is not followed by mypy
    """Tells callbacks what happens, in the Trainer's order: its own first, then trackers, then the others.

    Args:
        callbacks: callbacks of `transformers.Trainer`.
        model: what they see as `model`.
        carrier: what trackers see as `model`: they read a transformers model's configuration.
        trackers: names of trackers, as of `TrainingArguments.report_to`.
    """

    def __init__(
        self,
        callbacks: Sequence[transformers.TrainerCallback],
        model: Any,
        carrier: PreTrainedModel,
        *,
        trackers: Sequence[str],
    ) -> None:
        reporting = get_reporting_integration_callbacks(trackers)
        super().__init__([DefaultFlowCallback, *reporting, *callbacks], model, None, None, None)
        self.carrier = carrier
        self.trackers = tuple(INTEGRATION_TO_CALLBACK.values())

    def call_event(self, event: str, args: Any, state: Any, control: Any, **facts: Any) -> Any:
        """Call every callback in turn, and return the `control` that the last of them left."""
        for callback in self.callbacks:
            told = getattr(callback, event)(
                args,
                state,
                control,
                model=self.carrier if isinstance(callback, self.trackers) else self.model,
                processing_class=None,
                optimizer=None,
                lr_scheduler=None,
                train_dataloader=None,
                eval_dataloader=None,
                **facts,
            )
            control = control if told is None else told
        return control
