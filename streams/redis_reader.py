"""Read queries on the view in Redis, as the rows the outside sees (`streams.view.View`)."""

from __future__ import annotations

import heapq
import re
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import redis

from config.districts import district_names
from storage import redis_draws, tallies
from storage import redis_keys as keys
from storage.effects import AlertChanged, DrawnChanged, DrawPooled, ReviewChanged
from storage.rows import SubjectRow
from storage.sqlite_store import StoreError
from storage.tallies import Lane
from streams import rows
from streams.facts import variants_of
from streams.redis_numbers import RedisNumbers
from streams.redis_state import CHUNK
from streams.rows import Row

CONNECT_S = 5.0
LOOKED_BACK = 20_000
"""Transitions read back in search of those of one alert: some 100 ms."""
ANSWER_S = 60.0
_ALERT = msgspec.msgpack.Decoder(AlertChanged).decode
_REVIEW = msgspec.msgpack.Decoder(ReviewChanged).decode


class RedisReader(RedisNumbers):
    """Queries of the view under one prefix, from any thread."""

    # ------------------------------------------------------------------------------------ alerts

    def alerts(self, *, rule: str | None = None, state: str | None = None,
               level: str | None = None, subject: str | None = None, limit: int = 50,
               before: str | None = None) -> list[Row]:
        """Alerts, the newest opening first; `before` = the last `id` of the page before."""
        below = "+inf"
        if before is not None:
            opened = self.client.zscore(f"{self.keys.alerts}:opened", before)
            if opened is None:
                return []
            below = f"({opened:.0f}"
        given = (rule, level, state)
        if subject is not None:
            # A subject has few: all are looked at.
            ids = self._alerts_of(subject, below)
        elif given == (None, None, None):
            ids = self._newest_of([f"{self.keys.alerts}:opened"], below, limit)
        else:
            wanted = {n: value for n, value in enumerate(given) if value is not None}
            ids = self._newest_of([f"{self.keys.alerts}:in:{group.name.decode()}" for group
                                   in self._groups(self.keys.alerts, wanted)], below, limit)
        told = [(_ALERT(body), seq) for seq, body in
                (keys.alert(x) for x in self._hmget(self.keys.alerts, ids) if x is not None)]
        if subject is not None:
            told = [(x, seq) for x, seq in told if all(
                want in (None, is_) for want, is_ in zip(given, (x.rule, x.level, x.state),
                                                         strict=True))]
        return self._alert_rows(told[:limit])

    def _alerts_of(self, subject: str, below: str) -> list[bytes]:
        """Ids of all alerts of a subject below a bound, the newest opening first."""
        ids = (self.client.hget(f"{self.keys.alerts}:of", subject) or b"").split()
        scores = self.client.zmscore(f"{self.keys.alerts}:opened", ids) if ids else []
        bound = float(below.removeprefix("("))
        found = [(score, id) for score, id in zip(scores, ids, strict=True)
                 if score is not None and score < bound]
        return [id for _, id in sorted(found, reverse=True)]

    def _newest_of(self, names: Sequence[str], below: str, limit: int) -> list[bytes]:
        """Members of some sets below a bound, the highest score first."""
        with self.client.pipeline(transaction=False) as tx:
            for name in names:
                tx.zrange(name, below, "-inf", desc=True, byscore=True, withscores=True, offset=0,
                          num=limit)
            found = tx.execute()
        merged = heapq.nlargest(limit, (x for part in found for x in part), key=lambda x: x[1])
        return [id for id, _ in merged]

    def _hmget(self, name: str, fields: Sequence[str | bytes]) -> list[bytes | None]:
        out: list[bytes | None] = []
        for start in range(0, len(fields), CHUNK):
            out += self.client.hmget(name, fields[start : start + CHUNK])
        return out

    def alert(self, alert_id: str) -> Row | None:
        held = self.client.hget(self.keys.alerts, alert_id)
        if held is None:
            return None
        seq, body = keys.alert(held)
        return self._alert_rows([(_ALERT(body), seq)])[0]

    def transitions_of(self, alert_id: str) -> tuple[list[Row], bool]:
        """What happened to an alert, oldest first, as far as the stream of transitions is read
        back: `LOOKED_BACK` records. All of it is in the topic of alerts."""
        held = self.client.hget(self.keys.alerts, alert_id)
        at = f"{keys.alert(held)[0]}-0" if held is not None else None
        needle, told, looked = alert_id.encode(), list[Row](), 0
        while at is not None and looked < LOOKED_BACK and (not told or told[-1]["was"]):
            found = self.client.xrevrange(self.keys.transitions, at, "-", count=CHUNK)
            told += [rows.transition_row(effect, int(id.partition(b"-")[0]))
                     for id, fields in found if needle in fields[b""]
                     and (effect := _ALERT(fields[b""])).id == alert_id]
            looked += len(found)
            at = f"({found[-1][0].decode()}" if len(found) == CHUNK else None
        return told[::-1], bool(told) and not told[-1]["was"]

    def changes(self, after_seq: int, limit: int) -> list[Row]:
        """Transitions with `seq` above `after_seq`, oldest first."""
        found = self.client.xrange(self.keys.transitions, f"({after_seq}-0", "+", count=limit)
        return self._alert_rows([(_ALERT(fields[b""]), int(id.partition(b"-")[0]))
                                 for id, fields in found])

    def last_seq(self) -> int:
        return int(self.client.get(self.keys.seq) or 0)

    def models(self) -> Row | None:
        """The last report of the analysis; None before the first."""
        held = self.client.get(self.keys.models)
        return msgspec.json.decode(held) if held else None

    def _alert_rows(self, told: Sequence[tuple[AlertChanged, int]]) -> list[Row]:
        """Rows of (alert, seq)."""
        timeline = self.timeline() if told else None
        if timeline is None:
            return []
        items = rows.catalogue(timeline.last.policy, district_names())
        names = self._names([x.subject for x, _ in told])
        shard = self.records_of({x.subject for x, _ in told})
        return [rows.alert_row(
            x, seq, names[x.subject], items, timeline.last.offset_ms,
            variants_of(shard, x.subject, [(e.source, e.id) for e in x.evidence]))
            for x, seq in told]

    # ----------------------------------------------------------------------------------- reviews

    def reviews(self, *, state: str | None = None, limit: int = 50,
                before: str | None = None) -> list[Row]:
        """Reviews, the newest opening first; `before` = the last `id` of the page before."""
        name, start = self.keys.reviews_in(state or "all"), 0
        if before is not None:  # It may have left its state since that page was read.
            if (at := self.client.zscore(self.keys.reviews_in("all"), before)) is None:
                return []
            ties = self.client.zrange(name, at, at, byscore=True)
            start = self.client.zcount(name, "-inf", f"({at!r}") + bisect(ties, before.encode())
        return self._reviews(self.client.zrange(name, start, start + limit - 1))

    def review(self, review_id: str) -> Row | None:
        return next(iter(self._reviews([review_id])), None)

    def _reviews(self, ids: Sequence[str | bytes]) -> list[Row]:
        effects = [_REVIEW(x) for x in self._hmget(self.keys.reviews, ids) if x is not None]
        names = self._names(x.subject for x in effects)
        asked = [(x.id, a["department"], a["time_ms"]) for x in effects for a in x.answers]
        texts = self._hmget(self.keys.answers, [keys.answer(*a) for a in asked])
        reasons: dict[str, dict[tuple[str, int], str]] = {}
        for (review, department, time_ms), text in zip(asked, texts, strict=True):
            if text is not None:
                reasons.setdefault(review, {})[department, time_ms] = text.decode()
        return [rows.review_row(x, names[x.subject], reasons.get(x.id, {})) for x in effects]

    def board(self, lane: Lane, a: str, b: str, first: str, last: str, limit: int) -> list[Row]:
        found = self.client.zrange(self.keys.board(a, b, lane), f"({first}", f"({last}",
                                   bylex=True, offset=0, num=limit)
        return self._reviews([tallies.review_of(x.decode()) for x in found])

    def board_size(self, lane: Lane, a: str, b: str, first: str, last: str) -> int:
        return int(self.client.zlexcount(self.keys.board(a, b, lane), f"({first}", f"({last}"))

    def tallies(self) -> dict[str, int]:
        return {name.decode(): int(n) for name, n in
                self.client.hgetall(self.keys.tallies).items()}

    def clock_ms(self) -> int:
        return self.standing().clock_ms

    def workday(self, day: int, n: int) -> int:
        timeline = self.timeline()
        return timeline.last.workday(day, n) if timeline is not None else day + n

    # ------------------------------------------------------------------------------------- draws

    def pools(self, draw: str) -> list[DrawPooled]:
        return redis_draws.pools(self.client, self.keys, draw)

    def draw_ids(self, limit: int, before: str | None = None) -> list[str]:
        return redis_draws.ids(self.client, self.keys, limit, before)

    def drawn(self, key: str) -> list[DrawnChanged]:
        return redis_draws.drawn(self.client, self.keys, key)

    def shards(self) -> int:
        return self.partitions()

    # ---------------------------------------------------------------------------------- subjects

    def subjects(self, *, q: str = "", district: str = "", grade: str = "", kind: str = "",
                 limit: int = 50, after: str = "") -> list[Row]:
        """Subjects in code order; `after` = the last `subject` of the page before.

        With `q` all subjects of the district, grade and kind are looked through until the page is
        full: about 2 µs each.
        """
        wanted = {n: value for n, value in enumerate((district, grade, kind)) if value}
        names = [f"{self.keys.subjects}:all"]
        if wanted:
            names = [f"{self.keys.subjects}:in:{group.name.decode()}"
                     for group in self._groups(self.keys.subjects, wanted)]
        found: list[Row] = []
        for codes in self._codes(names, after.encode(), CHUNK if q else limit):
            for code, held in zip(codes, self._hmget(self.keys.subjects, codes), strict=True):
                if held is not None and (not q or _has(q, code, held)):
                    found.append(_row(code.decode(), held)._asdict())
            if len(found) >= limit:
                break
        return found[:limit]

    def _codes(self, names: Sequence[str], after: bytes, most: int) -> Iterator[list[bytes]]:
        """Members of some sets after a code, in order, so many at a time."""
        while names:
            with self.client.pipeline(transaction=False) as tx:
                for name in names:
                    tx.zrange(name, b"(" + after if after else "-", "+", bylex=True, offset=0,
                              num=most)
                found = tx.execute()
            # A subject may have changed its group between two questions.
            codes = heapq.nsmallest(most, {code for part in found for code in part})
            if codes:
                yield codes
            if len(codes) < most:
                return
            after = codes[-1]

    def _names(self, subjects: Iterable[str]) -> dict[str, str]:
        wanted = list(dict.fromkeys(subjects))
        held = self._hmget(self.keys.subjects, wanted)
        return {key: _row(key, x).name if x is not None else ""
                for key, x in zip(wanted, held, strict=True)}

    def rejects(self, *, limit: int = 50, before: int | None = None) -> list[Row]:
        """Dead letters, newest first; -1 = all that are kept; `before` = the last `seq` of the page
        before. The newest in the list is the last that was counted."""
        start = 0
        if before is not None:
            start = max(self.rejected() - before + 1, 0)
        with self.client.pipeline() as tx:
            tx.get(f"{self.keys.rejects}:count")
            tx.lrange(self.keys.rejects, start, start + limit - 1 if limit >= 0 else -1)
            count, held = tx.execute()
        out = [{"seq": int(count) - start - n,
                **rows.reject_row(*keys.DEAD(x.partition(b"\n")[2]))} for n, x in enumerate(held)]
        # Some may have come between the two questions: what the page before had is left out.
        return [row for row in out if before is None or row["seq"] < before]


@contextmanager
def opened(url: str) -> Iterator[RedisReader]:
    """The view at an address; after a `#` its prefix, if that is another than xinfeng.

    Raises
    ------
    StoreError: the address is wrong, or nothing lies there. ConnectionError: there is no answer.
    """
    address, _, prefix = url.partition("#")
    shown = re.sub(r"//[^/@]*@", "//", address)
    try:
        client = redis.Redis.from_url(address, socket_connect_timeout=CONNECT_S,
                                      socket_timeout=ANSWER_S)
    except ValueError as error:
        raise StoreError(f"--store {shown}: {error}") from None
    try:
        reader = RedisReader(client, prefix or "xinfeng")
        if not reader.partitions():
            raise StoreError(f"--store {shown}: holds no view under {reader.keys.prefix}; start a "
                             "worker")
        yield reader
    except redis.RedisError as error:
        raise ConnectionError(f"--store {shown}: {error}") from None
    finally:
        client.close()


def _row(code: str, held: bytes) -> SubjectRow:
    open_alerts, row = keys.subject(held)
    return SubjectRow(code, *keys.ROW(row), open_alerts)


def _has(q: str, code: bytes, held: bytes) -> bool:
    """Whether code or name have the text, in any case of ASCII; few rows need unpacking for it."""
    text = q.encode().lower()
    if text in code.lower():
        return True
    return text in held.lower() and text in _row("", held).name.encode().lower()
