"""Confidence learnt from held-out classes: probabilities, sets of labels, doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy.optimize import brentq

from zeroshot._utils._constraints import COUNT, Number
from zeroshot._utils._fitted import Array
from zeroshot._utils._saving import Saved
from zeroshot.estimators._held_out import Block

_MOST_LOG_FACTOR = np.log(3.0)
"""How far temperatures may be from those of the lowest loss."""

_LEAST_ANSWERED = 10
"""Held-out samples that an accuracy among what is answered is read off, at least."""


class Doubt(NamedTuple):
    """What is known of samples beside their scores.

    Attributes
    ----------
    best : ndarray of shape (n_samples,)
        Probability of the most probable candidate.
    evidence : ndarray of shape (n_samples,)
        Log odds that the sample is of any of the candidates, where half of all samples are.
    """

    best: np.ndarray
    evidence: np.ndarray


@dataclass(frozen=True, eq=False)
class Confidence(Saved):
    """What held-out classes say about the scores of one classifier.

    Scores become logits: divided by a temperature, and less an offset for seen classes.

    Parameters
    ----------
    temperature, seen_temperature : float
        What scores of unseen and of seen classes are divided by.
    offset : float
        Subtracted from the logits of seen classes: calibrated stacking, in units of logits.
    n_candidates : int
        How many candidates competed for a held-out sample, on average.
    n_classes : int
        How many classes were held out.
    evidence_weights : ndarray of shape (4,)
        Weights of the log of the best probability, of the log of the summed exponentials of the
        candidates' logits and of the seen classes', and a constant.
    weights : ndarray of float32 of shape (n_held_out,)
        What each held-out sample counts: classes of one kind alike.
    of_seen : ndarray of bool of shape (n_held_out,)
        Which held-out samples are of classes that the model was trained on.
    classes : ndarray of int of shape (n_held_out,)
        Their classes.
    true : ndarray of float32 of shape (n_held_out,)
        Probability of the true label.
    right : ndarray of bool of shape (n_held_out,)
        Whether the most probable label is the true one.
    best, evidence : ndarray of float32 of shape (n_held_out,)
        As of `Doubt`.
    best_of_others, evidence_of_others : ndarray of float32 of shape (n_held_out,)
        The same once the sample's own class is taken out of the candidates.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, for the
    temperature; Chao et al. 2016 for the offset. Lee, Barber, Willett, "Distribution-free inference
    with hierarchical data", 2023, and Dunn, Wasserman, Ramdas, "Distribution-free prediction sets
    for two-layer hierarchical models", 2022, for sets from groups of samples.
    """

    temperature: float
    seen_temperature: float
    offset: float
    n_candidates: int
    n_classes: int
    evidence_weights: np.ndarray
    weights: np.ndarray
    of_seen: np.ndarray
    classes: np.ndarray
    true: np.ndarray
    right: np.ndarray
    best: np.ndarray
    evidence: np.ndarray
    best_of_others: np.ndarray
    evidence_of_others: np.ndarray

    _constraints: ClassVar[Mapping[str, Any]] = {
        **dict.fromkeys(("temperature", "seen_temperature"), Number(above=1e-30, below=1e30)),
        "offset": Number(),
        **dict.fromkeys(("n_candidates", "n_classes"), COUNT),
        "evidence_weights": Array(4),
        "weights": Array("n_held_out", least=0),
        **dict.fromkeys(("of_seen", "right"), Array("n_held_out", kind="b")),
        "classes": Array("n_held_out", kind="i"),
        **dict.fromkeys(
            ("true", "best", "best_of_others"), Array("n_held_out", least=0, most=1.01)
        ),
        **dict.fromkeys(("evidence", "evidence_of_others"), Array("n_held_out")),
    }

    @classmethod
    def of_blocks(
        cls,
        blocks: Sequence[Block],
        *,
        unseen_only: bool,
        unseen_share: float | None = None,
        temperature: float | None = None,
    ) -> Confidence:
        """Learn from the scores of held-out samples.

        Parameters
        ----------
        blocks : sequence of Block
            At least one.
        unseen_only : bool
            Whether seen classes are no candidates.
        unseen_share : float, optional
            Which share of the classes to come is unseen. That of the held-out samples if None.
        temperature : float, optional
            Take this one, and no offset, rather than the best.
        """
        of_seen = np.concatenate([block.is_seen[block.true] for block in blocks])
        classes = np.concatenate([block.classes for block in blocks])
        weights = class_weights(classes, of_seen, unseen_share)
        betas = (
            _best_betas(blocks, weights, unseen_only)
            if temperature is None
            else np.array([1 / temperature, 1 / temperature, 0.0])
        )
        parts = [_describe(block, betas, unseen_only) for block in blocks]
        features, others = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        true, right = (np.concatenate([part[i] for part in parts]) for i in (2, 3))
        evidence_weights = _evidence_weights(features, others, weights)
        sizes = [np.sum(~b.is_seen) if unseen_only else len(b.is_seen) for b in blocks]
        return cls(
            temperature=float(1 / betas[0]),
            seen_temperature=float(1 / betas[1]),
            offset=float(-betas[2]),
            n_candidates=int(round(np.average(sizes, weights=[len(b.true) for b in blocks]))),
            n_classes=len(np.unique(classes)),
            evidence_weights=evidence_weights,
            weights=weights.astype(np.float32),
            of_seen=of_seen,
            classes=classes,
            true=true.astype(np.float32),
            right=right,
            best=np.exp(features[:, 0]).astype(np.float32),
            evidence=_evidence(features, evidence_weights).astype(np.float32),
            best_of_others=np.exp(others[:, 0]).astype(np.float32),
            evidence_of_others=_evidence(others, evidence_weights).astype(np.float32),
        )

    def logits(self, scores: np.ndarray, is_seen: np.ndarray) -> np.ndarray:
        """Return logits of score columns, of which some are of seen classes."""
        betas = np.array([1 / self.temperature, 1 / self.seen_temperature, -self.offset])
        return _logits(scores, is_seen, betas)

    def probabilities(self, scores: np.ndarray, is_seen: np.ndarray) -> np.ndarray:
        """Return one distribution over the candidates, (n_samples, n_candidates).

        Parameters
        ----------
        scores : ndarray of shape (n_samples, n_candidates)
            Scores of candidates.
        is_seen : ndarray of bool of shape (n_candidates,)
            Which of them are of seen classes.
        """
        logits = self.logits(scores, is_seen)
        return np.exp(logits - _log_sum_exp(logits)[:, None])

    def doubt(self, scores: np.ndarray, is_seen: np.ndarray, is_candidate: np.ndarray) -> Doubt:
        """Return how doubtful samples are.

        Parameters
        ----------
        scores : ndarray of shape (n_samples, n_columns)
            Scores of candidates and of seen classes.
        is_seen, is_candidate : ndarray of bool of shape (n_columns,)
            Which columns are which; a candidate may be seen.
        """
        logits = self.logits(scores, is_seen)
        allowed = np.broadcast_to(is_candidate, logits.shape)
        features = _features(logits, is_seen, allowed)
        return Doubt(np.exp(features[:, 0]), _evidence(features, self.evidence_weights))

    def set_threshold(self, coverage: float, *, seen: bool) -> float:
        """Return the least probability of a label in a set: split conformal prediction by classes.

        With K held-out classes, each has the weight 1 / (K + 1), which its samples share, and the
        class to come has the rest. The threshold is the largest that leaves `coverage` of this
        weight in the sets; 0, which lets in every label, if only the class to come could do so.

        Parameters
        ----------
        coverage : float
            In (0, 1).
        seen : bool
            Of seen classes, or of unseen ones.
        """
        rows = self.of_seen == seen
        if not rows.any():
            rows = np.ones_like(rows)
        classes = self.classes[rows]
        weights = class_weights(classes, np.zeros(len(classes), dtype=bool), None)
        n_classes = len(np.unique(classes))
        order = np.argsort(-self.true[rows], kind="stable")
        covered = np.cumsum(weights[order]) / weights.sum() * n_classes / (n_classes + 1)
        place = np.searchsorted(covered, coverage - 1e-9)
        return float(self.true[rows][order[place]]) if place < len(order) else 0.0

    def rejection_curve(self, none_share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return how threshold, coverage and accuracy of what is answered go together.

        Each class counts once. A share of the samples shows none of the candidates.

        Parameters
        ----------
        none_share : float
            That share, in [0, 1).

        Returns
        -------
        threshold, coverage, accuracy : ndarray of shape (n_points,)
            From the surest sample on: the confidence from which samples are answered, the share of
            these, and how many of the answers are right.
        """
        weights = self.weights.astype(np.float64)
        weights /= weights.sum()
        sure = right_probability(Doubt(self.best, self.evidence), none_share)
        others = Doubt(self.best_of_others, self.evidence_of_others)
        sure_of_others = right_probability(others, none_share)
        confidence = np.concatenate([sure, sure_of_others])
        weight = np.concatenate([weights * (1 - none_share), weights * none_share])
        right = np.concatenate([self.right, np.zeros_like(self.right)])
        order = np.argsort(-confidence, kind="stable")
        confidence, weight, right = confidence[order], weight[order], right[order]
        last = np.append(np.diff(confidence) != 0, True)  # ties are answered together
        last[: min(_LEAST_ANSWERED, len(last)) - 1] = False
        coverage = np.cumsum(weight)
        accuracy = np.cumsum(weight * right) / np.maximum(coverage, 1e-300)
        return confidence[last], coverage[last], accuracy[last]


def right_probability(doubt: Doubt, none_share: float) -> np.ndarray:
    """Return the probability that the best candidate is right, (n_samples,).

    Parameters
    ----------
    doubt : Doubt
        Of the samples.
    none_share : float
        The share of all samples that show none of the candidates.
    """
    return doubt.best * any_probability(doubt.evidence, none_share)


def any_probability(evidence: np.ndarray, none_share: float) -> np.ndarray:
    """Return the probability that a sample shows any of the candidates, (n_samples,)."""
    if none_share == 0:
        return np.ones_like(evidence)
    prior = np.log(1 - none_share) - np.log(none_share)
    return 1 / (1 + np.exp(-np.clip(evidence + prior, -500, 500)))


def class_weights(
    classes: np.ndarray, of_seen: np.ndarray, unseen_share: float | None
) -> np.ndarray:
    """Return weights that are the same in total for all classes of one kind, (n_samples,).

    The unseen ones have `unseen_share` of the whole, where there are both kinds and it is given.
    """
    kinds = 2 * classes + of_seen
    _, codes, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    weights = 1 / counts[codes]
    if unseen_share is not None and of_seen.any() and not of_seen.all():
        total = weights.sum()
        for kind, share in ((of_seen, 1 - unseen_share), (~of_seen, unseen_share)):
            weights[kind] *= share * total / weights[kind].sum()
    return weights


def _log_sum_exp(logits: np.ndarray) -> np.ndarray:
    """Return the log of the summed exponentials of each row; SciPy's costs three times as much."""
    largest = logits.max(axis=1)
    shift = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        return shift + np.log(np.exp(logits - shift[:, None]).sum(axis=1))


def _logits(scores: np.ndarray, is_seen: np.ndarray, betas: np.ndarray) -> np.ndarray:
    scales = np.where(is_seen, betas[1], betas[0])
    return scores.astype(np.float64) * scales + np.where(is_seen, betas[2], 0.0)


def _features(logits: np.ndarray, is_seen: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Return what tells samples of the candidates from others, (n_samples, 3)."""
    offered = np.where(allowed, logits, -np.inf)
    energy = _log_sum_exp(offered)
    best = offered.max(axis=1) - energy
    background = _log_sum_exp(logits[:, is_seen]) if is_seen.any() else energy
    return np.column_stack([best, energy, background])


def _evidence(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return features @ weights[:-1] + weights[-1]


def _describe(block: Block, betas: np.ndarray, unseen_only: bool) -> tuple[np.ndarray, ...]:
    """Return features, those without the own class, and what came of each sample."""
    logits = _logits(block.scores, block.is_seen, betas)
    allowed = np.broadcast_to(~block.is_seen | (not unseen_only), logits.shape).copy()
    features = _features(logits, block.is_seen, allowed)
    rows = np.arange(len(logits))
    own = logits[rows, block.true]
    offered = np.where(allowed, logits, -np.inf)
    right = offered.argmax(axis=1) == block.true
    true = np.exp(own - features[:, 1])
    allowed[rows, block.true] = False
    hidden = logits.copy()
    hidden[rows, block.true] = -np.inf  # neither a candidate nor a seen class any more
    others = _features(hidden, block.is_seen, allowed)
    return features, others, true, right


def _evidence_weights(features: np.ndarray, others: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weights of a logistic regression between samples with and without their class."""
    from sklearn.linear_model import LogisticRegression  # a quarter of a second

    usable = np.isfinite(others).all(axis=1)
    both = np.concatenate([features[usable], others[usable]])
    if not len(both):
        return np.zeros(features.shape[1] + 1)
    mean, spread = both.mean(axis=0), both.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    model = LogisticRegression().fit(
        (both - mean) / spread,
        np.repeat([1, 0], usable.sum()),
        sample_weight=np.tile(weights[usable], 2),
    )
    coef = model.coef_[0] / spread
    return np.append(coef, model.intercept_[0] - coef @ mean)


def _best_betas(blocks: Sequence[Block], weights: np.ndarray, unseen_only: bool) -> np.ndarray:
    """Return the inverse temperatures and the offset for held-out samples.

    The lowest mean log loss over classes says how the two kinds compare. One factor on all of them
    then makes the mean probability of the best label as large as the share of right answers: the
    loss alone leaves it too low where scores have heavy tails.
    """
    columns = [
        block._replace(scores=block.scores[:, keep].astype(np.float64), is_seen=block.is_seen[keep],
                       true=np.cumsum(keep)[block.true] - 1)
        for block in blocks
        for keep in [~block.is_seen | (not unseen_only)]
    ]  # fmt: skip
    shares = np.split(weights / weights.sum(), np.cumsum([len(b.true) for b in columns])[:-1])
    betas = _least_loss(columns, shares)

    def surplus(log_factor: float) -> float:
        total = 0.0
        for block, share in zip(columns, shares, strict=True):
            logits = _logits(block.scores, block.is_seen, betas * np.exp(log_factor))
            best = np.exp(logits.max(axis=1) - _log_sum_exp(logits))
            total += float(share @ (best - (logits.argmax(axis=1) == block.true)))
        return total

    ends = np.array([-_MOST_LOG_FACTOR, _MOST_LOG_FACTOR])
    at_ends = [surplus(end) for end in ends]
    if at_ends[0] < 0 < at_ends[1]:
        return betas * np.exp(brentq(surplus, *ends, xtol=1e-4))
    return betas * np.exp(ends[int(np.abs(at_ends).argmin())])


def _least_loss(columns: Sequence[Block], shares: Sequence[np.ndarray]) -> np.ndarray:
    """Return the inverse temperatures and the offset of the lowest log loss.

    The loss is convex in them, and Newton's method finds them. A share of 1 / (n + 2) of each
    sample is spread over all candidates, so that there is a minimum where all answers are right.
    """
    kinds = np.array(
        [any((~b.is_seen).any() for b in columns), any(b.is_seen.any() for b in columns)]
    )
    active = np.array([kinds[0], kinds[1], kinds.all()])
    spread = float(np.mean([b.scores.std() for b in columns])) or 1.0
    units = np.array([1 / spread, 1 / spread, 1.0])
    smoothing = 1 / (sum(len(b.true) for b in columns) + 2)
    theta = np.where(active, [1.0, 1.0, 0.0], 0.0)
    loss, gradient, hessian = _loss(columns, shares, units * theta, units, smoothing)
    for _ in range(50):
        step = np.zeros(3)
        regular = hessian[np.ix_(active, active)] + 1e-9 * np.eye(active.sum())
        step[active] = np.linalg.solve(regular, gradient[active])
        for halving in range(30):
            trial = theta - step / 2**halving
            found = _loss(columns, shares, units * trial, units, smoothing)
            if found[0] <= loss:
                break
        else:
            break
        gain = loss - found[0]
        theta, (loss, gradient, hessian) = trial, found
        if gain < 1e-7:
            break
    theta[:2] = np.maximum(theta[:2], 1e-3)  # scores that say nothing: nearly uniform
    if not kinds.all():
        theta[:2] = theta[0] if kinds[0] else theta[1]
    return units * theta


def _loss(
    blocks: Sequence[Block],
    weights: Sequence[np.ndarray],
    betas: np.ndarray,
    units: np.ndarray,
    smoothing: float,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the mean log loss, its gradient and its Hessian, in `units` of the parameters."""
    loss, gradient, hessian = 0.0, np.zeros(3), np.zeros((3, 3))
    for block, weight in zip(blocks, weights, strict=True):
        logits = _logits(block.scores, block.is_seen, betas)
        log_p = logits - _log_sum_exp(logits)[:, None]
        p = np.exp(log_p)
        rows, seen = np.arange(len(p)), block.is_seen
        loss -= float(
            weight @ ((1 - smoothing) * log_p[rows, block.true] + smoothing * log_p.mean(axis=1))
        )
        # Derivatives of the logits: scores of unseen columns, of seen ones, and 1 for seen ones.
        kinds = np.where(seen, [[0.0], [units[1]]], [[units[0]], [0.0]])
        scaled = p * block.scores
        first = np.column_stack([scaled @ kinds.T, p @ (seen * units[2])])
        wanted = (1 - smoothing) * np.column_stack(
            [
                kinds.T[block.true] * block.scores[rows, block.true, None],
                seen[block.true] * units[2],
            ]
        ) + smoothing * np.column_stack(
            [block.scores @ kinds.T / len(seen), np.full(len(p), seen.mean() * units[2])]
        )
        gradient += weight @ (first - wanted)
        squares = (scaled * block.scores) @ (kinds**2).T
        second = np.zeros((3, 3))
        second[range(2), range(2)] = weight @ squares
        second[1, 2] = second[2, 1] = units[2] * float(weight @ first[:, 1])
        second[2, 2] = units[2] * float(weight @ first[:, 2])
        hessian += second - first.T @ (weight[:, None] * first)
    return loss, gradient, hessian
