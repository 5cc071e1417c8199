import warnings
from sklearn.utils.estimator_checks import parametrize_with_checks
import zeroshot
@parametrize_with_checks([zeroshot.EmbeddingRegressor(), zeroshot.DeViSEClassifier(), zeroshot.ConSEClassifier(), zeroshot.DummyZeroShotClassifier()])
def test_c(estimator, check): check(estimator)
