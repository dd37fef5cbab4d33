"""Progressive validation: how well chances of an adverse finding, said beforehand, came true.

Everything is kept as sums in a fixed grid over the log-odds, so memory does not grow with the
examples, and the same examples give the same table. Two chances in one cell count as tied: an AUC
is exact but for pairs in one cell, at most `within` off (reported; below 0.005 where
chances spread as a city's do).

Intervals are for differences between two models on the same examples, by the jackknife that
deletes one of 32 groups of businesses at a time. A business is in one group with all its items and
days, so what it repeats does not count as new evidence. An example is added once, not to a hundred
replicates as a bootstrap needs, and unlike DeLong's method no example has to be kept.

References
----------
[^1]: A. P. Dawid, Statistical theory: the prequential approach, J. R. Stat. Soc. A 147, 1984.
[^2]: P. Kott, The delete-a-group jackknife, Journal of Official Statistics 17, 2001.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

CELLS = 640
CELLS_A_UNIT = 32
"""Cells of the grid a unit of log-odds, from -10 to 10."""
COARSE = 4
"""Cells that are one cell of a slice."""
CLUSTERS = 32
STUDENT = 2.04
"""Of 95 % on both sides, with 31 degrees of freedom."""
SLICES_MAX = 256
"""Values of one dimension that are told apart; later ones are `OTHER` together."""
OTHER = "other"
Floats = NDArray[np.float64]


def log_odds(chance: float) -> float:
    """Inverse of the logistic function, by `math.log`: numpy's may differ in the last bit."""
    return math.log(chance / (1.0 - chance))


def loss(chance: float, adverse: bool) -> float:
    """Log-loss [nat]."""
    return -math.log(chance if adverse else 1.0 - chance)


def cluster_of(subject: str) -> int:
    """Group of the jackknife that a business is in, always."""
    return xxhash.xxh32_intdigest(subject.encode()) % CLUSTERS


def auc(grid: Floats) -> Floats | float:
    """Area under the ROC curve of weights by (cell, adverse), cells from safe to bad; ties count
    half. Shape (..., cells, 2) gives (...); NaN where one class is missing.

    Examples
    --------
    >>> auc(np.array([[3.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))
    0.9375
    """
    clean, bad = grid[..., 0], grid[..., 1]
    below = np.cumsum(clean, axis=-1) - clean / 2
    pairs = clean.sum(axis=-1) * bad.sum(axis=-1)
    won = (bad * below).sum(axis=-1)
    out: Floats = np.divide(won, pairs, out=np.full(np.shape(pairs), np.nan), where=pairs > 0)
    return out if out.ndim else float(out)


def deciles(sums: Floats) -> list[dict[str, float]]:
    """Mean chance, observed share and examples of each tenth, from (weight, chance, adverse) by
    cell; a cell is never cut, so tenths of a few distinct chances are uneven."""
    weight = sums[:, 0]
    total = float(weight.sum())
    middle = np.cumsum(weight) - weight / 2
    tenth = np.minimum((10 * middle / max(total, 1e-300)).astype(int), 9)
    out = []
    for n in range(10):
        w, said, seen = (float(x) for x in sums[tenth == n].sum(axis=0))
        if w:
            out.append({"predicted": said / w, "observed": seen / w, "n": w})
    return out


def rounded(value: Any) -> float | None:
    """For a report: six decimals, None for what cannot be said."""
    return round(float(value), 6) if math.isfinite(value) else None


class Validation:
    """Sums of several models over the same examples, and the table of who leads.

    Parameters
    ----------
    names
        The models; the first is compared with each other one.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        n = len(self.names)
        self.examples = self.adverse = 0
        self.rank = np.zeros((n, CLUSTERS, CELLS, 2))
        """Weights by model, cluster, cell and outcome."""
        self.said = np.zeros((n, CELLS, 3))
        """Weight, weight * chance, weight of the adverse, by model and cell of the chance."""
        self.lost = np.zeros((n, CLUSTERS, 3))
        """Weight, weighted log-loss, weighted squared error, by model and cluster."""

    def add(self, chances: Sequence[Sequence[float]], adverse: Sequence[bool],
            weights: Sequence[float], clusters: Sequence[int],
            ranks: Sequence[Sequence[float] | None] = ()) -> None:
        """Examples with what each model said beforehand: `chances[model][example]`.

        `ranks`, where given for a model, orders its examples instead of its chances (higher =
        worse, on the scale of log-odds).
        """
        if not adverse:
            return
        y = np.asarray(adverse, int)
        w, group = np.asarray(weights, float), np.asarray(clusters)
        self.examples += len(y)
        self.adverse += int(y.sum())
        for m, chance in enumerate(chances):
            own = cells(list(map(log_odds, chance)))
            given = ranks[m] if m < len(ranks) else None
            np.add.at(self.rank[m], (group, own if given is None else cells(given), y), w)
            p = np.asarray(chance, float)
            np.add.at(self.said[m], own, np.stack([w, w * p, w * y], axis=1))
            lost = np.array([loss(c, a) for c, a in zip(chance, adverse, strict=True)])
            np.add.at(self.lost[m], group, np.stack([w, w * lost, w * (p - y) ** 2], axis=1))

    def report(self) -> dict[str, dict[str, Any]]:
        """By model: AUC with its 95 % interval and how far off its grid may be, log-loss, Brier
        score, expected calibration error over the tenths, and the tenths; None without examples."""
        out: dict[str, dict[str, Any]] = {}
        for m, (name, (area, ece)) in enumerate(self.figures().items()):
            grid = self.rank[m].sum(axis=0)
            weight, lost, squared = self.lost[m].sum(axis=0)
            tenths, of = deciles(self.said[m]), float(weight) or math.nan
            pairs = float(grid[:, 0].sum() * grid[:, 1].sum())
            low, _, high = jackknife(self._own, m)
            out[name] = {
                "auc": area,
                "auc_low": rounded(max(low, 0.0)), "auc_high": rounded(min(high, 1.0)),
                "within": rounded(float((grid[:, 0] * grid[:, 1]).sum()) / pairs / 2
                                  if pairs else math.nan),
                "log_loss": rounded(lost / of), "brier": rounded(squared / of),
                "ece": ece,
                "calibration": [{k: round(v, 6) for k, v in t.items()} for t in tenths]}
        return out

    def figures(self) -> dict[str, tuple[float | None, float | None]]:
        """AUC and expected calibration error by model, as in `report`."""
        out = {}
        for m, name in enumerate(self.names):
            gap = math.fsum(t["n"] * abs(t["predicted"] - t["observed"])
                            for t in deciles(self.said[m]))
            of = float(self.lost[m, :, 0].sum()) or math.nan
            out[name] = rounded(auc(self.rank[m].sum(axis=0))), rounded(gap / of)
        return out

    def leads(self) -> list[dict[str, Any]]:
        """The first model over each other one: difference in AUC and in log-loss (positive = the
        first is better), each with its 95 % interval; `better` where the whole interval of the
        AUC lies on one side."""
        out = []
        for m, name in enumerate(self.names[1:], 1):
            row: dict[str, Any] = {"over": name}
            for key, value in (("auc", self._auc), ("log_loss", self._gain)):
                low, middle, high = jackknife(value, m)
                row |= {key: rounded(middle), f"{key}_low": rounded(low),
                        f"{key}_high": rounded(high)}
            low_auc, high_auc = row["auc_low"], row["auc_high"]
            row["better"] = (None if low_auc is None or low_auc <= 0.0 <= high_auc
                             else self.names[0] if low_auc > 0.0 else name)
            out.append(row)
        return out

    def _own(self, m: int) -> tuple[float, Floats]:
        """AUC of a model, and the same without each cluster."""
        grid = self.rank[m].sum(axis=0)
        return float(auc(grid)), np.asarray(auc(grid - self.rank[m]))

    def _auc(self, m: int) -> tuple[float, Floats]:
        """Lead over a model, and the same without each cluster."""
        both = [self.rank[0], self.rank[m]]
        whole = [auc(r.sum(axis=0)) for r in both]
        rest = [np.asarray(auc(r.sum(axis=0) - r)) for r in both]
        return float(whole[0] - whole[1]), rest[0] - rest[1]

    def _gain(self, m: int) -> tuple[float, Floats]:
        both = [self.lost[m], self.lost[0]]
        total = [x.sum(axis=0) for x in both]
        with np.errstate(divide="ignore", invalid="ignore"):
            whole = [t[1] / t[0] for t in total]
            rest = [(t[1] - x[:, 1]) / (t[0] - x[:, 0]) for t, x in zip(total, both, strict=True)]
        return float(whole[0] - whole[1]), rest[0] - rest[1]

    def state(self) -> dict[str, Any]:
        """Plain values from which `restore` goes on, bit for bit."""
        return {"examples": self.examples, "adverse": self.adverse,
                **{name: sparse(getattr(self, name)) for name in ("rank", "said", "lost")}}

    def restore(self, state: dict[str, Any]) -> None:
        self.examples, self.adverse = state["examples"], state["adverse"]
        for name in ("rank", "said", "lost"):
            fill(getattr(self, name), state[name])


class Slices:
    """One model's sums by parts of the city: dimension -> value -> how it fares there."""

    def __init__(self, dimensions: Sequence[str]) -> None:
        self.dimensions = tuple(dimensions)
        self.rows: list[dict[str, int]] = [{} for _ in self.dimensions]
        self.rank = np.zeros((0, CELLS // COARSE, 2))
        self.said = np.zeros(0)

    def add(self, values: Sequence[Sequence[str]], chance: Sequence[float],
            adverse: Sequence[bool], weights: Sequence[float]) -> None:
        """`values[dimension][example]`."""
        if not adverse:
            return
        cell = cells(list(map(log_odds, chance))) // COARSE
        y, w, p = np.asarray(adverse, int), np.asarray(weights, float), np.asarray(chance, float)
        at = np.array([[self._row(known, value) for value in own]
                       for known, own in zip(self.rows, values, strict=True)])
        more = sum(map(len, self.rows)) - len(self.said)
        if more:
            self.rank = np.concatenate([self.rank, np.zeros((more, *self.rank.shape[1:]))])
            self.said = np.concatenate([self.said, np.zeros(more)])
        for rows in at:
            np.add.at(self.rank, (rows, cell, y), w)
            np.add.at(self.said, rows, w * p)

    def report(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """By dimension and value: AUC, observed and predicted share, and examples."""
        out: dict[str, dict[str, dict[str, float | None]]] = {}
        for name, known in zip(self.dimensions, self.rows, strict=True):
            out[name] = {}
            for value, row in sorted(known.items()):
                n = float(self.rank[row].sum())
                out[name][value] = {
                    "auc": rounded(auc(self.rank[row])), "n": round(n, 6),
                    "observed": rounded(self.rank[row, :, 1].sum() / n if n else math.nan),
                    "predicted": rounded(self.said[row] / n if n else math.nan)}
        return out

    def state(self) -> dict[str, Any]:
        return {"rows": self.rows, "rank": sparse(self.rank), "said": sparse(self.said)}

    def restore(self, state: dict[str, Any]) -> None:
        self.rows = [dict(known) for known in state["rows"]]
        n = sum(map(len, self.rows))
        self.rank, self.said = np.zeros((n, CELLS // COARSE, 2)), np.zeros(n)
        fill(self.rank, state["rank"])
        fill(self.said, state["said"])

    def _row(self, known: dict[str, int], value: str) -> int:
        found = known.get(value)
        if found is None:
            value = value if len(known) < SLICES_MAX - 1 else OTHER
            found = known.setdefault(value, sum(map(len, self.rows)))
        return found


def jackknife(value: Callable[[int], tuple[float, Floats]], m: int) -> tuple[float, float, float]:
    """(low, value, high) from a value and those without each cluster."""
    whole, rest = value(m)
    spread = rest - rest.mean()
    wide = STUDENT * math.sqrt((CLUSTERS - 1) / CLUSTERS * float((spread * spread).sum()))
    return whole - wide, whole, whole + wide


def cells(values: Sequence[float]) -> NDArray[np.int64]:
    """Cell of each log-odds; beyond the grid, its first or last."""
    at = np.floor(np.asarray(values, float) * CELLS_A_UNIT).astype(np.int64) + CELLS // 2
    out: NDArray[np.int64] = np.clip(at, 0, CELLS - 1)
    return out


def sparse(values: Floats) -> tuple[bytes, bytes]:
    """Places and values that are not 0."""
    flat = values.ravel()
    at = np.flatnonzero(flat)
    return at.astype("<u4").tobytes(), flat[at].astype("<f8").tobytes()


def fill(values: Floats, state: Sequence[bytes]) -> None:
    """Inverse of `sparse`, into an array of the same shape."""
    values.fill(0.0)
    values.ravel()[np.frombuffer(state[0], "<u4")] = np.frombuffer(state[1], "<f8")
