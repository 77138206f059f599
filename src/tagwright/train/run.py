"""The folder of a run: what may be written there, where training starts, and what a stop leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from tagwright.config import Recipe
from tagwright.data.corpus import Corpus
from tagwright.errors import InputError, RunError
from tagwright.model.huggingface import read_json
from tagwright.model.swap import RECORD
from tagwright.train import checkpoint
from tagwright.train.ending import ProcessLostError
from tagwright.train.ranks import rank

__all__ = ["CHECKPOINTS", "check_run", "default_run", "interrupted", "lost", "prepare_run", "with_resume"]

CHECKPOINTS = "checkpoints"
STATE = "run.json"
INTERRUPTED = 130  # what a shell reports for a command stopped by Ctrl-C


def default_run(recipe: Recipe) -> Path:
    """Return the folder of a run that named none: `runs/DATA-ENCODER`."""
    return Path("runs") / _slug(f"{recipe.data.source or 'data'}-{recipe.model.encoder}")


def _slug(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "run"


def check_run(run: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse a folder that holds something that nobody asked to replace.

    Raises:
        InputError: there is a run, and neither `resume` nor `overwrite`; nothing to resume; something else.
    """
    if resume and overwrite:
        raise InputError("--resume and --overwrite exclude each other", mend="give one of them")
    if run.exists() and not run.is_dir():
        raise InputError("this is a file, not a folder for a run", where=str(run), mend="name another --out")
    begun = (run / CHECKPOINTS / STATE).exists()
    taken = begun or (run.is_dir() and any(entry.name != CHECKPOINTS for entry in run.iterdir()))
    if taken and not resume and not overwrite:
        raise InputError(
            "there is a run here already", where=str(run), mend="give --resume, --overwrite or another --out"
        )
    if resume and not begun:
        done = (run / RECORD).exists()
        raise InputError(
            "the run here is complete; there is nothing to resume"
            if done
            else "there is no run here to resume",
            where=str(run),
            mend="give --overwrite to train anew" if done else "leave --resume out",
        )
    if overwrite and taken and not begun and not (run / RECORD).exists():
        raise InputError(
            "this folder holds something else than a run", where=str(run), mend="name another --out"
        )


def prepare_run(
    folder: Path, recipe: Recipe, corpus: Corpus, *, resume: bool, note: Callable[[str], None]
) -> Path | None:
    """Get the checkpoints' folder ready.

    Returns:
        The checkpoint to start from; None to begin.

    Raises:
        InputError: the recipe or the data is not what the run to resume began with.
    """
    asked = recipe.model_dump(mode="json")
    if not resume and rank() == 0:
        checkpoint.discard(folder)
        folder.mkdir(parents=True, exist_ok=True)
        state = {"recipe": asked, "data_sha256": corpus.sha256}
        unfinished = folder / f".{STATE}"
        unfinished.write_text(json.dumps(state, indent=1), encoding="utf-8")
        unfinished.replace(folder / STATE)
    if not resume:
        return None
    if rank() > 0 and not (folder / STATE).exists():
        return None  # on another disk than the first's: `check_agreement` refuses it, on all processes alike
    before = read_json(folder / STATE)
    begun = before.get("recipe", {}).get("train", {}).get("engine", "torch")
    if begun != recipe.train.engine:
        raise InputError(
            f"the run began with --engine {begun}, whose checkpoints {recipe.train.engine} cannot go on from",
            where=str(folder),
            mend=f"give --engine {begun}; the tagger it ends with can go on with --engine {recipe.train.engine}, "
            "as --model RUN with another --out",
        )
    if before.get("data_sha256") != corpus.sha256:
        raise InputError(
            "the data is not what the run began with", where=str(folder), mend="give --overwrite"
        )
    for section, fields in before.get("recipe", {}).items():
        for field, value in fields.items():
            now = asked.get(section, {}).get(field)
            if now != value and (section, field) != ("data", "source"):
                raise InputError(
                    f"the run began with {section}.{field} = {value!r}, not {now!r}",
                    where=str(folder),
                    mend="give the same recipe, or --overwrite to begin anew",
                )
    start = checkpoint.newest(folder)
    note(
        f"going on from step {checkpoint.step_of(start)}" if start else "no whole checkpoint: beginning anew"
    )
    return start


def with_resume(error: RunError, run: Path, folder: Path) -> RunError:
    """Add to an error where the last whole checkpoint is."""
    last = checkpoint.newest(folder)
    where = f"; the checkpoint of step {checkpoint.step_of(last)} is in {folder}" if last else ""
    return RunError(error.what + where, where=error.where or str(run), mend=error.mend)


def lost(run: Path, folder: Path) -> ProcessLostError:
    """Return the error of a run that cannot go on because another of its processes has ended."""
    last = checkpoint.newest(folder)
    if last is None:
        return ProcessLostError(
            "another process of this run has ended, before the first checkpoint",
            where=str(run),
            mend="begin anew with --overwrite",
        )
    return ProcessLostError(
        f"another process of this run has ended; the checkpoint of step {checkpoint.step_of(last)} is in {folder}",
        where=str(run),
        mend="go on with the same call and --resume",
    )


def interrupted(run: Path, folder: Path) -> RunError:
    """Return the error that a stop by Ctrl-C ends in: what is saved, and how to go on."""
    last = checkpoint.newest(folder)
    if last is None:
        error = RunError(
            "interrupted before the first checkpoint", where=str(run), mend="begin anew with --overwrite"
        )
    else:
        error = RunError(
            f"interrupted; step {checkpoint.step_of(last)} is saved",
            where=str(run),
            mend=f"go on with the same call and --resume (--out {run})",
        )
    error.exit_code = INTERRUPTED
    return error
