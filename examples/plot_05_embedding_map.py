"""
A map of what the model predicts
================================

Predicted label vectors of test images and the vectors of the labels, in one plane. An image is
named after the label that it lands next to.
"""

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import DeViSEClassifier, WordVectors
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.displays import EmbeddingMapDisplay
from zeroshot.model_selection import ClassShuffleSplit

X, y = load_cifar100_features(return_X_y=True)
seen, unseen = next(ClassShuffleSplit(1, test_size=20, random_state=0).split(X, y))
words = WordVectors(overrides=label_texts("cifar100"))
model = DeViSEClassifier(
    words, candidates=np.unique(y[unseen]), scenario="unseen", loss="mse", alpha=10, gamma=2
)
model = make_pipeline(Normalizer(), model).fit(X[seen], y[seen])
EmbeddingMapDisplay.from_estimator(model, X[unseen], y[unseen], max_images=200)
