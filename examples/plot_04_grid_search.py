"""
Choose parameters by class folds
================================

``GridSearchCV`` works as it is. The folds leave out classes, not images, so that a parameter is
chosen for what it does to classes that were not seen.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import DeViSEClassifier, WordVectors
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.metrics import SCORERS
from zeroshot.model_selection import ClassKFold, ClassShuffleSplit

X, y = load_cifar100_features(return_X_y=True)
seen, unseen = next(ClassShuffleSplit(1, test_size=20, random_state=0).split(X, y))
words = WordVectors(overrides=label_texts("cifar100"))
ridge = DeViSEClassifier(words, candidates=np.unique(y), scenario="unseen", loss="mse")

# %%
# Five folds over the 80 seen classes; the 20 others stay untouched until the end.

search = GridSearchCV(
    make_pipeline(Normalizer(), ridge),
    {"deviseclassifier__alpha": [0.1, 1, 10, 100, 1000]},
    cv=ClassKFold(5, shuffle=True, random_state=0),
    scoring=SCORERS["mean_class_accuracy"],
).fit(X[seen], y[seen])
print(search.best_params_, f"unseen accuracy {search.score(X[unseen], y[unseen]):.3f}")

# %%
# Each fold offers 16 classes, the test 20: absolute values differ, the best penalty need not.

alphas = np.array(search.cv_results_["param_deviseclassifier__alpha"], dtype=float)
mean, spread = search.cv_results_["mean_test_score"], search.cv_results_["std_test_score"]
plt.errorbar(alphas, mean, spread, marker="o", capsize=3)
plt.xscale("log")
plt.xlabel("penalty alpha")
plt.ylabel("accuracy on classes left out")
plt.show()
