"""What an alert says to people, in Chinese and English. Pure: words from an effect, nothing else.

No text names a complainant or repeats what one wrote: effects carry neither.
"""

from __future__ import annotations

from typing import TypeAlias

from alerts import bodies, titles
from alerts.bodies import BODIES
from alerts.titles import TITLES
from alerts.told import Alert, Catalogue
from alerts.words import record_text
from models.events import NO_BUSINESS

__all__ = ["Alert", "Catalogue", "body", "record_text", "title"]

Text: TypeAlias = dict[str, str]
"""The same words under `zh` and `en`."""

_NO_ITEMS: Catalogue = {}


def title(alert: Alert, items: Catalogue = _NO_ITEMS) -> Text:
    """One line: what happened. The subject's name stands beside it and is not repeated."""
    zh, en = TITLES.get(alert.rule, titles.other)(alert, items)
    return {"zh": zh, "en": en}


def body(alert: Alert, name: str = "", items: Catalogue = _NO_ITEMS) -> Text:
    """One to three sentences: who, what, until when, and what is asked for.

    Parameters
    ----------
    name
        Name of the subject; its code stands in where there is none.
    items
        The catalogue, for names of items and departments.
    """
    zh, en = BODIES.get(alert.rule, bodies.other)(alert, items)
    if not alert.subject or alert.subject.startswith(NO_BUSINESS):
        en = en[:1].upper() + en[1:]
    else:
        who = name or alert.subject
        zh, en = f"{who}：{zh}", f"{who}: {en}"
    match alert.state:
        case "resolved":
            zh, en = f"{zh}该情形现已消除。", f"{en} This is no longer the case."
        case "closed":
            zh, en = f"{zh}该预警已办结。", f"{en} The alert has been closed."
        case "pending":
            zh, en = f"{zh}有关部门刚获告知，答复期内暂不触发。", (
                f"{en} The department was told only lately and still has time to answer.")
        case _:
            pass
    return {"zh": zh, "en": en}
