"""How fast is the distributed runner, on a real Kafka and Redis?

    python -m bench.cluster peers        ours and the same small fold in other frameworks, one run
    python -m bench.cluster throughput   intake alone, a worker alone, both; facts and readings
    python -m bench.cluster scaling      one worker and two on the same log
    python -m bench.cluster latency      from the feed to the alert, at a steady rate
    python -m bench.cluster restart      a worker with a million subjects starts again

`python -m servers up` starts both servers. Each run has topics, groups and Redis keys of its own
and removes them. One JSON document on stdout, progress and tables on stderr. Data: the simulated
city, seed 1, one year, without readings; `readings` and `restart` make their own.

Time is counted from the first record a process takes to the moment all that follows is durable on
the topics and in Redis; start-up is not counted, except by `restart`. `cpu_s` is processor time in
that same stretch, of all threads, by process.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import numpy as np
import redis
from confluent_kafka import Consumer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from bench.load import code
from bench.load import facts as made_facts
from bench.step import envelopes, machine
from config import load
from models import events as e
from models.policy import digest, encode
from storage import kafka_log
from storage.kafka_client import Outgoing, Topics, confluent, kafka_python
from storage.kafka_log import KafkaLog, Record
from storage.partition import partition_of
from streams import codec
from streams.pipeline import Entry
from streams.simulate import city

ROOT = Path(__file__).parents[1]
PEERS = ("confluent_loop", "bytewax_", "pathway_", "quix", "faust_idiomatic")
POLL_S = 0.05


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ------------------------------------------------------------------------------------- one set-up

class Stage:
    """Topics, settings, processes and keys of one measurement; leaving removes all of them."""

    _made = 0

    def __init__(self, *, partitions: int = 4, feed_time: str = "producer",
                 checkpoint_s: int = 3_600) -> None:
        Stage._made += 1
        self.prefix = f"bench-{os.getpid()}-{Stage._made}"
        self.folder = tempfile.TemporaryDirectory(prefix="xinfeng-bench-")
        self.path = Path(self.folder.name)
        self.file = self.path / "settings.toml"
        self.file.write_text(
            f'[kafka]\nprefix = "{self.prefix}"\npartitions = {partitions}\n'
            f'feed_partitions = 1\nfeed_time = "{feed_time}"\n'
            f'[worker]\nfolder = "{self.path / "worker"}"\ncheckpoint_s = {checkpoint_s}\n')
        self.settings = load.settings(self.file)
        self.access = self.settings.kafka
        self.topics = Topics.of(self.prefix)
        self.partitions = partitions
        self._running: list[Role] = []

    def __enter__(self) -> Stage:
        try:
            self.xinfeng("topics", "create")
        except BaseException:
            self.clean()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if error is not None:
            for role in self._running:
                say(f"--- end of the log of {role.name}\n" + role.text()[-2_000:])
        self.clean()

    def clean(self) -> None:
        for role in self._running:
            role.stop()
        with contextlib.closing(KafkaAdminClient(**kafka_python(self.access))) as admin:
            mine = [t for t in admin.list_topics()
                    if t.startswith(f"{self.prefix}.") or f"__{self.prefix}." in t]
            if mine:
                admin.delete_topics(mine)
            # A group whose member was killed cannot go yet; what is left of it is small.
            with contextlib.suppress(Exception):
                groups = [g["group_id"] for g in admin.list_groups()]
                admin.delete_groups([g for g in groups if g.startswith(f"{self.prefix}.")])
        held = redis.Redis.from_url(self.settings.redis.url)
        names = list(held.scan_iter(f"{self.prefix}:*", 1_000))
        for name in names:
            held.unlink(name)
        held.close()
        self.folder.cleanup()

    def topic(self, name: str, **configs: str) -> str:
        """One more topic, with one partition."""
        full = f"{self.prefix}.{name}"
        with contextlib.closing(KafkaAdminClient(**kafka_python(self.access))) as admin:
            admin.create_topics([NewTopic(full, 1, 1, topic_configs=configs)],
                                wait_for_metadata=True)
        return full

    def xinfeng(self, *args: str) -> None:
        """Run a command to its end."""
        subprocess.run([str(_bin("xinfeng")), *args, "--settings", str(self.file)], check=True,
                       cwd=ROOT, stdout=subprocess.DEVNULL)

    def publish(self, file: Path) -> float:
        """Fill the feeds; events a second."""
        start = time.perf_counter()
        self.xinfeng("publish", str(file), "--event-time")
        return _lines(file) / (time.perf_counter() - start)

    def role(self, name: str) -> Role:
        """Start `intake` or `worker`."""
        role = Role(self, name)
        self._running.append(role)
        return role

    def log(self) -> list[tuple[int, Record]]:
        """The whole log: (partition, record)."""
        log = KafkaLog(self.access)
        found = [(p, r) for p in range(self.partitions) for r in log.read(p, 0, log.end(p))]
        log.close()
        return found

    def ends(self) -> list[int]:
        log = KafkaLog(self.access)
        found = [log.end(p) for p in range(self.partitions)]
        log.close()
        return found

    def producer(self) -> Outgoing:
        """One that has met the broker: the first record of an idempotent one takes half a second.
        """
        out = Outgoing(self.access)
        out.send(self.topic("warm"), b"")
        out.flush()
        return out

    def fill(self, out: Outgoing, records: Iterable[tuple[int, Record]]) -> None:
        """Write a log that was read elsewhere, partition after partition in turn."""
        queues = [[r for p, r in records if p == n] for n in range(self.partitions)]
        for at in range(max(map(len, queues), default=0)):
            for partition, queue in enumerate(queues):
                if at < len(queue):
                    out.send(self.topics.log, queue[at].value, partition=partition,
                             headers=[("subjects", queue[at].subjects),
                                      ("partitions", b"%d" % queue[at].partitions)])
        out.flush()

    def written(self) -> dict[str, int]:
        """Records on each out topic."""
        consumer = Consumer({**confluent(self.access), "group.id": f"{self.prefix}.count"})
        found = {}
        for name in ("assessments", "alerts", "reviews", "rejects"):
            topic = f"{self.prefix}.{name}"
            found[name] = sum(
                consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10.0)[1]
                for p in consumer.list_topics(topic, timeout=10.0).topics[topic].partitions)
        consumer.close()
        return found


class Role:
    """A process of the product, in a group of its own, with its metrics and its log."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.name = name
        self.port = _free_port()
        self._log = stage.path / f"{name}-{self.port}.log"
        keys = ["--keys", str(stage.path)] if name == "intake" else []
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(_bin("xinfeng")), name, "--settings", str(stage.file), "--metrics-port",
                 str(self.port), *keys], cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        self.pid = self._process.pid

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, how)
            try:
                self._process.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self._process.wait()

    def text(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def check(self) -> None:
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self._process.returncode}")

    def metrics(self) -> dict[str, float]:
        """Samples by name, labels included; empty while it does not answer yet."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as got:
                lines = got.read().decode().splitlines()
        except OSError:
            self.check()
            return {}
        return {name: float(value) for name, _, value in
                (line.rpartition(" ") for line in lines if not line.startswith("#"))}

    def applied(self) -> dict[int, int]:
        """Next offset to fold, by partition: all before it is durable."""
        return {int(m[1]): int(value) for name, value in self.metrics().items()
                if (m := re.fullmatch(r'xinfeng_partition_applied_offset\{partition="(\d+)"\}',
                                      name))}

    def assigned(self) -> set[int]:
        """Partitions it was given last."""
        found = re.findall(r"msg=assigned partitions=\[(.*)\]", self.text())
        return {int(x) for x in found[-1].split(",") if x.strip()} if found else set()

    def said(self, what: str) -> list[tuple[float, str]]:
        """(time, line) of the log lines with these words."""
        stamp = re.compile(r"(\d{4}-\d\d-\d\d [\d:]{8},\d{3}) .*" + re.escape(what))
        return [(dt.datetime.strptime(m[1], "%Y-%m-%d %H:%M:%S,%f").timestamp(), m.string)
                for m in map(stamp.search, self.text().splitlines()) if m]


class Cpu:
    """Processor seconds of the servers and some roles since it was made."""

    def __init__(self, stage: Stage, *roles: Role) -> None:
        self._pids = dict(_servers(stage))
        for n, role in enumerate(roles):
            self._pids[role.name if role.name not in self._pids else f"{role.name}{n + 1}"] = \
                role.pid
        self._before = {name: _cpu_s(pid) for name, pid in self._pids.items()}

    def since(self) -> dict[str, float]:
        return {name: round(_cpu_s(pid) - self._before[name], 2)
                for name, pid in self._pids.items()}


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _servers(stage: Stage) -> Iterator[tuple[str, int]]:
    """(name, pid) of broker and Redis, by the ports they listen on; none on other machines."""
    ports = {int(stage.access.servers.split(",")[0].rpartition(":")[2]): "broker",
             int(redis.connection.parse_url(stage.settings.redis.url).get("port", 6379)): "redis"}
    inodes = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            port = int(fields[1].rpartition(":")[2], 16)
            if fields[3] == "0A" and port in ports:
                inodes[f"socket:[{fields[9]}]"] = ports[port]
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):
            for handle in folder.iterdir():
                name = inodes.get(str(handle.readlink()))
                if name:
                    yield name, int(folder.parent.name)
                    break


def _bin(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _lines(file: Path) -> int:
    with file.open("rb") as held:
        return sum(1 for _ in held)


def until(done: Callable[[], bool], what: str, roles: Sequence[Role] = (),
          limit_s: float = 600.0) -> float:
    """Wait until something is so; the moment at which it was seen."""
    end = time.time() + limit_s
    while not done():
        for role in roles:
            role.check()
        if time.time() > end:
            raise TimeoutError(what)
        time.sleep(POLL_S)
    return time.time()


def ready(stage: Stage, workers: Sequence[Role]) -> None:
    """Wait until the workers share the partitions evenly and have opened all of them."""
    share = stage.partitions // len(workers)

    def shared() -> bool:
        given = [w.assigned() for w in workers]
        return (set().union(*given) == set(range(stage.partitions))
                and all(len(x) >= share for x in given)
                and sum(map(len, given)) == stage.partitions
                and all(x <= set(w.applied()) for x, w in zip(given, workers, strict=True)))

    while True:
        until(shared, "workers have their partitions", workers, 120)
        time.sleep(1.0)
        if shared():
            return


def folded(stage: Stage, workers: Sequence[Role], ends: list[int]) -> Callable[[], bool]:
    """Whether the workers have come to these ends of the log."""
    def done() -> bool:
        at: dict[int, int] = {}
        for worker in workers:
            for partition, offset in worker.applied().items():
                at[partition] = max(at.get(partition, 0), offset)
        return all(at.get(p, 0) >= end for p, end in enumerate(ends))
    return done


def intake_through(intake: Role, events: int, started: float,
                   limit_s: float = 300.0) -> tuple[float, float]:
    """(first moment, last moment) of an intake that takes so many events."""
    first, last, taken = 0.0, started, 0.0
    while time.time() < started + limit_s:
        before = time.time()
        found = intake.metrics()
        taken = found.get("xinfeng_intake_events_total", 0) + found.get(
            "xinfeng_intake_rejected_total", 0)
        if taken and not first:
            first = last  # It had taken nothing then.
        if taken >= events and found["xinfeng_intake_lag_records"] == 0:
            return first, time.time()
        last = before
        time.sleep(POLL_S)
    raise TimeoutError(f"intake took {taken:.0f} of {events} events in {limit_s:.0f} s")


# --------------------------------------------------------------------------------------- workloads

def city_file(path: Path, subjects: int) -> Path:
    """The simulated city without readings."""
    with path.open("wb") as file:
        file.writelines(line + b"\n" for line in city(subjects, 365, 1, iot=False))
        file.writelines(closing("2026-10-02T00:00:00+08:00"))
    return path


def closing(stamp: str) -> Iterator[bytes]:
    """One last event for each feed: none is then waited for while the others are read."""
    head = '{"specversion":"1.0","source":"bench","id":"%s","type":"%s","subject":"%s","time":"%s"'
    last = {"complaint.filed": '{"item":"cq1-17","kind":"complaint","category":"end"}',
            "penalty.performed": '{"of":{"source":"bench","id":"none"}}',
            "iot.alarm": '{"item":"cq1-17","device":"d0","code":"end","severity":1,'
                         '"verified":false}',
            "information.declared": '{"category":"award","authorised":true}'}
    for type_, data in last.items():
        said = head % (f"end-{type_}", type_, code(99_999_999), stamp)
        yield f'{said},"data":{data}}}\n'.encode()


def readings_file(path: Path, batches: int, size: int = 500, subjects: int = 200) -> Path:
    """Messages of one series of `size` readings, one a minute, from devices in turn."""
    rng = np.random.default_rng(1)
    t0 = 1_767_225_600_000
    with path.open("wb") as file:
        for b in range(batches):
            at = t0 + b // subjects * size * 60_000
            series = {"device": "d0", "class": "coldchain", "metric": "temperature_c",
                      "unit": "°C", "t": [at + 60_000 * j for j in range(size)],
                      "v": [round(float(x), 2) for x in rng.normal(4, 0.6, size)]}
            stamp = dt.datetime.fromtimestamp(at / 1000 + size * 60, dt.UTC).isoformat()
            file.write(msgspec.json.encode({
                "specversion": "1.0", "id": f"r{b}", "source": "bench", "type": "iot.readings",
                "subject": code(b % subjects), "time": stamp,
                "data": {"item": "cq1-17", "series": [series]}}) + b"\n")
        end = t0 + (batches // subjects + 2) * size * 60_000
        file.writelines(closing(dt.datetime.fromtimestamp(end / 1000, dt.UTC).isoformat()))
    return path


# -------------------------------------------------------------------------------------- throughput

def pipeline(stage: Stage, file: Path, rate: int = 1) -> dict[str, Any]:
    """Intake and one worker at once, from full feeds to Redis and the topics.

    Parameters
    ----------
    rate
        What one event counts for: its readings.
    """
    events = _lines(file)
    published = stage.publish(file)
    worker = stage.role("worker")
    ready(stage, [worker])
    started = time.time()
    intake = stage.role("intake")
    until(lambda: bool(intake.metrics()), "intake answers", [intake, worker], 60)
    cpu = Cpu(stage, intake, worker)
    start, taken = intake_through(intake, events, started)
    time.sleep(4 * stage.settings.log.envelope_ms / 1000)  # The last envelope is on its way.
    end = until(folded(stage, [worker], stage.ends()), "the worker is through", [worker])
    return {"events": events, "per_s": round(rate * events / (end - start)),
            "seconds": round(end - start, 3), "intake_done_s": round(taken - start, 3),
            "published_per_s": round(rate * published), "cpu_s": cpu.since(),
            "written": stage.written()}


def apart(file: Path, partitions: int, rate: int = 1) -> dict[str, Any]:
    """Intake alone; a worker alone that finds the log full, and one to which it is delivered."""
    events = _lines(file)
    found: dict[str, Any] = {"events": events}
    with Stage(partitions=partitions) as stage:
        stage.publish(file)
        started = time.time()
        intake = stage.role("intake")
        start, end = intake_through(intake, events, started)
        cpu = _cpu_s(intake.pid)
        intake.stop()
        found["intake"] = {"per_s": round(rate * events / (end - start)),
                           "seconds": round(end - start, 3), "cpu_s_with_start": round(cpu, 2)}
        say(f"  intake alone: {found['intake']}")
        log, ends = stage.log(), stage.ends()
        worker = stage.role("worker")
        until(folded(stage, [worker], ends), "the worker is through", [worker])
        start = worker.said("msg=assigned")[-1][0]
        end = max(at for at, _ in worker.said("msg=opened"))
        found["worker_opens"] = {"per_s": round(rate * events / (end - start)),
                                 "seconds": round(end - start, 3)}
        say(f"  worker, finds the log full: {found['worker_opens']}")
    found["worker_delivered"] = delivered(log, events, partitions, 1, rate)
    say(f"  worker, log delivered: {found['worker_delivered']}")
    return found


def delivered(log: list[tuple[int, Record]], events: int, partitions: int, workers: int,
              rate: int = 1) -> dict[str, Any]:
    """Workers that wait for a log, and then get it at once."""
    with Stage(partitions=partitions) as stage:
        roles = [stage.role("worker") for _ in range(workers)]
        out = stage.producer()
        ready(stage, roles)
        cpu = Cpu(stage, *roles)
        start = time.time()
        stage.fill(out, log)
        filled = time.time()
        end = until(folded(stage, roles, stage.ends()), "the workers are through", roles)
        return {"workers": workers, "per_s": round(rate * events / (end - start)),
                "seconds": round(end - start, 3), "log_filled_s": round(filled - start, 3),
                "cpu_s": cpu.since(), "written": stage.written()}


def throughput(a: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"partitions": a.partitions}
    with tempfile.TemporaryDirectory() as folder:
        for name, file, rate in (
                ("facts", city_file(Path(folder) / "city.ndjson", a.subjects), 1),
                ("readings", readings_file(Path(folder) / "iot.ndjson", a.batches), 500)):
            say(f"{name}: {_lines(file):,} events")
            found[name] = apart(file, a.partitions, rate)
            with Stage(partitions=a.partitions) as stage:
                found[name]["both"] = pipeline(stage, file, rate)
            say(f"  both: {found[name]['both']}")
    return found


def scaling(a: argparse.Namespace) -> dict[str, Any]:
    """The same log for one worker and for two; alternately, so that drift hits both."""
    with tempfile.TemporaryDirectory() as folder, Stage(partitions=4) as stage:
        file = city_file(Path(folder) / "city.ndjson", a.subjects)
        events = _lines(file)
        stage.publish(file)
        intake = stage.role("intake")
        intake_through(intake, events, time.time())
        intake.stop()
        log = stage.log()
    runs = []
    for n in range(2 * a.repeats):
        runs.append(delivered(log, events, 4, 1 + n % 2))
        say(f"  {runs[-1]}")
    best = {k: max(r["per_s"] for r in runs if r["workers"] == k) for k in (1, 2)}
    return {"events": events, "runs": runs, "one_per_s": best[1], "two_per_s": best[2],
            "ratio": round(best[2] / best[1], 2)}


# ------------------------------------------------------------------------------------------- peers

def peers(a: argparse.Namespace) -> dict[str, Any]:
    missing = install()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = city_file(Path(folder) / "city.ndjson", a.subjects)
        events = _lines(file)
        say(f"{events:,} events")
        for _ in range(a.repeats):
            with Stage(partitions=a.partitions) as stage:
                ours = pipeline(stage, file)
            rows.append({"name": "xinfeng, intake and one worker", "events_per_s": ours["per_s"],
                         "seconds": ours["seconds"], "cpu_s": ours["cpu_s"],
                         "outputs": ours["written"]})
            say(f"  {rows[-1]}")
            with Stage(partitions=1) as stage:
                raw = stage.topic("raw")
                _produce(stage, raw, file)
                for name in PEERS:
                    rows.append(peer(stage, name, raw, events, missing))
                    say(f"  {rows[-1]}")
    return {"events": events, "partitions": a.partitions, "rows": rows, **_compared(rows)}


def install() -> dict[str, str]:
    """Make .venv-peers, unless it is there; {requirement: why it could not be installed}."""
    venv = ROOT / ".venv-peers"
    wanted = (Path(__file__).parent / "peers" / "requirements.txt").read_text()
    stamp = venv / ".installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return {}
    say("installing the peers into .venv-peers: a minute or two, once")
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    failed = {}
    for line in wanted.splitlines():
        if line and not line.startswith("#"):
            done = subprocess.run([str(venv / "bin" / "python"), "-m", "pip", "install", "-q",
                                   "--disable-pip-version-check", line], capture_output=True,
                                  text=True, check=False)
            if done.returncode:
                failed[line] = (done.stderr.strip().splitlines() or ["?"])[-1]
                say(f"  {line}: {failed[line]}")
    if not failed:
        stamp.write_text(wanted)
    return failed


def peer(stage: Stage, name: str, raw: str, events: int, missing: dict[str, str]) -> dict[str, Any]:
    """Run one peer; its row, or why there is none."""
    sink = stage.topic(f"out-{name}", **{"message.timestamp.type": "LogAppendTime"})
    process = subprocess.Popen(
        [str(ROOT / ".venv-peers" / "bin" / "python"), "-m", f"bench.peers.{name}", "--servers",
         stage.access.servers, "--source", raw, "--sink", sink, "--group",
         f"{stage.prefix}.{name}", "--events", str(events)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = process.communicate(timeout=180)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return {"name": name, "failed": "not through after 180 s"}
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    results = re.findall(r'\{"name".*\}', out)  # Faust puts terminal codes before it.
    if not results:
        last = (err.strip().splitlines() or [f"exit {process.returncode}"])[-1]
        return {"name": name, "failed": "; ".join([last, *missing.values()])}
    found: dict[str, Any] = json.loads(results[-1])
    return found


def _produce(stage: Stage, topic: str, file: Path) -> None:
    out = Outgoing(stage.access, linger_ms=20)
    subject = msgspec.json.Decoder(msgspec.defstruct("Head", [("subject", str)]))
    with file.open("rb") as lines:
        for line in lines:
            out.send(topic, line.strip(), key=subject.decode(line).subject.encode())
    out.flush()


def _compared(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Best run of each, against ours; prints the table."""
    good = [r for r in rows if "failed" not in r]
    best: dict[str, dict[str, Any]] = {}
    for row in good:
        if row["name"] not in best or row["events_per_s"] > best[row["name"]]["events_per_s"]:
            best[row["name"]] = row
    ours = best["xinfeng, intake and one worker"]["events_per_s"]
    said = {(r["outputs"], r["outputs_digest"]) for r in good if "outputs_digest" in r}
    say("| | events/s | ours / theirs |\n|---|---|---|")
    for name, row in best.items():
        say(f"| {name} | {row['events_per_s']:,} | {ours / row['events_per_s']:.2f} |")
    for row in rows:
        if "failed" in row:
            say(f"| {row['name']} | failed: {row['failed']} | |")
    assert len(said) <= 1, f"peers differ in what they say: {said}"
    return {"ours_to_theirs": {name: round(ours / row["events_per_s"], 2)
                               for name, row in best.items()},
            "failed": {r["name"]: r["failed"] for r in rows if "failed" in r}}


# ----------------------------------------------------------------------------------------- latency

def latency(a: argparse.Namespace) -> dict[str, Any]:
    """Open loop: an event is sent when its time has come, and its alert is counted from then."""
    with Stage(partitions=a.partitions, feed_time="broker") as stage:
        worker = stage.role("worker")
        intake = stage.role("intake")
        ready(stage, [worker])
        until(lambda: intake.metrics().get("xinfeng_intake_leads") == 1, "intake leads", [intake])
        seen = Alerts(stage)
        out = Outgoing(stage.access, linger_ms=0)
        number = 0
        while not seen.at:  # The first alert says that all is running.
            number += 1
            send(stage, out, number, alerting=True)
            seen.listen(1.0)
        count = round(a.rate * a.seconds)
        due: dict[str, float] = {}
        cpu = Cpu(stage, intake, worker)
        begin = time.time() + 0.2

        def run() -> None:
            for n in range(count):
                at = begin + n / a.rate
                wait = at - time.time()
                if wait > 0:
                    time.sleep(wait)
                alerting = n % a.every == 0
                subject = send(stage, out, number + 1 + n, alerting)
                if alerting:
                    due[subject] = at
            out.flush()

        thread = threading.Thread(target=run)
        thread.start()
        while thread.is_alive():
            seen.listen(0.2)
        late = time.time() - begin - count / a.rate
        end = time.time() + 20
        while time.time() < end and not due.keys() <= seen.at.keys():
            seen.listen(0.2)
        used = cpu.since()
        seen.close()
    took = sorted(1000 * (seen.at[s] - at) for s, at in due.items() if s in seen.at)
    return {"rate_per_s": a.rate, "events": count, "alerts_expected": len(due),
            "alerts_seen": len(took), "sender_late_s": round(late, 3),
            **{f"p{q}_ms": round(took[min(len(took) - 1, len(took) * q // 100)], 1)
               for q in (50, 90, 99)}, "max_ms": round(took[-1], 1), "cpu_s": used}


class Alerts:
    """When the first alert of each subject was read from the alerts' topic."""

    def __init__(self, stage: Stage) -> None:
        self.at: dict[str, float] = {}
        self._consumer = Consumer({**confluent(stage.access), "enable.auto.commit": False,
                                   "group.id": f"{stage.prefix}.bench"})
        self._consumer.assign([TopicPartition(stage.topics.alerts, p, 0)
                               for p in range(stage.partitions)])

    def listen(self, seconds: float) -> None:
        end = time.time() + seconds
        while (left := end - time.time()) > 0:
            message = self._consumer.poll(left)
            if message is not None and message.error() is None:
                subject = json.loads(message.value() or b"{}")["subject"]
                self.at.setdefault(subject, time.time())

    def close(self) -> None:
        self._consumer.close()


def send(stage: Stage, out: Outgoing, n: int, alerting: bool) -> str:
    """One event of now: a serious penalty, which opens an alert, or an inspection that was passed.
    """
    subject = code(n if alerting else 50_000_000 + n % 20_000)
    now = dt.datetime.now(dt.UTC)
    day = (now + dt.timedelta(hours=8)).date().isoformat()
    if alerting:
        type_, data = "penalty.decided", (
            f'{{"item":"cq1-17","document":"B-{n}","kinds":["fine"],"class":"serious",'
            f'"decided_on":"{day}","basis":[{{"law":"bench","article":"1"}}]}}')
    else:
        type_, data = "inspection.completed", (
            '{"item":"cq1-17","plan":"random","result":"pass","findings":[]}')
    body = (f'{{"specversion":"1.0","source":"bench","id":"b{n}","type":"{type_}","subject":'
            f'"{subject}","time":"{now.isoformat(timespec="milliseconds")}","data":{data}}}')
    out.send(stage.topics.feed_of(type_), body.encode(), key=subject.encode())
    return subject


# ----------------------------------------------------------------------------------------- restart

def restart(a: argparse.Namespace) -> dict[str, Any]:
    with Stage(partitions=a.partitions, checkpoint_s=1) as stage:
        start = time.time()
        events = fill_registered(stage, a.subjects, a.facts)
        say(f"  log filled in {time.time() - start:.1f} s")
        ends = stage.ends()
        worker = stage.role("worker")
        first = until(folded(stage, [worker], ends), "all is folded", [worker])
        folded_s = first - worker.said("msg=assigned")[-1][0]
        say(f"  folded in {folded_s:.1f} s")
        folder = Path(stage.settings.worker.folder)

        def saved() -> bool:
            return all((folder / f"p{p:04d}-of-{stage.partitions:04d}"
                        / f"{end:020d}.checkpoint").exists() for p, end in enumerate(ends))

        until(saved, "all checkpoints are written", [worker])
        size = sum(f.stat().st_size for f in folder.rglob("*.checkpoint"))
        time.sleep(0.5)
        worker.stop(signal.SIGKILL if a.kill else signal.SIGTERM)
        say("  stopped; starting again")
        start = time.time()
        worker = stage.role("worker")
        end = until(lambda: _no_lag(worker, ends), "the worker is ready", [worker])
        given = worker.said("msg=assigned")[-1][0]
        subjects = sum(v for k, v in worker.metrics().items()
                       if k.startswith("xinfeng_partition_subjects"))
        return {"subjects": round(subjects), "events": events, "first_fold_s": round(folded_s, 1),
                "checkpoints_mib": round(size / 2**20, 1), "killed": a.kill,
                "ready_s": round(end - start, 2), "of_it_until_assigned_s": round(given - start, 2)}


def _no_lag(worker: Role, ends: list[int]) -> bool:
    found = worker.metrics()
    return all(found.get(f'xinfeng_partition_lag_envelopes{{partition="{p}"}}') == 0
               and found.get(f'xinfeng_partition_applied_offset{{partition="{p}"}}') == end
               for p, end in enumerate(ends))


def fill_registered(stage: Stage, subjects: int, facts: int) -> int:
    """A log of registrations and some inspections, written as intake would; its events."""
    out, count = Outgoing(stage.access, linger_ms=50), 0
    policy = load.policy()
    first = e.PolicyChanged(encode(policy), digest(encode(policy)))

    def put(partition: int, entries: list[Entry]) -> None:
        nonlocal count
        count += len(entries)
        kafka_log.write(out, stage.topics.log, partition, stage.partitions,
                        codec.encode_envelope(entries),
                        [getattr(x.event, "subject", "") for x in entries])

    for partition in range(stage.partitions):
        put(partition, [Entry(0, codec.encode(first), first)])
    homes: list[list[Entry]] = [[] for _ in range(stage.partitions)]
    rows = made_facts(subjects, 1), _last(made_facts(facts, 2), facts)
    for lines in (chunk for part in rows for chunk in _chunks(part, 50_000)):
        found, _ = envelopes(lines)
        for entry in (x for chunk in found for x in chunk):
            if not isinstance(entry.event, e.CloudEvent):
                continue
            home = partition_of(entry.event.subject, stage.partitions)
            homes[home].append(entry)
            if len(homes[home]) == 500:
                put(home, homes[home])
                homes[home] = []
    for home, entries in enumerate(homes):
        if entries:
            put(home, entries)
    out.flush()
    return count


def _chunks(lines: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    held: list[bytes] = []
    for line in lines:
        held.append(line)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held


def _last(lines: Iterable[bytes], count: int) -> Iterator[bytes]:
    """What follows the first `count`."""
    for n, line in enumerate(lines):
        if n >= count:
            yield line


# -------------------------------------------------------------------------------------------- main

def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="QUESTION")

    def command(run: Callable[[argparse.Namespace], dict[str, Any]], partitions: int = 4,
                **options: float) -> None:
        made = commands.add_parser(run.__name__)
        made.set_defaults(run=run)
        made.add_argument("--partitions", type=int, default=partitions, help="of the log")
        for name, value in options.items():
            made.add_argument(f"--{name}", type=type(value), default=value)
        if run is restart:
            made.add_argument("--kill", action="store_true", help="stop it by SIGKILL")

    command(peers, subjects=20_000, repeats=1)
    command(throughput, subjects=12_000, batches=12_000)
    command(scaling, subjects=15_000, repeats=2)
    command(latency, rate=2_000, seconds=30, every=50)
    command(restart, subjects=1_000_000, facts=100_000)
    a = parser.parse_args()
    # So that a bench that is ended cleans up, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    found = {"question": a.run.__name__, "machine": machine(), **a.run(a)}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
