"""Scores ranked against a truth, as counts by score: mergeable, and exact for any number of ties."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from aiplatform.eval.statistics.exact import Floats

Truths = npt.NDArray[np.bool_]


@dataclass(slots=True)
class ScoreCounts:
    """How many negatives and positives have each score."""

    counts: dict[float, tuple[int, int]] = field(default_factory=dict)

    def add(self, scores: Floats, truths: Truths) -> None:
        """Take in rows.

        Raises:
            ValueError: A score is not a number.
        """
        if np.isnan(scores).any():
            raise ValueError("a score that is not a number has no rank")
        distinct, where = np.unique(scores + 0.0, return_inverse=True)
        positives = np.bincount(where[truths], minlength=len(distinct))
        totals = np.bincount(where, minlength=len(distinct))
        for score, total, positive in zip(distinct.tolist(), totals.tolist(), positives.tolist(), strict=True):
            negatives, known = self.counts.get(score, (0, 0))
            self.counts[score] = (negatives + total - positive, known + positive)

    def merge(self, other: ScoreCounts) -> None:
        """Take in what another one holds."""
        for score, (negatives, positives) in other.counts.items():
            known_negatives, known_positives = self.counts.get(score, (0, 0))
            self.counts[score] = (known_negatives + negatives, known_positives + positives)

    @property
    def negatives(self) -> int:
        """Rows whose truth is false."""
        return sum(negatives for negatives, _ in self.counts.values())

    @property
    def positives(self) -> int:
        """Rows whose truth is true."""
        return sum(positives for _, positives in self.counts.values())

    @property
    def auc(self) -> float | None:
        """Area under the ROC curve, ties counting one half, rounded once; None where one class is missing."""
        twice_wins, below = 0, 0
        for _, (negatives, positives) in sorted(self.counts.items()):
            twice_wins += positives * (2 * below + negatives)
            below += negatives
        pairs = 2 * below * self.positives
        return twice_wins / pairs if pairs else None

    @property
    def auc_variance(self) -> float | None:
        """DeLong's variance of the area; None where a class has fewer than two rows.

        Source:
            DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44:837, on counts by score.
        """
        num_negatives, num_positives = self.negatives, self.positives
        area = self.auc
        if area is None or num_negatives < 2 or num_positives < 2:
            return None
        of_positives, of_negatives, below, above = [], [], 0, num_positives
        for _, (negatives, positives) in sorted(self.counts.items()):
            above -= positives
            of_positives.append(positives * ((below + negatives / 2) / num_negatives - area) ** 2)
            of_negatives.append(negatives * ((above + positives / 2) / num_positives - area) ** 2)
            below += negatives
        return math.fsum(of_positives) / ((num_positives - 1) * num_positives) + math.fsum(of_negatives) / (
            (num_negatives - 1) * num_negatives
        )

    def best_threshold(self) -> float | None:
        """The score from which on to say yes, by balanced accuracy; of equally good ones the strictest.

        Returns:
            None where one class is missing. Thresholds are scores that occurred.
        """
        num_negatives, num_positives = self.negatives, self.positives
        if not num_negatives or not num_positives:
            return None
        best, best_gain = None, None
        false_yes, true_yes = 0, 0
        for score, (negatives, positives) in sorted(self.counts.items(), reverse=True):
            false_yes += negatives
            true_yes += positives
            gain = true_yes * num_negatives - false_yes * num_positives
            if best_gain is None or gain > best_gain:
                best, best_gain = score, gain
        return best

    def at_least(self, threshold: float) -> tuple[int, int]:
        """Negatives and positives whose score reaches the threshold."""
        reached = [counts for score, counts in self.counts.items() if score >= threshold]
        return sum(negatives for negatives, _ in reached), sum(positives for _, positives in reached)


@dataclass(frozen=True, slots=True, kw_only=True)
class AucContrast:
    """Two areas over the same rows, and the error of their difference."""

    baseline: float
    candidate: float
    error: float
    """Standard error of candidate - baseline; 0 where the two rank alike."""

    @property
    def difference(self) -> float:
        """Candidate minus baseline."""
        return self.candidate - self.baseline


def spread_of_area(area: float, positives: int, negatives: int) -> float:
    """Variance that an area of this size would have, from the sizes of the classes alone.

    Source:
        Newcombe 2006, Statistics in Medicine 25:559, method 5.
    """
    weight = (positives + negatives) / 2 - 1
    spread = area * (1 - area) * (1 + weight * (1 - area) / (2 - area) + weight * area / (1 + area))
    return spread / (positives * negatives)


def compare_auc(baseline: Floats, candidate: Floats, truths: Truths) -> AucContrast | None:
    """Two scores of the same rows by DeLong's paired method; None where a class has fewer than two rows.

    Source:
        DeLong 1988 by the midranks of Sun and Xu 2014, IEEE Signal Processing Letters 21:1389.
    """
    positives, negatives = int(truths.sum()), int((~truths).sum())
    if positives < 2 or negatives < 2:
        return None
    components = [_components(scores, truths) for scores in (baseline, candidate)]
    areas = [float(of_positives.mean()) for of_positives, _ in components]
    of_positives = components[1][0] - components[0][0]
    of_negatives = components[1][1] - components[0][1]
    variance = float(of_positives.var(ddof=1)) / positives + float(of_negatives.var(ddof=1)) / negatives
    if variance == 0.0 and areas[0] != areas[1]:
        # Both rank without a doubt (one perfectly, say), so DeLong sees no spread: take what sizes alone suggest.
        margin = 0.5 / min(positives, negatives)
        inner = [min(max(area, margin), 1 - margin) for area in areas]
        variance = sum(spread_of_area(area, positives, negatives) for area in inner)
    return AucContrast(baseline=areas[0], candidate=areas[1], error=math.sqrt(variance))


def _components(scores: Floats, truths: Truths) -> tuple[Floats, Floats]:
    ups, downs = np.sort(scores[truths]), np.sort(scores[~truths])
    of_positives = _share_below(downs, scores[truths])
    of_negatives = 1.0 - _share_below(ups, scores[~truths])
    return of_positives, of_negatives


def _share_below(ordered: Floats, values: Floats) -> Floats:
    left = np.searchsorted(ordered, values, side="left")
    right = np.searchsorted(ordered, values, side="right")
    return np.asarray((left + right) / (2.0 * len(ordered)), dtype=np.float64)
