"""What a model's file must take and give, whoever made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tagwright.errors import InputError

__all__ = ["INPUTS", "MEND", "OUTPUT", "Port", "check_labels", "check_signature"]

INPUTS = ("input_ids", "attention_mask")
OUTPUT = "logits"

MEND = "copy the bundle again, whole"
"""For a file that a runtime cannot read."""

_MEND = "export the bundle with tagwright export"


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model.

    Attributes:
        name: its name.
        type: the type of its values, such as `int64` or `float32`.
        shape: its dimensions; None where one may be any number. None for all where even their number is free.
    """

    name: str
    type: str
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        shape = (
            ""
            if self.shape is None
            else ", ".join("any" if size is None else str(size) for size in self.shape)
        )
        return f"{self.name} ({self.type}; {shape})" if shape else f"{self.name} ({self.type})"


def check_signature(where: str, inputs: Sequence[Port], outputs: Sequence[Port], labels: int) -> None:
    """Refuse a model that cannot be given a padded batch of any size, or does not give its logits.

    Args:
        where: the model's file.
        inputs: what it takes.
        outputs: what it gives.
        labels: how many labels the bundle has.

    Raises:
        InputError: another name, type or shape than `input_ids` and `attention_mask`, int64 of shape (windows,
            pieces), in, and `logits`, float32 of shape (windows, pieces, labels), out.
    """
    for wanted, ports, kind, shape in (
        (INPUTS, inputs, "int64", (None, None)),
        ((OUTPUT,), outputs, "float32", (None, None, labels)),
    ):
        role = "input" if wanted is INPUTS else "output"
        found = {port.name: port for port in ports}
        for name in wanted:
            if name not in found:
                there = ", ".join(map(str, ports)) or "none"
                raise InputError(f"the model has no {role} {name}; it has {there}", where=where, mend=_MEND)
            port = found[name]
            if port.type != kind:
                raise InputError(f"the model's {role} {port} is not {kind}", where=where, mend=_MEND)
            if port.shape is None:
                continue
            if len(port.shape) != len(shape) or any(size is not None for size in port.shape[:2]):
                dimensions = "windows, pieces" + ("" if wanted is INPUTS else ", labels")
                raise InputError(
                    f"the model's {role} {port} is not of any size ({dimensions})", where=where, mend=_MEND
                )
            if len(shape) == 3 and port.shape[2] is not None:
                check_labels(where, port.shape[2], labels)
    if strangers := [str(port) for port in inputs if port.name not in INPUTS]:
        raise InputError(
            f"the model wants inputs that are not given: {', '.join(strangers)}", where=where, mend=_MEND
        )


def check_labels(where: str, given: int, labels: int) -> None:
    """Refuse logits of another number of labels than the bundle has."""
    if given != labels:
        raise InputError(
            f"the model gives {given} logits a piece and the bundle has {labels} labels",
            where=where,
            mend="its files belong to different bundles; copy it again, whole",
        )
