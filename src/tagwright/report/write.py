"""`tagwright report`: tag a split, find out where the tagger fails, look at the data, and write it all down."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagwright.config import DataSettings
from tagwright.data.corpus import Corpus
from tagwright.errors import InputError, RunError, require
from tagwright.inspect.summary import inspect_data
from tagwright.model.bundle import BundleMeta
from tagwright.predict.tagger import Tagger
from tagwright.score.analysis import analyse
from tagwright.score.compare import compare
from tagwright.score.systems import name_systems
from tagwright.score.tagged import tag_split
from tagwright.score.validation import hold_out_again, read_again

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["FORMATS", "build_context", "report"]

FORMATS = {".html": "html", ".htm": "html", ".md": "markdown", ".txt": "text", ".json": "json"}
"""The formats of a report by the ending of its file."""


def report(
    bundle: str | Path | Tagger,
    data: str | Path | DatasetDict | Corpus | None = None,
    *,
    against: str | Path | Tagger | None = None,
    split: str | None = None,
    out: str | Path | None = None,
    to: str | None = None,
    precision: str = "auto",
    settings: DataSettings | None = None,
) -> Path | str:
    """Report on a tagger: its scores, where it fails, whether its scores can be believed, and the data.

    Args:
        bundle: a bundle's folder, or a `Tagger`.
        data: labelled data, as for `load_data`; None takes the data that the bundle says it was trained on.
        against: another tagger to compare with, on the same split.
        split: which split to score on; None is test, or validation where there is no test.
        out: the file to write; an earlier one is replaced. None returns the text.
        to: `html`, `markdown`, `text` or `json`; None goes by the ending of `out`, html without one.
        precision: precision of the matrix products, as for `Tagger.load`.
        settings: how the data is read; where `data` is None, what is not set is as it was in training.

    Returns:
        The file, or the report's text.

    Raises:
        InputError: the bundle or the data is wrong or gone, or the format is unknown.
        MissingExtraError: html needs packages that are not installed.
        RunError: the file cannot be written.
    """
    path = None if out is None else Path(out)
    if path is not None:
        check_file(path)
    chosen = check_format(path, to)
    context = build_context(
        bundle, data, against=against, split=split, precision=precision, settings=settings
    )
    text = render_as(chosen, context)
    if path is None:
        return text
    write_text(path, text)
    return path


def check_format(out: Path | None, to: str | None = None) -> str:
    """Return the format of a report: as named, or by its file's ending.

    Raises:
        InputError: there is no such format; MissingExtraError where what it needs is not installed.
    """
    if to is None:
        to = "html" if out is None else FORMATS.get(out.suffix.lower(), "")
        if not to:
            raise InputError(
                f"the ending {out.suffix!r} names no format"
                if out and out.suffix
                else "the file has no ending",
                where=str(out),
                mend=f"end it in {', '.join(FORMATS)}, or name a format with --to",
            )
    if to not in FORMATS.values():
        known = ", ".join(dict.fromkeys(FORMATS.values()))
        raise InputError(f"there is no format {to!r}", mend=f"name one of {known}")
    if to == "html":  # before the work, not after it
        require("jinja2", "report")
        require("matplotlib", "report")
    return to


def check_file(path: Path) -> None:
    """Refuse a file that cannot be written, before any work is done.

    Raises:
        InputError: it is a folder, or its folder is not there.
    """
    if path.is_dir() or not path.parent.is_dir():
        what = "a folder stands there" if path.is_dir() else "there is no such folder to write to"
        raise InputError(what, where=str(path), mend="name a file with --out")


def build_context(
    bundle: str | Path | Tagger,
    data: str | Path | DatasetDict | Corpus | None = None,
    *,
    against: str | Path | Tagger | None = None,
    split: str | None = None,
    precision: str = "auto",
    settings: DataSettings | None = None,
) -> dict[str, Any]:
    """Gather everything that a report shows, as plain JSON values; the arguments are those of `report`."""
    import tagwright

    tagger = bundle if isinstance(bundle, Tagger) else Tagger.load(bundle, precision=precision)
    meta = tagger.meta
    made: Mapping[str, Any] = meta.made or {}
    notices: list[str] = []
    corpus, told = read_again(meta, data, settings=settings)
    notices += told
    corpus, split = _choose_split(corpus, split, meta, notices)
    tagged = tag_split(tagger, corpus, split=split)
    comparison = None
    if against is not None:
        names = name_systems([against, bundle])
        found = compare(against, tagger, data=corpus, split=split, names=names, precision=precision)
        comparison = found.to_dict()
        notices += [notice for notice in found.notices if notice not in tagged.notices]
    return {
        "title": "tagger" if isinstance(bundle, Tagger) else Path(bundle).resolve().name,
        "version": tagwright.__version__,
        "analysis": analyse(tagged, corpus).to_dict(),
        "bundle": {
            "scheme": meta.scheme.value,
            "types": list(tagger.labels.types),
            "splitter": meta.splitter,
            "pieces in a window": meta.max_pieces,
            "only valid tags": meta.valid_tags,
            "runtime": tagger.runtime.name,
            "precision": tagger.runtime.precision,
        },
        "made": dict(made),
        "data": inspect_data(corpus).to_dict(),
        "comparison": comparison,
        "notices": notices,
    }


def render_as(to: str, context: Mapping[str, Any]) -> str:
    """Write a context in one of the formats."""
    if to == "json":
        return json.dumps(context, ensure_ascii=False) + "\n"
    if to == "markdown":
        from tagwright.report.markdown import to_markdown

        return to_markdown(context)
    if to == "text":
        from tagwright.report.overview import to_text

        return to_text(context)
    from tagwright.report.html import render

    return render(context)


def write_text(path: Path, text: str) -> None:
    """Write a file beside its place and move it there when it is whole.

    Raises:
        RunError: it cannot be written.
    """
    special = path.exists() and not path.is_file()  # /dev/stdout, a named pipe
    part = path if special else path.resolve().with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        if not special:
            os.replace(part, path.resolve())
    except OSError as error:
        if not special:
            part.unlink(missing_ok=True)
        raise RunError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def _choose_split(
    corpus: Corpus, split: str | None, meta: BundleMeta, notices: list[str]
) -> tuple[Corpus, str]:
    """Return the split to score on; where training held out a validation split, the same one is held out again."""
    wanted = split or ("test" if "test" in corpus.splits else "validation")
    if wanted == "validation":
        corpus = hold_out_again(meta, corpus)
        if split is None:
            notices.append(
                "the data has no test split: these are scores on validation, which chose the weights"
            )
    return corpus, wanted
