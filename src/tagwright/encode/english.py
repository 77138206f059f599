"""English words in running text, cut as WNUT 17 cuts them: chunk by chunk, never across a blank."""

from __future__ import annotations

from collections.abc import Iterator

import regex  # type: ignore[import-untyped]  # it ships no types

__all__ = ["english_ends"]

# No pattern below gives back what it took over a stretch of unbounded length, and no stretch is read from more
# than a few starts: the time is linear in the text.

# What words are made of. Marks and format characters (joiners, direction marks) stay with what they follow.
_C = r"\p{L}\p{N}\p{M}\p{Cf}_"
_IN, _BEFORE, _AFTER = f"[{_C}]", f"(?<![{_C}])", f"(?![{_C}])"
_APO = "['’]"
_NUMBER = r"(?=\.?\p{Nd})"

# Abbreviations that keep their period; the second group only with a capital, being words without one.
_ANY_CASE = (
    "mr|mrs|ms|dr|prof|jr|sr|mt|ft|vs|etc|inc|ltd|corp|dept|govt|approx|blvd|ave|rd|hwy|assn|bros|tues|thurs"
    "|sept|pp"
)
_CAPITAL = "St|Co|Gen|Sen|Rep|Gov|Col|Capt|Sgt|Lt|Cmdr|Maj|Hon|Rev|Jan|Feb|Apr|Aug|Oct|Nov|Dec|Messrs"
_DEGREE = r"Ph\.?D|[BM]\.Sc|B\.Eng|Ed\.D|LL\.[BMD]"

_KINDS = (
    # A character reference, as Twitter gives them: &amp;
    r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8}[0-9]?);",
    # Faces: -_- >.< (^_^)
    rf"{_BEFORE}\(?[<>^~*=;-](?:_++|\.)[<>^~*=;-]\)?{_AFTER}",
    # :) ;-) :'( =) (: :D =P :-o :/ :* <3 </3
    rf"(?<![:;=])[:;]{_APO}?[-^~]?(?:[)\]]++|[(\[]++{_AFTER})",
    rf"(?<![:;=])={_APO}?-?(?:\)++|\(++{_AFTER})",
    rf"{_BEFORE}\([-^~]?[:;=]{_AFTER}",
    rf"(?<![{_C}:;=])[:;=][-^~]?(?:[DdPpOoSsXxCc3]++{_AFTER}|(?:/(?!/)|[\\|*])++{_AFTER})",
    rf"(?<=\p{{L}})[:;]-?[DP]++{_AFTER}",
    rf"{_BEFORE}<[/\\]?3++{_AFTER}",
    r"¯\\+_\(ツ\)_/¯|\\o/",
    # Flags, keycaps, an emoji with all that is joined to it.
    r"\p{RI}{1,2}+|[0-9#*]\ufe0f?\u20e3|(?![\p{L}\p{N}])(?=\p{ExtPict})\X",
    # @name #tag $TICKER
    rf"(?:(?<![\p{{L}}\p{{N}}])|(?<=RT))@{_IN}++|[#＃]{_IN}++|{_BEFORE}\$\p{{L}}{{1,6}}+{_AFTER}",
    # AT&T; w/o, n/a, the w/ of w/friends
    rf"{_BEFORE}\p{{Lu}}{{1,3}}(?:&(?:amp;)?\p{{Lu}}{{1,3}})++s?{_AFTER}",
    rf"{_BEFORE}[wW]/(?:(?:out|in|o)?+(?![{_C}/])|(?={_IN}))|{_BEFORE}\p{{L}}/\p{{L}}{_AFTER}",
    # Mr. Ph.D. U.S. e.g. a.m. U.S.-led C++
    rf"{_BEFORE}(?:(?i:{_ANY_CASE})|{_CAPITAL}|{_DEGREE})\.(?!\.)",
    rf"{_BEFORE}\p{{L}}(?:\.\p{{L}}{_AFTER})++(?:\.(?!\.))?(?:-{_IN}++)*+",
    rf"{_BEFORE}(?:C\+\+|[CFJ]#){_AFTER}",
    # A clitic behind something that is no plain word: @bob's
    rf"{_APO}(?i:s|m|re|ve|ll|d)(?!['’{_C}])",
    # Arrows
    r"(?<![-=<])<?[-=]++>|<[-=]++",
    # Words and numbers: o'clock long-term 1,000 10:30 9/11 $5 -3 .5 100% 20°C 18+
    rf"(?:(?<![^(\[])[-+]{_NUMBER})?+(?:[$€£¥₹]{_NUMBER})?+(?:(?<![{_C}.])\.(?=\p{{Nd}}))?+"
    rf"{_IN}++(?:(?:[-‐‑]|{_APO}){_IN}++|(?<=\p{{Nd}})[.,:/](?=\p{{Nd}}){_IN}++)*+"
    rf"(?:(?<=\p{{Nd}})(?:[%‰€£¢]|°[CF]?|\+){_AFTER})?+",
    # What is left: runs of ! and ?, runs of one character
    r"[!?]++|(?P<same>.)(?P=same)*+",
)
_WORD = regex.compile(f"(?:{'|'.join(_KINDS)})" + r"[\p{M}\p{Cf}]*+")

_CLITIC = regex.compile(rf"(?i)(?:n{_APO}t|{_APO}(?:s|m|re|ve|ll|d))$")
_LONGEST_CLITIC = 3

_LOCAL, _HOST = r"\p{L}\p{N}._%+-", r"[\p{L}\p{N}-]++(?:\.[\p{L}\p{N}-]++)++"
_PATH = r"""[^<>"“”]"""
_ADDRESS = regex.compile(
    rf"(?P<url>(?:(?i:https?|ftp)://|{_BEFORE}(?i:www)\.)(?=[\p{{L}}\p{{N}}\[]){_PATH}++)"
    rf"|(?<![{_LOCAL}])[._%+-]*+(?P<mail>@?+[\p{{L}}\p{{N}}][{_LOCAL}]*+@{_HOST})"
    rf"|(?<![{_C}@.-])(?P<host>{_HOST})"
)
_PORT_AND_PATH = regex.compile(rf"(?::[0-9]{{2,5}}+)?+(?:/{_PATH}*+)?+")
_PATH_AHEAD = regex.compile(r"/[\p{L}\p{N}]")
# Endings that make `name.ending` one word. Those that are words too (it, is, so, me) need a path behind.
_ENDING = regex.compile(
    "com|org|net|edu|gov|mil|info|biz|io|tv|ly|fm|co|uk|eu|de|fr|nl|ca|au|jp|ru|ch|se|es|br|ai|gg|cc|cn|kr|pl|nz|za"
    "|tk|xyz|js|ts|py|rb|php|html?|css|json|xml|ya?ml|csv|txt|pdf|docx?|xlsx?|pptx?|zip|gz|exe|dll|jpe?g|png|gif|svg"
    "|mp[34]|avi|mkv|wav|apk|[ch]pp|sql|ini"
)
_SHORT_ENDING = regex.compile("[a-z]{2,4}")
_TRAILING = ".,!?:;'’\"…)]}*|"


def english_ends(chunk: str) -> list[int]:
    """Cut one chunk of text into words that lie end to end.

    Args:
        chunk: text without blanks, at least one character.

    Returns:
        One past the end of each word, in code points; the last is the length of the chunk.
    """
    if chunk.isalnum():
        return [len(chunk)]
    ends: list[int] = []
    done = 0
    if "." in chunk or "://" in chunk:
        for start, end in _addresses(chunk):
            ends += _plain_ends(chunk, done, start)
            ends.append(end)
            done = end
    ends += _plain_ends(chunk, done, len(chunk))
    return ends


def _plain_ends(chunk: str, start: int, end: int) -> Iterator[int]:
    for match in _WORD.finditer(chunk, start, end):
        word = match.group()
        if len(word) > _LONGEST_CLITIC - 1 and ("'" in word or "’" in word):
            yield from _stem_and_clitics(word, match.start())
        else:
            yield match.end()


def _stem_and_clitics(word: str, start: int) -> list[int]:
    """Return the ends of a word and the clitics behind it: could n't 've."""
    end = len(word)
    ends = [start + end]
    while clitic := _CLITIC.search(word, max(0, end - _LONGEST_CLITIC), end):
        end = clitic.start()
        if end == 0:
            break
        ends.append(start + end)
    ends.reverse()
    return ends


def _addresses(chunk: str) -> Iterator[tuple[int, int]]:
    """Yield the bounds of URLs, e-mail addresses, hosts and file names, without punctuation behind them."""
    position = 0
    while match := _ADDRESS.search(chunk, position):
        kind = match.lastgroup
        start, end = match.span(kind)
        position = end
        if kind == "host":
            if not _is_address(match["host"], followed_by_path=_PATH_AHEAD.match(chunk, end) is not None):
                continue
            end = _PORT_AND_PATH.match(chunk, end).end()
        if kind != "mail":
            end = position = _trimmed(chunk, start, end)
        yield start, end


def _is_address(host: str, *, followed_by_path: bool) -> bool:
    ending = host[host.rindex(".") + 1 :]
    if _ENDING.fullmatch(ending.lower()) and not ending.istitle():
        return True
    return followed_by_path and _SHORT_ENDING.fullmatch(ending) is not None


def _trimmed(chunk: str, start: int, end: int) -> int:
    """Return an address's end without punctuation; a closing bracket stays if its opening one is inside."""
    surplus = chunk.count(")", start, end) - chunk.count("(", start, end)
    while chunk[end - 1] in _TRAILING:
        if chunk[end - 1] == ")":
            if surplus <= 0:
                break
            surplus -= 1
        end -= 1
    return end
