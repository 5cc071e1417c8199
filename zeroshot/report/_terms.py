"""What the names of figures mean, each in a sentence, for those who do not know the field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from zeroshot.report._page import definitions

HARMONIC_MEAN = (
    "2ab / (a + b) of the accuracies a on seen and b on unseen classes: high only where both are."
)

# By the names of the figures, without their k.
OF_AN_EVALUATION = {
    "mean_class_accuracy": "How often the first label is right in a class, averaged over classes.",
    "seen_accuracy": "How often the first label is right for images of classes seen in training.",
    "unseen_accuracy": "How often it is right for images of classes without any training image.",
    "harmonic_mean": HARMONIC_MEAN,
    "ausuc": "The area under the curve of seen against unseen accuracy, drawn by lowering the "
    "scores of seen classes step by step. At best it is 1.",
    "hit": "How often the right label is among the k best ones.",
    "hierarchical_precision": "How many of the k best labels are the right one or one of its "
    "nearest relatives in WordNet's tree of nouns, as a share.",
    "semantic_similarity": "How close the vectors of the k best labels are to that of the right "
    "one: their mean cosine, which is 1 for the right label itself.",
}

OF_THE_DEMO = {
    "top-1": "How often the first label is right.",
    "hit@5": "How often the right label is among the five best ones.",
    "unseen classes": "Those without any training image; the model knows their names alone.",
    "bare class names": "A class is known by its name as it stands; in the rows without these "
    "words, ambiguous names are spelled out.",
    "all 100 offered": "The model may answer with the 80 classes of its training as well.",
    "harmonic mean": HARMONIC_MEAN,
    "relative loss": "The squared error of the word vector that is predicted for a class left out "
    "of training, relative to that of predicting zero: -39% is an error smaller by 39%.",
    "classes better than zero": "Those left out whose error is smaller than that of predicting "
    "zero.",
    "over that control": "The same error relative to the control's instead: below zero, the model "
    "is better than the control.",
    "best constant answer": "The best answer that is the same for every image.",
    "chance": "A label drawn at random.",
    "mean of the other labels": "The mean of the 99 other labels' word vectors is predicted for "
    "every image.",
}


def evaluation_terms(figures: Iterable[str]) -> str:
    """Return what those figures of a `ZeroShotEvaluation` mean, as HTML."""
    families = dict.fromkeys(figure.split("_at_")[0] for figure in figures)
    return _meaning({spoken(name): OF_AN_EVALUATION[name] for name in families})


def demo_terms() -> str:
    """Return what the demo's figures and their controls mean, as HTML."""
    return _meaning(OF_THE_DEMO)


def spoken(figure: str) -> str:
    """Return the name of a figure as it is read: of a family, that of any k.

    Examples
    --------
    >>> from zeroshot.report._terms import spoken
    >>> spoken("hit_at_5"), spoken("hit"), spoken("ausuc")
    ('hit@5', 'hit@k', 'AUSUC')
    """
    if figure in ("hit", "hierarchical_precision", "semantic_similarity"):
        figure += "_at_k"
    return figure.replace("_at_", "@").replace("_", " ").replace("ausuc", "AUSUC")


def _meaning(terms: Mapping[str, str]) -> str:
    return definitions("What the figures mean", terms)
