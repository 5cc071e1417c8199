"""Zero-shot metrics (arrays in, numbers out) and ready scorers.

The functions take labels, scores and vectors. `SCORERS` holds what ``cross_validate`` and
``GridSearchCV`` take as ``scoring``: callables ``(estimator, X, y) -> float``, greater is better.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
