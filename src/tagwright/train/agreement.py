"""What processes must have in common before they train together, such as the data on each machine."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tagwright.config import Recipe
from tagwright.data.corpus import Corpus
from tagwright.errors import InputError
from tagwright.train import checkpoint
from tagwright.train.ranks import among_several, everyones, host
from tagwright.train.record import versions
from tagwright.train.scoring import Part

__all__ = ["check_agreement"]


def check_agreement(
    recipe: Recipe, corpus: Corpus, parts: dict[str, Part], folder: Path, start: Path | None
) -> None:
    """Refuse processes that would not train the same tagger; all of them ask, and all refuse alike.

    Args:
        recipe: the resolved recipe.
        corpus: the data.
        parts: its splits, encoded.
        folder: where the checkpoints lie.
        start: the checkpoint that this process would go on from.

    Raises:
        InputError: they differ, such as in the data or in what they see of the run to resume.
    """
    if not among_several():
        return
    pieces = hashlib.sha256()
    for part in parts.values():
        pieces.update(part.encoded.ids.tobytes())
    facts = {
        "the data": corpus.sha256[:12],
        "the pieces that the encoder's tokenizer makes of it": pieces.hexdigest()[:12],
        "the checkpoint to go on from": "none" if start is None else f"step {checkpoint.step_of(start)}",
        **{f"the version of {name}": version for name, version in versions().items()},
    }
    for section, fields in recipe.model_dump(mode="json").items():
        facts |= {f"{section}.{field}": repr(value) for field, value in fields.items() if field != "source"}
    everyone = everyones((host(), facts))
    first_host, first = everyone[0]
    for number, (where, others) in enumerate(everyone):
        for fact, value in first.items():
            if others.get(fact) != value:
                raise InputError(
                    f"process 0 on {first_host} and process {number} on {where} differ in {fact}: "
                    f"{value} and {others.get(fact)}",
                    where=str(folder) if fact == "the checkpoint to go on from" else None,
                    mend=_mend(fact),
                )


def _mend(fact: str) -> str:
    if fact == "the checkpoint to go on from":
        return "put --out on a file system that all machines share, or copy it to each"
    if fact in ("the data", "the pieces that the encoder's tokenizer makes of it"):
        return "give every machine the same data and the same encoder"
    return "start the same Tagwright with the same recipe on every machine"
