"""`tagwright.json`: what a bundle says of itself, its versions, and how it is changed in place."""

from __future__ import annotations

import errno
import json
from functools import cached_property
from pathlib import Path
from shutil import copymode
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tagwright.errors import InputError, RunError
from tagwright.model.huggingface import read_json
from tagwright.model.swap import RECORD, swap_files
from tagwright.tags import LabelMap, Scheme

__all__ = ["SCHEMA_VERSION", "SILENT", "BundleMeta", "change_record", "read_record", "record_text"]

SCHEMA_VERSION = 3
"""1: the first. 2: `temperature` and `thresholds`, which change the answers. 3: `export`, which says who computes."""

LARGEST_GROUP = 1 << 20
"""Values that share a scale, at most: more than any layer is wide."""

SILENT = 2.0
"""A threshold that no score reaches: entities of the type are never given."""


class BundleMeta(BaseModel):
    """What `tagwright.json` says: how words are cut, encoded and decoded, and how the bundle was made.

    Keys that this version does not know are ignored. That is safe because a key that changes the answers
    comes with a new `schema_version`, and a bundle with a newer one is refused.
    """

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True, allow_inf_nan=False)

    schema_version: int = Field(default=SCHEMA_VERSION, ge=1)
    """Version of this file's layout."""

    scheme: Scheme
    """Scheme of the tags."""

    labels: list[str] = Field(min_length=1)
    """The tags, in the order of their ids."""

    splitter: str = "english"
    """How raw text is cut into words."""

    max_pieces: int = Field(ge=8)
    """Pieces in a window, special ones included."""

    overlap: int = Field(default=64, ge=0)
    """Pieces that neighbouring windows of a long text share."""

    on_overflow: Literal["window", "error", "truncate"] = "window"
    """What to do with text longer than a window."""

    valid_tags: bool = True
    """Choose the best sequence that the scheme allows instead of each word's best tag."""

    precision: Literal["fp32", "bf16", "int8"] = "fp32"
    """Precision at which the recorded scores were measured."""

    temperature: float = Field(default=1.0, ge=0.01, le=100)
    """What log-probabilities are divided by once the tags are chosen; 1 leaves them alone."""

    thresholds: dict[str, Annotated[float, Field(ge=0, le=SILENT)]] = {}
    """The least score of an entity of each type; above 1, entities of the type are never given."""

    made: dict[str, Any] = {}
    """How the bundle was made: recipe, seed, package versions, the data's spec and SHA-256, scores, calibration."""

    export: dict[str, Any] = {}
    """What an exported bundle runs on and how well it agrees with what it was made from; empty where there are weights.

    `runtime` (`onnx` or `openvino`) and `precision` (`fp32` or `int8`) say what lies in the folder; `group_size`
    is how many values share a scale where OpenVINO quantises activations as it goes; the rest is a record.
    """

    files: dict[str, int] = {}
    """Every file of the bundle but this one, and its size in bytes; filled in by `save_bundle`."""

    notices: list[str] = Field(default=[], exclude=True)
    """What had to be assumed about a folder that has no `tagwright.json`; never written."""

    @cached_property
    def label_map(self) -> LabelMap:
        """The labels and the scheme as a label map."""
        return LabelMap(self.labels, self.scheme)

    @property
    def calibrated(self) -> bool:
        """Whether there is a temperature or a threshold to apply."""
        return self.temperature != 1 or any(self.thresholds.values())

    @property
    def calibrated_at(self) -> str | None:
        """The precision at which temperature and thresholds were fitted, where that is recorded."""
        record = self.made.get("calibration")
        return record.get("precision") if isinstance(record, dict) else None


def read_record(folder: Path) -> BundleMeta:
    """Read a bundle's `tagwright.json`, of this version or an older one.

    Raises:
        InputError: it is damaged, or was written by a newer Tagwright.
    """
    file = folder / RECORD
    values = read_json(file)
    version = _version(values)
    if version > SCHEMA_VERSION:
        raise InputError(
            f"the bundle has schema_version {version:g}, this Tagwright reads up to {SCHEMA_VERSION}",
            where=str(file),
            mend="pip install --upgrade tagwright",
        )
    try:
        meta = BundleMeta.model_validate({**_migrate(values), "notices": []})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"][0].lower() + first["msg"][1:]
        raise InputError(
            f"{key}: {message}", where=str(file), mend="the file is damaged; restore it"
        ) from None
    _check_export(meta, file)
    if strangers := set(meta.thresholds) - set(meta.label_map.types):
        raise InputError(
            f"thresholds: there is no type {min(strangers)!r}",
            where=str(file),
            mend="the file was changed by hand; restore it",
        )
    return meta


def _check_export(meta: BundleMeta, file: Path) -> None:
    """Refuse an export that no runtime of this version would answer as it was measured."""
    if not meta.export:
        return
    checks = (
        ("runtime", ("onnx", "openvino"), meta.export.get("runtime")),
        ("precision", ("fp32", "int8"), meta.export.get("precision")),
    )
    for key, known, value in checks:
        if value not in known:
            raise InputError(
                f"export.{key} is {value!r}, not {' or '.join(known)}",
                where=str(file),
                mend="the file is damaged; restore it",
            )
    size = meta.export.get("group_size")
    if size is not None and (type(size) is not int or not 1 <= size <= LARGEST_GROUP):
        raise InputError(
            f"export.group_size is {size!r}, not a number from 1 to {LARGEST_GROUP}",
            where=str(file),
            mend="the file is damaged; restore it",
        )


def record_text(values: dict[str, Any]) -> str:
    """Return the text of a `tagwright.json`."""
    return json.dumps(values, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def change_record(folder: str | Path, meta: BundleMeta, *, was: BundleMeta) -> None:
    """Write another `tagwright.json` over a bundle's; a crash leaves the old one or the new one, whole.

    The other files stay as they are, and so do keys of `tagwright.json` that this version does not know. A
    plain Hugging Face folder becomes a bundle by it.

    Args:
        folder: the bundle.
        meta: what is to be written.
        was: what was read before the change was worked out.

    Raises:
        RunError: the file cannot be written, or the bundle has changed since `was` was read.
    """
    folder = Path(folder)
    file = folder / RECORD

    def write(new: Path) -> None:
        # Under the lock of the folder, so that no training run puts its weights beside our record.
        before = read_json(file) if file.exists() else {}
        if before.get("files", {}) != was.files or before.get("made", {}) != was.made:
            raise RunError("the bundle was written anew meanwhile", where=str(folder), mend="run it again")
        after = before | meta.model_dump(mode="json") | {"schema_version": SCHEMA_VERSION}
        (new / RECORD).write_text(record_text(after), encoding="utf-8")
        if file.exists():
            copymode(file, new / RECORD)

    try:
        swap_files(folder, write)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise RunError(
            f"tagwright.json cannot be written: {error.strerror or error}",
            where=str(folder),
            mend="make room and run it again" if full else "copy the bundle to where you may write",
        ) from error


def _version(values: dict[str, Any]) -> float:
    """Return the layout's version; 0 where it is no number, which is refused with the other fields."""
    try:
        return float(values.get("schema_version", 1))
    except (TypeError, ValueError):
        return 0


def _migrate(values: dict[str, Any]) -> dict[str, Any]:
    """Return what an older version says in the words of this one."""
    version = _version(values)
    # What an older version did not know, it ignored under that name, and so it is still.
    strange = {"temperature", "thresholds"} if version < 2 else set()
    if 1 <= version < SCHEMA_VERSION:
        strange.add("export")
        values = {key: value for key, value in values.items() if key not in strange}
        values["schema_version"] = SCHEMA_VERSION
    return values
