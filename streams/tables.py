"""What the commands print for people: tables in Chinese, or English."""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerts.message import Catalogue
from console.i18n import word
from streams.options import CHINA, Lang

Row = Mapping[str, Any]
_STYLES = {"red": "bold red", "orange": "dark_orange", "yellow": "yellow", "blue": "blue",
           "A": "green", "B": "cyan", "C": "yellow", "D": "bold red"}
_WORDS: dict[str, tuple[str, str]] = {
    "opened": ("触发时间", "opened"), "level": ("级别", "level"), "rule": ("规则", "rule"),
    "state": ("状态", "state"), "subject": ("主体", "subject"), "what": ("内容", "what"),
    "departments": ("部门", "departments"), "due": ("答复期限", "due"),
    "levels": ("相差", "levels"), "item": ("监管事项", "item"), "grade": ("等级", "grade"),
    "source": ("来源", "source"), "credit": ("信用分", "credit"), "risk": ("风险分", "risk"),
    "probability": ("风险概率", "probability"), "since": ("自", "since"),
    "points": ("分值", "points"), "indicator": ("指标", "indicator"), "facts": ("事实", "facts"),
    "record": ("范围", "record"), "at": ("时间", "time"), "reason": ("原因", "reason"),
    "origin": ("来源", "origin"), "repairable": ("可修复", "repairable"), "from": ("自", "from"),
    "public": ("公共信用等级", "public grade"), "alerts": ("未办结预警", "open alerts"),
    "path": ("修复路径", "path"), "gap": ("等级差异", "grade gap"),
    "none": ("没有记录", "nothing to show"), "more": ("未全部显示，用 --limit 或 --json",
                                                    "not all shown: use --limit or --json"),
    "computed": ("计算", "computed"), "assigned": ("部门评定", "assigned"),
    "direct": ("直接判定", "direct"), "internal": ("内部", "internal"),
    "changed": ("等级变化", "grade changes"), "count": ("数量", "count"), "to": ("至", "to"),
    "opens": ("将新增预警", "alerts that would open"),
    "topic": ("主题", "topic"), "partition": ("分区", "partition"), "end": ("末端", "end"),
    "done": ("已处理", "done"), "lag": ("积压", "lag"),
    "model": ("模型", "model"), "auc": ("AUC", "AUC"), "log_loss": ("对数损失", "log-loss"),
    "brier": ("Brier", "Brier"), "ece": ("校准误差", "calibration error"),
    "lead": ("领先（95% 区间）", "lead (95 % interval)"),
    "drifting": ("预测质量下降", "the forecasts have become worse"),
    "shadow": ("影子模型（不影响等级）", "in shadow (touch no grade)"),
    "measures": ("措施（由人决定，详见 --json）", "measures (people decide; more with --json)"),
    "vanishes": ("将消失预警", "alerts that would vanish"),
}


def screen() -> Console:
    """Standard output; a pipe gets lines wide enough not to break."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160, highlight=False)


def _w(lang: Lang, key: str) -> str:
    return _WORDS[key][lang == "en"]


def _table(lang: Lang, *columns: str, title: str = "") -> Table:
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False,
                  header_style="bold")
    for column in columns:
        number = column in ("points", "credit", "risk", "probability", "count", "partition", "end",
                            "done", "lag")
        table.add_column(_w(lang, column), justify="right" if number else "left",
                         overflow="fold")
    return table


def _when(text: str) -> str:
    """A moment as Beijing sees it, to the minute."""
    return f"{dt.datetime.fromisoformat(text).astimezone(CHINA):%Y-%m-%d %H:%M}"


def _marked(text: str, style: str) -> Text:
    return Text(text, style=_STYLES.get(style, ""))


def _show(out: Console, lang: Lang, table: Table, *, more: bool = False) -> None:
    out.print(table if table.row_count else _w(lang, "none"))
    if more:
        out.print(_w(lang, "more"))


def alerts(rows: Iterable[Row], lang: Lang, *, more: bool) -> None:
    table = _table(lang, "opened", "level", "state", "rule", "subject", "what")
    for a in rows:
        table.add_row(_when(a["opened_at"]), _marked(word(lang, "level", a["level"]), a["level"]),
                      word(lang, "state", a["state"]), word(lang, "rule", a["rule"]),
                      f"{a['name']}\n{a['subject']}", f"{a['title'][lang]}\n{a['id']}")
    _show(screen(), lang, table, more=more)


def reviews(rows: Iterable[Row], lang: Lang, *, more: bool) -> None:
    table = _table(lang, "opened", "due", "state", "levels", "subject", "departments")
    for r in rows:
        table.add_row(_when(r["opened_at"]), r["due_on"], word(lang, "state", r["state"]),
                      str(r["levels"]), f"{r['name']}\n{r['subject']}",
                      "、".join(r["departments"]) + f"\n{r['id']}")
    _show(screen(), lang, table, more=more)


def rejects(rows: Iterable[Row], lang: Lang, *, more: bool) -> None:
    table = _table(lang, "at", "origin", "reason")
    for r in rows:
        table.add_row(_when(r["at"]), r["origin"], Text(r["reason"]["message"]))
    _show(screen(), lang, table, more=more)


def departments(found: Row, lang: Lang) -> None:
    """The quarterly ranking: shares in per cent, what they are made of in the JSON and CSV."""
    names = ("timeliness", "completeness", "reviews", "alerts", "inspections", "codes")
    table = Table(title=found["quarter"], title_justify="left", box=None, pad_edge=False,
                  header_style="bold")
    for key in ("rank", "department", "score", *names, "coverage", "access"):
        table.add_column(word(lang, "ui", f"dep_{key}"),
                         justify="left" if key == "department" else "right", overflow="fold")
    for row in found["departments"]:
        shares = [*(row["components"][name] for name in names), row["coverage"]["rate"],
                  row["access"]["rate"]]
        table.add_row(str(row["rank"] or "–"), row["department"],
                      "–" if row["score"] is None else f"{row['score']:.2f}",
                      *("–" if x is None else f"{100 * x:.1f}" for x in shares))
    _show(screen(), lang, table)


def lag(rows: Iterable[Any], lang: Lang) -> None:
    """How far each partition of each topic was taken (`storage.kafka_topics.Lag`)."""
    table = _table(lang, "topic", "partition", "end", "done", "lag")
    for r in rows:
        behind = r.end - r.done
        table.add_row(r.topic, str(r.partition), str(r.end), str(r.done),
                      Text(str(behind), style="yellow" if behind else ""))
    _show(screen(), lang, table)


def subject(s: Row, lang: Lang, items: Catalogue) -> None:
    """One subject: head, items, what each fact costs, repairs."""
    out = screen()

    def name(id: str) -> str:
        return _w(lang, "public") if id == "public" else items.get(id, {}).get("item", id)

    public = s["public"]
    out.print(Text(f"{s['name'] or s['subject']}  {s['subject']}  {s['district']}", style="bold"))
    out.print(f"{_when(s['as_of'])}  {_w(lang, 'public')} ", _marked(
        word(lang, "grade", public["grade"]), public["grade"]),
        f" {_w(lang, 'credit')} {public['credit_score']:.1f}")
    if s["gap"]:
        ends = (f"{g['grade']} {name(g['item'])}" for g in (s["gap"]["highest"],
                                                           s["gap"]["lowest"]))
        out.print(f"{_w(lang, 'gap')} {s['gap']['levels']}: " + " / ".join(ends))
    for each in s["lists"]:
        out.print(_marked(f"{word(lang, 'list', each['list'])} {each['since']}", "red"))
    table = _table(lang, "item", "departments", "grade", "source", "since", "credit", "risk",
                   "probability")
    for id, i in s["items"].items():
        table.add_row(f"{name(id)} {id}", i["department"],
                      _marked(word(lang, "grade", i["grade"]), i["grade"]),
                      _w(lang, i["grade_source"]), i["since"] or "", f"{i['credit_score']:.1f}",
                      f"{i['risk_score']:.1f}", f"{100 * i['risk_probability']:.1f} %")
    out.print(table)
    table = _table(lang, "item", "grade", "measures")
    for id, i in (*s["items"].items(), ("public", public)):
        counts = Counter((m["kind"], m["state"]) for m in i["measures"])
        if counts:
            table.add_row(name(id), _marked(i["grade"], i["grade"]), " · ".join(
                f"{word(lang, 'ui', f'ms_{kind}')} {n} ({word(lang, 'ui', f'ms_{state}')})"
                for (kind, state), n in counts.items()))
    if table.row_count:
        out.print("", table, sep="\n")
    for id, i in s["items"].items():
        table = _table(lang, "points", "record", "indicator", "facts", title=f"\n{name(id)}")
        for c in i["contributions"]:
            events = ", ".join(f"{r['source']}/{r['id']}" for r in c["events"][:6])
            rest = len(c["events"]) - 6
            table.add_row(f"{c['points']:+.3f}",
                          "" if c["record"] == "public" else _w(lang, "internal"),
                          word(lang, "indicator", c["indicator"]),
                          Text(events + (f" +{rest}" if rest > 0 else "")))
        out.print(table)
    if s["repairable"]:
        table = _table(lang, "points", "from", "facts", title=f"\n{_w(lang, 'repairable')}")
        for each in s["repairable"]:
            table.add_row(f"{each['points']:+.3f}", each["from"],
                          f"{each['event']['source']}/{each['event']['id']}")
        out.print(table)
    if s["path"]:
        refs = [x["repair"] for x in s["path"]["steps"]]
        steps = ", ".join(f"{r['source']}/{r['id']}" for r in refs)
        out.print(f"{_w(lang, 'path')} {s['path']['to']} {s['path']['by']} {steps}")
    if s["open_alerts"]:
        out.print(f"{_w(lang, 'alerts')}: " + ", ".join(s["open_alerts"]))


def trial(found: Row, lang: Lang) -> None:
    """What a policy would change."""
    out = screen()
    grades = found["grades"]
    table = _table(lang, "from", "to", "count",
                   title=f"{_w(lang, 'changed')}: {grades['changed']} ({grades['subjects']})")
    for row in grades["counts"]:
        table.add_row(row["from"], row["to"], str(row["count"]))
    out.print(table)
    for key, which in (("opens", "open"), ("vanishes", "vanish")):
        table = _table(lang, "rule", "count", title=f"\n{_w(lang, key)}: {len(found[key])}")
        for rule, count in found["alerts"][which].items():
            table.add_row(word(lang, "rule", rule), str(count))
        out.print(table)


def models(report: Row, lang: Lang) -> None:
    """The learner's report: forecasts made before learning, champion first."""
    learner = report.get("learner") or {}
    out = screen()
    out.print(_w(lang, "model") + f": w{report['published']:06d}, n = {learner.get('examples', 0)} "
              f"({learner.get('adverse', 0)})")
    _models(learner, lang, "")
    challengers = learner.get("challengers")
    if challengers and challengers["models"]:
        _models(challengers, lang, _w(lang, "shadow"))
    if (learner.get("drift") or {}).get("drifting"):
        out.print(Text(_w(lang, "drifting"), style="red"))


def _models(board: Row, lang: Lang, title: str) -> None:
    table = _table(lang, "model", "auc", "log_loss", "brier", "ece", "lead", title=title)
    leads = {x["over"]: x for x in board.get("leads", ())}
    for name, m in (board.get("models") or {}).items():
        lead = leads.get(name)
        table.add_row(name, *(_figure(m[k]) for k in ("auc", "log_loss", "brier", "ece")),
                      "" if lead is None or lead["auc"] is None else
                      f"{lead['auc']:+.3f} ({lead['auc_low']:+.3f} … {lead['auc_high']:+.3f})")
    screen().print(table)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
