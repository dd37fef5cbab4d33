"""Devices of monitored subjects: which, what they measure, when they fail or pass a limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.simulate.draws import Ints, chance, pick, stream
from streams.simulate.parameters import DAY_S, RATES, YEAR_D
from streams.simulate.plan import Kind, Plan, Rows
from streams.simulate.trades import DEVICE_CLASSES, TRADES, item_index

OVER, FLAT, REGULAR, SILENT, MAINTAINED, HUGGING, GAP = range(1, 8)
"""Faults of a device-day; 0 is a normal one. GAP: a few hours without readings."""

_FAULT_SHARES: Final = (0, 34, 14, 12, 12, 14, 6, 8)
_FAULT_DAYS_MAX: Final = 5
# Shares of monitored subjects by class: kitchens are many, stacks few.
_CLASS_SHARES: Final = (0, 30, 25, 20, 10, 8, 7)
_CLASS_ITEMS: Final = ("", "cq1-17", "cq2-07", "cq1-20", "cq1-41", "cq1-41", "cq2-06")
ALARM_CODES: Final = (
    (),
    ("no_mask", "no_cap", "smoking", "rodent", "open_flame", "camera_offline"),
    ("temperature_high", "door_open", "power_lost"),
    ("trapped", "door_fault", "overspeed"),
    ("cod_over", "nh3n_over", "ph_out"),
    ("dust_over", "so2_over", "nox_over"),
    ("pm10_over", "noise_night"),
)
_ALARM_PKY: Final = 2600  # per 1000 devices a year [G]; AI kitchens alone send far more raw ones
_ALARM_OVER_PM: Final = 450  # device-days over the limit that raise an alarm
_VERIFIED_PM: Final = 450  # many are false: Luohe's "rodent" of 2025 was a cat [S]
_LEAD_PM: Final = 350  # verified alarms that send an inspector


class Metric(NamedTuple):
    """Values in units of 1 / `scale`; `over` is the typical excess when beyond `limit`.

    `mean`: judged by its daily mean, so that a violation lasts the whole day.
    """

    name: str
    unit: str
    scale: int
    base: int
    spread: int
    swing: int
    noise: int
    limit: int
    over: int
    floor: int
    mean: bool = False


# Limits and units of config/catalogue/devices.csv; normal days stay below them.
METRICS: Final = (
    (),
    (
        Metric("temperature_c", "°C", 10, 260, 20, 30, 4, 350, 50, 50),
        Metric("gas_ppm", "ppm", 1, 40, 15, 20, 6, 1000, 400, 0),
    ),
    (Metric("temperature_c", "°C", 10, 40, 8, 6, 3, 80, 35, 2),),
    (
        Metric("fault_code", "", 1, 0, 0, 0, 0, 0, 4, 0),
        Metric("door_cycles", "", 1, 12, 3, 10, 2, 400, 0, 0),
    ),
    (
        Metric("cod_mg_l", "mg/L", 10, 290, 40, 40, 15, 500, 120, 10, mean=True),
        Metric("nh3n_mg_l", "mg/L", 100, 180, 40, 30, 15, 500, 130, 5, mean=True),
        Metric("ph", "", 100, 730, 20, 12, 6, 900, 40, 0),
    ),
    (
        Metric("dust_mg_m3", "mg/m³", 10, 42, 8, 8, 4, 100, 25, 0),
        Metric("so2_mg_m3", "mg/m³", 10, 150, 30, 25, 15, 350, 80, 0),
        Metric("nox_mg_m3", "mg/m³", 10, 310, 25, 30, 15, 500, 110, 0),
    ),
    (
        Metric("pm10_ug_m3", "µg/m³", 1, 70, 12, 25, 6, 150, 40, 0, mean=True),
        Metric("noise_db", "dB(A)", 10, 520, 15, 80, 12, 700, 60, 0),
    ),
)


@dataclass(frozen=True, slots=True)
class Devices:
    """One device a monitored subject; those that send readings come first.

    `subject`, `cls`, `item`: shape (n,); `fault`: shape (readings, days).
    """

    subject: Ints
    cls: Ints
    item: Ints
    fault: NDArray[np.uint8]

    def name(self, number: int) -> str:
        """Name of a device: its class and its subject's number."""
        return f"{DEVICE_CLASSES[self.cls[number]]}-{self.subject[number]:07d}"


def install(plan: Plan, seed: int) -> Devices:
    """Choose the monitored subjects and the faults of their year."""
    rng = stream(seed, 10)
    people, days = plan.people, plan.calendar.days
    wanted = len(people) * RATES.device_pm // 1000
    device = np.array([t.device for t in TRADES], np.int64)[people.trade]
    # Devices are for those who stay: existing at the start and for the whole run.
    lasting = (people.born_s < DAY_S) & (people.gone_s >= plan.calendar.end_s)
    chosen: list[tuple[int, int, int]] = []
    for cls in range(1, len(DEVICE_CLASSES)):
        fit = np.flatnonzero((device == cls) & lasting)
        shuffled = fit[np.argsort(rng.integers(0, 2**62, len(fit)), kind="stable")]
        quota = max(1, wanted * _CLASS_SHARES[cls] // sum(_CLASS_SHARES)) if wanted else 0
        # Place within the class as a share: the first of every class come first.
        chosen += [(k * 1000 // quota, cls, int(s)) for k, s in enumerate(shuffled[:quota])]
    chosen.sort()
    subject = np.array([s for _, _, s in chosen], np.int64)
    cls_of = np.array([c for _, c, _ in chosen], np.int64)
    usual = np.array([item_index(i) if i else 0 for i in _CLASS_ITEMS], np.int64)[cls_of]
    has = (people.items[subject] == usual[:, None]).any(axis=1)
    item = np.where(has, usual, people.items[subject, 0])
    sending = min(
        len(subject),
        RATES.readings_subjects_max,
        len(people) * RATES.readings_per_10000 // 10_000,
    )
    return Devices(subject, cls_of, item, _faults(rng, plan, subject[:sending], days))


def plan_readings(plan: Plan, devices: Devices) -> None:
    """Rows of `iot.readings` (detail: device): a day's, sent before midnight."""
    number, day = np.nonzero(devices.fault != SILENT)
    # Each device has its own minute: 23:46 to 23:58.
    t = day * DAY_S + 85_560 + number * 37 % 780
    order = np.argsort(t, kind="stable")
    number = number[order]
    plan.add(Kind.READINGS, t[order], devices.subject[number], devices.item[number], number)


def plan_alarms(plan: Plan, seed: int, devices: Devices) -> Rows:
    """Rows of `iot.alarm` (detail: device + 2**20 if verified); returns those worth a visit."""
    rng = stream(seed, 11)
    n = len(devices.subject) * _ALARM_PKY * plan.calendar.days // (1000 * YEAR_D)
    number = rng.integers(0, max(1, len(devices.subject)), n if len(devices.subject) else 0)
    t = plan.calendar.public(rng, len(number))
    over, day = np.nonzero(devices.fault == OVER)
    raised = chance(rng, len(over), _ALARM_OVER_PM)
    over, day = over[raised], day[raised]
    t = np.concatenate([t, day * DAY_S + rng.integers(0, DAY_S, len(over))])
    sure = np.concatenate(
        [chance(rng, len(number), _VERIFIED_PM), chance(rng, len(over), 700)]
    ).astype(np.int64)
    number = np.concatenate([number, over])
    rows = plan.add(
        Kind.ALARM, t, devices.subject[number], devices.item[number], number + (sure << 20)
    )
    return rows[(rows.detail >> 20 == 1) & chance(rng, len(rows), _LEAD_PM)]


def _faults(rng: np.random.Generator, plan: Plan, subject: Ints, days: int) -> NDArray[np.uint8]:
    """Fault of each device-day, shape (len(subject), days): episodes of one to five days."""
    people = plan.people
    n = len(subject)
    fault = np.zeros((n, days), np.uint8)
    shady = (people.level[subject] > 900).astype(np.int64)[:, None]
    midnight = np.arange(days, dtype=np.int64) * DAY_S
    sick = midnight[None, :] > people.decline_s[subject][:, None]
    odds = np.where(sick | (shady == 1), RATES.fault_risky_pm, RATES.fault_pm)
    begins = rng.integers(0, 1000, (n, days)) < odds
    device, day = np.nonzero(begins)
    kind = pick(rng, _FAULT_SHARES, len(device)).astype(np.uint8)
    length = rng.integers(1, _FAULT_DAYS_MAX + 1, len(device))
    for k in range(_FAULT_DAYS_MAX):
        own = (length > k) & (day + k < days)
        fault[device[own], day[own] + k] = kind[own]
    return fault
