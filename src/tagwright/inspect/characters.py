"""Words with characters that nobody sees, or that pass for others."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import numpy as np
import regex  # type: ignore[import-untyped]  # it ships no types

from tagwright.inspect.part import KEPT_PLACES, Part

__all__ = ["KINDS", "OddWord", "find_odd_words", "mixed_scripts", "odd_characters", "show_unseen"]

KINDS = {
    "mixed scripts": "letters of scripts that do not go together, such as a Cyrillic а in a Latin word",
    "bidi": "controls of the writing direction",
    "zero width": "characters without a width",
    "soft hyphen": "a hyphen that is seen only where a line breaks",
    "control": "control characters",
    "blank": "a blank other than the usual one, such as a non-breaking space",
    "broken": "U+FFFD, half of a surrogate pair, and code points that stand for no character",
}
"""The kinds of odd characters, those that do most harm first."""

_BIDI = regex.compile(r"[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]")
_SOFT_HYPHEN = "\u00ad"
# Where a joiner belongs: between pictures, between letters of scripts that join, before the last vowel of a
# Mongolian word; tags after a black flag.
_JOINED = regex.compile(
    r"(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F])\u200D(?=\p{Extended_Pictographic})"
    r"|(?<=[\p{L}\p{M}--[\p{Latin}\p{Greek}\p{Cyrillic}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Inherited}]])"
    r"[\u200C\u200D]"
    r"|(?<=\p{Mongolian})\u180E(?=\p{Mongolian})"
    r"|(?<=\U0001F3F4[\U000E0020-\U000E007F]*)[\U000E0020-\U000E007F]",
    regex.VERSION1,
)
_INVISIBLE = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
_ODD_CATEGORIES = {"Cf": "zero width", "Cc": "control", "Zs": "blank", "Zl": "blank", "Zp": "blank"}
_BROKEN = {"Cn", "Cs", "Co"}

_SCRIPTS = (
    "Latin", "Cyrillic", "Greek", "Common", "Inherited", "Han", "Hiragana", "Katakana", "Hangul", "Bopomofo",
    "Arabic", "Hebrew", "Thai", "Devanagari", "Armenian", "Georgian", "Cherokee", "Bengali", "Gurmukhi",
    "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Lao", "Tibetan", "Myanmar",
    "Ethiopic", "Khmer", "Mongolian", "Syriac", "Thaana", "Coptic", "Lisu", "Deseret", "Tifinagh",
)  # fmt: skip
_SCRIPT = {name: regex.compile(rf"\p{{Script={name}}}") for name in _SCRIPTS}
_EAST = {"Han", "Hiragana", "Katakana", "Hangul", "Bopomofo"}
_TOGETHER = (
    {"Latin", "Han", "Hiragana", "Katakana"},
    {"Latin", "Han", "Bopomofo"},
    {"Latin", "Han", "Hangul"},
)
_APART = {"Greek", "Cyrillic", "Armenian", "Cherokee", "Coptic", "Lisu", "Deseret", "Tifinagh"}
# Greek letters that look like Latin ones. The others are symbols where they stand in a Latin word: TNFα, kΩ, μm.
_GREEK_LOOKALIKES = frozenset("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονρυικ")


@dataclass(frozen=True, slots=True)
class OddWord:
    """A word with odd characters.

    Attributes:
        word: the word.
        shown: the word with the code points of its odd characters in brackets.
        kinds: what is odd about it, of `KINDS`.
        characters: the odd characters: code point and name.
        count: how often it occurs.
        labelled: how many of these occurrences carry a tag other than O.
        places: `split` and `where` of the first of them.
    """

    word: str
    shown: str
    kinds: tuple[str, ...]
    characters: tuple[str, ...]
    count: int
    labelled: int
    places: tuple[Mapping[str, str], ...]


def find_odd_words(parts: Sequence[Part]) -> tuple[OddWord, ...]:
    """Find words with odd characters, in every split.

    Returns:
        One for each distinct word: by kind in the order of `KINDS`, then those in labelled spans, then the most
        frequent.
    """
    odd: dict[int, tuple[str, dict[int, str]]] = {}
    seen: set[int] = set()
    for part in parts:
        for word, number in zip(part.words, part.word_ids.tolist(), strict=True):
            if number not in seen:
                seen.add(number)
                if not (word.isascii() and word.isprintable()) and (found := odd_characters(word)):
                    odd[number] = word, found
    if not odd:
        return ()
    counts: dict[int, list[int]] = {number: [0, 0] for number in odd}
    places: dict[int, list[Mapping[str, str]]] = {number: [] for number in odd}
    numbers = np.array(list(odd))
    for part in parts:
        for at in np.flatnonzero(np.isin(part.word_ids, numbers)).tolist():
            number = int(part.word_ids[at])
            counts[number][0] += 1
            counts[number][1] += int(part.labelled[at])
            if len(places[number]) < KEPT_PLACES:
                places[number].append({"split": part.name, "where": part.place_of_word(at)})
    ranks = list(KINDS)
    words = [
        OddWord(
            word=word,
            shown=show_unseen(word, found),
            kinds=tuple(sorted(set(found.values()), key=ranks.index)),
            characters=tuple(dict.fromkeys(_describe(word[at]) for at in sorted(found))),
            count=counts[number][0],
            labelled=counts[number][1],
            places=tuple(places[number]),
        )
        for number, (word, found) in odd.items()
    ]
    words.sort(key=lambda word: (ranks.index(word.kinds[0]), -word.labelled, -word.count, word.word))
    return tuple(words)


def odd_characters(word: str) -> dict[int, str]:
    r"""Return the places of a word's odd characters, each with its kind.

    Joiners where they belong are not odd: between the pictures of an emoji, after letters of the scripts that
    join (Persian, the scripts of India); nor are variation selectors after a character. A word of which nothing at all
    can be seen is odd throughout.

    >>> odd_characters("Par\u200bis"), odd_characters("P\u0430ris"), odd_characters("Tシャツ")
    ({3: 'zero width'}, {1: 'mixed scripts'}, {})
    """
    found = dict.fromkeys(mixed_scripts(word), "mixed scripts")
    allowed = {match.start() for match in _JOINED.finditer(word)}
    for at, character in enumerate(word):
        if character.isalnum() or (character.isascii() and character.isprintable()):
            continue
        category = unicodedata.category(character)
        if _BIDI.match(character):
            found[at] = "bidi"
        elif character == _SOFT_HYPHEN:
            found[at] = "soft hyphen"
        elif category in _BROKEN or character == "\ufffd":
            found[at] = "broken"
        elif category in _ODD_CATEGORIES and at not in allowed:
            found[at] = _ODD_CATEGORIES[category]
    if not found and _INVISIBLE.fullmatch(word):
        found = dict.fromkeys(range(len(word)), "zero width")
    return found


def mixed_scripts(word: str) -> list[int]:
    """Return the places of the letters whose script does not belong in their run of letters.

    A run of letters and marks is odd when its scripts go beyond what UTS #39 (Unicode security mechanisms, 5.2)
    calls moderately restrictive: one script; Latin with Han and the kana, with Han and Bopomofo, or with Han and
    Hangul; or Latin with one other script that holds no lookalikes of Latin letters. Characters that all scripts
    share do not count, nor do Greek letters with a shape of their own beside Latin ones, which are symbols in
    scientific words. The letters of the rarer scripts of the run are the ones that do not belong; of two scripts
    with as many letters, Latin stays.
    """
    if word.isascii():
        return []
    odd: list[int] = []
    scripts = list(enumerate(map(_script_of, word)))
    for is_run, run in groupby(scripts, key=lambda item: item[1] is not None):
        if is_run:
            odd += _strangers(word, [(at, script) for at, script in run if script and script != "Common"])
    return odd


def _strangers(word: str, run: list[tuple[int, str]]) -> Iterable[int]:
    if any(script == "Latin" for _, script in run):
        run = [(at, script) for at, script in run if script != "Greek" or word[at] in _GREEK_LOOKALIKES]
    counts = Counter(script for _, script in run)
    kinds = set(counts)
    if len(kinds) < 2 or any(kinds <= allowed for allowed in _TOGETHER):
        return []
    if len(kinds) == 2 and "Latin" in kinds and not kinds & _APART:
        return []
    home = max(counts, key=lambda script: (counts[script], script == "Latin", script))
    allies = next((allowed for allowed in _TOGETHER if home in allowed), {home})
    if home == "Latin" and not kinds & _EAST:
        allies = {home}
    return (at for at, script in run if script not in allies)


@lru_cache(maxsize=1 << 16)
def _script_of(character: str) -> str | None:
    """Return the script of a letter or mark, `Common` where it has none of its own; None for anything else."""
    if unicodedata.category(character)[0] not in "LM":
        return None
    for name, pattern in _SCRIPT.items():
        if pattern.match(character):
            return "Common" if name == "Inherited" else name
    return "Common"


def show_unseen(word: str, odd: Container[int] = ()) -> str:
    r"""Return a word with the code points of what cannot be seen in it, and of other odd characters, in brackets.

    Args:
        word: the word.
        odd: the places of odd characters.

    >>> show_unseen("Par\u200bis"), show_unseen("P\u0430ris", {1})
    ('Par[U+200B]is', 'Pа[U+0430]ris')
    """
    return "".join(_show(character, at in odd) for at, character in enumerate(word))


def _show(character: str, odd: bool) -> str:
    code = f"[U+{ord(character):04X}]"
    if _INVISIBLE.match(character) or not character.isprintable():
        return code
    return character + code if odd else character


def _describe(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()
