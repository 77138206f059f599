"""The training loop of the engine `keras`, in step with `transformers.Trainer`.

Epochs, steps, rates, batches and the order of events are the Trainer's for the same recipe, and so are the objects that
callbacks are handed: what shows, stops, saves and tracks a run works with both engines.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from transformers.trainer_callback import ExportableState
from transformers.trainer_utils import speed_metrics

from tagwright.config import Recipe
from tagwright.encode.batches import collate
from tagwright.keras.classifier import TokenClassifier
from tagwright.keras.runtime import KerasRuntime
from tagwright.keras.step import StepResult, TrainStep
from tagwright.score.counts import Scores
from tagwright.tags import LabelMap
from tagwright.train import checkpoint
from tagwright.train.events import Events
from tagwright.train.failures import diverged, out_of_memory
from tagwright.train.history import HISTORY, History
from tagwright.train.sampler import BatchOrder
from tagwright.train.scoring import Part, record_evaluation, score_part

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["KerasTrainer"]

POLICIES = {"fp32": "float32", "bf16": "mixed_bfloat16"}
WEIGHTS = "model.safetensors"
OPTIMIZER = "optimizer.safetensors"
STATE = "trainer_state.json"


class KerasTrainer:
    """Trains a tagger with Keras; its face is that of `tagwright.train.trainer.TaggerTrainer`.

    A step is one graph from its first batch to the update: `on_substep_end` and `on_pre_optimizer_step` come before.

    Args:
        carrier: the network of PyTorch that gives the first weights and takes up the last.
        args: what callbacks and trackers know the run by; `output_dir` is where checkpoints lie.
        recipe: the resolved recipe.
        labels: the label map.
        train: the training split.
        piece_labels: int64, shape (pieces of the training split,): the label of each piece.
        validation: the validation split.
        callbacks: callbacks of `transformers.Trainer`.
    """

    fast = None

    def __init__(
        self,
        carrier: PreTrainedModel,
        args: transformers.TrainingArguments,
        *,
        recipe: Recipe,
        labels: LabelMap,
        train: Part,
        piece_labels: NDArray[np.int64],
        validation: Part,
        callbacks: Sequence[transformers.TrainerCallback] = (),
    ) -> None:
        settings = recipe.train
        self.carrier = carrier
        self.args = args
        self.recipe = recipe
        self.labels = labels
        self.part = train
        self.piece_labels = piece_labels
        self.validation = validation
        self.pieces_seen = 0
        self.history = History()
        self.order = BatchOrder(
            train.encoded.lengths,
            settings.batch_size,
            seed=settings.seed,
            grouped=settings.length_grouping,
        )
        self.steps_in_epoch = -(-len(self.order) // settings.accumulation)
        steps = math.ceil(args.num_train_epochs * self.steps_in_epoch)
        self.model = TokenClassifier.from_tensors(
            carrier.config.to_dict(),
            {name: tensor.numpy() for name, tensor in carrier.state_dict().items()},
            labels=labels.names,
            dtype=POLICIES[settings.precision],
            seed=settings.seed,
            where=recipe.model.encoder,
        )
        self.step = TrainStep(
            self.model,
            learning_rate=args.learning_rate,
            steps=steps,
            warmup_steps=args.get_warmup_steps(steps),
            weight_decay=settings.weight_decay,
            decay_all=settings.decay_all,
            head_rate=settings.head_rate,
            layer_decay=settings.layer_decay,
            max_grad_norm=settings.max_grad_norm,
        )
        self.runtime = KerasRuntime(self.model, batch_pieces=recipe.predict.batch_pieces)
        self.events = Events(callbacks, self.model, carrier, trackers=args.report_to)
        self.control = transformers.TrainerControl()
        self.state = transformers.TrainerState(
            train_batch_size=settings.batch_size,
            max_steps=steps,
            num_train_epochs=math.ceil(args.num_train_epochs),
        )
        self.state.compute_steps(args, steps)
        self._tell("on_init_end")

    def add_callback(self, callback: transformers.TrainerCallback) -> None:
        """Tell one more callback what happens."""
        self.events.add_callback(callback)

    def train(self, resume_from_checkpoint: str | None = None) -> None:
        """Train to the end of the recipe, from the beginning or from a checkpoint.

        Raises:
            RunError: the loss or the gradients are not finite, the memory does not suffice, or a checkpoint cannot be
                written.
        """
        if resume_from_checkpoint is not None:
            self._restore(Path(resume_from_checkpoint))
        begun, self._to_skip = divmod(self.state.global_step, self.steps_in_epoch)
        started, first_step = time.time(), self.state.global_step
        self._loss, self._logged_loss, self._logged = 0.0, 0.0, first_step
        self._tell("on_train_begin")
        for epoch in range(begun, self.state.num_train_epochs):
            self._tell("on_epoch_begin")
            # A run may be resumed from its last checkpoint, by early stopping or within its last, broken epoch.
            if self._stopped() or self.state.global_step >= self.state.max_steps:
                break
            self._run_epoch(epoch)
            if self._stopped():
                break
        steps = self.state.global_step - first_step
        share = steps / max(self.state.max_steps, 1)
        samples = len(self.part.encoded.lengths) * self.args.num_train_epochs * share
        metrics = speed_metrics("train", started, num_samples=samples, num_steps=steps)
        self._log(metrics | {"train_loss": (self._logged_loss + self._loss) / max(steps, 1)})
        self._tell("on_train_end")

    def _run_epoch(self, epoch: int) -> None:
        self.order.set_epoch(epoch)
        batches = list(self.order)
        size = self.recipe.train.accumulation
        rate = norm = None
        for first in range(self._to_skip * size, len(batches), size):
            taken = batches[first : first + size]
            self._tell("on_step_begin")
            for _ in taken[1:]:
                self._tell("on_substep_end")
            self._tell("on_pre_optimizer_step")
            rate = self.step.learning_rate
            norm = self._step(taken).gradient_norm
            self._tell("on_optimizer_step")
            self.state.global_step += 1
            self.state.epoch = epoch + (first + len(taken)) / len(batches)
            self._tell("on_step_end")
            self._log_evaluate_save(rate, norm)
            if self.control.should_epoch_stop or self._stopped():
                break
        self._to_skip = 0
        self._tell("on_epoch_end")
        self._log_evaluate_save(rate, norm)

    def _step(self, batches: list[list[int]]) -> StepResult:
        step, settings = self.state.global_step + 1, self.recipe.train
        try:
            result = self.step.run([self._batch(windows) for windows in batches])
        except MemoryError as error:
            raise out_of_memory(step, settings.batch_size) from error
        for what, value in (("the loss", result.loss), ("the norm of the gradients", result.gradient_norm)):
            if not math.isfinite(value):
                raise diverged(what, value, settings, step=step, steps=self.state.max_steps)
        self.history.add(step, result.loss, total=self.state.max_steps)
        self._loss += result.loss
        return result

    def _batch(self, windows: list[int]) -> Mapping[str, NDArray[np.integer]]:
        batch = collate(self.part.encoded, np.asarray(windows), self.piece_labels)
        self.pieces_seen += int(batch["attention_mask"].sum())
        return batch

    def _log_evaluate_save(self, rate: float | None, norm: float | None) -> None:
        """Do what the callbacks have asked for."""
        state = self.state
        if self.control.should_log and state.global_step > self._logged:
            logs = {"loss": self._loss / (state.global_step - self._logged)}
            if norm is not None and self.args.max_grad_norm > 0:
                logs["grad_norm"] = norm
            self._logged_loss += self._loss
            self._loss, self._logged = 0.0, state.global_step
            self._log({**logs, "learning_rate": self.step.learning_rate if rate is None else rate})
        if self.control.should_evaluate:
            f1 = self.evaluate()["eval_f1"]
            if state.best_metric is None or f1 > state.best_metric:
                state.best_metric, state.best_global_step = f1, state.global_step
        if self.control.should_save:
            self._save()
            self._tell("on_save")

    def evaluate(self) -> dict[str, float]:
        """Score the validation split; counts are kept, logits are not."""
        scores = self.score(self.validation)
        metrics = record_evaluation(self.history, scores, self.state, learning_rate=self.step.learning_rate)
        self._log(metrics)
        self._tell("on_evaluate", metrics=metrics)
        return metrics

    def score(self, part: Part) -> Scores:
        """Tag a split with the model as it is now, and count."""
        return score_part(self.runtime, part, self.labels, self.recipe)

    def plain_model(self) -> PreTrainedModel:
        """Return the network of PyTorch, with the weights as they are now."""
        tensors = {name: torch.from_numpy(values) for name, values in self.model.tensors().items()}
        self.carrier.load_state_dict(tensors)
        return self.carrier

    def load_weights(self, folder: Path) -> None:
        """Take the weights of a checkpoint.

        Raises:
            RunError: it is not whole.
        """
        checkpoint.check_whole(folder)
        self.model.load_tensors(load_file(folder / WEIGHTS))

    def _save(self) -> None:
        state = self.state
        kept = [one for one in [*self.events.callbacks, self.control] if isinstance(one, ExportableState)]
        state.stateful_callbacks = transformers.TrainerState(stateful_callbacks=kept).stateful_callbacks
        state.stateful_callbacks[HISTORY] = self.history.state()
        folder = Path(self.args.output_dir)
        with checkpoint.writing(folder, state.global_step, best=state.best_global_step) as staged:
            staged.mkdir(parents=True)
            self.carrier.config.save_pretrained(staged)
            save_file(self.model.tensors(), staged / WEIGHTS, metadata={"format": "pt"})
            save_file(self.step.state(), staged / OPTIMIZER)
            state.save_to_json(str(staged / STATE))

    def _restore(self, folder: Path) -> None:
        """Go on from a checkpoint."""
        self.model.load_tensors(load_file(folder / WEIGHTS))
        self.step.restore(load_file(folder / OPTIMIZER))
        before, self.state = self.state, transformers.TrainerState.load_from_json(str(folder / STATE))
        self.state.max_steps, self.state.num_train_epochs = before.max_steps, before.num_train_epochs
        self.history.restore(self.state.stateful_callbacks.get(HISTORY, {}))

    def _log(self, logs: dict[str, float]) -> None:
        logs["epoch"] = self.state.epoch
        self.state.log_history.append({**logs, "step": self.state.global_step})
        self._tell("on_log", logs=logs)

    def _tell(self, event: str, **facts: Any) -> None:
        self.control = getattr(self.events, event)(self.args, self.state, self.control, **facts)

    def _stopped(self) -> bool:
        return bool(self.control.should_training_stop)
