"""Pages that a person opens: what was run, its figures beside their controls, pictures, examples.

A page is one HTML file that needs nothing else: no network, no script, no file beside it.
"""

from zeroshot.report._demo import write_demo_report
from zeroshot.report._evaluation import write_evaluation_report

__all__ = ["write_demo_report", "write_evaluation_report"]
