"""Panels and dashboards of Grafana as plain values: what its JSON schema wants, and no more.

Titles are Chinese first. A panel's `about` says what to make of it. Panels flow from left to right
in rows of 24 units; `layout` gives them their place and number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

Panel: TypeAlias = dict[str, Any]
Query: TypeAlias = tuple[str, str]
"""(expression, legend)"""

SOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH = 24
CONSOLE = "${console}"
"""Variable of each dashboard: where the console answers."""
GRADES = {"A": "green", "B": "blue", "C": "orange", "D": "red", "ungraded": "text"}
LEVELS = {"blue": "blue", "yellow": "yellow", "orange": "orange", "red": "red"}


def stat(title: str, query: str, unit: str = "short", *, red: float | None = None,
         below: bool = False, w: int = 4, path: str = "", about: str = "") -> Panel:
    """One number; red from `red` on (with `below`: up to it)."""
    steps: list[dict[str, Any]] = [{"color": "text", "value": None}]
    if red is not None:
        steps = [{"color": "red" if below else "green", "value": None},
                 {"color": "green" if below else "red", "value": red}]
    return _panel("stat", title, [(query, "")], unit, w, 4, path, about, instant=True) | {
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "none",
                    "colorMode": "background" if red is not None else "value"}} | {
        "fieldConfig": {"defaults": {
            "unit": unit, "color": {"mode": "thresholds"},
            "thresholds": {"mode": "absolute", "steps": steps}}, "overrides": []}}


def lines(title: str, queries: Sequence[Query], unit: str = "short", *, w: int = 12,
          stacked: bool = False, colours: dict[str, str] | None = None, path: str = "",
          about: str = "") -> Panel:
    """Lines over time, or areas on each other."""
    custom: dict[str, Any] = {"lineWidth": 1, "fillOpacity": 60 if stacked else 0}
    if stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    made = _panel("timeseries", title, queries, unit, w, 8, path, about)
    made["fieldConfig"]["defaults"] |= {"custom": custom, "min": 0} if stacked else {
        "custom": custom}
    made["fieldConfig"]["overrides"] = _coloured(colours or {})
    return made | {"options": {"legend": {"displayMode": "list", "placement": "bottom"},
                               "tooltip": {"mode": "multi", "sort": "desc"}}}


def bars(title: str, query: str, legend: str, unit: str = "short", *, w: int = 12, h: int = 8,
         colours: dict[str, str] | None = None, path: str = "", about: str = "") -> Panel:
    """A bar for each series, as it stands."""
    made = _panel("bargauge", title, [(query, legend)], unit, w, h, path, about, instant=True)
    made["fieldConfig"]["defaults"]["min"] = 0
    made["fieldConfig"]["overrides"] = _coloured(colours or {})
    return made | {"options": {
        "orientation": "horizontal", "displayMode": "basic", "showUnfilled": False,
        "reduceOptions": {"calcs": ["lastNotNull"]}}}


def table(title: str, query: str, columns: dict[str, str], unit: str = "short", *, w: int = 12,
          h: int = 8, path: str = "", about: str = "") -> Panel:
    """A row for each series; `columns`: label or Value -> heading, in order."""
    made = _panel("table", title, [(query, "")], unit, w, h, path, about, instant=True)
    made["targets"][0]["format"] = "table"
    return made | {
        "options": {"showHeader": True, "cellHeight": "sm",
                    "sortBy": [{"displayName": columns["Value"], "desc": True}]},
        "transformations": [{"id": "organize", "options": {
            "excludeByName": {"Time": True}, "renameByName": columns,
            "indexByName": {name: n for n, name in enumerate(columns)}}}]}


def _panel(kind: str, title: str, queries: Sequence[Query], unit: str, w: int, h: int, path: str,
           about: str, *, instant: bool = False) -> Panel:
    targets = [{"refId": chr(ord("A") + n), "datasource": SOURCE, "expr": query,
                **({"legendFormat": legend} if legend else {}),
                **({"instant": True, "range": False} if instant else {"range": True})}
               for n, (query, legend) in enumerate(queries)]
    links = [{"title": "控制台 Console", "url": CONSOLE + path, "targetBlank": True}]
    return {"type": kind, "title": title, "datasource": SOURCE,
            **({"description": about} if about else {}),
            "gridPos": {"w": w, "h": h}, "targets": targets,
            **({"links": links} if path else {}),
            "fieldConfig": {"defaults": {"unit": unit}, "overrides": []}, "options": {}}


def _coloured(colours: dict[str, str]) -> list[Panel]:
    return [{"matcher": {"id": "byName", "options": name},
             "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}]}
            for name, colour in colours.items()]


def layout(panels: Sequence[Panel]) -> list[Panel]:
    """Numbers and places: a panel that does not fit begins a new row."""
    out, x, y, deep = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        w, h = panel["gridPos"]["w"], panel["gridPos"]["h"]
        if x + w > WIDTH:
            x, y, deep = 0, y + deep, 0
        out.append({"id": number, **panel, "gridPos": {"x": x, "y": y, "w": w, "h": h}})
        x, deep = x + w, max(deep, h)
    return out


def dashboard(name: str, title: str, panels: Sequence[Panel], *, since: str = "now-24h",
              refresh: str = "30s") -> dict[str, Any]:
    """A dashboard under `xinfeng-<name>`, with the console's address as a variable, links to the
    others, and what fired as annotations."""
    return {
        "uid": f"xinfeng-{name}", "title": title, "tags": ["xinfeng"], "schemaVersion": 39,
        "version": 1, "editable": False, "refresh": refresh, "timezone": "browser",
        "time": {"from": since, "to": "now"},
        "templating": {"list": [{
            "type": "textbox", "name": "console", "label": "控制台 Console", "hide": 0,
            "query": "http://127.0.0.1:8642", "skipUrlSync": False,
            "current": {"text": "http://127.0.0.1:8642", "value": "http://127.0.0.1:8642"},
            "options": [{"text": "http://127.0.0.1:8642", "value": "http://127.0.0.1:8642",
                         "selected": True}]}]},
        "links": [
            {"type": "dashboards", "title": "信风 xinfeng", "tags": ["xinfeng"],
             "asDropdown": True, "includeVars": True, "keepTime": True, "icon": "external link",
             "targetBlank": False, "tooltip": "", "url": ""},
            {"type": "link", "title": "控制台 Console", "url": CONSOLE + "/", "icon": "dashboard",
             "targetBlank": True, "includeVars": False, "keepTime": False, "asDropdown": False,
             "tags": [], "tooltip": ""}],
        "annotations": {"list": [
            _annotation("红色预警 Red alerts", "red", RED_OPENED, "{{rule}}",
                        "新开红色预警 red alerts opened"),
            _annotation("服务告警 Service alerts", "purple", FIRING, "{{alertname}}",
                        "{{severity}}")]},
        "panels": layout(panels)}


RED_OPENED = 'sum by (rule) (increase(xinfeng_alerts_opened_total{level="red"}[2m])) > 0'
FIRING = 'ALERTS{alertname=~"Xinfeng.*", alertstate="firing"}'


def _annotation(name: str, colour: str, query: str, title: str, text: str) -> dict[str, Any]:
    return {"name": name, "datasource": SOURCE, "enable": True, "hide": False,
            "iconColor": colour, "expr": query, "step": "60s", "titleFormat": title,
            "textFormat": text, "useValueForTime": False}
