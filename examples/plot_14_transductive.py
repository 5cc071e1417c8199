"""
Name a batch of images together
===============================

Images of one class look alike. `TransductiveClassifier` uses that: it names a whole batch of
unlabelled images at once. It sees the test images, so its accuracy is not comparable with that of
other methods; the inductive answer stands beside it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import normalize

from zeroshot import ESZSLClassifier, TransductiveClassifier, WordVectors
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.model_selection import ClassShuffleSplit

X, y = load_cifar100_features(return_X_y=True)
X = normalize(X)
seen, unseen = next(ClassShuffleSplit(1, test_size=20, random_state=0).split(X, y))
new = np.unique(y[unseen])
words = WordVectors(overrides=label_texts("cifar100"))
eszsl = ESZSLClassifier(words, candidates=new, scenario="unseen", gamma=2, temperature=0.1)
model = TransductiveClassifier(eszsl, weight=0.5, least_images=2).fit(X[seen], y[seen])

# %%
# The more images of each class are in the batch, the more it helps.

rng = np.random.default_rng(0)
sizes = (2, 5, 10, 20, 50)
together, alone = [], []
for size in sizes:
    rows = np.concatenate([rng.permutation(unseen[y[unseen] == name])[:size] for name in new])
    together.append(model.score(X[rows], y[rows]))
    alone.append((model.predict_inductive(X[rows]) == y[rows]).mean())

figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
ax.plot(sizes, together, "o-", label="the batch together (it sees the test images)")
ax.plot(sizes, alone, "s--", label="one image at a time")
ax.axhline(1 / 20, color="gray", linestyle=":", label="chance")
ax.set(xscale="log", xlabel="images per class in the batch", ylabel="top-1, 20 unseen classes")
ax.set_xticks(sizes, sizes)
ax.set_ylim(0, None)
ax.legend(frameon=False)
