"""Reports: HTML pages with metrics, controls, pictures and examples.

A page is one self-contained HTML file: it needs no network, no script and no other file.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
