"""Answers of the HTTP interface about the whole city: the situation, departments, devices; see
`console.answers`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from console.answers import Alert, Answer, Cursor, Level, Text

Count = Annotated[int, Meta(ge=0)]
Rate = Annotated[float, Meta(ge=0, le=1)] | None
Quarter = Annotated[str, Meta(pattern="^[0-9]{4}Q[1-4]$")]
Counted = Annotated[dt.datetime | None, Meta(description="null = the city was not counted yet")]
Hour = Annotated[
    tuple[int, float, float], Meta(description="epoch ms of its beginning, least, greatest")]


class ByLevel(Answer, frozen=True):
    red: Count
    orange: Count
    yellow: Count
    blue: Count


class DaysByLevel(Answer, frozen=True):
    red: list[Count]
    orange: list[Count]
    yellow: list[Count]
    blue: list[Count]


class DaysByGrade(Answer, frozen=True):
    A: list[Count]
    B: list[Count]
    C: list[Count]
    D: list[Count]


class District(Answer, frozen=True):
    """A district; `risk` is its share of red and orange alerts, 1 = as in the whole city."""

    district: str
    subjects: Count
    grades: dict[str, Count]
    alerts_open: ByLevel
    risk: Annotated[float, Meta(ge=0)]


class Trend(Answer, frozen=True):
    """Alerts of each day and businesses by public grade at its end; lists as long as `days`."""

    days: list[dt.date]
    opened: DaysByLevel
    ended: DaysByLevel
    grades: DaysByGrade


class Rising(Answer, frozen=True):
    """A rule that opened more alerts in 7 days than usual."""

    rule: str
    opened: Count
    usual: float
    chance: Annotated[float, Meta(ge=0, le=1, description="that it is mere chance")]


class Emerging(Answer, frozen=True):
    alerts: list[Alert]
    rising: list[Rising]


class FeedAlert(Answer, frozen=True):
    id: str
    rule: str
    level: Level
    title: Text


class Feed(Answer, frozen=True):
    """A source of events."""

    source: str
    events_24h: Count
    last_hour: dt.datetime | None
    alert: FeedAlert | None


class ModelState(Answer, frozen=True):
    """How the model in use stands."""

    name: str
    weights: str
    as_of: dt.date
    examples: Count
    adverse: Count
    auc: float | None
    ece: float | None
    predicted: float | None
    observed: float | None
    drifting: bool


class Situation(Answer, frozen=True):
    """What the first page shows beside its counters."""

    as_of: dt.datetime | None
    districts: list[District]
    trend: Trend
    emerging: Emerging
    feeds: list[Feed]
    dead_letters_24h: Count
    model: ModelState | None


class Share(Answer, frozen=True):
    """`part` of `whole`; no rate of nothing."""

    part: Count
    whole: Count
    rate: Rate


class Codes(Answer, frozen=True):
    """Wrong codes among what was sent."""

    wrong: Count
    sent: Count
    rate: Rate


class Shares(Answer, frozen=True):
    timeliness: Share
    completeness: Share
    reviews: Share
    alerts: Share
    inspections: Share
    coverage: Share
    access: Share
    codes: Codes
    records: Count


class Components(Answer, frozen=True):
    """What the score is the mean of."""

    timeliness: Rate
    completeness: Rate
    reviews: Rate
    alerts: Rate
    inspections: Rate
    codes: Rate


class Acts(Answer, frozen=True):
    """Acts of a kind by when they were public."""

    on_time: Count
    late: Count
    overdue: Count
    waiting: Count


class Department(Shares, frozen=True):
    """A department in a quarter; no score and rank with fewer than 3 components."""

    department: str
    rank: Annotated[int, Meta(ge=1)] | None
    score: Annotated[float, Meta(ge=0, le=100)] | None
    components: Components
    acts: dict[str, Acts]
    overdue: Count
    review_answer_h: float | None
    alert_answer_h: float | None
    inspections_found: Count
    record_age_d: float | None
    grade_age_d: float | None


class City(Shares, frozen=True):
    """All departments together."""

    items: Count
    unattributed: Count


class OnTime(Answer, frozen=True):
    """Share of acts public in time, by department ("" = the city), as long as `quarters`."""

    quarters: list[Quarter]
    on_time: dict[str, list[Rate]]


class Departments(Answer, frozen=True):
    """The departments by rank."""

    as_of: Counted
    quarter: Quarter | None
    quarters: list[Quarter]
    departments: list[Department]
    city: City | None
    trend: OnTime | None
    over: bool | UnsetType = UNSET
    components: list[str] | UnsetType = UNSET
    targets: dict[str, Rate] | UnsetType = UNSET


class DeviceRow(Answer, frozen=True):
    """A device of a business; `states` are the rules that speak of it."""

    subject: str
    name: str
    district: str
    item: str
    device: str
    class_: str = msgspec.field(name="class")
    metrics: list[str]
    labels: Annotated[list[Text], Meta(description="Names of the `metrics`, in that order")]
    last_at: dt.datetime
    states: list[str]
    state: Literal["silent", "suspicious", "over", "well"]


class Devices(Answer, frozen=True):
    """Devices in the order of business, item and name."""

    as_of: Counted
    devices: list[DeviceRow]
    next: Cursor
    counts: dict[str, Count]


class Found(Answer, frozen=True):
    """What a rule says of a series now."""

    rule: str
    level: Level
    since: dt.datetime
    text_zh: str
    text_en: str


class Stretch(Answer, frozen=True):
    from_: dt.datetime = msgspec.field(name="from")
    until: dt.datetime


class Marked(Stretch, frozen=True):
    kind: Literal["maintenance", "device", "null", "offline"]


class DeviceSeries(Answer, frozen=True):
    """What is kept of one quantity; the limit's fields only where the catalogue has one."""

    metric: str
    class_: str = msgspec.field(name="class")
    last_at: dt.datetime
    silent_from: dt.datetime | None
    kept: Literal["hours", "samples", "cells", "nothing"]
    known: bool
    unit: str
    low: float | None
    high: float | None
    found: list[Found]
    hours: list[Hour]
    usual: Annotated[list[Hour], Meta(description="what is usual then: hour, low, high")]
    periods: list[Marked]
    samples: Annotated[list[tuple[int, float]], Meta(description="epoch ms, value")]
    beyond: Annotated[list[Stretch], Meta(description="readings beyond the limit")]
    duration_s: int | UnsetType = UNSET
    mean_s: int | UnsetType = UNSET
    interval_s: int | UnsetType = UNSET
    level: Level | UnsetType = UNSET
    standard: str | UnsetType = UNSET
    text_zh: str | UnsetType = UNSET
    text_en: str | UnsetType = UNSET


class Device(Answer, frozen=True):
    """What is kept of a device."""

    subject: str
    name: str
    district: str
    item: str
    department: str
    device: str
    as_of: dt.datetime
    class_norms: Annotated[bool, Meta(description="whether others of its class are compared")]
    states: list[str]
    series: list[DeviceSeries]
    alerts: list[Alert]
