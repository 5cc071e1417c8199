"""The noun graph of WordNet 3.0: look-up, ancestors, relations, and class names to synsets.

The 82,115 noun synsets ship with the package as arrays, with WordNet's licence beside them
(``data/wordnet_license.txt``): neither nltk nor a download is needed.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
