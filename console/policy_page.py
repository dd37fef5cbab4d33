"""A policy's document as tables that people read."""

from __future__ import annotations

import re
from typing import Any

from console import i18n
from console.i18n import Lang
from console.service import Row
from models.policy_diff import flat

PLAIN = ("score", "subjects", "caps", "bands", "publicity", "penalty_classes", "gap", "periods",
         "learning", "limits")
"""Sections that are tables of keys."""
_SUFFIXES = ("workdays", "months", "points", "weeks", "cny", "d", "h", "s")
_MINUTES = frozenset({"utc_offset_min", "after_min"})
_RENAMED = {"version": "version_key", "since": "since_key", "to": "to_key"}


def top(document: Row) -> Row:
    """What tells a policy from others."""
    return {key: document.get(key) for key in ("version", "subject_scheme", "utc_offset_min")}


def sections(document: Row, lang: Lang) -> list[Row]:
    """Tables in the order of reading: `id`, `title`, `head`, `rows` of cells as text."""
    def t(key: str) -> str:
        return i18n.word(lang, "ui", key)

    def keyed(id: str, title: str, value: Any, path: str) -> Row:
        return {"id": id, "title": title,
                "head": [t("pol_key"), t("pol_meaning"), t("pol_value"), t("pol_unit")],
                "rows": [[key, meaning(key, lang), said(each, lang), unit(key, lang)]
                         for key, each in flat(value, path).items()]}

    def plain(name: str) -> Row:
        return keyed(name, t(f"sec_{name}"), document[name], name)

    out = [keyed("top", t("sec_top"), top(document), "")]
    out += [plain(name) for name in ("score", "subjects") if name in document]
    out.append(_indicators(document["indicators"], lang))
    out += [plain(name) for name in PLAIN[2:] if name in document]
    for name, rule in document["rules"].items():
        known = name.replace("_", "-")
        label = i18n.word(lang, "rule", known)
        title = f"{t('sec_rules')} · {t(f'sec_rules_{name}') if label == known else label}"
        out.append(keyed(f"rules-{name}", title, rule, f"rules.{name}"))
    notify = document.get("notify")
    if notify:
        out.append(keyed("notify", t("sec_notify"),
                         {k: v for k, v in notify.items() if k != "receivers"}, "notify"))
        out.append({"id": "receivers", "title": t("sec_receivers"),
                    "head": ["id", t("pol_receiver"), t("pol_role"), t("pol_department")],
                    "rows": [[r["id"], r["name"], r["role"], r.get("department", "")]
                             for r in notify["receivers"]]})
    out += [_devices(document["devices"], lang), _items(document["items"], lang)]
    calendar = document["calendar"]
    out.append({"id": "calendar", "title": t("sec_calendar"),
                "head": [t("pol_meaning"), t("pol_value")],
                "rows": [[t("pol_covered_to"), calendar["covered_to"]],
                         [t("pol_holidays"), str(len(calendar["holidays"]))],
                         [t("pol_makeup"), str(len(calendar["workdays"]))]]})
    return out


def meaning(key: str, lang: Lang) -> str:
    """What a dotted key means, by its last part; "" where nobody has said."""
    leaf = _leaf(key)
    name = f"pol_{_RENAMED.get(leaf, leaf)}"
    found = i18n.word(lang, "ui", name)
    return "" if found == name else found


def unit(key: str, lang: Lang) -> str:
    """The unit of a dotted key, or ""."""
    leaf = _leaf(key)
    name = ""
    if leaf in _MINUTES or re.search(r"_min\.(blue|yellow|orange|red)$", key):
        name = "min"
    elif re.search(r"_s\.(blue|yellow|orange|red)$", key):
        name = "s"
    elif key.startswith("subjects."):
        name = "log_odds"
    elif key.startswith("caps.") or key in ("bands.a", "bands.b", "bands.c", "score.pdo"):
        name = "points"
    elif ".months." in key:
        name = "months"
    elif leaf != "direct_d" and leaf != "to_d":
        name = next((s for s in _SUFFIXES if leaf.endswith("_" + s) or leaf == s), "")
    return i18n.word(lang, "ui", f"unit_{name}") if name and leaf not in ("d", "h", "s") else ""


def cell(value: Any, lang: Lang = "zh") -> str:
    """A value as text."""
    match value:
        case None:
            return "—"
        case bool():
            return i18n.word(lang, "ui", "pol_yes" if value else "pol_no")
        case float():
            return f"{value:.10g}"
        case list():
            return ", ".join(cell(each, lang) for each in value) or "—"
        case dict():
            return ", ".join(f"{key}: {cell(each, lang)}" for key, each in value.items()) or "—"
        case _:
            return str(value)


def said(value: Any, lang: Lang) -> str:
    """A value as text, in words where the pages have one for it.

    Examples
    --------
    >>> said("orange", "zh"), said(["serious", "ban"], "zh"), said("monthly", "zh"), said(1e6, "zh")
    ('橙色', '严重失信主体名单、市场禁入', 'monthly', '1000000')
    """
    if isinstance(value, list) and value:
        return ("、" if lang == "zh" else ", ").join(
            " – ".join(map(str, each)) if isinstance(each, list) else said(each, lang)
            for each in value)
    table = next((name for name in ("level", "list", "issuer")
                  if isinstance(value, str) and value in i18n.TABLES[name]), None)
    return i18n.word(lang, table, value) if table else cell(value, lang)


def _leaf(key: str) -> str:
    return re.sub(r"\[.*?\]", "", key).rpartition(".")[2]


def _indicators(indicators: Row, lang: Lang) -> Row:
    def t(key: str) -> str:
        return i18n.word(lang, "ui", key)

    return {"id": "indicators", "title": t("sec_indicators"),
            "head": [t("pol_key"), t("pol_meaning"), t("pol_record"), t("pol_weight"),
                     t("pol_bounds"), t("pol_half_life"), t("pol_months"), t("pol_multipliers"),
                     t("pol_individual_w"), t("pol_organisation_w")],
            "rows": [[name, i18n.word(lang, "indicator", name), t(f"pol_{one['record']}"),
                      cell(one["weight"]), " … ".join(cell(x) for x in one["bounds"]),
                      cell(one["half_life_d"]), cell(one["max_months"]),
                      cell(one["multipliers"]) if "multipliers" in one else "1",
                      cell(one.get("individual")), cell(one.get("organisation"))]
                     for name, one in indicators.items()]}


def _devices(devices: list[Row], lang: Lang) -> Row:
    def t(key: str) -> str:
        return i18n.word(lang, "ui", key)

    return {"id": "devices", "title": t("sec_devices"),
            "head": [t("pol_class"), t("pol_metric"), t("pol_meaning"), t("pol_limits"),
                     t("pol_unit"), t("pol_duration"), t("pol_mean"), t("pol_interval"),
                     t("pol_level_c"), t("pol_standard")],
            "rows": [[d["class"], d["metric"], d[f"name_{lang}"], limits(d["low"], d["high"]),
                      d["unit"], cell(d["duration_s"]), cell(d["mean_s"] or None),
                      cell(d["interval_s"]), i18n.word(lang, "level", d["level"]), d["standard"]]
                     for d in devices]}


def limits(low: float | None, high: float | None) -> str:
    """Limits as text."""
    if low is None and high is None:
        return "—"
    if low is None or high is None:
        return f"≤ {high:g}" if low is None else f"≥ {low:g}"
    return f"{low:g} … {high:g}"


def _items(items: list[Row], lang: Lang) -> Row:
    def t(key: str) -> str:
        return i18n.word(lang, "ui", key)

    return {"id": "items", "title": t("sec_items"),
            "head": ["id", t("pol_department"), t("pol_item")],
            "rows": [[i["id"], i["department"], i["item"]] for i in items]}
