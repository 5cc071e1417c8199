"""
A head for new classes from similar old ones
============================================

A classifier of 80 classes gets an output for each of 20 new ones: the mean of the weights of the K
most similar old classes. Similarity is the path between two classes in WordNet, so that no image of
the new classes is used.
"""

from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from zeroshot import SimilarityInitializer, SourceHead, WordNetSimilarity
from zeroshot.datasets import load_cifar100_features
from zeroshot.displays import NeighborCurveDisplay
from zeroshot.model_selection import ClassShuffleSplit
from zeroshot.taxonomy import class_synsets

X, y = load_cifar100_features(return_X_y=True)
X = normalize(X)
old, new = next(ClassShuffleSplit(1, test_size=20, random_state=0).split(X, y))
trained = LogisticRegression(C=100, max_iter=300).fit(X[old], y[old])
synsets = class_synsets("cifar100")
head = SourceHead(
    trained.coef_, trained.intercept_, trained.classes_, [synsets[c] for c in trained.classes_]
)

# %%
# How many old classes to average, by how a new class stands to the old ones in WordNet.

initializer = SimilarityInitializer(head, WordNetSimilarity(), synsets=synsets)
initializer.fit(X[new], y[new])
print(str(initializer.neighbors_)[:400])
NeighborCurveDisplay.from_estimator(initializer, X[new], y[new])
