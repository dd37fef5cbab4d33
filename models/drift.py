"""Whether the world has moved away from the model: river's detectors on what it gets wrong.

Two series, both 0 on average while the chances that were said are right, whatever businesses they
were said of: findings beyond those expected, and log-loss beyond what the chances themselves let
expect, each as a share of the expected. So a season with worse businesses is no drift, nor is a
city that grows. A value of a series is a block of examples with `BLOCK` expected findings or more:
its noise is then about 0.3 or less in any city.

ADWIN sees a change between any two parts of its window, Page-Hinkley a slow one. What they find is
told only if the model became worse by `least`: a large city would else tell of each per cent.

References
----------
[^1]: A. Bifet and R. Gavalda, Learning from time-changing data with adaptive windowing, SDM 2007.
[^2]: E. S. Page, Continuous inspection schemes, Biometrika 41, 1954.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import msgspec
from river import drift

from models.bounded import added

BLOCK = 10.0
"""Expected findings in a block, at least."""
BLOCKS_A_DAY = 24
"""More are not made: in a large city blocks are larger, and there are no more false detections."""
NOISE = 0.35
"""Standard deviation of a block, about."""
ALLOWED = 0.05
"""Change of the mean that Page-Hinkley lets pass."""
AFTER = 30
"""Blocks that say how things are after a change."""
RECENT = 0.02
"""Share of the newest block in the running mean."""
FOUND_MAX = 100
"""Detections that are remembered."""
TOP = 3.0
"""Values are cut to this: one block must not carry a mean away. For ADWIN, to three of `NOISE`."""
SERIES = ("calibration", "log-loss")
DETECTORS = ("ADWIN", "Page-Hinkley")


class Found(msgspec.Struct, frozen=True, array_like=True):
    """One detection: means of the series before and after, as shares of the expected."""

    day: int
    series: str
    detector: str
    before: float
    after: float


class Watch:
    """One series with its two detectors."""

    def __init__(self, delta: float) -> None:
        self.adwin: Any = drift.ADWIN(  # type: ignore[no-untyped-call]
            delta=delta, clock=1, min_window_length=10, grace_period=AFTER)
        # A walk that leans by -a with noise s ever rises by t with chance exp(-2 a t / s**2).
        least = NOISE**2 * math.log(1.0 / delta) / (2.0 * ALLOWED)
        self.page: Any = drift.PageHinkley(
            min_instances=2 * AFTER, delta=ALLOWED, threshold=least, mode="both")
        self.last: list[float] = []
        """The newest `AFTER` values, newest first."""
        self.recent = 0.0
        self.since = [[0.0, 0.0] for _ in DETECTORS]
        """Values since each detector began, and their sum."""

    def update(self, value: float) -> list[tuple[str, float, float]]:
        """(detector, mean before, mean after) of each change that shows with this value."""
        value = min(value, TOP)
        self.recent += RECENT * (value - self.recent)
        self.last = [value, *self.last[: AFTER - 1]]
        self.adwin.update((min(value, 1.0) + 1.0) / 2.0)
        self.page.update(value)
        out, now = [], added(0.0, self.last)
        for name, detector, held in zip(DETECTORS, (self.adwin, self.page), self.since,
                                        strict=True):
            held[0] += 1.0
            held[1] += value
            if detector.drift_detected:
                # River's start anew with the next value.
                n, total = held
                held[:] = [0.0, 0.0]
                if n > AFTER:
                    out.append((name, (total - now) / (n - AFTER), now / AFTER))
        return out

    def state(self) -> dict[str, Any]:
        page = self.page
        return {"adwin": self.adwin._helper.__getstate__(),
                "adwin_found": self.adwin.drift_detected,
                "page_n": page._x_mean.n, "page_mean": page._x_mean.get(),
                "page": [page._sum_increase, page._sum_decrease, page._min_increase,
                         page._max_decrease], "page_found": page.drift_detected,
                "last": self.last, "recent": self.recent, "since": self.since}

    def restore(self, state: dict[str, Any]) -> None:
        page = self.page
        self.adwin._helper.__setstate__(state["adwin"])
        self.adwin._drift_detected = state["adwin_found"]
        page._x_mean.n, page._x_mean._mean = state["page_n"], state["page_mean"]
        (page._sum_increase, page._sum_decrease, page._min_increase,
         page._max_decrease) = state["page"]
        page._drift_detected = state["page_found"]
        self.last, self.recent = list(state["last"]), state["recent"]
        self.since = [list(held) for held in state["since"]]


class Drift:
    """Watches a model; `drifting` holds from a detection until it is right again.

    Parameters
    ----------
    delta
        Chance of a false detection: ADWIN's own confidence, and that of one excursion of
        Page-Hinkley's sum.
    least
        Share of the expected by which the model must have become worse.
    hold_d
        Days without a further detection before it can end.

    Memory: a few kB. Cost: 1 us an example.
    """

    def __init__(self, delta: float, least: float, hold_d: int) -> None:
        self.delta, self.least, self.hold_d = delta, least, hold_d
        self.watches = tuple(Watch(delta) for _ in SERIES)
        self.block = [0.0] * 4
        """Of the open block: expected findings, those seen, expected log-loss, that seen."""
        self.found: list[Found] = []
        self.drifting = False
        self.calm = [0.0] * len(SERIES)
        """What the recent means must come back to."""

    def update(self, day: int, chances: Sequence[float], adverse: Sequence[bool],
               weights: Sequence[float]) -> None:
        """What was said of a day's examples, in their order, and what came of them."""
        block = self.block
        size = max(BLOCK, math.fsum(map(operator.mul, chances, weights)) / BLOCKS_A_DAY)
        for p, y, w in zip(chances, adverse, weights, strict=True):
            said, unsaid = math.log(p), math.log(1.0 - p)
            block[0] += w * p
            block[1] += w * y
            block[2] -= w * (p * said + (1.0 - p) * unsaid)
            block[3] -= w * (said if y else unsaid)
            if block[0] >= size:
                self._close(day, (block[1] / block[0] - 1.0, block[3] / block[2] - 1.0))
                self.block = block = [0.0] * 4

    def end(self, day: int) -> None:
        """The day is over: whether the model is right again."""
        if self.drifting and day - self.found[-1].day >= self.hold_d:
            off = (abs(self.watches[0].recent), self.watches[1].recent)
            self.drifting = any(now > back + self.least
                                for now, back in zip(off, self.calm, strict=True))

    def set(self, delta: float, least: float, hold_d: int) -> None:
        """A new policy; with another `delta` the detectors start anew."""
        if delta != self.delta:
            self.watches = tuple(Watch(delta) for _ in SERIES)
        self.delta, self.least, self.hold_d = delta, least, hold_d

    def state(self) -> dict[str, Any]:
        return {"watches": [w.state() for w in self.watches], "block": self.block,
                "found": self.found, "drifting": self.drifting, "calm": self.calm}

    def restore(self, state: dict[str, Any]) -> None:
        for watch, own in zip(self.watches, state["watches"], strict=True):
            watch.restore(own)
        self.block, self.calm = list(state["block"]), list(state["calm"])
        self.found = msgspec.convert(state["found"], list[Found])
        self.drifting = state["drifting"]

    def _close(self, day: int, values: tuple[float, float]) -> None:
        for n, (watch, value) in enumerate(zip(self.watches, values, strict=True)):
            for detector, before, after in watch.update(value):
                # Too many findings and too few are both wrong; less loss than expected is not.
                was, now = (before, after) if n else (abs(before), abs(after))
                if now - was < self.least:
                    continue
                self.found = [*self.found, Found(day, SERIES[n], detector, round(before, 4),
                                                 round(after, 4))][-FOUND_MAX:]
                if not self.drifting:
                    held = [abs(self.watches[0].recent), max(self.watches[1].recent, 0.0)]
                    held[n] = max(was, 0.0)
                    self.calm, self.drifting = held, True
