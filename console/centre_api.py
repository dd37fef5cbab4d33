"""The HTTP interface of the centre's pages: departments, devices, models, policies."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote

import tomli_w
from fastapi import APIRouter, Query
from starlette.responses import Response

from console import ranking_csv
from console.problems import Json, Problem
from console.service import Row, Service
from models.departments import numbered

DeviceState = Literal["silent", "suspicious", "over", "well", ""]
Quarter = Annotated[str, Query(max_length=16, description="as 2026Q3; none = the one under way")]
Word = Annotated[str, Query(max_length=256)]


def centre(service: Service, names: Mapping[str, str]) -> APIRouter:
    """Routes of the centre; none changes anything. `names` are those of districts, by code."""
    router = APIRouter(prefix="/api/v1", default_response_class=Json, tags=["centre"])

    @router.get("/departments")
    def departments(quarter: Quarter = "") -> Response:
        """Departments by rank in a quarter, with what each number is made of.

        Counted in the background: `as_of` is the moment of the last complete count, null before
        the first.
        """
        return Json(service.departments(quarter=checked(quarter)))

    @router.get("/departments.csv")
    def departments_csv(quarter: Quarter = "", lang: Literal["zh", "en"] = "zh") -> Response:
        """The same ranking as a file for Excel: UTF-8 with a byte order mark, CRLF, no formulas."""
        found = service.departments(quarter=checked(quarter))
        counted(found)
        return attachment(ranking_csv.ranking(found, lang).encode(), "text/csv; charset=utf-8",
                          f"departments-{found['quarter']}.csv")

    @router.get("/districts")
    def districts() -> Response:
        """Districts by their share of C and D, against the end of the quarter before.

        Businesses that are registered now, counted in the background: `as_of` is the moment of the
        last complete count, null before the first. Open alerts are those of this moment.
        """
        return Json(service.districts())

    @router.get("/districts.csv")
    def districts_csv(lang: Literal["zh", "en"] = "zh") -> Response:
        """The same table as a file for Excel: UTF-8 with a byte order mark, CRLF, no formulas."""
        found = counted(service.districts())
        return attachment(ranking_csv.districts(found, names, lang).encode(),
                          "text/csv; charset=utf-8", f"districts-{found['as_of'][:10]}.csv")

    @router.get("/devices")
    def devices(
        state: DeviceState = "",
        item: Annotated[str, Query(max_length=64)] = "",
        district: Annotated[str, Query(max_length=12, description="code or its beginning")] = "",
        subject: Annotated[str, Query(max_length=256, description="part of a name or code")] = "",
        limit: Annotated[int, Query(ge=1, le=500, description="rows on a page")] = 50,
        after: Annotated[str, Query(max_length=512, description="`next` of the page before")] = "",
    ) -> Response:
        """Devices of businesses, in pages."""
        return Json(
            service.devices(
                state=state, item=item, district=district, subject=subject.strip(), limit=limit,
                after=after,
            )
        )

    @router.get("/devices/one")
    def device(subject: Word, item: Word, device: Word) -> Response:
        """What the state keeps of one device: hours with limits and what is usual, its alerts."""
        return Json(one_device(service, subject, item, device))

    @router.get("/models")
    def models() -> Response:
        """How well the weights forecast, which are in force, how groups of businesses fare."""
        return Json(service.models())

    @router.get("/policies")
    def policies() -> Response:
        """The policies the log has seen, newest first."""
        return Json(service.policies())

    @router.get("/policies/diff")
    def diff(
        old: Annotated[str, Query(alias="from", max_length=64)],
        new: Annotated[str, Query(alias="to", max_length=64)],
    ) -> Response:
        """Keys in which two policies differ."""
        return Json({"from": old, "to": new, "changes": changes(service, old, new)})

    @router.get("/policies/{name}")
    def policy(name: str) -> Response:
        """A policy's document; with `.toml` or `.json` behind its hash as a file.

        The JSON file is the document whose hash is stamped on scores. The TOML has the same keys,
        with the catalogues in it; what is off (null) is left out there.
        """
        hash, _, form = name.partition(".")
        if form not in ("", "json", "toml"):
            raise Problem(404, "no-such-form", f"policy={name}: allowed: HASH, HASH.json or "
                          "HASH.toml", policy=name)
        found = document(service, hash)
        if form == "toml":
            return attachment(tomli_w.dumps(toml(found)).encode(), "application/toml",
                              f"policy-{hash}.toml")
        if form == "json":
            return attachment(bytes(Json(found).body), "application/json", f"policy-{hash}.json")
        return Json(found)

    return router


def counted(found: Row) -> Row:
    """An answer of the census as it is.

    Raises
    ------
    Problem: there has been no census yet.
    """
    if found["as_of"] is None:
        raise Problem(503, "not-counted", "the city has not been counted yet: ask again in a "
                      "minute", {"retry-after": "30"})
    return found


def checked(quarter: str) -> str:
    """A quarter as given, upper case; "" stays.

    Raises
    ------
    Problem: it names none.
    """
    if quarter and numbered(quarter) is None:
        raise Problem(400, "quarter", f"quarter={quarter}: must be a year and a quarter (2026Q3)",
                      field="quarter", value=quarter)
    return quarter.strip().upper()


def one_device(service: Service, subject: str, item: str, device: str) -> Row:
    """
    Raises
    ------
    Problem: there is none.
    """
    found = service.device(subject, item, device)
    if found is None:
        raise Problem(404, "no-such-device",
                      f"subject={subject} item={item} device={device}: there is none",
                      subject=subject, item=item, device=device)
    return found


def document(service: Service, hash: str) -> Row:
    """
    Raises
    ------
    Problem: the log has seen none with this hash.
    """
    found = service.policy(hash)
    if found is None or not hash:
        raise Problem(404, "no-such-policy", f"policy={hash}: the log has seen none", policy=hash)
    return found


def changes(service: Service, old: str, new: str) -> list[Row]:
    """
    Raises
    ------
    Problem: the log has not seen both.
    """
    found = service.policy_diff(old, new)
    if found is None:
        raise Problem(404, "no-such-policy", f"from={old} to={new}: the log has not seen both",
                      policy=f"{old}、{new}")
    return found


def attachment(body: bytes, media_type: str, name: str) -> Response:
    """A file to be kept."""
    return Response(body, headers={
        "content-type": media_type,
        "content-disposition": f"attachment; filename=\"{quote(name, safe='.-_')}\""})


def toml(value: Any) -> Any:
    """The same without what TOML cannot say: null; dates as dates."""
    if isinstance(value, dict):
        return {key: toml(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [toml(each) for each in value if each is not None]
    if isinstance(value, str) and len(value) == 10:
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            return value
    return value
