"""Reviews on paper: one case, and the statistics. Chinese, or English."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from console.i18n import word
from streams.options import Lang
from streams.tables import screen

Row = Mapping[str, Any]
_STYLES = {"A": "green", "B": "cyan", "C": "yellow", "D": "bold red", "overdue": "bold red"}


def case(r: Row, lang: Lang) -> None:
    """One review: head, grades with their evidence, tasks, history."""
    out, t = screen(), _words(lang)
    out.print(Text(f"{r['name'] or r['subject']}  {r['subject']}  {r['id']}", style="bold"))
    out.print(f"{word(lang, 'state', r['state'])}  {t('due_on')} {r['due_on']}"
              + (f"  {t('gap_banner')} {r['levels']} {t('levels')}" if r["levels"] else ""))
    for g in r["grades"]:
        out.print()
        head = Text(f"{g['grade']} ", style=_STYLES.get(g["grade"], ""))
        source = t("rv_direct") if g["grade_source"] == "direct" else t(g["grade_source"])
        head.append(f"{g['department'] or t('rv_public')} {g['item']}  {source} "
                    f"{t('rv_since')} {g['since']}", style="")
        if g["apart"]:
            head.append(f"  {t('rv_in_gap')}", style="red")
        out.print(head)
        for f in g["rests_on"]:
            out.print(f"  = {f['text_' + lang] or f['id']}  {f['source']}/{f['id']}")
        for f in g["evidence"]:
            out.print(f"  {f['points']:+9.3f}  {f['text_' + lang] or f['id']}  "
                      f"{f['source']}/{f['id']}")
    table = _table(lang, "department", "due_on", "rv_state", "rv_told", title=t("rv_tasks"))
    for k in r["tasks"]:
        told = "—" if k["told"] is None else ", ".join(f"{w} {n}" for w, n in k["told"].items())
        table.add_row(k["department"], k["due_on"], Text(
            t(f"rv_task_{k['state']}"), style=_STYLES.get(k["state"], "")), told)
    out.print(table)
    table = _table(lang, "time", "rv_history")
    for h in r["history"]:
        table.add_row(h["day"], _happened(h, lang))
    out.print(table)


def _happened(h: Row, lang: Lang) -> str:
    t = _words(lang)
    match h["what"]:
        case "grade":
            return f"{h['department'] or t('rv_public')} {h['item']}: {h['from']} → {h['to']}"
        case "answer":
            became = "".join(f"\n{x['item']} {x['grade']} {t('rv_since')} {x['from']}"
                             for x in h["assigned"])
            return f"{h['department']} {t(h['decision'])} {h['grade'] or ''} {h['reason']}{became}"
        case "closed":
            return f"{t('rv_was_closed')}: {t('rv_how_' + h['how'])}{'、'.join(h['departments'])}"
        case _:
            return t("rv_was_opened")


def statistics(found: Row, lang: Lang, limit: int) -> None:
    """The rate of disagreement, then every two parties: the most reviews first."""
    out, t = screen(), _words(lang)
    city = found["disagreement"]
    out.print(f"{found['as_of']}  {t('rv_city_rate')} {_percent(city['rate'])}  "
              f"{city['apart']} / {city['businesses']}")
    names = {"businesses": "rv_businesses", "apart": "rv_apart", "rate": "rv_rate",
             "opened": "rv_opened", "open": "rv_open", "overdue": "rv_late", "kept": "rv_kept",
             "adjusted_a": "rv_adjusted_a", "adjusted_b": "rv_adjusted_b",
             "by_itself": "rv_by_itself", "median_days": "rv_median"}
    table = _table(lang, "rv_pair", *names.values())
    pairs = sorted(found["pairs"], key=lambda p: (-p["opened"], -p["apart"], p["a"], p["b"]))
    for p in pairs[:limit]:
        table.add_row(
            " · ".join(t("rv_public") if x == "public" else x for x in (p["a"], p["b"])),
            *(_percent(p[k]) if k == "rate" else "—" if p[k] is None else f"{p[k]:g}"
              for k in names))
    out.print(table)
    if len(pairs) > limit:
        out.print(f"… {len(pairs)}: --limit, --json")


def _percent(rate: float | None) -> str:
    return "—" if rate is None else f"{100 * rate:.1f} %"


def _words(lang: Lang) -> Callable[[str], str]:
    """Looks words of the pages up."""
    return lambda key: word(lang, "ui", key)


def _table(lang: Lang, *columns: str, title: str = "") -> Table:
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False,
                  header_style="bold")
    for column in columns:
        table.add_column(word(lang, "ui", column), overflow="fold")
    return table
