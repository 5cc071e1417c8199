"""
How sure is it?
===============

A model that names classes it never saw is wrong often. Held-out classes tell it how sure it may be:
what to divide scores by, so that probabilities are right as often as they say.
"""

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from zeroshot import ESZSLClassifier, RejectOption, WordVectors
from zeroshot.datasets import label_texts, load_cifar100_features
from zeroshot.metrics import answered_accuracy_score, answered_share_score
from zeroshot.model_selection import ClassShuffleSplit

X, y = load_cifar100_features(return_X_y=True)
seen, unseen = next(ClassShuffleSplit(1, test_size=20, random_state=0).split(X, y))
new = np.unique(y[unseen])  # 20 classes without a training image
words = WordVectors(overrides=label_texts("cifar100"))

fitted = {}
for name, temperature in {"temperature 0.1": 0.1, "from held-out classes": "auto"}.items():
    model = ESZSLClassifier(words, candidates=new, scenario="unseen", temperature=temperature)
    fitted[name] = make_pipeline(Normalizer(), model).fit(X[seen], y[seen])

# %%
# Points on the diagonal are right as often as they say. Both models give the same answers.

from zeroshot.displays import ReliabilityDisplay

before = ReliabilityDisplay.from_estimator(
    fitted["temperature 0.1"], X[unseen], y[unseen], name="temperature 0.1"
)
ReliabilityDisplay.from_estimator(
    fitted["from held-out classes"],
    X[unseen],
    y[unseen],
    name="from held-out classes",
    ax=before.ax_,
)

# %%
# Answer the surest images first, and leave the others to a person.

from zeroshot.displays import RiskCoverageDisplay

RiskCoverageDisplay.from_estimator(
    fitted["from held-out classes"], X[unseen], y[unseen], name="ESZSL"
)

# %%
# The threshold comes from held-out classes too: here for 60 % of right answers.

sure = RejectOption(fitted["from held-out classes"], accuracy=0.6).fit(X[seen], y[seen])
answers = sure.predict(X[unseen])
share = answered_share_score(y[unseen], answers, reject_label="unknown")
right = answered_accuracy_score(y[unseen], answers, reject_label="unknown")
print(f"all images: {fitted['from held-out classes'].score(X[unseen], y[unseen]):.2f} right")
print(f"answered: {share:.2f} of the images, {right:.2f} of them right")
