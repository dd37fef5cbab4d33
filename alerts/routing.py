"""Who is told of an alert, and why: item -> department, district -> sub-office, level -> more.

Pure. Whoever cannot be reached is replaced by the next above, and the centre takes what is left, so
that every alert has at least one receiver.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from alerts.notice import REVIEW_RULE, Notice
from models.notify_policy import Notify, Receiver, Step


class Route(NamedTuple):
    """One receiver of an alert.

    `stage`: 0 when told at once, else the number of the last escalation step that names it.
    `direct`: whether it is concerned by itself, and not by escalation alone.
    """

    receiver: str
    stage: int
    direct: bool
    because: tuple[str, ...]


class Directory:
    """Receivers by what is asked for. `reachable` are those with a channel; None = all."""

    def __init__(self, notify: Notify, reachable: Iterable[str] | None = None) -> None:
        self.notify = notify
        self.by_id = {r.id: r for r in notify.receivers}
        self.reachable = set(self.by_id) if reachable is None else set(reachable) & set(self.by_id)

    def of(self, role: str, department: str = "", district: str = "") -> list[Receiver]:
        """Receivers of a role for a department (and district, for offices)."""
        found = [r for r in self.notify.receivers if r.role == role and not r.kinds]
        own = [r for r in found if r.department == department and r.district == district]
        return own or [r for r in found if not r.department and role != "office"]

    def department(self, name: str) -> list[Receiver]:
        return [r for r in self.notify.receivers if r.role == "department" and r.department == name]

    def office(self, name: str, district: str) -> list[Receiver]:
        """Sub-offices of a department in the subject's district, or those of its city district."""
        return [r for r in self.notify.receivers
                if r.role == "office" and r.department == name and r.district == district
                and district]


def route(notice: Notice, directory: Directory, plan: tuple[Step, ...] = (),
          stage: int = 0) -> list[Route]:
    """Receivers of a notice after `stage` steps of its plan, in the order of the reasons.

    Parameters
    ----------
    plan
        Steps of its escalation; only the first `stage` of them count.

    Returns
    -------
    One entry a receiver, with every reason: `department 市X`, `office 市X 500106`, `gap`, `level`,
    `rule`, `state soe`, `step 1`, `unreachable ID`, `nobody else`.
    """
    found = _Found(directory)
    if notice.rule != REVIEW_RULE:
        _direct(notice, directory, found)
    for number, step in enumerate(plan[:stage], 1):
        for role in step.to:
            for receiver in _by_role(role, notice, directory):
                # The departments a review asks are concerned themselves.
                asked = notice.rule == REVIEW_RULE and role in ("department", "office")
                found.add(receiver, number, f"step {number}", direct=asked)
    if not found.routes and notice.rule != REVIEW_RULE:
        for receiver in directory.of("centre"):
            found.add(receiver, 0, "nobody else")
    return list(found.routes.values())


def explain(routes: Iterable[Route], directory: Directory) -> list[dict[str, object]]:
    """Routes for people, as `xinfeng route` prints them."""
    return [{"receiver": r.receiver, "name": directory.by_id[r.receiver].name,
             "role": directory.by_id[r.receiver].role, "stage": r.stage,
             "because": list(r.because)} for r in routes]


class _Found:
    """Routes by receiver; who cannot be reached is replaced."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.routes: dict[str, Route] = {}

    def add(self, receiver: Receiver, stage: int, why: str, *, direct: bool = False) -> None:
        direct = direct or stage == 0
        for stand_in, reason in self._reached(receiver, why):
            old = self.routes.get(stand_in.id)
            if old is None:
                self.routes[stand_in.id] = Route(stand_in.id, stage, direct, (reason,))
            else:
                because = old.because if reason in old.because else (*old.because, reason)
                self.routes[stand_in.id] = Route(stand_in.id, max(stage, old.stage),
                                                 old.direct or direct, because)

    def _reached(self, receiver: Receiver, why: str) -> list[tuple[Receiver, str]]:
        directory = self.directory
        if receiver.id in directory.reachable:
            return [(receiver, why)]
        if receiver.mode == "system":
            return []
        note = f"{why}; unreachable {receiver.id}"
        above = directory.department(receiver.department) if receiver.role == "office" else []
        people = [r for r in above if r.mode == "people" and r.id in directory.reachable]
        if not people and receiver.role != "centre":
            people = [r for r in directory.of("centre")
                      if r.mode == "people" and r.id in directory.reachable]
        # Where not even the centre can be reached the receiver stays, for the auditor to find.
        return [(r, note) for r in people] or [(receiver, why)]


def _direct(notice: Notice, directory: Directory, found: _Found) -> None:
    rules = directory.notify.routing
    gap = notice.rule in ("grade-gap", "review-overdue")
    for name in notice.departments:
        offices = [] if gap else directory.office(name, notice.district)
        for office in offices:
            found.add(office, 0, f"office {name} {notice.district}")
        if offices and notice.level in rules.office_alone:
            continue
        departments = directory.department(name)
        for department in departments:
            found.add(department, 0, "gap" if gap else f"department {name}")
        if not departments:
            for centre in directory.of("centre"):
                found.add(centre, 0, f"nobody for {name}")
    if notice.kind in rules.state_kinds and notice.level in rules.state_levels:
        for r in directory.notify.receivers:
            if r.role in ("superior", "audit") and notice.kind in r.kinds:
                found.add(r, 0, f"state {notice.kind}")
    if notice.level in rules.centre or notice.rule in rules.centre_rules:
        why = "level" if notice.level in rules.centre else "rule"
        for centre in directory.of("centre"):
            found.add(centre, 0, why)


def _by_role(role: str, notice: Notice, directory: Directory) -> list[Receiver]:
    """Receivers that an escalation step names."""
    if role in ("centre", "joint", "audit"):
        return directory.of(role)
    out: list[Receiver] = []
    for name in notice.departments:
        out += (directory.office(name, notice.district) if role == "office"
                else directory.of(role, name))
    if not notice.departments:
        out += directory.of("superior" if role == "superior" else "centre")
    return out
