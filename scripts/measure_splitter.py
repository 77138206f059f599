"""Measure how many word borders of a labelled corpus a splitter recovers.

    python scripts/measure_splitter.py ../shared/data/wnut17 --split validation test

Two texts are made from the words of each sentence: `joined`, the words with single blanks between them, where a border
can only be lost by a wrong merge and precision falls with every word that is cut too often; and `running`, which is
harder: as people write, without blanks before punctuation, clitics and closing brackets and quotes, and behind opening
ones. A border is a place between two words, counted in characters that are not blank.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tagwright.data.load import read_corpus
from tagwright.encode.words import split_words

_CLOSES = re.compile(r"[,.!?:;…]+|[)\]}]+|[’”»]|(?:['’](?:s|m|re|ve|ll|d)|n['’]t)", re.IGNORECASE)
_OPENS = re.compile(r"[(\[{]+|[‘“«]")
_CLITIC = re.compile(r"s|m|re|ve|ll|d|t", re.IGNORECASE)


def join(words: Sequence[str]) -> str:
    return " ".join(words)


def run_together(words: Sequence[str]) -> str:
    """Write words as people do. Straight quotes close when one is open; an apostrophe between a word and a clitic that
    stand by themselves (`do n ' t`, as in WNUT 17's validation split) joins both.
    """
    text = ""
    glue = True  # no blank before the next word
    open_quotes: set[str] = set()
    for i, word in enumerate(words):
        before = words[i - 1] if i else ""
        after = words[i + 1] if i + 1 < len(words) else ""
        apostrophe = word in "'’" and before[-1:].isalpha() and _CLITIC.fullmatch(after) is not None
        closes = apostrophe or _CLOSES.fullmatch(word) is not None or word in open_quotes
        closes |= word == "n" and i + 2 < len(words) and after in "'’" and words[i + 2] == "t"
        text += word if glue or closes else " " + word
        glue = apostrophe or _OPENS.fullmatch(word) is not None
        if word in ("'", '"') and not apostrophe:
            glue = word not in open_quotes
            open_quotes ^= {word}
    return text


def borders(words: Iterable[str]) -> tuple[list[int], str]:
    """Return the places of the borders between words, in characters that are not blank, and these characters."""
    places, solid = [], ""
    for word in words:
        places.append(len(solid))
        solid += "".join(word.split())
    return sorted({place for place in places if 0 < place < len(solid)}), solid


@dataclass
class Borders:
    """Counts over sentences: borders in the corpus, borders made, borders that agree; sentences."""

    gold: int = 0
    made: int = 0
    right: int = 0
    sentences: int = 0
    exact: int = 0
    cut_too_often: Counter[str] = field(default_factory=Counter)
    not_cut: Counter[str] = field(default_factory=Counter)

    def add(self, words: Sequence[str], text: str, splitter: str) -> None:
        made_words = split_words(text, splitter).words
        gold, solid = borders(words)
        made, made_solid = borders(made_words)
        assert solid == made_solid, "the splitter lost a character"
        self.gold += len(gold)
        self.made += len(made)
        self.right += len({*gold} & {*made})
        self.sentences += 1
        self.exact += gold == made
        _collect(self.cut_too_often, solid, whole=gold, cut=made)
        _collect(self.not_cut, solid, whole=made, cut=gold)

    def to_dict(self) -> dict[str, float]:
        precision = self.right / self.made if self.made else 0.0
        recall = self.right / self.gold if self.gold else 0.0
        total = self.gold + self.made
        return {
            "borders": self.gold,
            "made": self.made,
            "right": self.right,
            "precision": precision,
            "recall": recall,
            "f1": 2 * self.right / total if total else 0.0,
            "sentences": self.sentences,
            "exact_sentences": self.exact / self.sentences if self.sentences else 0.0,
        }


def _collect(counts: Counter[str], solid: str, *, whole: list[int], cut: list[int]) -> None:
    """Count the words of one cutting that the other cuts further, shown with its cuts."""
    inner = {*cut} - {*whole}
    for start, end in zip([0, *whole], [*whole, len(solid)], strict=True):
        places = [place for place in range(start + 1, end) if place in inner]
        if places:
            parts = zip([start, *places], [*places, end], strict=True)
            counts[" ".join(solid[a:b] for a, b in parts)] += 1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="a folder or file of labelled words")
    parser.add_argument("--split", nargs="+", default=["validation"], help="splits to measure")
    parser.add_argument("--splitter", default="english")
    parser.add_argument(
        "--differences", type=int, default=0, help="show so many of the commonest differences"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    splits = read_corpus(options.data).splits
    results: dict[str, dict[str, dict[str, float]]] = {}
    if not options.json:
        print(f"{'split':<11} {'text':<8} {'borders':>8} {'made':>8} {'right':>8}", end=" ")
        print(f"{'precision':>10} {'recall':>7} {'f1':>7} {'exact sentences':>16}")
    for split in options.split:
        for name, write in (("joined", join), ("running", run_together)):
            counts = Borders()
            for words in splits[split]["tokens"]:
                counts.add(words, write(words), options.splitter)
            row = counts.to_dict()
            results.setdefault(split, {})[name] = row
            if options.json:
                continue
            print(f"{split:<11} {name:<8} {row['borders']:>8} {row['made']:>8} {row['right']:>8}", end=" ")
            print(f"{row['precision']:>10.4f} {row['recall']:>7.4f} {row['f1']:>7.4f}", end=" ")
            print(f"{row['exact_sentences']:>16.4f}")
            for kind, words in (("cut too often", counts.cut_too_often), ("not cut", counts.not_cut)):
                for word, count in words.most_common(options.differences):
                    print(f"    {kind:<14} {count:>5}  {word}")
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
