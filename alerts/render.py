"""A letter in the form of a channel, within its limit. Pure.

What is cut is the middle: head (level, reason, title) may shrink, the tail (how much evidence, how
many more, the link) never does. Sizes are measured as the channel measures them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from alerts.letter import LEVEL_WORDS, REASON_WORDS, Entry, Letter
from alerts.notice import REVIEW_RULE

WECOM_MARKDOWN_MAX_BYTES = 4_096
WECOM_TEXT_MAX_BYTES = 2_048
DINGTALK_MAX_BYTES = 20_000
"""Of the whole request body."""
FEISHU_MAX_BYTES = 20_000
"""Of the whole request body of a custom robot: 20 KB, read as the smaller KB."""
SMS_UNITS = 70
SMS_PART_UNITS = 67
SMS_WORDS_MIN = 50
"""Left for words beside a signed link; where it leaves fewer, the plain link stands there."""
EMAIL_MAX_BYTES = 100_000
HEAD_MAX = 120
"""Characters of a title."""

Measure = Callable[[str], int]
_JSON = msgspec.json.Encoder()
_MARKUP = str.maketrans({"<": "＜", ">": "＞", "[": "［", "]": "］", "`": "‘", "*": "＊", "@": "＠",
                         "#": "＃", "_": "＿", "|": "｜", "\r": " ", "\n": " ", "\t": " "})
"""Names come from outside: none may become a link, a mention of everybody or a heading."""


class Parts(NamedTuple):
    head: str
    lines: list[str]
    tail: str


def wecom_markdown(letter: Letter) -> str:
    return fit(_parts(letter, link=_marked_link, bold=True), WECOM_MARKDOWN_MAX_BYTES, utf8)


def wecom_text(letter: Letter) -> str:
    return fit(_parts(letter), WECOM_TEXT_MAX_BYTES, utf8)


def dingtalk(letter: Letter) -> dict[str, object]:
    """Body of a robot's markdown message."""
    title = clip(_head(letter), HEAD_MAX)

    def made(text: str) -> dict[str, object]:
        return {"msgtype": "markdown", "markdown": {"title": title, "text": text}}

    # Markdown of DingTalk needs an empty line to begin a new one.
    text = fit(_parts(letter, link=_marked_link, bold=True), DINGTALK_MAX_BYTES,
               lambda t: len(_JSON.encode(made(t))), "\n\n")
    return made(text)


def feishu(letter: Letter, extra_bytes: int = 0) -> dict[str, object]:
    """Body of a custom robot's rich text; `extra_bytes` are kept free for its signature."""
    title = clip(_head(letter), HEAD_MAX)
    parts = _parts(letter, link=lambda words, url: f"{words}：{url}")

    def made(text: str) -> dict[str, object]:
        rows = [[{"tag": "text", "text": line}] for line in text.split("\n") if line]
        return {"msg_type": "post",
                "content": {"post": {"zh_cn": {"title": title, "content": rows}}}}

    text = fit(Parts("", parts.lines, parts.tail), FEISHU_MAX_BYTES - extra_bytes,
               lambda t: len(_JSON.encode(made(t))))
    return made(text)


def sms(letter: Letter, segments_max: int = 3) -> str:
    """Plain text of at most so many segments."""
    units = SMS_UNITS if segments_max == 1 else SMS_PART_UNITS * segments_max
    if utf16(letter.short) > units - SMS_WORDS_MIN:
        letter = msgspec.structs.replace(letter, short="")
    parts = _parts(letter, short=True)
    if utf16(parts.tail) > units:
        # One segment and a long address: half a link is worth nothing.
        parts = _parts(msgspec.structs.replace(letter, short="", link=""), short=True)
    return fit(parts, units, utf16, "；" if letter.language == "zh" else "; ").rstrip()


def email(letter: Letter) -> tuple[str, str]:
    """Subject and text."""
    return (clip(_head(letter), HEAD_MAX).replace("\n", " "),
            fit(_parts(letter), EMAIL_MAX_BYTES, utf8))


def segments(text: str) -> int:
    """How many segments a text message takes, sent as UCS-2."""
    units = utf16(text)
    return 1 if units <= SMS_UNITS else -(-units // SMS_PART_UNITS)


# ----------------------------------------------------------------------------------------- fitting


def utf8(text: str) -> int:
    return len(text.encode())


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def fit(parts: Parts, limit: int, size: Measure, gap: str = "\n") -> str:
    """Head, as many lines as there is room for, and the whole tail.

    Raises
    ------
    AssertionError: the tail alone is over the limit: a link that long is a wrong setting.
    """
    def joined(head: str, lines: list[str]) -> str:
        return gap.join(x for x in (head, *lines, parts.tail) if x)

    assert size(parts.tail) <= limit, f"link too long for a limit of {limit}"
    head = _longest(parts.head, lambda h: size(joined(h, [])) <= limit)
    if head != parts.head:
        return joined(head, [])
    kept: list[str] = []
    for line in parts.lines:
        if size(joined(head, [*kept, line])) <= limit:
            kept.append(line)
            continue

        def room(text: str) -> bool:
            return size(joined(head, [*kept, text])) <= limit

        cut = _longest(line, room)
        return joined(head, [*kept, cut] if len(cut) > 1 else kept)
    return joined(head, kept)


def clip(text: str, most: int) -> str:
    """At most so many characters, the last an ellipsis where something is left out."""
    return text if len(text) <= most else text[:most - 1] + "…"


def _longest(text: str, fits: Callable[[str], bool]) -> str:
    """The longest beginning that fits, with an ellipsis; whole where it can be."""
    if fits(text):
        return text
    low, high = 0, len(text) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(text[:middle] + "…") else (low, middle - 1)
    return text[:low] + "…" if low else ""


# ------------------------------------------------------------------------------------------- words


def _parts(letter: Letter, *, link: Callable[[str, str], str] | None = None, bold: bool = False,
           short: bool = False) -> Parts:
    language = letter.language
    if language == "both":
        zh = _one(msgspec.structs.replace(letter, language="zh"), link, bold, short)
        en = _one(msgspec.structs.replace(letter, language="en"), link, bold, short)
        return Parts(f"{zh.head} / {en.head}", [*zh.lines, *en.lines], zh.tail)
    return _one(letter, link, bold, short)


def _one(letter: Letter, link: Callable[[str, str], str] | None, bold: bool, short: bool) -> Parts:
    zh = letter.language != "en"
    head = clip(_head(letter), HEAD_MAX)
    note = clean(letter.note.of(letter.language))
    lines = [note] if note else []
    if len(letter.entries) == 1:
        lines += _alone(letter.entries[0], letter.language, short)
    else:
        lines += [_row(n, e, letter.language) for n, e in enumerate(letter.entries, 1)]
    evidence = f"依据 {letter.evidence} 条" if zh else f"evidence: {letter.evidence}"
    more = letter.count - len(letter.entries)
    if more > 0:
        evidence += f"，另有 {more} 条预警" if zh else f", and {more} more alerts"
    words = "查看与办理" if zh else "see and answer"
    where = link(words, letter.link) if link else f"{words}：{letter.link}" if zh else (
        f"{words}: {letter.link}")
    if short:
        where = letter.short or letter.link
    elif letter.answer:
        own = _answer_words(letter)
        url = letter.answer
        where += "\n" + (link(own, url) if link else f"{own}：{url}" if zh else f"{own}: {url}")
    return Parts(f"**{head}**" if bold else head, lines, f"{evidence}\n{where}" if not short
                 else f"{evidence} {where}")


def _head(letter: Letter) -> str:
    zh = letter.language != "en"
    level = LEVEL_WORDS[letter.level][0 if zh else 1]
    reason = REASON_WORDS.get(letter.reason, ("", ""))[0 if zh else 1]
    if letter.digest:
        return (f"【{level}汇总】{letter.count} 条预警" if zh
                else f"[{level} digest] {letter.count} alerts")
    first = letter.entries[0]
    if len(letter.entries) == 1:
        title = clean(first.title.of(letter.language))
    else:
        who = clean(first.name or first.subject or first.cell)
        title = f"{who} {letter.count} 条预警" if zh else f"{who}: {letter.count} alerts"
    mark = f"{level}·{reason}" if reason and zh else f"{level}, {reason}" if reason else level
    return f"【{mark}】{title}" if zh else f"[{mark}] {title}"


def _alone(e: Entry, language: str, short: bool) -> list[str]:
    zh = language != "en"
    body = clean(e.body.of(language))
    if short:
        return [body]
    who = clean(e.name or e.cell) + (f"（{e.subject}）" if zh and e.subject and e.name else
                                    f" ({e.subject})" if e.subject and e.name else "")
    proof = ("；" if zh else "; ").join(clean(p.of(language)) for p in e.proof)
    lines = [who or e.subject, body]
    if proof:
        lines.append(f"事实：{proof}" if zh else f"facts: {proof}")
    advice = ("；" if zh else "; ").join(clean(a.of(language)) for a in e.advice)
    if advice:
        lines.append(f"建议（由人决定）：{advice}" if zh else f"proposed (people decide): {advice}")
    return lines


def _row(n: int, e: Entry, language: str) -> str:
    zh = language != "en"
    level = LEVEL_WORDS[e.level][0 if zh else 1]
    reason = REASON_WORDS.get(e.reason, ("", ""))[0 if zh else 1]
    mark = f"{level}·{reason}" if reason and zh else f"{level}, {reason}" if reason else level
    who = clean(e.name or e.subject or e.cell)
    return f"{n}. {mark} {who} {clean(e.title.of(language))}"


def _answer_words(letter: Letter) -> str:
    reviews = {e.rule == REVIEW_RULE for e in letter.entries}
    zh, en = ("直接答复", "answer") if reviews == {True} else (
        "直接签收", "acknowledge") if reviews == {False} else (
        "直接签收、答复", "acknowledge and answer")
    return f"{en} now, no login" if letter.language == "en" else f"{zh}（免登录）"


def _marked_link(words: str, url: str) -> str:
    return f"[{words}]({url})"


def clean(text: str) -> str:
    """A text from outside without anything a channel would take as markup."""
    return text.translate(_MARKUP)
