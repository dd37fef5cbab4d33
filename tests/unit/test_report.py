"""Goal: a credit report says what may be public and nothing else, adds up, is the same for the same
log and moment, and reads the same on paper as on the page. And the page of a subject follows from
the same engine: scores over time, matters, facts in pages, points at a past moment.

Method: a simulated year of 150 subjects, and the restaurant of the README with facts taken back,
repaired and grown old. The live shard is compared with a fold of the log; PDFs are read by pypdf.
"""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import events as ev
import pytest
from pypdf import PdfReader

from config import load
from console.report import sheet
from console.report_file import written
from console.report_pdf import pdf
from streams import cli, course
from streams.batch import Feed, process
from streams.embedded import Embedded
from streams.fold import fold
from streams.options import moment
from streams.profile import facts_page, profile, why
from streams.report import report
from streams.show import describe
from streams.simulate import city

ROOT = Path(__file__).parents[2]
EXAMPLE = str(ROOT / "docs" / "example" / "restaurant.ndjson")
SUBJECT = "91500106MA60AB125D"
ITEMS = {row["id"]: row for row in load.items(None)}
FAR_MS = 1 << 42
Row = dict[str, Any]


def feed(runner: Embedded, raws: Any) -> Embedded:
    taken = Feed(runner, "test", FAR_MS)
    for raw in raws:
        taken.put(raw)
    taken.flush()
    return runner


def event(id: str, kind: str, time: str, data: Row) -> bytes:
    return json.dumps({"specversion": "1.0", "id": id, "source": "cq/market", "type": kind,
                       "subject": SUBJECT, "time": time, "data": data}).encode()


def of(id: str) -> Row:
    return {"of": {"source": "cq/market", "id": id}}


@pytest.fixture(scope="module")
def year() -> Iterator[Embedded]:
    with ev.quick_cards():
        runner = feed(Embedded(None, load.policy()), city(150, 365, 5, dt.date(2025, 10, 1)))
        yield runner
        runner.close()


def restaurant(*more: bytes) -> Embedded:
    with ev.quick_cards():
        runner = Embedded(None, load.policy())
        process(runner, [EXAMPLE])
        return feed(runner, more)


def made(runner: Embedded, as_of: str = "", **given: Any) -> Row:
    at = moment("as_of", as_of) if as_of else None
    shard = fold(runner.store, SUBJECT, at)
    assert shard is not None
    found = report(shard, SUBJECT, shard.clock_ms, **given)
    assert found is not None
    return found


def ids(found: Row, name: str = "records") -> set[str]:
    return {row["id"] for row in found[name]}


# ----------------------------------------------------------------------------------------- report


def test_public_records_add_up_and_none_is_internal(year: Embedded) -> None:
    records = 0
    for key in year.shard.subjects:
        found = report(year.shard, key, year.shard.clock_ms)
        shown = describe(year.shard, key, year.shard.clock_ms)
        assert found is not None and shown is not None
        public = {c["indicator"]: c["points"] for c in shown["public"]["contributions"]}
        rest = public.get("base", 0) + public.get("clip", 0)
        total = sum(round(1000 * row["points"]) for row in found["records"])
        assert total + round(1000 * rest) == round(1000 * shown["public"]["credit_score"])
        for row in found["records"]:
            assert row["type"] not in ("complaint.filed", "complaint.closed", "interview.held")
            assert row["source"] and row["id"] and row["day"]
            assert row["until"] is None or row["until"] >= found["as_of"][:10]
        assert not {"signals", "risk", "matters", "open_alerts", "repairs"} & found.keys()
        assert "complainant" not in json.dumps(found)
        records += len(found["records"])
    assert records > 100


def test_the_same_log_and_moment_give_the_same_bytes(year: Embedded) -> None:
    numbers = set()
    for key in list(year.shard.subjects)[:40]:
        then = fold(year.store, key, None)
        assert then is not None
        for internal in (False, True):
            live = report(year.shard, key, year.shard.clock_ms, internal=internal)
            again = report(then, key, year.shard.clock_ms, internal=internal)
            assert json.dumps(live) == json.dumps(again) and live is not None
            numbers.add(live["number"])
    assert len(numbers) == 80


def test_a_record_leaves_the_public_report_when_its_time_is_over() -> None:
    runner = restaurant()
    feed(runner, [event("late", "act.decided", "2027-01-10T10:00:00+08:00",
                        {"act": "permit", "item": "cq1-17", "decided_on": "2027-01-10"})])
    row = next(x for x in made(runner, "2025-09-30")["records"] if x["id"] == "PEN-2025-118")
    assert "PEN-2025-118" in ids(made(runner, row["until"]))
    after = dt.date.fromisoformat(row["until"]) + dt.timedelta(days=1)
    assert "PEN-2025-118" not in ids(made(runner, after.isoformat()))


def test_what_was_repaired_or_taken_back_is_not_public() -> None:
    runner = restaurant(
        event("R-1", "repair.applied", "2025-10-01T10:00:00+08:00",
              {**of("PEN-2025-118"), "method": "rectification"}),
        event("O-1", "objection.raised", "2025-10-01T10:00:00+08:00", of("PEN-2025-204")))
    rows = {row["id"]: row for row in made(runner)["records"]}
    assert rows["PEN-2025-118"]["repair"] == "applied"
    assert rows["PEN-2025-204"]["objection"] == "open"
    number = made(runner, "2025-10-02")["number"]
    feed(runner, [event("R-2", "repair.approved", "2025-10-10T10:00:00+08:00", of("PEN-2025-118")),
                  event("X-1", "penalty.revoked", "2025-10-11T10:00:00+08:00", of("PEN-2025-204"))])
    assert not {"PEN-2025-118", "PEN-2025-204", "R-1", "R-2"} & ids(made(runner))
    inside = made(runner, internal=True)
    assert {"R-1", "R-2"} <= ids(inside, "repairs") and "O-1" in ids(inside, "objections")
    assert inside["repairs"][0]["of"]["id"] == "PEN-2025-118"
    # What happened afterwards does not change what is reported of a moment before it.
    assert made(runner, "2025-10-02")["number"] == number
    feed(runner, [event("PEN-9", "penalty.decided", "2025-10-01T10:00:00+08:00", {
        "item": "cq1-17", "document": "9", "kinds": ["fine"], "amount_cny": 9_000.0,
        "decided_on": "2025-10-01", "basis": [{"law": "食品安全法", "article": "一"}]})])
    assert made(runner, "2025-10-02")["number"] != number


def pages_of(body: bytes) -> list[str]:
    """Text of each page; pypdf leaves the upper half of two-byte codes in."""
    return [page.extract_text().replace("\0", "") for page in PdfReader(io.BytesIO(body)).pages]


def text_of(body: bytes) -> str:
    return "".join(pages_of(body))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_paper_says_what_the_page_says(lang: Any) -> None:
    found = made(restaurant(), internal=True)
    found["subject"]["name"] = "重庆示例堃喆有限公司\U00020164"
    body = written(found, ".pdf", lang, ITEMS)
    assert body == written(found, ".pdf", lang, ITEMS) and body.startswith(b"%PDF-")
    page = written(found, ".html", lang, ITEMS).decode()
    text = "".join(text_of(body).split())
    for said in (found["number"], found["digest"], found["policy"], "堃喆", "U+20164",
                 "PEN-2025-118", "−93.8", "12345-2025-0601"):
        assert said in text, said
    for said in (found["number"], found["digest"], "堃喆", "PEN-2025-118", "−93.8", "<style>"):
        assert said in page, said
    for section in sheet(found, lang, ITEMS).sections:
        assert "".join(section.title.split()) in text and section.title in page
    assert ("第1页" if lang == "zh" else "page1of") in text
    assert "http://" not in page and "src=" not in page


def test_many_pages_are_numbered_and_the_typeface_is_embedded() -> None:
    found = made(restaurant())
    found["records"] = [dict(found["records"][0], id=f"PEN-{n:04d}") for n in range(200)]
    body = pdf(sheet(found, "zh", ITEMS), found["as_of"], "zh")
    reader = PdfReader(io.BytesIO(body))
    count = len(reader.pages)
    assert count > 4
    for number, page in enumerate(pages_of(body), 1):
        assert f"第 {number} 页，共 {count} 页" in page
    fonts = reader.pages[0]["/Resources"]["/Font"].values()
    inner = [f.get_object()["/DescendantFonts"][0].get_object() for f in fonts]
    assert inner and all("/FontFile3" in f["/FontDescriptor"] for f in inner)
    assert "PEN-0199" in text_of(body)


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = str(tmp_path / "store")
    assert cli.invoke(["process", EXAMPLE, "--store", store]) == 0
    capfd.readouterr()
    args = ["report", SUBJECT.lower(), "--store", store, "--as-of", "2025-09-01"]
    assert cli.invoke(args) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["subject"]["subject"] == SUBJECT and found["scope"] == "public"
    for name in ("a.pdf", "b.pdf", "a.html", "a.json"):
        assert cli.invoke([*args, "--out", str(tmp_path / name)]) == 0
        assert found["number"] in capfd.readouterr().err
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert json.loads((tmp_path / "a.json").read_text()) == found
    assert found["number"] in (tmp_path / "a.html").read_text("utf-8")
    for wrong in ([*args, "--out", "a.doc"], ["report", "nobody", "--store", store]):
        assert cli.invoke(wrong) == 2
        assert capfd.readouterr().err.count("\n") == 1


# ---------------------------------------------------------------------------------------- profile


def test_the_scores_end_with_those_of_today(year: Embedded) -> None:
    marks = 0
    for key in year.shard.subjects:
        found = profile(year.shard, key, year.shard.clock_ms)
        assert found is not None
        if found["course"] is None:
            continue
        went, shown = found["course"], found["show"]
        assert went["credit"][-1] == shown["public"]["credit_score"]
        assert went["days"] == sorted(set(went["days"]))
        assert len(went["days"]) <= course.DAYS_MAX + 4
        assert len(went["days"]) == len(went["credit"]) == len(went["risk"])
        assert len(went["marks"]) <= course.MARKS_MAX
        marks += len(went["marks"])
    assert marks > 200


def test_the_scores_of_the_past_are_those_of_the_engine_then(year: Embedded) -> None:
    looked = 0
    quiet = [k for k, s in year.shard.subjects.items() if s.facts]
    for key in quiet[:25]:
        found = profile(year.shard, key, year.shard.clock_ms)
        assert found is not None
        # What was taken back leaves no trace today, and did then.
        if any(f.get("revoked") or f.get("repair") for f in found["facts"]) or not found["course"]:
            continue
        for n in range(1, len(found["course"]["days"]) - 1, 4):
            at = moment("day", found["course"]["days"][n])
            then = fold(year.store, key, at)
            shown = describe(then, key, at) if then is not None else None
            if shown is not None:
                assert found["course"]["credit"][n] == shown["public"]["credit_score"]
                looked += 1
    assert looked > 40


def test_facts_come_in_pages_and_a_mark_leads_to_its_fact(year: Embedded) -> None:
    key = max(year.shard.subjects, key=lambda k: len(year.shard.subjects[k].facts))
    whole, end = facts_page(year.shard, key, 10_000)
    assert end is None and len(whole) > 20
    rows, at = list[Row](), ""
    while True:
        page, following = facts_page(year.shard, key, 7, at)
        rows += page
        if following is None:
            break
        at = following
    assert rows == whole
    assert facts_page(year.shard, key, 7, "0" * 16) == ([], None)
    found = profile(year.shard, key, year.shard.clock_ms, facts=5)
    assert found is not None and found["facts"] == whole[:5] and found["facts_total"] == len(whole)
    for mark in found["course"]["marks"]:
        led = profile(year.shard, key, year.shard.clock_ms, facts=5, at=mark["key"])
        assert led is not None and led["facts"][0]["key"] == mark["key"]
    named = {(f["source"], f["id"]) for f in found["named"]}
    for item in found["show"]["items"].values():
        for part in item["contributions"]:
            assert {(e["source"], e["id"]) for e in part["events"]} <= named


def test_a_past_day_shows_nothing_later(year: Embedded) -> None:
    at = moment("day", "2026-04-01")
    for key in list(year.shard.subjects)[:30]:
        then = fold(year.store, key, at)
        found = profile(then, key, at) if then is not None else None
        if found is None:
            continue
        facts = [*found["facts"], *found["inspections"], *found["named"]]
        assert all(f["day"] <= "2026-04-01" for f in facts)
        if found["course"]:
            assert found["course"]["days"][-1] <= "2026-04-01"
            assert all(m["day"] <= "2026-04-01" for m in found["course"]["marks"])
        assert {a["id"] for a in found["alerts"]} == set(found["show"]["open_alerts"])


def test_the_points_of_an_alert_are_those_of_its_moment(year: Embedded) -> None:
    """Where nothing was taken back since: then `why` needs no log to say what `show` says."""
    looked = 0
    for key, subject in year.shard.subjects.items():
        for alert in (subject.alerts or {}).values():
            code = year.card.item_ids[alert.item]
            if not alert.item or subject.parked:
                continue
            found = why(year.shard, key, code, alert.opened_ms)
            then = fold(year.store, key, alert.opened_ms)
            shown = describe(then, key, alert.opened_ms) if then is not None else None
            if found is None or shown is None or code not in shown["items"]:
                continue
            want = shown["items"][code]
            assert found["credit_score"] == want["credit_score"]
            assert found["risk_score"] == want["risk_score"]
            assert [c["points"] for c in found["contributions"]] == [
                c["points"] for c in want["contributions"]]
            looked += 1
    assert looked > 15


def test_matters_are_what_alerts_are_about(year: Embedded) -> None:
    rules = {"commitment-overdue": "commitment", "rectification-overdue": "rectification",
             "penalty-unperformed": "penalty", "publication-overdue": "publication"}
    seen = set()
    for key, subject in year.shard.subjects.items():
        open_ = [a for a in (subject.alerts or {}).values() if a.rule in rules]
        found = profile(year.shard, key, year.shard.clock_ms)
        assert found is not None
        held = {(m["matter"], m.get("key")) for m in found["matters"]}
        for alert in open_:
            if not subject.cancelled_day:
                assert (rules[alert.rule], f"{alert.evidence[0]:016x}") in held
                seen.add(alert.rule)
    assert len(seen) >= 2


def test_what_lies_ahead_has_moved_no_score() -> None:
    """A promise whose day is to come counts from the day after it, should it not be kept."""
    with ev.quick_cards():
        runner = feed(Embedded(None, load.policy()), [
            event("COM-1", "commitment.made", "2025-03-01T10:00:00+08:00", {
                "item": "cq1-17", "matter": "m", "due_on": "2025-09-30", "kind": "voluntary"})])
    found = profile(runner.shard, SUBJECT, runner.shard.clock_ms)
    assert found is not None and found["course"] is None
    assert [(m["matter"], m["due"], m["late"]) for m in found["matters"]] == [
        ("commitment", "2025-09-30", False)]
    runner.tick(moment("day", "2025-10-02"))
    found = profile(runner.shard, SUBJECT, runner.shard.clock_ms)
    assert found is not None and found["matters"][0]["late"]
    assert [m["day"] for m in found["course"]["marks"]] == ["2025-10-01"]


def test_persons_behind_a_business_are_not_shown() -> None:
    runner = restaurant(event("REG-9", "subject.registered", "2025-09-02T10:00:00+08:00", {
        "name": "重庆示例餐饮有限公司", "kind": "enterprise", "district": "500106",
        "industry": "H6210", "size": "small", "registered_on": "2021-05-18",
        "controllers": ["pseudonym-7f3a"], "aliases": ["500106000012345"],
        "platform": "91500106MA5U00001X"}))
    found = profile(runner.shard, SUBJECT, runner.shard.clock_ms)
    assert found is not None
    assert found["related"] == {"platform": "91500106MA5U00001X", "aliases": ["500106000012345"],
                                "listed": []}
    for said in (found, made(runner), made(runner, internal=True)):
        assert "pseudonym-7f3a" not in json.dumps(said)
