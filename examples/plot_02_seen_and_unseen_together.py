"""
Seen and unseen classes together
================================

With all 100 candidate labels, a model almost never predicts a class that it did not see. Calibrated
stacking subtracts a constant from the scores of seen classes; class folds choose it.
"""

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import CalibratedStacking, DeViSEClassifier, WordVectors, evaluate_zero_shot
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.model_selection import ClassShuffleSplit

X, y = load_cifar100_features(return_X_y=True)
is_test = np.arange(len(y)) >= len(load_cifar100_features(subset="train").target)
_, left_out = next(ClassShuffleSplit(1, test_size=20, random_state=0).split(X, y))
is_unseen = np.isin(np.arange(len(y)), left_out)
fit, test = ~is_unseen & ~is_test, is_unseen | is_test

words = WordVectors(overrides=label_texts("cifar100"))
model = DeViSEClassifier(words, candidates=np.unique(y), loss="mse", alpha=10, gamma=2)

# %%
# The harmonic mean is high only where both kinds of classes are.

fitted = {}
for name, classifier in {"as it is": model, "calibrated": CalibratedStacking(model)}.items():
    fitted[name] = make_pipeline(Normalizer(), classifier).fit(X[fit], y[fit])
    result = evaluate_zero_shot(fitted[name], X[test], y[test], n_bootstrap=0)
    cells = (
        f"{figure} {result[figure].value:.3f}"
        for figure in ("seen_accuracy", "unseen_accuracy", "harmonic_mean")
    )
    print(f"{name:<12}", ", ".join(cells))

# %%
# Every point of the curve is one constant.

from zeroshot.displays import SeenUnseenCurveDisplay

SeenUnseenCurveDisplay.from_estimator(fitted["as it is"], X[test], y[test], name="DeViSE")
