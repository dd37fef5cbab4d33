"""Answers of the HTTP interface about models and policies; see `console.answers`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from console.answers import Answer
from console.answers_subject import Probability, Record

Count = Annotated[int, Meta(ge=0)]


class Tenth(Answer, frozen=True):
    """A tenth of the forecasts."""

    predicted: Probability
    observed: Probability
    n: float


class Measured(Answer, frozen=True):
    """How good the forecasts were; nulls while there were too few."""

    auc: float | None
    auc_low: float | None
    auc_high: float | None
    within: float | None
    log_loss: float | None
    brier: float | None
    ece: float | None
    calibration: list[Tenth]


class Lead(Answer, frozen=True):
    """The first model against another one, with 95 % intervals."""

    over: str
    auc: float | None
    auc_low: float | None
    auc_high: float | None
    log_loss: float | None
    log_loss_low: float | None
    log_loss_high: float | None
    better: str | None


class Slice(Answer, frozen=True):
    """The first model in a part of the businesses."""

    auc: float | None
    n: float
    observed: float | None
    predicted: float | None


class Drift(Answer, frozen=True):
    drifting: bool
    found: list[dict[str, Any]]


class Week(Answer, frozen=True):
    """Forecasts judged up to a Tuesday, by name of the model: progressive AUC and expected
    calibration error; null = not known yet. `weights` is the version published on that day."""

    day: int
    date: dt.date
    examples: Count
    adverse: Count
    auc: dict[str, Probability | None]
    ece: dict[str, Probability | None]
    drifting: bool
    weights: str | None


class Challengers(Answer, frozen=True):
    """Other models beside, in shadow; after a restart they begin anew, their history too."""

    since_day: int | None
    examples: Count
    adverse: Count
    models: dict[str, Measured]
    leads: list[Lead]
    history: list[Week]


class Learner(Answer, frozen=True):
    """`models` by name, the one in use first; `history` the oldest week first, at most 260 of
    them; days are civil days since 1970."""

    examples: Count
    adverse: Count
    first_day: int | None
    last_day: int | None
    published: str | None
    models: dict[str, Measured]
    leads: list[Lead]
    slices: dict[str, dict[str, Slice]]
    drift: Drift
    history: list[Week]
    challengers: Challengers | None


class Dates(Answer, frozen=True):
    as_of: dt.date | None
    first: dt.date | None
    last: dt.date | None


class AnalysisReport(Answer, frozen=True):
    """The last word of the analysis."""

    as_of_day: int | None
    published: Count
    learner: Learner | None
    surges: list[dict[str, Any]]
    dates: Dates
    drift_dates: list[dt.date]
    related: Annotated[dict[str, int], Meta(
        description="links that lead to anybody, listings in force, open alerts of both",
    )] = msgspec.field(default_factory=dict)


class Learning(Answer, frozen=True):
    """What the policy says of learning."""

    enabled: bool
    adverse_min: Count
    horizon_d: Count
    grace_d: Count
    publish_weeks: Count


class OfGroup(Answer, frozen=True):
    group: str
    weight: float
    expert: float


class Weight(Answer, frozen=True):
    """An indicator's weight by group of businesses, within its bounds."""

    indicator: str
    record: Record
    low: float
    high: float
    groups: list[OfGroup]


class WeightsInForce(Answer, frozen=True):
    name: str
    policy: str
    weights: list[Weight]


class WeightsVersion(Answer, frozen=True):
    """A version of the weights; `moved` counts those that differ from the expert's."""

    name: str
    since: dt.date | None
    moved: Count


class Abcd(Answer, frozen=True):
    A: Count
    B: Count
    C: Count
    D: Count


class Group(Answer, frozen=True):
    """Public grades of a group of businesses; `low_share` is that of C and D."""

    dimension: Literal["district", "size", "kind", "group"]
    value: str
    subjects: Count
    graded: Count
    grades: Abcd
    low_share: Probability | None


class Groups(Answer, frozen=True):
    as_of: dt.datetime
    subjects: Count
    by: list[Group]


class Models(Answer, frozen=True):
    """Forecasts, weights, groups; null = nothing was learned or counted yet."""

    report: AnalysisReport | None
    learning: Learning | None
    in_force: WeightsInForce | None
    versions: list[WeightsVersion]
    groups: Groups | None


class PolicyVersion(Answer, frozen=True):
    """A policy and the day it holds from; null = it is the first."""

    hash: str
    version: str
    since: dt.date | None
    bytes: Count


class Policies(Answer, frozen=True):
    """Policies and weights, the newest first."""

    in_force: str | None
    policies: list[PolicyVersion]
    weights: list[WeightsVersion]


class PolicyDocument(Answer, frozen=True):
    """A policy as it entered the log: `policy.toml` with its catalogues; null = off."""

    version: str
    subject_scheme: str
    utc_offset_min: int
    score: dict[str, Any]
    subjects: dict[str, Any]
    indicators: dict[str, Any]
    caps: dict[str, Any]
    bands: dict[str, Any]
    publicity: list[Any]
    penalty_classes: dict[str, Any]
    gap: dict[str, Any]
    periods: dict[str, Any]
    rules: dict[str, Any]
    limits: dict[str, Any]
    items: list[dict[str, Any]]
    devices: list[dict[str, Any]]
    calendar: dict[str, Any]
    learning: dict[str, Any]
    notify: dict[str, Any] | None


class Change(Answer, frozen=True):
    """A key that differs; null = it is not there."""

    key: str
    from_: Any = msgspec.field(name="from")
    to: Any


class PolicyDiff(Answer, frozen=True):
    """Keys in which two policies differ."""

    from_: str = msgspec.field(name="from")
    to: str
    changes: list[Change]
