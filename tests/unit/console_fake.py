"""A service in memory for the console's tests: real decoding and deduplication, no scoring."""

from __future__ import annotations

import csv
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from centre_fake import CentreFake
from draws_fake import DrawsFake

from console.service import Receipt, Rejected, Row
from models.events import Event

SUBJECT = "91500106MA5U00011W"
XSS = '<script>alert("x")</script>渝味园食品厂'
STATES = {
    "alert.acknowledged": "acknowledged",
    "alert.closed": "closed",
    "alert.reopened": "firing",
}
ROOT = Path(__file__).parents[2]


def items() -> dict[str, dict[str, str]]:
    with (ROOT / "config/catalogue/items.csv").open(encoding="utf-8") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def event(number: int = 1, **changes: Any) -> Row:
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "cq/12345",
        "type": "complaint.filed",
        "subject": SUBJECT,
        "time": "2026-11-21T16:00:00+08:00",
        "data": {"item": "cq1-17", "kind": "complaint", "category": "食品安全"},
    } | changes


def an_alert(number: int, **changes: Any) -> Row:
    return {
        "id": f"grade-gap/{SUBJECT}/{number:04d}",
        "rule": "grade-gap",
        "level": "orange",
        "state": "firing",
        "subject": SUBJECT,
        "name": XSS,
        "items": ["cq1-17", "cq1-40"],
        "departments": ["市市场监管局", "市生态环境局"],
        "opened_at": f"2026-11-21T08:{number % 60:02d}:00.000Z",
        "updated_at": f"2026-11-21T08:{number % 60:02d}:00.000Z",
        "title": {
            "zh": f"部门间等级相差两级（{number}）",
            "en": f"Grades two levels apart ({number})",
        },
        "body": {
            "zh": "市市场监管局评为 A，市生态环境局计算为 C。",
            "en": "Market regulation says A, ecology computes C.",
        },
        "evidence": [
            {
                "source": "cq/scjg",
                "id": "p1",
                "text_zh": "罚款 5 万元（食品安全法第 124 条）",
                "text_en": "fine of CNY 50,000",
            },
            {
                "source": "cq/12345",
                "id": "e1",
                "text_zh": "投诉：食品安全",
                "text_en": "complaint: food safety",
            },
        ],
        "proposals": [
            {
                "kind": "attention",
                "state": "recommended",
                "channel_zh": "行政指导",
                "channel_en": "Guidance",
                "text_zh": "约谈主要负责人",
                "text_en": "Interview the person in charge",
                "seed_ref": "002 三(三)",
                "paper": "渝信用办发〔2023〕7号 三(三)",
                "basis": [{"law": "渝信用办发〔2023〕7号", "article": "三(三)"}],
            }
        ],
    } | changes


class FakeService(CentreFake, DrawsFake):
    """See `console.service.Service`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made: dict[str, Row] = {}
        self.claims: dict[str, str] = {}
        self.decoder = msgspec.json.Decoder(Event)
        self.events: dict[tuple[str, str], bytes] = {}
        self.origins: list[str] = []
        self.transitions: list[Row] = []
        self.dead: list[Row] = []
        self.duplicates = 0
        self.by_subject: dict[str, Row] = {SUBJECT: SUBJECT_ROW}
        self.by_subject |= {
            f"91500106MA5U{n:05d}X": SUBJECT_ROW
            | {
                "subject": f"91500106MA5U{n:05d}X",
                "name": f"渝北示例商贸有限公司 {n}",
                "public_grade": "ABCD"[n % 4],
                "lowest_grade": "ABCD"[n % 4],
                "gap": n % 3,
                "open_alerts": n % 2,
            }
            for n in range(120)
        }

    # ------------------------------------------------------------------------------- writing

    def submit(self, raws: Sequence[bytes], origin: str) -> Receipt:
        accepted, duplicates, rejected = 0, 0, list[Rejected]()
        for index, raw in enumerate(raws):
            try:
                decoded = self.decoder.decode(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                reason = {"field": None, "value": None, "allowed": None, "message": str(error)}
                rejected.append(Rejected(index, reason))
                self.dead.append(
                    {
                        "at": "2026-11-21T08:00:00Z",
                        "origin": origin,
                        "reason": reason,
                        "raw": raw.decode("utf-8", "replace"),
                    }
                )
                continue
            with self.lock:
                key = (decoded.source, decoded.id)
                duplicates += key in self.events
                accepted += key not in self.events
                self.events.setdefault(key, raw)
        self.duplicates += duplicates
        self.origins.append(origin)
        return Receipt(accepted, duplicates, rejected)

    def claim(self, state: str, holder: str) -> str:
        return self.claims.setdefault(state, holder)

    def act(self, event: Row) -> Receipt:
        key = (event["source"], event["id"])
        raw = msgspec.json.encode(event)
        self.decoder.decode(raw)
        with self.lock:
            if key in self.events:
                assert self.events[key] == raw, "a repeated act must be the same event"
                return Receipt(0, 1, [])
            self.events[key] = raw
        state = STATES.get(event["type"])
        if state:
            self.put(dict(self.alert(event["data"]["alert"]) or {}, state=state))
        return Receipt(1, 0, [])

    def put(self, alert: Row) -> None:
        with self.lock:
            self.transitions.append(alert | {"seq": len(self.transitions) + 1})

    # ------------------------------------------------------------------------------- reading

    def alerts(
        self,
        *,
        rule: str | None = None,
        state: str | None = None,
        level: str | None = None,
        subject: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> list[Row]:
        newest = {row["id"]: row for row in list(self.transitions)}
        rows = sorted(newest.values(), key=lambda row: (row["opened_at"], row["id"]), reverse=True)
        if before is not None:
            rows = rows[[row["id"] for row in rows].index(before) + 1 :]
        wanted = {"rule": rule, "state": state, "level": level, "subject": subject}
        chosen = [
            row for row in rows if all(row[k] == v for k, v in wanted.items() if v is not None)
        ]
        return chosen[:limit]

    def alert(self, alert_id: str) -> Row | None:
        return next((r for r in reversed(self.transitions) if r["id"] == alert_id), None)

    def changes(self, after_seq: int, limit: int) -> list[Row]:
        return self.transitions[after_seq : after_seq + limit]

    def last_seq(self) -> int:
        return len(self.transitions)

    def show(self, subject: str, as_of_ms: int | None = None) -> Row | None:
        if subject not in self.by_subject:
            return None
        return SHOWN | {"subject": subject, "asked": as_of_ms}

    def profile(
        self, subject: str, as_of_ms: int | None = None, *, before: str = "", at: str = ""
    ) -> Row | None:
        shown = self.show(subject, as_of_ms)
        return None if shown is None else PROFILE | {"show": shown}

    def report(
        self, subject: str, as_of_ms: int | None = None, *, internal: bool = False
    ) -> Row | None:
        shown = self.show(subject, as_of_ms)
        return None if shown is None else REPORT | {"scope": "internal" if internal else "public"}

    def facts(self, subject: str, limit: int, before: str = "") -> tuple[list[Row], str | None]:
        keys = [fact["key"] for fact in FACTS]
        rows = FACTS[keys.index(before) + 1 if before in keys else 0 :]
        return rows[:limit], rows[limit - 1]["key"] if len(rows) > limit else None

    def story(self, alert_id: str) -> Row | None:
        steps = [row for row in self.transitions if row["id"] == alert_id]
        if not steps:
            return None
        was = ""
        told = list[Row]()
        for row in steps:
            told.append(
                {
                    "seq": row["seq"],
                    "at": row["updated_at"],
                    "was": was,
                    "state": row["state"],
                    "level": row["level"],
                    "reason": "act" if row.get("actor") else "opened",
                    "actor": row.get("actor", ""),
                    "note": row.get("note", ""),
                    "silenced_until": None,
                }
            )
            was = row["state"]
        return {
            "transitions": told,
            "whole": True,
            "why": WHY,
            "ledger": "here",
            "deliveries": DELIVERIES,
        }

    def subjects(
        self,
        *,
        q: str = "",
        district: str = "",
        grade: str = "",
        kind: str = "",
        limit: int = 50,
        after: str = "",
    ) -> list[Row]:
        rows = [row for key, row in sorted(self.by_subject.items()) if key > after]
        rows = [row for row in rows if q in row["name"] or q in row["subject"]]
        return [row for row in rows if not grade or row["public_grade"] == grade][:limit]

    def reviews(
        self, *, state: str | None = None, limit: int = 50, before: str | None = None
    ) -> list[Row]:
        return [REVIEW][:limit] if state in (None, "open") and before is None else []

    def review(self, review_id: str) -> Row | None:
        return REVIEW if review_id == REVIEW["id"] else None

    def review_case(self, review_id: str) -> Row | None:
        return REVIEW | CASE if review_id == REVIEW["id"] else None

    def review_board(self, *, a: str = "", b: str = "") -> dict[str, int]:
        return {"overdue": 60, "soon": 0, "later": 1, "answered": 0, "closed": 0}

    def review_column(
        self, column: str, *, a: str = "", b: str = "", limit: int = 50, after: str = ""
    ) -> list[Row]:
        count = {"overdue": 60, "later": 1}.get(column, 0)
        rows = [REVIEW | {"place": f"{n:03d}"} for n in range(count) if f"{n:03d}" > after]
        return rows[:limit]

    def review_statistics(self) -> Row:
        return STATISTICS

    def rejects(self, *, limit: int = 50, before: int | None = None) -> list[Row]:
        rows = [{"seq": n + 1, **row} for n, row in enumerate(self.dead)]
        return [row for row in rows[::-1] if before is None or row["seq"] < before][:limit]

    def summary(self) -> Row:
        alerts = self.alerts(limit=10_000)
        count = {level: sum(a["level"] == level for a in alerts) for level in LEVELS}
        return {
            "as_of": "2026-11-21T08:00:00.000Z",
            "subjects": 1_234_567,
            "events": 98_765_432 + len(self.events),
            "duplicates": self.duplicates,
            "rejected": len(self.dead),
            "alerts_open": count,
            "alerts_by_rule": {"grade-gap": len(alerts)},
            "grades": {"A": 410_000, "B": 520_000, "C": 61_000, "D": 4_567, "ungraded": 239_000},
            "reviews_open": 1,
            "policy": {"hash": "9f2c44aa01", "version": "2026.11"},
        }

    def situation(self) -> Row:
        alerts = self.alerts(limit=10_000)
        days = [f"2026-11-{n:02d}" for n in range(1, 31)]
        ups = {level: [n % 7 for n in range(30)] for level in LEVELS}
        return {
            "as_of": "2026-11-21T08:00:00.000Z",
            "districts": [
                {
                    "district": code,
                    "subjects": 40_000 + n,
                    "grades": {"A": 40_000},
                    "alerts_open": dict.fromkeys(LEVELS, n),
                    "risk": [0.4, 1.0, 1.5, 2.5, 4.0][n % 5],
                }
                for n, code in enumerate(
                    ("500101", "500103", "500106", "500107", "500157", "500241", "999999")
                )
            ],
            "trend": {
                "days": days,
                "opened": ups,
                "ended": ups,
                "grades": {grade: [100 + n for n in range(30)] for grade in "ABCD"},
            },
            "emerging": {
                "alerts": alerts[:2],
                "rising": [{"rule": "risk-high", "opened": 12, "usual": 3.5, "chance": 0.0002}],
            },
            "feeds": [
                {
                    "source": "cq/12345",
                    "events_24h": 0,
                    "last_hour": "2026-11-20T08:00:00.000Z",
                    "alert": {
                        "id": "feed-silent/x",
                        "rule": "feed-silent",
                        "level": "orange",
                        "title": {"zh": "数据源中断", "en": "Feed silent"},
                    },
                },
                {
                    "source": "cq/scjg",
                    "events_24h": 1234,
                    "last_hour": "2026-11-21T07:00:00.000Z",
                    "alert": None,
                },
            ],
            "dead_letters_24h": len(self.dead),
            "model": {
                "name": "bounded scorecard",
                "weights": "w000012",
                "as_of": "2026-11-17",
                "examples": 5120,
                "adverse": 311,
                "auc": 0.796,
                "ece": 0.012,
                "predicted": 0.061,
                "observed": 0.058,
                "drifting": False,
            },
        }

    def metrics_text(self) -> bytes:
        return b"# TYPE xinfeng_events_total counter\nxinfeng_events_total 1\n"


LEVELS = ("red", "orange", "yellow", "blue")
SUBJECT_ROW: Row = {
    "subject": SUBJECT,
    "name": XSS,
    "district": "500106",
    "kind": "enterprise",
    "industry": "H6210",
    "public_grade": "B",
    "lowest_grade": "C",
    "gap": 2,
    "open_alerts": 3,
}
P1, E1, O1 = (
    {"source": s, "id": i} for s, i in (("cq/scjg", "p1"), ("cq/12345", "e1"), ("cq/sthj", "o1"))
)
FACTS = [
    {
        "time": "2026-11-20T02:10:00Z",
        "type": "penalty.decided",
        **P1,
        "item": "cq1-17",
        "text_zh": "渝市监罚〔2026〕17 号：罚款 50,000 元，经营超过保质期的食品",
        "text_en": "Penalty 2026/17: fine of CNY 50,000 for food past its date",
    },
    {
        "time": "2026-11-12T08:30:00Z",
        "type": "complaint.filed",
        **E1,
        "item": "cq1-17",
        "text_zh": "投诉：食品安全 <b>异物</b>",
        "text_en": "Complaint: food safety",
    },
    {
        "time": "2026-09-01T01:00:00Z",
        "type": "inspection.completed",
        **O1,
        "item": "cq1-40",
        "text_zh": "双随机检查：未发现问题",
        "text_en": "Random inspection: passed",
    },
]
SHOWN: Row = {
    "subject": SUBJECT,
    "as_of": "2026-11-21T08:00:00.000Z",
    "name": XSS,
    "district": "500106",
    "items": {
        "cq1-17": {
            "department": "市市场监管局",
            "risk_score": 412.4,
            "credit_score": 501.9,
            "grade": "A",
            "grade_source": "assigned",
            "since": "2026-06-01T00:00:00.000Z",
            "assigned": {"grade": "A", "issuer": "department", "original": "AAA"},
            "computed": "C",
            "risk_probability": 0.183,
            "weights": "w000012",
            "contributions": [
                {"indicator": "base", "points": 650.0, "record": "public", "events": []},
                {
                    "indicator": "penalty_general",
                    "points": -141.2,
                    "record": "public",
                    "events": [P1],
                },
                {"indicator": "complaint", "points": -89.5, "record": "internal", "events": [E1]},
                {
                    "indicator": "inspection_pass",
                    "points": 12.0,
                    "record": "public",
                    "events": [O1],
                },
            ],
        },
        "cq1-40": {
            "department": "市生态环境局",
            "risk_score": 655.0,
            "credit_score": 655.0,
            "grade": "C",
            "grade_source": "computed",
            "since": "2026-10-01T00:00:00.000Z",
            "assigned": None,
            "risk_probability": 0.02,
            "weights": "w000012",
            "contributions": [
                {"indicator": "base", "points": 650.0, "record": "public", "events": []},
                {"indicator": "inspection_pass", "points": 5.0, "record": "public", "events": [O1]},
            ],
        },
    },
    "public": {"grade": "B", "grade_source": "computed", "credit_score": 588.0},
    "gap": {
        "levels": 2,
        "highest": {"item": "cq1-17", "grade": "A"},
        "lowest": {"item": "cq1-40", "grade": "C"},
    },
    "lists": ["watch"],
    "open_alerts": [],
    "open_reviews": [],
    "repairable": [{"event": P1, "from": "2027-02-01", "points": 141.2}],
    "path": {"to": "A", "by": "2027-02-01", "steps": [{"repair": P1, "points": 141.2}]},
    "history": [
        {"item": "cq1-17", "day": "2026-03-01", "grade": "B", "from": None},
        {"item": "cq1-17", "day": "2026-06-01", "grade": "A", "from": "B"},
        {"item": "cq1-40", "day": "2026-04-10", "grade": "A", "from": None},
        {"item": "cq1-40", "day": "2026-08-10", "grade": "D", "from": "A"},
        {"item": "cq1-40", "day": "2026-10-01", "grade": "C", "from": "D"},
        {"item": "public", "day": "2026-03-01", "grade": "B", "from": None},
    ],
}
for _number, _fact in enumerate(FACTS):
    _fact |= {"key": f"{_number:016x}", "day": _fact["time"][:10], "department": "市市场监管局"}
PROFILE: Row = {
    "course": {
        "days": ["2026-03-01", "2026-11-12", "2026-11-20", "2026-11-21"],
        "credit": [650.0, 650.0, 508.8, 509.0],
        "risk": [650.0, 560.5, 419.3, 419.6],
        "marks": [FACTS[0] | {"points": -141.2, "record": "public", "score": 419.3}],
    },
    "facts": FACTS,
    "facts_total": 3,
    "next": FACTS[-1]["key"],
    "named": FACTS,
    "matters": [FACTS[0] | {"matter": "penalty", "due": "2026-12-05", "late": False}],
    "inspections": [FACTS[2]],
    "commitments": {
        "made": 2,
        "fulfilled": 1,
        "breached": 0,
        "overdue": 0,
        "open": 1,
        "ratio": 1.0,
    },
    "devices": [{"item": "cq1-40", "device": "dust-01", "metrics": ["pm10", "pm2_5"]}],
    "related": {"platform": "91500106MA5U00001X", "aliases": ["500106000012345"], "listed": [
        {"subject": "91500106MA5U00002X", "name": "关联企业", "list": "serious",
         "by": "controller", "alert": "related-risk-1"}]},
    "alerts": [],
}
WHY: Row = {
    "as_of": "2026-11-21T08:00:00.000Z",
    "item": "cq1-17",
    "risk_score": 419.3,
    "credit_score": 508.8,
    "policy": "9f2c44aa01",
    "weights": "w000012",
    "contributions": [
        {"indicator": "base", "points": 650.0, "record": "public", "events": []},
        {
            "indicator": "penalty_general",
            "points": -141.2,
            "record": "public",
            "events": [FACTS[0] | {"points": -141.2}],
        },
    ],
}
DELIVERIES: list[Row] = [
    {
        "receiver": "cq-scjg",
        "endpoint": "cq-scjg/wecom",
        "reason": "first",
        "state": "delivered",
        "attempts": 1,
        "code": 200,
        "answer": '{"errcode": 0}',
        "at": "2026-11-21T08:00:05.000Z",
        "done_at": "2026-11-21T08:00:06.000Z",
    }
]
_COMPUTED: Row = {
    "grade": "B",
    "grade_source": "computed",
    "since": "2026-06-01",
    "credit_score": 588.0,
    "computed": "B",
    "assigned": None,
    "period": None,
    "event": {"source": "xinfeng", "id": "9f2c44aa01"},
}
REPORT: Row = {
    "number": "20261121-0123456789ab",
    "digest": "0123456789ab" + "c" * 52,
    "schema": "xinfeng.credit-report/1",
    "as_of": "2026-11-21T08:00:00.000Z",
    "policy": "9f2c44aa01",
    "weights": "w000012",
    "subject": {
        "subject": SUBJECT,
        "name": XSS,
        "kind": "enterprise",
        "district": "500106",
        "industry": "H6210",
        "size": "small",
        "registered_on": "2021-05-18",
        "cancelled_on": None,
        "aliases": [],
    },
    "public": _COMPUTED,
    "grades": [{"item": "cq1-17", "department": "市市场监管局", **_COMPUTED}],
    "lists": [],
    "records": [FACTS[0] | {"points": -141.2, "until": "2027-11-19"}],
    "records_left_off": 0,
    "commitments": PROFILE["commitments"],
    "risk": [{"item": "cq1-17", "risk_score": 412.4, "risk_probability": 0.183}],
    "gap": None,
    "signals": [FACTS[1] | {"points": -89.5, "until": None}],
    "signals_left_off": 0,
    "repairs": [],
    "objections": [],
    "matters": PROFILE["matters"],
    "open_alerts": [],
    "open_reviews": [],
    "repairable": [],
    "path": None,
}
REVIEW: Row = {
    "id": f"review/{SUBJECT}/1",
    "subject": SUBJECT,
    "name": XSS,
    "state": "open",
    "opened_at": "2026-11-20T08:00:00.000Z",
    "due_on": "2026-12-04",
    "ended_on": None,
    "stage": "waiting",
    "departments": ["市市场监管局", "市生态环境局"],
    "pairs": [
        {
            "a": "市市场监管局",
            "b": "市生态环境局",
            "since": "2026-11-20",
            "ended_on": None,
            "end": "open",
        }
    ],
    "levels": 2,
    "highest": {"item": "cq1-17", "grade": "A"},
    "lowest": {"item": "cq1-40", "grade": "C"},
    "items": [
        {"item": "cq1-17", "department": "市市场监管局", "grade": "A", "grade_source": "assigned"},
        {"item": "cq1-40", "department": "市生态环境局", "grade": "C", "grade_source": "computed"},
    ],
    "answers": [
        {
            "department": "市生态环境局",
            "decision": "keep",
            "grade": None,
            "reason": "整改未完成，维持原等级。",
        }
    ],
}
FACT: Row = {
    "type": "penalty.decided",
    "time": "2026-11-20T02:10:00Z",
    "text_zh": "行政处罚 <b>一般</b>",
    "text_en": "Administrative penalty",
    **P1,
}
CASE: Row = {
    "grades": [
        {
            "item": "cq1-17",
            "department": "市市场监管局",
            "grade": "A",
            "grade_source": "assigned",
            "since": "2026-06-01",
            "computed": "C",
            "credit_score": 501.9,
            "assigned": {"grade": "A", "issuer": "department"},
            "apart": True,
            "rests_on": [FACT | {"id": "g1", "text_zh": "评定信用等级（A 级）"}],
            "evidence": [FACT | {"points": -141.2, "indicator": "penalty_general"}] * 10,
        },
        {
            "item": "public",
            "department": "",
            "grade": "C",
            "grade_source": "computed",
            "since": "2026-10-01",
            "computed": "C",
            "credit_score": 588.0,
            "assigned": None,
            "apart": True,
            "rests_on": [],
            "evidence": [],
        },
    ],
    "tasks": [
        {
            "department": "市市场监管局",
            "due_on": "2026-12-04",
            "state": "overdue",
            "answered_at": None,
            "decision": None,
            "told": {"first": 1, "reminder": 2},
        }
    ],
    "history": [
        {"day": "2026-11-20", "what": "opened", "at": "2026-11-20T08:00:00.000Z"},
        {
            "day": "2026-11-20",
            "what": "grade",
            "item": "public",
            "department": "",
            "from": "B",
            "to": "C",
            "grade_source": "computed",
        },
        {
            "day": "2026-11-21",
            "what": "answer",
            "department": "市生态环境局",
            "decision": "adjust",
            "grade": "B",
            "reason": XSS,
            "assigned": [{"item": "cq1-40", "grade": "B", "from": "2026-11-21", "until": None}],
        },
        {"day": "2026-11-21", "what": "closed", "how": "adjusted", "departments": ["市生态环境局"]},
    ],
    "told": None,
}
STATISTICS: Row = {
    "as_of": "2026-12-06",
    "disagreement": {"businesses": 40, "apart": 3, "rate": 0.075},
    "departments": [
        {"department": d, "businesses": 40, "apart": 3, "rate": 0.075}
        for d in ("市市场监管局", "市生态环境局")
    ],
    "pairs": [
        {
            "a": a,
            "b": b,
            "businesses": n,
            "apart": 3 if n else 0,
            "rate": 3 / n if n else None,
            "opened": 7,
            "open": 2,
            "overdue": 1,
            "kept": 1,
            "adjusted_a": 2,
            "adjusted_b": 1,
            "by_itself": 2,
            "median_days": 6.5,
        }
        for a, b, n in (
            ("市市场监管局", "市生态环境局", 40),
            ("public", "市生态环境局", 0),
        )
    ],
}
