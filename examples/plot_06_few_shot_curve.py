"""
From no image to ten images per class
=====================================

A prior that knows only the names starts well above chance. With more images per class it counts
for less.
"""

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import Normalizer

from zeroshot import DeViSEClassifier, FewShotClassifier, WordVectors, few_shot_curve
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.displays import FewShotCurveDisplay
from zeroshot.model_selection import ClassShuffleSplit

X, y = load_cifar100_features(return_X_y=True)
X = Normalizer().transform(X)
known, new = next(ClassShuffleSplit(1, test_size=20, random_state=0).split(X, y))

# %%
# The prior is learnt from the 80 other classes.

words = WordVectors(overrides=label_texts("cifar100"))
names = np.unique(y[new])
prior = DeViSEClassifier(words, candidates=names, loss="mse", alpha=10, gamma=2)
prior.fit(X[known], y[known])

curve = few_shot_curve(
    {
        "images and names": FewShotClassifier(FrozenEstimator(prior)),
        "images alone": LogisticRegression(C=100, max_iter=300),
    },
    X[new],
    y[new],
    shots=[1, 2, 5, 10],
    cv=3,
    random_state=0,
)
print(curve)
FewShotCurveDisplay.from_predictions(curve)
