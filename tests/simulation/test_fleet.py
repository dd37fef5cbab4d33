"""Goal: what is planted in device readings becomes the right alert on any runner, and nothing else.

Method: a fleet of cold stores (`fleet.py`) through the real shards for three weeks, norms of the
class published on the log from their own summaries. Lateness, repetition, partitions and restarts
must change nothing at rest. Each check is shown to notice a planted fault in the wiring.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import events as ev
import fleet as fl
import pytest
from fleet import DAYS, T0, WANTED, Fleet, expected, fault_of

from alerts.bodies import BODIES
from alerts.titles import TITLES
from models import anomaly
from models import events as e
from models.policy import digest, encode
from storage.effects import AlertChanged, DeviceSummary, Reason
from streams import checkpoint, codec, devices, show
from streams.fold import fold
from streams.pipeline import Entry

DEVICES = 10
CODES = ev.codes(DEVICES)
SENT = fl.messages(DEVICES)
MAY = {"smooth": {"iot-limit", "iot-anomaly"}, "drift": {"iot-limit"},
       "stuck": {"iot-tamper"}, "replay": set(), "nulls": set(), "service": set(), "": set()}


@cache
def plain() -> Fleet:
    return Fleet().run(SENT)


def wrong(fleet: Fleet) -> list[str]:
    """Devices whose alerts are not those of what was planted in them."""
    out = []
    for device, code in enumerate(CODES):
        fault = fault_of(device)
        opened = fleet.opened(code) - {"iot-silent"}
        if not WANTED[fault] <= opened <= WANTED[fault] | MAY[fault]:
            out.append(f"{fault or 'sound'}: {sorted(opened)}, wanted {sorted(WANTED[fault])}")
    return out


def test_what_is_planted_is_told_and_nothing_else() -> None:
    assert wrong(plain()) == []
    assert len(plain().published) >= 3, "a norm every week from the second on"


def test_a_broken_sensor_is_not_accused_for_long() -> None:
    """Stuck at one value it looks flat; from its next turn on it is a fault, and nothing else."""
    held = set()
    for x in plain().effects:
        if isinstance(x, AlertChanged) and x.subject == CODES[fl.FAULTS.index("stuck")]:
            (held.discard if x.state == "resolved" else held.add)(x.rule)
    assert "iot-fault" in held and "iot-tamper" not in held


def test_no_alert_is_doubled() -> None:
    held: dict[str, str] = {}
    for x in plain().effects:
        if isinstance(x, AlertChanged):
            assert x.was == ("" if held.get(x.id, "resolved") == "resolved" else held[x.id])
            held[x.id] = x.state


def test_scores_stay_untouched() -> None:
    for code in CODES:
        subject = plain().subject(code)
        assert subject.path == b"" and subject.facts == subject.signals == b""


def test_the_texts_say_what_and_for_whom() -> None:
    seen = {}
    for x in plain().effects:
        if isinstance(x, AlertChanged) and not x.was:
            seen[x.rule] = x
    assert (seen["iot-anomaly"].level, seen["iot-fault"].level) == ("yellow", "blue")
    assert seen["iot-tamper"].level == "orange"
    assert "故障" in seen["iot-fault"].facts["zh"] and seen["iot-fault"].facts["device"] == "d1"
    for rule, zh, en in (("iot-fault", "请安排检修", "says nothing against the subject"),
                         ("iot-anomaly", "请核实", "verify on site")):
        title, body = TITLES[rule](seen[rule], {}), BODIES[rule](seen[rule], {})
        assert "d1" in title[0] and zh in body[0] and en in body[1]


def test_verdicts_are_those_of_the_definition() -> None:
    for day in (DAYS - 1, DAYS + 1):
        told = {k: v for k, v in plain().published.items() if k < day - 1}
        fleet = Fleet(told=told).run(SENT, day)
        for device, code in enumerate(CODES):
            found = [*(fleet.subject(code).verdicts or {}).values(), ()][0]
            assert found == expected(fleet, device, code, T0 + day * fl.DAY)


@cache
def at_rest(partitions: int, seed: int) -> str:
    sent = fl.disturbed(SENT, seed) if seed else SENT
    return Fleet(partitions, plain().published).run(sent, DAYS + 2).digest()


def test_arrival_and_partitions_change_nothing() -> None:
    assert len({at_rest(1, 0), at_rest(1, 1), at_rest(4, 2)}) == 1


def test_norms_are_the_same_for_any_number_of_partitions() -> None:
    assert Fleet(5).run(SENT, 16).published == Fleet().run(SENT, 16).published != {}


def test_a_restart_changes_nothing() -> None:
    going = Fleet(told=plain().published)
    going.run(SENT, DAYS - 1)
    loaded = Fleet(told=plain().published)
    loaded.shards = [checkpoint.load(list(checkpoint.dump(going.shards[0])))]
    going.effects, loaded.effects = [], []
    for one in (going, loaded):
        one.run(SENT, DAYS + 1, DAYS - 1)
    assert loaded.effects == going.effects != []
    assert loaded.digest() == going.digest()


class Log:
    """What `streams.fold` asks of a log."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries

    def clock_ms(self) -> int:
        return max(x.recorded_ms for x in self.entries)

    def find(self, subject: str) -> Iterator[tuple[int, bytes, set[int]]]:
        yield 1, codec.encode_envelope(self.entries), set(range(len(self.entries)))

    def refusals(self, subject: str) -> Iterator[tuple[int, str, str, Reason]]:
        return iter(())


def past_of(fleet: Fleet, code: str) -> tuple[object, object]:
    shard, clock = fleet.shards[0], fleet.shards[0].clock_ms
    folded = fold(Log(fleet.log), code)
    assert folded is not None
    own = {k: a.level for k, a in (shard.subjects[code].alerts or {}).items()}
    then = {k: a.level for k, a in (folded.subjects[code].alerts or {}).items()}
    return ((own, show.describe(shard, code, clock), shard.norms),
            (then, show.describe(folded, code, clock), folded.norms))


def test_the_present_is_the_fold_of_the_log() -> None:
    for code in CODES:
        one, other = past_of(plain(), code)
        assert one == other


def test_old_policies_know_no_anomalies() -> None:
    fleet = Fleet(policy=fl.without(ev.policy("default")))
    assert not fleet.policy.rules.iot.anomaly.enabled
    fleet.run(SENT, 16)
    assert all(fleet.subject(code).windows is None for code in CODES)
    assert not any(isinstance(x, DeviceSummary) for x in fleet.effects)


def test_turned_off_its_alerts_end_and_the_hours_go() -> None:
    fleet = Fleet(told=plain().published).run(SENT, DAYS)
    assert "iot-anomaly" in {a.rule for a in (fleet.subject(CODES[3]).alerts or {}).values()}
    document = encode(fl.without(fleet.policy))
    fleet.broadcast(T0 + DAYS * fl.DAY, e.PolicyChanged(document, digest(document)))
    fleet.run([x._replace(recorded_ms=T0 + DAYS * fl.DAY + 1) for x in SENT[-DEVICES:]],
              DAYS + 1, DAYS)
    for code in CODES:
        subject = fleet.subject(code)
        assert subject.windows is None and subject.verdicts is None
        assert not {a.rule for a in (subject.alerts or {}).values()} & {"iot-anomaly", "iot-fault"}


def test_memory_of_the_hours_is_bounded() -> None:
    for code in CODES:
        for state in (plain().subject(code).windows or {}).values():
            assert state.nbytes <= anomaly.bytes_max(35) == 8160


# ---------------------------------------------------------------------------------- planted faults


def test_a_shard_that_does_not_judge_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "judge", lambda *_: [])
    assert {x.split(":")[0] for x in wrong(Fleet(told=plain().published).run(SENT))} == {
        "replay", "smooth", "drift", "stuck", "nulls"}


def test_an_accusation_that_rests_on_a_broken_sensor_is_noticed(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anomaly, "silences", lambda *_: False)
    found = wrong(Fleet(told=plain().published).run(SENT))
    assert any(x.startswith("stuck") and "iot-tamper" in x for x in found)


def test_a_shard_without_the_norms_is_noticed() -> None:
    assert Fleet(1, {}).run(SENT, DAYS + 2).digest() != at_rest(1, 0)


def test_hours_that_a_checkpoint_forgets_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    restore = checkpoint._restore

    def forgets(row: list[object]) -> object:
        subject = restore(row)
        subject.windows = None
        return subject

    monkeypatch.setattr(checkpoint, "_restore", forgets)
    with pytest.raises(AssertionError):
        test_a_restart_changes_nothing()


def test_a_join_that_lets_the_last_message_win_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    expected_digest = at_rest(1, 0)

    plain_observe = anomaly.observe

    def last(state: object, series: e.Series, horizon_d: int) -> anomaly.WindowState:
        return plain_observe(None, series, horizon_d)

    monkeypatch.setattr(anomaly, "observe", last)
    late = Fleet(1, plain().published).run(fl.disturbed(SENT, 1), DAYS + 2)
    assert late.digest() != expected_digest


def test_a_fold_that_forgets_the_norms_is_noticed() -> None:
    fleet = Fleet(told=plain().published).run(SENT)
    fleet.log = [x for x in fleet.log if not isinstance(x.event, e.NormsChanged)]
    one, other = past_of(fleet, CODES[0])
    assert one != other
