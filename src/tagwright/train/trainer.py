"""`transformers.Trainer` with Tagwright's batches, optimizer, evaluation and checkpoints.

Everything else is the Trainer's own, so that its callbacks and trackers, `torchrun` and `accelerate` work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers
from accelerate.data_loader import prepare_data_loader
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from tagwright.config import Recipe
from tagwright.encode.align import IGNORED
from tagwright.encode.batches import collate
from tagwright.model.huggingface import quiet
from tagwright.score.counts import Scores
from tagwright.tags import LabelMap
from tagwright.train import checkpoint
from tagwright.train.callbacks import StopOnInterrupt
from tagwright.train.failures import diverged, out_of_memory
from tagwright.train.faststep import FastStep
from tagwright.train.history import HISTORY, History
from tagwright.train.loss import token_loss
from tagwright.train.optimizer import build_optimizer, clip
from tagwright.train.ranks import among_several, everyones, processes, rank, summed
from tagwright.train.sampler import BatchOrder
from tagwright.train.scoring import LiveRuntime, Part, is_out_of_memory, record_evaluation, score_part

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["TaggerTrainer", "token_loss"]


class TaggerTrainer(transformers.Trainer):  # type: ignore[misc]  # transformers is not followed by mypy
    """Trains a tagger.

    Args:
        model: the network.
        args: the Trainer's arguments; `output_dir` is where checkpoints lie.
        recipe: the resolved recipe.
        labels: the label map.
        train: the training split.
        piece_labels: int64, shape (pieces of the training split,): the label of each piece.
        validation: the validation split.
        fast: the exchanges made on the model, if any.
        callbacks: more of the Trainer's callbacks.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        args: transformers.TrainingArguments,
        *,
        recipe: Recipe,
        labels: LabelMap,
        train: Part,
        piece_labels: NDArray[np.int64],
        validation: Part,
        fast: FastStep | None,
        callbacks: Sequence[transformers.TrainerCallback] = (),
    ) -> None:
        self.recipe = recipe
        self.labels = labels
        self.part = train
        self.piece_labels = piece_labels
        self.validation = validation
        self.fast = fast
        self.pieces_seen = 0
        self.history = History()
        self.order = BatchOrder(
            train.encoded.lengths,
            recipe.train.batch_size,
            seed=recipe.train.seed,
            grouped=recipe.train.length_grouping,
            rank=rank(),
            processes=processes(),
        )
        self.interrupt: StopOnInterrupt | None = None
        self._pieces = 0
        self._staging: Path | None = None
        super().__init__(
            model=model,
            args=args,
            train_dataset=range(
                len(train.encoded.lengths)
            ),  # their numbers, of which `_collate` makes batches
            eval_dataset=range(len(validation.encoded.lengths)),
            data_collator=self._collate,
            compute_loss_func=token_loss,
            callbacks=list(callbacks),
        )
        self.remove_callback(transformers.PrinterCallback)
        self.remove_callback(transformers.ProgressCallback)
        if rank() > 0:
            self._seed_apart(0)

    def add_callback(self, callback: Any) -> None:
        """Tell one more callback what happens; the one that stops the run is asked after each batch."""
        if isinstance(callback, StopOnInterrupt):
            self.interrupt = callback
        super().add_callback(callback)

    def _collate(self, windows: list[int]) -> dict[str, torch.Tensor]:
        """Make a batch; without windows, one that takes part in the step and teaches nothing."""
        taken = windows or [int(self.part.encoded.lengths.argmin())]
        batch = collate(self.part.encoded, np.asarray(taken), self.piece_labels)
        if windows:
            self._pieces += int(batch["attention_mask"].sum())
        else:
            batch["labels"][:] = IGNORED
        return {name: torch.from_numpy(values) for name, values in batch.items()}

    def get_train_dataloader(self) -> Any:
        """Return the batches of the training split in `BatchOrder`."""
        loader = DataLoader(
            self.train_dataset,
            batch_sampler=self.order,
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory and torch.cuda.is_available(),
        )
        # Not `accelerator.prepare`, which would deal out whole batches: the order gives each process its part of all.
        return prepare_data_loader(
            loader, device=self.accelerator.device, num_processes=1, process_index=0, put_on_device=True
        )

    def _init_training_state(self, *args: Any, **kwargs: Any) -> Any:
        with quiet():  # the checkpoint was written in another folder than the one it is in, which is no news
            begun = super()._init_training_state(*args, **kwargs)
        self.history.restore(self.state.stateful_callbacks.get(HISTORY, {}))
        return begun

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        # A run may be resumed from its last checkpoint, by early stopping or within its last, broken epoch.
        if self.control.should_training_stop or self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            return
        # After a resume in mid-epoch the loader is wrapped, and the epoch no longer reaches the sampler by itself.
        self.order.set_epoch(kwargs["epoch"])
        super()._run_epoch(*args, **kwargs)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Build the optimizer of `tagwright.train.optimizer`."""
        if self.optimizer is None:
            optimizer = build_optimizer(model or self.model, self.recipe.train, self.args.learning_rate)
            if self.fast is not None:
                refresh = self.fast.refresh
                optimizer.register_step_post_hook(lambda *_: refresh())
            self.optimizer: Any = optimizer
        return self.optimizer

    def _clip_grad_norm(self, model: Any) -> torch.Tensor:
        optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        norm = clip(optimizer, model.parameters(), self.args.max_grad_norm)
        self._check("the norm of the gradients", norm.item())
        return norm

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        return grad_norm  # without clipping the norm is not worth a pass over all gradients

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Run one batch forward and backward.

        Raises:
            RunError: the loss is not finite, or the memory does not suffice.
        """
        if self.fast is not None:
            self.fast.noise.begin_batch(self.state.global_step)
        try:
            loss: torch.Tensor = super().training_step(*args, **kwargs)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise out_of_memory(self.state.global_step + 1, self.order.batch_size) from error
        mean = self._meet(loss.item())
        self._check("the loss", mean)
        self.history.add(self.state.global_step + 1, mean, total=self.state.max_steps)
        return loss

    def _meet(self, loss: float) -> float:
        """Tell the other processes of this batch, and return the mean loss; all see the same, and act alike."""
        asked = self.interrupt is not None and self.interrupt.asked
        total, pieces, asking = summed(np.array([loss, self._pieces, asked])).tolist()
        self._pieces = 0
        self.pieces_seen += int(pieces)
        if asking and self.interrupt is not None:
            self.interrupt.agreed = True
        return float(total / self.order.processes)

    def _check(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            step, steps = self.state.global_step + 1, self.state.max_steps
            raise diverged(what, value, self.recipe.train, step=step, steps=steps)

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Score the validation split; counts are kept, logits are not."""
        self.model.eval()
        scores = self.score(self.validation)
        metrics = record_evaluation(
            self.history,
            scores,
            self.state,
            learning_rate=self._get_learning_rate(),
            prefix=metric_key_prefix,
        )
        self.log(metrics)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _get_learning_rate(self) -> float:
        """Return the learning rate of the encoder's top layer at this step."""
        if self.optimizer is None:
            return 0.0
        group = self.optimizer.param_groups[0]
        return float(self.args.learning_rate * group["lr"] / (group.get("initial_lr") or 1.0))

    def score(self, part: Part) -> Scores:
        """Tag a split with the model as it is now, and count."""
        precision = self.recipe.train.precision
        runtime = LiveRuntime(
            self.model,
            precision,
            autocast=precision == "bf16" and self.fast is None,
            batch_pieces=self.recipe.predict.batch_pieces,
        )
        return score_part(runtime, part, self.labels, self.recipe)

    def _get_output_dir(self, trial: Any = None) -> str:
        return str(self._staging or self.args.output_dir)

    def _save_checkpoint(self, model: Any, trial: Any = None) -> None:
        state = self.state
        try:
            with checkpoint.writing(
                Path(self.args.output_dir), state.global_step, best=state.best_global_step
            ) as staged:
                self._staging = staged.parent
                state.stateful_callbacks[HISTORY] = self.history.state()
                super()._save_checkpoint(model, trial)
        finally:
            self._staging = None

    def _seed_apart(self, step: int) -> None:
        """Give this process random numbers of its own, which depend on (seed, rank, step) alone."""
        seeds = np.random.SeedSequence([self.recipe.train.seed, rank(), step]).generate_state(1)
        torch.manual_seed(int(seeds[0]))

    def _save_rng_state(self, output_dir: str) -> None:
        if self.order.processes == 1:
            super()._save_rng_state(output_dir)
            return
        with TemporaryDirectory() as place:
            super()._save_rng_state(place)
            [file] = Path(place).iterdir()
            states = everyones((file.name, file.read_bytes()))
        if rank() == 0:  # the others may not see the folder
            for name, content in states:
                Path(output_dir, name).write_bytes(content)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        several = self.order.processes > 1
        name = f"rng_state_{rank()}.pth" if several else "rng_state.pth"
        if (
            checkpoint is not None and not Path(checkpoint, name).exists()
        ):  # of a run in more or fewer processes
            self._seed_apart(self.state.global_step)
        else:
            super()._load_rng_state(checkpoint)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the model alone; the bundle is written at the end, by `tagwright.model.bundle`."""
        if self.args.should_save:
            with quiet():
                self.accelerator.unwrap_model(self.model).save_pretrained(output_dir or self.args.output_dir)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        with quiet():
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self.fast is not None:
            self.fast.refresh()

    def plain_model(self) -> PreTrainedModel:
        """Return the model for good: without the fast step's exchanges and what accelerate hung on it for autocast."""
        if self.fast is not None:
            self.fast.undo()
        # A copy would go on calling the original's forward.
        model: PreTrainedModel = self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        return model

    def load_weights(self, folder: Path) -> None:
        """Take the weights of a checkpoint, which the first process alone must see; all of them must ask.

        Raises:
            RunError: it is not whole.
        """
        checkpoint.check_whole(folder)
        if rank() == 0:
            self._load_from_checkpoint(str(folder))
        if among_several():
            weights = self.model.state_dict()
            for tensor in weights.values():
                torch.distributed.broadcast(tensor, src=0)
            self.model.load_state_dict(weights)
            if self.fast is not None:
                self.fast.refresh()
