"""Goal: people's commands work against a running service, with its token, as they do on a store.

Method: the service as `xinfeng run` puts it together, on a socket and with a token; commands typed
as people would. Every command of a person is tried in both ways.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.notify_site import departments, events
from config import load
from streams import run
from streams.cli import invoke
from streams.embedded import Embedded
from streams.service import EmbeddedService

TOKEN = "a token of the console"
TWO = departments(2)
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Say:
    def run_(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = invoke([str(w) for w in words])
        return code, *capsys.readouterr()

    return run_


def filled(folder: Path) -> EmbeddedService:
    """Two overdue promises, and a review of two departments' grades."""
    service = EmbeddedService(Embedded(folder, load.policy()))
    lines = [*events(1, TWO[0][1]), *events(2, TWO[0][1])]
    for (_, item), grade in zip(TWO, "AD", strict=True):
        lines.append(json.dumps({
            **json.loads(lines[0]), "id": item, "type": "grade.assigned",
            "data": {"item": item, "issuer": "department", "grade": grade}}).encode())
    assert not service.submit(lines, "test").rejected
    return service


@contextmanager
def running(folder: Path) -> Iterator[tuple[EmbeddedService, tuple[str, ...]]]:
    service = filled(folder)
    settings = load.settings()
    settings = msgspec.structs.replace(
        settings, http=msgspec.structs.replace(settings.http, token=TOKEN))
    app = run.console_of(service, settings, None, "127.0.0.1")
    stopped: list[Any] = []
    with run.listen("127.0.0.1", 0) as sock:
        import uvicorn

        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=lambda: stopped.append(server.run(sockets=[sock])),
                                  daemon=True)
        thread.start()
        try:
            yield service, ("--url", f"http://127.0.0.1:{sock.getsockname()[1]}/")
        finally:
            server.should_exit = True
            thread.join(60)
            service.close()


@contextmanager
def stored(folder: Path) -> Iterator[tuple[EmbeddedService, tuple[str, ...]]]:
    service = filled(folder)
    service.close()
    yield service, ("--store", str(folder))


@pytest.mark.parametrize("at", [running, stored])
def test_every_act_of_a_person(tmp_path: Path, said: Say, monkeypatch: pytest.MonkeyPatch,
                               at: Any) -> None:
    monkeypatch.setenv("XINFENG_TOKEN", TOKEN)
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat(timespec="minutes")
    with at(tmp_path) as (_, where):
        def row(id: str = "") -> list[dict[str, Any]]:
            lines = said("alerts", "--store", tmp_path, "--json")[1].splitlines()
            found = [json.loads(x) for x in lines]
            return [x for x in found if x["rule"] == "commitment-overdue" and id in x["id"]]

        one, two = row()
        for words, state in (
                (("assign", one["id"], "--note", "李工"), "firing"),
                (("silence", one["id"], "--until", until, "--note", "检修"), "firing"),
                (("unsilence", one["id"]), "firing"), (("ack", one["id"]), "acknowledged"),
                (("close", one["id"]), "closed"), (("reopen", one["id"]), "firing")):
            for accepted in (1, 0):
                code, out, err = said(*words, "--actor", "王工", *where)
                assert (code, json.loads(out)["accepted"]) == (0, accepted), (words, err)
            (now,) = row(one["id"])
            assert (now["state"], now["actor"]) == (state, "王工")
        # One of two who saw the same is told who was first.
        code, _, _ = said("ack", two["id"], "--actor", "甲", "--seq", two["seq"], *where)
        assert code == 0
        code, _, err = said("assign", two["id"], "--actor", "乙", "--seq", two["seq"], *where)
        assert code == 3 and "甲 was first" in err
        # Answers to a review.
        review = json.loads(said("reviews", "--store", tmp_path, "--json")[1].splitlines()[0])
        answer = ("answer", review["id"], "--department", TWO[0][0], "--reason", "依据充分",
                  "--actor", "王工")
        assert said(*answer, "--decision", "adjust", *where)[0] == 2
        assert said(*answer, "--decision", "keep", "--grade", "A", *where)[0] == 2
        code, out, err = said(*answer, "--decision", "adjust", "--grade", "B", *where)
        assert (code, json.loads(out)["accepted"]) == (0, 1), err
        (held,) = [json.loads(x) for x in said(
            "reviews", "--store", tmp_path, "--json")[1].splitlines()]
        (got,) = held["answers"]
        assert (got["department"], got["decision"], got["grade"]) == (TWO[0][0], "adjust", "B")
        assert got["reason"] == "依据充分 (王工)"
        # The other department, on what it was before that.
        late = ("answer", review["id"], "--department", TWO[1][0], "--reason", "属实",
                "--decision", "keep", *where, "--seq")
        code, _, err = said(*late, review["seq"])
        assert code == 3 and f"answers: {TWO[0][0]} adjust B" in err
        assert said(*late, held["seq"])[0] == 0
        code, _, err = said("answer", "nothing", "--department", "x", "--decision", "keep",
                            "--reason", "x", *where)
        assert code == 2 and "there is none" in err


def test_a_wrong_token_and_nobody_there(tmp_path: Path, said: Say,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path) as (service, where):
        id = service.alerts()[0]["id"]
        monkeypatch.delenv("XINFENG_TOKEN", raising=False)
        code, _, err = said("ack", id, "--actor", "x", *where)
        assert code == 2 and "Authorization" in err
        monkeypatch.setenv("XINFENG_TOKEN", "another")
        assert said("ack", id, "--actor", "x", *where)[0] == 2
        code, _, err = said("ack", id, "--actor", "x", "--store", tmp_path, *where)
        assert code == 2 and "one of them" in err
        # The store is the service's as long as it runs.
        code, _, err = said("ack", id, "--actor", "x", "--store", tmp_path)
        assert code != 0 and err
    for url in ("http://127.0.0.1:9", "nonsense", "http://"):
        code, _, err = said("ack", "a", "--actor", "x", "--url", url)
        assert code == 2 and "--url" in err
