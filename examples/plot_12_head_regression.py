"""
Give a pretrained head new classes
==================================

A pretrained network has one row of weights per class. For a class that it does not have, ridge
regression predicts the row from what WordNet says about the class. No image is needed.
"""

from pathlib import Path

import matplotlib.pyplot as plt

from zeroshot import GlossEmbedding, HeadRegressionClassifier, TimmFeatures
from zeroshot.demo import sample_photos

with sample_photos() as paths:  # eight photos that ship with the package
    names = [Path(path).stem for path in paths]
    backbone = TimmFeatures().fit()
    X = backbone.transform(paths)
labels = ["cat", "raccoon", "rocket", "coffee", "palace", "sunflower", "astronaut", "camera"]
head = backbone.source_head_
model = HeadRegressionClassifier(head, kernels=GlossEmbedding(), candidates=labels).fit()
print(f"penalty {model.alpha_:g}, chosen by leaving the classes of the head out in turn")
print(f"error on the head's own classes, left out: {model.left_out_error_:.2f} of the mean's")

# %%
# A row is a photo, a column a label. Most labels are no classes of the network: their rows of
# weights are predicted.

probabilities = model.predict_proba(X)
figure, ax = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
ax.imshow(probabilities, cmap="Blues", vmin=0, vmax=1)
for row, column in [(row, column) for row in range(len(names)) for column in range(len(labels))]:
    share = probabilities[row, column]
    if share >= 0.05:
        color = "white" if share > 0.6 else "black"
        ax.text(column, row, f"{share:.0%}", ha="center", va="center", color=color)
ax.set_xticks(range(len(labels)), model.classes_, rotation=45, ha="right")
ax.set_yticks(range(len(names)), names)
ax.set_ylabel("photo")
