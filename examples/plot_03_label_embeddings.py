"""
What the label embedding is worth
=================================

The same map towards four label sides. Random vectors are the control: they tell classes apart, but
say nothing of how classes resemble each other.
"""

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import (
    ConcatEmbedding,
    ESZSLClassifier,
    HashEmbedding,
    WordNetEmbedding,
    WordVectors,
    evaluate_zero_shot,
)
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.displays import SimilarityBarDisplay
from zeroshot.model_selection import ClassShuffleSplit
from zeroshot.taxonomy import class_synsets

X, y = load_cifar100_features(return_X_y=True)
names = np.unique(y)
seen, unseen = next(ClassShuffleSplit(1, test_size=20, random_state=0).split(X, y))

words = WordVectors(overrides=label_texts("cifar100"))
taxonomy = WordNetEmbedding(vocabulary=names, overrides=class_synsets("cifar100"))
sides = {
    "random vectors (control)": HashEmbedding(50),
    "word vectors": words,
    "WordNet": taxonomy,
    "words and WordNet": ConcatEmbedding([words, taxonomy]),
}

# %%
# Intervals are over classes, by the bootstrap.

results = {}
for name, side in sides.items():
    model = ESZSLClassifier(side, candidates=names, scenario="unseen")
    model = make_pipeline(Normalizer(), model).fit(X[seen], y[seen])
    results[name] = evaluate_zero_shot(model, X[unseen], y[unseen], random_state=0)
    print(f"{name:<26}{results[name]['unseen_accuracy'].value:.3f}")

SimilarityBarDisplay.from_evaluations(results, figure="unseen_accuracy")
