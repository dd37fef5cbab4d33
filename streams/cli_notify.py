"""Commands about telling: route, deliveries, audit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from alerts.notice import Notice
from alerts.routing import Directory, explain
from alerts.routing import route as routes_of
from config import channels as channels_
from config import load
from config.districts import district_names
from dispatch.audit import Gap, audit
from dispatch.desk import Desk
from dispatch.ledger import Ledger, LedgerError
from models.notify_policy import LEVELS, Step
from models.policy import Policy
from storage.sqlite_store import SqliteStore, StoreError
from streams import notifier, rows, telling
from streams.options import (
    AsJson,
    ChannelsFile,
    PolicyFile,
    SettingsFile,
    StoreMaybe,
    Wrong,
    put,
    wall_ms,
)
from streams.reader import policy_of
from streams.show import iso_ms

GAPS = 3
"""Exit code where something fell between."""
Row = dict[str, Any]
LedgerFile = Annotated[Path | None, typer.Option(
    "--ledger", metavar="FILE", help="Of the dispatcher; default: that of --store, or the one in "
    "worker.folder of the settings.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(route)
    app.command()(deliveries)
    app.command("audit")(audit_)


def route(
    file: Annotated[Path, typer.Argument(metavar="ALERT.json", help="As the API or `alerts --json` "
                                         "gives it; more in `kind`, `district`; - = stdin.")],
    policy: PolicyFile = None, channels: ChannelsFile = None, json: AsJson = False,
) -> None:
    """Who would be told of an alert, when, and why."""
    chosen = load.policy(policy)
    assert chosen.notify is not None
    try:
        raw = typer.get_binary_stream("stdin").read() if str(file) == "-" else file.read_bytes()
        notice = notice_of(msgspec.json.decode(raw, type=dict[str, Any]))
    except KeyError as error:
        raise Wrong(f"ALERT.json {file}: {error.args[0]}: is missing") from None
    except (OSError, ValueError, TypeError) as error:
        raise Wrong(f"ALERT.json {file}: not an alert: {error}") from None
    reachable = channels_.endpoints(channels)
    directory = Directory(chosen.notify, reachable or None)
    plan = chosen.notify.escalate.plan(notice.level)
    found = _told(notice, directory, plan)
    if json:
        put({"alert": notice.id, "reachable": bool(reachable), "receivers": found})
        return
    for row in found:
        when = ", again ".join([_when(row), *map(_when, row["again"])])
        because = ", ".join(str(x) for x in msgspec.to_builtins(row["because"]))
        typer.echo(f"{row['receiver']}  {row['name']}  {when}  {because}")
    if not reachable:
        typer.echo("no channel is on: nobody would really be told")


def _told(notice: Notice, directory: Directory, plan: tuple[Step, ...]) -> list[Row]:
    """Receivers in the order in which they are first told; `again`: by which steps once more."""
    stages = [routes_of(notice, directory, plan, n) for n in range(len(plan) + 1)]
    first: dict[str, int] = {}
    for n, routes in enumerate(stages):
        for each in routes:
            first.setdefault(each.receiver, n)
    rows: list[Row] = []
    for row in explain(stages[-1], directory):
        named = [int(why.removeprefix("step ").partition(";")[0])
                 for why in msgspec.to_builtins(row["because"]) if why.startswith("step ")]
        at = first[str(row["receiver"])]
        rows.append({**row, "stage": at, **_moment(plan, at),
                     "again": [_moment(plan, n) for n in named if n > at]})
    return sorted(rows, key=lambda row: int(row["stage"]))


def _moment(plan: tuple[Step, ...], stage: int) -> Row:
    step = plan[stage - 1] if stage else None
    return {"after_min": step.after_min if step else 0, "clock": step.clock if step else ""}


def _when(moment: Row) -> str:
    return f"+{moment['after_min']} min ({moment['clock']})" if moment["clock"] else "at once"


def deliveries(
    store: StoreMaybe = None,
    alert: Annotated[str, typer.Option("--alert", help="Only of this alert.")] = "",
    ledger: LedgerFile = None, settings: SettingsFile = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Messages at most.")] = 50,
    json: AsJson = False,
) -> None:
    """Who was told of what, when, on which channel, with what answer."""
    from dispatch.outbox import Outbox

    with _ledger(store, ledger, settings) as held:
        outbox = Outbox(held)
        found = outbox.deliveries(alert) if alert else outbox.latest(limit)
    for row in found:
        for key in ("at_ms", "done_ms"):
            at = int(str(row.pop(key)))
            row[key.removesuffix("_ms")] = iso_ms(at) if at else None
        if json:
            put(row)
        else:
            typer.echo(f"{row['at']}  {row['endpoint']}  {row['reason']}  {row['state']}"
                       f"  ×{row['attempts']}  {row['code']}  {row['alert']}")


def audit_(
    store: StoreMaybe = None, ledger: LedgerFile = None, settings: SettingsFile = None,
    channels: ChannelsFile = None, json: AsJson = False,
) -> None:
    """Alerts and receivers that fell between; exit 3 when there are any."""
    with _ledger(store, ledger, settings) as held:
        if store is not None:
            with closing(SqliteStore(store, write=False)) as view:
                policy = policy_of(view)
            if policy is None:
                raise StoreError(f"--store {store}: the log has no policy yet")
            firing = list(telling.firing(store, policy.utc_offset_min * 60_000))
        else:
            from streams.dispatcher_role import policy_in_force
            from streams.watched import firing as on_kafka

            access = load.settings(settings).kafka
            policy = policy_in_force(access)
            firing = on_kafka(access, policy.utc_offset_min * 60_000)
        gaps = _gaps(held, policy, channels, firing)
    for gap in gaps:
        if json:
            put(gap._asdict())
        else:
            typer.echo(f"{gap.alert}  {gap.receiver or '-'}  {gap.what}")
    if gaps:
        raise typer.Exit(GAPS)


def _gaps(held: Ledger, policy: Policy, channels: Path | None, firing: list[Notice]) -> list[Gap]:
    if policy.notify is None:
        raise Wrong("notify: the policy in force says nothing of notifications")
    limits = channels_.delivery(channels)
    desk = Desk(held, policy.notify, notifier.work_time(policy), channels_.endpoints(channels),
                rows.catalogue(policy, district_names()), base_url=limits.base_url,
                deadline_h=limits.deadline_h,
                retry_max_s=limits.retry_max_s)
    return audit(desk, firing, wall_ms())


def notice_of(row: Row) -> Notice:
    """An alert as the API gives it, as far as routing needs it.

    Raises
    ------
    KeyError: it has no level or no rule. ValueError: a field is not what was asked for.
    """
    if row["level"] not in LEVELS:
        raise ValueError(f"level={row['level']}: must be one of {', '.join(LEVELS)}")
    for name in ("departments", "items"):
        if not isinstance(row.get(name, []), list):
            raise ValueError(f"{name}={row[name]}: must be a list of names")
    return Notice(
        str(row.get("id", "")), str(row["rule"]), str(row["level"]), "firing",
        str(row.get("subject", "")), str(row.get("cell", "")), "public",
        list(row.get("items", [])), list(row.get("departments", [])), 0, 0, 0, 0, {}, [], 1,
        str(row.get("name", "")), str(row.get("kind", "")), str(row.get("district", "")))


@contextmanager
def _ledger(store: Path | None, file: Path | None, settings: Path | None) -> Iterator[Ledger]:
    path = file or (store / notifier.LEDGER if store is not None else
                    Path(load.settings(settings).worker.folder) / notifier.LEDGER)
    try:
        held = Ledger(path, write=False)
    except LedgerError as error:
        raise StoreError(str(error)) from None
    with closing(held):
        yield held
