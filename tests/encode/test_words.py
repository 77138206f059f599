from __future__ import annotations

import importlib.util
import re
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from tagwright.data.conll import read_conll
from tagwright.encode.words import check_splitter, split_words
from tagwright.errors import InputError, MissingExtraError

# What English text is made of, and what breaks splitters: joiners, selectors, direction marks, NUL, odd blanks.
_BITS = re.split(
    r"(\s)",
    "a b I do can n't 't 's ’s ' ’ \" . , ! ? : ; - -- _ / // \\ @ # $ % & &amp; ( ) [ ] < > = + * ^ ~ 1 10 3.5 1,000"
    " http:// www. t.co x.com/a me@x.org U.S Mr St e.g https Ph.D RT w/ ... n S M é ¯\\_(ツ)_/¯ 😀 👍🏽 ❤️ 👩‍👩‍👧 🇩🇪 🇫"
    " 1️⃣ #️⃣\n\0\t\u200d\xa0\ufe0f\u3000\u0301\x1c\u200f\x85\u202b\u2028\u200b \ufeff \xad \ud800 ש 漢 ก",
)
_MESSY = st.lists(st.sampled_from(_BITS), max_size=25).map("".join) | st.text(max_size=40)
_WITHOUT_ICU = ["whitespace", "english", r"regex:\w+", r"regex:\S*a\s*\S*", "regex:(?r)[^ ]|.{3}"]


def words_of(text: str, splitter: str = "english") -> list[str]:
    return split_words(text, splitter).words


def assert_true(text: str, splitter: str) -> None:
    """Offsets are true, words are in order, none is empty, and no character is lost."""
    words, starts, ends = split_words(text, splitter)
    assert [text[s:e] for s, e in zip(starts, ends, strict=True)] == words
    assert all(s < e for s, e in zip(starts, ends, strict=True))
    assert all(e <= s for e, s in zip(ends, starts[1:], strict=False))
    places = {i for s, e in zip(starts, ends, strict=True) for i in range(s, e)}
    assert all(i in places for i, c in enumerate(text) if not c.isspace())


@pytest.mark.parametrize("splitter", _WITHOUT_ICU)
@given(text=_MESSY)
def test_nothing_is_lost_and_offsets_are_true(splitter: str, text: str) -> None:
    assert_true(text, splitter)


@pytest.mark.parametrize("splitter", ["whitespace", "english"])
@given(text=_MESSY)
def test_a_text_splits_the_same_wherever_it_stands(splitter: str, text: str) -> None:
    words, starts, ends = split_words(text, splitter)
    shift = len(text) + 1
    assert split_words(f"{text} {text}", splitter) == (
        words * 2,
        starts + [s + shift for s in starts],
        ends + [e + shift for e in ends],
    )


@given(text=_MESSY)
def test_no_word_holds_a_blank(text: str) -> None:
    assert not any(c.isspace() for word in words_of(text) for c in word)
    assert words_of(text, "whitespace") == text.split()


def test_blank_means_isspace_for_every_code_point() -> None:
    text = "".join(map(chr, range(sys.maxunicode + 1)))
    assert words_of(text, "whitespace") == text.split()


@pytest.mark.parametrize("splitter", ["whitespace", "english", "unicode", "regex:x"])
@pytest.mark.parametrize("text", ["", " ", "\n\t \u3000\x1c"])
def test_blank_text_has_no_words(splitter: str, text: str) -> None:
    assert split_words(text, splitter) == ([], [], [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # Names, tags and addresses
        ("@paulwalk: #1 #NextToBlow. $FB", "@paulwalk : #1 #NextToBlow . $FB"),
        ("RT@bob .@bob (@bob) \"@bob's", "RT @bob . @bob ( @bob ) \" @bob 's"),
        ("see https://t.co/aB3?x=1&y=2.", "see https://t.co/aB3?x=1&y=2 ."),
        ("(http://en.wikipedia.org/wiki/Foo_(bar))", "( http://en.wikipedia.org/wiki/Foo_(bar) )"),
        ("www.nyt.com, nyt.com: t.co/ab… youtu.be/x", "www.nyt.com , nyt.com : t.co/ab … youtu.be/x"),
        ("seehttp://x.co/1 http://localhost:80/a", "see http://x.co/1 http://localhost:80/a"),
        ("a.b+c@d-e.co.uk. @me@mastodon.social", "a.b+c@d-e.co.uk . @me@mastodon.social"),
        ("setup.py, Node.js", "setup.py , Node.js"),
        ("it ended.Then is.it so", "it ended . Then is . it so"),
        ("F@CK contest@ http://", "F @ CK contest @ http : //"),
        # Clitics
        ("It's I'm they're I've we'll he'd", "It 's I 'm they 're I 've we 'll he 'd"),
        ("don't can't WON'T isn’t he’s", "do n't ca n't WO N'T is n’t he ’s"),
        ("shouldn't've y'all're the 80's", "should n't 've y'all 're the 80 's"),
        ("n't 's 'm", "n't 's 'm"),
        ("o'clock O'Donoghue rock'n'roll dogs' 'em", "o'clock O'Donoghue rock'n'roll dogs ' ' em"),
        ("'quoted' “it’s” 'S'", "' quoted ' “ it ’s ” ' S '"),
        # Numbers
        ("3.14 .5 1,000,000 10:30 9/11 2.0.1", "3.14 .5 1,000,000 10:30 9/11 2.0.1"),
        ("$5 $2.50 €10 100% 18+ 20°C -3 (+4)", "$5 $2.50 €10 100% 18+ 20°C -3 ( +4 )"),
        ("10pm 1st 678-223-3699 2017. 5, 1.", "10pm 1st 678-223-3699 2017 . 5 , 1 ."),
        # Abbreviations
        ("U.S. e.g. i.e., a.m. N.E.R.D. t.v", "U.S. e.g. i.e. , a.m. N.E.R.D. t.v"),
        ("Mr. Smith vs. Dr.Dre, Ph.D. etc...", "Mr. Smith vs. Dr. Dre , Ph.D. etc ..."),
        ("U.S.-led U.S... St. Louis a co. st.", "U.S.-led U.S ... St. Louis a co . st ."),
        # Joined words
        ("long-term al-Mallohi -Roald pre- a--b", "long-term al-Mallohi - Roald pre - a -- b"),
        ("Sony/Bud w/o w/Rachel n/a AT&T's", "Sony / Bud w/o w/ Rachel n/a AT&T 's"),
        ("C++ C#, F# snake_case A&amp;E &amp; &lt;3", "C++ C# , F# snake_case A&amp;E &amp; &lt; 3"),
        # Punctuation
        ("wait... what?!! (yes)[no]", "wait ... what ?!! ( yes ) [ no ]"),
        ("*cough* ~Author a—b 2010–15 x->y", "* cough * ~ Author a — b 2010 – 15 x -> y"),
        # Emoticons and emoji
        (":) :-( ;D hello:) xD :'( =P :/ <3 </3", ":) :-( ;D hello :) xD :'( =P :/ <3 </3"),
        ("-_- ^_^ >.< (^_^) ¯\\_(ツ)_/¯ T_T", "-_- ^_^ >.< (^_^) ¯\\_(ツ)_/¯ T_T"),
        ("(see above): note:(a) 3:2", "( see above ) : note : ( a ) 3:2"),
        ("lol😂😂!❤️👍🏽", "lol 😂 😂 ! ❤️ 👍🏽"),
        ("👩‍👩‍👧‍👦🇩🇪🇫🇷🇬1️⃣#️⃣", "👩‍👩‍👧‍👦 🇩🇪 🇫🇷 🇬 1️⃣ #️⃣"),
        ("Foo™ ©2017", "Foo ™ © 2017"),
        # Anything else
        ("a\0b \ufe0f \u200d", "a \0 b \ufe0f \u200d"),
        ("watched\u200bwas Dubbz\ufeff", "watched\u200bwas Dubbz\ufeff"),
        ("\u202bשלום, مَرْحَبًا!", "\u202bשלום , مَرْحَبًا !"),
    ],
)
def test_english(text: str, words: str) -> None:
    assert words_of(text) == words.split(" ")


@pytest.mark.parametrize("splitter", ["english", "unicode"])
@pytest.mark.parametrize(
    "bit",
    [
        *(
            "a",
            "a.",
            "a@",
            "a@b.",
            "a.b@",
            "b.c/",
            "http://",
            "www.x!",
            "http://a(",
            "&amp",
            "(",
            ":(",
            "=-",
            "<-",
            "_.",
        ),
        *("'s", "n't've", "1,", "$a", "w/", "A&", "😀", "👩\u200d", "\u0301", "🇩", 'א"', "א\u0301'"),
    ],
)
def test_a_long_line_without_blanks_takes_linear_time(splitter: str, bit: str) -> None:
    size = 100_000
    text = (bit * size)[:size]
    began = time.process_time()
    split_words(text, splitter)
    assert time.process_time() - began < 5  # a quadratic pattern needs minutes


# --- unicode ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [  # from Unicode's WordBreakTest.txt
        "÷ 0061 × 0031 ÷",
        "÷ 0061 × 2060 ÷ 003A × 0308 ÷ 0031 ÷",
        "÷ 0061 × 003A × 0061 ÷",
        "÷ 0061 ÷ 003A ÷ 002E ÷ 0061 ÷",
        "÷ 0031 × 002C × 0031 ÷ 003A ÷ 0061 ÷",
        "÷ 0031 × 005F × 0061 ÷ 002C ÷ 002C ÷ 0061 ÷",
        "÷ 0061 × 005F × 0031 ÷ 002E ÷ 003A ÷ 0031 ÷",
        "÷ 0063 × 0061 × 006E × 0027 × 0074 ÷",
        "÷ 0063 × 0061 × 006E × 2019 × 0074 ÷",
        "÷ 0033 × 002E × 0032 × 0033 × 002C × 0034 ÷",
        "÷ 05D0 × 0022 × 05D0 ÷",
        "÷ 05D0 ÷ 0022 ÷ 0061 ÷",
        "÷ 05D0 × 0027 ÷",
        "÷ 0061 ÷ 1F1E6 ÷",
        "÷ 0061 ÷ 1F1E6 × 1F1E7 ÷ 1F1E8 ÷ 0062 ÷",
        "÷ 0061 ÷ 1F1E6 × 1F1E7 × 200D ÷ 1F1E8 ÷ 0062 ÷",
        "÷ 0061 ÷ 1F1E6 × 200D × 1F1E7 ÷ 1F1E8 ÷ 0062 ÷",
        "÷ 1F476 × 1F3FF ÷ 1F476 ÷",
        "÷ 1F6D1 × 200D × 1F6D1 ÷",
        "÷ 0061 × 200D × 1F6D1 ÷",
        "÷ 2702 × 200D × 2702 ÷",
        "÷ 0001 × 0308 ÷ 0001 ÷",
        "÷ 0061 × 00AD × 0061 × 0308 ÷ 0021 ÷",
    ],
)
def test_unicode_has_the_word_borders_of_uax_29(line: str) -> None:
    words = [
        "".join(chr(int(point, 16)) for point in part.split("×")) for part in line.strip("÷ ").split("÷")
    ]
    assert words_of("".join(words), "unicode") == words


_CLASSES = [
    *(
        "ALetter",
        "Hebrew_Letter",
        "Numeric",
        "ExtendNumLet",
        "MidLetter",
        "MidNum",
        "MidNumLet",
        "Single_Quote",
    ),
    *("Double_Quote", "Extend", "Format", "ZWJ", "Regional_Indicator"),
]


def _class_of(character: str) -> str:
    return next((name for name in _CLASSES if regex.match(rf"\p{{WB={name}}}", character)), "Other")


def _uax_29(text: str) -> list[str]:
    """The rules of UAX 29, one after another, for text without blanks and kana."""
    carried = {"Extend", "Format", "ZWJ"}
    letters = {"ALetter", "Hebrew_Letter"}
    classes = [_class_of(c) for c in text]

    def joins(i: int) -> bool:
        if text[i - 1] == "\u200d" and regex.match(r"\p{ExtPict}", text[i]):  # WB3c
            return True
        if classes[i] in carried:  # WB4
            return True
        left = [c for k, c in enumerate(classes[:i]) if c not in carried or k == 0]
        right = [c for c in classes[i:] if c not in carried]
        a, b = left[-1], right[0]
        before, after = left[-2] if len(left) > 1 else "", right[1] if len(right) > 1 else ""
        middle, quoted = {"MidLetter", "MidNumLet", "Single_Quote"}, {"MidNum", "MidNumLet", "Single_Quote"}
        flags = 0
        while flags < len(left) and left[-1 - flags] == "Regional_Indicator":
            flags += 1
        return (
            (a in letters and b in letters)  # WB5
            or (a in letters and b in middle and after in letters)  # WB6
            or (before in letters and a in middle and b in letters)  # WB7
            or (a == "Hebrew_Letter" and b == "Single_Quote")  # WB7a
            or (a == after == "Hebrew_Letter" and b == "Double_Quote")  # WB7b
            or (before == b == "Hebrew_Letter" and a == "Double_Quote")  # WB7c
            or ({a, b} <= letters | {"Numeric"})  # WB8-10
            or (before == b == "Numeric" and a in quoted)  # WB11
            or (a == after == "Numeric" and b in quoted)  # WB12
            or (a in letters | {"Numeric", "ExtendNumLet"} and b == "ExtendNumLet")  # WB13a
            or (a == "ExtendNumLet" and b in letters | {"Numeric"})  # WB13b
            or (a == b == "Regional_Indicator" and flags % 2 == 1)  # WB15, 16
        )

    cuts = [0, *(i for i in range(1, len(text)) if not joins(i)), len(text)]
    return [text[a:b] for a, b in pairwise(cuts)]


@given(
    text=st.text(
        "aé1٣_:·.,;'’\"אב\u05f3\u0308\u200d\xad\u2060\U0001f3fd\ufe0f😀👍Ⓜ🇩🇫!#\0", min_size=1, max_size=9
    )
)
def test_unicode_follows_the_rules(text: str) -> None:
    assert words_of(text, "unicode") == _uax_29(text)


@given(text=_MESSY.map(lambda text: regex.sub(r"[\p{LB=SA}\p{Han}\p{Hiragana}\p{WB=Katakana}]", "", text)))
def test_unicode_loses_nothing(text: str) -> None:
    assert_true(text, "unicode")


@pytest.mark.parametrize(
    "text", ["a ไทย", "a ລາວ", "a ខ្មែរ", "a မြန်မာ", "a 漢字", "a かな", "a カナ", "a ｶﾅ", "a \U00020bb7"]
)
def test_unicode_without_icu_refuses_what_needs_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "icu", None)
    with pytest.raises(MissingExtraError, match=r"character 3: .*PyICU.*pip install 'tagwright\[icu\]'"):
        split_words(text, "unicode")
    assert words_of("naïve Ελλάδα 한국어 שלום", "unicode") == ["naïve", "Ελλάδα", "한국어", "שלום"]


_icu = pytest.mark.skipif(
    importlib.util.find_spec("icu") is None, reason="PyICU (extra icu) is not installed"
)


@_icu
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("สวัสดีครับ", ["สวัสดี", "ครับ"]),
        ("ສະບາຍດີ!", ["ສະບາຍດີ", "!"]),
        ("東京に行く。", ["東京", "に", "行く", "。"]),
        ("hello世界,🙂世界", ["hello", "世界", ",", "🙂", "世界"]),
        ("𠮷x", ["𠮷", "x"]),
    ],
)
def test_unicode_cuts_writing_without_blanks_through_icu(text: str, words: list[str]) -> None:
    assert words_of(text, "unicode") == words


@_icu
@given(text=st.text("สวัดีครบ東京にカナー𠮷𠀋a1_ \u200d\u0301🙂.", max_size=20))
def test_unicode_through_icu_loses_nothing(text: str) -> None:
    assert_true(text, "unicode")
    words, starts, ends = split_words(text, "unicode")
    shift = len(text) + 1
    again = split_words(f"{text} {text}", "unicode")
    assert again == (words * 2, starts + [s + shift for s in starts], ends + [e + shift for e in ends])


# --- regex -----------------------------------------------------------------------------------------------------------


def test_regex_matches_are_words_and_so_is_what_lies_between() -> None:
    assert words_of("ab, cd--ef  !?", r"regex:\w+") == ["ab", ",", "cd", "--", "ef", "!?"]
    assert words_of("New York is x", "regex:New York|is") == ["New York", "is", "x"]
    assert split_words("a  b ", r"regex:\s*\w\s*") == (["a", "b"], [0, 3], [1, 4])
    assert words_of("12ab", r"regex:(?i)(?r)[A-Z]|\d") == ["1", "2", "a", "b"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("english ", "there is no splitter 'english '; choose whitespace, english, unicode, regex:PATTERN"),
        ("", "there is no splitter ''"),
        ("regex:(a", "regex:(a, character 3: the splitter's pattern is wrong: missing )"),
        ("regex:", "regex:, character 1 of the text: the splitter's pattern matches the empty string"),
        ("regex:a*", "matches the empty string; let every match hold a character"),
    ],
)
def test_a_wrong_splitter_is_refused(name: str, message: str) -> None:
    for call in (check_splitter, lambda name: split_words("text", name)):
        with pytest.raises(InputError) as caught:
            call(name)
        assert message in str(caught.value)
        assert caught.value.exit_code == 2


def test_a_pattern_that_matches_nothing_somewhere_is_refused_there() -> None:
    check_splitter(r"regex:\b|x")
    with pytest.raises(InputError, match=r"character 3 of the text: .* matches the empty string"):
        split_words("  ab", r"regex:\b|x")


def test_a_catastrophic_pattern_is_stopped() -> None:
    with pytest.raises(InputError, match="takes longer than 2 s on a text of 61 characters"):
        split_words("a" * 60 + "b", "regex:(a|aa)+$")


@pytest.mark.parametrize("name", ["whitespace", "english", "unicode", r"regex:\w+"])
def test_known_splitters_pass(name: str) -> None:
    check_splitter(name)


# --- the real corpus -------------------------------------------------------------------------------------------------


@pytest.mark.real
def test_english_recovers_the_borders_of_wnut17(wnut17: Path) -> None:
    sentences = read_conll(wnut17 / "emerging.dev.conll")
    place = gold = made = 0
    for length in sentences.lengths:
        words = sentences.words[place : place + length]
        place += length
        gold += length
        made += len(words_of(" ".join(words)))
        assert {*_ends(words)} <= {*_ends(words_of(" ".join(words)))}  # no border is missed
    assert gold / made > 0.999


def _ends(words: list[str]) -> list[int]:
    total = 0
    return [total := total + len(word) for word in words]
