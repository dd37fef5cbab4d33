"""Rows of the plan as CloudEvents JSON, written with templates: about two microseconds an event."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Final, NamedTuple

from streams.simulate.acts import ACTS, ARREARS, COMMITMENTS, DECLARATIONS
from streams.simulate.complaints import ANONYMOUS, OUTCOMES
from streams.simulate.departments import DEPARTMENTS, LIST_AUTHORITIES
from streams.simulate.devices import ALARM_CODES, Devices
from streams.simulate.grades import PUBLIC, SCHEMES, grade_of
from streams.simulate.inspections import PLANS, RESULTS
from streams.simulate.lists import LIST_YEARS, LISTS
from streams.simulate.parameters import RATES
from streams.simulate.penalties import CLASSES, DUE_D, sanction_of
from streams.simulate.places import DISTRICTS
from streams.simulate.plan import Kind
from streams.simulate.population import Population
from streams.simulate.trades import ITEMS


class Row(NamedTuple):
    """One event: `day` counts from the start, `item` is a catalogue index, `bits` are random."""

    number: int
    subject: int
    kind: int
    item: int
    detail: int
    day: int
    bits: int
    ref: str


_FINDINGS: Final = (
    "records",
    "hygiene",
    "equipment",
    "licence",
    "labelling",
    "storage",
    "training",
)
_MINOR: Final = ("minor",) * 8
_WORSE: Final = ("minor",) * 4 + ("serious",) * 3 + ("critical",)
_SEVERITIES: Final = (1, 1, 2, 2, 2, 2, 2, 3, 3, 4)
_MATTERS: Final = ("告知承诺办理许可", "主动信用承诺", "行业自律承诺", "信用修复承诺")
_GROUNDS: Final = ("事实不清", "主体错误", "已履行", "依据不当")
_REPAIRS: Final = ("commitment", "rectification", "verification", "training", "report", "charity")


class Writer:
    """The `data` of each kind of row. Dates are looked up, not computed."""

    def __init__(
        self, start: dt.date, days: int, people: Population, devices: Devices | None
    ) -> None:
        self._date = [(start + dt.timedelta(days=d)).isoformat() for d in range(days + 1500)]
        self._district = people.district
        self._devices = devices
        self.by_kind: dict[int, Callable[[Row], str]] = {
            Kind.CANCELLED: lambda row: "{}",
            Kind.COMPLAINT: self._complaint,
            Kind.PENALTY: self._penalty,
            Kind.ACT: self._act,
            Kind.PUBLISHED: self._published,
            Kind.INSPECTION: self._inspection,
            Kind.ALARM: self._alarm,
            Kind.COMMITMENT: self._commitment,
            Kind.LISTED: self._listed,
            Kind.ORDERED: self._ordered,
            Kind.INTERVIEW: self._interview,
            Kind.REPAIR: self._repair,
            Kind.ARREARS: self._arrears,
            Kind.DECLARED: self._declared,
            Kind.GRADE: self._grade,
            Kind.COMPLAINT_CLOSED: lambda row: (
                f'{{"of":{row.ref},"outcome":"{OUTCOMES[row.detail]}"}}'
            ),
            Kind.OBJECTION: lambda row: f'{{"of":{row.ref},"ground":"{_GROUNDS[row.bits & 3]}"}}',
            Kind.REVOKED: lambda row: f'{{"of":{row.ref},"reason":"复核撤销"}}',
        }

    def data(self, row: Row) -> str:
        """The `data` object; kinds without a writer of their own only name another event."""
        write = self.by_kind.get(row.kind)
        return write(row) if write else f'{{"of":{row.ref}}}'

    def _complaint(self, row: Row) -> str:
        causes = DEPARTMENTS[row.item].causes
        bits = row.bits
        # The first causes are the usual ones: the smaller of two draws.
        cause = causes[min(bits % len(causes), (bits >> 8) % len(causes))]
        kind = "tip" if (bits >> 16) % 1000 < RATES.tip_pm else "complaint"
        severity = _SEVERITIES[(bits >> 26) % 10]
        # Numbers that begin with 10 belong to no mobile phone.
        who = "" if row.detail == ANONYMOUS else f',"complainant":"10{row.detail:09d}"'
        return (
            f'{{"item":"{ITEMS[row.item]}","kind":"{kind}","category":"{cause}",'
            f'"severity":{severity}{who}}}'
        )

    def _penalty(self, row: Row) -> str:
        level, sanction, stated = sanction_of(row.detail)
        department = DEPARTMENTS[row.item]
        date = self._date[row.day]
        fine = ""
        if sanction.high_cny:
            # Squared: most fines are near the lower end; rounded to 100 yuan.
            share = (row.bits % 1000) ** 2
            amount = sanction.low_cny + (sanction.high_cny - sanction.low_cny) * share // 1_000_000
            fine = f',"amount_cny":{amount // 100 * 100},"due_on":"{self._date[row.day + DUE_D]}"'
        given = f',"class":"{CLASSES[level]}"' if stated else ""
        return (
            f'{{"item":"{ITEMS[row.item]}","document":"{department.mark}罚〔{date[:4]}〕'
            f'{row.number}号","kinds":[{sanction.kinds}],"decided_on":"{date}"{fine}{given},'
            f'"basis":[{{"law":"{department.law}","article":"{department.article}"}}]}}'
        )

    def _act(self, row: Row) -> str:
        return (
            f'{{"act":"{ACTS[row.detail]}","item":"{ITEMS[row.item]}",'
            f'"decided_on":"{self._date[row.day]}"}}'
        )

    def _published(self, row: Row) -> str:
        return f'{{"of":{row.ref},"published_on":"{self._date[row.day]}"}}'

    def _inspection(self, row: Row) -> str:
        result, how = row.detail >> 3, row.detail & 7
        bits = row.bits
        findings = ""
        if result in (1, 2):
            many = 1 + bits % (2 if result == 1 else 4)
            gravity = _MINOR if result == 1 else _WORSE
            findings = ",".join(
                f'{{"code":"{_FINDINGS[(bits >> 3 * k) % 7]}",'
                f'"severity":"{gravity[bits >> (4 + k) & 7]}"}}'
                for k in range(many)
            )
        draw = f',"draw":"{self._date[row.day][:7]}-{row.item:02d}"' if how == 0 else ""
        return (
            f'{{"item":"{ITEMS[row.item]}","plan":"{PLANS[how]}","result":"{RESULTS[result]}",'
            f'"findings":[{findings}]{draw}}}'
        )

    def _alarm(self, row: Row) -> str:
        assert self._devices is not None
        number, verified = row.detail & 0xFFFFF, row.detail >> 20
        codes = ALARM_CODES[int(self._devices.cls[number])]
        return (
            f'{{"item":"{ITEMS[row.item]}","device":"{self._devices.name(number)}",'
            f'"code":"{codes[row.bits % len(codes)]}",'
            f'"severity":{_SEVERITIES[row.bits >> 5 & 7] + 1},'
            f'"verified":{"true" if verified else "false"}}}'
        )

    def _commitment(self, row: Row) -> str:
        kind = (0, 0, 0, 1, 1, 2, 3, 1)[row.bits & 7]
        return (
            f'{{"item":"{ITEMS[row.item]}","matter":"{_MATTERS[kind]}",'
            f'"due_on":"{self._date[row.day + row.detail]}","kind":"{COMMITMENTS[kind]}"}}'
        )

    def _listed(self, row: Row) -> str:
        years = LIST_YEARS[row.detail]
        if row.item in LIST_AUTHORITIES:
            ending, law, article = LIST_AUTHORITIES[row.item]
            authority = DISTRICTS[self._district[row.subject]].name + ending
        else:
            department = DEPARTMENTS[row.item]
            authority, law, article = department.name, department.law, department.article
        until = f',"until":"{self._date[row.day + 365 * years]}"' if years else ""
        return (
            f'{{"list":"{LISTS[row.detail]}","authority":"{authority}",'
            f'"basis":[{{"law":"{law}","article":"{article}"}}]{until}}}'
        )

    def _ordered(self, row: Row) -> str:
        due = self._date[row.day + row.detail]
        return f'{{"item":"{ITEMS[row.item]}","due_on":"{due}","of":{row.ref}}}'

    def _interview(self, row: Row) -> str:
        kind = "warning" if row.bits & 3 == 0 else "reminder"
        return f'{{"item":"{ITEMS[row.item]}","kind":"{kind}","of":{row.ref}}}'

    def _repair(self, row: Row) -> str:
        return f'{{"of":{row.ref},"method":"{_REPAIRS[row.bits % 6]}"}}'

    def _arrears(self, row: Row) -> str:
        kind, thousands = ARREARS[row.detail & 1], row.detail >> 1
        return f'{{"kind":"{kind}","amount_cny":{thousands * 1000}}}'

    def _declared(self, row: Row) -> str:
        category = DECLARATIONS[row.bits % len(DECLARATIONS)]
        authorised = "false" if row.bits >> 4 & 15 == 0 else "true"
        return f'{{"category":"{category}","authorised":{authorised}}}'

    def _grade(self, row: Row) -> str:
        grade, young, valid_d = grade_of(row.detail)
        scheme = SCHEMES[row.item]
        label = scheme.labels[grade]
        if scheme.name == "tax" and young and grade < 2:
            # A new business is M in the tax scheme, which counts as B.
            grade, label = 1, "M"
        item = ITEMS[row.item] if row.item != PUBLIC else "public"
        issuer = "department"
        if row.item == PUBLIC:
            issuer = "city" if row.bits & 1 else "nation"
        return (
            f'{{"item":"{item}","issuer":"{issuer}","grade":"{"ABCD"[grade]}",'
            f'"scheme":"{scheme.name}","original":"{label}",'
            f'"valid_until":"{self._date[min(row.day + valid_d, len(self._date) - 1)]}"}}'
        )
