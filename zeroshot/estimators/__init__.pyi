from ._ale_sje import ALEClassifier as ALEClassifier
from ._ale_sje import SJEClassifier as SJEClassifier
from ._base import CandidateClassifier as CandidateClassifier
from ._calibrated import CalibratedStacking as CalibratedStacking
from ._conse import ConSEClassifier as ConSEClassifier
from ._devise import DeViSEClassifier as DeViSEClassifier
from ._dummy import DummyZeroShotClassifier as DummyZeroShotClassifier
from ._embedding_classifier import EmbeddingClassifier as EmbeddingClassifier
from ._ensemble import EnsembleZeroShotClassifier as EnsembleZeroShotClassifier
from ._eszsl import ESZSLClassifier as ESZSLClassifier
from ._eszsl import ESZSLClassifierCV as ESZSLClassifierCV
from ._few_shot import FewShotClassifier as FewShotClassifier
from ._finetune import FineTuneClassifier as FineTuneClassifier
from ._head_regression import HeadRegressionClassifier as HeadRegressionClassifier
from ._initializer import SimilarityInitializer as SimilarityInitializer
from ._nearest_label import NearestLabelClassifier as NearestLabelClassifier
from ._open_label import OpenLabelClassifier as OpenLabelClassifier
from ._prototype_regression import (
    PrototypeRegressionClassifier as PrototypeRegressionClassifier,
)
from ._regressor import EmbeddingRegressor as EmbeddingRegressor
from ._regressor import EmbeddingRegressorCV as EmbeddingRegressorCV
from ._reject import RejectOption as RejectOption
from ._sae import SAEClassifier as SAEClassifier
from ._similarity import SimilarityClassifier as SimilarityClassifier
from ._softmax import SoftmaxClassifier as SoftmaxClassifier
from ._transductive import TransductiveClassifier as TransductiveClassifier
