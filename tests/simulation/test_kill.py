"""A real process, killed without warning some ten times, each time at another point of its work.

Goal: what `simulator.py` shows with a broken connection holds for SIGKILL. Method: the same file is
read from its start after each kill, as an operator would; duplicates are dropped. In the end a run
that is left in peace must come to what an undisturbed run comes to.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import events as ev
import msgspec
import pytest
import simulator

from storage.sqlite_store import SqliteStore, StoreError
from streams import batch
from streams.embedded import Embedded
from streams.simulate import city

HERE = Path(__file__).parent
KILLS = 10


def spawn(*command: str) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(HERE.parent.parent), str(HERE.parent)])
    return subprocess.Popen([sys.executable, *command], env={**os.environ, "PYTHONPATH": path},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def written(folder: Path) -> int:
    """How many envelopes the log holds; 0 while there is no store that can be read."""
    try:
        store = SqliteStore(folder, write=False)
    except (StoreError, Exception):
        return 0
    try:
        return store.last_offset()
    finally:
        store.close()


def kill_at(process: subprocess.Popen[bytes], folder: Path, offset: int, wait_s: float) -> bool:
    """Kill a process a little after the log has reached an offset; False if it ended by itself."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if written(folder) >= offset:
            time.sleep(wait_s)
            break
        time.sleep(0.002)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def test_killed_again_and_again(tmp_path: Path) -> None:
    rng = random.Random(int(os.environ.get("XINFENG_SEED", "5")))
    lines = list(city(300, 300, 11))
    lines[40:40] = [b'{"specversion":"1.0"', b"\xff\xfe"]
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join(lines))
    envelopes = len(lines) // 40
    folder = tmp_path / "store"
    killed = 0
    for _ in range(KILLS):
        process = spawn(str(HERE / "worker.py"), str(file), str(folder))
        target = written(folder) + rng.randrange(max(2 * envelopes // KILLS, 2))
        killed += kill_at(process, folder, min(target, envelopes), rng.random() * 0.02)
        assert process.stderr is not None
        assert process.returncode in (0, -signal.SIGKILL), process.stderr.read().decode()
        process.communicate()
    assert killed >= KILLS // 2, f"only {killed} runs were still at work when they were killed"

    # The last run is the command itself, in peace.
    done = spawn("-c", "from streams.cli import main; main()", "process", str(file), "--store",
                 str(folder))
    out, err = done.communicate(timeout=120)
    assert done.returncode == 0, err.decode()
    summary = msgspec.json.decode(out)
    calm = Embedded(None, ev.policy("default"))
    batch.process(calm, [str(file)], now_ms=ev.FAR_MS)
    expected = simulator.settled(calm, 0)
    assert summary["digest"] == expected.digest
    runner = Embedded(folder, None)
    try:
        outcome = simulator.settled(runner, killed)
    finally:
        runner.close()
    assert outcome.digest == expected.digest
    assert outcome.transitions == expected.transitions, "an alert was lost or doubled"
    assert outcome.rejects >= expected.rejects
    assert {reason for _, reason in outcome.rejects} == {reason for _, reason in expected.rejects}


def test_kill_test_notices_what_was_not_written(tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: a store that drops one transition fails the reading of `settled`."""
    runner = Embedded(tmp_path / "store", ev.policy("default"))
    for chunk in range(0, 2_000, 400):
        simulator.send(runner, list(city(150, 200, 3))[chunk : chunk + 400])
    assert simulator.settled(runner, 0).transitions
    runner.store.query("DELETE FROM transitions WHERE seq = (SELECT max(seq) FROM transitions)")
    with pytest.raises(AssertionError):
        simulator.settled(runner, 0)
    runner.store.close()
