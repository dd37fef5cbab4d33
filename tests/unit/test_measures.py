"""Goal: every grade in force names its measures; no restriction is ever proposed but on facts that
cite a law; incentives rest for a year after a breached commitment; each grade in force that changes
is said, once.

Method: stories of one business; a simulated city, of which every measure of every business is
checked by a rule that knows the log only and is shown to find a planted restriction by score alone;
random histories, of which the changes said are added up and compared with the grades in force.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import events as ev
import msgspec
import pytest
from story import ITEM, OTHER, Story

from alerts.proposals import proposals
from config import load
from config.load import ConfigError
from config.measures import measures, shipped
from models import measures as m
from models.gap import Grades
from models.grade import letter
from models.ledger import resolve
from storage.effects import AlertChanged, SubjectChanged
from streams import checkpoint
from streams.batch import Feed
from streams.embedded import Embedded
from streams.measures import advice, measures_of
from streams.show import describe
from streams.simulate import city

Row = dict[str, Any]
LAW = {"law": "食品安全法", "article": "1"}
C_ONLY, BARRED = "不适用告知承诺、容缺受理等便利化服务", "依法依规对市场主体实施行业禁入限制"


def shown(s: Story) -> Row:
    found = describe(s.shard, s.key, s.shard.clock_ms)
    assert found is not None
    return found


def of(s: Story, item: str = ITEM, kind: str = "restriction") -> list[Row]:
    row = shown(s)
    held = row["public"] if item == "public" else row["items"][item]
    return [x for x in held["measures"] if x["kind"] == kind]


# ------------------------------------------------------------------------------- the catalogue


def test_the_catalogue_knows_every_grade() -> None:
    kinds = {grade: {x.kind for x in shipped() if x.grade == grade} for grade in "ABCD*"}
    assert kinds == {"A": {"incentive"}, "B": {"incentive", "attention"},
                     "C": {"attention", "restriction"}, "D": {"attention", "restriction"},
                     "*": {"principle", "withholding"}}
    assert all(m.paper(x.seed_ref)[1] for x in shipped())


@pytest.mark.parametrize(("old", "new", "said"), [
    ("C,restriction", "C,sanction", "line 20: kind='sanction': must be one of incentive"),
    ("A,incentive", "E,incentive", "line 2: grade='E': must be one of A, B, C, D, *"),
    ("A,incentive", "A,principle", "line 2: kind='principle': with grade A must be one of inc"),
    ("*,principle", "*,attention", "line 31: kind='attention': with grade * must be one of prin"),
    ("002 三(一)", "", "line 2: seed_ref='': must not be empty"),
    ("grade,kind", "grade,class", "column kind is missing; needed: "),
])
def test_what_is_wrong_in_a_catalogue_is_named(tmp_path: Path, old: str, new: str,
                                               said: str) -> None:
    text = (load.HERE / "catalogue" / "measures.csv").read_text("utf-8")
    file = tmp_path / "measures.csv"
    file.write_text(text, "utf-8")
    assert measures(file) == shipped()
    file.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigError) as error:
        measures(file)
    assert said in str(error.value)


# -------------------------------------------------------------------------------- restrictions


def test_a_grade_without_a_fact_restricts_nothing() -> None:
    """The department says C, or D, and no fact stands behind it."""
    s = Story()
    for day, grade, text in (("2026-05-04", "C", C_ONLY), ("2026-05-05", "D", BARRED)):
        s.do(day, "grade.assigned", grade=grade)
        found = of(s)
        assert text in [x["text_zh"] for x in found]
        assert {(x["state"], x["reason"], x["proposal_only"]) for x in found} == {
            ("not_applicable", "no_fact", True)}
        assert all(x["facts"] == [] == x["basis"] and x["reason_zh"] for x in found)
        attention = of(s, kind="attention")
        assert attention and {x["state"] for x in attention} == {"recommended"}
        assert all(x["basis"] == [{"law": "渝信用办发〔2023〕7号", "article": x["seed_ref"][4:]}]
                   for x in attention)


def test_a_score_alone_restricts_nothing() -> None:
    s = Story()
    for day in range(4, 9):
        s.do(f"2026-05-0{day}", "inspection.completed", result="fail",
             findings=[{"code": "f", "severity": "critical"}])
    assert s.grade() == "D computed"
    assert {(x["state"], x["reason"]) for x in of(s)} == {("not_applicable", "no_basis")}
    s.do("2026-05-10", "penalty.decided", **{"class": "minor"})
    assert {(x["state"], x["reason"]) for x in of(s)} == {("not_applicable", "minor")}


def test_a_penalty_that_cites_a_law_may_restrict() -> None:
    s = Story()
    s.do("2026-05-04", "grade.assigned", grade="C")
    other = s.do("2026-05-04", "penalty.decided", item=OTHER)
    assert [x["state"] for x in of(s)] == ["not_applicable"], "a fact of another item"
    first = s.do("2026-05-05", "penalty.decided")
    second = s.do("2026-05-06", "penalty.decided", basis=[LAW, {"law": "广告法", "article": "55"}])
    [found] = of(s)
    assert (found["state"], found["proposal_only"]) == ("proposed", True) and "reason" not in found
    assert found["facts"] == [{"source": "test", "id": id} for id in (first, second)]
    assert found["basis"] == [LAW, {"law": "广告法", "article": "55"}]
    assert {e["id"] for x in of(s, "public") for e in x["facts"]} in ({other, first, second}, set())
    s.do("2026-05-07", "objection.raised", of=second)
    assert of(s)[0]["facts"][1] == {"source": "test", "id": second, "objected": True}
    s.do("2026-05-08", "objection.upheld", of=second)
    assert [e["id"] for e in of(s)[0]["facts"]] == [first]
    s.do("2026-05-09", "penalty.revoked", of=first)
    assert [x["reason"] for x in of(s)] == ["no_fact"]


def test_a_listing_restricts_while_it_is_in_force() -> None:
    s = Story()
    s.do("2026-05-03", "inspection.completed")
    listed = s.do("2026-05-04", "list.entered", basis="失信名单管理办法第九条")
    for item in (ITEM, "public"):
        found = of(s, item)
        assert {x["text_zh"] for x in found} >= {BARRED} and len(found) == 5
        assert {x["state"] for x in found} == {"proposed"}
        assert found[0]["facts"] == [{"source": "test", "id": listed}]
        assert found[0]["basis"] == [{"law": "失信名单管理办法第九条", "article": ""}]
    s.do("2026-06-01", "list.exited", of=listed)
    assert {x["state"] for x in (*of(s), *of(s, "public"))} <= {"not_applicable"}


def test_an_ungraded_item_has_no_measures() -> None:
    s = Story()
    s.do("2026-05-04", "complaint.filed")
    assert shown(s)["items"][ITEM]["measures"] == [] == shown(s)["public"]["measures"]


# ---------------------------------------------------------------------------------- incentives


def test_incentives_rest_for_a_year_after_a_breach() -> None:
    s = Story()
    s.do("2026-05-04", "grade.assigned", item=OTHER, grade="A")
    made = s.do("2026-05-05", "commitment.made", due_on="2026-06-01")
    assert {x["state"] for x in of(s, OTHER, "incentive")} == {"recommended"}
    breach = s.do("2026-05-06", "commitment.breached", of=made)
    found = of(s, OTHER, "incentive")
    assert len(found) == 9 and {(x["state"], x["reason"], x["until"]) for x in found} == {
        ("withheld", "breached", "2027-05-06")}
    assert found[0]["facts"] == [{"source": "test", "id": breach}]
    assert {x["state"] for x in of(s.to("2027-05-05"), OTHER, "incentive")} == {"withheld"}
    assert {x["state"] for x in of(s.to("2027-05-06"), OTHER, "incentive")} == {"recommended"}


@pytest.mark.parametrize(("type_", "of_breach"), [
    ("repair.approved", True), ("objection.upheld", True), ("objection.upheld", False)])
def test_what_was_repaired_or_taken_back_withholds_nothing(type_: str, of_breach: bool) -> None:
    s = Story()
    s.do("2026-05-04", "grade.assigned", item=OTHER, grade="B")
    made = s.do("2026-05-05", "commitment.made", due_on="2026-06-01")
    breach = s.do("2026-05-06", "commitment.breached", of=made)
    assert {x["state"] for x in of(s, OTHER, "incentive")} == {"withheld"}
    assert {x["state"] for x in of(s, OTHER, "attention")} == {"recommended"}
    s.do("2026-05-20", type_, of=breach if of_breach else made)
    assert {x["state"] for x in of(s, OTHER, "incentive")} == {"recommended"}


def test_a_city_without_the_rule_withholds_nothing() -> None:
    s = Story()
    made = s.do("2026-05-05", "commitment.made", due_on="2026-06-01")
    s.do("2026-05-06", "commitment.breached", of=made)
    view = s.view
    assert m.withheld(shipped(), view.facts, view.card, view.day).until
    without = [x for x in shipped() if x.kind != "withholding"]
    assert m.withheld(without, view.facts, view.card, view.day) == ([], 0)


# -------------------------------------------------------------------------------- a whole city


def unfounded(shown: Row, cites: dict[tuple[str, str], Sequence[Row]]) -> list[Row]:
    """Restrictions that are proposed without a fact that cites a law, by what the log says."""
    out = []
    for held in (*shown["items"].values(), shown["public"]):
        for x in held["measures"]:
            facts = [(e["source"], e["id"]) for e in x.get("facts", ())]
            sound = facts and all(cites.get(f) for f in facts) and x["proposal_only"] and (
                {(b["law"], b["article"]) for b in x["basis"]}
                == {(b["law"], b["article"]) for f in facts for b in cites[f]})
            if (x["kind"] == "restriction" and x["state"] != "not_applicable" and not sound) or (
                    x["kind"] != "restriction" and x["state"] == "proposed"):
                out.append(x)
    return out


def test_no_restriction_of_a_city_is_unfounded(monkeypatch: pytest.MonkeyPatch) -> None:
    cites: dict[tuple[str, str], Sequence[Row]] = {}
    with ev.quick_cards():
        runner = Embedded(None, load.policy())
        feed = Feed(runner, "test", 1 << 42)
        for raw in city(120, 240, 11, dt.date(2025, 10, 1)):
            feed.put(raw)
            event = json.loads(raw)
            if event["type"] in ("penalty.decided", "list.entered"):
                basis = event["data"]["basis"]
                cites[event["source"], event["id"]] = (
                    [{"law": basis, "article": ""}] if isinstance(basis, str) else basis)
        feed.flush()
        ms, keys = runner.shard.clock_ms, list(runner.shard.subjects)
        every = [x for k in keys if (x := describe(runner.shard, k, ms)) is not None]
        states = [x["state"] for row in every for i in row["items"].values()
                  for x in i["measures"] if x["kind"] == "restriction"]
        assert states.count("proposed") > 5 and states.count("not_applicable") > 5
        assert [unfounded(row, cites) for row in every] == [[]] * len(every)
        for row in every:
            key = row["subject"]
            again = measures_of(runner.shard, key)
            assert all(again(i, x["grade"]) == x["measures"] for i, x in row["items"].items())
        # Planted: a bad grade is enough.
        real = m.proposals

        def by_score(catalogue: Any, grade: str, grounds: m.Grounds,
                     withheld: m.Withheld) -> list[m.Proposal]:
            return [x._replace(state="proposed") if x.measure.kind == "restriction" else x
                    for x in real(catalogue, grade, grounds, withheld)]

        monkeypatch.setattr(m, "proposals", by_score)
        planted = [describe(runner.shard, k, ms) for k in keys]
        assert any(unfounded(row, cites) for row in planted if row is not None)


@pytest.mark.parametrize("seed", range(12))
def test_every_change_of_a_grade_in_force_is_said_once(seed: int) -> None:
    """Also where the state was written down and read again in between."""
    shape = ev.Shape(span_d=200)
    made = ev.build(ev.draw(seed, 80, shape), shape)
    shard = ev.shard("plain")
    told: dict[str, dict[str, str]] = {}
    moved = 0
    with ev.quick_cards():
        for n, entry in enumerate([*ev.entries(made), ev.change("nervous", 0),
                                   ev.tick(ev.end_ms(made)),
                                   ev.tick(ev.end_ms(made, 400))]):
            if n % 20 == 19:
                shard = checkpoint.load(list(checkpoint.dump(shard)))
            for effect in shard.step([entry._replace(
                    recorded_ms=max(entry.recorded_ms, shard.clock_ms))]):
                if isinstance(effect, SubjectChanged):
                    held = told.setdefault(effect.subject, {})
                    for change in effect.in_force:
                        assert held.get(change["item"], "ungraded") == change["from"]
                        assert change["from"] != change["to"]
                        held[change["item"]] = change["to"]
                        moved += 1
            assert shard.timeline is not None
            card = shard.timeline.last
            for key, subject in shard.subjects.items():
                vector = Grades(subject, resolve(subject.facts, card.offset_ms), card).vector(
                    shard.day)
                assert {card.item_ids[i]: letter(g.grade) for i, g in vector.items()} == {
                    i: grade for i, grade in told.get(key, {}).items() if grade != "ungraded"}
    assert moved > 10


# -------------------------------------------------------------------------------------- alerts


def told(s: Story, rule: str) -> AlertChanged:
    """The last word about the alert of a rule."""
    return [x for x in s.effects if isinstance(x, AlertChanged) and x.rule == rule][-1]


def test_a_fallen_grade_proposes_its_attention() -> None:
    s = Story()
    s.do("2026-05-03", "inspection.completed")
    s.do("2026-05-04", "list.entered")
    alert = told(s, "grade-drop")
    found = advice(alert)
    assert [x["text_zh"] for x in found] == [
        x.measure for x in shipped() if x.grade == "D" and x.kind == "attention"]
    assert {x["kind"] for x in found} == {"attention"}
    assert found[0]["basis"] == [{"law": "渝信用办发〔2023〕7号", "article": "三(四)"}]
    for state in ("pending", "resolved", "closed"):
        assert advice(msgspec.structs.replace(alert, state=state)) == []


@pytest.mark.parametrize(("rule", "type_", "due", "words"), [
    ("commitment-overdue", "commitment.made", "due_on", ["提示约谈"]),
    ("rectification-overdue", "rectification.ordered", "due_on", ["提示约谈", "警示约谈"]),
    ("penalty-unperformed", "penalty.decided", "due_on", ["提示约谈", "警示约谈"]),
])
def test_who_determined_a_matter_interviews_when_it_is_late(rule: str, type_: str, due: str,
                                                            words: list[str]) -> None:
    s = Story()
    s.do("2026-05-04", type_, **{due: "2026-05-20"})
    s.to("2026-05-18")
    assert advice(told(s, rule)) == [], "a warning before the day"
    s.to("2026-05-22")
    found = advice(told(s, rule))
    assert len(found) == len(words)
    assert all(word in x["text_zh"] for word, x in zip(words, found, strict=True))
    card = s.view.card
    assert {x["department"] for x in found} == {card.department_of[s.code(ITEM)]}


def test_no_alert_proposes_a_restriction() -> None:
    s = Story()
    s.do("2026-05-03", "inspection.completed")
    s.do("2026-05-04", "list.entered", list="ban")
    s.do("2026-05-05", "commitment.made", due_on="2026-09-01")
    made = [x for x in s.effects if isinstance(x, AlertChanged)]
    assert {"grade-drop", "ban-breach"} <= {x.rule for x in made if advice(x)}
    assert {x["kind"] for a in made for x in advice(a)} == {"attention"}
    texts = {x.measure for x in shipped() if x.kind == "restriction"}
    for name in ("risk-high", "score-plunge", "repeat-offence", "grade-gap", "complaint-surge"):
        for item in proposals(msgspec.structs.replace(made[0], rule=name), shipped()):
            assert item.text[0] not in texts
