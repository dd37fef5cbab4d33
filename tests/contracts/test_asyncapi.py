"""Goal: docs/asyncapi.yaml is true, and enough to read the out topics and to write to the feeds.

Method: the document is held to AsyncAPI's own schema (`tests/data`); records made of a simulated
city's effects are held to its payloads, where fields that it does not name are errors too; its
feeds are compared with where `storage.kafka_client` sends each type. On a real Kafka a consumer
that has read nothing but the document reads what a worker's outbox wrote. Planted faults are found.
"""

from __future__ import annotations

import copy
import gzip
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import events as ev
import jsonschema
import msgspec
import numpy as np
import played
import pytest
import yaml
from cluster import Given
from confluent_kafka import Consumer
from story import ITEM, OTHER, Story

from config import load
from config.districts import district_names
from models.anomaly import Summary
from models.events import (
    EVENT_TYPES,
    Detected,
    Detection,
    DrawOrdered,
    NormsChanged,
    WeightsChanged,
)
from models.examples import Example
from models.scorecard import Card
from models.weights import Weights
from storage import kafka_topics
from storage.effects import (
    DeviceSummary,
    DrawnChanged,
    Listed,
    Misnamed,
    Reason,
    Rejected,
    Signal,
)
from storage.kafka_client import Topics
from storage.kafka_outbox import KafkaOutbox
from storage.sqlite_store import Dead
from storage.view import Change, Placed
from streams import codec, outgoing, rows
from streams.analysis import Concluded
from streams.feeds import CHECKED, structured
from streams.intake import Intake
from streams.measures import measures_of
from streams.outgoing import Message, Outgoing, conclusion
from streams.service import EmbeddedService

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text("utf-8"))
SCHEMA = json.loads(gzip.decompress((ROOT / "tests/data/asyncapi-3.0.0.json.gz").read_bytes()))
OUT = ("assessments", "alerts", "reviews", "proposals", "rejects", "signals", "examples",
       "conclusions")
BEIJING_MS = 8 * 3_600_000


# ------------------------------------------------------------------- reading the document


def at(ref: str) -> Any:
    """What a reference names."""
    found: Any = DOCUMENT
    for part in ref.removeprefix("#/").split("/"):
        found = found[part]
    return found


def whole(schema: Any) -> Any:
    """A schema without references, its `allOf` made one, and closed to what it does not name."""
    if isinstance(schema, list):
        return [whole(x) for x in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return whole(at(schema["$ref"]))
    out = {key: whole(value) for key, value in schema.items() if key not in ("allOf", "properties")}
    properties = {key: whole(x) for key, x in schema.get("properties", {}).items()}
    for part in map(whole, schema.get("allOf", [])):
        for key, value in part.pop("properties", {}).items():
            properties[key] = {**value, **properties.get(key, {})}
        required = [*part.get("required", []), *out.get("required", [])]
        out = {**part, **out, **({"required": required} if required else {})}
    if properties:
        out |= {"properties": properties, "additionalProperties": False}
    return out


@cache
def payload(channel: str, name: str) -> jsonschema.Draft7Validator:
    """Of the message of a channel that has this name."""
    for ref in DOCUMENT["channels"][channel]["messages"].values():
        message = at(ref["$ref"])
        if message["name"] == name:
            return jsonschema.Draft7Validator(whole(message["payload"]))
    raise AssertionError(f"{channel}: no message {name}")


def channel_of(address: str, prefix: str) -> str:
    """Channel that a topic is, by the document's addresses."""
    for name, channel in DOCUMENT["channels"].items():
        if channel["address"].replace("xinfeng.", f"{prefix}.", 1) == address:
            return str(name)
    raise AssertionError(f"{address}: no such channel")


def wrong(topic: str, value: bytes, prefix: str = "xinfeng") -> list[str]:
    event = json.loads(value)
    return [e.message for e in payload(channel_of(topic, prefix), event["type"]).iter_errors(event)]


# --------------------------------------------------------------------------- what is written


@pytest.fixture(scope="module")
def changes(tmp_path_factory: pytest.TempPathFactory) -> list[Change | Dead]:
    """What a shard concludes of a small city, and dead letters of intake."""
    def asked(runner: played.Recording) -> tuple[list[Any], list[Any]]:
        service = EmbeddedService(runner)
        return (service.alerts(limit=40, state="firing"), service.reviews(limit=20))

    with ev.quick_cards():
        runner = played.play(tmp_path_factory.mktemp("city"), asked)
        return list(played.changes(runner.steps, 1))


def said(changes: list[Change | Dead], prefix: str = "xinfeng") -> Iterator[Message]:
    """Records in the order in which they are written."""
    topics, items = Topics.of(prefix), rows.catalogue(load.policy(), district_names())
    for n, x in enumerate(changes):
        if isinstance(x, Dead):
            id = f"{topics.records}/0/{n}"
            yield Message(topics.rejects, id.encode(), outgoing.dead_letter(id, x))
        else:
            yield from Outgoing(topics, x.partition, lambda _: "某企业", measures_of=measured
                                ).messages(x.effects, items, BEIJING_MS)
    yield from (Message(topics.conclusions, b"", conclusion(one)) for one in concluded())


@cache
def story() -> Story:
    """A business with measures of every state."""
    made = Story()
    made.do("2026-05-04", "penalty.decided")
    made.do("2026-05-05", "grade.assigned", grade="C")
    made.do("2026-05-05", "grade.assigned", item="cq1-40", grade="C")
    made.do("2026-05-05", "grade.assigned", item=OTHER, grade="A")
    promise = made.do("2026-05-06", "commitment.made", due_on="2026-06-01", item="cq1-50")
    made.do("2026-05-07", "commitment.breached", of=promise)
    return made


def measured(_: str) -> Callable[[str, str], list[dict[str, Any]]]:
    """Of each grade the measures of that business, in every state they have."""
    held = measures_of(story().shard, story().key)
    return lambda _, grade: [x for item in (ITEM, "cq1-40") for x in held(item, grade)]


def rare() -> list[Placed]:
    """What the city has none of."""
    reason = Reason("data", "x", "y", "data=x: y")
    effects = [
        Rejected("s", "i", "complaint.filed", "91500106MA5U00011W", reason, 1, 0),
        Signal("s", "i", "91500106MA5U00011W", "", "", "", "cq1-17", "", 1, 2, False, 3),
        Example("91500106MA5U00011W", 2, "", "", "", "", "cq1-17", 1, True, 1.0, 4, 0.5,
                {"complaint": 0.25}),
        DeviceSummary(2932, "coldchain", "temperature_c", "00ff00ff00ff00ff", Summary(
            (1.0,), (0.5,), ((1.0, 2.0),), ((3.0,),), 0.1)),
        Misnamed(3_600_000, 0, {"dept-a": 2}),
        DrawnChanged("00ff00ff00ff00ff", "s", "i", "91500106MA5U00011W", "cq1-17", "C", 0.55, 1,
                     "fixed", 2, 3, 4),
        Listed("s", "i", "91500106MA5U00011W", "", "ban", ["operator 00ff00ff00ff00ff"], 1, 0, 0,
               2),
    ]
    return [Placed(7, n, effect, b"\xff") for n, effect in enumerate(effects)]


def concluded() -> list[Concluded]:
    """Of everything that the analysis may conclude something, and a week without news."""
    weights = Weights("w000001", 20_458, {"complaint": (-0.1, 0.0, 0.2)}, (
        {"": 0.5, "cq1-17": -0.1}, {}, {}))
    found = Detection("regional-surge-1", "regional-surge", "red", True, 1, "cq1-17", ["cq1-17"],
                      {"reports": "9"}, [("s", "i", "complaint.filed", 1)], ["91500106MA5U00011W"])
    return [Concluded(1, []), Concluded(2, [
        WeightsChanged(weights), NormsChanged("{}", "00"), Detected("cell:x", 2, found),
        DrawOrdered("draw-1", "cq1-17", 20, "2026-11-22", "duty")])]


# -------------------------------------------------------------------------------------- tests


def test_the_document_is_asyncapi() -> None:
    check = jsonschema.Draft7Validator(SCHEMA)
    assert [e.message for e in check.iter_errors(DOCUMENT)] == []
    for path in (("channels", "alerts"), ("components", "messages", "alertChanged"),
                 ("operations", "sayAlerts")):
        planted = copy.deepcopy(DOCUMENT)
        part = planted
        for key in path:
            part = part[key]
        part["nowhere"] = {}
        assert list(check.iter_errors(planted)), path


def test_every_topic_is_a_channel() -> None:
    found = {c["address"] for c in DOCUMENT["channels"].values()}
    assert found == set(Topics.of("xinfeng"))
    kept = {x.name: x.configs for x in kafka_topics.wanted(
        load.settings().kafka, log=1, feed=1, by_producer=False)}
    for channel in DOCUMENT["channels"].values():
        said_of = channel.get("bindings", {}).get("kafka", {}).get("topicConfiguration", {})
        real = kept[channel["address"]]
        assert said_of.get("cleanup.policy", ["delete"]) == [
            real.get("cleanup.policy", "delete")] or "bindings" not in channel
        assert str(said_of.get("retention.ms", "")) == real.get("retention.ms", ""), channel


def test_every_type_is_named_with_its_feed() -> None:
    topics = Topics.of("xinfeng")
    named: dict[str, str] = {}
    for operation in DOCUMENT["operations"].values():
        if operation["action"] != "receive":
            continue
        channel = at(operation["channel"]["$ref"])
        event = at(channel["messages"]["event"]["$ref"])["payload"]
        for type_ in event["allOf"][1]["properties"]["type"]["enum"]:
            assert type_ not in named
            named[type_] = channel["address"]
    assert named == {type_: topics.feed_of(type_) for type_ in EVENT_TYPES}


def test_what_is_said_fits_its_payload(changes: list[Change | Dead]) -> None:
    seen: Counter[str] = Counter()
    for message in said(changes):
        assert wrong(message.topic, message.value) == [], message.value.decode()
        seen[json.loads(message.value)["type"]] += 1
    assert {name for name, n in seen.items() if n >= 2} == {
        "xinfeng.assessment.changed", "xinfeng.alert.changed", "xinfeng.review.changed",
        "xinfeng.review.answered", "xinfeng.event.rejected", "xinfeng.signal", "xinfeng.example",
        "xinfeng.hour.passed", "xinfeng.policy.taken", "xinfeng.device.summary",
        "xinfeng.business.linked", "xinfeng.business.listed",
        "xinfeng.concluded", "xinfeng.measure.recommended"}
    unusual = list(Outgoing(Topics.of("xinfeng"), 0, lambda _: "").messages(rare(), {}, 0))
    assert [wrong(m.topic, m.value) for m in unusual] == [[]] * 7
    assert "raw_base64" in unusual[0].value.decode()


def test_every_state_of_a_measure_fits_and_a_restriction_needs_its_words(
        changes: list[Change | Dead]) -> None:
    said_of = [json.loads(x.value) for x in said(changes) if b"measure.recommended" in x.value]
    assert len({(e["source"], e["id"]) for e in said_of}) == len(said_of)
    states = Counter((x["kind"], x["state"]) for e in said_of for x in e["data"]["measures"])
    assert set(states) == {("attention", "recommended"), ("restriction", "proposed"),
                           ("restriction", "not_applicable"), ("incentive", "withheld")}
    first = next(e for e in said_of if e["data"]["to"] == "C")
    topic = Topics.of("xinfeng").proposals
    assert wrong(topic, json.dumps(first).encode()) == []
    for x in first["data"]["measures"]:
        kept, x["state"] = x["state"], "imposed"
        assert wrong(topic, json.dumps(first).encode())
        x["state"] = kept
        if x["kind"] == "restriction":
            x["proposal_only"] = False
            assert wrong(topic, json.dumps(first).encode())
            x["proposal_only"] = True


def test_a_planted_fault_is_found(changes: list[Change | Dead]) -> None:
    first = {json.loads(m.value)["type"]: m for m in said(changes)}
    for message in first.values():
        good = json.loads(message.value)
        for field in good["data"]:
            if field in ("source", "id", "type", "subject") and "rejected" in good["type"]:
                continue  # As far as they could be read.
            less = copy.deepcopy(good)
            del less["data"][field]
            assert wrong(message.topic, json.dumps(less).encode()), (good["type"], field)
            bad = copy.deepcopy(good)
            bad["data"][field] = {"nowhere": None}
            assert wrong(message.topic, json.dumps(bad).encode()), (good["type"], field)
        for place in (good, good["data"]):
            place["nowhere"] = 1
            assert wrong(message.topic, json.dumps(good).encode())
            del place["nowhere"]
        good["id"] = 7
        assert wrong(message.topic, json.dumps(good).encode())


def test_examples_can_be_sent() -> None:
    checked = 0
    for message in DOCUMENT["components"]["messages"].values():
        for example in message.get("examples", []):
            body = json.dumps(example["payload"]).encode()
            check = jsonschema.Draft7Validator(whole(message["payload"]))
            assert [e.message for e in check.iter_errors(example["payload"])] == []
            assert codec.decode(body).id == example["payload"]["id"]
            checked += 1
    assert checked


def test_binary_mode_is_as_described() -> None:
    message = at("#/components/messages/readingsBinary")
    headers = dict.fromkeys(at("#/components/schemas/binaryHeaders")["required"], "x")
    headers |= {"ce_specversion": "1.0", "ce_id": "r1", "ce_source": "cq/iot",
                "ce_subject": "91500106MA5U00011W", "ce_time": "2026-11-21T16:00:00+08:00"}
    for name, rule in message["headers"]["allOf"][1]["properties"].items():
        headers[name] = rule["const"]
    assert headers["content-type"] == message["contentType"]
    times = np.array([1_790_000_000_000, 1_790_000_060_000], "<i8")
    series = dict.fromkeys(message["payload"]["properties"]["series"]["items"]["required"], "x")
    series |= {"t": times.tobytes(), "v": np.array([1.5, np.nan], "<f8").tobytes()}
    body = msgspec.msgpack.encode({"item": "cq1-17", "series": [series]})
    plain = {**series, "t": times.tolist(), "v": [1.5, None]}
    intake = Intake(Card(load.policy(), 0), b"key", 0, 300_000)
    now_ms = 1_800_000_000_000
    _, packed, _ = intake.accept(
        structured({k: v.encode() for k, v in headers.items()}, body), now_ms)
    _, spoken, _ = intake.accept(json.dumps({
        "specversion": "1.0", "id": "r1", "source": "cq/iot", "type": "iot.readings",
        "subject": headers["ce_subject"], "time": headers["ce_time"],
        "data": {"item": "cq1-17", "series": [plain]}}).encode(), now_ms)
    assert packed == spoken
    assert CHECKED in at("#/components/schemas/binaryHeaders")["description"]


# ------------------------------------------------------------------------------- on a real Kafka


class PlainReader:
    """Somebody who has read the document and nothing else: reads every channel that is sent to,
    until nothing has come for a while; drops ids it has seen."""

    def __init__(self, servers: str, prefix: str) -> None:
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.keys: dict[str, list[str]] = {}
        self.dropped = 0
        self.wrong: list[str] = []
        self._prefix = prefix
        self._seen: set[tuple[str, str, str]] = set()
        self._consumer = Consumer({"bootstrap.servers": servers, "group.id": f"{prefix}.reader",
                                   "auto.offset.reset": "earliest", "enable.auto.commit": False})
        channels = [o["channel"]["$ref"] for o in DOCUMENT["operations"].values()
                    if o["action"] == "send"]
        self._consumer.subscribe([at(ref)["address"].replace("xinfeng", prefix, 1)
                                  for ref in channels])

    def read(self, count: int) -> None:
        until = time.monotonic() + 180
        while count and time.monotonic() < until:
            message = self._consumer.poll(0.5)
            if message is None or message.error():
                continue
            count -= 1
            self._take(message.topic(), message.key().decode(), message.value())
        self._consumer.close()
        assert not count, f"{count} records did not come"

    def _take(self, topic: str, key: str, value: bytes) -> None:
        self.wrong += wrong(topic, value, self._prefix)
        event = json.loads(value)
        if (topic, event["source"], event["id"]) in self._seen:
            self.dropped += 1
            return
        self._seen.add((topic, event["source"], event["id"]))
        channel = channel_of(topic, self._prefix)
        self.events.setdefault(channel, []).append(event)
        self.keys.setdefault(channel, []).append(key)


@pytest.mark.integration
def test_a_plain_consumer_understands_the_out_topics(changes: list[Change | Dead],
                                                     kafka: Given) -> None:
    prefix = f"asyncapi-{os.getpid()}-{time.time_ns()}"
    access = msgspec.structs.replace(load.settings().kafka, servers=kafka.address, prefix=prefix)
    kafka_topics.create(access, kafka_topics.wanted(access, log=3, feed=1, by_producer=False), 1)
    messages = list(said(changes, prefix))
    outbox = KafkaOutbox(access)
    outbox.send(messages)
    # A worker that did not know how far it had come says its last part again.
    outbox.send(messages[-300:])
    reader = PlainReader(kafka.address, prefix)
    reader.read(len(messages) + 300)
    assert reader.wrong == []
    assert reader.dropped == 300
    assert set(reader.events) == set(OUT)
    sent = [json.loads(m.value) for m in messages]
    ids = {(x["source"], x["id"]) for x in sent}
    assert {(x["source"], x["id"]) for c in OUT for x in reader.events[c]} == ids
    for channel, fields in (("assessments", ["subject"]), ("alerts", ["id"]),
                            ("reviews", ["review", "id"])):
        named = [next(x["data"][f] for f in fields if f in x["data"])
                 for x in reader.events[channel]]
        assert reader.keys[channel] == named, channel
    # Records of one key come in order: the last state of each alert is the one written last.
    last = {x["data"]["id"]: x["id"] for x in sent if x["type"] == "xinfeng.alert.changed"}
    assert {x["data"]["id"]: x["id"] for x in reader.events["alerts"]} == last
