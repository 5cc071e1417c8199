"""
Choose among nine thousand words
================================

``candidates`` can be a vocabulary: here the nouns among the 20,000 most frequent words that have a
vector, without stop words (*in* is a noun for WordNet, the inch).
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import normalize

from zeroshot import DeViSEClassifier, WordVectors, vocabulary_words
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.model_selection import ClassShuffleSplit

X, y = load_cifar100_features(return_X_y=True)
X = normalize(X)
seen, unseen = next(ClassShuffleSplit(1, test_size=20, random_state=0).split(X, y))
words = WordVectors(overrides=label_texts("cifar100"))
vocabulary = vocabulary_words(
    words,
    n_most_frequent=20_000,
    part_of_speech="noun",
    stop_words="english",
    alphabetic=True,
    min_length=3,
)
candidates = sorted({*vocabulary, *np.unique(y)})
model = DeViSEClassifier(words, candidates=candidates, scenario="unseen", loss="mse", alpha=10)
model.fit(X[seen], y[seen])

# %%
# The words that images of three unseen classes get most often.

for name in np.unique(y[unseen])[[0, 7, 15]]:
    best, _ = model.predict_top_k(X[unseen][y[unseen] == name], k=1)
    found, counts = np.unique(best, return_counts=True)
    print(f"{name:<12}", ", ".join(found[np.argsort(-counts)[:6]]))

# %%
# How often the right word is among the best k of them. Chance at k = 1,000 is 0.11.

ks = [1, 10, 100, 1000]
best, _ = model.predict_top_k(X[unseen], k=max(ks))
hits = [np.mean((best[:, :k] == y[unseen][:, None]).any(axis=1)) for k in ks]
plt.plot(ks, hits, marker="o", label="DeViSE")
plt.plot(ks, np.array(ks) / len(candidates), color="black", label="chance")
plt.xscale("log")
plt.xlabel("k, of 9,000 words")
plt.ylabel("hit@k on unseen classes")
plt.legend()
plt.show()
