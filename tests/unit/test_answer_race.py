"""Goal: of two who answer a review at once, one wins and the other is told who answered what, by
every way in; a state has the same number in every runner, and never an old one.

Method: an embedded service with a review between two departments; the number of each state is
taken by page, API and view; threads that answer the same state at once.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from bench.notify_site import departments, events
from config import load
from console.acts import Acts, AlertActIn, ReviewAnswerIn
from console.app import create_app
from console.problems import Problem
from storage.effects import PairGap, ReviewChanged
from streams.embedded import Embedded
from streams.rows import review_seq
from streams.service import EmbeddedService

TWO = departments(2)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[EmbeddedService]:
    made = EmbeddedService(Embedded(tmp_path, load.policy()))
    lines = [*events(1, TWO[0][1])]
    for (_, item), grade in zip(TWO, "AD", strict=True):
        lines.append(assigned(lines[0], item, grade, item))
    assert not made.submit(lines, "test").rejected
    yield made
    made.close()


def assigned(like: bytes, item: str, grade: str, id: str) -> bytes:
    return json.dumps({
        **json.loads(like), "id": id, "type": "grade.assigned",
        "data": {"item": item, "issuer": "department", "grade": grade}}).encode()


def keeps(n: int, **over: Any) -> dict[str, Any]:
    return {"department": TWO[n][0], "decision": "keep", "reason": f"依据充分 {n}", **over}


def client_of(service: EmbeddedService) -> TestClient:
    return TestClient(create_app(service), "http://localhost", follow_redirects=False)


def test_every_change_has_another_number(service: EmbeddedService) -> None:
    (row,) = service.reviews()
    seen = [row["seq"]]
    assert service.review_case(row["id"])["seq"] == row["seq"]  # type: ignore[index]
    acts = Acts(service)
    for body in (keeps(0), keeps(1), keeps(0, decision="adjust", grade="C"),
                 keeps(0, decision="adjust", grade="A")):
        acts.on_review(row["id"], msgspec.convert(body, ReviewAnswerIn), "")
        (row,) = service.reviews()
        seen.append(row["seq"])
    assert len(set(seen)) == len(seen) and all(0 <= n < 2**52 for n in seen)
    # Nothing of other businesses moves it.
    assert not service.submit(events(2, TWO[0][1]), "test").rejected
    assert service.reviews()[0]["seq"] == seen[-1]


@pytest.mark.parametrize("change", [
    {"open": False}, {"updated_ms": 8}, {"levels": 3}, {"highest": {"item": "b"}},
    {"answers": [{"department": "甲", "time_ms": 1, "decision": "keep", "grade": None}]},
    {"departments": ["甲"]}, {"pairs": [PairGap("a", "b", 1, 0, "open")]}])
def test_all_that_is_said_of_it_counts(change: dict[str, Any]) -> None:
    one = ReviewChanged("r", "s", True, 5, 1, 2, 0, 2, {"item": "a"}, {}, [], ["甲", "乙"], [], 7)
    assert review_seq(msgspec.structs.replace(one)) == review_seq(one) == 1287462409037676
    assert review_seq(msgspec.structs.replace(one, **change)) != review_seq(one)


@pytest.mark.parametrize("same", [True, False])
def test_of_many_at_once_one_wins(service: EmbeddedService, same: bool) -> None:
    """Threads with one state: of one department, or of both."""
    (row,) = service.reviews()
    acts, done = Acts(service), list[Any]()
    ready = threading.Barrier(8)

    def answer(n: int) -> None:
        body = keeps(0 if same else n % 2, seq=row["seq"], reason=f"officer {n}")
        ready.wait()
        try:
            done.append(acts.on_review(row["id"], msgspec.convert(body, ReviewAnswerIn), ""))
        except Problem as problem:
            done.append(problem)

    threads = [threading.Thread(target=answer, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = service.review(row["id"])
    assert now is not None
    (held,) = now["answers"]
    refused = [x for x in done if isinstance(x, Problem)]
    assert len(refused) == 7 and len(done) == 8
    for problem in refused:
        assert (problem.status_code, problem.slug) == (409, "changed")
        assert held["department"] in problem.detail and "keep" in problem.detail
        assert problem.extra["answers"] == [held] and problem.extra["seq"] == now["seq"]
    # The winner again is no race; the loser is, until they have looked.
    again = keeps(0, department=held["department"], reason=held["reason"], seq=row["seq"])
    assert acts.on_review(row["id"], msgspec.convert(again, ReviewAnswerIn), "")["duplicates"] == 1
    late = msgspec.convert(keeps(1, seq=now["seq"]), ReviewAnswerIn)
    assert acts.on_review(row["id"], late, "")["accepted"] == 1


class Behind:
    """A console whose view does not show yet what was taken in; claims are shared by all."""

    def __init__(self, service: EmbeddedService, claims: dict[str, str]) -> None:
        self._service, self._claims = service, claims
        (self._review,), self._alerts = service.reviews(), service.alerts()

    def review(self, _: str) -> dict[str, Any]:
        return self._review

    def alert(self, id: str) -> dict[str, Any]:
        return next(x for x in self._alerts if x["id"] == id)

    def claim(self, state: str, holder: str) -> str:
        return self._claims.setdefault(state, holder)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)


def test_of_two_consoles_one_is_first(service: EmbeddedService) -> None:
    """Before either view shows it; the same form through both is no race."""
    claims: dict[str, str] = {}
    one, two = (Acts(Behind(service, claims)) for _ in range(2))  # type: ignore[arg-type]
    (row,), alert = service.reviews(), service.alerts()[0]
    first = msgspec.convert(keeps(0, seq=row["seq"]), ReviewAnswerIn)
    assert one.on_review(row["id"], first, "")["accepted"] == 1
    assert two.on_review(row["id"], first, "")["duplicates"] == 1
    with pytest.raises(Problem) as told:
        two.on_review(row["id"], msgspec.convert(keeps(1, seq=row["seq"]), ReviewAnswerIn), "")
    assert (told.value.status_code, told.value.slug) == (409, "changed")
    assert told.value.extra["actor"] == TWO[0][0] and TWO[0][0] in told.value.zh
    assert one.on_alert(alert["id"], "assign", AlertActIn("王 工", seq=alert["seq"]), "")
    assert two.on_alert(alert["id"], "assign", AlertActIn("王 工", seq=alert["seq"]), "")
    with pytest.raises(Problem) as told:
        two.on_alert(alert["id"], "close", AlertActIn("李工", seq=alert["seq"]), "")
    assert (told.value.slug, told.value.extra["actor"]) == ("changed", "王 工")
    # Who does not say what they saw, acts.
    assert two.on_alert(alert["id"], "close", AlertActIn("李工"), "")["accepted"] == 1


def test_a_key_holds_over_a_restart(service: EmbeddedService) -> None:
    """Who got no answer repeats the request: to a console that knows nothing of the first."""
    (row,), alert = service.reviews(), service.alerts()[0]
    answer = msgspec.convert(keeps(0), ReviewAnswerIn)
    for accepted in (1, 0, 0):
        acts = Acts(service)
        for on in (lambda a: a.on_review(row["id"], answer, "k"),
                   lambda a: a.on_alert(alert["id"], "assign", AlertActIn("王工"), "k2")):
            done = on(acts)
            assert (done["accepted"], done["duplicates"]) == (accepted, 1 - accepted)
            time.sleep(0.002)  # another time of the event
    assert len(service.review(row["id"])["answers"]) == 1  # type: ignore[index]
    with pytest.raises(Problem) as told:
        acts.on_alert(alert["id"], "assign", AlertActIn("李工"), "k2")
    assert told.value.slug == "key-reused"


def test_by_http(service: EmbeddedService) -> None:
    client = client_of(service)
    (row,) = client.get("/api/v1/reviews").json()["reviews"]
    path = f"/api/v1/reviews/{row['id']}/answer"
    seen = {"if-match": f'"{row["seq"]}"'}
    assert client.post(path, json=keeps(0), headers=seen).json()["accepted"] == 1
    assert client.post(path, json=keeps(0), headers=seen).json()["duplicates"] == 1
    for late in (client.post(path, json=keeps(1), headers=seen),
                 client.post(path, json=keeps(1, seq=row["seq"]))):
        told = late.json()
        assert late.status_code == 409 and told["type"] == "urn:xinfeng:problem:changed"
        (answer,) = told["answers"]
        assert (answer["department"], answer["decision"], answer["reason"]) == (
            TWO[0][0], "keep", "依据充分 0")
        assert TWO[0][0] in told["detail"]
    assert client.post(path, json=keeps(1), headers={"if-match": str(told["seq"])}
                       ).json()["accepted"] == 1
    assert client.post(path, json=keeps(1), headers={"if-match": "W/abc"}).status_code == 400
    assert client.post(path, json=keeps(1, seq=-1)).status_code == 422
    # Who does not say what they saw answers in any case.
    assert client.post(path, json=keeps(1, reason="again")).json()["accepted"] == 1


def test_who_is_not_asked_cannot_answer_and_nobody_once_it_is_over(
        service: EmbeddedService) -> None:
    (row,) = service.reviews()
    acts = Acts(service)

    def answer(**body: Any) -> int:
        done: int = acts.on_review(row["id"], msgspec.convert(keeps(0, **body), ReviewAnswerIn),
                                   "")["accepted"]
        return done

    other = departments(3)[2][0]
    with pytest.raises(Problem, match=f"department={other}: must be one that the review asks: "
                                      f".*{TWO[0][0]}") as told:
        answer(department=other)
    assert (told.value.status_code, told.value.extra["field"]) == (422, "department")
    assert answer(decision="adjust", grade="D") == 1
    ended = service.review(row["id"])
    assert ended is not None and ended["state"] == "closed"
    with pytest.raises(Problem, match="closed") as late:
        answer(department=TWO[1][0])
    assert late.value.status_code == 409
    now = service.review(row["id"])
    assert now is not None and now["answers"] == ended["answers"]


def test_a_grade_that_moved_meanwhile_is_told_too(service: EmbeddedService) -> None:
    (row,) = service.reviews()
    like = events(1, TWO[0][1])[0]
    moved = json.loads(assigned(like, TWO[1][1], "C", "later"))
    moved["time"] = "2025-09-30T08:00:00+08:00"
    assert not service.submit([json.dumps(moved).encode()], "test").rejected
    assert service.reviews()[0]["seq"] != row["seq"]
    with pytest.raises(Problem, match="answers: none; look again") as told:
        Acts(service).on_review(
            row["id"], msgspec.convert(keeps(0, seq=row["seq"]), ReviewAnswerIn), "")
    assert told.value.extra["updated_at"] > row["updated_at"]


def test_two_browsers(service: EmbeddedService) -> None:
    """Both opened the page before either answered: the second sees what the first did."""
    client = client_of(service)
    path = f"/reviews/{service.reviews()[0]['id']}"
    forms = []
    for n in range(2):
        text = client.get(path).text
        hidden = dict(re.findall(r'type="hidden" name="(key|seq)" value="(\w+)"', text))
        forms.append({**keeps(n), **hidden})
    assert client.post(path, data=forms[0]).headers["location"] == f"{path}?done=answer"
    assert client.post(path, data=forms[0]).headers["location"] == f"{path}?done=answer"
    there = client.post(path, data=forms[1]).headers["location"]
    assert there == f"{path}?first=1"
    told = client.get(there).text.partition('role="alert">')[2].partition("</p>")[0]
    assert "您的答复未提交" in told and f"{TWO[0][0]} 维持" in told and "依据充分 0" in told
    assert "your answer was not taken" in client.get(f"{there}&lang=en").text
    assert [a["department"] for a in service.reviews()[0]["answers"]] == [TWO[0][0]]
