"""Links from scikit-learn's HTML view of an estimator to this package's documentation."""

from __future__ import annotations

SITE = "https://scikit-zeroshot.readthedocs.io/stable"


class DocLinkMixin:
    """Mixin, before `BaseEstimator`: the question mark of the HTML view opens the class's page.

    Examples
    --------
    >>> from zeroshot import DeViSEClassifier
    >>> DeViSEClassifier()._get_doc_link().removeprefix(SITE)
    '/api/generated/zeroshot.estimators.DeViSEClassifier.html'
    """

    _doc_link_module = "zeroshot"
    _doc_link_template = SITE + "/api/generated/zeroshot.{page}.{name}.html"

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        cls = type(self)
        return {"page": cls.__module__.split(".")[1], "name": cls.__name__}
