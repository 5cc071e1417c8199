"""The noun graph of WordNet 3.0: look-up, ancestors, relations, and class names to synsets.

The package contains the 82,115 noun synsets as arrays, with WordNet's licence
(``data/wordnet_license.txt``). It does not need nltk or a download.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
