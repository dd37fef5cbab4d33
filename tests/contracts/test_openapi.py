"""Goal: the OpenAPI document is true: every operation and event type has an example that fits its
schema, and what the service answers fits what it declares.

Method: the document is taken from a real service that has played the restaurant of the README, with
a sensor in its kitchen, a change of policy and a walk over the city. Its own answers, page by page,
and its problems are held against the schemas by jsonschema; a planted fault in an answer is found.
"""

from __future__ import annotations

import copy
import csv
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import events as ev
import msgspec
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from starlette.testclient import TestClient

from config import load
from console.app import create_app
from console.openapi import ANSWERS, EXAMPLES, TEXTS
from models.events import EVENT_TYPES, Event
from streams.batch import process
from streams.embedded import Embedded
from streams.service import EmbeddedService

ROOT = Path(__file__).parents[2]
SUBJECT = "91500106MA60AB125D"
NOW_MS = 1_756_700_000_000
BAD = b"""[{"specversion":"1.0","id":"x","source":"cq/market","type":"penalty.decided",
"subject":"91500106MA60AB125D","time":"2025-09-01T11:00:00+08:00","data":{"item":"cq9-99"}},
{"id":7},{"id":8}]"""
FIRST = dt.datetime.fromtimestamp(NOW_MS / 1000 - 7_200, dt.UTC)
READINGS = msgspec.json.encode({
    "specversion": "1.0", "id": "r1", "source": "iot/kitchen", "type": "iot.readings",
    "subject": SUBJECT, "time": FIRST + dt.timedelta(hours=1),
    "data": {"item": "cq1-17", "series": [{
        "device": "kitchen-1", "class": "coldchain", "metric": "temperature_c", "unit": "°C",
        "t": [int(FIRST.timestamp() * 1000) + 300_000 * n for n in range(12)],
        "v": [21.5 + n for n in range(12)]}]}})
"""An hour of a cold store that is warm."""
Row = dict[str, Any]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    runner = Embedded(tmp_path_factory.mktemp("store"), load.policy())
    process(runner, [str(ROOT / "docs" / "example" / "restaurant.ndjson")])
    service = EmbeddedService(runner, lambda: NOW_MS)
    assert service.submit([READINGS], "test").accepted == 1
    runner.append([ev.change("nervous", runner.shard.clock_ms)], [b""])
    items = {row["id"]: row for row in load.items(None)}
    made = TestClient(create_app(service, items=items), "http://localhost",
                      raise_server_exceptions=False)
    made.post("/api/v1/events", content=BAD, headers={"content-type": "application/json"})
    assert made.get("/api/v1/departments").json()["as_of"] is None
    assert made.get("/api/v1/departments.csv").status_code == 503
    assert made.get("/api/v1/districts").json()["districts"] == []
    assert made.get("/api/v1/districts.csv").status_code == 503
    service.census.walk()
    yield made
    service.close()


ORDER = EXAMPLES["bodies"]["POST /api/v1/draws"]


@pytest.fixture(scope="module")
def document(client: TestClient) -> Row:
    made: Row = client.get("/api/openapi.json").json()
    return made


def wrong(document: Row, name: str, value: Any) -> list[str]:
    """What does not fit a schema of the document."""
    validator = Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]},
        format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def operations(document: Row) -> dict[str, Row]:
    return {f"{method.upper()} {path}": operation
            for path, methods in document["paths"].items()
            for method, operation in methods.items()}


def test_every_operation_has_an_example_that_fits(document: Row) -> None:
    found = operations(document)
    assert set(found) == {*ANSWERS, *TEXTS} and set(EXAMPLES["answers"]) == set(ANSWERS)
    for name, operation in found.items():
        done = next(v for code, v in operation["responses"].items() if code.startswith("2"))
        for kind, content in done["content"].items():
            assert content["schema"] and content["example"], (name, kind)
        if name in ANSWERS:
            example = done["content"]["application/json"]["example"]
            assert wrong(document, ANSWERS[name].__name__, example) == [], name
        problem = operation["responses"]["default"]["content"]["application/problem+json"]
        assert wrong(document, "Problem", problem["example"]) == []
        assert operation["summary"] and operation.get("description"), name
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body and "example" in body:
            assert wrong(document, body["schema"]["$ref"].rpartition("/")[2],
                         body["example"]) == []


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_every_event_type_has_an_example_that_is_taken(document: Row, kind: str) -> None:
    example = EXAMPLES["events"][kind]
    assert example["type"] == kind
    assert msgspec.json.decode(msgspec.json.encode(example), type=Event).type == kind
    assert wrong(document, "Event", example) == []


def answers(client: TestClient) -> Iterator[tuple[str, Any]]:
    """Each operation that reads, asked as a client would, with every page of its lists."""
    alert = client.get("/api/v1/alerts").json()["alerts"][0]["id"]
    review = client.get("/api/v1/reviews").json()["reviews"][0]["id"]
    base = f"/api/v1/subjects/{SUBJECT}"
    new, old = (row["hash"] for row in client.get("/api/v1/policies").json()["policies"])
    one = f"subject={SUBJECT}&item=cq1-17&device=kitchen-1"
    made = [client.post("/api/v1/draws", json={**ORDER, "seed": seed}) for seed in "12"]
    assert [x.status_code for x in made] == [201, 201]
    draw = made[0].json()["id"]
    for operation, path in (
        ("GET /api/v1/summary", "/api/v1/summary"),
        ("GET /api/v1/subjects/{subject}", base),
        ("GET /api/v1/subjects/{subject}", f"{base}?as_of=2025-07-01"),
        ("GET /api/v1/subjects/{subject}/report", f"{base}/report"),
        ("GET /api/v1/subjects/{subject}/report", f"{base}/report?internal=1"),
        ("GET /api/v1/alerts/{alert_id}", f"/api/v1/alerts/{alert}"),
        ("GET /api/v1/alerts/{alert_id}/story", f"/api/v1/alerts/{alert}/story"),
        ("GET /api/v1/reviews/statistics", "/api/v1/reviews/statistics"),
        ("GET /api/v1/reviews/board", "/api/v1/reviews/board"),
        ("GET /api/v1/reviews/board", "/api/v1/reviews/board?column=later"),
        ("GET /api/v1/reviews/{review_id}", f"/api/v1/reviews/{review}"),
        ("GET /api/v1/draws/{draw_id}", f"/api/v1/draws/{draw}"),
        ("GET /api/v1/situation", "/api/v1/situation"),
        ("GET /api/v1/departments", "/api/v1/departments"),
        ("GET /api/v1/departments", "/api/v1/departments?quarter=2025Q2"),
        ("GET /api/v1/districts", "/api/v1/districts"),
        ("GET /api/v1/devices/one", f"/api/v1/devices/one?{one}"),
        ("GET /api/v1/models", "/api/v1/models"),
        ("GET /api/v1/policies", "/api/v1/policies"),
        ("GET /api/v1/policies/diff", f"/api/v1/policies/diff?from={old}&to={new}"),
        ("GET /api/v1/policies/{name}", f"/api/v1/policies/{new}"),
    ):
        response = client.get(path)
        assert response.status_code == 200, (path, response.text)
        yield operation, response.json()
    for operation, path, cursor in (
        ("GET /api/v1/subjects", "/api/v1/subjects", "after"),
        ("GET /api/v1/subjects/{subject}/events", f"{base}/events", "before"),
        ("GET /api/v1/alerts", "/api/v1/alerts", "before"),
        ("GET /api/v1/reviews", "/api/v1/reviews", "before"),
        ("GET /api/v1/draws", "/api/v1/draws", "before"),
        ("GET /api/v1/devices", "/api/v1/devices", "after"),
        ("GET /api/v1/rejects", "/api/v1/rejects", "before"),
    ):
        whole = client.get(path, params={"limit": 500}).json()
        name = operation.rpartition("/")[2]
        assert whole["next"] is None and whole[name]
        rows, at = list[Row](), None
        for _ in range(len(whole[name])):
            page = client.get(path, params={"limit": 1} | ({cursor: at} if at is not None else {}))
            yield operation, page.json()
            rows += page.json()[name]
            at = page.json()["next"]
        assert at is None and rows == whole[name], path


def test_answers_are_what_is_declared(client: TestClient, document: Row) -> None:
    seen = set()
    for operation, answer in answers(client):
        seen.add(operation)
        assert wrong(document, ANSWERS[operation].__name__, answer) == [], operation
    assert {name for name in ANSWERS if name.startswith("GET")} == seen
    alert = client.get("/api/v1/alerts?rule=grade-gap").json()["alerts"][0]["id"]
    done = client.post(f"/api/v1/alerts/{alert}/acknowledge", json={"actor": "值班员"})
    assert done.status_code == 202 and wrong(document, "Done", done.json()) == []
    given = client.post("/api/v1/events", content=BAD, headers={"content-type": "application/json"})
    assert given.json()["rejected"] and wrong(document, "Receipt", given.json()) == []


@pytest.mark.parametrize(("name", "query"), [("departments", "?quarter=2025Q2"),
                                             ("districts", "")])
def test_a_ranking_is_a_file_as_its_example(client: TestClient, name: str, query: str) -> None:
    kind, example = TEXTS[f"GET /api/v1/{name}.csv"]
    response = client.get(f"/api/v1/{name}.csv{query}")
    assert response.headers["content-type"].partition(";")[0] == kind
    wanted, found = (list(csv.reader(text.splitlines())) for text in (example, response.text))
    assert wanted[0] == found[0] and wanted[1] in found
    assert len(found) == 1 + len(client.get(f"/api/v1/{name}").json()[name])


def test_a_draw_is_what_is_declared_and_a_file_as_its_example(client: TestClient,
                                                              document: Row) -> None:
    for changes in ({}, {"count": 0}, {"item": "cq1-03"}):
        done = client.post("/api/v1/draws", json={**ORDER, **changes})
        assert done.status_code == 201 and wrong(document, "DrawWhole", done.json()) == []
        assert client.get(done.headers["location"]).json() == done.json()
    client.post("/api/v1/draws", json=ORDER)
    # The one business in the pool rests once it was drawn: whichever draw was first has it.
    made = next(x["id"] for x in client.get("/api/v1/draws").json()["draws"] if x["drawn"])
    kind, example = TEXTS["GET /draws/{draw_id}.csv"]
    response = client.get(f"/draws/{made}.csv")
    assert response.headers["content-type"].partition(";")[0] == kind
    wanted, found = (list(csv.reader(text.splitlines())) for text in (example, response.text))
    assert wanted[0] == found[0] and len(found) == 2 and len(found[1]) == len(wanted[1])
    gone = client.post(f"/api/v1/draws/{made}/release",
                       json={"actor": "王科长", "reason": "并入联合检查"})
    assert gone.status_code == 200 and wrong(document, "DrawWhole", gone.json()) == []
    assert gone.json()["released"] == gone.json()["drawn"]


def test_a_planted_fault_is_found(client: TestClient, document: Row) -> None:
    good = client.get(f"/api/v1/subjects/{SUBJECT}").json()
    for break_ in (lambda x: x.pop("policy"), lambda x: x["public"].update(grade="E"),
                   lambda x: x["items"]["cq1-17"].update(risk_score=1001),
                   lambda x: x["items"]["cq1-17"]["contributions"][0].update(record="secret")):
        bad = copy.deepcopy(good)
        break_(bad)
        assert wrong(document, "Assessment", bad)


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/api/v1/subjects/none", 404), ("GET", "/api/v1/subjects/none/events", 404),
    ("GET", "/api/v1/subjects/none/report", 404), ("GET", "/api/v1/alerts/none", 404),
    ("GET", "/api/v1/alerts/none/story", 404), ("GET", "/api/v1/reviews/none", 404),
    ("GET", f"/api/v1/subjects/{SUBJECT}/report?as_of=never", 400),
    ("GET", f"/api/v1/subjects/{SUBJECT}/report?internal=yes", 422),
    ("GET", "/api/v1/rejects?before=-1", 422), ("GET", "/api/v1/rejects?limit=0", 422),
    ("GET", f"/api/v1/subjects/{SUBJECT}/events?limit=501", 422),
    ("GET", "/api/v1/nothing", 404), ("DELETE", "/api/v1/alerts", 405),
    ("GET", "/api/v1/draws/none", 404), ("GET", "/draws/none.csv", 404),
    ("POST", "/api/v1/draws", 415), ("POST", "/api/v1/draws/none/release", 415),
    ("POST", "/api/v1/alerts/none/acknowledge", 415), ("POST", "/api/v1/receipts/nobody", 404),
])
def test_what_goes_wrong_is_a_problem(client: TestClient, document: Row, method: str, path: str,
                                      status: int) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert wrong(document, "Problem", response.json()) == []
    assert response.json()["status"] == status
