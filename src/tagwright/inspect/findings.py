"""Everything that was found, in short: what it is, how often, what it means; what matters most first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tagwright.inspect.characters import show_unseen

__all__ = ["CHECKS", "Finding", "list_findings"]

CHECKS = (
    "invalid tags", "shared sentences", "conflicting duplicates", "label errors", "near-duplicates",
    "inconsistent forms", "unbalanced spans", "odd characters", "missing types", "unseen words", "duplicates",
    "long sentences", "rare types",
)  # fmt: skip
"""The checks, in the order in which they matter."""

_EXAMPLES = 5
_ODD = {
    "mixed scripts": "they look like other words",
    "bidi": "they turn the text around them",
    "zero width": "nobody sees them",
    "soft hyphen": "nobody sees them",
    "control": "probably left over from a conversion",
    "blank": "the word may be two",
    "broken": "the text was decoded wrongly or cut",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: which, of `CHECKS`.
        count: how many cases.
        what: what they are, to be read after the count.
        meaning: what that does, or what to do about it, in half a sentence.
        examples: the worst few: `where` is the place (empty where the case has none) and `text` says what is there.
    """

    check: str
    count: int
    what: str
    meaning: str
    examples: tuple[Mapping[str, str], ...]


def list_findings(summary: Mapping[str, Any]) -> tuple[Finding, ...]:
    """List what was found, without the checks that found nothing.

    Args:
        summary: the other fields of `DataSummary`, as plain values.
    """
    found = [finding for describe in _DESCRIBED for finding in describe(summary) if finding.count]
    return tuple(sorted(found, key=lambda finding: CHECKS.index(finding.check)))


def _few(cases: Iterable[tuple[str, str]]) -> tuple[Mapping[str, str], ...]:
    return tuple(
        {"where": where, "text": text} for (where, text), _ in zip(cases, range(_EXAMPLES), strict=False)
    )


def _types(found: Iterable[str]) -> tuple[Mapping[str, str], ...]:
    listed = " · ".join(found)
    return ({"where": "", "text": listed},) if listed else ()


def _count(number: int, singular: str, plural: str) -> str:
    return singular if number == 1 else plural


def _invalid_tags(summary: Mapping[str, Any]) -> Iterator[Finding]:
    found = summary["invalid_tags"]
    yield Finding(
        "invalid tags",
        len(found),
        _count(len(found), "tag breaks", "tags break") + f" the scheme {summary['scheme']}",
        "scores differ by the reading; --repair mends",
        _few((tag["where"], f"{tag['tag']} in {tag['context']}") for tag in found),
    )


def _shared_sentences(summary: Mapping[str, Any]) -> Iterator[Finding]:
    for shared in summary["duplicates_across"]:
        split, of = shared["split"], shared["of"]
        groups = [group for group in summary["duplicate_groups"] if {split, of} <= set(group["splits"])]
        tagged = f", {shared['conflicting']:,} of them tagged differently" if shared["conflicting"] else ""
        number = shared["sentences"]
        yield Finding(
            "shared sentences",
            number,
            _count(number, "sentence", "sentences") + f" of {split} in {of} as well{tagged}",
            f"{split} does not measure what is new",
            _few((_where(group["places"], split), group["text"]) for group in groups),
        )


def _duplicates(summary: Mapping[str, Any]) -> Iterator[Finding]:
    for split, counts in summary["duplicates"].items():
        groups = [group for group in summary["duplicate_groups"] if group["splits"].get(split, 0) > 1]
        number = counts["conflicting"]
        yield Finding(
            "conflicting duplicates",
            number,
            _count(number, "sentence", "sentences") + f" of {split}, copies tagged differently",
            "one tagging is wrong",
            _few(
                (_where(group["places"], split), _differing(group["differences"]))
                for group in groups
                if group["conflicting"]
            ),
        )
        number = counts["copies"]
        yield Finding(
            "duplicates",
            number,
            _count(number, "surplus copy", "surplus copies")
            + f" in {split}, of {counts['groups']:,} "
            + _count(counts["groups"], "sentence", "sentences"),
            "they weigh more in " + ("training" if split == "train" else "the score"),
            _few(
                (_where(group["places"], split), f"{group['splits'][split]} x {group['text']}")
                for group in groups
            ),
        )


def _differing(differences: Sequence[Mapping[str, Any]]) -> str:
    shown = [
        f"{one['word']} " + " or ".join(f"{tag} ({count:,})" for tag, count in one["tags"].items())
        for one in differences
    ]
    return "; ".join(shown)


def _label_errors(summary: Mapping[str, Any]) -> Iterator[Finding]:
    for split, errors in (summary["label_errors"] or {}).items():
        number = errors["found"]
        yield Finding(
            "label errors",
            number,
            _count(number, "label", "labels") + f" of {split} that a tagger reads otherwise",
            "likeliest errors first",
            _few((item["where"], f"{item['suggestion']} in {item['context']}") for item in errors["items"]),
        )


def _near_duplicates(summary: Mapping[str, Any]) -> Iterator[Finding]:
    pairs: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for pair in summary["near_duplicates"]:
        pairs.setdefault((pair["split"], pair["of"]["split"]), []).append(pair)
    for (split, of), found in pairs.items():
        yield Finding(
            "near-duplicates",
            len(found),
            _count(len(found), "sentence", "sentences") + f" of {split} that are nearly one of {of}",
            f"{split} is easier than new text",
            _few(
                (
                    f"{pair['where']} ≈ {pair['of']['where']}",
                    f"{pair['text']} ≈ {pair['of']['text']} ({pair['similarity']:.2f})",
                )
                for pair in found
            ),
        )


def _inconsistent_forms(summary: Mapping[str, Any]) -> Iterator[Finding]:
    found = summary["inconsistent_forms"]
    yield Finding(
        "inconsistent forms",
        len(found),
        _count(len(found), "form", "forms") + " labelled in several ways",
        "ambiguous or mistaken; oddest first",
        _few(
            (
                form["places"][0]["where"],
                f"{form['form']}: "
                + ", ".join(f"{kind} {count:,}" for kind, count in form["counts"].items()),
            )
            for form in found
        ),
    )


def _unbalanced_spans(summary: Mapping[str, Any]) -> Iterator[Finding]:
    found = summary["unbalanced_spans"]
    yield Finding(
        "unbalanced spans",
        len(found),
        _count(len(found), "span with", "spans with") + " half a pair of quotes or brackets",
        "check the border",
        _few((span["where"], f"{span['type']} in {span['context']}") for span in found),
    )


def _odd_characters(summary: Mapping[str, Any]) -> Iterator[Finding]:
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for word in summary["odd_words"]:
        by_kind.setdefault(word["kinds"][0], []).append(word)
    for kind, words in by_kind.items():
        total = sum(word["count"] for word in words)
        yield Finding(
            "odd characters",
            total,
            _count(total, "word with", "words with") + f" odd characters ({kind})",
            _ODD[kind],
            _few((word["places"][0]["where"], f"{word['shown']} ({word['count']:,})") for word in words),
        )


def _missing_types(summary: Mapping[str, Any]) -> Iterator[Finding]:
    for split in summary["splits"]:
        found = [one for one in summary["missing_types"] if one["split"] == split]
        yield Finding(
            "missing types",
            len(found),
            _count(len(found), "type", "types") + f" without a mention in {split}",
            "never learned" if split == "train" else f"{split} says nothing of them",
            _types(f"{one['type']} ({one['elsewhere']:,} elsewhere)" for one in found),
        )


def _rare_types(summary: Mapping[str, Any]) -> Iterator[Finding]:
    for split in summary["splits"]:
        found = [one for one in summary["rare_types"] if one["split"] == split]
        yield Finding(
            "rare types",
            len(found),
            _count(len(found), "type", "types") + f" with fewer than 20 mentions in {split}",
            "too few to learn from" if split == "train" else "their scores are mostly chance",
            _types(f"{one['type']} {one['mentions']:,}" for one in found),
        )


def _unseen_words(summary: Mapping[str, Any]) -> Iterator[Finding]:
    for kind, what in (("none", "without a piece"), ("unknown", "unknown to the encoder")):
        words = [word for word in summary["unseen_words"] if word["pieces"] == kind]
        total = sum(word["count"] for word in words)
        yield Finding(
            "unseen words",
            total,
            _count(total, "word", "words") + f" {what} ({len(words):,} different)",
            "tagged by neighbours alone",
            _few(
                (word["places"][0]["where"], f"{show_unseen(word['word'])} ({word['count']:,})")
                for word in words
            ),
        )


def _long_sentences(summary: Mapping[str, Any]) -> Iterator[Finding]:
    found = summary["long_sentences"]
    yield Finding(
        "long sentences",
        len(found),
        _count(len(found), "sentence", "sentences") + f" of more than {summary['max_pieces']} pieces",
        "cut into overlapping windows; no word is lost",
        _few((one["where"], f"{one['pieces']:,} pieces: {one['text']} …") for one in found),
    )


def _where(places: Sequence[Mapping[str, str]], split: str) -> str:
    """Return the first place in a split, and the line of the second where there is one."""
    own = [place["where"] for place in places if place["split"] == split]
    if not own:
        return places[0]["where"]
    return own[0] if len(own) == 1 else f"{own[0]}, {own[1].rpartition(':')[2]}"


_DESCRIBED = (
    _invalid_tags, _shared_sentences, _duplicates, _label_errors, _near_duplicates, _inconsistent_forms,
    _unbalanced_spans, _odd_characters, _missing_types, _rare_types, _unseen_words, _long_sentences,
)  # fmt: skip
