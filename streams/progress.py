"""A progress bar on standard error for commands that read large files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Report = Callable[[int, Any], None]
"""Called with the events read so far and the file they come from; None at the end."""


@contextmanager
def folding() -> Iterator[Callable[[int], None]]:
    """A count of the events folded so far, on a terminal only."""
    console = Console(stderr=True)
    with Progress(SpinnerColumn(), TextColumn("{task.completed:,.0f} events"), TimeElapsedColumn(),
                  console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda events: bar.update(task, completed=events)


@contextmanager
def shown(files: Sequence[str], wanted: bool) -> Iterator[Report | None]:
    """A bar over the bytes of all files while the block runs; None when it is not wanted."""
    if not wanted:
        yield None
        return
    sizes = None if "-" in files else sum(Path(name).stat().st_size for name in files)
    started = time.perf_counter()
    done: dict[Any, int] = {}
    columns = (BarColumn(), DownloadColumn(), TextColumn("{task.fields[rate]}"),
               TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=sizes, rate="")

        def report(events: int, file: Any) -> None:
            if file is not None:
                done[file] = _position(file)
            rate = events / (time.perf_counter() - started)
            bar.update(task, completed=sum(done.values()), rate=f"{rate:,.0f} events/s")

        yield report
        if sizes is not None:
            bar.update(task, completed=sizes)


def _position(file: Any) -> int:
    """Bytes of the file itself that were read: of a gzip file the packed ones."""
    try:
        return int(getattr(file, "fileobj", file).tell())
    except (OSError, ValueError, AttributeError):
        return 0
