"""What was learned, as the log carries it: distances from the policy's expert weights."""

from __future__ import annotations

import msgspec

EXPERT = "w000000"
"""Name of the weights of a policy that nothing was learned on."""


class Weights(msgspec.Struct, frozen=True):
    """Learned weights, in force from a civil day on.

    Distances, so that they hold beside any policy: a new one takes the same steps from its own
    expert's weights, and stays inside its own bounds.
    """

    name: str
    since_day: int
    moved: dict[str, tuple[float, float, float]]
    """Indicator -> distance from the expert's weight [log-odds of no adverse finding per unit], by
    group of `scorecard.GROUPS`; 0 where not named."""
    trades: tuple[dict[str, float], dict[str, float], dict[str, float]]
    """By group: item id -> how much better [log-odds] its businesses fare than the policy's
    intercept says; "" = all items, to which the others add. Moves the risk score only."""


NOTHING_LEARNED = Weights(EXPERT, 0, {}, ({}, {}, {}))
