"""What the service in memory says of departments, devices, models and policies."""

from __future__ import annotations

import json
import math
from typing import Any

from config import load
from console.service import Row
from models import policy_diff
from models.calendar import to_date
from models.policy import digest, encode

XSS_DEVICE = '<b>kitchen</b>-1'
FORMULA = '=HYPERLINK("http://x")'
HOUR = 1_795_312_800_000
CITY: Row = {"part": 8, "whole": 9, "rate": 0.888889}
NONE: Row = {"part": 0, "whole": 0, "rate": None}
DOCUMENT = encode(load.policy())
HASH, OLD = digest(DOCUMENT), "0123456789abcdef"


def department(rank: int | None, name: str, rate: float | None) -> Row:
    share = NONE if rate is None else CITY
    return {
        "rank": rank, "department": name, "score": None if rank is None else 90.5 - rank,
        "components": dict.fromkeys(("timeliness", "completeness", "reviews", "alerts",
                                     "inspections", "codes"), rate),
        **dict.fromkeys(("timeliness", "completeness", "reviews", "alerts", "inspections",
                         "coverage", "access"), share),
        "acts": {"permit": {"on_time": 8, "late": 0, "overdue": 1, "waiting": 2}} if rank else {},
        "overdue": 1, "review_answer_h": rate, "alert_answer_h": None,
        "codes": {"wrong": 0, "sent": 9, "rate": 0.0}, "records": 9, "inspections_found": 1,
        "record_age_d": 0.5 if rank else None, "grade_age_d": None}


def series(**changes: Any) -> Row:
    return {
        "metric": "temperature_c", "class": "kitchen", "known": True, "unit": "°C", "low": None,
        "high": 35.0, "duration_s": 3600, "mean_s": 0, "interval_s": 300, "level": "yellow",
        "standard": "GB 31654-2021", "text_zh": "后厨温度", "text_en": "kitchen temperature",
        "last_at": "2026-11-22T03:05:00.000Z", "silent_from": "2026-11-22T05:05:00.000Z",
        "kept": "hours", "found": [{"rule": "iot-limit", "level": "yellow",
                                    "since": "2026-11-22T01:00:00.000Z", "text_zh": "超出限值",
                                    "text_en": "beyond the limit"}],
        "hours": [[HOUR, 24.0, 31.0], [HOUR + 3_600_000, 25.0, 36.5]],
        "usual": [[HOUR, 20.0, 32.0]], "samples": [],
        "periods": [{"kind": "maintenance", "from": "2026-11-22T01:00:00.000Z",
                     "until": "2026-11-22T02:00:00.000Z"}],
        "beyond": [{"from": "2026-11-22T01:00:00.000Z", "until": "2026-11-22T01:20:00.000Z"}],
    } | changes


MODEL: Row = {"auc": 0.741, "auc_low": 0.715, "auc_high": 0.767, "within": 0.001,
              "log_loss": 0.31, "brier": 0.08, "ece": 0.012, "calibration": [
                  {"predicted": 0.02, "observed": 0.03, "n": 50.0},
                  {"predicted": 0.2, "observed": 0.18, "n": 50.0}]}
def weeks(names: tuple[str, ...], count: int) -> list[Row]:
    """A history with versions of the weights and some drift."""
    days = range(20095 - 7 * (count - 1), 20096, 7)
    return [{"day": day, "date": str(to_date(day)), "examples": 100 + n, "adverse": 10 + n,
             "auc": {name: round(0.73 - 0.02 * at - 0.1 / n**0.5 * math.cos(n), 6) if n else None
                     for at, name in enumerate(names)},
             "ece": {name: round(0.01 + at / (n + 30), 6) for at, name in enumerate(names)},
             "drifting": n % 40 > 34, "weights": f"w{n // 26:06d}" if n % 26 == 25 else None}
            for n, day in enumerate(days)]


LEARNER: Row = {
    "examples": 100, "adverse": 11, "first_day": 20000, "last_day": 20100, "published": None,
    "models": {"bounded scorecard": MODEL, "expert card": MODEL},
    "leads": [{"over": "expert card", "auc": 0.01, "auc_low": -0.01, "auc_high": 0.03,
               "log_loss": 0.0, "log_loss_low": 0.0, "log_loss_high": 0.0, "better": None}],
    "slices": {"size": {"micro": {"auc": 0.7, "n": 40.0, "observed": 0.1, "predicted": 0.09}}},
    "drift": {"drifting": True, "found": [{"day": 20100, "series": "calibration",
                                           "detector": "ADWIN", "before": 0.0, "after": 0.4}]},
    "history": weeks(("bounded scorecard", "expert card", "last grade", "decayed count"), 100),
    "challengers": {"since_day": 1, "examples": 9, "adverse": 1,
                    "models": {"bounded scorecard": MODEL, "logistic": MODEL}, "leads": [],
                    "history": weeks(("bounded scorecard", "logistic"), 1)}}


def district(rank: int | None, code: str, low: int, change: float | None) -> Row:
    share = {"part": low, "whole": 9, "rate": round(low / 9, 6)} if rank else NONE
    return {"rank": rank, "district": code, "subjects": 1_200, "low": share, "low_before": share,
            "change": change, "alerts_open": {"red": 1, "orange": 2, "yellow": 0, "blue": 3},
            "alerts_per_1000": 5.0}


class CentreFake:
    """The centre's half of `console.service.Service`."""

    counted = True
    learned = True

    def departments(self, *, quarter: str = "") -> Row:
        if not self.counted:
            return {"as_of": None, "quarter": None, "quarters": [], "departments": [],
                    "city": None, "trend": None}
        rows = [department(1, "市市场监管局", 0.9), department(2, FORMULA, 0.5),
                department(None, "市公安局", None)]
        return {"as_of": "2026-11-22T03:10:00.000Z", "quarter": quarter or "2026Q4",
                "over": False, "quarters": ["2026Q4", "2026Q3"], "components": [],
                "departments": rows, "targets": {"2023": 0.4, "2027": 1.0},
                "city": {**dict.fromkeys(("timeliness", "completeness", "reviews", "alerts",
                                          "inspections", "coverage", "access"), CITY),
                         "codes": {"wrong": 1, "sent": 9, "rate": 0.111}, "records": 9,
                         "items": 61, "unattributed": 3},
                "trend": {"quarters": ["2026Q3", "2026Q4"],
                          "on_time": {"": [None, 0.9], FORMULA: [0.5, None]}}}

    def districts(self) -> Row:
        if not self.counted:
            return {"as_of": None, "quarter_before": None, "districts": []}
        return {"as_of": "2026-11-22T03:10:00.000Z", "quarter_before": "2026Q3", "districts": [
            district(1, "500106", 3, 0.02), district(2, FORMULA, 2, -0.013),
            district(3, "500107", 1, -0.0004),
            district(None, "500240", 0, None)]}

    def devices(self, *, state: str = "", item: str = "", district: str = "", subject: str = "",
                limit: int = 50, after: str = "") -> Row:
        if not self.counted:
            return {"as_of": None, "devices": [], "next": None, "counts": {}}
        rows = [{"subject": "91500106MA5U00011W", "name": "示例", "district": "500106",
                 "item": "cq1-17", "device": XSS_DEVICE, "class": "kitchen",
                 "metrics": ["temperature_c"],
                 "labels": [{"zh": "后厨温度", "en": "kitchen temperature"}],
                 "last_at": "2026-11-22T03:05:00.000Z",
                 "states": ["iot-limit"], "state": "over"}]
        return {"as_of": "2026-11-22T03:10:00.000Z", "devices": rows if state != "silent" else [],
                "next": None if after else "next&one",
                "counts": {"all": 1, "silent": 0, "suspicious": 0, "over": 1, "well": 0}}

    def device(self, subject: str, item: str, device: str) -> Row | None:
        if device != XSS_DEVICE:
            return None
        cells = series(metric="gas_ppm", kept="cells", hours=[], usual=[], periods=[], found=[])
        means = series(metric="pm10", kept="samples", hours=[], usual=[], periods=[],
                       samples=[[HOUR, 40.0]])
        return {"subject": subject, "name": "示例", "district": "500106", "device": device,
                "item": item, "department": "市市场监管局", "as_of": "2026-11-22T03:10:00.000Z",
                "class_norms": True, "states": ["iot-limit"], "series": [series(), cells, means],
                "alerts": []}

    def models(self) -> Row:
        learning = {"enabled": True, "adverse_min": 200, "horizon_d": 180, "grace_d": 30,
                    "publish_weeks": 26}
        weights = [{"indicator": "complaint", "record": "internal", "low": -1.0, "high": 0.0,
                    "groups": [{"group": "enterprise", "weight": -0.3, "expert": -0.2}]}]
        report = {"as_of_day": 20100, "published": 0, "learner": LEARNER, "surges": [],
                  "dates": {"as_of": "2025-01-12", "first": "2024-10-04", "last": "2025-01-12"},
                  "drift_dates": ["2025-01-12"]}
        return {"report": report if self.learned else None, "learning": learning,
                "in_force": {"name": "w000001", "policy": HASH, "weights": weights},
                "versions": [{"name": "w000001", "since": "2026-07-07", "moved": 1}],
                "groups": {"as_of": "2026-11-22T03:10:00.000Z", "subjects": 9, "by": [
                    {"dimension": "size", "value": "micro", "subjects": 9, "graded": 8,
                     "grades": {"A": 6, "B": 1, "C": 1, "D": 0}, "low_share": 0.125}]}}

    def policies(self) -> Row:
        return {"in_force": HASH, "policies": [
            {"hash": HASH, "version": "2026-11", "since": "2026-11-01", "bytes": len(DOCUMENT)},
            {"hash": OLD, "version": "old", "since": None, "bytes": 9}],
            "weights": [{"name": "w000001", "since": "2026-07-07", "moved": 1}]}

    def policy(self, hash: str = "") -> Row | None:
        found: Row = json.loads(DOCUMENT)
        if hash == OLD:
            found["bands"]["a"] = 680.0
        return found if hash in ("", HASH, OLD) else None

    def policy_diff(self, old: str, new: str) -> list[Row] | None:
        both = self.policy(old), self.policy(new)
        return policy_diff.diff(both[0], both[1]) if both[0] and both[1] else None
