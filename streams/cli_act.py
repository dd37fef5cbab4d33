"""Commands by which people act: ack, assign, close, reopen, silence, unsilence, answer."""

from __future__ import annotations

import json as json_
import os
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from streams.embedded import Embedded
from streams.options import StoreMaybe, Wrong, existing, moment, put
from streams.service import EmbeddedService
from streams.show import iso_ms

URL = "http://127.0.0.1:8642"
TIMEOUT_S = 30.0
ALREADY = 3
"""Exit code where somebody else was first."""
Row = dict[str, Any]
Alert = Annotated[str, typer.Argument(metavar="ALERT", help="Its id.")]
Actor = Annotated[str, typer.Option("--actor", help="Who acts.")]
Note = Annotated[str, typer.Option("--note", help="Why.")]
Seen = Annotated[int | None, typer.Option("--seq", min=0, help="`seq` of the alert or review as it "
                                          "was seen: if it has changed since, nothing is done.")]
Url = Annotated[str, typer.Option("--url", help=f"The running service [{URL}].")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (ack, assign, close, reopen, silence, unsilence, answer):
        app.command()(command)


def ack(alert: Alert, actor: Actor, note: Note = "", seq: Seen = None, url: Url = "",
        store: StoreMaybe = None) -> None:
    """Acknowledge an alert: nobody is escalated to any more."""
    _act("acknowledge", alert, actor, note, seq, url, store)


def assign(alert: Alert, actor: Actor, note: Note = "", seq: Seen = None, url: Url = "",
           store: StoreMaybe = None) -> None:
    """Note who works on an alert."""
    _act("assign", alert, actor, note, seq, url, store)


def close(alert: Alert, actor: Actor, note: Note = "", seq: Seen = None, url: Url = "",
          store: StoreMaybe = None) -> None:
    """Close an alert."""
    _act("close", alert, actor, note, seq, url, store)


def reopen(alert: Alert, actor: Actor, note: Note = "", seq: Seen = None, url: Url = "",
           store: StoreMaybe = None) -> None:
    """Open an alert again that was closed."""
    _act("reopen", alert, actor, note, seq, url, store)


def silence(
    alert: Alert, actor: Actor,
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Date (its end) or RFC "
                                       "3339.")],
    note: Note = "", seq: Seen = None, url: Url = "", store: StoreMaybe = None,
) -> None:
    """Keep an alert quiet for a while; --note says why."""
    _act("silence", alert, actor, note, seq, url, store, iso_ms(moment("--until", until)))


def unsilence(alert: Alert, actor: Actor, note: Note = "", seq: Seen = None, url: Url = "",
              store: StoreMaybe = None) -> None:
    """Lift the silence of an alert before its end."""
    _act("unsilence", alert, actor, note, seq, url, store)


def _act(act: str, alert: str, actor: str, note: str, seq: int | None, url: str,
         store: Path | None, until: str = "") -> None:
    body: Row = {"actor": actor, **({"note": note} if note else {}),
                 **({"seq": seq} if seq is not None else {}),
                 **({"until": until} if until else {})}
    _do(alert, act, body, url, store)


def answer(
    review: Annotated[str, typer.Argument(metavar="REVIEW", help="Its id.")],
    department: Annotated[str, typer.Option("--department", help="For whom.")],
    decision: Annotated[Literal["keep", "adjust"], typer.Option("--decision")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    actor: Annotated[str, typer.Option("--actor", help="Who answers; stands with the reason."
                                       )] = "",
    grade: Annotated[Literal["A", "B", "C", "D"] | None, typer.Option(
        "--grade", help="With adjust: the new grade.")] = None,
    seq: Seen = None, url: Url = "", store: StoreMaybe = None,
) -> None:
    """Answer a review of a grade gap for a department."""
    body: Row = {"department": department, "decision": decision,
                 "reason": f"{reason} ({actor})" if actor else reason,
                 **({"grade": grade} if grade else {}),
                 **({"seq": seq} if seq is not None else {})}
    _do(review, "answer", body, url, store)


def _do(id: str, act: str, body: Row, url: str, store: Path | None) -> None:
    """At a running service, or on a store that no service holds."""
    folder = "reviews" if act == "answer" else "alerts"
    if store is None:
        put(post(f"{(url or URL).rstrip('/')}/api/v1/{folder}/"
                  f"{urllib.parse.quote(id, safe='/')}/{act}", body))
        return
    if url:
        raise Wrong("--store and --url: one of them")
    # Here, since the web framework takes half a second to load.
    from console.acts import Acts, AlertActIn, ReviewAnswerIn, parse
    from console.problems import Problem

    with closing(EmbeddedService(Embedded(existing(store), None))) as service:
        acts = Acts(service)
        try:
            if act == "answer":
                put(acts.on_review(id, parse(body, ReviewAnswerIn), ""))
            else:
                put(acts.on_alert(id, act, parse(body, AlertActIn), ""))
        except Problem as problem:
            _refuse(problem.status_code, str(problem.detail))


def post(url: str, body: Row) -> Row:
    """What a running service answers; what it refuses is said in one line."""
    headers = {"content-type": "application/json"}
    if token := os.environ.get("XINFENG_TOKEN"):
        headers["authorization"] = f"Bearer {token}"
    try:
        request = urllib.request.Request(url, msgspec.json.encode(body), headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as got:
            found: Row = json_.load(got)
            return found
    except urllib.error.HTTPError as error:
        try:
            detail = str(json_.load(error)["detail"])
        except (ValueError, KeyError):
            detail = error.reason
        return _refuse(error.code, detail)
    except (urllib.error.URLError, ValueError) as error:
        raise Wrong(f"--url {url}: {getattr(error, 'reason', error)}") from None


def _refuse(status: int, detail: str) -> Row:
    if status == 409:
        typer.echo(f"xinfeng: {detail}", err=True)
        raise typer.Exit(ALREADY)
    raise Wrong(detail)
