"""`xinfeng publish`: files of events onto the feeds, as a department's own system would send them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import msgspec

from storage.kafka_client import Access, Outgoing, Topics
from storage.kafka_topics import require
from streams.batch import open_lines
from streams.options import wall_ms


class _Envelope(msgspec.Struct):
    """What tells where an event goes; the rest is not looked at."""

    type: str = ""
    subject: str = ""
    time: Any = ""


_HEAD = msgspec.json.Decoder(_Envelope)


def publish(access: Access, files: Iterable[str], *, event_time: bool,
            progress: Any = None) -> dict[str, int]:
    """Write each line to the feed of its type, keyed by its subject.

    Parameters
    ----------
    event_time
        Give each record the time of its event (never less than of the one before): history being
        played, for feeds with `feed_time = "producer"`. Else the present.

    Returns
    -------
    Records written, by topic.

    Raises
    ------
    StoreError: no broker answers at the start, or a feed is missing.
    """
    topics = Topics.of(access.prefix)
    require(access, topics.feeds)
    out = Outgoing(access, linger_ms=20)
    counts: dict[str, int] = {}
    clock_ms = sent = 0
    for name in files:
        with open_lines(name) as file:
            for line in file:
                raw = line.strip()
                if not raw:
                    continue
                try:
                    head = _HEAD.decode(raw)
                except (msgspec.MsgspecError, UnicodeError, RecursionError):
                    head = _Envelope()  # Intake says what is wrong with it.
                time_ms = 0
                if event_time:
                    clock_ms = time_ms = max(clock_ms + 1, _time_ms(head.time))
                topic = topics.feed_of(head.type)
                out.send(topic, raw, key=head.subject.encode("utf-8", "replace"),
                         timestamp_ms=time_ms or wall_ms())
                counts[topic] = counts.get(topic, 0) + 1
                sent += 1
                if progress is not None and not sent % 5000:
                    progress(sent, file)
    out.flush()
    return counts


def _time_ms(text: Any) -> int:
    try:
        return round(dt.datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, TypeError):
        return 0
