"""The policy: every number that can change a conclusion, as one frozen value.

`config.load` reads it from TOML and CSV; the log carries it as canonical JSON, so that a log is
enough to reproduce every conclusion. Units are in the names: `_d` days, `_months` calendar months,
`_workdays` working days of the calendar, `_points` score points, weights in log-odds.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from models import notify_policy
from models.anomaly import Rule
from models.calendar import WorkingDays
from models.iot import DeviceSpec
from models.notify_policy import Notify
from models.surge_policy import ComplaintPolicy, RegionalPolicy, SurgeDates

Level: TypeAlias = Literal["blue", "yellow", "orange", "red"]
Count: TypeAlias = Annotated[int, Meta(ge=1, le=10_000)]
Days: TypeAlias = Annotated[int, Meta(ge=0, le=7_300)]
Points: TypeAlias = Annotated[float, Meta(ge=0, le=1_000)]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base: an unknown or a missing key refuses to load."""


class Score(Strict, frozen=True):
    """Points to double the odds [Siddiqi 2006]: base + pdo / ln 2 * (log-odds - ln odds)."""

    base_points: Points
    base_odds: Annotated[float, Meta(gt=0, le=1e6)]
    pdo: Annotated[float, Meta(gt=0, le=500)]


class Subjects(Strict, frozen=True):
    """Intercept [log-odds of no adverse finding] of a subject about whom nothing is known."""

    enterprise: Annotated[float, Meta(ge=-10, le=10)]
    individual: Annotated[float, Meta(ge=-10, le=10)]
    organisation: Annotated[float, Meta(ge=-10, le=10)]


class Indicator(Strict, frozen=True):
    """One kind of evidence and what it weighs.

    `weight` in log-odds of *no adverse finding* per unit at age 0: negative is bad. `bounds` fix
    its sign and its range for learning. `half_life_d` 0 = constant while it counts.
    `max_months` ends its effect (0 = the publicity class or the list itself ends it).
    `multipliers` scale it by severity. `individual` and `organisation` replace `weight` there.
    """

    record: Literal["public", "internal"]
    weight: float
    bounds: tuple[float, float]
    half_life_d: Days
    max_months: Annotated[int, Meta(ge=0, le=240)]
    multipliers: tuple[Annotated[float, Meta(ge=0, le=10)], ...] = (1.0,)
    individual: float | None = None
    organisation: float | None = None


class Indicators(Strict, frozen=True):
    complaint: Indicator
    tip: Indicator
    complaint_mediated: Indicator
    complaint_upheld: Indicator
    iot_alarm: Indicator
    interview: Indicator
    commitment_overdue: Indicator
    rectification_overdue: Indicator
    penalty_unperformed: Indicator
    list_watch: Indicator
    iot_violation: Indicator
    penalty_minor: Indicator
    penalty_general: Indicator
    penalty_serious: Indicator
    inspection_pass: Indicator
    inspection_fixed: Indicator
    inspection_fail: Indicator
    inspection_evaded: Indicator
    commitment_fulfilled: Indicator
    commitment_breached: Indicator
    rectification_failed: Indicator
    list_serious: Indicator
    list_debtor: Indicator
    list_abnormal: Indicator
    list_red: Indicator
    list_ban: Indicator
    arrears: Indicator
    information_verified: Indicator


INDICATORS: tuple[str, ...] = Indicators.__struct_fields__


class Bands(Strict, frozen=True):
    """Lowest `credit_score` of each grade; `margin_points` either way before a grade moves."""

    a: Points
    b: Points
    c: Points
    margin_points: Points
    evidence_min: Count
    direct_d: list[Literal["serious", "debtor", "abnormal", "watch", "ban"]]


class Months(Strict, frozen=True):
    minor: tuple[int, int]
    general: tuple[int, int]
    serious: tuple[int, int]


class Publicity(Strict, frozen=True):
    """A regime of publicity periods: (least, most) months per class, from a day on."""

    name: str
    since: dt.date
    months: Months


class PenaltyClasses(Strict, frozen=True):
    """How a penalty that names no class is classed."""

    minor_kinds: list[str]
    minor_fine_cny: float
    serious_kinds: list[str]
    serious_fine_cny: float


class Gap(Strict, frozen=True):
    levels: Annotated[int, Meta(ge=1, le=3)]
    issuers: list[Literal["department", "city", "province", "nation", "market"]]
    merge_d: Days
    answer_workdays: Count


class Periods(Strict, frozen=True):
    """Evaluation period of an item's official grade."""

    default: Literal["continuous", "monthly", "yearly"]
    monthly: list[str]
    continuous: list[str]


class Stratum(Strict, frozen=True):
    """How often businesses of a grade are drawn for an inspection: `ratio` of them against the
    other grades, each at most `times` in `months` (0 = as often as need be). Nobody is exempt."""

    ratio: Annotated[float, Meta(gt=0, le=1)]
    times: Annotated[int, Meta(ge=0, le=100)] = 0
    months: Annotated[int, Meta(ge=1, le=120)] = 12


class Raised(Strict, frozen=True):
    """What moves a business of a better grade to C in a draw: lists it is on, alerts it has."""

    lists: tuple[Literal["serious", "debtor", "abnormal", "watch", "ban"], ...] = ()
    rules: tuple[Literal["risk-high", "score-plunge", "complaint-surge", "repeat-offence",
                         "iot-tamper"], ...] = ()


class Inspections(Strict, frozen=True):
    """Double-random inspections by grade (MID-21).

    `counted`: plans of inspections that count towards `times`; those that a complaint or a lead
    asked for do not. `waiting_d`: who was drawn is not drawn again for so long, unless inspected.
    `industries`: (item, code of GB/T 4754 or what it begins with) of trades all in an item's pool.
    """

    A: Stratum = Stratum(0.02, 1, 24)
    B: Stratum = Stratum(0.05, 1, 12)
    C: Stratum = Stratum(0.3, 2, 12)
    D: Stratum = Stratum(1.0)
    ungraded: Stratum = Stratum(0.05, 1, 12)
    counted: tuple[Literal["random", "targeted", "complaint", "joint", "iot"], ...] = (
        "random", "joint")
    waiting_d: Days = 90
    raised: Raised = Raised()
    industries: tuple[tuple[str, Annotated[str, Meta(pattern="^[A-T][0-9]{0,4}$")]], ...] = ()

    def strata(self) -> tuple[Stratum, ...]:
        """In the order of `records.STRATA`."""
        return self.A, self.B, self.C, self.D, self.ungraded


class GradeDrop(Strict, frozen=True):
    enabled: bool
    hold_d: Days
    to_b: Level | None
    to_c: Level
    to_d: Level


class ScorePlunge(Strict, frozen=True):
    enabled: bool
    fall_points: Points
    window_d: Annotated[int, Meta(ge=1, le=30)]
    level: Level


class Due(Strict, frozen=True):
    """A deadline: `warn` units before it a `warn_level`, after it a `level`."""

    enabled: bool
    warn: Days
    warn_level: Level
    level: Level


class Publication(Strict, frozen=True):
    enabled: bool
    warn_workdays: Count
    due_workdays: Count
    warn_level: Level
    level: Level


class Answer(Strict, frozen=True):
    """No answer within `workdays`; after as many again the level rises."""

    enabled: bool
    workdays: Count
    level: Level
    later_level: Level


class Repeat(Strict, frozen=True):
    enabled: bool
    count: Count
    window_d: Days
    level: Level


class Held(Strict, frozen=True):
    enabled: bool
    hold_d: Days
    level: Level


class Plain(Strict, frozen=True):
    enabled: bool
    level: Level


class DeviceAnomaly(Rule, frozen=True, forbid_unknown_fields=True):
    """Series against their past (`models.anomaly`). Tampering has `Iot.tamper_level`."""

    enabled: bool = False
    level: Level = "yellow"
    fault_level: Level = "blue"


class Iot(Strict, frozen=True):
    enabled: bool
    horizon_h: Annotated[int, Meta(ge=1, le=24 * 31)]
    silent_intervals: Count
    tamper_level: Level
    silent_level: Level
    anomaly: DeviceAnomaly = DeviceAnomaly()


class RiskHigh(Strict, frozen=True):
    """The chance of an adverse finding within the horizon is at least `probability`."""

    enabled: bool = False
    probability: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    level: Level = "orange"


class ModelDrift(Strict, frozen=True):
    enabled: bool = False
    level: Level = "orange"


class FeedSilent(Strict, frozen=True):
    """A feed has sent nothing for longer than its own rhythm allows (`models.rhythm`)."""

    enabled: bool = False
    level: Level = "orange"
    rare_level: Level = "blue"
    false_per_source_year: Annotated[float, Meta(gt=0, le=100)] = 0.05
    """False alarms that are accepted of each feed."""
    p_max: Annotated[float, Meta(gt=0, lt=0.05)] = 0.001
    """Never told while so long a silence is more likely than this."""
    min_hours: Annotated[int, Meta(ge=1, le=8_760)] = 3
    history_d: Annotated[int, Meta(ge=14, le=730)] = 56
    """A feed with less past is not judged."""
    active_min: Annotated[int, Meta(ge=2, le=1_000)] = 12
    """Nor one that has sent on fewer days; nor by weeks (hours), if on fewer of them."""
    rare_days: Annotated[float, Meta(ge=0, le=30)] = 4.0
    """A feed with events on fewer days a month is rare: `rare_level`."""
    forget_d: Annotated[int, Meta(ge=90, le=3_650)] = 400
    """After so many days without events a feed is no more expected."""


class IdentifierErrors(Strict, frozen=True):
    """Too many of a feed's events name a wrong code (`models.wrong_codes`)."""

    enabled: bool = False
    level: Level = "blue"
    high_level: Level = "yellow"
    rate: Annotated[float, Meta(gt=0, lt=1)] = 1e-4
    """Share of wrong codes that is allowed."""
    high_factor: Annotated[float, Meta(ge=1, le=10_000)] = 10.0
    """From so many times `rate` on: `high_level`."""
    window_d: Annotated[int, Meta(ge=1, le=366)] = 30
    errors_min: Count = 3
    p_max: Annotated[float, Meta(gt=0, lt=0.5)] = 0.001
    """Told when so many errors are less likely than this at the allowed rate."""


class RelatedRisk(Strict, frozen=True):
    """A business that is linked to this one was listed (`streams.related`)."""

    enabled: bool = False
    level: Level = "orange"
    lists: tuple[Literal["serious", "debtor", "abnormal", "watch", "ban"], ...] = (
        "serious", "debtor", "ban")
    links: tuple[Literal["controller", "platform"], ...] = ("controller",)
    businesses_max: Annotated[int, Meta(ge=1, le=1_000)] = 20
    """One link that leads to more businesses is told as a number, not to each of them."""


class GapRule(Strict, frozen=True):
    enabled: bool
    level: Level
    widest_level: Level


class Rules(Strict, frozen=True):
    grade_gap: GapRule
    grade_drop: GradeDrop
    score_plunge: ScorePlunge
    commitment_overdue: Due
    rectification_overdue: Due
    penalty_unperformed: Due
    publication_overdue: Publication
    review_overdue: Answer
    objection_overdue: Answer
    repeat_offence: Repeat
    ban_breach: Held
    list_conflict: Plain
    iot: Iot
    # Later than the first logs: what is absent there was not in force.
    risk_high: RiskHigh = RiskHigh()
    complaint_surge: ComplaintPolicy = ComplaintPolicy(enabled=False)
    regional_surge: RegionalPolicy = RegionalPolicy(enabled=False)
    surge_dates: SurgeDates = SurgeDates()
    model_drift: ModelDrift = ModelDrift()
    feed_silent: FeedSilent = FeedSilent()
    identifier_errors: IdentifierErrors = IdentifierErrors()
    related_risk: RelatedRisk = RelatedRisk()


class Limits(Strict, frozen=True):
    park_d: Count


class Learning(Strict, frozen=True):
    """How the weights are learned from what came of the businesses (`models.learner`)."""

    enabled: bool = False
    horizon_d: Annotated[int, Meta(ge=7, le=730)] = 180
    """A finding within so many days counts as the outcome."""
    every_d: Annotated[int, Meta(ge=7, le=730)] = 90
    """Each business is an example once in so many days."""
    grace_d: Annotated[int, Meta(ge=0, le=365)] = 30
    """What arrives so much later than it happened still changes an outcome."""
    clean_one_in: Annotated[int, Meta(ge=1, le=100)] = 4
    """Of those without a finding one in so many is taken, and counts for all."""
    publish_weeks: Annotated[int, Meta(ge=1, le=104)] = 26
    """Weeks between two versions of the weights."""
    adverse_min: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    """Nothing is published before so many findings were learned from."""
    strength: Annotated[float, Meta(ge=0, le=1e6)] = 10.0
    """How firmly a weight keeps to the expert's: precision of the prior [1 / log-odds**2]."""
    intercept_strength: Annotated[float, Meta(gt=0, le=1e6)] = 10.0
    """The same of the intercept of a group of subjects."""
    group_strength: Annotated[float, Meta(gt=0, le=1e6)] = 30.0
    """The same of an item's offset from it."""
    rate: Annotated[float, Meta(gt=0, le=1)] = 0.2
    """Step of the optimiser (AdaGrad) that moves the weights."""
    memory: Annotated[float, Meta(ge=1_000, le=1e12)] = 1e6
    """Examples after which the past counts no more than this many."""
    drift_delta: Annotated[float, Meta(gt=0, lt=1)] = 1e-4
    """Chance of a false detection of drift."""
    drift_least: Annotated[float, Meta(ge=0.01, le=10)] = 0.15
    """By what share of the expected the model must have become worse."""
    drift_hold_d: Annotated[int, Meta(ge=1, le=730)] = 28
    """Days without a further detection before drift can end."""
    challengers_per_day: Annotated[int, Meta(ge=0, le=100_000)] = 200
    """Examples a day that the models in shadow are compared on."""


class Item(Strict, frozen=True):
    """A supervision item of the catalogue; `annex`..`system` are for people."""

    id: str
    department: str
    item: str


class Calendar(Strict, frozen=True):
    """Exceptions from Monday to Friday; `covered_to` is the last day that is published."""

    holidays: list[dt.date]
    workdays: list[dt.date]
    covered_to: dt.date

    def working_days(self) -> WorkingDays:
        """Ready to count with."""
        return WorkingDays(self.holidays, self.workdays, self.covered_to)


class Policy(Strict, frozen=True):
    version: str
    subject_scheme: Literal["uscc", "opaque"]
    utc_offset_min: Annotated[int, Meta(ge=-720, le=840)]
    score: Score
    subjects: Subjects
    indicators: Indicators
    caps: dict[str, Points]
    bands: Bands
    publicity: list[Publicity]
    penalty_classes: PenaltyClasses
    gap: Gap
    periods: Periods
    rules: Rules
    limits: Limits
    items: list[Item]
    devices: list[DeviceSpec]
    calendar: Calendar
    learning: Learning = Learning()
    notify: Notify | None = None
    """Who is told of what, and when; None in logs of before: nobody is."""
    inspections: Inspections = Inspections()


CAPPED: dict[str, str] = {
    "complaint": "complaints",
    "tip": "complaints",
    "complaint_mediated": "complaints",
    "complaint_upheld": "complaints",
    "iot_alarm": "iot_alarms",
}
"""Indicators whose sum is capped together: a flood of reports must not decide by its number."""


def problems(policy: Policy) -> str | None:
    """First contradiction in a policy, as one line naming the key, or None.

    Positive evidence must not decay: between two facts a score may then only rise, which is what
    makes the next change of a grade computable (`models.grade.walk`).
    """
    for name in INDICATORS:
        one: Indicator = getattr(policy.indicators, name)
        low, high = one.bounds
        if low > high or low < 0 < high:
            return f"indicators.{name}.bounds={[low, high]}: must be ordered and of one sign"
        for key, weight in (
            ("weight", one.weight),
            ("individual", one.individual),
            ("organisation", one.organisation),
        ):
            if weight is not None and not low <= weight <= high:
                return f"indicators.{name}.{key}={weight}: must be within bounds {[low, high]}"
        if high > 0 and one.half_life_d:
            return f"indicators.{name}.half_life_d={one.half_life_d}: positive evidence takes 0"
    bands = policy.bands
    if not bands.a > bands.b > bands.c:
        return f"bands a={bands.a} b={bands.b} c={bands.c}: must fall from a to c"
    if 2 * bands.margin_points >= min(bands.a - bands.b, bands.b - bands.c):
        return f"bands.margin_points={bands.margin_points}: must be below half of each band"
    for group in set(CAPPED.values()) ^ set(policy.caps):
        return f"caps.{group}: allowed and required are {sorted(set(CAPPED.values()))}"
    since = [p.since for p in policy.publicity]
    if not since or since != sorted(since):
        return "publicity: at least one regime, ordered by `since`"
    ids = [i.id for i in policy.items]
    if len(set(ids)) != len(ids) or "public" in ids:
        return "items: ids must be unique and none may be 'public'"
    for item, _ in policy.inspections.industries:
        if item not in ids:
            return f"inspections.industries={item}: no such item in the catalogue"
    if policy.notify is not None:
        return notify_policy.problems(policy.notify, {i.department for i in policy.items})
    return None


def encode(policy: Policy) -> str:
    """Canonical JSON of a policy (sorted keys): what the log carries and the hash covers."""
    return msgspec.json.encode(policy, order="deterministic").decode()


def decode(document: str) -> Policy:
    """Inverse of `encode`."""
    return msgspec.json.decode(document, type=Policy)


def digest(document: str) -> str:
    """Hash stamped on every score: 16 hex characters of BLAKE2b over the canonical JSON."""
    return hashlib.blake2b(document.encode(), digest_size=8).hexdigest()
