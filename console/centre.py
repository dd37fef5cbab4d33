"""The centre's pages: departments, devices, models, policy. None waits for a count."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from console import centre_charts, i18n, policy_page
from console.centre_api import changes, checked, document, one_device
from console.service import Row, Service
from console.view import View, language
from models.measures import Measure

ROWS_SHOWN = 50
DIMENSIONS = ("district", "size", "kind")
DEVICE_STATES = ("suspicious", "over", "silent", "well")
Word = Annotated[str, Query(max_length=512)]


def centre_pages(service: Service, view: View, measures: Sequence[Measure] = ()) -> APIRouter:
    """Routes of the pages; none changes anything."""
    router = APIRouter(include_in_schema=False)

    @router.get("/departments")
    def departments(request: Request, quarter: Word = "") -> Response:
        found = service.departments(quarter=checked(quarter))
        t = partial(i18n.word, language(request), "ui")
        trend = centre_charts.on_time(found, t) if found["as_of"] else None
        return view.render(request, "departments.html", d=found, trend=trend,
                           counted=service.districts())

    @router.get("/devices")
    def devices(
        request: Request,
        state: Word = "",
        item: Word = "",
        district: Word = "",
        subject: Word = "",
        after: Word = "",
    ) -> Response:
        chosen = {"state": state if state in DEVICE_STATES else "", "item": item,
                  "district": district, "subject": subject.strip()}
        found = service.devices(**chosen, limit=ROWS_SHOWN, after=after)
        return view.render(request, "devices.html", found=found, chosen=chosen, after=after,
                           states=DEVICE_STATES, items=view.items)

    @router.get("/devices/one")
    def device(request: Request, subject: Word, item: Word, device: Word) -> Response:
        found = one_device(service, subject, item, device)
        t = partial(i18n.word, language(request), "ui")
        charts = [centre_charts.readings(series, t) for series in found["series"]]
        return view.render(request, "device.html", d=found, charts=charts)

    @router.get("/models")
    def models(request: Request) -> Response:
        found = service.models()
        lang = language(request)
        t = partial(i18n.word, lang, "ui")
        learner = (found["report"] or {}).get("learner") or {}
        challengers = learner.get("challengers") or {}
        board = learner.get("models") or {}
        groups = (found["groups"] or {}).get("by") or []
        labels = partial(_group, view, lang)
        return view.render(
            request,
            "models.html",
            m=found,
            learner=learner,
            reliability=centre_charts.reliability(board, t) if learner.get("adverse") else None,
            weeks={name: centre_charts.weeks(own["history"], t)
                   for name, own in (("weeks", learner), ("shadow-weeks", challengers))
                   if own.get("history")},
            shares={name: centre_charts.low_shares(groups, labels, name) for name in DIMENSIONS
                    if any(g["dimension"] == name and g["graded"] for g in groups)},
            groups=groups,
            group_name=labels,
        )

    @router.get("/policy")
    def policy(request: Request, hash: Word = "") -> Response:
        found = service.policies()
        shown = hash or found["in_force"] or ""
        held = document(service, shown) if shown else None
        lang = language(request)
        return view.render(request, "policy.html", found=found, shown=shown,
                           measures=measures,
                           sections=policy_page.sections(held, lang) if held else [],
                           top=policy_page.top(held) if held else {})

    @router.get("/policy/diff")
    def diff(
        request: Request,
        old: Annotated[str, Query(alias="from", max_length=64)],
        new: Annotated[str, Query(alias="to", max_length=64)],
    ) -> Response:
        return view.render(request, "policy_diff.html", old=old, new=new,
                           changes=[_shown(row) for row in changes(service, old, new)])

    return router


def _group(view: View, lang: i18n.Lang, dimension: str, value: str) -> str:
    """Name of a group of businesses."""
    if dimension in ("kind", "size", "group"):
        table = "kind" if dimension == "kind" or value in i18n.KINDS else "ui"
        key = value if table == "kind" else f"mod_{dimension}_{value}"
        found = i18n.word(lang, table, key)
        return value if found == key else found
    return (view.place(value) if dimension == "district" else value) or "—"


def _shown(row: Row) -> Row:
    return {"key": row["key"], "from": policy_page.cell(row["from"]),
            "to": policy_page.cell(row["to"])}
