"""A subject as it stood at a moment, from its partition's log on Kafka."""

from __future__ import annotations

from collections.abc import Iterator

from storage.effects import Reason, Rejected
from storage.kafka_log import KafkaLog
from streams import codec
from streams.fold import fold
from streams.pipeline import Shard


class _Own:
    """What one partition's log holds of one subject, in memory."""

    def __init__(self, log: KafkaLog, subject: str) -> None:
        self._found = list(log.find(subject))

    def clock_ms(self) -> int:
        return max((entry.recorded_ms for _, body, positions in self._found
                    for entry in codec.decode_entries(body, positions)), default=0)

    def find(self, subject: str) -> Iterator[tuple[int, bytes, set[int]]]:
        return iter(self._found)

    def refusals(self, subject: str) -> Iterator[tuple[int, str, str, Reason]]:
        # Dead letters are not kept for ever, the log is: what was refused follows from it.
        shard = Shard()
        for _, body, positions in self._found:
            for effect in shard.step(codec.decode_entries(body, positions)):
                if isinstance(effect, Rejected):
                    yield effect.recorded_ms, effect.source, effect.id, effect.reason


def past(log: KafkaLog, subject: str, as_of_ms: int) -> Shard | None:
    """A shard with one subject only, as it stood at a moment [epoch ms]; see `streams.fold`.

    Reads all of its partition's log: seconds for each gigabyte.
    """
    return fold(_Own(log, subject), subject, as_of_ms)
