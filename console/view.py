"""Rendering: templates, language, and the few filters they need."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from fastapi import Request
from starlette.responses import HTMLResponse

from console import i18n
from console.api import CHINA
from console.i18n import Lang
from console.service import Row

LANG_COOKIE = "xinfeng_lang"
YEAR_S = 365 * 24 * 3600

Items = Mapping[str, Mapping[str, str]]
"""The supervision catalogue: {item id: row of items.csv}."""


class View:
    """Renders the pages of one application."""

    def __init__(self, items: Items, with_login: bool,
                 districts: Sequence[Mapping[str, str]] = ()) -> None:
        self.items = items
        self.places = {row["code"]: row["name"] for row in districts}
        self._env = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=jinja2.ChainableUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.filters |= {
            "when": when,
            "seg": segment,
            "num": number,
            "points": points,
            "pct": percent,
            "ms": when_ms,
            "facts": facts_by_ref,
        }
        self._env.globals |= {"with_login": with_login, "i18n": i18n, "places": self.places,
                              "place": self.place}

    def render(
        self, request: Request, template: str, status: int = 200, **context: Any
    ) -> HTMLResponse:
        """A page in the visitor's language."""
        lang = language(request)
        body = self.text(
            lang,
            template,
            path=request.url.path,
            switch=str(request.url.include_query_params(lang="zh" if lang == "en" else "en").query),
            **context,
        )
        response = HTMLResponse(body.encode("utf-8", "replace"), status)
        if request.query_params.get("lang") == lang:
            response.set_cookie(LANG_COOKIE, lang, max_age=YEAR_S, samesite="lax", httponly=True)
        return response

    def text(self, lang: Lang, template: str, **context: Any) -> str:
        """A template filled in."""
        return self._env.get_template(template).render(
            lang=lang,
            w=partial(i18n.word, lang),
            t=partial(i18n.word, lang, "ui"),
            pick=partial(pick, lang),
            item_name=partial(self.item_name, lang),
            item_department=self.item_department,
            **context,
        )

    def item_name(self, lang: Lang, item: object) -> str:
        """Name of an item in the catalogue, of the public grade, or its id."""
        if item == "public":
            return i18n.word(lang, "ui", "public_grade")
        return self.items.get(str(item), {}).get("item", str(item))

    def place(self, code: object) -> str:
        """Name of a district, or its code where it has none."""
        return self.places.get(str(code), str(code or ""))

    def item_department(self, item: object) -> str:
        """Department of an item, or empty."""
        return self.items.get(str(item), {}).get("department", "")


def language(request: Request) -> Lang:
    """The address decides, then the cookie; Chinese by default."""
    asked = request.query_params.get("lang") or request.cookies.get(LANG_COOKIE)
    return "en" if asked == "en" else "zh"


def pick(lang: Lang, row: Any, stem: str = "text") -> str:
    """`stem_zh` or `stem_en` of a row, the other where one is missing.

    Examples
    --------
    >>> pick("en", {"text_zh": "投诉"})
    '投诉'
    """
    if not isinstance(row, Mapping):
        return ""
    other = "zh" if lang == "en" else "en"
    return str(row.get(f"{stem}_{lang}") or row.get(f"{stem}_{other}") or "")


def when(value: object, length: int = 16) -> str:
    """A UTC time as Beijing sees it, to the minute; what is no time stays as it is.

    Examples
    --------
    >>> when("2026-11-21T08:00:00.000Z"), when("2026-11-21"), when(None)
    ('2026-11-21 16:00', '2026-11-21', '')
    """
    text = str(value or "")
    try:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(CHINA)
    except (ValueError, OverflowError):
        return text
    return text if len(text) == 10 else moment.isoformat(" ", "seconds")[:length]


def when_ms(value: float) -> str:
    """A moment [epoch ms] as Beijing sees it, to the minute.

    Examples
    --------
    >>> when_ms(0)
    '1970-01-01 08:00'
    """
    return when(dt.datetime.fromtimestamp(value / 1000, dt.UTC).isoformat())


def segment(value: object) -> str:
    """One segment of an address."""
    return quote(str(value), safe="", errors="replace")


def number(value: object) -> str:
    """Digits in groups of three; a missing number is a dash."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "—"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def points(value: object) -> str:
    """Signed points.

    Examples
    --------
    >>> points(-41.23), points(0.04), points(7)
    ('−41.2', '0.0', '+7.0')
    """
    if not isinstance(value, int | float):
        return "—"
    rounded = round(float(value), 1) or 0.0
    sign = "−" if rounded < 0 else "+" if rounded > 0 else ""
    return f"{sign}{abs(rounded):.1f}"


def percent(value: object, digits: int = 1) -> str:
    """A share in per cent; a missing one is a dash.

    Examples
    --------
    >>> percent(0.975), percent(1), percent(None), percent(0.00012, 3)
    ('97.5 %', '100 %', '—', '0.012 %')
    """
    if not isinstance(value, int | float):
        return "—"
    text = f"{100 * value:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def facts_by_ref(facts: list[Row]) -> dict[tuple[str, str], Row]:
    """Facts by their identity (`source`, `id`)."""
    return {(str(fact.get("source")), str(fact.get("id"))): fact for fact in facts}
