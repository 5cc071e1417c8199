"""`FineTuneClassifier`: what is frozen and kept, what the head starts from, what is refused."""

from __future__ import annotations

import pickle
from collections import OrderedDict

import numpy as np
import pytest
import timm
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from torch import nn
from trained import gathered

from zeroshot import FineTuneClassifier, SimilarityInitializer, SourceHead
from zeroshot.exceptions import LabelWarning
from zeroshot.networks._freezing import freeze_before, stages
from zeroshot.networks._image_network import ImageNetwork

SIZE = 32
EFFICIENTNET = "test_efficientnet"
RESNET = "test_resnet"


def images(n=24, seed=0):
    """Return noise of three shades, and its labels in turn."""
    rng = np.random.default_rng(seed)
    labels = np.array(["cup", "lion", "oak"])[np.arange(n) % 3]
    shades = np.array([40, 120, 200])[np.arange(n) % 3]
    noise = rng.integers(-40, 40, size=(n, SIZE, SIZE, 3))
    return (shades[:, None, None, None] + noise).astype(np.uint8), labels


X, y = images()


def plain_network():
    """Return a network without timm's grouping; its pooling and flattening have no weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            OrderedDict(
                first=nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU()),
                pool=nn.MaxPool2d(2),
                second=nn.Sequential(nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16), nn.ReLU()),
                last=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            )
        )


class Listed(nn.Module):
    """A network that runs over a list, which is no stage that anything enters."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.rest = nn.ModuleList([nn.Conv2d(4, 4, 3), nn.ReLU()])

    def forward(self, images):
        features = self.first(images)
        for layer in self.rest:
            features = layer(features)
        return features.mean(dim=(2, 3))


class Residual(nn.Module):
    """A network whose second stage takes what the first gave, and the images, too."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3, padding=1)
        self.second = nn.Conv2d(3, 4, 3)

    def forward(self, images):
        return self.second(self.first(images) + images).mean(dim=(2, 3))


NETWORKS = {
    "efficientnet": (EFFICIENTNET, "blocks.2"),
    "resnet": (RESNET, "layer4"),
    "plain": (plain_network(), "second"),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def make(network=EFFICIENTNET, **params):
    settings = {
        "weights": None,
        "epochs": 2,
        "batch_size": 8,
        "resize": SIZE,
        "image_size": SIZE,
        "random_state": 0,
        "precision": "float32",
        "device": "cpu",
        "progress": False,
    }
    return FineTuneClassifier(network, **gathered(**(settings | params)))


def untrained(model):
    """Return the network that a fit with the same random state starts from."""
    kept = {}

    class Untrained(FineTuneClassifier):
        def _trained_part(self, network, training, task):
            kept.update({name: value.clone() for name, value in network.state_dict().items()})
            return super()._trained_part(network, training, task)

    Untrained(**model.get_params(deep=False)).fit(X, y)
    return kept


# Stages -----------------------------------------------------------------------------------------


def test_stages_are_those_of_timm():
    efficientnet = timm.create_model(EFFICIENTNET, num_classes=0)
    names = list(stages(efficientnet))
    n_blocks = len(efficientnet.blocks)
    assert names == ["stem", *(f"blocks.{n}" for n in range(n_blocks))]
    resnet = timm.create_model(RESNET, num_classes=0)
    assert list(stages(resnet)) == ["stem", "layer1", "layer2", "layer3", "layer4"]
    assert list(stages(plain_network())) == ["first", "second"]


@pytest.mark.parametrize(
    "name",
    [
        "tf_efficientnet_lite0",
        "convnext_atto",
        "vit_tiny_patch16_224",
        "cait_xxs24_224",  # its groups are told by functions
        "inception_v3",
        "nasnetalarge",  # several of its groups have one name
        "rdnet_tiny",  # it has no groups
    ],
)
def test_every_parameter_is_in_one_stage_and_every_stage_has_a_name(name):
    if not timm.is_model(name):
        pytest.skip(f"this timm has no {name}")
    with torch.device("meta"):  # no weights are needed
        backbone = timm.create_model(name, num_classes=0)
    known = stages(backbone)
    names = [parameter for own in known.values() for parameter in own]
    assert sorted(names) == sorted(name for name, _ in backbone.named_parameters())
    assert len(known) > 1 and all(isinstance(stage, str) and stage for stage in known)
    assert not {"head", "all"} & set(known)  # these mean something else


@every_network
def test_the_last_stage_is_trained_unless_another_is_named(name):
    model, last = NETWORKS[name]
    fitted = make(model, epochs=1).fit(X, y)
    assert fitted.trainable_from_ == list(stages(fitted.network_.backbone))[-1]
    if name != "efficientnet":
        assert fitted.trainable_from_ == last


def test_a_last_normalisation_that_timm_counts_to_the_head_belongs_to_the_last_stage():
    model = make("test_convnext", epochs=1).fit(X, y)
    assert model.trainable_from_ == "stages.3"
    assert model.network_.backbone.head.norm.weight.requires_grad
    assert not model.network_.backbone.stages[2].blocks[0].mlp.fc1.weight.requires_grad


def test_an_unknown_stage_is_answered_with_those_that_there_are():
    with pytest.raises(ValueError, match="trainable_from must be one of .*'layer3', 'layer4'") as e:
        make(RESNET, trainable_from="layer5").fit(X, y)
    for known in ("'stem'", "'layer1'", "'head'", "'all'", "'layer5'"):
        assert known in str(e.value)
    with pytest.raises(ValueError, match="'first', 'second', 'head' or 'all'"):
        make(plain_network(), trainable_from="last").fit(X, y)


# Frozen stages ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "augmentation"),
    [(None, None), (None, "crop_flip"), ("head", None), ("all", None), ("first", None)],
)
@every_network
def test_frozen_weights_and_statistics_stay_bit_equal_and_the_others_change(
    name, stage, augmentation
):
    model, last = NETWORKS[name]
    names = list(stages(_backbone(model)))
    stage = names[0] if stage == "first" else stage
    classifier = make(model, trainable_from=stage, augmentation=augmentation, epochs=1)
    before = untrained(classifier)
    fitted = classifier.fit(X, y)
    after = fitted.network_.state_dict()
    first = {None: len(names) - 1, "head": len(names), "all": 0}.get(stage, 0)
    trained = set(sum(list(stages(fitted.network_.backbone).values())[first:], []))
    modules = {parameter.rpartition(".")[0] for parameter in trained}
    for key, value in after.items():
        path = key.removeprefix("backbone.")
        if not key.startswith("backbone."):
            same = key in ("scale", "shift")
        else:
            same = path not in trained and path.rpartition(".")[0] not in modules
        assert torch.equal(value, before[key]) == same, key


def _backbone(model):
    return timm.create_model(model, num_classes=0) if isinstance(model, str) else model


def test_the_module_that_is_given_is_not_changed():
    module = plain_network()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    make(module, trainable_from="all").fit(X, y)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert module.training


def test_a_network_that_was_set_to_training_keeps_frozen_stages_in_evaluation_mode():
    network = ImageNetwork(f"timm:{RESNET}", 3, weights=None)
    freeze_before(network, "layer3", owner="test")
    network.train()
    modes = {name: m.training for name, m in network.backbone.named_modules() if name}
    assert not any(on for name, on in modes.items() if name.startswith(("layer1", "layer2")))
    assert all(on for name, on in modes.items() if name.startswith(("layer3", "layer4")))


# What frozen stages give is kept ----------------------------------------------------------------


@pytest.fixture
def descent(monkeypatch):
    """Train by gradient descent.

    Before a batch normalisation, some gradients are zero but for rounding, and Adam makes whole
    steps of them: two ways to compute the same then part by more than rounding.
    """
    monkeypatch.setattr(
        torch.optim, "AdamW", lambda weights, lr, weight_decay: torch.optim.SGD(weights, lr=lr)
    )


class Whole(FineTuneClassifier):
    """Every image goes through the whole network in each epoch."""

    def _trained_part(self, network, training, task):
        return None


@pytest.mark.parametrize("stage", [None, "head", "second to last"])
@every_network
def test_training_on_what_is_kept_is_training_through_the_whole_network(name, stage, descent):
    model, _ = NETWORKS[name]
    if stage == "second to last":
        stage = list(stages(_backbone(model)))[-2]
    classifier = make(model, trainable_from=stage, dropout=0, epochs=3, learning_rate=0.1)
    kept, parts = _with_part(classifier)
    whole = Whole(**classifier.get_params(deep=False)).fit(X, y)
    if stage != list(stages(_backbone(model)))[0]:
        assert parts[0] is not None  # something was kept
    scores = whole.decision_function(X)
    np.testing.assert_allclose(kept.decision_function(X), scores, rtol=1e-4, atol=1e-5)
    assert kept.history_[-1]["loss"] != pytest.approx(kept.history_[0]["loss"], rel=1e-3)
    for ours, theirs in zip(kept.history_, whole.history_, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
        assert ours["metric"] == theirs["metric"]


def _with_part(classifier):
    parts = []

    class Watched(FineTuneClassifier):
        def _trained_part(self, network, training, task):
            parts.append(super()._trained_part(network, training, task))
            return parts[-1]

    return Watched(**classifier.get_params(deep=False)).fit(X, y), parts


@pytest.mark.parametrize(("network", "stage"), [(Residual(), "second"), (Listed(), "rest")])
def test_a_network_that_cannot_be_cut_is_trained_as_a_whole(network, stage):
    model, parts = _with_part(make(network, trainable_from=stage))
    assert parts == [None]
    assert len(model.history_) == 2


def test_what_is_too_large_to_keep_is_computed_again(monkeypatch, descent):
    from zeroshot.networks import _freezing

    kept = make(dropout=0).fit(X, y).decision_function(X)
    monkeypatch.setattr(_freezing, "MEMORY", 1)
    model, parts = _with_part(make(dropout=0))
    assert parts == [None]
    np.testing.assert_allclose(model.decision_function(X), kept, rtol=1e-4, atol=1e-5)


# Heads ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source():
    """Return a source head as wide as the features of the test network."""
    width = make(epochs=1).fit(X, y).transform(X[:1]).shape[1]
    rng = np.random.default_rng(0)
    labels = ["tabby", "goblet", "acorn", "tiger"]
    return SourceHead(rng.normal(size=(4, width)), rng.normal(size=4), labels)


def _started(model):
    return {name: value.numpy() for name, value in untrained(model).items()}


def _head(state):
    return next(v for k, v in state.items() if k.startswith("head.") and k.endswith(".weight"))


def test_a_fitted_head_is_what_training_starts_from(source):
    head = SimilarityInitializer(source, "wordnet", n_neighbors=1).fit(None, np.unique(y))
    coef = head.coef_.copy()
    model = make(head=head)
    assert np.array_equal(_head(_started(model)), coef.astype(np.float32))
    model.fit(X, y)
    assert model.head_ is head and np.array_equal(head.coef_, coef)
    assert not np.array_equal(model.source_head_.coef, coef.astype(np.float32))


@pytest.mark.filterwarnings("ignore::zeroshot.exceptions.LabelWarning")
def test_a_head_that_is_not_fitted_is_fitted_on_a_copy_to_the_features_of_the_images(source):
    head = SimilarityInitializer(source, n_neighbors=2)
    model = make(head=head, trainable_from="head", dropout=0).fit(X, y)
    assert not hasattr(head, "coef_")
    by_hand = clone(head).fit(model.transform(X), y)  # frozen: the features are what they were
    np.testing.assert_allclose(model.head_.coef_, by_hand.coef_, rtol=1e-5)
    np.testing.assert_allclose(_head(_started(model)), by_hand.coef_, rtol=1e-5)


def test_a_head_of_other_classes_is_refused(source):
    head = SimilarityInitializer(source, "wordnet", n_neighbors=1).fit(None, ["cup", "lion"])
    with pytest.raises(ValueError, match="head knows 2 classes, and y has 3; .* has 'oak'"):
        make(head=head).fit(X, y)


def test_a_head_of_another_network_is_refused(source):
    narrow = SourceHead(np.eye(4), np.zeros(4), source.labels)
    head = SimilarityInitializer(narrow, "wordnet", n_neighbors=1)
    with pytest.raises(ValueError, match="4 features, and the network gives"):
        make(head=clone(head).fit(None, np.unique(y))).fit(X, y)
    with pytest.raises(ValueError, match="features, but the source head takes 4"):
        make(head=head).fit(X, y)


@pytest.mark.parametrize("head", ["inference", SourceHead(np.eye(3), np.zeros(3), list("abc"))])
def test_a_head_of_another_kind_is_refused(head):
    with pytest.raises(TypeError, match="head must be None or a SimilarityInitializer"):
        make(head=head).fit(X, y)


def test_a_class_without_a_source_is_warned_about(source):
    head = SimilarityInitializer(source, np.zeros((3, 4)), n_neighbors=1)
    with pytest.warns(LabelWarning, match="'cup'"):
        make(head=head, epochs=1).fit(X, y)


# As an estimator --------------------------------------------------------------------------------


def test_a_random_state_makes_a_fit_repeatable_and_the_global_state_is_left():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = make().fit(X, y).decision_function(X)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    np.testing.assert_array_equal(make().fit(X, y).decision_function(X), first)
    assert not np.allclose(make(random_state=1).fit(X, y).decision_function(X), first)


def test_it_learns():
    model = make(dropout=0, epochs=12, learning_rate=1e-2, trainable_from="all").fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.history_[-1]["loss"] < model.history_[0]["loss"]


def test_scores_are_what_the_source_head_gives_for_the_features():
    model = make().fit(X, y)
    features = model.transform(X)
    scores = model.source_head_.decision_function(features)
    np.testing.assert_allclose(model.decision_function(X), scores, rtol=1e-4, atol=1e-5)
    assert model.source_head_.labels.tolist() == model.classes_.tolist() == ["cup", "lion", "oak"]
    assert len(model.get_feature_names_out()) == features.shape[1]
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert (model.predict(X) == model.classes_[scores.argmax(axis=1)]).all()


def test_two_classes_have_one_column_of_scores():
    two = y != "oak"
    model = make(epochs=1).fit(X[two], y[two])
    scores = model.decision_function(X)
    assert scores.shape == (len(X),)
    assert (model.predict(X) == model.classes_[(scores > 0).astype(int)]).all()


def test_images_of_any_size_are_cut_to_the_square_in_their_middle():
    rng = np.random.default_rng(0)
    large = rng.integers(0, 256, size=(8, 40, 60, 3), dtype=np.uint8)
    model = make(resize=40, epochs=1).fit(large, np.arange(8) % 2)
    assert model.image_shape_ == (SIZE, SIZE)
    middle = large[:, 4:36, 14:46]
    same = make(epochs=1).fit(middle, np.arange(8) % 2)
    np.testing.assert_array_equal(model.decision_function(large), same.decision_function(middle))


def test_augmentation_draws_other_images_in_each_epoch():
    seen = []

    def augmentation(batch):
        seen.append(batch.float().mean().item())
        return batch.flip(3)

    model = make(augmentation=augmentation, batch_size=24, epochs=3).fit(X, y)
    assert len(seen) == 3
    plain = make(batch_size=24, epochs=3).fit(X, y)
    assert not np.allclose(model.decision_function(X), plain.decision_function(X))


def test_a_clone_and_a_pickle_are_the_same_model():
    model = make().fit(X, y)
    scores = model.decision_function(X)
    copy = clone(model)
    with pytest.raises(NotFittedError):
        copy.predict(X)
    np.testing.assert_array_equal(copy.fit(X, y).decision_function(X), scores)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).decision_function(X), scores)


def test_a_search_over_stages_fits_each():
    search = GridSearchCV(make(epochs=1), {"trainable_from": ["head", "blocks.2", "all"]}, cv=2)
    search.fit(X, y)
    assert len(search.cv_results_["params"]) == 3
    assert search.best_estimator_.trainable_from_ == search.best_params_["trainable_from"]


def test_callbacks_see_the_whole_network():
    shapes = []

    def callback(network, history):
        shapes.append(network(torch.from_numpy(X[:2]).permute(0, 3, 1, 2)).shape)
        assert not network.training

    make(callbacks=[callback]).fit(X, y)
    assert shapes == [(2, 3), (2, 3)]


def test_a_checkpoint_is_gone_on_from_and_refused_for_another_stage(tmp_path):
    from zeroshot.exceptions import IntegrityError

    path = tmp_path / "run.safetensors"
    expected = make(epochs=3).fit(X, y).decision_function(X)
    stop = [lambda network, history: len(history) == 1]
    with pytest.raises(KeyboardInterrupt):
        make(epochs=3, checkpoint=path, callbacks=[_interrupt]).fit(X, y)
    resumed = make(epochs=3, checkpoint=path).fit(X, y)
    np.testing.assert_array_equal(resumed.decision_function(X), expected)
    with pytest.raises(IntegrityError, match="trainable_from"):
        make(epochs=3, checkpoint=path, trainable_from="head", callbacks=stop).fit(X, y)


def _interrupt(network, history):
    if len(history) == 2:
        raise KeyboardInterrupt


# Bad input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"dropout": -0.1}, "dropout must be"),
        ({"dropout": 1.0}, "dropout must be below 1"),
        ({"resize": 0}, "resize must be"),
        ({"resize": 31}, "resize must be at least image_size=32"),
        ({"resize": 40.5}, "resize must be"),
        ({"image_size": 0}, "image_size must be"),
        ({"image_size": None}, "image_size must be"),
        ({"batch_size": 25}, "only 24 images"),
        ({"epochs": 0}, "epochs must be"),
        ({"learning_rate": 0}, "learning_rate must be"),
        ({"network": "efficientnet_of_mine"}, "model of timm"),
        ({"network": nn.Conv2d(3, 4, 3)}, "gives"),
        ({"augmentation": "blur"}, "augmentation must be"),
        ({"precision": "int8"}, "precision must be"),
    ],
)
def test_bad_parameters_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        make(**params).fit(X, y)


def test_a_model_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="network must be the name of a timm model"):
        make(7).fit(X, y)


def test_one_class_alone_is_refused():
    with pytest.raises(ValueError, match="class"):
        make().fit(X, ["cup"] * len(X))


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="inconsistent"):
        make().fit(X, y[:-1])


def test_the_network_has_its_old_name_answered_and_timms_prefix_is_free():
    with pytest.raises(
        TypeError, match=r"Write FineTuneClassifier\(\.\.\., network='resnet18'\)\."
    ):
        FineTuneClassifier(model="resnet18")
    plain, prefixed = (make(name).fit(X, y) for name in (EFFICIENTNET, f"timm:{EFFICIENTNET}"))
    np.testing.assert_array_equal(plain.predict_proba(X), prefixed.predict_proba(X))
