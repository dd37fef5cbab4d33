"""Who is told of what, when, and what happens when nobody answers: `[notify]` of the policy.

These numbers decide who is told, so they travel in the log like every other number of the policy.
How a receiver is reached (addresses, secrets) is no part of it: `config/channels.toml`.
Units are in the names: `_min` civil or working minutes (said where), `_s` seconds, `_workdays`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

Level: TypeAlias = Literal["blue", "yellow", "orange", "red"]
Role: TypeAlias = Literal["department", "office", "superior", "audit", "centre", "joint"]
Minutes: TypeAlias = Annotated[int, Meta(ge=0, le=60 * 24 * 60)]
MinuteOfDay: TypeAlias = Annotated[int, Meta(ge=0, le=1_440)]
Count: TypeAlias = Annotated[int, Meta(ge=1, le=100_000)]

LEVELS: tuple[Level, ...] = ("blue", "yellow", "orange", "red")


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base: an unknown or a missing key refuses to load."""


class Receiver(Strict, frozen=True):
    """Somebody who may be told: a row of `catalogue/receivers.csv`.

    `department` is a name of the items catalogue; "" stands for all of them. `district` is a GB/T
    2260 code, for sub-offices. `kinds` are kinds of subjects; a superior or audit body that has
    some is told of every alert about such a subject. A `system` is told of every transition at
    once, by machine: no quiet hours, no gathering, no digest, no reminder.
    """

    id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    role: Role
    department: str = ""
    district: Annotated[str, Meta(pattern=r"^(\d{6})?$")] = ""
    kinds: tuple[str, ...] = ()
    mode: Literal["people", "system"] = "people"
    language: Literal["zh", "en", "both"] = "zh"


class PerLevel(Strict, frozen=True):
    """One number for each level."""

    blue: Minutes
    yellow: Minutes
    orange: Minutes
    red: Minutes

    def of(self, level: str) -> int:
        """The number of a level."""
        found: int = getattr(self, level)
        return found


class Work(Strict, frozen=True):
    """Working hours of a working day, civil minutes."""

    from_min: MinuteOfDay
    to_min: MinuteOfDay


class Quiet(Strict, frozen=True):
    """Hours in which nobody is told of `levels`: outside [to_min, from_min), and on days off."""

    levels: tuple[Literal["blue", "yellow"], ...]
    from_min: MinuteOfDay
    to_min: MinuteOfDay
    days_off: bool


class Gather(Strict, frozen=True):
    """How long the first word waits for others about the same subject or cell, by level [s]."""

    wait_s: PerLevel
    alerts_max: Annotated[int, Meta(ge=1, le=1_000)]
    """More alerts than this go into a message as a number only."""


class Remind(Strict, frozen=True):
    """When to say it again [working minutes]; 0 = never."""

    unacknowledged_min: PerLevel
    idle_min: PerLevel
    """Acknowledged, and nothing has happened since."""
    most: Count


class Storm(Strict, frozen=True):
    """Beyond so many messages to one receiver within the window it gets a digest, and is told so.

    Red alerts have a limit and a pace of their own.
    """

    window_s: Annotated[int, Meta(ge=10, le=86_400)]
    messages_max: Count
    digest_s: Annotated[int, Meta(ge=10, le=86_400)]
    red_messages_max: Count
    red_digest_s: Annotated[int, Meta(ge=10, le=86_400)]


class Mute(Strict, frozen=True):
    """An open alert of `rule` keeps quiet those of `mutes` about the same subject."""

    rule: str
    mutes: tuple[str, ...]


class Inhibit(Strict, frozen=True):
    """Never mutes red, and only where the receiver is told of what mutes."""

    rules: tuple[Mute, ...]
    red_mutes: tuple[Literal["blue", "yellow"], ...]
    """Levels that an open red alert keeps quiet about the same subject."""


class Routing(Strict, frozen=True):
    """Who is told at once. The department of each item always is, by itself or by its office."""

    office_alone: tuple[Level, ...]
    """Levels of which, where the district has a sub-office, the department is not told at first."""
    centre: tuple[Level, ...]
    centre_rules: tuple[str, ...]
    state_kinds: tuple[str, ...]
    """Kinds of subjects for which superior units and audit bodies are told."""
    state_levels: tuple[Level, ...]


class Step(Strict, frozen=True):
    """Without an answer `after_min` minutes from the start, these are told.

    `clock`: `work` counts working minutes, `always` all of them. For a review the start is the
    first moment after its due day; a negative number lies before.
    """

    after_min: Annotated[int, Meta(ge=-100_000, le=100_000)]
    to: Annotated[tuple[Role, ...], Meta(min_length=1)]
    clock: Literal["work", "always"] = "work"


class Escalate(Strict, frozen=True):
    """The steps of each level, and those of an unanswered review, in order."""

    blue: tuple[Step, ...]
    yellow: tuple[Step, ...]
    orange: tuple[Step, ...]
    red: tuple[Step, ...]
    review: tuple[Step, ...]

    def plan(self, name: str) -> tuple[Step, ...]:
        """Steps of a level or of `review`."""
        found: tuple[Step, ...] = getattr(self, name)
        return found


class Notify(Strict, frozen=True):
    work: Work
    quiet: Quiet
    gather: Gather
    remind: Remind
    storm: Storm
    inhibit: Inhibit
    routing: Routing
    escalate: Escalate
    resolved: bool
    """Whether those who were told are told that it is over."""
    receivers: tuple[Receiver, ...]


def problems(notify: Notify, departments: Iterable[str] = ()) -> str | None:
    """First contradiction, as one line naming the key, or None.

    `departments` are those of the items catalogue; a receiver may name no other.
    """
    if notify.work.from_min >= notify.work.to_min:
        return f"notify.work.to_min={notify.work.to_min}: must be after from_min"
    if notify.quiet.from_min == notify.quiet.to_min:
        return f"notify.quiet.to_min={notify.quiet.to_min}: must differ from from_min"
    if (notify.quiet.from_min, notify.quiet.to_min) == (0, 1_440):
        return "notify.quiet.to_min=1440: must leave a minute of the day that is not quiet"
    for name in (*LEVELS, "review"):
        after = [s.after_min for s in notify.escalate.plan(name)]
        if after != sorted(set(after)):
            return f"notify.escalate.{name}: after_min must rise from step to step"
        if name != "review" and after and after[0] <= 0:
            return f"notify.escalate.{name}: after_min={after[0]}: must be above 0"
    muted = {m.rule: set(m.mutes) for m in notify.inhibit.rules}
    for rule in muted:
        reached, more = set[str](), {rule}
        while more:
            more = {t for m in more for t in muted.get(m, ())} - reached
            reached |= more
        if rule in reached:
            return f"notify.inhibit.rules: {rule} would mute itself"
    ids = [r.id for r in notify.receivers]
    for id in ids:
        if ids.count(id) > 1:
            return f"receivers: id={id}: must be unique"
    if not any(r.role == "centre" and r.mode == "people" for r in notify.receivers):
        return "receivers: one of role `centre` and mode `people` is needed: what nobody else takes"
    known = set(departments)
    for r in notify.receivers:
        if r.role in ("department", "office") and not r.department:
            return f"receivers: {r.id}: department: needed for role {r.role}"
        if r.role == "office" and not r.district:
            return f"receivers: {r.id}: district: needed for role office"
        if known and r.department and r.department not in known:
            return f"receivers: {r.id}: department={r.department}: not in the items catalogue"
    return None
