"""
Describe classes instead of naming them
=======================================

Word vectors know a class by its name. `GlossEmbedding` knows it by what WordNet says about it:
"a kind of bear: ...". The same method learns from either, or from both.
"""

import numpy as np
from sklearn.preprocessing import normalize

from zeroshot import ConcatEmbedding, ESZSLClassifier, GlossEmbedding, WordVectors
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.displays import SimilarityBarDisplay
from zeroshot.model_selection import ClassShuffleSplit
from zeroshot.taxonomy import class_synsets

X, y = load_cifar100_features(return_X_y=True)
X = normalize(X)
words = WordVectors(overrides=label_texts("cifar100"))
descriptions = GlossEmbedding(overrides=class_synsets("cifar100"))

# %%
# Three splits, each with 20 classes that are left out of training. The control is a label drawn at
# random.

embeddings = {
    "words": words,
    "descriptions": descriptions,
    "both": ConcatEmbedding([words, descriptions]),
}
accuracy = {name: [] for name in embeddings}
for seen, unseen in ClassShuffleSplit(n_splits=3, test_size=20, random_state=0).split(X, y):
    new = np.unique(y[unseen])
    for name, embedding in embeddings.items():
        model = ESZSLClassifier(
            embedding, candidates=new, scenario="unseen", gamma=2, temperature=0.1
        )
        accuracy[name].append(model.fit(X[seen], y[seen]).score(X[unseen], y[unseen]))
means = {name: float(np.mean(values)) for name, values in accuracy.items()}
SimilarityBarDisplay(means, {"chance": 1 / 20}, metric="top-1, 20 unseen classes").plot()

# %%
# Which labels are near a class differs, too.

for name in ("words", "descriptions"):
    classes = np.unique(y)
    vectors = normalize(embeddings[name].embed(classes))
    near = np.argsort(-vectors @ vectors[classes.tolist().index("bear")])[1:5]
    print(f"{name}: bear, {', '.join(classes[near])}")
