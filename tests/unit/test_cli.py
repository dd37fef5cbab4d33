"""Goal: every command does what contract section 4 says, with its exit codes and its JSON.

Method: commands run in this process by `invoke`; pipes, and the service, in one of their own.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from config import load
from storage.sqlite_store import SqliteStore
from streams import batch, cli

ROOT = Path(__file__).parents[2]
MAPS = ROOT / "config" / "maps"
COMMANDS = ("run", "process", "advance", "show", "alerts", "reviews", "rejects", "digest",
            "replay", "import", "simulate", "check-config")
SUBJECT = "91350100M000100Y43"
SHEET = """\
行政相对人名称,统一社会信用代码,行政处罚决定书文号,处罚依据,处罚类别,罚款金额（万元）,失信严重程度,处罚决定日期,履行期限
甲,91350100M000100Y43,沙市监处罚〔2026〕12号,《食品安全法》第一条,警告、罚款,0.5,一般,2026年3月2日,2026-03-17
乙,91350100M000100Y43,沙市监处罚〔2026〕13号,《食品安全法》第一条,打屁股,0.5,一般,2026年3月2日,2026-03-17
丙,91350100M000100Y43,,,,,,,
"""


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def row(self) -> dict[str, Any]:
        (row,) = self.rows
        return row


Run = Callable[..., Done]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object, code: int = 0) -> Done:
        capfd.readouterr()
        given = cli.invoke([str(a) for a in arguments])
        out, err = capfd.readouterr()
        assert given == code, (given, out[-500:], err)
        if code in (1, 2):
            assert out == "" and err.startswith("xinfeng: ") and err.count("\n") == 1, err
        return Done(given, out, err)
    return call


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("city") / "city.ndjson"
    assert cli.invoke(["simulate", "--subjects", "200", "--days", "365", "--seed", "4",
                       "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def store(city: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A year of a city, and one line that is no event."""
    folder = tmp_path_factory.mktemp("store") / "s"
    bad = city.with_name("bad.ndjson")
    bad.write_bytes(b'{"id": 1}\n\xff\n')
    assert cli.invoke(["process", str(city), str(bad), "--store", str(folder)]) == 0
    return folder


# ------------------------------------------------------------------------------------------- usage


def test_help(run: Run) -> None:
    done = run()
    assert done == run("--help")
    for command in COMMANDS:
        assert command in done.out
        words = run(command, "--help").out
        assert "Usage: xinfeng" in words and len(words.splitlines()) < 40


@pytest.mark.parametrize("arguments", [
    ("made-up",),
    ("process",),
    ("process", "/no/such/file"),
    ("process", "/tmp"),
    ("alerts",),
    ("alerts", "--store", "/no/such/store"),
    ("alerts", "--store", "/no/such/store", "--state", "made-up"),
    ("alerts", "--store", "/no/such/store", "--limit", "0"),
    ("show", SUBJECT, "--store", "/no/such/store"),
    ("show", SUBJECT, "--store", "/no/such/store", "--as-of", "yesterday"),
    ("advance", "--store", "/no/such/store", "--to", "2026-11-21"),
    ("advance", "--store", "/no/such/store", "--to", "2026-11-21T08:00:00"),
    ("digest", "--store", "/no/such/store"),
    ("replay", "--store", "/no/such/store"),
    ("rejects", "--store", "/no/such/store", "--lang", "fr"),
    ("simulate", "--city", "paris"),
    ("simulate", "--days", "0"),
    ("simulate", "--start", "soon"),
    ("simulate", "--days", "1", "--subjects", "1", "--out", "/no/such/folder/file"),
    ("import", "/no/such/file.csv", "--map", str(MAPS / "penalties_zh.toml")),
    ("check-config", "--policy", "/no/such/policy.toml"),
    ("run", "--host", "0.0.0.0"),
    ("run", "--port", "99999"),
])
def test_wrong_usage_is_one_line_and_exit_2(run: Run, arguments: tuple[str, ...]) -> None:
    run(*arguments, code=2)


def test_wrong_configuration_names_the_key(run: Run, tmp_path: Path) -> None:
    policy, settings = tmp_path / "p.toml", tmp_path / "s.toml"
    policy.write_text('extends = "policy.toml"\n[bands]\nmargin = 3.0\n')
    assert "bands.margin" in run("check-config", "--policy", policy, code=2).err
    settings.write_text("[log]\ntick_s = 0\n")
    assert "log.tick_s=0" in run("check-config", "--settings", settings, code=2).err
    assert "log.tick_s=0" in run("run", "--settings", settings, code=2).err
    assert "bands.margin" in run("process", ROOT / "README.md", "--policy", policy, code=2).err


def test_a_policy_that_extends_itself_is_named(run: Run, tmp_path: Path) -> None:
    own, one, two = (tmp_path / name for name in ("policy.toml", "one.toml", "two.toml"))
    own.write_text('extends = "policy.toml"\n')
    assert "policy.toml: extends='policy.toml': leads back" in run(
        "check-config", "--policy", own, code=2).err
    one.write_text('extends = "two.toml"\n')
    two.write_text('extends = "one.toml"\n')
    assert "two.toml: extends='one.toml': leads back" in run(
        "check-config", "--policy", one, code=2).err
    own.unlink()
    two.write_text('extends = "policy.toml"\nversion = "trial"\n')
    run("check-config", "--policy", one)


def test_a_failure_of_the_system_is_exit_1(run: Run, city: Path,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of cheese")

    monkeypatch.setattr(batch, "process", broken)
    assert "out of cheese" in run("process", city, code=1).err


def test_check_config(run: Run) -> None:
    row = run("check-config", "--json").row
    assert row["policy"]["items"] == 61 and row["policy"]["hash"] in run("check-config").out
    assert row["settings"]["token"] is False


# ----------------------------------------------------------------------------------------- process


def test_process_prints_one_summary(run: Run, city: Path) -> None:
    done = run("process", city, "--progress")
    assert list(done.row) == ["events", "accepted", "duplicates", "rejected", "alerts", "reviews",
                              "digest", "events_per_s"]
    assert done.row["events"] == done.row["accepted"] == len(city.read_bytes().splitlines())
    assert done.row["reviews"] == done.row["alerts"]["grade-gap"] > 0
    assert "events/s" in done.err and run("process", city).err == ""


def test_process_again_changes_nothing(run: Run, city: Path, tmp_path: Path) -> None:
    packed = tmp_path / "city.ndjson.gz"
    packed.write_bytes(gzip.compress(city.read_bytes()))
    first = run("process", city, "--store", tmp_path / "s").row
    again = run("process", packed, "--store", tmp_path / "s", "--strict", "--progress").row
    assert again["duplicates"] == first["accepted"] and again["accepted"] == 0
    assert again["digest"] == first["digest"]


def test_process_strict(run: Run, city: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.ndjson"
    bad.write_bytes(b'\n{"id": 1}\n')
    assert run("process", bad).row["rejected"] == 1
    done = run("process", bad, city, "--strict", code=3)
    assert done.row["rejected"] == 1 and done.row["accepted"] > 1000


def test_process_of_half_a_gzip_file(run: Run, city: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.ndjson.gz"
    half.write_bytes(gzip.compress(city.read_bytes())[:20_000])
    assert "half.ndjson.gz" in run("process", half, code=2).err
    half.write_bytes(b"no gzip at all")
    run("process", half, code=2)


def test_a_store_has_one_writer(run: Run, city: Path, store: Path) -> None:
    held = SqliteStore(store, write=True)
    assert "another process" in run("process", city, "--store", store, code=2).err
    assert run("digest", "--store", store).out
    held.close()


def test_a_policy_given_enters_the_log(run: Run, city: Path, tmp_path: Path) -> None:
    policy = tmp_path / "p.toml"
    policy.write_text('extends = "policy.toml"\nversion = "test"\n[bands]\na = 680.0\n')
    run("process", city, "--store", tmp_path / "s")
    empty = tmp_path / "empty.ndjson"
    empty.write_bytes(b"")
    before = run("digest", "--store", tmp_path / "s").out
    assert run("process", empty, "--store", tmp_path / "s").row["digest"] == before.strip()
    after = run("process", empty, "--store", tmp_path / "s", "--policy", policy).row["digest"]
    assert after != before.strip()
    assert run("replay", "--store", tmp_path / "s").out.strip() == after


# ----------------------------------------------------------------------------------------- reading


def test_digest_and_replay_agree(run: Run, store: Path, city: Path) -> None:
    digest = run("digest", "--store", store, "--json").row["digest"]
    assert run("digest", "--store", store).out.strip() == digest
    assert run("replay", "--store", store).out.strip() == digest
    assert run("replay", "--store", store, "--json").row["digest"] == digest
    assert run("process", city).row["digest"] == digest


def test_show(run: Run, store: Path) -> None:
    alert = run("alerts", "--store", store, "--rule", "grade-gap", "--limit", 1, "--json").row
    key = alert["subject"]
    row = run("show", key, "--store", store, "--json").row
    assert row["subject"] == key and set(alert["items"]) <= set(row["items"])
    assert run("show", f" {key.lower()} ", "--store", store, "--json").row == row
    then = run("show", key, "--store", store, "--as-of", "2025-12-31", "--json").row
    assert then["as_of"] == "2025-12-31T15:59:59.999Z" and then["history"] != row["history"]
    zh, en = run("show", key, "--store", store).out, run("show", key, "--store", store, "--lang",
                                                        "en").out
    assert row["name"] in zh and "基础分" in zh and "base" in en and "信用分" not in en
    assert "2019" in run("show", key, "--store", store, "--as-of", "2019-01-01", code=2).err
    run("show", SUBJECT, "--store", store, code=2)


def test_alerts(run: Run, store: Path) -> None:
    rows = run("alerts", "--store", store, "--json").rows
    assert len(rows) > 60 and len({r["id"] for r in rows}) == len(rows)
    firing = run("alerts", "--store", store, "--json", "--state", "firing").rows
    assert firing == [r for r in rows if r["state"] == "firing"]
    assert run("alerts", "--store", store, "--json", "--limit", 3).rows == rows[:3]
    one = rows[5]["subject"]
    assert run("alerts", "--store", store, "--json", "--subject", one, "--level", "red").rows == [
        r for r in rows if r["subject"] == one and r["level"] == "red"]
    table = run("alerts", "--store", store).out
    assert next(r["title"]["zh"] for r in rows if len(r["title"]["zh"]) < 20) in table
    assert "--limit" in table
    short = next(r["title"]["en"] for r in rows if len(r["title"]["en"]) < 40)
    assert short in run("alerts", "--store", store, "--lang", "en").out
    assert run("alerts", "--store", store, "--rule", "made-up").out.strip() == "没有记录"


def test_pages_of_the_command_make_the_whole(run: Run, store: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run("alerts", "--store", store, "--json").out
    monkeypatch.setattr("streams.cli_store.PAGE", 7)
    assert run("alerts", "--store", store, "--json").out == whole
    assert run("alerts", "--store", store, "--json", "--limit", 20).out.splitlines() == (
        whole.splitlines()[:20])


def test_reviews(run: Run, store: Path) -> None:
    rows = run("reviews", "--store", store, "--json").rows
    opened = run("reviews", "--store", store, "--json", "--state", "open").rows
    assert opened and all(r["state"] == "open" for r in opened) and len(opened) <= len(rows)
    assert {"id", "subject", "due_on", "levels", "highest", "lowest", "answers"} <= set(rows[0])
    assert rows[0]["id"] in run("reviews", "--store", store, "--lang", "en").out


def test_a_review_whole_and_the_statistics(run: Run, store: Path) -> None:
    rows = run("reviews", "--store", store, "--json").rows
    whole = run("reviews", "--store", store, "--case", rows[0]["id"], "--json").row
    assert whole.items() >= {k: v for k, v in rows[0].items() if k != "answers"}.items()
    assert whole["grades"] and whole["tasks"] and whole["history"] and whole["told"] is None
    text = run("reviews", "--store", store, "--case", rows[0]["id"], "--lang", "en").out
    assert "gap found, review opened" in text and whole["due_on"] in text
    assert all(f"{f['source']}/{f['id']}" in text for g in whole["grades"] for f in g["evidence"])
    found = run("reviews", "--store", store, "--statistics", "--json").row
    pairs = {(p["a"], p["b"]): p["opened"] for p in found["pairs"]}
    assert sum(pairs.values()) == sum(len(r["pairs"]) for r in rows) > 0
    table = run("reviews", "--store", store, "--statistics", "--limit", 1).out
    assert "全市分歧率" in table and f"… {len(pairs)}:" in table
    wrong = run("reviews", "--store", store, "--case", "review-none", code=2)
    assert "--case review-none: there is no such review" in wrong.err
    both = run("reviews", "--store", store, "--case", "x", "--statistics", code=2)
    assert "not together" in both.err


def test_rejects(run: Run, store: Path) -> None:
    second, first = run("rejects", "--store", store, "--json").rows
    assert first["raw"] == '{"id": 1}' and first["origin"].endswith("bad.ndjson")
    assert second["raw_base64"] == "/w=="
    assert set(first["reason"]) == {"field", "value", "allowed", "message"}
    assert first["reason"]["message"] in run("rejects", "--store", store).out
    assert len(run("rejects", "--store", store, "--json", "--limit", 1).rows) == 1


def test_advance(run: Run, store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "s"
    shutil.copytree(store, copy)
    row = run("advance", "--store", copy, "--to", "2026-10-31", "--json").row
    assert row["clock"] == "2026-10-31T15:59:59.999Z" and sum(row["alerts"].values()) > 0
    assert run("digest", "--store", copy).out.strip() == row["digest"]
    again = run("advance", "--store", copy, "--to", "2026-10-01", "--json").row
    assert again["clock"] == row["clock"] and again["alerts"] == {}
    assert "2026-10-31" in run("advance", "--store", copy, "--to", "2026-10-31").out


def test_replay_with_a_policy(run: Run, store: Path, tmp_path: Path) -> None:
    digest = run("digest", "--store", store).out.strip()
    same = run("replay", "--store", store, "--policy", load.POLICY, "--json").row
    assert same["digest"] == same["policy_digest"] == digest
    assert same["changes"] == same["opens"] == same["vanishes"] == []
    other = tmp_path / "p.toml"
    other.write_text('extends = "policy.toml"\nversion = "test"\n[bands]\na = 685.0\n'
                     "[rules.repeat_offence]\ncount = 2\n")
    row = run("replay", "--store", store, "--policy", other, "--json").row
    assert row["grades"]["changed"] == len(row["changes"]) > 0
    assert sum(c["count"] for c in row["grades"]["counts"]) == len(row["changes"])
    assert {"subject", "item", "from", "to"} == set(row["changes"][0])
    assert sum(row["alerts"]["open"].values()) == len(row["opens"]) > 0
    assert "A   B" in run("replay", "--store", store, "--policy", other).out
    assert run("digest", "--store", store).out.strip() == digest, "nothing was written"
    foreign = tmp_path / "items.toml"
    foreign.write_text('extends = "policy_chicago.toml"\n')
    assert "catalogue" in run("replay", "--store", store, "--policy", foreign, code=2).err


# ------------------------------------------------------------------------------ import, simulate


def test_import_prints_events_and_row_errors(run: Run, tmp_path: Path) -> None:
    sheet = tmp_path / "p.csv"
    sheet.write_text(SHEET, encoding="gb18030")
    command = ("import", sheet, "--type", "penalty.decided", "--map", MAPS / "penalties_zh.toml")
    done = run(*command)
    assert done.row["subject"] == SUBJECT and done.row["type"] == "penalty.decided"
    assert "row 3: data.kinds='打屁股'" in done.err and "1 failed, 1 left out" in done.err
    error = json.loads(run(*command, "--json").err.splitlines()[0])
    assert (error["row"], error["field"], error["value"]) == (3, "data.kinds", "打屁股")
    out = tmp_path / "o.ndjson"
    run(*command, "--out", out, "--strict", code=3)
    assert run("process", out, "--strict").row["accepted"] == 1
    row = run(*command, "--store", tmp_path / "s").row
    assert (row["accepted"], row["rejected"], row["rows_failed"]) == (1, 0, 1)
    assert run("show", SUBJECT, "--store", tmp_path / "s", "--json").row["repairable"]
    assert run(*command, "--store", tmp_path / "s").row["duplicates"] == 1


def test_import_with_a_wrong_map(run: Run, tmp_path: Path) -> None:
    sheet, map_ = tmp_path / "p.csv", tmp_path / "m.toml"
    sheet.write_text(SHEET)
    map_.write_text('colour = "blue"\n')
    assert "colour" in run("import", sheet, "--map", map_, code=2).err
    run("import", sheet, "--map", tmp_path / "none.toml", code=2)
    run("import", sheet, "--type", "made.up", "--map", MAPS / "penalties_zh.toml", code=2)
    sheet.write_text("a,b\n1,2\n")
    assert "column" in run("import", sheet, "--map", MAPS / "penalties_zh.toml", code=2).err


def test_simulate_is_deterministic(run: Run, tmp_path: Path) -> None:
    command = ("simulate", "--city", "chongqing", "--subjects", 50, "--days", 60, "--seed", 2)
    first = run(*command)
    out, truth = tmp_path / "c.ndjson.gz", tmp_path / "t.ndjson"
    assert run(*command, "--out", out, "--truth", truth).out == ""
    assert gzip.decompress(out.read_bytes()).decode() == first.out
    packed = out.read_bytes()
    run(*command, "--out", out)
    assert out.read_bytes() == packed
    for line in truth.read_text().splitlines():
        assert set(json.loads(line)) == {"subject", "decline_from", "kind"}
    assert '"iot.readings"' not in run(*command, "--no-iot").out
    other = run(*command, "--start", "2026-01-01").out
    assert min(json.loads(line)["time"] for line in other.splitlines()) >= "2026-01-01"


# ------------------------------------------------------------------------------------------- pipes


def shell(script: str) -> subprocess.CompletedProcess[str]:
    program = f"{sys.executable} -c 'from streams.cli import main; main()'"
    return subprocess.run(["bash", "-c", script.replace("xinfeng", program)], cwd=ROOT, text=True,
                          capture_output=True, timeout=60, check=False)


def test_commands_in_a_pipe() -> None:
    done = shell("set -o pipefail; xinfeng simulate --subjects 20 --days 30 | "
                 "xinfeng process - --strict")
    assert done.returncode == 0 and json.loads(done.stdout)["accepted"] > 20
    assert shell("echo '{}' | xinfeng process - --strict").returncode == 3


def test_a_reader_that_goes_away() -> None:
    done = shell("set -o pipefail; xinfeng simulate --subjects 500 --days 300 | head -n 2")
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 2)


@pytest.mark.parametrize("words", [
    ("process", ROOT / "docs/example/restaurant.ndjson"), ("replay",), ("run",), ("deliveries",),
    ("import", ROOT / "docs/example/penalties.csv", "--map", MAPS / "penalties_zh.toml"),
    ("advance", "--to", "2026-01-01"), ("ack", "an-alert", "--actor", "x")])
def test_an_address_is_no_folder(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                 words: tuple[object, ...]) -> None:
    """As a path it would become a store of its own below here, and look as if it had worked."""
    monkeypatch.chdir(tmp_path)
    assert "publish" in run(*words, "--store", "redis://127.0.0.1:1/0", code=2).err
    assert not list(tmp_path.iterdir())


def test_servers_that_are_away(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person is told; only roles wait."""
    monkeypatch.setenv("XINFENG_REDIS", "redis://127.0.0.1:1/0")
    assert "redis.url" in run("view", "rebuild", code=2).err


def test_a_file_that_settings_name_must_be_there(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(f'[kafka]\nssl_ca = "{tmp_path}/ca.pem"\n', "utf-8")
    assert "kafka.ssl_ca" in run("check-config", "--settings", own, code=2).err
    (tmp_path / "ca.pem").touch()
    run("check-config", "--settings", own)
