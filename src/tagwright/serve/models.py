"""The models of a service: what is asked for by name, and what each says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tagwright.errors import InputError
from tagwright.model.bundle import BundleMeta, held_for, read_meta
from tagwright.predict.runtimes import PRECISIONS, RUNTIMES, check_suits
from tagwright.predict.tagger import Tagger

__all__ = ["Bundle", "describe_model", "read_bundles"]

_NAMED = re.compile(r"([A-Za-z0-9][\w.-]*)=(.+)", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)
_LINKS = ("hub:", "http://", "https://")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle to serve, read but not loaded.

    Attributes:
        name: what callers call it.
        folder: where it lies.
        meta: what it says of itself.
        runtime: what is to compute it; see `Tagger.load`.
        precision: see `Tagger.load`.
        types: the types of its entities.
    """

    name: str
    folder: Path
    meta: BundleMeta
    runtime: str = "auto"
    precision: str = "auto"
    types: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Note the types."""
        object.__setattr__(self, "types", frozenset(self.meta.label_map.types))

    @classmethod
    def read(cls, spec: str | Path, runtime: str = "auto", precision: str = "auto") -> Bundle:
        """Read what a folder says of itself; the weights are not loaded.

        Args:
            spec: the folder, or `NAME=FOLDER`; the name is the folder's own when none is given.
            runtime: see `Tagger.load`.
            precision: see `Tagger.load`.

        Raises:
            InputError: the folder is no bundle, the name, the runtime or the precision is none, or the bundle was not
                made for them.
        """
        _check_known("runtime", runtime, RUNTIMES)
        _check_known("precision", precision, PRECISIONS)
        named = _NAMED.fullmatch(str(spec)) if not Path(spec).exists() else None
        folder = Path(named[2]) if named else Path(spec)
        meta = read_meta(folder)
        check_suits(folder, meta, runtime, precision)
        name = named[1] if named else folder.resolve().name
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{name!r} is no name for a model",
                where=str(folder),
                mend="name it as NAME=FOLDER, with letters, digits, dots and dashes, 64 at most",
            )
        return cls(name, folder, meta, runtime, precision)

    def load(self) -> Tagger:
        """Load the weights; see `Tagger.load` for what may be wrong."""
        return Tagger.load(self.folder, self.runtime, self.precision, meta=self.meta)


def _check_known(what: str, name: str, known: Sequence[str]) -> None:
    if name not in ("auto", *known):
        raise InputError(f"there is no {what} {name!r}", mend=f"name one of auto, {', '.join(known)}")


def read_bundles(
    specs: Iterable[str | Path | Bundle], runtime: str = "auto", precision: str = "auto"
) -> list[Bundle]:
    """Read several bundles, the first of which is the one asked by default; see `Bundle.read`.

    Raises:
        InputError: there is none, or two have one name.
    """
    bundles = [spec if isinstance(spec, Bundle) else Bundle.read(spec, runtime, precision) for spec in specs]
    if not bundles:
        raise InputError("there is no bundle to serve", mend="name the folder of at least one")
    seen: dict[str, Bundle] = {}
    for bundle in bundles:
        if other := seen.get(bundle.name):
            raise InputError(
                f"two bundles are called {bundle.name!r}: {other.folder} and {bundle.folder}",
                mend="name one of them as NAME=FOLDER",
            )
        seen[bundle.name] = bundle
    return bundles


def describe_model(bundle: Bundle, tagger: Tagger | None, *, default: bool) -> dict[str, Any]:
    """Return what `GET /v1/models` says of a model.

    Args:
        bundle: the model's.
        tagger: what answers; None while it loads, so that precision and device are not known yet.
        default: whether it is asked when none is named.
    """
    meta = bundle.meta
    runtime = bundle.runtime if bundle.runtime != "auto" else held_for(bundle.folder, meta)
    made = {key: value for key, value in meta.made.items() if key != "scores"}
    return {
        "name": bundle.name,
        "default": default,
        "ready": tagger is not None,
        "types": list(meta.label_map.types),
        "scheme": str(meta.scheme.value),
        "splitter": meta.splitter,
        "max_pieces": meta.max_pieces,
        "on_overflow": meta.on_overflow,
        "runtime": tagger.runtime.name if tagger else runtime,
        "precision": tagger.runtime.precision if tagger else None,
        "device": tagger.runtime.device if tagger else None,
        "calibrated": meta.calibrated,
        "scores": without_paths(meta.made.get("scores") or {}),
        "made": without_paths(made),
        "export": without_paths(meta.export),
    }


def without_paths(value: Any) -> Any:
    """Return plain values in which of every path only the last name is left: callers need not know this machine."""
    if isinstance(value, dict):
        return {str(key): without_paths(each) for key, each in value.items() if key != "notices"}
    if isinstance(value, list):
        return [without_paths(each) for each in value]
    if isinstance(value, str) and not value.startswith(_LINKS):
        return re.split(r"[/\\]", value.rstrip("/\\"))[-1]
    return value
