"""ECharts options of the centre's pages. Times are shown as Beijing has them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

from console.service import Row

Words = Callable[[str], str]
CHINA_MS = 8 * 3_600_000
HOUR_MS = 3_600_000
LINES_MAX = 5
"""Departments drawn beside the city: those that are last."""
CHAMPION, EXPERT = "bounded scorecard", "expert card"
DAY_MS = 86_400_000
WEEK_D = 7
WEEKS_MIN = 8
"""A chart of weeks is at least so wide."""
ADVERSE_MIN = 10
"""Findings with which an AUC is drawn: with fewer it jumps over the whole axis."""
SYMBOLS_MAX, LABELS_MAX = 60, 12
"""Longer lines have no dots; more marks have no names."""


def on_time(found: Row, t: Words) -> Row:
    """Share of acts public in time by quarter: the city, and the departments ranked last."""
    trend = found["trend"]
    ranked = [row["department"] for row in found["departments"] if row["rank"] is not None]
    shown = [name for name in reversed(ranked) if name in trend["on_time"]][:LINES_MAX]
    lines = [("", t("dep_city"), 3.5)] + [(name, name, 1.5) for name in shown]
    return {
        "tooltip": {"trigger": "axis"},
        "legend": {"type": "scroll", "top": 0},
        "grid": {"left": 48, "right": 16, "top": 36, "bottom": 28},
        "xAxis": {"type": "category", "data": trend["quarters"]},
        "yAxis": {"type": "value", "min": _floor(trend, [key for key, _, _ in lines]), "max": 100,
                  "axisLabel": {"formatter": "{value} %"}},
        "series": [{
            "name": label, "type": "line", "connectNulls": False,
            "lineStyle": {"width": width}, "symbolSize": 7,
            "data": [None if v is None else round(100 * v, 1) for v in trend["on_time"][key]],
        } for key, label, width in lines],
    }


def _floor(trend: Row, names: list[str]) -> int:
    """Where the axis begins [per cent]: a ten below the least that is drawn."""
    known = [v for name in names for v in trend["on_time"][name] if v is not None]
    return max(0, int(10 * min(known, default=0.0)) * 10 - 10)


def readings(series: Row, t: Words) -> Row | None:
    """Hours of one series with limits, what is usual, and the periods of the device; None where
    nothing is kept that could be drawn."""
    marks: list[Row] = [
        {"yAxis": series[key], "label": {"formatter": f"{t('dev_' + key)} {series[key]:g}",
                                         "position": "insideEndTop", "color": "var(--red)"},
         "lineStyle": {"color": "var(--red)"}}
        for key in ("low", "high") if series[key] is not None]
    areas = [[{"xAxis": moment_ms(p["from"]), "name": t(f"dev_{p['kind']}")},
              {"xAxis": moment_ms(p["until"])}] for p in series["periods"]]
    drawn: list[Row] = []
    if series["hours"]:
        for place, name, colour in ((1, "dev_least", "--accent"), (2, "dev_greatest", "--orange")):
            drawn.append(_line(t(name), _with_gaps((row[0], row[place])
                                                   for row in series["hours"]), colour))
        for place, name in ((1, "dev_usual_low"), (2, "dev_usual_high")):
            if series["usual"]:
                line = _line(t(name), _with_gaps((row[0], row[place])
                                                 for row in series["usual"]), "--muted")
                line["lineStyle"] |= {"type": "dashed", "width": 1}
                drawn.append(line)
    elif series["samples"]:
        drawn.append(_line(t("dev_samples"), [[x + CHINA_MS, v] for x, v in series["samples"]],
                           "--accent"))
    if not drawn:
        return None
    drawn[0]["markLine"] = {"silent": True, "symbol": "none", "data": marks}
    drawn[0]["markArea"] = {
        "silent": True, "itemStyle": {"color": "var(--soft)", "opacity": 0.8},
        "label": {"color": "var(--muted)", "position": "insideBottom"}, "data": areas}
    return {
        "useUTC": True,
        "tooltip": {"trigger": "axis"},
        "legend": {"type": "scroll", "top": 0},
        "grid": {"left": 56, "right": 20, "top": 36, "bottom": 64},
        "dataZoom": [{"type": "slider", "height": 22, "bottom": 8}, {"type": "inside"}],
        "xAxis": {"type": "time"},
        "yAxis": {"type": "value", "scale": True, "name": series["unit"]},
        "series": drawn,
    }


def reliability(models: Row, t: Words) -> Row:
    """Said against seen, by tenths of the forecasts; on the diagonal is right."""
    top = max([0.05, *(x for m in models.values() for tenth in m["calibration"]
                       for x in (tenth["predicted"], tenth["observed"]))])
    edge = round(min(1.0, top * 1.1), 3)
    return {
        "tooltip": {"trigger": "item"},
        "legend": {"type": "scroll", "top": 0},
        "grid": {"left": 56, "right": 20, "top": 36, "bottom": 44},
        "xAxis": {"type": "value", "min": 0, "max": edge, "name": t("mod_predicted"),
                  "nameLocation": "middle", "nameGap": 26},
        "yAxis": {"type": "value", "min": 0, "max": edge, "name": t("mod_observed")},
        "series": [
            {"name": t("mod_diagonal"), "type": "line", "symbol": "none", "silent": True,
             "lineStyle": {"type": "dashed", "color": "var(--muted)"},
             "itemStyle": {"color": "var(--muted)"}, "data": [[0, 0], [edge, edge]]},
            *({"name": t(f"mod_{name}"), "type": "line", "symbolSize": 8,
               "lineStyle": {"width": 2.5 if name == CHAMPION else 1},
               "data": [[tenth["predicted"], tenth["observed"]] for tenth in m["calibration"]]}
              for name, m in models.items()),
        ],
    }


def weeks(history: list[Row], t: Words) -> Row:
    """Progressive AUC by week, calibration error below it; marks where weights were published,
    shades the weeks of drift. Other models than champion and expert wait in the legend, unless the
    expert is not among them."""
    names, last = list(history[-1]["auc"]), history[-1]["day"]
    hidden = {t(f"mod_{name}"): False for name in names
              if EXPERT in names and name not in (CHAMPION, EXPERT)}
    drawn: list[Row] = [
        {"name": t(f"mod_{name}"), "type": "line", "xAxisIndex": at, "yAxisIndex": at,
         "showSymbol": len(history) <= SYMBOLS_MAX, "symbolSize": 6, "connectNulls": False,
         "lineStyle": {"width": 2.5 if name == CHAMPION else 1.5},
         "data": [[row["day"] * DAY_MS, None if key == "auc" and row["adverse"] < ADVERSE_MIN
                   else row[key].get(name)] for row in history]}
        for at, key in enumerate(("auc", "ece")) for name in names]
    given = [{"xAxis": row["day"] * DAY_MS, "name": row["weights"]}
             for row in history if row["weights"]]
    drifting = [[{"xAxis": (row["day"] - WEEK_D) * DAY_MS}, {"xAxis": row["day"] * DAY_MS}]
                for row in history if row["drifting"]]
    for own in (drawn[0], drawn[len(names)]):
        own["markLine"] = {
            "silent": True, "symbol": "none", "data": given,
            "lineStyle": {"color": "var(--muted)", "type": "dashed"},
            "label": {"show": own is drawn[0] and len(given) <= LABELS_MAX, "formatter": "{b}",
                      "color": "var(--muted)", "position": "insideEndTop"}}
        own["markArea"] = {
            "silent": True, "itemStyle": {"color": "var(--orange)", "opacity": 0.15},
            "data": drifting}
    return {
        "useUTC": True,
        "tooltip": {"trigger": "axis"},
        "legend": {"type": "scroll", "top": 0, "selected": hidden,
                   "inactiveColor": "var(--muted)", "inactiveBorderColor": "var(--line)"},
        "grid": [{"left": 56, "right": 20, "top": 56, "height": "42%"},
                 {"left": 56, "right": 20, "top": "72%", "bottom": 28}],
        "xAxis": [{"type": "time", "gridIndex": at, "axisLabel": {"show": bool(at)},
                   "min": min(history[0]["day"], last - WEEKS_MIN * WEEK_D) * DAY_MS,
                   "max": last * DAY_MS} for at in (0, 1)],
        "yAxis": [{"type": "value", "scale": True, "gridIndex": 0, "name": "AUC"},
                  {"type": "value", "gridIndex": 1, "name": "ECE", "splitNumber": 3}],
        "series": drawn,
    }


def low_shares(groups: list[Row], labels: Callable[[str, str], str], dimension: str) -> Row:
    """Share of graded businesses at C or D, by the groups of one dimension."""
    own = [g for g in groups if g["dimension"] == dimension and g["low_share"] is not None]
    own.sort(key=lambda g: g["low_share"])
    return {
        "tooltip": {"trigger": "axis"},
        "grid": {"left": 130, "right": 32, "top": 8, "bottom": 24},
        "xAxis": {"type": "value", "axisLabel": {"formatter": "{value} %"}},
        "yAxis": {"type": "category", "axisLabel": {"width": 120, "overflow": "truncate"},
                  "data": [labels(dimension, g["value"]) for g in own]},
        "series": [{"type": "bar", "barMaxWidth": 18, "itemStyle": {"color": "var(--C)"},
                    "data": [round(100 * g["low_share"], 2) for g in own]}],
    }


def _line(name: str, data: list[list[Any]], colour: str) -> Row:
    return {"name": name, "type": "line", "showSymbol": False, "sampling": "lttb",
            "itemStyle": {"color": f"var({colour})"},
            "lineStyle": {"color": f"var({colour})", "width": 1.5}, "data": data}


def _with_gaps(points: Iterable[tuple[float, float]]) -> list[list[Any]]:
    """Points as Beijing sees them, with a gap where hours are missing."""
    out: list[list[Any]] = []
    before = None
    for x, y in points:
        if before is not None and x - before > HOUR_MS:
            out.append([before + HOUR_MS + CHINA_MS, None])
        out.append([x + CHINA_MS, y])
        before = x
    return out


def moment_ms(text: str) -> int:
    """A moment as Beijing sees it [ms], for an axis in UTC."""
    return round(dt.datetime.fromisoformat(text).timestamp() * 1000) + CHINA_MS
