"""Goal: the HTTP interface of contract §6 answers as promised, and every error is a problem
detail. Method: the whole application over a service in memory."""

from __future__ import annotations

import json
import re
import struct
import time
from typing import Any

import events as ev
import msgspec
import pytest
from console_fake import SUBJECT, FakeService, an_alert, event, items
from starlette.testclient import TestClient

from console import intake, limits
from console.acts import ALERT_ACTS
from console.app import create_app
from console.openapi import EXAMPLE
from models import uscc

ALERT = an_alert(1)
REVIEW = f"review/{SUBJECT}/1"


@pytest.fixture
def service() -> FakeService:
    service = FakeService()
    for number in range(5):
        service.put(an_alert(number, level="red" if number == 2 else "orange"))
    return service


@pytest.fixture
def client(service: FakeService) -> TestClient:
    return TestClient(create_app(service, items=items()), "http://localhost")


def post(client: TestClient, body: bytes, kind: str, **headers: str) -> Any:
    return client.post("/api/v1/events", content=body, headers={"content-type": kind, **headers})


def is_problem(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"]
    assert body["title"]
    return body


# ---------------------------------------------------------------------------------- events in


def test_one_event_and_its_duplicate(client: TestClient, service: FakeService) -> None:
    for accepted in (1, 0):
        response = post(client, json.dumps(event()).encode(), "application/cloudevents+json")
        assert response.status_code == 202
        assert response.json() == {"accepted": accepted, "duplicates": 1 - accepted, "rejected": []}
    assert service.origins == ["http:testclient"] * 2


@pytest.mark.parametrize("kind", ["application/cloudevents-batch+json", "application/json"])
def test_a_bad_element_keeps_its_index_and_its_bytes(
    client: TestClient, service: FakeService, kind: str
) -> None:
    bad = b'{"specversion": "1.0",  "id": 7}'
    body = b"[%s , %s,%s]" % (*(json.dumps(event(n)).encode() for n in (1, 2)), bad)
    answer = post(client, body, kind).json()
    assert (answer["accepted"], [each["index"] for each in answer["rejected"]]) == (2, [2])
    assert set(answer["rejected"][0]["reason"]) == {"field", "value", "allowed", "message"}
    assert service.dead[0]["raw"] == bad.decode()


@pytest.mark.parametrize(
    "bad", [b'{"data":NaN}', b"[" * 100_000 + b"]" * 100_000, b'"\\ud800"', b'{"a":"\xff"}', b"nul"]
)
def test_an_element_that_is_no_json_does_not_keep_the_others_out(
    client: TestClient, bad: bytes
) -> None:
    good = [json.dumps(event(n, data={**event()["data"], "x": 'a,]}\\"'})).encode() for n in (1, 2)]
    response = post(
        client, b"[" + good[0] + b"," + bad + b",\n" + good[1] + b"]", intake.BATCH_TYPE
    )
    assert response.status_code == 202, response.text
    assert response.json()["accepted"] == 2
    assert [each["index"] for each in response.json()["rejected"]] == [1]


def test_lines_are_counted_with_the_blank_ones(client: TestClient) -> None:
    body = b"\xef\xbb\xbf%s\r\n\r\n{nonsense}\n%s" % (
        json.dumps(event(1)).encode(),
        json.dumps(event(2)).encode(),
    )
    answer = post(client, body, "application/x-ndjson; charset=UTF-8").json()
    assert (answer["accepted"], answer["rejected"][0]["index"]) == (2, 2)


def test_binary_mode(client: TestClient, service: FakeService) -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "b%C3%A9",
        "ce-source": "cq/12345",
        "ce-type": "complaint.filed",
        "ce-subject": SUBJECT,
        "ce-time": "2026-11-21T08:00:00Z",
    }
    response = post(client, json.dumps(event()["data"]).encode(), "application/json", **headers)
    assert response.json()["accepted"] == 1, response.text
    assert ("cq/12345", "bé") in service.events
    headers |= {"ce-type": "subject.cancelled", "ce-id": "2"}
    assert post(client, b"", "application/json", **headers).json()["accepted"] == 1


def test_msgpack_readings_keep_every_bit(client: TestClient, service: FakeService) -> None:
    t, v = struct.pack("<2q", 1, 2**60), struct.pack("<2d", 0.1, float("nan"))
    series = {"device": "d", "class": "dust", "metric": "pm10", "unit": "ug/m3", "t": t, "v": v}
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "iot",
        "ce-type": "iot.readings",
        "ce-subject": SUBJECT,
        "ce-time": "2026-11-21T08:00:00Z",
    }
    body = msgspec.msgpack.encode({"item": "cq1-40", "series": [series]})
    assert post(client, body, "application/msgpack", **headers).json()["accepted"] == 1
    decoded = service.decoder.decode(service.events["iot", "1"])
    assert (decoded.data.series[0].t, decoded.data.series[0].v) == (t, v)
    is_problem(post(client, b"\xc1", "application/msgpack", **headers), 400)
    is_problem(post(client, body, "application/msgpack"), 400)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"7", "application/json", 400),
        (b'{"a":1', "application/json", 400),
        (b'{"a":NaN}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"a":' * 100_000, "application/json", 400),
        (b"[1,]", "application/json", 400),
        (b"[1}]", "application/json", 400),
        (b'[{"a":"', "application/json", 400),
        (b"[1] 2", "application/json", 400),
        (b"{}", intake.BATCH_TYPE, 400),
        (b"\n\n", "application/x-ndjson", 400),
        (b"{}", "text/plain", 415),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b"{}", "application/json; charset=gbk", 415),
    ],
)
def test_a_body_that_cannot_be_opened(
    client: TestClient, body: bytes, kind: str, status: int
) -> None:
    problem = is_problem(post(client, body, kind), status)
    assert problem["detail"]
    if status == 400 and kind == "application/json" and body:
        assert {"offset", "index"} & set(problem) or "deep" in problem["detail"]


def test_ten_megabytes_are_the_limit(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    size = limits.BODY_BYTES_MAX
    fits = b"[%s]" % (b" " * (size - 2))
    assert post(client, fits, "application/json").json()["accepted"] == 0
    is_problem(post(client, fits + b" ", "application/json"), 413)
    chunks = client.post(
        "/api/v1/events",
        content=(b" " * 2**20 for _ in range(11)),
        headers={"content-type": "application/json"},
    )
    is_problem(chunks, 413)
    monkeypatch.setattr(intake, "EVENTS_MAX", 3)
    for body, kind in (
        (b"[1,1,1,1]", "application/json"),
        (b"1\n" * 4, "application/x-ndjson"),
        (b"[nul,1,1,1,1]", "application/json"),
    ):
        is_problem(post(client, body, kind), 413)


def test_another_limit_of_bytes(service: FakeService) -> None:
    client = TestClient(create_app(service, body_bytes_max=1_000), "http://localhost")
    assert post(client, b"[%s]" % (b" " * 998), "application/json").status_code == 202
    problem = is_problem(post(client, b"[%s]" % (b" " * 999), "application/json"), 413)
    assert problem["bytes_max"] == 1_000


def test_the_example_is_an_event_that_is_taken() -> None:
    """Whoever copies it from the documentation should see it accepted."""
    assert uscc.check(EXAMPLE["subject"]) is None
    ev.intake().accept(json.dumps(EXAMPLE).encode(), ev.FAR_MS)


def test_ten_hostile_megabytes_take_seconds_not_minutes(client: TestClient) -> None:
    size = limits.BODY_BYTES_MAX
    for body in (
        b"[" + b'"' * (size - 1),
        b"[" + b"{}" * (size // 2 - 1),
        b'["' + b"\\" * (size - 2),
        b"[" * size,
        b"[n" + b"[,]" * (size // 3 - 2) + b"]",
    ):
        started_at = time.process_time()  # of this process: a busy machine takes none of it
        assert post(client, body, "application/json").status_code in (202, 400, 413)
        assert time.process_time() - started_at < 20


def test_a_far_future_goes_through(client: TestClient) -> None:
    far = event(time="9999-12-31T23:59:59-12:00")
    assert post(client, json.dumps(far).encode(), "application/json").status_code == 202


# ----------------------------------------------------------------------------------- reading


def test_subjects_are_found_and_paged(client: TestClient) -> None:
    seen, after = list[str](), ""
    while True:
        answer = client.get("/api/v1/subjects", params={"limit": 50, "after": after}).json()
        seen += [row["subject"] for row in answer["subjects"]]
        if answer["next"] is None:
            break
        after = answer["next"]
    assert len(seen) == len(set(seen)) == 121
    assert client.get("/api/v1/subjects?q=渝味园").json()["subjects"][0]["subject"] == SUBJECT


@pytest.mark.parametrize(
    ("as_of", "ms"),
    [
        ("", None),
        ("2026-11-21", 1795276799999),
        ("2026-11-21T08:00:00Z", 1795248000000),
        ("2026-11-21T16:00:00+08:00", 1795248000000),
        ("9999-12-31T23:59:59-12:00", 253402343999000),
    ],
)
def test_a_subject_at_a_time(client: TestClient, as_of: str, ms: int | None) -> None:
    # The + is left bare on purpose: people write it so.
    assert client.get(f"/api/v1/subjects/{SUBJECT}?as_of={as_of}").json()["asked"] == ms


def test_alerts_are_filtered_and_paged(client: TestClient) -> None:
    first = client.get("/api/v1/alerts?limit=2").json()
    rest = client.get("/api/v1/alerts", params={"before": first["next"]}).json()
    assert [row["id"][-1] for row in first["alerts"] + rest["alerts"]] == list("43210")
    assert rest["next"] is None
    assert len(client.get("/api/v1/alerts?level=red").json()["alerts"]) == 1
    assert client.get(f"/api/v1/alerts/{ALERT['id']}").json()["rule"] == "grade-gap"


def test_the_rest_is_readable(client: TestClient) -> None:
    assert client.get("/api/v1/summary").json()["subjects"] == 1_234_567
    assert client.get("/api/v1/situation").json()["model"]["weights"] == "w000012"
    assert client.get("/api/v1/reviews?state=open").json()["reviews"][0]["id"] == REVIEW
    assert client.get(f"/api/v1/reviews/{REVIEW}").json()["levels"] == 2
    assert client.get("/api/v1/rejects").json() == {"rejects": [], "next": None}
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").text == "ready\n"
    assert client.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/subjects/nobody", 404),
        (f"/api/v1/subjects/{SUBJECT}?as_of=soon", 400),
        (f"/api/v1/subjects/{SUBJECT}?as_of=2026-11-21T08:00:00", 400),
        ("/api/v1/alerts/none", 404),
        ("/api/v1/reviews/none", 404),
        ("/api/v1/nothing", 404),
        ("/nothing", 404),
        ("/api/v1/alerts?level=pink", 422),
        ("/api/v1/alerts?rule=pink", 422),
        ("/api/v1/subjects?kind=pink", 422),
        ("/api/v1/subjects?grade=pink", 422),
        ("/api/v1/alerts?limit=0", 422),
        ("/api/v1/alerts?before=none", 422),
        ("/api/v1/reviews?before=none", 422),
        ("/api/v1/draws?before=none", 422),
        ("/api/v1/subjects/nobody?as_of=1900-01-01", 404),
        ("/api/v1/alerts?limit=99999999999999999999", 422),
        ("/api/v1/alerts/stream?after=-1", 422),
        ("/api/v1/subjects?q=" + "x" * 300, 422),
    ],
)
def test_reading_errors_are_problems(client: TestClient, path: str, status: int) -> None:
    is_problem(client.get(path), status)


def test_a_wrong_method_is_a_problem(client: TestClient) -> None:
    is_problem(client.put("/api/v1/events"), 405)


def test_a_store_that_is_away_and_a_bug(client: TestClient, service: FakeService) -> None:
    def away() -> int:
        raise OSError("disk")

    def bug() -> dict[str, Any]:
        raise KeyError("secret of the store")

    service.last_seq = away  # type: ignore[method-assign]
    service.summary = bug  # type: ignore[method-assign]
    is_problem(client.get("/readyz"), 503)
    quiet = TestClient(client.app, "http://localhost", raise_server_exceptions=False)
    assert "secret" not in is_problem(quiet.get("/api/v1/summary"), 500)["detail"]


def test_answers_with_odd_values_are_still_json(client: TestClient, service: FakeService) -> None:
    service.dead = [{"reason": {"value": float("nan")}}, {"reason": {"value": "\ud800"}}]
    values = [row["reason"]["value"] for row in client.get("/api/v1/rejects").json()["rejects"]]
    assert values == ["\ud800", None]


# -------------------------------------------------------------------------------------- acts


@pytest.mark.parametrize("act", ALERT_ACTS)
def test_acts_on_alerts_become_events(client: TestClient, service: FakeService, act: str) -> None:
    body = {"actor": "王敏", "note": "已联系", "until": "2100-01-01T00:00:00+08:00"}
    if act == "reopen":
        client.post(f"/api/v1/alerts/{ALERT['id']}/close", json=body)
    response = client.post(f"/api/v1/alerts/{ALERT['id']}/{act}", json=body)
    assert response.status_code == 202, response.text
    identity = response.json()["event"]
    sent = json.loads(service.events[identity["source"], identity["id"]])
    assert sent["type"].startswith("alert.")
    assert sent["subject"] == SUBJECT
    assert sent["data"]["actor"] == "王敏"


def test_a_repeated_act_is_done_once(client: TestClient, service: FakeService) -> None:
    path, body = f"/api/v1/alerts/{ALERT['id']}/acknowledge", {"actor": "王敏"}
    key = {"idempotency-key": "k1"}
    answers = [client.post(path, json=body, headers=key).json() for _ in range(2)]
    assert [a["accepted"] for a in answers] == [1, 0]
    assert client.get(f"/api/v1/alerts/{ALERT['id']}").json()["state"] == "acknowledged"
    is_problem(client.post(path, json={"actor": "李强"}, headers=key), 409)
    long = {"idempotency-key": "k" * 300}
    is_problem(client.post(path, json=body, headers=long), 400)


def test_a_review_is_answered(client: TestClient) -> None:
    path = f"/api/v1/reviews/{REVIEW}/answer"
    keep = {"department": "市市场监管局", "decision": "keep", "reason": "依据充分"}
    assert client.post(path, json=keep).json()["accepted"] == 1
    assert client.post(path, json={**keep, "decision": "adjust", "grade": "B"}).status_code == 202
    for bad in ({**keep, "decision": "adjust"}, {**keep, "grade": "B"}, {**keep, "reason": " "}):
        is_problem(client.post(path, json=bad), 422)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (f"alerts/{ALERT['id']}/acknowledge", b"{}", 422),
        (f"alerts/{ALERT['id']}/acknowledge", b'{"actor":" "}', 422),
        (f"alerts/{ALERT['id']}/acknowledge", b'{"actor":1}', 422),
        (f"alerts/{ALERT['id']}/acknowledge", b"nul", 400),
        (f"alerts/{ALERT['id']}/acknowledge", b'{"actor":"\\ud800"}', 400),
        (f"alerts/{ALERT['id']}/acknowledge", b'{"actor":"\xff"}', 400),
        (f"alerts/{ALERT['id']}/acknowledge", b'{"x":' + b"[" * 20_000, 400),
        (f"alerts/{ALERT['id']}/acknowledge", b" " * 70_000, 413),
        (f"alerts/{ALERT['id']}/silence", b'{"actor":"x"}', 422),
        (f"alerts/{ALERT['id']}/silence", b'{"actor":"x","until":"2026-12-01T00:00:00"}', 422),
        (
            f"alerts/{ALERT['id']}/silence",
            b'{"actor":"x","until":"2026-12-01T00:00:00+08:00","note":" "}',
            422,
        ),
        (f"alerts/{ALERT['id']}/explode", b'{"actor":"x"}', 404),
        ("alerts/none/close", b'{"actor":"x"}', 404),
        ("reviews/none/answer", b'{"department":"x","decision":"keep","reason":"x"}', 404),
    ],
)
def test_wrong_acts_are_problems(client: TestClient, path: str, body: bytes, status: int) -> None:
    headers = {"content-type": "application/json"}
    is_problem(client.post(f"/api/v1/{path}", content=body, headers=headers), status)


# --------------------------------------------------------------------------------- describing


def test_the_document_describes_every_promised_path(client: TestClient) -> None:
    document = client.get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.")
    promised = {
        "/api/v1/events",
        "/api/v1/subjects",
        "/api/v1/subjects/{subject}",
        "/api/v1/alerts",
        "/api/v1/alerts/{alert_id}",
        "/api/v1/alerts/stream",
        "/api/v1/alerts/{alert_id}/{act}",
        "/api/v1/reviews",
        "/api/v1/reviews/board",
        "/api/v1/reviews/statistics",
        "/api/v1/reviews/{review_id}",
        "/api/v1/reviews/{review_id}/answer",
        "/api/v1/summary",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    assert promised <= set(document["paths"])
    schemas = document["components"]["schemas"]
    for ref in {r for r in json.dumps(document).split('"') if r.startswith("#/components")}:
        assert ref.rpartition("/")[2] in schemas, ref
    page = client.get("/api/docs").text
    assert "/api/v1/events" in page
    assert not re.findall(r"""(?:src|href|action|data)=["']?https?://""", page)


def test_the_board_and_statistics_of_reviews(client: TestClient) -> None:
    """They are no reviews by these names, and a case has more than its row."""
    assert client.get("/api/v1/reviews/statistics").json()["disagreement"]["rate"] == 0.075
    board = client.get("/api/v1/reviews/board?column=overdue&limit=2").json()
    assert board["columns"]["overdue"] == 60 and len(board["reviews"]) == 2
    assert board["next"] == board["reviews"][1]["place"] == "001"
    assert "reviews" not in client.get("/api/v1/reviews/board").json()
    assert client.get("/api/v1/reviews/board?column=late").status_code == 422
    assert {"grades", "tasks", "history"} <= client.get(f"/api/v1/reviews/{REVIEW}").json().keys()
    document = client.get("/api/openapi.json").json()
    for path, field in (("statistics", "pairs"), ("board", "columns"), ("{review_id}", "grades")):
        operation = document["paths"][f"/api/v1/reviews/{path}"]["get"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        name = schema["$ref"].rpartition("/")[2]
        assert field in document["components"]["schemas"][name]["required"]
