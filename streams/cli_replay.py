"""`xinfeng replay`: what the log alone says, and what it would say under another policy."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import typer

from config import load
from storage.sqlite_store import SqliteStore, StoreError
from streams import digest as digests
from streams import tables, trial
from streams.embedded import replay
from streams.options import AsJson, InLang, PolicyFile, StoreDir, put


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("replay")(replay_)


def replay_(store: StoreDir, policy: PolicyFile = None, json: AsJson = False,
            lang: InLang = "zh") -> None:
    """Fold the log again; with --policy, as if that policy had always been in force.

    Weights, norms and surges are worked out again too, and compared with those in the log, bit for
    bit. Nothing is written. With a policy: who would change grade, which alerts would open or
    vanish.
    """
    given = load.policy(policy) if policy else None
    with closing(SqliteStore(store, write=False)) as held:
        shard, concluded, alike = replay(held)
        if shard.timeline is None:
            raise StoreError(f"--store {store}: the log is empty")
        made: dict[str, Any] = {
            "digest": digests.total([shard]), "events": shard.counts.accepted,
            "weights": shard.timeline.last.weights,
            "conclusions": {"in_log": concluded, "alike": alike}}
        if given is not None:
            known = shard.timeline.last.item_ids
            before = trial.standing(shard)
            del shard
            other = trial.replay_under(held, given, known)
            assert other.timeline is not None
            made |= {"policy": other.timeline.last.hash, "policy_digest": digests.total([other]),
                     **trial.compare(before, trial.standing(other))}
    if json:
        put(made)
        return
    typer.echo(made["digest"])
    if alike != concluded:
        typer.echo(f"conclusions: {concluded - alike} of {concluded} come out otherwise than in "
                   "the log: another version made them; the log's stand", err=True)
    if given is not None:
        tables.trial(made, lang)
