"""What the learner learns from: what was known of a business on one day, and what came of it.

An example is cut when its outcome is final: `learning.horizon_d` after its day, and `grace_d` more
for what arrives late. Until then nothing is kept of it: the ledger itself says what counted on that
day, without what was revoked since. So facts that are taken back, or arrive late, change a label as
if they had always been so.
"""

from __future__ import annotations

import msgspec


class Example(msgspec.Struct, frozen=True, gc=False):
    """One item of one business on one day, and its outcome.

    `features`: indicator -> sum over its facts of multiplier * decay on that day [units of the
    scorecard's weights], only those that are not 0. `adverse`: an adverse finding on the item, or
    on the whole subject, within the horizon. `weight`: how many examples it stands for (of those
    without a finding only some are taken). `grade` 0 = A .. 3 = D, 4 = ungraded, and `count`, the
    adverse findings so far, each halved every 180 days, are the baselines' only input.
    """

    subject: str
    group: int
    """Place in `scorecard.GROUPS`."""
    kind: str
    size: str
    district: str
    industry: str
    item: str
    """Id of the catalogue."""
    day: int
    adverse: bool
    weight: float
    grade: int
    count: float
    features: dict[str, float]
