"""One network through all of it: every form that the kit can give it, in one table and one figure.

print(edu.report(model, X[:1], data=X[:64]))
"""

from edu_lib.reporting.compare import Report, report
from edu_lib.reporting.forms import Form, forms

__all__ = ["Form", "Report", "forms", "report"]
