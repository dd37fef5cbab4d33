"""A watched folder: files of events that departments drop into it.

A file is taken once it has stopped growing, read to its end, and moved: to `done/` when every
event went in, to `failed/` when any did not, with the reasons beside it in `NAME.rejects.json`.
A crash in between only means that the file is read again: identities drop what is known.
"""

from __future__ import annotations

import gzip
import logging
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from watchfiles import watch

from streams.batch import LINE_MAX, open_lines
from streams.service import EmbeddedService

_LOG = logging.getLogger("xinfeng.folder")
SUFFIXES = (".ndjson", ".ndjson.gz")
QUIET_S = 1.0
"""A file that has not changed for this long is completely written."""
LINES_MAX = 500
REJECTS_MAX = 10_000
"""Rejects written beside a file; the dead letters hold all of them."""


def run(service: EmbeddedService, folder: Path, stop: threading.Event) -> None:
    """Take files until `stop` is set: those that lie there, then each that arrives."""
    folder.mkdir(parents=True, exist_ok=True)
    _LOG.info("msg=\"watching folder\" folder=%r", str(folder))
    changes = watch(folder, recursive=False, stop_event=stop, yield_on_timeout=True,
                    rust_timeout=1_000, debounce=200)
    sweep(service, folder, stop)
    for _ in changes:
        sweep(service, folder, stop)


def sweep(service: EmbeddedService, folder: Path, stop: threading.Event) -> None:
    """Take every completely written file of the folder, by name."""
    for path in sorted(folder.iterdir()):
        if stop.is_set():
            return
        if path.is_file() and path.name.endswith(SUFFIXES) and not path.name.startswith("."):
            stat = path.stat()
            # A copy may bring its old time of change along, never its old time of arrival.
            if time.time() - max(stat.st_mtime, stat.st_ctime) >= QUIET_S:
                take(service, path, stop)


def take(service: EmbeddedService, path: Path, stop: threading.Event) -> None:
    """Read one file into the service and move it away; left where it is when `stop` is set."""
    taken: dict[str, Any] = {"file": path.name, "accepted": 0, "duplicates": 0, "rejected": 0,
                             "rejects": [], "error": None}
    try:
        for first, lines in _chunks(path):
            if stop.is_set():
                return
            receipt = service.submit(lines, f"folder:{path.name}")
            taken["accepted"] += receipt.accepted
            taken["duplicates"] += receipt.duplicates
            taken["rejected"] += len(receipt.rejected)
            room = REJECTS_MAX - len(taken["rejects"])
            taken["rejects"] += [{"line": first + x.index, "reason": x.reason}
                                 for x in receipt.rejected[:room]]
    except (OSError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        taken["error"] = f"{path.name}: cannot be read to its end: {error}"
    bad = taken["rejected"] or taken["error"]
    home = path.parent / ("failed" if bad else "done")
    home.mkdir(exist_ok=True)
    target = _free(home, path.name)
    if bad:
        report = target.with_name(target.name + ".rejects.json")
        report.write_bytes(msgspec.json.format(msgspec.json.encode(taken), indent=1))
    path.replace(target)
    _LOG.info("msg=\"file taken\" file=%r accepted=%d duplicates=%d rejected=%d", path.name,
              taken["accepted"], taken["duplicates"], taken["rejected"])


def _chunks(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """(number of the first line, lines) with empty lines kept out of neither: they are events."""
    first, lines = 1, list[bytes]()
    with open_lines(str(path)) as file:
        number = 0
        while line := file.readline(LINE_MAX + 1):
            number += 1
            raw = line.strip()
            if not raw:
                # Line numbers must stay right: what was collected goes first.
                if lines:
                    yield first, lines
                first, lines = number + 1, []
                continue
            lines.append(raw)
            if len(lines) >= LINES_MAX:
                yield first, lines
                first, lines = number + 1, []
    if lines:
        yield first, lines


def _free(home: Path, name: str) -> Path:
    """A name nothing has in that folder yet."""
    target, n = home / name, 1
    while target.exists():
        n += 1
        target = home / f"{n}-{name}"
    return target
