"""What those are told who acted on a state that is past: who was first, and what holds by now."""

from __future__ import annotations

from typing import Any

from console.i18n import word
from console.problems import Problem
from console.service import Row
from console.view import when


def overtaken(matter: str, row: Row, who: str) -> Problem:
    """Another console took an act on the same state in; the view will show it in a moment."""
    return _changed(
        matter, row, f"{who} was first, a moment ago; look again before you act",
        f"{who} 刚刚已先处理；请查看后再处理", actor=who)


def alert_changed(alert: Row) -> Problem:
    """Who was first, and what the alert is by now."""
    who = str(alert.get("actor") or alert.get("reason") or "")
    return _changed(
        "alert", alert,
        f"{who} was first: {alert.get('state')} at {alert.get('updated_at')}; look again before "
        "you act",
        f"{who} 已先处理：{word('zh', 'state', alert.get('state'))}，"
        f"{when(alert.get('updated_at'))}；请查看后再处理", actor=alert.get("actor"))


def review_changed(review: Row) -> Problem:
    """What was answered meanwhile, by whom; where nobody did, the grades have changed."""
    answers = [
        {name: a.get(name) for name in ("department", "at", "decision", "grade", "reason")}
        for a in review.get("answers") or []
    ]
    told = ", ".join(
        " ".join(str(a[n]) for n in ("department", "decision", "grade", "at") if a[n])
        for a in answers
    )
    return _changed(
        "review", review,
        f"changed at {review.get('updated_at')}, {review.get('state')}; "
        f"answers: {told or 'none'}; look again before you answer",
        "您查看后情况已有变化；目前答复："
        + ("；".join(
            f"{a['department']} {word('zh', 'ui', a['decision'])} {a['grade'] or ''}".rstrip()
            for a in answers) or "无") + "；请查看后再答复", answers=answers)


def _changed(matter: str, row: Row, detail: str, zh: str, **more: Any) -> Problem:
    """409 with the state of the alert or review by now."""
    return Problem(
        409, "changed", f"{matter}={row['id']}: {detail}", zh=zh, **{matter: row["id"]},
        state=row.get("state"), seq=row.get("seq"), updated_at=row.get("updated_at"), **more)
