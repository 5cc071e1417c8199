"""Reports: HTML pages with figures, controls, pictures and examples.

A page is one HTML file that needs nothing else: no network, no script, no file beside it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
