"""What the analysis of the whole city says of the learner, for the log. Pure."""

from __future__ import annotations

import msgspec

from alerts.rules import alert_id
from models import events as e
from models.learner import Learner
from models.policy import ModelDrift
from models.records import WHOLE_SUBJECT

MODEL = "service:model"


def drifted(held: e.Detected | None, learner: Learner, rule: ModelDrift, day: int,
            at_ms: int) -> e.Detected | None:
    """What is to be said on the first moment [epoch ms] of a day: that the forecasts have become
    worse than they were, or no longer are.

    Parameters
    ----------
    held
        What was said and still is so.
    """
    drifting = rule.enabled and learner.drifting
    if drifting and held is None:
        found = learner.drifts()[-1]
        return e.Detected(MODEL, at_ms, e.Detection(
            alert_id("model-drift", MODEL, WHOLE_SUBJECT, day), "model-drift", rule.level, True,
            at_ms, "public", [], {"detector": found.detector, "before": f"{found.before:.3f}",
                                  "after": f"{found.after:.3f}"}))
    if held is not None and not drifting:
        return e.Detected(MODEL, at_ms, msgspec.structs.replace(held.data, open=False))
    return None
