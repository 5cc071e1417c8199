"""
Name classes that were never trained on
=======================================

A map from image features to word vectors, learnt on 80 classes of CIFAR-100, names images of the
20 others. The control answers with one class for every image.
"""

# %%
# Features of 100 classes ship with the package. A split over classes leaves 20 out.

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import DeViSEClassifier, DummyZeroShotClassifier, WordVectors
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.model_selection import ClassShuffleSplit

X, y = load_cifar100_features(return_X_y=True)
seen, unseen = next(ClassShuffleSplit(1, test_size=20, random_state=0).split(X, y))
words = WordVectors(overrides=label_texts("cifar100"))

# %%
# Only unseen classes may win: ``scenario="unseen"``.

shared = {"label_embedding": words, "candidates": np.unique(y), "scenario": "unseen"}
model = make_pipeline(Normalizer(), DeViSEClassifier(**shared, loss="mse", alpha=10, gamma=2))
control = DummyZeroShotClassifier(**shared, strategy="constant")
for estimator in (model, control):
    estimator.fit(X[seen], y[seen])
    print(f"{type(estimator).__name__:<26}{estimator.score(X[unseen], y[unseen]):.3f}")

# %%
# Where the answers go wrong, they stay near: classes stand in WordNet's order.

from zeroshot.displays import ClassConfusionDisplay
from zeroshot.taxonomy import class_synsets

ClassConfusionDisplay.from_estimator(model, X[unseen], y[unseen], synsets=class_synsets("cifar100"))
