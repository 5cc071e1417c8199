"""Displays of data, training and results, after scikit-learn's convention.

Each class takes its data in ``from_predictions`` (and ``from_estimator`` where a fitted model has
it), keeps it in plain attributes, and draws it in ``plot(ax=None)``, which leaves ``ax_`` and
``figure_`` and returns the display. matplotlib, in the extra ``plots``, is imported by ``plot``
alone: importing this package loads nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
