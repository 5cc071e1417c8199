"""Ensemble of zero-shot classifiers: scores on one scale, added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Bunch, gen_batches
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import check_is_fitted

from zeroshot._utils._arrays import class_balance
from zeroshot._utils._constraints import Checked, Maybe
from zeroshot._utils._fitted import Array, Part, Parts, Plain, Sizes
from zeroshot._utils._onnx_graph import Graph
from zeroshot._utils._pipelines import unwrap
from zeroshot._utils._validation import check_number
from zeroshot.estimators._composite import (
    CompositeClassifier,
    check_member,
    scores_of,
    thawed,
    unfitted_copy,
    view_over,
)
from zeroshot.estimators._onnx_steps import add_scores_of

_OWNER = "EnsembleZeroShotClassifier"
_BATCH = 4096


def _check_estimators(pairs: Any, *, owner: str, name: str) -> None:
    if not isinstance(pairs, (list, tuple)) or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], str)
        for pair in pairs
    ):
        raise ValueError(
            f"{owner}: {name} must be a list of (name, estimator) tuples, got {pairs!r}."
        )
    for key, member in pairs:
        if not _is_dropped(member):
            check_member(member, owner=owner, name=repr(key))


def _check_weights(weights: Any, *, owner: str, name: str) -> None:
    if (
        not (isinstance(weights, Sequence) or hasattr(weights, "__array__"))
        or np.ndim(weights) != 1
    ):
        raise ValueError(f"{owner}: {name} must be numbers, one a member, got {weights!r}.")
    for value in weights:
        check_number(value, owner=owner, name="each weight", at_least=0)


class EnsembleZeroShotClassifier(CompositeClassifier, _BaseComposition):
    r"""Sum of the z-scores of several zero-shot classifiers.

    The z-score of a class is its score less the mean over the candidates that may win, for the same
    image, over the member's own spread :math:`\sigma_m`: the standard deviation over the seen
    classes of the scores of an image, averaged over the images of ``fit``, each class of which
    counts once. With weights
    :math:`w_m`, the ensemble's score of class c for an image x is

    .. math::

        f_c(x) = \sum_m \frac{w_m}{\sum_k w_k}
        \frac{f^m_c(x) - \frac{1}{|A|} \sum_{a \in A} f^m_a(x)}{\sigma_m}.

    Scores do not depend on the other images that are scored. With a spread taken from each image
    alone, only the signs of the members' votes would count if there are two candidates.

    Parameters
    ----------
    estimators : list of (str, estimator) tuples
        The members: zero-shot classifiers of this package, or any classifier with
        ``decision_function``; in a ``Pipeline`` where they need their own preprocessing. They are
        fitted on copies, with the ensemble's `candidates`, except those that are fitted already
        and wrapped in scikit-learn's ``FrozenEstimator``. A `ConSEClassifier` of a `SourceHead`
        needs no images. ``"drop"`` in place of an estimator leaves it out.
    weights : sequence of float of shape (n_estimators,), optional
        Weights of the z-scores, not negative; equal if None.
    candidates : array-like of shape (n_classes,), optional
        The vocabulary that ``predict`` chooses from, and that all members share; the labels of
        ``fit`` if None.
    scenario : {"generalized", "unseen"}, default="generalized"
        Whether all candidates may win, or only those not seen in ``fit``. The members' own
        scenarios are ignored.
    temperature : float, "auto" or None, default=None
        Scores are divided by it in ``predict_proba``; None is 1.0. "auto" chooses it on held-out
        classes, which costs up to five further fits.

    Attributes
    ----------
    classes_, seen_classes_, unseen_classes_ : ndarray
        The vocabulary, and which of it was in ``fit`` of the ensemble.
    names_ : list of str
        Of the members, without the dropped ones.
    estimators_ : list of estimators
        The fitted members, over the candidates.
    named_estimators_ : Bunch
        The same by name.
    spreads_ : ndarray of shape (n_members,)
        :math:`\sigma_m`, 1 where a member gives all seen classes the same score.
    weights_ : ndarray of shape (n_members,)
        Weights that sum to one.

    See Also
    --------
    FewShotClassifier : One classifier, blended with class means.

    Examples
    --------
    A map learnt from images, and a pretrained head that needs none:

    >>> import numpy as np
    >>> from zeroshot import AttributeTable, ConSEClassifier, DeViSEClassifier
    >>> from zeroshot import EnsembleZeroShotClassifier, SourceHead
    >>> traits = AttributeTable(
    ...     [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], labels=["horse", "tiger", "fish", "zebra"]
    ... )
    >>> head = SourceHead(np.eye(3), np.zeros(3), ["horse", "tiger", "fish"])
    >>> model = EnsembleZeroShotClassifier(
    ...     [
    ...         ("map", DeViSEClassifier(traits, loss="mse")),
    ...         ("head", ConSEClassifier(head, traits)),
    ...     ],
    ...     candidates=["horse", "tiger", "fish", "zebra"],
    ... )
    >>> X, y = np.repeat(np.eye(3), 4, axis=0), np.repeat(["horse", "tiger", "fish"], 4)
    >>> model.fit(X, y).predict([[0.6, 0.6, 0.0]]).tolist()
    ['zebra']
    """

    _default_temperature = 1.0

    _constraints: ClassVar[Mapping[str, Any]] = {
        "estimators": Checked(_check_estimators),
        "weights": Maybe(Checked(_check_weights)),
    }
    _fitted: ClassVar[Mapping[str, Any]] = {
        "names_": Plain(list),
        "weights_": Array("n_members", least=0),
        "spreads_": Array("n_members", above=0),
        "estimators_": Parts(
            "n_members",
            Part(
                sizes={"n_features": "n_features"},
                has=("classes",),
                does=("decision_function",),
                covers=True,
            ),
        ),
    }

    @classmethod
    def _check_together(cls, values: Mapping[str, Any], sizes: Sizes) -> None:
        super()._check_together(values, sizes)
        if len(values["names_"]) != sizes["n_members"] or not values["weights_"].any():
            raise ValueError(f"{cls.__name__}: names_ and weights_ must be those of estimators_.")

    def __init__(
        self,
        estimators: list[tuple[str, Any]],
        *,
        weights: Sequence[float] | None = None,
        candidates: Any = None,
        scenario: str = "generalized",
        temperature: float | str | None = None,
    ) -> None:
        self.estimators = estimators
        self.weights = weights
        self.candidates = candidates
        self.scenario = scenario
        self.temperature = temperature

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, with `deep` those of the members too, as ``name__parameter``.

        Parameters
        ----------
        deep : bool, default=True
            Whether members and their parameters are among them.

        Returns
        -------
        params : dict
            By name.
        """
        return self._get_params("estimators", deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also of members (``name__parameter``) or whole members (``name``).

        Parameters
        ----------
        **params : object
            By name.

        Returns
        -------
        self : object
            The ensemble.
        """
        return self._set_params("estimators", **params)

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the members that are not frozen.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features of images of the seen classes.
        y : array-like of shape (n_samples,)
            Labels: all strings, or all integers.

        Returns
        -------
        self : object
            The fitted ensemble.

        Raises
        ------
        TypeError
            A member is no classifier with ``decision_function``.
        ValueError
            There is no member, names are repeated or clash with parameters, `weights` are not as
            described, or a member does not know a candidate; and what the members raise.
        NotFittedError
            A frozen member is not fitted.
        """
        self._check_parameters()
        self.names_, members, self.weights_ = self._members()
        X, y = self._validate_fit(X, y)
        self._set_classes(y)
        candidates = None if self.candidates is None else self.classes_
        self.estimators_ = [
            member
            if isinstance(member, FrozenEstimator)
            else unfitted_copy(member, candidates).fit(X, y)
            for member in members
        ]
        self.spreads_ = np.array([self._spread(member, X, y) for member in self.estimators_])
        self._prepare_candidates()
        self._learn_confidence(X, y)
        return self

    def _members(self) -> tuple[list[str], list[Any], np.ndarray]:
        """Return names, estimators and weights of the members that are not dropped."""
        pairs, kept = self.estimators, self._kept()
        weights = self._all_weights()[kept]
        members = [pairs[i][1] for i in kept]
        return [pairs[i][0] for i in kept], members, weights / weights.sum()

    def _kept(self) -> list[int]:
        """Return where the members stand that are not dropped."""
        return [i for i, (_, member) in enumerate(self.estimators) if not _is_dropped(member)]

    def _all_weights(self) -> np.ndarray:
        n_members = len(self.estimators)
        return np.ones(n_members) if self.weights is None else np.array(self.weights, np.float64)

    def _check_combination(self) -> None:
        super()._check_combination()
        self._validate_names([name for name, _ in self.estimators])
        n_members = len(self.estimators)
        if self.weights is not None and len(self.weights) != n_members:
            raise ValueError(
                f"{_OWNER}: weights must be {n_members} numbers, one a member, got "
                f"{len(self.weights)}."
            )
        kept = self._kept()
        if not kept or not self._all_weights()[kept].any():
            raise ValueError(
                f"{_OWNER}: there is no member with a weight above 0. Pass estimators="
                "[('map', DeViSEClassifier(WordVectors())), ...]."
            )

    def _spread(self, member: Any, X: np.ndarray, y: np.ndarray) -> float:
        """Return the deviation of an image's scores over classes, averaged over classes y of X.

        Over the seen classes, so that it is the same whatever the candidates are; by a member that
        can score its own classes only, over these.
        """
        if hasattr(unwrap(thawed(member)), "with_candidates"):
            member = view_over(member, self.seen_classes_, owner=_OWNER, name="a member")
        labels = np.asarray(member.classes_)
        total, weights = 0.0, class_balance(y)
        for rows in gen_batches(len(X), _BATCH):
            spreads = scores_of(member, X[rows], labels).std(axis=1, dtype=np.float64)
            total += float(weights[rows] @ spreads)
        return total / len(X) if total > 0 else 1.0

    def _prepare_candidates(self) -> None:
        self.estimators_ = [
            view_over(member, self.classes_, owner=_OWNER, name=repr(name))
            for name, member in zip(self.names_, self.estimators_, strict=True)
        ]

    def _given_members(self) -> list[Any]:
        return self._members()[1]

    def _fitted_members(self) -> list[Any]:
        return self.estimators_

    @property
    def named_estimators_(self) -> Bunch:
        """The fitted members, by name."""
        check_is_fitted(self)
        return Bunch(**dict(zip(self.names_, self.estimators_, strict=True)))

    def _class_scores(self, X: np.ndarray) -> np.ndarray:
        total = np.zeros((len(X), len(self.classes_)))
        for member, weight, spread in zip(
            self.estimators_, self.weights_, self.spreads_, strict=True
        ):
            total += weight / spread * scores_of(member, X, self.classes_)
        allowed = self._allowed()
        if allowed.any():
            total -= total[:, allowed].mean(axis=1, keepdims=True)
        return total.astype(X.dtype, copy=False)

    def _add_class_scores(self, graph: Graph, X: str) -> str:
        parts = [
            graph("Mul", add_scores_of(graph, member, X, self.classes_), np.array(weight / spread))
            for member, weight, spread in zip(
                self.estimators_, self.weights_, self.spreads_, strict=True
            )
        ]
        total = graph("Sum", *parts)
        allowed = np.flatnonzero(self._allowed())
        return graph("Sub", total, graph.mean(graph.columns(total, allowed)))


def _is_dropped(member: Any) -> bool:
    return isinstance(member, str) and member == "drop"
