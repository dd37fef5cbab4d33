"""Goal: a checkpoint is there whole or not at all, and one that was damaged is never taken for one.

Method: a small checkpoint is cut at every length and has every byte changed; writing is broken off
at every step, as by a crash, and done by two writers at once. A planted fault, a hash that is not
looked at, shows that the damage tests notice.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import checkpoint_files
from storage.checkpoint_files import KEPT, Checkpoints, Damaged

PARTS = [b"head", b"\0" * 9, b"x" * 40]


def saved(folder: Path, offset: int = 7) -> tuple[Checkpoints, Path]:
    made = Checkpoints(folder / "p0000-of-0001")
    made.save(offset, PARTS)
    return made, made.folder / f"{offset:020d}.checkpoint"


class Crash(BaseException):
    """The process died here: nothing of it runs any more."""


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.integers(0, 2**63 - 1))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes],
                    offset: int) -> None:
    files = Checkpoints(tmp_path_factory.mktemp("round"))
    files.save(offset, iter(parts))
    assert files.offsets() == [offset]
    assert list(files.load(offset)) == parts


def test_the_newest_are_kept(tmp_path: Path) -> None:
    files = Checkpoints(tmp_path / "deep" / "folder")
    assert files.offsets() == []
    for offset in (5, 900, 10_000, 2**40):
        files.save(offset, [b"%d" % offset])
    assert files.offsets() == [10_000, 2**40] and KEPT == 2
    assert [list(files.load(n)) for n in files.offsets()] == [[b"10000"], [b"%d" % 2**40]]
    files.remove(10_000)
    files.remove(10_000)
    assert files.offsets() == [2**40]


def test_an_older_one_than_are_kept_goes_at_once(tmp_path: Path) -> None:
    """Somebody folds again from the start while newer ones lie there: those stay."""
    files = Checkpoints(tmp_path)
    for offset in (30, 20, 10):
        files.save(offset, [b"x"])
    assert files.offsets() == [20, 30]


def test_truncated_at_every_length(tmp_path: Path) -> None:
    files, path = saved(tmp_path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(Damaged, match=r"07\.checkpoint: "):
            list(files.load(7))
    path.write_bytes(whole)
    assert list(files.load(7)) == PARTS


def flipped(path: Path) -> Iterator[int]:
    """The file with one byte changed, for each of its bytes."""
    whole = path.read_bytes()
    for at in range(len(whole)):
        for bit in (0x01, 0x80):
            spoilt = bytearray(whole)
            spoilt[at] ^= bit
            path.write_bytes(spoilt)
            yield at
    path.write_bytes(whole)


def test_a_changed_byte_anywhere(tmp_path: Path) -> None:
    files, path = saved(tmp_path)
    for _ in flipped(path):
        with pytest.raises(Damaged):
            list(files.load(7))
    assert list(files.load(7)) == PARTS


def test_bytes_after_the_end(tmp_path: Path) -> None:
    files, path = saved(tmp_path)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(Damaged, match="hash differs"):
        list(files.load(7))


def test_a_hash_that_is_not_looked_at_is_noticed(tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind:
        def __init__(self, *_: object) -> None: ...
        def update(self, _: bytes) -> None: ...
        def digest(self) -> Any:
            return AnyBytes()

    class AnyBytes(bytes):
        def __eq__(self, _: object) -> bool:
            return True

        def __ne__(self, _: object) -> bool:
            return False

        __hash__ = bytes.__hash__

    files, path = saved(tmp_path)
    monkeypatch.setattr(checkpoint_files.xxhash, "xxh3_128", Blind)
    missed = 0
    for _ in flipped(path):
        try:
            list(files.load(7))
            missed += 1
        except Damaged:
            pass
    assert missed > len(PARTS[2])


# ------------------------------------------------------------------------------------- writing


def test_a_left_over_part_is_ignored(tmp_path: Path) -> None:
    files, path = saved(tmp_path)
    (path.parent / f"{9:020d}.4711.part").write_bytes(path.read_bytes()[:30])
    (path.parent / f"{7:020d}.{os.getpid()}.part").write_bytes(b"longer than what comes" * 99)
    assert files.offsets() == [7]
    files.save(7, PARTS)
    assert files.offsets() == [7] and list(files.load(7)) == PARTS


def test_parts_of_crashed_writers_do_not_pile_up(tmp_path: Path) -> None:
    """They go once newer checkpoints have taken their place; a part that may still be written to
    stays."""
    files = Checkpoints(tmp_path)
    for offset in (3, 20, 25):
        (tmp_path / f"{offset:020d}.1.part").write_bytes(b"half")
    for offset in (10, 20):
        files.save(offset, PARTS)
    assert sorted(int(x.name[:20]) for x in tmp_path.glob("*.part")) == [20, 25]


def test_nothing_half_written_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between any two parts, before the file is safe on disk, and before it is moved: what
    was there before is all that is there, and the next attempt succeeds."""
    files, _ = saved(tmp_path)

    def parts(upto: int) -> Iterator[bytes]:
        for n, part in enumerate(PARTS):
            if n == upto:
                raise Crash
            yield part
            assert files.offsets() == [7]

    for upto in range(len(PARTS)):
        with pytest.raises(Crash):
            files.save(8, parts(upto))
        assert files.offsets() == [7]

    def crash(*_: object, **__: object) -> None:
        assert files.offsets() == [7]
        raise Crash

    for owner, name in ((os, "fsync"), (Path, "replace")):
        with monkeypatch.context() as patch, pytest.raises(Crash):
            patch.setattr(owner, name, crash)
            files.save(8, PARTS)
        assert files.offsets() == [7]
    assert list(files.load(7)) == PARTS
    files.save(8, PARTS)
    assert files.offsets() == [7, 8] and list(files.load(8)) == PARTS


def test_it_is_on_disk_before_it_is_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power cut a moved file must not be empty: first its bytes, then its name, then the
    folder."""
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        is_folder = os.path.isdir(f"/proc/self/fd/{handle}")  # noqa: PTH112
        if not is_folder:
            done.append(f"bytes {os.fstat(handle).st_size}")
        else:
            done.append("folder")
        fsync(handle)

    def moved(self: Path, target: Path) -> Path:
        done.append("name")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", moved)
    _, path = saved(tmp_path)
    assert done == [f"bytes {path.stat().st_size}", "name", "folder"]


def test_two_writers_of_one_offset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes have the partition for a moment: each file has a name of its own until it is
    whole, so the last one moved there stands, and is whole."""
    files = Checkpoints(tmp_path)
    pids = iter((1, 2))
    lock = threading.Lock()
    mine = threading.local()

    def getpid() -> int:
        with lock:
            if not hasattr(mine, "pid"):
                mine.pid = next(pids)
        return int(mine.pid)

    monkeypatch.setattr(checkpoint_files.os, "getpid", getpid)
    meet = threading.Barrier(2)

    def parts(fill: bytes) -> Iterator[bytes]:
        for _ in range(50):
            meet.wait(60)
            yield fill * 500

    threads = [threading.Thread(target=files.save, args=(3, parts(fill))) for fill in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files.offsets() == [3]
    assert list(files.load(3)) in ([b"a" * 500] * 50, [b"b" * 500] * 50)
    assert not list(tmp_path.glob("*.part"))


def test_one_that_is_read_while_it_is_replaced_or_removed(tmp_path: Path) -> None:
    """Whoever opened it reads it to its end."""
    files, _ = saved(tmp_path)
    reading = files.load(7)
    assert next(reading) == PARTS[0]
    files.save(7, [b"other"])
    files.remove(7)
    assert list(reading) == PARTS[1:]
