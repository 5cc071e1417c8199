from ._demo import write_demo_report as write_demo_report
from ._evaluation import write_evaluation_report as write_evaluation_report
