from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.inspect.characters import find_odd_words, odd_characters, show_unseen
from tests.inspect.corpora import parts


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Par\u200bis", {3: "zero width"}),
        ("\ufeffParis", {0: "zero width"}),
        ("Pa\u2060ris", {2: "zero width"}),
        ("Pa\u200dris", {2: "zero width"}),
        ("\ufe0f", {0: "zero width"}),
        ("Pa\u00adris", {2: "soft hyphen"}),
        ("\u202eParis", {0: "bidi"}),
        ("Pa\u200fris", {2: "bidi"}),
        ("New\u00a0York", {3: "blank"}),
        ("a\u3000b", {1: "blank"}),
        ("x\x07", {1: "control"}),
        ("x\x85", {1: "control"}),
        ("caf\ufffd", {3: "broken"}),
        ("x\ue000", {1: "broken"}),
        ("x\ud83d", {1: "broken"}),
        ("P\u0430ris", {1: "mixed scripts"}),
        ("М\u043eсквa", {5: "mixed scripts"}),
        ("\u03a1aul", {0: "mixed scripts"}),
        ("b\u03bf\u03bfk", {1: "mixed scripts", 2: "mixed scripts"}),
        ("東京п", {2: "mixed scripts"}),
        ("カp\u0430", {2: "mixed scripts"}),
        ("ab\u0430\u0431-cd", {2: "mixed scripts", 3: "mixed scripts"}),
        ("P\u0430\u200bris", {1: "mixed scripts", 2: "zero width"}),
    ],
)
def test_odd(word, expected):
    assert odd_characters(word) == expected


@pytest.mark.parametrize(
    "word",
    [
        "Paris", "naïve", "Łódź", "c\u0327a", "ﬁn", "Ⅳ", "µm", "ª", "it’s", "…", "„", "“", "№5", "ＡＢ",
        "Москва", "Ὀδυσσεύς", "ירושלים", "القاهرة", "ไทย", "हिन्दी",
        "Tシャツ", "3D打印", "日本語テスト", "ラーメン", "LG전자", "大韓民國은", "ㄅㄆ漢",
        "IT-компания", "и/or", "TNFα", "kΩ", "μm", "β-catenin", "Aก",
        "ᠮᠣᠩᠭᠣᠯ\u180eᠠ", "می\u200cخواهم", "क्\u200dष", "👨\u200d👩\u200d👧", "❤\ufe0f", "👍🏽", "🏳\ufe0f\u200d🌈",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ],
)  # fmt: skip
def test_not_odd(word):
    assert odd_characters(word) == {}


def test_words_are_counted_and_placed():
    found = find_odd_words(
        parts(train="in Par\u200bis/B-x | P\u0430ris/B-x", test="P\u0430ris | P\u0430ris/B-x | a\u00a0b")
    )
    assert [(word.kinds, word.count, word.labelled) for word in found] == [
        (("mixed scripts",), 3, 2),
        (("zero width",), 1, 1),
        (("blank",), 1, 0),
    ]
    assert found[0].characters == ("U+0430 CYRILLIC SMALL LETTER A",)
    assert [place["where"] for place in found[0].places] == [
        "DatasetDict:train:2", "DatasetDict:test:1", "DatasetDict:test:2",
    ]  # fmt: skip
    assert [word.shown for word in found] == ["P\u0430[U+0430]ris", "Par[U+200B]is", "a[U+00A0]b"]


@given(st.text(alphabet=st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20))
def test_plain_words_are_never_odd(word):
    assert odd_characters(word) == {}
    assert show_unseen(word) == word


@given(st.text(min_size=1, max_size=12))
def test_any_text_is_judged_and_shown(word):
    odd = odd_characters(word)
    assert all(0 <= at < len(word) for at in odd)
    assert len(show_unseen(word, odd)) >= len(word)
