"""Data sets larger than memory, on one machine or many: images, features and fits by partitions.

A source is cut into partitions. What is computed for one partition knows no engine: it runs in this
process, in the workers of a Dask cluster, or wherever else it is called. Every partition is written
whole, so that an interrupted call resumes with those that are missing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
