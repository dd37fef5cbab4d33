"""The state of one subject: its evidence, the path of its grades, its open alerts, its devices."""

from __future__ import annotations

import datetime as dt

import msgspec

from models.anomaly import Verdict, WindowState
from models.events import NO_BUSINESS, Detected, Registration
from models.grade import STEP
from models.iot import SeriesState
from models.records import SIZE
from models.scorecard import GROUP_OF_KIND, UNGRADED

OPEN = frozenset({"pending", "firing", "acknowledged"})
"""States of an alert in which somebody still has to see to it."""


class Alert(msgspec.Struct, array_like=True):
    """An alert whose cause still holds. `since_ms` is the cause's own time, not its detection."""

    id: str
    rule: str
    item: int
    level: str
    state: str
    since_ms: int
    opened_ms: int
    updated_ms: int
    evidence: list[int]
    """Identities of the records that speak for it."""
    facts: dict[str, str]
    """What the message templates need, as text."""
    hold_until_day: int = 0
    silenced_until_ms: int = 0


class Profile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The registration in force: the latest by its own time, ties by identity."""

    time: int
    key: int
    name: str
    kind: str
    district: str
    industry: str
    size: str
    registered_on: dt.date
    aliases: list[str] = []
    controllers: list[str] = []
    platform: str | None = None
    items: list[str] = []

    @classmethod
    def of(cls, time: int, key: int, r: Registration) -> Profile:
        return cls(time, key, r.name, r.kind, r.district, r.industry, r.size, r.registered_on,
                   r.aliases, r.controllers, r.platform, r.items)

    def contradicts(self, held: Profile | None) -> bool:
        """Whether one code stands for two businesses: a change of name, of kind or of the seat
        leaves the day of registration, a corrected day the name."""
        return (held is not None and self.registered_on != held.registered_on
                and self.name != held.name)


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Profile).decode


class Subject:
    """One business. Memory: about 500 bytes and 65 more a record.

    `facts` may enter the public credit record, `signals` may not (raw complaints, raw alarms);
    both hold `records.RECORD` rows, with `refs` (source code, id, newline) in the same order.
    """

    __slots__ = ("acted", "alerts", "bases", "cancelled_day", "change_day", "detected", "devices",
                 "due", "fact_refs", "facts", "fall", "group", "key", "low", "marked", "parked",
                 "path", "profile", "signal_refs", "signals", "spotless", "told", "unjudged",
                 "verdicts", "view_day", "windows")

    def __init__(self, key: str) -> None:
        self.key = key
        self.facts = b""
        self.signals = b""
        self.fact_refs = b""
        self.signal_refs = b""
        self.bases = b""
        """What its penalties and listings cite (`basis.line`), in order of arrival."""
        self.path = b""
        """`grade.STEP` rows: every change of every computed grade."""
        self.change_day = 0
        """Next day on which a computed grade may change by itself; 0 = never."""
        self.view_day = 0
        """Next day on which an alert without a deadline may change by itself; 0 = never."""
        self.spotless = True
        """Whether no record of it ever could lower its credit score, or take back one that raises
        it: then every grade is the one of a clean start."""
        self.acted = False
        """Whether a person ever acted on one of its alerts."""
        self.due = 0
        """Day this subject stands in the timer wheel for; 0 = none."""
        self.group = 0
        self.marked = False
        """Whether it ever was listed or assigned a grade: its gap shows in no path."""
        self.told = b""
        """`grade.TOLD` rows: the grades in force that were last said of a marked subject; those of
        any other are the last ones of its paths."""
        self.profile = b""
        self.cancelled_day = 0
        self.fall: tuple[int, int, int] = _NO_FALL
        """(bucket of 30 days, points lost in the bucket before, in this one): an upper bound."""
        self.low = 0
        """Most points [thousandths] by which bad evidence holds its risk scores down: an upper
        bound, exact after a full look."""
        self.alerts: dict[str, Alert] | None = None
        self.devices: dict[tuple[int, str, str], SeriesState] | None = None
        self.windows: dict[tuple[int, str, str], WindowState] | None = None
        """Hours of those series that are judged against their past."""
        self.verdicts: dict[tuple[int, str, str], tuple[Verdict, ...]] | None = None
        """What was found in them when they were last judged."""
        self.unjudged: set[tuple[int, str, str]] | None = None
        """Those of them that may show more than then; None = all. Saves looks in vain, and is not
        kept: judged once more, the others show nothing again."""
        self.parked: dict[int, int] | None = None
        """Modifiers whose target has not arrived: identity -> day they become dead letters."""
        self.detected: dict[str, Detected] | None = None
        """The last word of the analysis of the city about each alert it has raised here."""

    @property
    def is_business(self) -> bool:
        """Whether it is no cell or feed, which can have alerts too."""
        return not self.key.startswith(NO_BUSINESS)

    def registration(self) -> Profile | None:
        return _DECODE(self.profile) if self.profile else None

    def register(self, profile: Profile) -> bool:
        """Take a registration over if it is later than the one held; say whether it was."""
        held = self.registration()
        if held is not None and (held.time, held.key) >= (profile.time, profile.key):
            return False
        self.profile = _ENCODE(profile)
        self.group = GROUP_OF_KIND[profile.kind]
        return True

    def steps(self, item: int) -> list[tuple[int, int]]:
        """(day, grade) changes of the computed grade of one item, oldest first."""
        return [(day, grade) for code, day, grade in STEP.iter_unpack(self.path) if code == item]

    def graded_items(self) -> list[int]:
        """Codes of the items (0 = public) that have a computed grade path, ascending."""
        return sorted({code for code, _, _ in STEP.iter_unpack(self.path)})

    def last_step(self, item: int) -> tuple[int, int]:
        """Day and grade of the latest change of one item; (0, UNGRADED) when there is none."""
        found = (0, UNGRADED)
        for code, day, grade in STEP.iter_unpack(self.path):
            if code == item:
                found = (day, grade)
        return found

    def spread(self) -> int:
        """Largest distance between any two grades on the paths, at any time."""
        held = {grade for _, _, grade in STEP.iter_unpack(self.path)}
        held.discard(UNGRADED)
        return max(held) - min(held) if len(held) > 1 else 0

    def grade_at(self, item: int, day: int) -> int:
        """Computed grade of an item on a day, direct rules apart."""
        grade = UNGRADED
        for code, since, new in STEP.iter_unpack(self.path):
            if code == item and since <= day:
                grade = new
        return grade

    def rewrite(self, item: int, start: int, steps: list[tuple[int, int]]) -> bool:
        """Replace an item's path from `start` on; say whether that changed anything."""
        rows = list(STEP.iter_unpack(self.path))
        kept = [r for r in rows if r[0] != item or r[1] < start]
        added = [(item, day, grade) for day, grade in steps]
        if len(kept) + len(added) == len(rows) and all(r in rows for r in added):
            return False
        # Sorted, so that the bytes do not tell in which order facts arrived.
        self.path = b"".join(STEP.pack(*r) for r in sorted(kept + added))
        return True

    def refs(self, keys: set[int]) -> dict[int, tuple[int, str]]:
        """Source code and id of the records with those identities."""
        out: dict[int, tuple[int, str]] = {}
        for records, refs in ((self.facts, self.fact_refs), (self.signals, self.signal_refs)):
            if not records:
                continue
            lines = refs.split(b"\n")
            for n in range(len(records) // SIZE):
                key = int.from_bytes(records[n * SIZE : n * SIZE + 8], "little")
                if key in keys:
                    code, _, id = lines[n].partition(b" ")
                    out[key] = (int(code), id.decode())
        return out


_NO_FALL = (0, 0, 0)
