"""A whole city's credit events, deterministic to the byte."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.simulate.acts import plan_acts, plan_arrears, plan_promises
from streams.simulate.complaints import plan_complaints
from streams.simulate.devices import Devices, install, plan_alarms, plan_readings
from streams.simulate.draws import Calendar
from streams.simulate.grades import plan_grades
from streams.simulate.inspections import plan_inspections
from streams.simulate.lifecycle import plan_lifecycle
from streams.simulate.lists import plan_lists
from streams.simulate.parameters import DAY_S
from streams.simulate.penalties import plan_penalties
from streams.simulate.plan import NO_REF, Columns, Kind, Plan
from streams.simulate.population import Population, populate
from streams.simulate.readings import Readings
from streams.simulate.registrations import Registrar
from streams.simulate.render import Row, Writer
from streams.simulate.sources import SOURCES, TYPES

_CHUNK: Final = 16_384
_PREFIX: Final = tuple(kind.name[0].lower() for kind in Kind)


def city(
    subjects: int, days: int, seed: int, start: dt.date = dt.date(2025, 10, 1), iot: bool = True
) -> Iterator[bytes]:
    """Events of a simulated Chongqing, one CloudEvents JSON object each.

    Parameters
    ----------
    subjects
        Businesses that ever exist in the run, at least 1.
    days
        Length of the run, 1 to 3650.
    seed
        Non-negative; the same arguments give the same bytes on every platform.
    start
        First day; existing subjects are registered on it.
    iot
        Whether devices report. The other events stay the same in number and kind, not in id.

    Yields
    ------
    Events in non-decreasing `time`, to the second, with offset +08:00. About ten a subject and
    year. The plan is drawn first (columns, about 30 bytes an event), JSON is written on the fly.
    """
    assert subjects >= 1 and 1 <= days <= 3650 and seed >= 0, (subjects, days, seed)
    calendar = Calendar(start, days)
    people = populate(subjects, days, seed)
    columns, devices = planned(people, calendar, seed, iot=iot)
    yield from _write(columns, people, devices, seed, calendar)


def planned(people: Population, calendar: Calendar, seed: int, *,
            iot: bool = True) -> tuple[Columns, Devices | None]:
    """Everything that happens in a city, in columns, and its devices."""
    plan = Plan(people, calendar)
    plan_lifecycle(plan)
    plan_complaints(plan, seed)
    devices = install(plan, seed) if iot else None
    leads = None
    if devices is not None:
        plan_readings(plan, devices)
        leads = plan_alarms(plan, seed, devices)
    plan_penalties(plan, seed, plan_inspections(plan, seed, leads))
    plan_acts(plan, seed)
    plan_promises(plan, seed)
    plan_arrears(plan, seed)
    plan_lists(plan, seed)
    plan_grades(plan, seed)
    return plan.columns(), devices


def _write(
    columns: Columns, people: Population, devices: Devices | None, seed: int, calendar: Calendar
) -> Iterator[bytes]:
    write = Writer(calendar.start, calendar.days, people, devices).data
    register = Registrar(people, calendar.start).data
    readings = Readings(devices, seed, calendar.start).data if devices is not None else None
    heads = {
        kind: [f'","source":"{s}","type":"{TYPES[kind]}","subject":"' for s in SOURCES[kind]]
        for kind in Kind
    }
    midnight = np.datetime64(calendar.start, "s")
    for first in range(0, len(columns.order), _CHUNK):
        number = columns.order[first : first + _CHUNK]
        t = columns.t[number].astype(np.int64)
        times = np.datetime_as_string(midnight + t.astype("timedelta64[s]")).tolist()
        subject = columns.subject[number]
        ref = columns.ref[number].astype(np.int64)
        named = ref != NO_REF
        ref_kind = np.where(named, columns.kind[ref], 0).tolist()
        ref_item = np.where(named, columns.item[ref], 0).tolist()
        for n, time, code, who, kind, item, detail, day, bits, r, rk, ri in zip(
            number.tolist(),
            times,
            people.code[subject].astype("U18").tolist(),
            subject.tolist(),
            columns.kind[number].tolist(),
            columns.item[number].tolist(),
            columns.detail[number].tolist(),
            (t // DAY_S).tolist(),
            _bits(number, seed).tolist(),
            ref.tolist(),
            ref_kind,
            ref_item,
            strict=True,
        ):
            if kind == Kind.REGISTERED:
                data = register(who)
            elif kind == Kind.READINGS:
                assert readings is not None
                data = readings(detail, day)
            else:
                of = "" if r < 0 else f'{{"source":"{SOURCES[rk][ri]}","id":"{_PREFIX[rk]}{r}"}}'
                data = write(Row(n, who, kind, item, detail, day, bits, of))
            yield (
                f'{{"specversion":"1.0","id":"{_PREFIX[kind]}{n}{heads[kind][item]}{code}",'
                f'"time":"{time}+08:00","data":{data}}}'
            ).encode()


def _bits(number: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """31 random bits for each row, from its number alone (splitmix64): no column to keep."""
    x = number.astype(np.uint64) + np.uint64(seed % 2**32 << 32)
    x = (x + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = (x ^ (x >> np.uint64(31))) >> np.uint64(33)
    return mixed
