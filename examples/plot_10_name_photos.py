"""
Name photos without any training
================================

A pretrained network has an output for 1,000 classes. Similarity between labels carries its answer
over to labels of your own.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_sample_images

from zeroshot import OpenLabelClassifier, TimmFeatures

photos = load_sample_images()
labels = ["temple", "flower", "harbour", "sunflower", "pagoda", "okapi"]
backbone = TimmFeatures().fit()
model = OpenLabelClassifier(backbone.source_head_, candidates=labels).fit()
best, scores = model.predict_top_k(backbone.transform(photos.images), k=3)

# %%
# The best three labels of each.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6))
for ax, image, answers in zip(axes, photos.images, best, strict=True):
    ax.imshow(image)
    ax.set_title(", ".join(answers))
    ax.axis("off")
figure.tight_layout()
