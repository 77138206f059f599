"""FSDP: the weights, gradients and optimizer state of one model shared out over several GPUs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch

from tagwright.config import TrainSettings
from tagwright.errors import InputError
from tagwright.train.ranks import processes

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["check_sharding", "sharding_arguments", "whole_weights"]

OTHERS = {"ACCELERATE_USE_DEEPSPEED": "DeepSpeed", "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM"}


def check_sharding(settings: TrainSettings) -> None:
    """Refuse FSDP where there is nothing to share a model out over, and what Tagwright does not train with.

    On CPUs accelerate would train whole copies of the model without a word.

    Raises:
        InputError: FSDP without GPUs or in one process, or by the launcher's flags alone; DeepSpeed; Megatron-LM.
    """
    for variable, name in OTHERS.items():
        if _is_on(variable):
            raise InputError(
                f"accelerate was asked for {name} ({variable}), which Tagwright does not train with",
                mend="start it with torchrun; train.fsdp shares a large model out over GPUs",
            )
    launched = _is_on("ACCELERATE_USE_FSDP")
    if settings.fsdp is None and not launched:
        return
    asked = "FSDP (accelerate launch --use_fsdp)"
    if settings.fsdp is not None:
        asked = f"train.fsdp = {settings.fsdp!r}"
    if not torch.cuda.is_available():
        raise InputError(
            f"{asked} needs GPUs, and PyTorch finds none",
            mend="leave it out: processes on CPUs share the batches, and each keeps the whole model",
        )
    if settings.fsdp is None:
        raise InputError(
            f"{asked} is the recipe's to decide", mend="set train.fsdp, and start it without --use_fsdp"
        )
    if processes() == 1:
        raise InputError(
            f"{asked} shares a model out over several processes, and this is the only one",
            mend="start it with torchrun --nproc-per-node N, or leave it out",
        )


def sharding_arguments(settings: TrainSettings) -> dict[str, Any]:
    """Return what `transformers.TrainingArguments` is told: FSDP 2, each layer by itself, whole checkpoints."""
    if settings.fsdp is None:
        return {}
    config = {
        "version": 2,
        "reshard_after_forward": settings.fsdp == "full_shard",
        "cpu_offload": settings.fsdp_offload,
        "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "state_dict_type": "FULL_STATE_DICT",  # a checkpoint that another number of processes can go on from
    }
    # Whole checkpoints and an offloaded optimizer are gathered on the CPU.
    backend = "cuda:nccl,cpu:gloo" if torch.cuda.is_available() else None
    return {"fsdp": True, "fsdp_config": config, "ddp_backend": backend}


def whole_weights(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Gather the weights of a model that is shared out, on the CPU of every process; all of them must ask."""
    found = {}
    for name, tensor in model.state_dict().items():
        whole = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
        found[name] = whole.detach().cpu().clone()
    return found


def _is_on(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in ("1", "true", "yes", "y", "t", "on")
