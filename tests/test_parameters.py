"""Every parameter of every public class is checked, by name, before anything is read."""

from __future__ import annotations

import builtins
import importlib
import inspect
import pkgutil

import numpy as np
import open_clip  # noqa: F401 - imports open files, which is guarded below
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from torch import nn

import zeroshot
import zeroshot.backbones._weights
import zeroshot.networks._image_network  # noqa: F401 - imports open files, which is guarded below
from zeroshot import (
    ALEClassifier,
    CalibratedStacking,
    ConSEClassifier,
    DeViSEClassifier,
    DummyZeroShotClassifier,
    EmbeddingRegressor,
    EmbeddingRegressorCV,
    EnsembleZeroShotClassifier,
    ESZSLClassifier,
    ESZSLClassifierCV,
    FewShotClassifier,
    FineTuneClassifier,
    HashEmbedding,
    HeadRegressionClassifier,
    InferenceSimilarity,
    LabelEmbedding,
    MixtureSimilarity,
    NearestLabelClassifier,
    OpenCLIPFeatures,
    OpenLabelClassifier,
    PrototypeRegressionClassifier,
    RejectOption,
    SAEClassifier,
    SimilarityClassifier,
    SimilarityInitializer,
    SJEClassifier,
    SoftmaxClassifier,
    SourceHead,
    TimmFeatures,
    Training,
    TransductiveClassifier,
    WordNetSimilarity,
    WordVectorSimilarity,
)
from zeroshot._utils._constraints import (
    Checked,
    Flag,
    Instance,
    Maybe,
    Number,
    OneOf,
    OrAuto,
    ParametersMixin,
    constraints_of,
)
from zeroshot._utils._saving import parameter_names
from zeroshot.model_selection import (
    ClassKFold,
    ClassShuffleSplit,
    GeneralizedClassKFold,
    LeaveOneClassOut,
    PredefinedClassSplit,
)
from zeroshot.networks import SimpNet


class Touched(AssertionError):
    """Something was read, embedded or opened."""


def touch(*_, **__):
    raise Touched


class Untouchable:
    """Data that nobody may look at."""

    __getattr__ = __len__ = __iter__ = __getitem__ = __array__ = touch


class UntouchableEmbedding(LabelEmbedding):
    n_dims = 3
    vocabulary = property(touch)
    fingerprint = reference = _embed = _covers = touch


class UntouchableNetwork(nn.Module):
    forward = touch

    def __deepcopy__(self, memo):  # by clone
        return self


class UntouchableSimilarity:
    matrix = touch


TABLE, NETWORK = UntouchableEmbedding(), UntouchableNetwork()
HEAD = SourceHead(np.eye(3), np.zeros(3), ["cat", "dog", "owl"])


def fit(model):
    model.fit(Untouchable(), Untouchable())


def matrix(similarity):
    similarity.matrix(Untouchable(), Untouchable())


def split(splitter):
    next(splitter.split(Untouchable(), Untouchable()))


# An object with valid parameters, and what checks them.
USES = [
    (DeViSEClassifier(TABLE), fit),
    (DeViSEClassifier(TABLE, loss="mse"), fit),
    (DeViSEClassifier(TABLE, network=NETWORK), fit),
    (ESZSLClassifier(TABLE), fit),
    (ESZSLClassifierCV(TABLE), fit),
    (SAEClassifier(TABLE), fit),
    (ALEClassifier(TABLE), fit),
    (SJEClassifier(TABLE), fit),
    (ConSEClassifier(None, TABLE), fit),
    (ConSEClassifier(HEAD, TABLE), fit),
    (DummyZeroShotClassifier(TABLE), fit),
    (NearestLabelClassifier(TABLE), fit),
    (SimilarityClassifier(None, UntouchableSimilarity()), fit),
    (OpenLabelClassifier(HEAD, candidates=["lion"], label_embedding=TABLE), fit),
    (EnsembleZeroShotClassifier([("map", DeViSEClassifier(TABLE))]), fit),
    (FewShotClassifier(ConSEClassifier(HEAD, TABLE)), fit),
    (HeadRegressionClassifier(HEAD, TABLE), fit),
    (PrototypeRegressionClassifier(TABLE), fit),
    (CalibratedStacking(DeViSEClassifier(TABLE)), fit),
    (RejectOption(DeViSEClassifier(TABLE), coverage=0.5), fit),
    (TransductiveClassifier(DeViSEClassifier(TABLE)), fit),
    (EmbeddingRegressor(TABLE), fit),
    (EmbeddingRegressor(TABLE, network=NETWORK), fit),
    (EmbeddingRegressorCV(TABLE), fit),
    (SoftmaxClassifier(NETWORK), fit),
    (FineTuneClassifier(NETWORK), fit),
    (SimilarityInitializer(HEAD, UntouchableSimilarity(), n_neighbors=2), fit),
    (TimmFeatures(), fit),
    (OpenCLIPFeatures(), fit),
    (InferenceSimilarity(), fit),
    (WordNetSimilarity(), matrix),
    (WordVectorSimilarity(TABLE), matrix),
    (MixtureSimilarity([(UntouchableSimilarity(), 1)]), matrix),
    (ClassKFold(), split),
    (GeneralizedClassKFold(), split),
    (ClassShuffleSplit(), split),
    (PredefinedClassSplit(["cat"]), split),
    (LeaveOneClassOut(), split),
]

USED = {type(used) for used, _ in USES} | {Training}
for cls in (getattr(zeroshot, name) for name in zeroshot.__all__):  # new estimators are found
    if inspect.isclass(cls) and issubclass(cls, ParametersMixin) and cls not in USED:
        has_table = "label_embedding" in inspect.signature(cls).parameters
        USES.append((cls(**({"label_embedding": TABLE} if has_table else {})), fit))

# What each function of a `Checked` refuses.
NOT_LABELS = ["vocabulry", 3, [], ["cat", "cat"], ["cat", 1], iter(["cat"])]
NOT_SHARES = [0, 0.0, 1.5, np.nan, True, "half"]
REFUSED = {
    "_base.check_candidates": NOT_LABELS,
    "_base.check_share": [0, 1, -0.2, np.nan, "0.9", True],
    "_validation.check_label_list": NOT_LABELS,
    "_base.check_overrides": [3, {"cat": 1.5}],
    "_open_label.check_overrides_of_texts": [3, {"cat": 1.5}, {"cat": []}],
    "_split.check_n_splits": [0, 2.5, np.nan, True, "5"],
    "_calibrated._check_calibration": ["aut", np.nan, True],
    "_wrapper.check_wrapped": [object(), DeViSEClassifier],
    "_conse.check_classifier": [object(), LogisticRegression, LinearSVC()],
    "_constraints.check_device": ["abacus", np.nan, []],
    "_constraints.check_progress": ["no", 1, None],
    "_constraints.check_seed": ["0", -1, np.nan, True],
    "_ensemble._check_estimators": [3, DeViSEClassifier(), [(1, DeViSEClassifier())]],
    "_ensemble._check_weights": [0.5, "1"],
    "_features._check_cache": [1.5, [], b"cache"],
    "_features._check_workers": [-1, 2.5, True],
    "_finetune._check_network": ["resnet_typo", 3, SimpNet],
    "_finetune._check_weights": [3, "weights.txt"],
    "_initializer._check_source": [object(), SourceHead],
    "_split._check_share": NOT_SHARES,
    "_label_space.check_label_embedding": [object(), "glove", HashEmbedding],
    "_source_similarity.check_measurable": ["path", object(), None, WordNetSimilarity],
    "_class_regression.check_alpha": [0, -1, np.nan, True, "1", [], [0.1, 0]],
    "_class_regression.check_kernels": [object(), WordNetSimilarity, np.eye(3), [], [3]],
    "_class_regression.check_weights": ["aut", 3, [0], [-1, 2], [np.nan]],
    "_composite.check_member": [object(), DeViSEClassifier],
    "_mixture.check_pairs": [3, [(1,)], iter([(WordNetSimilarity(), 1)])],
    "_source_similarity.check_candidate_list": NOT_LABELS,
    "_source_similarity.check_synset_names": [3, {"cat": 3}],
    "_transferred_head.check_neighbor_counts": ["all", 0, 2.5, True, {"included": 1}],
    "_open_clip._check_model_name": ["ViT-B-33", 3],
    "_open_clip._check_weights": [3, object()],
    "_penalty_search.check_cv_parameter": ["5", 2.5, True, ClassKFold],
    "_penalty_search.check_penalties": ["12", 1.0, [], [1.0, np.nan], [True], [-1]],
    "_penalty_search.check_scoring_parameter": ["acuracy", 3, ["accuracy"]],
    "_reject._check_reject_label": [1.5, None, True],
    "_similarity._check_similarity": [object(), WordNetSimilarity, np.eye(3)],
    "_split._check_size": NOT_SHARES,
    "_split._check_test_classes": ["cat", 3, [], ["cat", "cat"], ["cat", ["dog"]]],
    "_timm._check_image_size": [0, 2.5, np.nan, True],
    "_timm._check_layer": [3, object()],
    "_timm._check_model_name": ["tf_efficientnet_lite", 3],
    "_timm._check_weights": [3, "weights.txt"],
    "_training._check_augmentation": ["mixup", 3],
    "_training._check_callbacks": [print, ["loud"], 3],
    "_training._check_init_from": [DeViSEClassifier(), 3],
    "_training._check_training": [{"epochs": 3}, Training(epochs=0)],
    "_training.check_hidden": ["256", 3, (0,), (2.5,), (True,), iter([3])],
    "_training.check_network": ["simpnett", "timm:resnet_typo", 3, SimpNet],
    "_wordnet.check_counts": [3, {}, {"n": 3}, {"n": {}}],
    "_wordnet.check_names": [3, ["cat"]],
}

# Label embeddings, and a head, never change: their constructors check them. None is for what names
# something to be opened, and raises where it is not found.
IN_CONSTRUCTOR = {
    "AttributeTable": {"table": ["cat"], "labels": [["cat"]], "overrides": [3]},
    "CLIPTextEmbedding": {
        "model_name": None,
        "weights": None,
        "templates": [3, []],
        "device": None,
        "batch_size": [0, 2.5, True],
        "overrides": [3],
    },
    "ConcatEmbedding": {"embeddings": [[3], []], "weights": [[0], [1, 1], 3]},
    "DescriptionEmbedding": {
        "descriptions": [3, {}, {"cat": []}],
        "model": None,
        "on_missing": ["zero", None],
        "device": None,
        "batch_size": [0, 2.5, True],
    },
    "GlossEmbedding": {
        "on_missing": ["zero", None],
        "model": None,
        "overrides": [3],
        "context": ["heron", [1, 2]],
    },
    "HashEmbedding": {"n_dims": [0, 2.5, True, np.nan], "seed": [-1, 2.5, True]},
    "HierarchicalEmbedding": {
        "base": [3],
        "decay": [0, np.nan, True],
        "synsets": [3],
        "overrides": [3],
    },
    "OneHotEmbedding": {"labels": ["cat", [], ["cat", "cat"]]},
    "SentenceEmbedding": {
        "model": None,
        "templates": [3, []],
        "device": None,
        "batch_size": [0, 2.5, True],
        "overrides": [3],
    },
    "SourceHead": {
        "coef": [[[np.nan]]],
        "intercept": [[0.0]],
        "labels": ["cat", ["cat"]],
        "wnids": ["cat", ["cat"]],
    },
    "WordNetEmbedding": {
        "taxonomy": ["wordnet"],
        "n_dims": [0, 2.5, True],
        "vocabulary": ["cat", ["cat", "cat"]],
        "overrides": [3],
    },
    "WordVectors": {
        "source": None,
        "overrides": [3],
        "on_missing": ["ignore", None],
        "missing_words": ["drop", None],
        "multiword": ["first", None],
        "encoding": ["utf-16", "nonsense", 8],
        "encoding_errors": ["ignore", None],
        "n_words": None,
    },
}
VALID = {
    "AttributeTable": {"table": np.eye(2), "labels": ["cat", "dog"]},
    "ConcatEmbedding": {"embeddings": [HashEmbedding(2)]},
    "DescriptionEmbedding": {"descriptions": {"cat": "a pet"}},
    "HierarchicalEmbedding": {"base": HashEmbedding(2)},
    "OneHotEmbedding": {"labels": ["cat", "dog"]},
    "SourceHead": {"coef": np.eye(2), "intercept": np.zeros(2), "labels": ["cat", "dog"]},
}

# These take data rather than parameters.
OF_DATA = {
    "Training": "parameters of others, which check it: see the test of nested parameters",
    "SimpNet": "a torch.nn.Module, built at once",
    "TinyImageNetCNN": "a torch.nn.Module, built at once",
    "Scorer": "made by zeroshot.metrics.SCORERS and its with_options",
    "Synset": "a node of the taxonomy, made by its look-ups",
    **dict.fromkeys(
        ("Difference", "Estimate", "FewShotCurve", "ZeroShotEvaluation", "Choice", "Resolution"),
        "a result, made by the function that returns it",
    ),
    "RidgeSolution": "a result, made by LinearSystem.ridge",
    **dict.fromkeys(("Embed", "Predict"), "a callable for engines; the model is checked by load"),
    "Item": "a result, made by a Partition",
    "FeaturesDataset": "files, which are opened at once: tests/scale/test_fit_dataset.py",
}


def public_classes():
    parts = [zeroshot.__name__]
    parts += [
        f"zeroshot.{part.name}"
        for part in pkgutil.iter_modules(zeroshot.__path__)
        if not part.name.startswith("_")
    ]
    found = {}
    for part in parts:
        module = importlib.import_module(part)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if inspect.isclass(value) and not issubclass(value, (BaseException, Warning)):
                found[value.__name__] = value
    return found


def is_interface(cls):
    return inspect.isabstract(cls) or getattr(cls, "_is_protocol", False)


def refused(constraint):
    """Return values that a constraint must refuse."""
    match constraint:
        case OneOf():
            return [constraint.options[0] + "_", 3, None]
        case Flag():
            return [1, "yes", None]
        case Number():
            values = [np.nan, np.inf, True, "1", None]
            values += [constraint.above] if constraint.above is not None else []
            values += [constraint.at_least - 1] if constraint.at_least is not None else []
            values += [constraint.below] if constraint.below is not None else []
            return values + ([1.5] if constraint.integer else [])
        case Instance():
            return [object(), constraint.classes[0], 3]
        case Maybe():
            return [value for value in refused(constraint.constraint) if value is not None]
        case OrAuto():
            return [*refused(constraint.constraint), "aut"]
        case Checked():
            function = constraint.function
            return REFUSED[f"{function.__module__.rpartition('.')[2]}.{function.__name__}"]
    raise TypeError(f"no values are known that a {type(constraint).__name__} refuses")


def with_parameter(model, name, value):
    changed = clone(model, safe=False)
    if hasattr(changed, "set_params"):
        return changed.set_params(**{name: value})
    setattr(changed, name, value)
    return changed


def bad_parameters():
    for position, (model, use) in enumerate(USES):
        for name, constraint in constraints_of(type(model)).items():
            for number, value in enumerate(refused(constraint)):
                label = f"{position}-{type(model).__name__}-{name}-{number}"
                yield pytest.param(model, use, name, value, id=label)


@pytest.fixture
def closed_files(monkeypatch):
    monkeypatch.setattr(builtins, "open", touch)
    monkeypatch.setattr(np, "load", touch)
    monkeypatch.setattr(np, "memmap", touch)


def error_of(use, model):
    """Return the message of an error in the parameters."""
    try:
        use(model)
    except (TypeError, ValueError) as error:
        return str(error)
    return "no error"


@pytest.mark.parametrize(("model", "use", "name", "value"), list(bad_parameters()))
def test_a_bad_value_is_reported_by_name_before_anything_is_read(
    model, use, name, value, closed_files
):
    message = error_of(use, with_parameter(model, name, value))
    assert message.startswith(f"{type(model).__name__}: ")
    assert name in message
    assert message.rstrip().endswith((".", ")"))


@pytest.mark.parametrize(("model", "use"), USES, ids=lambda value: type(value).__name__)
def test_with_valid_parameters_the_data_are_read(model, use):
    with pytest.raises(Touched):
        use(clone(model, safe=False))


def test_the_typo_is_reported_before_a_label_is_embedded():
    model = DeViSEClassifier(TABLE, loss="hing", candidates="vocabulary")
    with pytest.raises(
        ValueError, match="^DeViSEClassifier: loss must be one of 'hinge', .*'hing'"
    ):
        model.fit(np.eye(2), ["cat", "dog"])


ADDS_UP = [
    DeViSEClassifier(TABLE, loss="mse"),
    ESZSLClassifier(TABLE),
    SAEClassifier(TABLE),
    EmbeddingRegressor(TABLE),
    DeViSEClassifier(TABLE, network=NETWORK),
    EmbeddingRegressor(TABLE, network=NETWORK),
    SoftmaxClassifier(NETWORK),
]


@pytest.mark.parametrize("model", ADDS_UP, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("method", ["partial_fit", "merge"])
def test_so_do_partial_fit_and_merge(model, method, closed_files):
    if not hasattr(model, method):
        assert method == "merge" and model.network is not None
        return
    name = "temperature" if "temperature" in model.get_params() else "random_state"
    name = "warm_start" if name == "random_state" else name
    arguments = (Untouchable(), Untouchable()) if method == "partial_fit" else (Untouchable(),)
    changed = with_parameter(model, name, "hot")
    message = error_of(lambda model: getattr(model, method)(*arguments), changed)
    assert message.startswith(f"{type(model).__name__}: {name} must be")


TRAINED = [model for model, _ in USES if "training" in parameter_names(type(model))]
BAD_TRAINING = [
    pytest.param(name, value, id=f"{name}-{number}")
    for name, constraint in constraints_of(Training).items()
    for number, value in enumerate(refused(constraint))
]


@pytest.mark.parametrize("model", TRAINED, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize(("name", "value"), BAD_TRAINING)
def test_nested_parameters_are_checked_too(model, name, value, closed_files):
    changed = clone(model).set_params(**{f"training__{name}": value})
    message = error_of(fit, changed)
    assert message.startswith(f"{type(model).__name__}: training.{name} ")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (EnsembleZeroShotClassifier([("map", DeViSEClassifier(loss="hing"))]), "DeViSEClassifier"),
        (CalibratedStacking(ESZSLClassifier(alpha_labels=0)), "ESZSLClassifier: alpha_labels"),
        (FewShotClassifier(ConSEClassifier(HEAD, TABLE, n_top=0)), "ConSEClassifier: n_top"),
        (
            SimilarityClassifier(HEAD, MixtureSimilarity([(WordNetSimilarity("wupp"), 1)])),
            "WordNetSimilarity: measure",
        ),
        (ESZSLClassifierCV(TABLE, cv=ClassKFold(1)), "ClassKFold: n_splits"),
    ],
)
def test_so_are_those_of_objects_inside(model, message, closed_files):
    assert error_of(fit, model).startswith(message)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (DeViSEClassifier(candidates="vocabulary"), "label_embedding=None has no vocabulary"),
        (SAEClassifier(TABLE, hubness="csls", direction="decode"), "hubness='csls' corrects"),
        (ConSEClassifier(HEAD), "a SourceHead needs a label_embedding"),
        (ConSEClassifier(HEAD, TABLE, hubness="csls"), "hubness='csls' takes its statistics"),
        (OpenLabelClassifier(HEAD, sentences=True, label_embedding=TABLE), "both say which"),
        (EnsembleZeroShotClassifier([("map", DeViSEClassifier())], weights=[1, 1]), "weights must"),
        (EnsembleZeroShotClassifier([("map", "drop")]), "no member with a weight above 0"),
        (FineTuneClassifier(NETWORK, resize=100), "resize must be at least image_size=224"),
        (SimilarityInitializer(HEAD, n_neighbors=4), "the source head has only 3 classes"),
        (TimmFeatures(pool_size=2), "pool_size=2 is for the maps of an inner layer"),
        (ALEClassifier(TABLE, training=Training(checkpoint="a")), "checkpoint is for a network"),
        (SoftmaxClassifier(NETWORK, training=Training(checkpoint="a")), "resumed only if its seed"),
    ],
)
def test_parameters_that_do_not_go_together_are_reported_before_anything_is_read(
    model, words, closed_files
):
    message = error_of(fit, model)
    assert message.startswith(f"{type(model).__name__}: ") and words in message


@pytest.mark.parametrize("name", sorted(public_classes()))
def test_every_parameter_of_a_public_class_is_checked(name):
    cls = public_classes()[name]
    if is_interface(cls) or name in OF_DATA or name.endswith("Display"):
        return  # displays take what is drawn, and check it in their constructors
    checked = IN_CONSTRUCTOR.get(name) or constraints_of(cls)
    assert set(parameter_names(cls)) == set(checked)
    if name not in IN_CONSTRUCTOR and parameter_names(cls):
        assert issubclass(cls, ParametersMixin)
        assert cls in {type(model) for model, _ in USES}


def test_the_lists_name_nothing_else():
    names = public_classes().keys()
    assert OF_DATA.keys() <= names and IN_CONSTRUCTOR.keys() <= names
    assert not OF_DATA.keys() & IN_CONSTRUCTOR.keys()


IMMUTABLE = [
    pytest.param(cls, name, value, id=f"{cls}-{name}-{number}")
    for cls, parameters in IN_CONSTRUCTOR.items()
    for name, values in parameters.items()
    for number, value in enumerate(values or ())
]


@pytest.mark.parametrize(("cls", "name", "value"), IMMUTABLE)
def test_what_never_changes_is_checked_in_the_constructor(cls, name, value, closed_files):
    make = public_classes()[cls]
    message = error_of(lambda params: make(**params), {**VALID.get(cls, {}), name: value})
    assert name in message and message != "no error"
    assert cls in message or name == "coef"  # scikit-learn's own check, which names no owner
