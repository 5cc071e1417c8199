"""Displays of data, training and results, after scikit-learn's convention.

Each class takes its data in ``from_predictions``, and in ``from_estimator`` if a fitted model has
the data. It stores the data in plain attributes. ``plot(ax=None)`` draws it, sets ``ax_`` and
``figure_``, and returns the display. Only ``plot`` imports matplotlib, which is in the extra
``plots``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
