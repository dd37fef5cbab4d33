"""Examples of the centre's answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from console.service import Row


def _answer(description: str, example: Row) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": description,
                  "content": {"application/json": {"example": example}}}}


_SHARE = {"part": 431, "whole": 446, "rate": 0.966368}
DEPARTMENTS = _answer("The departments by rank.", {
    "as_of": "2026-11-22T03:10:00.000Z", "quarter": "2026Q3", "over": True,
    "quarters": ["2026Q4", "2026Q3"],
    "components": ["timeliness", "completeness", "reviews", "alerts", "inspections", "codes"],
    "departments": [{
        "rank": 1, "department": "市市场监管局", "score": 91.27,
        "components": {"timeliness": 0.966368, "completeness": 0.999, "reviews": 0.8,
                       "alerts": 0.71, "inspections": 0.99, "codes": 1.0},
        "timeliness": _SHARE, "coverage": {"part": 10, "whole": 10, "rate": 1.0},
        "access": {"part": 9, "whole": 10, "rate": 0.9}, "overdue": 4, "review_answer_h": 61.5,
        "alert_answer_h": 7.25, "codes": {"wrong": 0, "sent": 5210, "rate": 0.0}}],
    "city": {"timeliness": _SHARE}, "targets": {"2023": 0.4, "2025": 0.7, "2027": 1.0},
    "trend": {"quarters": ["2026Q2", "2026Q3"], "on_time": {"": [0.94, 0.966368]}}})
CSV: dict[int | str, dict[str, Any]] = {200: {
    "description": "UTF-8 with a byte order mark, CRLF; no cell is a formula.",
    "content": {"text/csv": {"example": "季度,名次,部门,得分\r\n2026Q3,1,市市场监管局,91.27\r\n"}}}}
DEVICES = _answer("Devices in the order of business, item and name.", {
    "as_of": "2026-11-22T03:10:00.000Z", "devices": [{
        "subject": "91500106MA60AB125D", "name": "重庆示例餐饮有限公司", "district": "500106",
        "item": "cq1-17", "device": "kitchen-1", "class": "kitchen",
        "metrics": ["gas_ppm", "temperature_c"], "last_at": "2026-11-22T03:05:00.000Z",
        "states": ["iot-limit"], "state": "over"}],
    "next": None, "counts": {"all": 1, "silent": 0, "suspicious": 0, "over": 1, "well": 0}})
DEVICE = _answer("What is kept of the device.", {
    "subject": "91500106MA60AB125D", "item": "cq1-17", "device": "kitchen-1",
    "as_of": "2026-11-22T03:10:00.000Z", "states": ["iot-limit"], "series": [{
        "metric": "temperature_c", "unit": "°C", "low": None, "high": 35.0, "kept": "hours",
        "hours": [[1795312800000, 24.1, 36.2]], "usual": [[1795312800000, 20.5, 31.0]],
        "periods": [{"kind": "maintenance", "from": "2026-11-20T01:00:00.000Z",
                     "until": "2026-11-20T04:00:00.000Z"}]}], "alerts": []})
MODELS = _answer("Forecasts, weights, groups.", {
    "report": {"published": 2, "learner": {"examples": 5120, "adverse": 411, "models": {
        "bounded scorecard": {"auc": 0.741, "auc_low": 0.715, "auc_high": 0.767, "ece": 0.012}}}},
    "in_force": {"name": "w000002", "policy": "62ff7246b9af7e9f", "weights": [{
        "indicator": "penalty_general", "record": "public", "low": -3.0, "high": -0.1,
        "groups": [{"group": "enterprise", "weight": -1.41, "expert": -1.3}]}]},
    "versions": [{"name": "w000002", "since": "2026-07-07", "moved": 14}],
    "groups": {"as_of": "2026-11-22T03:10:00.000Z", "subjects": 2000, "by": [{
        "dimension": "size", "value": "micro", "subjects": 900, "graded": 640,
        "grades": {"A": 500, "B": 90, "C": 40, "D": 10}, "low_share": 0.078125}]}})
POLICIES = _answer("Policies, newest first.", {
    "in_force": "62ff7246b9af7e9f",
    "policies": [{"hash": "62ff7246b9af7e9f", "version": "2026-11", "since": None,
                  "bytes": 29902}],
    "weights": [{"name": "w000000", "since": None, "moved": 0}]})
POLICY = _answer("The document of a policy.", {
    "version": "2026-11", "bands": {"a": 663.0, "b": 592.0, "c": 492.0, "margin_points": 20.0}})
DIFF = _answer("Keys that differ; null = not there.", {
    "from": "62ff7246b9af7e9f", "to": "9f2c44aa01d0e1b2",
    "changes": [{"key": "bands.a", "from": 663.0, "to": 680.0}]})
