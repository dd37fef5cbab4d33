"""Base rates of the simulated city, in one place, each with its source.

Labels follow the project's notes: [S] a published figure, [G] our own choice. Rates are integers
(per mille, or events per 1000 subject-years): every draw is an integer comparison, so that a city
is the same to the byte on every platform.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400
YEAR_D: Final = 365
LEVELS: Final = 1024
"""Quantiles of the latent risk; level 0 is the safest."""

NEVER_S: Final = 2**31 - 1
"""A moment [s] after every city's end."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates: `_pm` per mille, `_pky` events per 1000 subject-years, `_d` days."""

    # --- subjects. Chongqing: 3.75 M subjects; nation: 32 % enterprises, 66 % individual [S]
    kinds_pm: tuple[int, ...] = (320, 620, 25, 15, 15, 5)
    # One district saw 39,600 new of 264,000 in 2024 [S]; we keep half, since `subjects` is fixed.
    arrivals_pky: int = 75
    cancelled_pky: int = 25  # [G]
    decline_pm: int = 30  # the brief: about 3 % of subjects go bad
    # Spread of the latent risk on the log scale [G]: complaints are heavy-tailed, penalties more so
    complaint_sigma: float = 1.15
    penalty_sigma: float = 1.6
    inspection_sigma: float = 0.35

    # --- complaints. 12315 alone gives 73 per 1000 [S]; with 12345 and all departments, and to
    # give a small city a busy stream, about ten times as many [G].
    complaint_pky: int = 820
    tip_pm: int = 220  # Sichuan and Chongqing 2024: 78 % complaints, 22 % tips [S]
    complainant_pm: int = 550  # [G]
    serial_pm: int = 25  # complaints by serial complainants [G; Guangxi 2020 reports them]
    complaint_closed_pm: int = 960  # most within weeks: 45 working days is the limit [S]
    # rejected, mediated, upheld, withdrawn: accepted 74-81 %, mediated 67-77 % of those [S]
    outcomes_pm: tuple[int, ...] = (300, 455, 145, 100)
    outcomes_declining_pm: tuple[int, ...] = (170, 400, 370, 60)

    # --- inspections [G]: A 2 %, B 5 %, C 30 %, D 100 % a year for double-random alone [S]; all
    # plans of all departments together reach most subjects once a year.
    inspection_pky: int = 950
    # pass, fixed, fail, obstructed, untraceable
    results_pm: tuple[int, ...] = (890, 75, 25, 2, 8)
    results_risky_pm: tuple[int, ...] = (700, 180, 90, 5, 25)
    results_declining_pm: tuple[int, ...] = (210, 240, 450, 30, 70)
    rectification_pm: int = 850  # of failed inspections
    # done in time, done late, failed, never answered
    rectified_pm: tuple[int, ...] = (840, 60, 60, 40)
    interview_pm: int = 220  # of failed inspections
    punished_pm: int = 330  # failed inspections that end in a penalty

    # --- penalties. Market supervision 7.6 per 1000, all departments 2-4 times that [S, G]; the
    # median subject has about 20, the mean is higher as a few risky ones take most.
    penalty_pky: int = 76
    classes_pm: tuple[int, ...] = (350, 560, 90)
    classes_declining_pm: tuple[int, ...] = (200, 590, 210)
    class_given_pm: int = 900
    performed_pm: tuple[int, ...] = (950, 25, 25)  # in time, late, never
    revoked_pm: int = 8
    objection_pm: int = 25
    objection_upheld_pm: int = 180
    objection_open_pm: int = 50
    repair_pm: int = 380
    repair_early_pm: int = 40

    # --- acts, promises, declarations [G]
    act_pky: int = 1150
    published_pm: tuple[int, ...] = (970, 18, 12)  # in time (7 working days), late, never
    commitment_pky: int = 420
    kept_pm: tuple[int, ...] = (945, 30, 25)  # fulfilled, breached, left open
    kept_declining_pm: tuple[int, ...] = (420, 430, 150)
    declared_pky: int = 520
    verified_pm: int = 850
    arrears_pky: int = 3

    # --- lists, per 1000 subjects a year [G; targets of the brief]
    abnormal_pky: int = 17
    debtor_pky: int = 3
    watch_pky: int = 3
    red_pky: int = 5
    serious_pky: int = 1

    # --- grades by departments. Real shares: A 73-84, B 12-19, C 2-5, D 2-3 % [S]
    grade_cuts_pm: tuple[int, ...] = (800, 940, 980)
    grade_near_pm: int = 80  # one notch off the latent quality
    grade_far_pm: int = 25  # two notches off: what `grade-gap` is to find
    grade_stock_pm: int = 850
    public_grade_pm: int = 60
    grade_withdrawn_pm: int = 10

    # --- decline: plateau rates a year, reached linearly over `ramp_d`, by story
    ramp_d: int = 90
    decline_complaints: tuple[int, ...] = (26, 10, 8, 9)
    decline_inspections: tuple[int, ...] = (4, 7, 2, 4)
    decline_penalties: tuple[int, ...] = (3, 5, 2, 2)
    decline_penalty_delay_d: int = 45

    # --- devices
    device_pm: int = 15
    # A daily message of 0.45 % of the subjects keeps readings under 15 % of all events.
    readings_per_10000: int = 45
    readings_subjects_max: int = 300
    fault_pm: int = 14  # chance a device-day that a fault episode starts
    fault_risky_pm: int = 35


RATES: Final = Rates()
