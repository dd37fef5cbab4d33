"""What a surge is taken to be: `[rules.complaint_surge]` and `[rules.regional_surge]`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from models import calendar

Positive = Annotated[float, Meta(gt=0)]
Level: TypeAlias = Literal["blue", "yellow", "orange", "red"]
MonthDay = Annotated[str, Meta(pattern="^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]


class RegionalPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One item x cause in a district, or one cause in several districts or items."""

    enabled: bool = True
    level: Level = "orange"
    spread_level: Level = "red"
    false_per_week: Annotated[float, Meta(gt=0, le=100)] = 1.0
    """False alerts a week and city that are accepted on average."""
    p_max: Annotated[float, Meta(gt=0, lt=0.05)] = 0.001
    """Never told above this p-value, however small the city is."""
    windows_d: tuple[Annotated[int, Meta(ge=1, le=28)], ...] = (3, 7, 14)
    """Lengths of the recent windows that are looked at, ascending."""
    spread_d: Annotated[int, Meta(ge=1, le=28)] = 14
    """Within how many days a cause must rise in several places."""
    spread_min: Annotated[int, Meta(ge=2, le=20)] = 3
    """In how many districts or items."""
    count_min: Annotated[int, Meta(ge=2, le=100)] = 4
    """Fewer reports in a window are never a surge."""
    subject_cap: Annotated[int, Meta(ge=1, le=1000)] = 1
    """One subject counts at most this often in a window, or twice its usual number."""
    subjects_min: Annotated[int, Meta(ge=1, le=100)] = 3
    """Fewer subjects are no matter of a region: `complaint-surge` tells of them."""
    guard_d: Annotated[int, Meta(ge=28, le=90)] = 28
    """The latest days are not part of the past: what begins slowly must not become usual."""
    history_d: Annotated[int, Meta(ge=28, le=365)] = 56
    """A district or item with less past than this is not judged."""
    half_life_d: Annotated[float, Meta(ge=14, le=3650)] = 180.0
    """Age at which a day of the past counts half: how fast the usual follows a trend."""
    steady_per_d: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    """Strength of the calendar against the city's own count of a day, in reports."""
    special_factor: Annotated[float, Meta(ge=1, le=1e6)] = 20.0
    """On listed dates the p-value against the same cause elsewhere counts as this much larger."""
    keep_p: Annotated[float, Meta(gt=0, lt=1)] = 0.005
    """An open alert stays open while its p-value is at most this."""
    member_p: Annotated[float, Meta(gt=0, lt=1)] = 0.05
    """A cell is named as part of a surge if its own p-value is at most this."""
    quiet_d: Annotated[int, Meta(ge=1, le=60)] = 7
    """Days without evidence after which a surge is over."""


class ComplaintPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One subject against its own and its peers' rate."""

    enabled: bool = True
    level: Level = "yellow"
    false_share: Annotated[float, Meta(gt=0, lt=1)] = 0.1
    """Share of false ones among a day's alerts, on average (Benjamini-Hochberg)."""
    window_d: Annotated[int, Meta(ge=1, le=28)] = 7
    count_min: Annotated[int, Meta(ge=2, le=100)] = 3
    peer_count: Positive = 10.0
    """Expected reports with which a peer group is pulled toward its trade."""
    keep_p: Annotated[float, Meta(gt=0, lt=1)] = 0.01
    quiet_d: Annotated[int, Meta(ge=1, le=60)] = 7


class SurgeDates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a rise everywhere is no news, beside public holidays.

    `special`: first and last day of yearly periods, "MM-DD"; one may run over the end of a year.
    """

    special: tuple[tuple[MonthDay, MonthDay], ...] = (("03-08", "03-25"), ("05-01", "05-07"),
                                                      ("10-01", "10-10"))
    evidence_max: Annotated[int, Meta(ge=1, le=2000)] = 200
    """Reports named in one alert, the latest; all are counted."""


class SurgePolicy(msgspec.Struct, frozen=True):
    """Both rules and the dates; `holidays`: day numbers of public holidays."""

    regional: RegionalPolicy = RegionalPolicy()
    complaint: ComplaintPolicy = ComplaintPolicy()
    special: tuple[tuple[str, str], ...] = SurgeDates().special
    holidays: frozenset[int] = frozenset()
    evidence_max: int = SurgeDates().evidence_max


def special_days(policy: SurgePolicy, days: Iterable[int]) -> frozenset[int]:
    """Those of `days` on which a rise everywhere is no news.

    Examples
    --------
    >>> from datetime import date
    >>> day = calendar.from_date(date(2028, 2, 29))
    >>> sorted(special_days(SurgePolicy(special=(("02-29", "02-29"),)), range(day - 1, day + 2)))
    [21243]
    """
    found = set()
    for day in days:
        date = calendar.to_date(day)
        mark = f"{date.month:02d}-{date.day:02d}"
        for first, last in policy.special:
            inside = first <= mark <= last if first <= last else mark >= first or mark <= last
            if inside:
                found.add(day)
        if day in policy.holidays:
            found.add(day)
    return frozenset(found)
