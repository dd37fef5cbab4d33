"""What a message says before any channel shapes it: a letter of entries, one an alert. Pure.

Words come from `alerts.message`. Evidence is told by type and day; neither its identity nor
anything a complainant wrote or is called by enters a letter for people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from alerts import message
from alerts.notice import REVIEW_RULE, Fact, Notice, rank
from alerts.notify import Reason
from alerts.proposals import proposals
from alerts.told import Catalogue
from models.calendar import DAY_MS, to_date
from models.measures import Measure
from models.notify_policy import Receiver

EVIDENCE_MAX = 8
"""Facts named one by one; the number of all of them always stands in the letter."""

LEVEL_WORDS: dict[str, tuple[str, str]] = {
    "blue": ("蓝色预警", "Blue"), "yellow": ("黄色预警", "Yellow"),
    "orange": ("橙色预警", "Orange"), "red": ("红色预警", "Red"),
}
REASON_WORDS: dict[str, tuple[str, str]] = {
    Reason.FIRST: ("", ""), Reason.TRANSITION: ("", ""),
    Reason.ESCALATION: ("升级督办", "escalated"), Reason.CHANGED: ("级别上调", "level raised"),
    Reason.REOPENED: ("再次发生", "again"), Reason.REMINDER: ("催办", "reminder"),
    Reason.RESOLVED: ("已消除", "over"), Reason.UNDELIVERED: ("未能送达", "undelivered"),
}


class Words(msgspec.Struct, frozen=True, array_like=True):
    zh: str
    en: str

    def of(self, language: str) -> str:
        return self.en if language == "en" else self.zh


PLAIN = Words("", "")
"""No note."""
STORM_NOTE = Words("短时间内预警较多，已改为汇总发送。",
                   "Many alerts at once: they are sent as a digest.")


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One alert in a letter."""

    alert: str
    rule: str
    level: str
    state: str
    reason: str
    subject: str
    name: str
    item: str
    departments: list[str]
    title: Words
    body: Words
    proof: list[Words]
    evidence: list[Fact]
    """For systems only: people see `proof` and the number."""
    opened_ms: int
    updated_ms: int
    seq: int
    link: str
    kind: str = ""
    district: str = ""
    cell: str = ""
    review: str = ""
    """Id of the review that is to be answered, where it is about one."""
    advice: list[Words] = []
    """What is proposed, for people to decide on."""


class Letter(msgspec.Struct, frozen=True, array_like=True):
    """One message to one receiver. `key` is the idempotency key: the same letter, the same key."""

    key: str
    receiver: str
    language: str
    group: str
    level: str
    reason: str
    at_ms: int
    count: int
    """Alerts it stands for; `entries` may hold fewer."""
    evidence: int
    """Facts behind all of them."""
    entries: list[Entry]
    link: str
    note: Words = PLAIN
    digest: bool = False
    answer: str = ""
    """Link by which this receiver answers all of it without a login; "" = there is none."""
    short: str = ""
    """The same for a short message: for the weightiest of it."""
    rest: list[Entry] = []
    """Those beyond `entries`, kept for machines: what people are told as a number only."""


def entry(notice: Notice, reason: str, items: Catalogue, base_url: str, offset_ms: int,
          now_ms: int, catalogue: Sequence[Measure] = ()) -> Entry:
    """An alert as a letter tells it. `catalogue`: the measures that may be proposed."""
    title, body = _words(notice, items, now_ms)
    return Entry(
        notice.id, notice.rule, notice.level, notice.state, reason, notice.subject, notice.name,
        notice.item, notice.departments, title, body,
        [_proof(f, offset_ms) for f in notice.evidence[:EVIDENCE_MAX]], notice.evidence,
        notice.opened_ms, notice.updated_ms, notice.seq, link(base_url, notice),
        notice.kind, notice.district, notice.cell,
        notice.id if notice.rule == REVIEW_RULE else notice.facts.get("review", ""),
        [Words(*one.text) for one in proposals(notice, catalogue)])


def letter(receiver: Receiver, entries: Sequence[Entry], now_ms: int, base_url: str, *,
           salt: Iterable[str] = (), digest: bool = False, note: Words = PLAIN,
           entries_max: int = 20, whole: bool = False) -> Letter:
    """A letter of some entries, the weightiest first.

    Parameters
    ----------
    salt
        What makes this letter another than an earlier one about the same transitions (the number of
        the reminder, the stage of the escalation).
    whole
        Whether what is beyond `entries_max` is kept too.
    """
    assert entries, "a letter without entries"
    ordered = sorted(entries, key=lambda e: (-rank(e.level), e.opened_ms, e.alert))
    reasons = {e.reason for e in entries}
    first = ordered[0]
    one = len(entries) == 1
    return Letter(
        letter_key(receiver.id, ordered, salt), receiver.id, receiver.language,
        first.subject or first.cell or first.alert, first.level,
        reasons.pop() if len(reasons) == 1 else "", now_ms, len(entries),
        sum(len(e.evidence) for e in entries), ordered[:entries_max],
        first.link if one else _list_link(base_url, ordered, digest), note, digest,
        rest=ordered[entries_max:] if whole else [])


def letter_key(receiver: str, entries: Sequence[Entry], salt: Iterable[str] = ()) -> str:
    """Idempotency key: 32 hex characters, the same for the same letter on every machine."""
    digest = hashlib.blake2b(receiver.encode(), digest_size=16)
    for e in entries:
        digest.update(f"\n{e.alert} {e.seq} {e.reason}".encode())
    for text in salt:
        digest.update(f"\0{text}".encode())
    return digest.hexdigest()


def link(base_url: str, notice: Notice) -> str:
    """Where people see the alert and acknowledge it, or answer the review."""
    folder = "reviews" if notice.rule == REVIEW_RULE else "alerts"
    return f"{base_url.rstrip('/')}/{folder}/{notice.id}"


def _list_link(base_url: str, entries: Sequence[Entry], digest: bool) -> str:
    subject = entries[0].subject
    if subject and not digest and all(e.subject == subject for e in entries):
        return f"{base_url.rstrip('/')}/subjects/{subject}"
    return f"{base_url.rstrip('/')}/alerts"


def _proof(fact: Fact, offset_ms: int) -> Words:
    day = to_date((fact.time_ms + offset_ms) // DAY_MS).isoformat()
    text = message.record_text(fact.type, day)
    return Words(text["zh"], text["en"])


def _words(notice: Notice, items: Catalogue, now_ms: int) -> tuple[Words, Words]:
    if notice.rule == REVIEW_RULE:
        return _review_words(notice, now_ms >= int(notice.facts["due_end_ms"]))
    title = message.title(notice, items)
    body = message.body(notice, notice.name, items)
    return Words(title["zh"], title["en"]), Words(body["zh"], body["en"])


def _review_words(notice: Notice, late: bool) -> tuple[Words, Words]:
    """An open review of which some departments have not answered."""
    due, who = notice.facts["due"], notice.name or notice.subject
    names = notice.departments
    zh = f"等级差异复核{'已逾期未答复' if late else '即将到期'}（期限 {due}）"
    en = f"Review of a grade gap {'overdue' if late else 'due'} ({due})"
    return Words(zh, en), Words(
        f"{who}：{'、'.join(names)}尚未答复等级差异复核，请核查后答复维持或者调整并说明理由。",
        f"{who}: no answer yet from {', '.join(names)}. Please check and answer: keep or adjust.")
