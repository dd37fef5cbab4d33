"""`xinfeng draw` on a store: drawn, done again, for a moment before, let go."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from models.draw import rank
from storage.sqlite_store import SqliteStore
from streams import cli_draw
from streams.cli import app
from streams.embedded import Embedded
from streams.reader import policy_of
from streams.simulate import city

ORDER = ("--item", "cq1-08", "--count", "9", "--seed", "2026-11-22")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["draw", *words])


def drawn(store: Path, *more: str) -> dict[str, Any]:
    done = run(*ORDER, "--store", str(store), "--json", *more)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A small city's store in which a draw was made, and that draw."""
    folder = tmp_path_factory.mktemp("draw")
    (folder / "city.ndjson").write_bytes(b"\n".join(city(400, 60, 5)))
    store = folder / "store"
    done = CliRunner().invoke(app, ["process", str(folder / "city.ndjson"), "--store", str(store)])
    assert done.exit_code == 0, done.output
    return store, drawn(store, "--actor", "王工", "--note", "冬季\n专项")


def test_nine_are_drawn_and_their_histories_say_so(made: tuple[Path, dict[str, Any]]) -> None:
    store, found = made
    assert found["drawn"] == 9 == len(found["picked"]) == found["recorded"]
    assert found["actor"] == "王工" and found["item_name"] == "道路运输"
    for one in found["picked"]:
        assert one["rank"] == rank("2026-11-22", "cq1-08", one["subject"])
        shown = CliRunner().invoke(app, ["show", one["subject"], "--store", str(store), "--json"])
        assert json.loads(shown.stdout)["subject"] == one["subject"]
    again = drawn(store)
    assert again["id"] == found["id"] and again["picked"] == found["picked"]


def test_a_draw_is_done_again_from_the_log(made: tuple[Path, dict[str, Any]]) -> None:
    store, found = made
    done = run("--check", found["id"], "--store", str(store), "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "draw": found["id"], "item": "cq1-08", "count": 9, "seed": "2026-11-22", "drawn": 9,
        "again": 9, "differ": []}


def test_a_forged_outcome_is_noticed(made: tuple[Path, dict[str, Any]],
                                     monkeypatch: pytest.MonkeyPatch) -> None:
    store, found = made
    real = cli_draw.Reader.drawn
    other = found["picked"][0]["subject"]
    monkeypatch.setattr(cli_draw.Reader, "drawn", lambda self, key: [
        x for x in real(self, key) if x.subject != other])
    done = run("--check", found["id"], "--store", str(store))
    assert done.exit_code == 3 and other in done.output


def test_what_it_would_have_been(made: tuple[Path, dict[str, Any]]) -> None:
    store, found = made
    before = drawn(store, "--as-of", found["ordered_at"].replace("Z", "+00:00"))
    # The businesses drawn since rest; the moment itself is before that, but for the order's own
    # millisecond, in which the histories were written too.
    then = drawn(store, "--as-of", "2025-11-01")
    assert then["drawn"] == 9 and {x["state"] for x in then["picked"]} == {"pending"}
    assert then["ordered_at"] == "2025-11-01T15:59:59.999Z" and then["recorded"] == 0
    assert before["drawn"] == 9 and "draw" not in run("--store", str(store)).stdout
    assert drawn(store)["id"] == found["id"]


def test_the_list_as_csv(made: tuple[Path, dict[str, Any]]) -> None:
    store, found = made
    done = run(*ORDER, "--store", str(store), "--csv")
    rows = list(csv.reader(io.StringIO(done.stdout.removeprefix("\ufeff"))))
    assert [row[4] for row in rows[1:]] == [one["subject"] for one in found["picked"]]


def test_for_people(made: tuple[Path, dict[str, Any]]) -> None:
    store, found = made
    zh = run(*ORDER, "--store", str(store)).stdout
    en = run(*ORDER, "--store", str(store), "--lang", "en").stdout
    assert "抽中概率" in zh and "probability" in en
    for one in found["picked"]:
        assert one["subject"] in zh and one["rank"] in en
    pool = run("--item", "cq1-08", "--count", "0", "--seed", "-", "--store", str(store)).stdout
    assert "按政策比例建议抽取" in pool and found["picked"][0]["subject"] not in pool


@pytest.mark.parametrize(("words", "says"), [
    (("--item", "cq9-01"), "--item=cq9-01: must be an item of the catalogue, cq1-01 to cq2-11"),
    (("--count", "10001"), "--count=10001: must be 1 to 10000, or 0 to count the pool"),
    (("--count", "-3"), "--count: is missing, or below 0"),
    (("--seed", "x" * 257), "one line of 1 to 256 characters"),
    (("--seed", "a\nb"), "one line of 1 to 256 characters"),
    (("--actor", "x" * 257), "--actor=xxx"),
    (("--district", "12"), "--district=12: must be the code of a district, or nothing"),
    (("--as-of", "yesterday"), "--as-of yesterday: must be a date"),
    (("--as-of", "2001-01-01"), "held nothing at that time"),
    (("--check", "draw-none"), "--check draw-none: the log has no such order"),
    (("--release", "draw-none"), "--note: must say why they are let go"),
    (("--release", "draw-none", "--note", "x"), "--release draw-none: there is no such draw"),
    (("--url", "http://127.0.0.1:1"), "--store and --url: one of them"),
    (("--csv", "--json"), "--csv, --json: give one of them"),
])
def test_what_is_wrong_is_named_and_leaves_the_log_alone(
        made: tuple[Path, dict[str, Any]], words: tuple[str, ...], says: str,
        capsys: pytest.CaptureFixture[str]) -> None:
    store, _ = made
    held = SqliteStore(store, write=False)
    before = held.last_offset()
    done = run(*ORDER, "--store", str(store), *words)
    assert done.exit_code != 0
    assert says in " ".join(str(done.exception or "").split()) + done.output
    assert held.last_offset() == before
    held.close()


def test_without_a_store_the_past_cannot_be_asked() -> None:
    for words in (("--as-of", "2025-11-01"), ("--check", "draw-1")):
        done = run(*ORDER, *words)
        assert "needs --store" in str(done.exception)


def test_letting_go(made: tuple[Path, dict[str, Any]]) -> None:
    store, found = made
    done = run("--release", found["id"], "--note", "重复", "--store", str(store), "--json")
    row = json.loads(done.stdout)
    assert row["released"] == 9 and {x["state"] for x in row["picked"]} == {"released"}
    # Nobody rests any more: another seed finds as many to draw from as before.
    other = run("--item", "cq1-08", "--count", "9", "--seed", "other", "--store", str(store),
                "--json")
    assert json.loads(other.stdout)["drawn"] == 9


def test_the_policy_is_found_behind_a_long_order(tmp_path: Path) -> None:
    """An order with a long note is an envelope as long as a policy's, and of no subject too."""
    from config import load
    from models.events import DrawOrdered

    policy = load.policy()
    runner = Embedded(tmp_path, policy)
    runner.say([DrawOrdered("draw-1", "cq1-08", 1, "s", "a", "", "长" * 2000)])
    runner.close()
    store = SqliteStore(tmp_path, write=False)
    assert policy_of(store) == policy
    store.close()
