"""
Hubs: labels that win too often
===============================

In many dimensions a few label vectors are the nearest to very many predictions. Both corrections
share the answers out more evenly.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import normalize

from zeroshot import DeViSEClassifier, WordVectors
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.model_selection import ClassShuffleSplit

X, y = load_cifar100_features(return_X_y=True)
X = normalize(X)
seen, unseen = next(ClassShuffleSplit(1, test_size=20, random_state=0).split(X, y))
words = WordVectors(overrides=label_texts("cifar100"))
shared = {"candidates": np.unique(y), "scenario": "unseen", "loss": "mse", "alpha": 10}

# %%
# Twenty classes with as many images each: without hubs every bar would have the same height.

figure, axes = plt.subplots(1, 3, sharey=True, figsize=(9, 3))
for ax, correction in zip(axes, [None, "zscore", "csls"], strict=True):
    model = DeViSEClassifier(words, hubness=correction, center=False, **shared)
    answers = model.fit(X[seen], y[seen]).predict(X[unseen])
    counts = np.sort([np.mean(answers == name) for name in np.unique(y[unseen])])[::-1]
    ax.bar(np.arange(20), counts)
    ax.axhline(1 / 20, color="black", linewidth=1)
    accuracy = np.mean(answers == y[unseen])
    ax.set(
        title=f"hubness={correction!r}: {accuracy:.3f} right", xlabel="classes, most frequent first"
    )
axes[0].set_ylabel("share of the answers")
figure.tight_layout()
