"""What the analysis of the whole city says of businesses that are linked to one on a list. Pure.

Nothing is passed on but the fact: no score, no grade, and no person behind a business is judged.
What is said at an hour depends on what registrations and listings said up to it, not on their
order, nor on how many shards said it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from alerts.rules import alert_id
from models import events as e
from models.calendar import DAY_MS
from models.ledger import FOREVER
from models.links import Member, Members, kind_of, other_end
from models.policy import Policy, RelatedRisk
from models.records import WHOLE_SUBJECT, identity
from storage.effects import Linked, Listed
from streams.links import RULE

_LINKS = {"controller": "controller", "operator": "platform", "platform": "platform"}
"""Kind of a link -> its name in the policy."""
_KINDS: tuple[type[Any], ...] = (Linked, Listed)


class Related:
    """Links of all businesses, listings in force, and what was said of them.

    Memory: `Members`, and about 1.5 kB for a listing in force and for each alert that is open; of
    shards that are ahead of others, what they said since.

    Parameters
    ----------
    partitions
        How many shards there are.
    """

    def __init__(self, partitions: int) -> None:
        self.members = Members()
        self._listings: dict[int, Listed] = {}
        """Identity of a listing -> how it stands; until it is over."""
        self._led: dict[str, set[int]] = {}
        """Link -> listings that concern whoever has it."""
        self._told: dict[int, dict[str, e.Detected]] = {}
        """Listing -> alert -> what was said of it last; those that are open."""
        self._ahead: list[deque[tuple[int, Linked | Listed]]] = [
            deque() for _ in range(partitions)]
        """By shard: what it said at hours [epoch ms] that are not closed."""
        self._closed_ms = 0
        self._changed: set[int] = set()
        self._agenda: dict[int, set[int]] = {}
        """Day -> listings that begin or end on it."""
        self._day = 0
        self._rule: RelatedRisk | None = None

    # ------------------------------------------------------------------------------------- taking

    def hear(self, partition: int, hour_ms: int, said: Linked | Listed) -> None:
        """A shard says something at an hour: it counts when all have come past that."""
        if hour_ms <= self._closed_ms:
            self._take(said)
        else:
            self._ahead[partition].append((hour_ms, said))

    def _take_until(self, end_ms: int) -> None:
        """What was said at hours before."""
        for ahead in self._ahead:
            while ahead and ahead[0][0] < end_ms:
                self._take(ahead.popleft()[1])

    def _take(self, said: Linked | Listed) -> None:
        if isinstance(said, Linked):
            self._link(said)
        else:
            self._enter(said)

    def _link(self, said: Linked) -> None:
        """A business was registered, otherwise than before, or cancelled."""
        for link in said.gone:
            self.members.drop(link, said.subject)
        for link in said.links:
            member = Member(said.subject, said.active, said.source, said.id, said.time_ms)
            if not said.source:
                held = self.members.get(link, said.subject)
                if held is None:
                    continue  # Registered before this was told of.
                member = held._replace(active=said.active)
            self.members.put(link, member)
        for link in (*said.links, *said.gone):
            self._changed |= self._led.get(link, set())

    def _enter(self, said: Listed) -> None:
        """Something was said of a listing, or of the business on the list."""
        key = identity(said.source, said.id)
        self._forget(key)
        self._listings[key] = said
        for link in said.links:
            self._led.setdefault(other_end(link), set()).add(key)
        self._changed.add(key)

    def _forget(self, key: int) -> None:
        held = self._listings.pop(key, None)
        for link in held.links if held is not None else ():
            led = self._led.get(other_end(link), set())
            led.discard(key)
            if not led:
                self._led.pop(other_end(link), None)

    # ------------------------------------------------------------------------------------ judging

    def close(self, clock_ms: int, policy: Policy) -> list[e.Detected]:
        """Every shard has come to this hour: what is to be said that was not."""
        self._take_until(clock_ms)
        rule = policy.rules.related_risk
        today = (clock_ms + policy.utc_offset_min * 60_000) // DAY_MS
        if rule != self._rule:
            self._rule = rule
            self._changed |= self._listings.keys()
        if today > self._day:
            self._day = today
            for day in [day for day in self._agenda if day <= today]:
                self._changed |= self._agenda.pop(day)
        out = [one for key in self._changed for one in self._settle(key, clock_ms, rule)]
        self._changed = set()
        # What is said at this hour and is here already waits no longer.
        self._closed_ms = clock_ms
        self._take_until(clock_ms + 1)
        return sorted(out, key=lambda one: (one.subject, one.data.alert))

    def _settle(self, key: int, at_ms: int, rule: RelatedRisk) -> list[e.Detected]:
        """What is to be said of one listing."""
        said, now = self._listings.get(key), dict[str, e.Detected]()
        if said is not None:
            if said.stop_day <= self._day:
                self._forget(key)
            elif said.start_day > self._day:
                self._agenda.setdefault(said.start_day, set()).add(key)
            else:
                if said.stop_day < FOREVER:
                    self._agenda.setdefault(said.stop_day, set()).add(key)
                if rule.enabled and said.list_ in rule.lists:
                    now = {one.data.alert: one for one in self._concerned(said, key, at_ms, rule)}
        told = self._told.pop(key, {})
        out = []
        for id, one in now.items():
            held = told.get(id)
            if held is not None and (held.data.level, held.data.facts) == (
                    one.data.level, one.data.facts):
                now[id] = held
            else:
                out.append(one)
        out += [e.Detected(one.subject, at_ms, msgspec.structs.replace(one.data, open=False))
                for id, one in told.items() if id not in now]
        if now:
            self._told[key] = now
        return out

    def _concerned(self, said: Listed, key: int, at_ms: int,
                   rule: RelatedRisk) -> list[e.Detected]:
        """An alert for each business that is linked to the one on the list; where a link leads to
        too many, one for that business, with their number."""
        few: dict[str, tuple[Member, str]] = {}
        many: set[str] = set()
        own: Member | None = None
        for link in said.links:
            if _LINKS[kind_of(link)] not in rule.links:
                continue
            own = own or self.members.get(link, said.subject)
            end = other_end(link)
            found = self.members.others(end, said.subject, rule.businesses_max)
            if isinstance(found, frozenset):
                many |= found
            else:
                for member in found:
                    few.setdefault(member.subject, (member, kind_of(end)))
        evidence = [(said.source, said.id, "list.entered", said.time_ms)]
        if own is not None:
            evidence.append((own.source, own.id, "subject.registered", own.time_ms))
        facts = {"listed": said.subject, "name": said.name, "list": said.list_}

        def detected(subject: str, more: dict[str, str],
                     *proof: tuple[str, str, str, int]) -> e.Detected:
            return e.Detected(subject, at_ms, e.Detection(
                alert_id(RULE, subject, WHOLE_SUBJECT, key), RULE, rule.level, True, said.time_ms,
                "public", [], {**facts, **more}, [*evidence, *proof]))

        out = [detected(m.subject, {"by": by}, (m.source, m.id, "subject.registered", m.time_ms))
               for m, by in few.values()]
        if many:
            # In doublings: said again when it has grown much, not with every registration.
            over = rule.businesses_max
            while 2 * over < len(many):
                over *= 2
            out.append(detected(said.subject, {"over": str(over)}))
        return out

    # ----------------------------------------------------------------------------------- standing

    def report(self) -> dict[str, int]:
        """For people, as JSON: `links` that lead to anybody, `listings` in force, open `alerts`."""
        return {"links": len(self.members), "listings": len(self._listings),
                "alerts": sum(map(len, self._told.values()))}

    def dump(self) -> list[Any]:
        return [self.members.dump(), list(self._listings.values()),
                [(key, list(told.values())) for key, told in self._told.items()],
                sorted(self._changed), self._day, self._rule, self._closed_ms,
                [[(at_ms, _KINDS.index(type(said)), said) for at_ms, said in ahead]
                 for ahead in self._ahead]]

    @classmethod
    def load(cls, held: list[Any]) -> Related:
        members, listings, told, changed, day, rule, closed_ms, waiting = held
        made = cls(len(waiting))
        made.members = Members.load(members)
        for one in msgspec.convert(listings, list[Listed]):
            made._enter(one)
        made._told = {key: {x.data.alert: x for x in msgspec.convert(one, list[e.Detected])}
                      for key, one in told}
        made._day, made._rule = day, msgspec.convert(rule, RelatedRisk | None)
        for key, one in made._listings.items():
            for at in (one.start_day, one.stop_day):
                if day < at < FOREVER:
                    made._agenda.setdefault(at, set()).add(key)
        made._changed = set(changed)
        made._closed_ms = closed_ms
        made._ahead = [deque((at_ms, msgspec.convert(said, _KINDS[kind]))
                             for at_ms, kind, said in ahead) for ahead in waiting]
        return made
