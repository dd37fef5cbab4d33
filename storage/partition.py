"""Which partition a subject belongs to. Part of the log's format: it never changes."""

from __future__ import annotations

import xxhash


def partition_of(subject: str, partitions: int) -> int:
    """Number of the partition, from 0, that holds all events about a subject.

    Examples
    --------
    >>> partition_of("91500106MA60AB125D", 12), partition_of("91500106MA60AB125D", 1)
    (6, 0)
    """
    return xxhash.xxh3_64_intdigest(subject.encode()) % partitions
