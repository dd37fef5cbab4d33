"""Checkpoints of one partition as files, each stamped with the log offset it has applied.

A checkpoint only saves folding the log again. It is written beside its place and moved there when
it is whole; one that was damaged all the same is noticed by its hash and passed over. Two are kept:
a view that lost its last second is then still behind one that can bring it up to date.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import xxhash

KEPT = 2
_MAGIC = b"xinfeng checkpoint 1\n"
_LENGTH = struct.Struct("<Q")


class Damaged(Exception):
    """A checkpoint is not what was written."""


class Checkpoints:
    """Files `<offset>.checkpoint` in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, offset: int, parts: Iterable[bytes]) -> None:
        """Write a checkpoint of the state before `offset`; it is there whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{offset:020d}.checkpoint"
        # Two processes may write the same one for a moment, after a partition was handed over.
        making = self.folder / f"{offset:020d}.{os.getpid()}.part"
        digest = xxhash.xxh3_128(_MAGIC)
        with making.open("wb") as file:
            file.write(_MAGIC)
            for part in parts:
                length = _LENGTH.pack(len(part))
                digest.update(length)
                digest.update(part)
                file.write(length)
                file.write(part)
            file.write(_LENGTH.pack(0) + digest.digest())
            file.flush()
            os.fsync(file.fileno())
        making.replace(path)
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        for old in self.offsets()[:-KEPT]:
            self.remove(old)
        self._sweep()

    def _sweep(self) -> None:
        """Remove what writers that crashed left behind: nobody writes an older one any more."""
        oldest = min(self.offsets(), default=0)
        for part in self.folder.glob("*.part"):
            if int(part.name.partition(".")[0]) < oldest:
                part.unlink(missing_ok=True)

    def offsets(self) -> list[int]:
        """Offsets of the checkpoints that are there, ascending."""
        return sorted(int(path.stem) for path in self.folder.glob("*.checkpoint")
                      if path.stem.isdigit())

    def remove(self, offset: int) -> None:
        (self.folder / f"{offset:020d}.checkpoint").unlink(missing_ok=True)

    def load(self, offset: int) -> Iterator[bytes]:
        """Parts of a checkpoint.

        Raises
        ------
        Damaged: perhaps only at the end; what was read until then must be thrown away.
        """
        digest = xxhash.xxh3_128(_MAGIC)
        with (self.folder / f"{offset:020d}.checkpoint").open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if file.read(len(_MAGIC)) != _MAGIC:
                raise Damaged(f"{file.name}: does not begin like a checkpoint")
            while True:
                head = file.read(_LENGTH.size)
                if len(head) < _LENGTH.size:
                    raise Damaged(f"{file.name}: ends early")
                (length,) = _LENGTH.unpack(head)
                if not length:
                    break
                # A damaged length may be anything: it is not asked for.
                part = file.read(length) if length <= size else b""
                if len(part) < length:
                    raise Damaged(f"{file.name}: ends early")
                digest.update(head)
                digest.update(part)
                yield part
            if file.read() != digest.digest():
                raise Damaged(f"{file.name}: its hash differs")
