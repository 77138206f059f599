"""Records (of a JSON line, of a table) to rows: words with tags, or text with character spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tagwright.config import DataSettings
from tagwright.data.annotations.spans import fit_spans, parse_spans
from tagwright.data.offsets import SplitText, split_plain
from tagwright.data.rows import Rows
from tagwright.errors import InputError

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["rows_of_dataset", "rows_of_records"]

TOKENS = ("tokens", "words")
TAGS = ("ner_tags", "tags", "labels", "ner", "ner_labels")
SPANS = ("spans", "entities", "label", "labels")
IDS = ("id", "sent_id", "sentence_id")
DOCUMENTS = ("document", "document_id", "doc_id")
PLACES = ("text", "starts", "ends")


def rows_of_records(
    records: Iterable[tuple[int, Mapping[str, Any]]],
    source: str,
    *,
    settings: DataSettings,
    split: SplitText | None = None,
    names: Sequence[str] | None = None,
) -> Rows:
    """Read records.

    A record has words and tags (`tokens` and `ner_tags`; tags are names, or numbers where `names` are known)
    or text and character spans (`text` and `spans`). Words may carry their `text`, `starts` and `ends`.

    Args:
        records: each record with its line or row, counted from 1.
        source: the file, for messages.
        settings: what to do with misfits and overlaps.
        split: cuts text into words; None takes `split_plain`.
        names: the tags that numbers stand for.

    Raises:
        InputError: a record of another shape, a bad span, or, where the settings say `error`, misfits or
            overlaps.
    """
    reader = _Reader(Rows(source, declared=list(names or ())), settings, split or split_plain, names)
    for line, record in records:
        reader.add(line, record)
    return reader.finish()


def rows_of_dataset(
    dataset: Dataset, source: str, *, settings: DataSettings, split: SplitText | None = None
) -> Rows:
    """Read a `datasets.Dataset`; class labels give numbers their names. See `rows_of_records`."""
    column = next((name for name in TAGS if name in dataset.column_names), None)
    names = _class_names(dataset.features[column]) if column else None
    wanted = {*TOKENS, *TAGS, *SPANS, *IDS, *DOCUMENTS, *PLACES}
    known = [name for name in dataset.column_names if name in wanted]
    if not known:
        raise InputError(
            f"neither words with tags nor text with spans: the columns are {', '.join(dataset.column_names)}",
            where=source,
            mend='give "tokens" and "tags", or "text" and "spans"',
        )
    kept = dataset.with_format(None).select_columns(known)
    return rows_of_records(_records(kept), source, settings=settings, split=split, names=names)


def _records(dataset: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    line = 0
    for batch in dataset.iter(batch_size=1000):
        columns = list(batch)
        for values in zip(*batch.values(), strict=True):
            line += 1
            yield line, dict(zip(columns, values, strict=True))


def _class_names(feature: Any) -> Sequence[str] | None:
    inner = getattr(feature, "feature", feature)
    inner = inner[0] if isinstance(inner, list) and inner else inner
    return getattr(inner, "names", None)


class _Reader:
    """Turns one record after another into rows and keeps count of what was lost."""

    def __init__(
        self, rows: Rows, settings: DataSettings, split: SplitText, names: Sequence[str] | None
    ) -> None:
        self.rows = rows
        self.settings = settings
        self.split = split
        self.names = names
        self.empty = 0
        self.doubles = 0
        self.overlaps: list[str] = []

    def add(self, line: int, record: Mapping[str, Any]) -> None:
        """Read one record."""
        where = f"{self.rows.source}:{line}"
        if not isinstance(record, Mapping):
            raise InputError("the line is not a JSON object", where=where)
        words = next((record[name] for name in TOKENS if _is_words(record.get(name))), None)
        tags = next((record[name] for name in TAGS if record.get(name) is not None), None)
        spans = next((record[name] for name in SPANS if record.get(name) is not None), None)
        text = record.get("text")
        if words is not None and tags is not None:
            text, starts, ends = self._placed(record, words, where)
            tags = self._tag_names(tags, len(words), where)
        elif isinstance(text, str) and spans is not None:
            words, starts, ends = self.split(text)
            tags = self._fit(text, starts, ends, spans, where)
        else:
            _check_words(record, where)
            raise InputError(
                f"neither words with tags nor text with spans: the keys are {', '.join(map(str, record))}",
                where=where,
                mend='give "tokens" and "tags", or "text" and "spans"',
            )
        _check_characters([*words, *tags, text or ""], where)
        if not words:
            self.empty += 1
            return
        self._append(line, words, tags, text, starts, ends, record)

    def _append(
        self,
        line: int,
        words: Sequence[str],
        tags: Sequence[str],
        text: str | None,
        starts: Sequence[int],
        ends: Sequence[int],
        record: Mapping[str, Any],
    ) -> None:
        rows = self.rows
        if not len(rows) and text is not None:
            rows.texts = []
        if (text is None) != (rows.texts is None):
            raise InputError(
                f"this row has {'no' if text is None else 'a'} text with its words, unlike those before it",
                where=f"{rows.source}:{line}",
                mend="put the two kinds in files of their own",
            )
        if rows.texts is not None:
            rows.texts.append(str(text))
            rows.starts += starts
            rows.ends += ends
        rows.words += words
        rows.tags += tags
        rows.lengths.append(len(words))
        rows.lines.append(line)
        rows.ids.append(_name(record, IDS))
        rows.documents.append(_name(record, DOCUMENTS))

    def _placed(
        self, record: Mapping[str, Any], words: Sequence[str], where: str
    ) -> tuple[str | None, Sequence[int], Sequence[int]]:
        """Return text, starts and ends of a record that has its words already, or None without them."""
        text, starts, ends = (record.get(name) for name in PLACES)
        if not isinstance(text, str) or starts is None or ends is None:
            return None, (), ()
        if not len(starts) == len(ends) == len(words) or any(
            text[start:end] != word for start, end, word in zip(starts, ends, words, strict=True)
        ):
            raise InputError("starts and ends do not give the words back from the text", where=where)
        return text, starts, ends

    def _tag_names(self, tags: Any, size: int, where: str) -> list[str]:
        if not isinstance(tags, Sequence) or isinstance(tags, str):
            raise InputError("the tags are not a list", where=where)
        if len(tags) != size:
            raise InputError(f"{size} words, but {len(tags)} tags", where=where)
        if all(isinstance(tag, str) and tag for tag in tags):
            return list(tags)
        wrong = next(tag for tag in tags if not (isinstance(tag, str) and tag))
        if type(wrong) is not int:
            raise InputError(f"the tag {wrong!r} is neither a name nor a number", where=where)
        if self.names is None:
            raise InputError(
                f"the tag {wrong} is a number, and nothing says what it stands for",
                where=where,
                mend="write tags by name, or put their names, one a line, in labels.txt beside the file",
            )
        if bad := [tag for tag in tags if type(tag) is not int or not 0 <= tag < len(self.names)]:
            raise InputError(f"the tag {bad[0]!r} is not one of the {len(self.names)} labels", where=where)
        return [self.names[tag] for tag in tags]

    def _fit(
        self, text: str, starts: Sequence[int], ends: Sequence[int], spans: Any, where: str
    ) -> list[str]:
        fitted = fit_spans(
            text,
            starts,
            ends,
            parse_spans(spans, where),
            misfits=self.settings.misfits,
            overlaps=self.settings.overlaps,
            where=where,
        )
        self.rows.misfits += fitted.misfits
        self.overlaps += fitted.overlaps
        self.doubles += fitted.doubles
        return fitted.tags

    def finish(self) -> Rows:
        """Raise or tell what was counted."""
        rows, settings = self.rows, self.settings
        if rows.misfits and settings.misfits == "error":
            raise InputError(
                f"{_count(rows.misfits, 'span')} off word borders: {_list(rows.misfits)}",
                mend="--misfits=snap widens such spans to the words, --misfits=drop leaves them out",
            )
        if self.overlaps and settings.overlaps == "error":
            raise InputError(
                f"{_count(self.overlaps, 'overlapping span')}: {_list(self.overlaps)}",
                mend="--overlaps=longest or --overlaps=first keeps one of them",
            )
        if self.overlaps:
            rows.notices.append(
                f"{_count(self.overlaps, 'overlapping span')} dropped ({settings.overlaps} kept):"
                f" {_list(self.overlaps)}"
            )
        if self.doubles:
            rows.notices.append(
                f"{rows.source}: {_count(range(self.doubles), 'span')} given twice, kept once"
            )
        if self.empty:
            rows.notices.append(f"{rows.source}: {_count(range(self.empty), 'row')} without a word left out")
        return rows


def _check_words(record: Mapping[str, Any], where: str) -> None:
    """Refuse what stands where words should and is no list of them."""
    for name in TOKENS:
        value = record.get(name)
        if value is None or _is_words(value):
            continue
        several = isinstance(value, Sequence) and not isinstance(value, str)
        wrong = next(word for word in value if not isinstance(word, str)) if several else value
        what = f"holds {repr(wrong)[:40]}, which is no string" if several else "is no list"
        raise InputError(
            f"{name!r} {what}", where=where, mend=f'write it as a list of strings: "{name}": ["Ana", "left"]'
        )


def _is_words(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(isinstance(word, str) for word in value)
    )


def _name(record: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    value = next((record[key] for key in keys if record.get(key) is not None), None)
    return None if value is None or value == "" else str(value)


def _check_characters(texts: Iterable[str], where: str) -> None:
    """Refuse halves of surrogate pairs, which JSON can spell and no text file can hold."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"half a surrogate pair, U+{ord(error.object[error.start]):04X}, is not a character",
            where=where,
            mend="mend the escape in the file",
        ) from None


def _count(items: Sequence[Any], noun: str) -> str:
    return f"1 {noun}" if len(items) == 1 else f"{len(items):,} {noun}s"


def _list(items: Sequence[Any], shown: int = 5) -> str:
    rest = f"; and {len(items) - shown:,} more" if len(items) > shown else ""
    return "; ".join(map(str, items[:shown])) + rest
