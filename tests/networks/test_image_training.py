"""Networks trained on images: estimators, checkpoints, several processes, bad input."""

from __future__ import annotations

import copy
import errno
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from torch import nn
from torchvision.transforms import v2
from trained import gathered

from zeroshot import (
    ConSEClassifier,
    DeViSEClassifier,
    EmbeddingRegressor,
    FineTuneClassifier,
    HashEmbedding,
    SimilarityInitializer,
    SoftmaxClassifier,
    SourceHead,
    Training,
    __version__,
    load,
    save,
)
from zeroshot.callbacks import EarlyStopping
from zeroshot.exceptions import DownloadError, ImageReadError, IntegrityError, UnknownLabelError
from zeroshot.model_selection import ClassKFold
from zeroshot.networks import SimpNet, TinyImageNetCNN
from zeroshot.networks._augmentation import crop_and_flip
from zeroshot.networks._checkpoint import Checkpoint, Progress
from zeroshot.networks._image_network import ImageNetwork
from zeroshot.networks._loop import TensorRows, TrainingSettings, linear_layers, train
from zeroshot.networks._pixels import open_pixels

RNG = np.random.default_rng(0)
NAMES = np.array(["bear", "cat", "dog", "owl"])
CODES = np.repeat(np.arange(4), 12)
Y = NAMES[CODES]
PROTOTYPES = RNG.integers(0, 256, (4, 16, 16, 3))
X = np.clip(PROTOTYPES[CODES] + RNG.normal(0, 20, (48, 16, 16, 3)), 0, 255).astype(np.uint8)
TABLE = HashEmbedding(6)


def small(dropout=0.1):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TinyImageNetCNN(width=1 / 32, dropout=dropout)


def params(**changes):
    values = {
        "network": small(),
        "epochs": 3,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "random_state": 0,
        "device": "cpu",
        "precision": "float32",
        "progress": False,
    }
    return gathered(**{**values, **changes})


MAKERS = {
    "softmax": lambda **changes: SoftmaxClassifier(**params(**changes)),
    "devise": lambda **changes: DeViSEClassifier(TABLE, loss="cosine", **params(**changes)),
    "hinge": lambda **changes: DeViSEClassifier(TABLE, n_negatives=2, **params(**changes)),
    "regressor": lambda **changes: EmbeddingRegressor(TABLE, hidden=(8, 7), **params(**changes)),
}
everyone = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def weights(model):
    return {name: value.clone() for name, value in model.network_.state_dict().items()}


def assert_equal_weights(first, second):
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


# Estimators ------------------------------------------------------------------------------------


@everyone
def test_training_learns_and_is_repeated_by_its_seed(make):
    model = make(epochs=25).fit(X, Y)
    history = model.history_
    assert len(history) == 25 and history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert {"loss", "metric", "learning_rate", "images_per_second"} == set(history[0])
    assert model.image_shape_ == (16, 16) and not model.network_.training
    first, again = make().fit(X, Y), make().fit(X, Y)
    other = make(random_state=1).fit(X, Y)
    assert_equal_weights(weights(first), weights(again))
    np.testing.assert_array_equal(first.predict(X), again.predict(X))
    assert any(
        not torch.equal(a, b)
        for a, b in zip(weights(first).values(), weights(other).values(), strict=True)
    )


@everyone
def test_global_random_state_and_the_given_module_are_left_alone(make):
    network, state = small(), torch.get_rng_state()
    before = copy.deepcopy(network.state_dict())
    make(network=network, augmentation="crop_flip").fit(X, Y)
    assert torch.equal(state, torch.get_rng_state())
    assert_equal_weights(before, network.state_dict())


@everyone
def test_lists_of_images_and_paths_give_what_the_array_gives(make, tmp_path):
    paths = []
    for position, image in enumerate(X):
        paths.append(str(tmp_path / f"{position}.png"))
        Image.fromarray(image).save(paths[-1])
    expected = make().fit(X, Y)
    for images in (paths, [Image.fromarray(image) for image in X], list(X)):
        model = make().fit(images, Y)
        assert_equal_weights(weights(model), weights(expected))
        np.testing.assert_array_equal(model.predict(images[:5]), expected.predict(X[:5]))


def test_images_that_do_not_fit_into_memory_are_read_again(tmp_path, monkeypatch):
    from zeroshot.networks import _pixels

    paths = []
    for position, image in enumerate(X):
        paths.append(tmp_path / f"{position}.png")
        Image.fromarray(image).save(paths[-1])
    kept = MAKERS["softmax"](image_size=12).fit(paths, Y)
    monkeypatch.setattr(_pixels, "MEMORY", 1000)
    assert not isinstance(open_pixels(paths, image_size=12, owner="test").images, np.ndarray)
    assert_equal_weights(weights(kept), weights(MAKERS["softmax"](image_size=12).fit(paths, Y)))


def test_a_prediction_does_not_depend_on_its_batch(monkeypatch):
    from zeroshot.networks import _fit_network

    model = MAKERS["softmax"]().fit(X, Y)
    whole = model.decision_function(X)
    monkeypatch.setattr(_fit_network, "_PREDICT_BATCH", 7)
    np.testing.assert_allclose(model.decision_function(X), whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.decision_function(X[3:4]), whole[3:4], rtol=1e-4, atol=1e-5)


def test_unseen_classes_and_searches_over_class_folds():
    model = MAKERS["devise"](epochs=5)
    model.set_params(candidates=[*NAMES, "emu", "yak"], scenario="unseen")
    assert set(model.fit(X, Y).predict(X)) <= {"emu", "yak"}
    assert set(model.with_candidates(["gnu", "elk"]).predict(X)) <= {"elk", "gnu"}
    model.set_params(candidates=NAMES, network=small())
    scores = cross_val_score(model, X, Y, cv=ClassKFold(2))
    assert scores.shape == (2,) and np.isfinite(scores).all()
    search = GridSearchCV(MAKERS["softmax"](), {"training__learning_rate": [1e-7, 1e-2]}, cv=2)
    assert search.fit(X, Y).best_params_ == {"training__learning_rate": 1e-2}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_scores_of_softmax_are_its_head_on_its_features(precision):
    model = MAKERS["softmax"](hidden=(5,), precision=precision).fit(X, Y)
    features = model.transform(X)
    assert features.shape == (48, 5) and model.get_feature_names_out().shape == (5,)
    scores = model.decision_function(X)
    head = model.source_head_
    np.testing.assert_allclose(features @ head.coef.T + head.intercept, scores, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    conse = ConSEClassifier(head, TABLE, candidates=["emu", "yak"]).fit()
    assert set(conse.predict(features)) <= {"emu", "yak"}


def test_regression_to_vectors_and_numbers():
    vectors = TABLE.embed(Y)
    by_vectors = MAKERS["regressor"]().fit(X, vectors)
    by_labels = MAKERS["regressor"]().fit(X, Y)
    np.testing.assert_allclose(by_vectors.predict(X), by_labels.predict(X), atol=1e-5)
    assert "metric" not in by_vectors.history_[0] and by_vectors.seen_classes_ is None
    numbers = EmbeddingRegressor(**params(epochs=30)).fit(X, CODES.astype(float))
    assert numbers.predict(X).shape == (48,) and numbers.score(X, CODES.astype(float)) > 0.3


def test_the_metric_is_accuracy_by_the_nearest_label_vector():
    model = MAKERS["regressor"](learning_rate=1e-12, epochs=1, batch_size=48, network=small(0.0))
    model.fit(X, Y)
    network = model.network_
    network.train()  # batch statistics, as in the step that was recorded
    with torch.no_grad():
        outputs = network(torch.from_numpy(X).permute(0, 3, 1, 2)).numpy()
    vectors = TABLE.embed(NAMES)
    distances = ((outputs[:, None] - vectors[None]) ** 2).sum(axis=2)
    assert model.history_[0]["metric"] == pytest.approx((distances.argmin(axis=1) == CODES).mean())


def test_a_network_starts_from_another_estimators():
    softmax = MAKERS["softmax"](epochs=8).fit(X, Y)
    model = MAKERS["devise"](init_from=softmax, learning_rate=1e-12, weight_decay=0).fit(X, Y)
    for name, value in softmax.network_.backbone.named_parameters():
        assert torch.allclose(model.network_.backbone.get_parameter(name), value, atol=1e-6), name
    assert torch.equal(model.network_.scale, softmax.network_.scale)
    with pytest.raises(ValueError, match="init_from must be .* got a SoftmaxClassifier .* Frozen"):
        clone(model).fit(X, Y)
    frozen = MAKERS["devise"](init_from=FrozenEstimator(softmax), epochs=1)
    clone(frozen).fit(X, Y)
    with pytest.raises(ValueError, match="the network of init_from is not this one"):
        MAKERS["devise"](init_from=softmax, network="tiny_cnn").fit(X, Y)


def test_warm_start_goes_on_from_the_weights():
    model = MAKERS["softmax"](warm_start=True, epochs=6).fit(X, Y)
    last = model.history_[-1]["loss"]
    assert model.fit(X, Y).history_[0]["loss"] < 1.3 * last
    cold = MAKERS["softmax"](epochs=6).fit(X, Y)
    assert cold.fit(X, Y).history_[0]["loss"] > 1.3 * last
    with pytest.raises(ValueError, match="the network has 4 outputs, and now 2 are asked for"):
        model.fit(X[:24], Y[:24])
    for changes, match in (
        ({"hidden": (5,)}, r"hidden=\(\), and now network=TinyImageNetCNN and hidden=\(5,\)"),
        ({"network": "tiny_cnn"}, "network=TinyImageNetCNN and .*, and now network=tiny_cnn"),
        ({"network": SimpNet(variant="slim", width=0.1)}, "now network=SimpNet"),
    ):
        with pytest.raises(ValueError, match=f"warm_start goes on with the network .*{match}"):
            clone(model).fit(X, Y).set_params(**changes).fit(X, Y)


@everyone
def test_partial_fit_is_one_epoch_more(make):
    model = make(epochs=99)
    for epoch in range(3):
        model.partial_fit(X, Y)
        assert len(model.history_) == epoch + 1
        assert model.history_[-1]["learning_rate"] == model.training.learning_rate
    # The optimiser's state is kept: three calls are three epochs at a constant rate.
    settings = TrainingSettings(3, 16, 3e-3, 1e-4, seed_of(0), "cpu", schedule="constant")
    layer = linear_layers((4, 2), 0)[0]
    twin = copy.deepcopy(layer)
    rows = TensorRows(torch.randn(20, 4), torch.randn(20, 2))
    at_once = train(layer, nn.functional.mse_loss, rows, settings)
    progress = None
    for epochs in (1, 2, 3):
        part = TrainingSettings(epochs, 16, 3e-3, 1e-4, seed_of(0), "cpu", schedule="constant")
        progress = train(twin, nn.functional.mse_loss, rows, part, progress=progress)
    assert torch.equal(layer.weight, twin.weight)
    losses = [[entry["loss"] for entry in run.history] for run in (at_once, progress)]
    assert losses[0] == losses[1]


def seed_of(random_state):
    return int(np.random.RandomState(random_state).randint(np.iinfo(np.int32).max))  # noqa: NPY002


def test_partial_fit_goes_on_after_a_stop_and_after_loading(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    model = MAKERS["softmax"](callbacks=[lambda network, history: True], checkpoint=path)
    assert len(model.fit(X, Y).history_) == 1
    save(model, tmp_path / "model")
    before = path.read_bytes()
    for estimator in (model, load(tmp_path / "model")):
        for epochs in (2, 3):
            estimator.partial_fit(X, Y)
            assert len(estimator.history_) == epochs
    assert path.read_bytes() == before  # the file is that of fit


def test_partial_fit_knows_its_classes():
    model = MAKERS["softmax"]().partial_fit(X[:24], Y[:24], classes=NAMES)
    assert model.partial_fit(X, Y).classes_.tolist() == NAMES.tolist()
    narrow = MAKERS["devise"]().partial_fit(X[:24], Y[:24])
    with pytest.raises(ValueError, match=r"y has 2 labels that the first call .* \('dog', 'owl'\)"):
        narrow.partial_fit(X, Y)
    regressor = MAKERS["regressor"]().partial_fit(X[:24], Y[:24]).partial_fit(X[24:], Y[24:])
    assert regressor.seen_classes_.tolist() == NAMES.tolist()
    for estimator in (DeViSEClassifier(TABLE), EmbeddingRegressor(TABLE, loss="cosine")):
        assert not hasattr(estimator, "partial_fit")
        with pytest.raises(AttributeError, match="has no attribute 'partial_fit'") as error:
            estimator.partial_fit(np.ones((4, 2)), ["bear", "bear", "cat", "cat"])
        assert "Or train a network by partial_fit: pass network=" in str(error.value.__cause__)


def test_a_batch_in_parts_is_the_batch():
    class Plain(nn.Module):  # batch normalisation sees the parts, so none of it here
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 5, 3)

        def forward(self, images):
            return self.layer(images).mean(dim=(2, 3))

    network = Plain()
    fits = [
        MAKERS["softmax"](network=network, accumulation=parts, batch_size=14).fit(X, Y)
        for parts in (1, 4)
    ]
    for first, second in zip(*(weights(model).values() for model in fits), strict=True):
        assert torch.allclose(first, second, atol=1e-5)
    losses = [[entry["loss"] for entry in model.history_] for model in fits]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_named_networks_and_timm():
    for name, width in (("simpnet", 432), ("tiny_cnn", 512)):
        network = ImageNetwork(name, 3, hidden=(4, 5), mean=[0.5] * 3, std=[0.2] * 3)
        assert network.n_features == width and network.network == name
        shapes = [tuple(m.weight.shape) for m in network.head if isinstance(m, nn.Linear)]
        assert shapes == [(4, width), (5, 4), (3, 5)]
    network = ImageNetwork("timm:test_efficientnet", 3, weights=None)
    assert network.n_features == 256 and network.mean == [0.485, 0.456, 0.406]
    slim = SoftmaxClassifier(**params(network=SimpNet(variant="slim", width=0.2), epochs=1))
    assert slim.fit(X, Y).network_.n_features == 18


def test_pixels_are_scaled_by_the_training_images():
    model = MAKERS["softmax"](epochs=1).fit(X, Y)
    np.testing.assert_allclose(model.network_.mean, X.reshape(-1, 3).mean(axis=0) / 255)
    np.testing.assert_allclose(model.network_.std, (X.reshape(-1, 3) / 255).std(axis=0))


def test_crop_and_flip_moves_and_mirrors():
    ramp = torch.arange(16 * 16).reshape(1, 1, 16, 16).expand(64, 3, 16, 16).to(torch.uint8)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        moved = crop_and_flip(ramp)
    assert moved.dtype == torch.uint8 and moved.shape == ramp.shape
    padded = np.pad(ramp[0, 0].numpy(), 2, mode="edge")
    allowed = {}
    for top in range(5):
        for left in range(5):
            crop = padded[top : top + 16, left : left + 16]
            allowed[crop.tobytes()] = allowed[crop[:, ::-1].tobytes()] = (top, left)
    found = {allowed[image[0].numpy().tobytes()] for image in moved}
    assert len(found) > 15
    mirrored = sum(bool(image[0, 0].int().diff().sum() < 0) for image in moved)
    assert 15 < mirrored < 49


def test_augmentation_of_ones_own_sees_batches():
    seen = []

    def record(images):
        seen.append((images.dtype, tuple(images.shape)))
        return images.flip(-1)

    MAKERS["softmax"](augmentation=record, epochs=1).fit(X, Y)
    assert seen == [(torch.uint8, (16, 3, 16, 16))] * 3


# Callbacks -------------------------------------------------------------------------------------


@everyone
def test_callbacks_see_the_network_write_and_stop(make):
    seen = []

    def watch(network, history):
        assert not network.training and not torch.is_grad_enabled()
        history[-1]["extra"] = float(len(history))
        seen.append(network(torch.zeros(1, 3, 16, 16)).shape)
        return len(history) == 2

    model = make(callbacks=[watch], epochs=5).fit(X, Y)
    assert [entry["extra"] for entry in model.history_] == [1.0, 2.0] and len(seen) == 2


def test_early_stopping_on_what_a_callback_wrote():
    def write(network, history):
        history[-1]["validation"] = 1.0

    stop = EarlyStopping(2, key="validation")
    model = MAKERS["softmax"](callbacks=[write, stop], epochs=9).fit(X, Y)
    assert len(model.history_) == 3
    with pytest.raises(ValueError, match="the history has no 'accuracy', but 'loss', 'metric'"):
        MAKERS["softmax"](callbacks=[EarlyStopping(key="accuracy")]).fit(X, Y)
    with pytest.raises(ValueError, match="patience must be an integer of at least 1, got 0"):
        EarlyStopping(0)


def test_early_stopping_takes_more_for_better_if_told_so():
    rising = [{"metric": value} for value in (0.1, 0.2, 0.3, 0.3, 0.2)]
    stop = EarlyStopping(2, key="metric", greater_is_better=True)
    assert [stop(None, rising[:n]) for n in range(1, 6)] == [False] * 4 + [True]
    stop = EarlyStopping(2, key="metric")
    assert [stop(None, rising[:n]) for n in range(1, 6)] == [False] * 2 + [True] * 3
    with pytest.raises(ValueError, match="greater_is_better must be True or False"):
        EarlyStopping(greater_is_better=1)


@pytest.mark.parametrize("answer", [True, np.True_, torch.tensor(True)])
def test_any_true_stops(answer):
    assert len(MAKERS["softmax"](callbacks=[lambda *_: answer]).fit(X, Y).history_) == 1
    other = [lambda *_: 1, lambda *_: "yes", lambda network, history: network]
    assert len(MAKERS["softmax"](callbacks=other).fit(X, Y).history_) == 3


def test_what_callbacks_write_is_kept_as_plain_numbers(tmp_path):
    def write(network, history):
        history[-1] |= {"numpy": np.float32(0.5), "torch": torch.tensor(2), "rows": np.arange(2)}

    path = tmp_path / "checkpoint.safetensors"
    model = MAKERS["softmax"](callbacks=[write], checkpoint=path).fit(X, Y)
    again = MAKERS["softmax"](callbacks=[write], checkpoint=path).fit(X, Y)
    assert again.history_ == model.history_
    wanted = {"numpy": 0.5, "torch": 2, "rows": [0, 1]}
    assert {name: model.history_[-1][name] for name in wanted} == wanted


# Checkpoints -----------------------------------------------------------------------------------


@everyone
def test_an_interrupted_run_ends_like_one_that_was_not(make, tmp_path):
    path = tmp_path / "run" / "checkpoint.safetensors"

    def interrupt(network, history):
        if len(history) == 2:
            raise KeyboardInterrupt

    changes = {"augmentation": "crop_flip", "epochs": 4}
    with pytest.raises(KeyboardInterrupt):
        make(checkpoint=path, callbacks=[interrupt], **changes).fit(X, Y)
    resumed = make(checkpoint=path, **changes).fit(X, Y)
    whole = make(**changes).fit(X, Y)
    assert_equal_weights(weights(resumed), weights(whole))
    losses = [[entry["loss"] for entry in model.history_] for model in (resumed, whole)]
    assert losses[0] == losses[1] and len(losses[0]) == 4
    before = path.read_bytes()
    again = make(checkpoint=path, **changes).fit(X, Y)  # there is nothing left to do
    assert again.history_ == resumed.history_ and path.read_bytes() == before


def test_a_stopped_run_stays_stopped(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    calls = []

    def stop(network, history):
        calls.append(len(history))
        return len(history) == 2

    for _ in range(2):
        model = MAKERS["softmax"](checkpoint=path, callbacks=[stop], epochs=9).fit(X, Y)
        assert len(model.history_) == 2
    assert calls == [1, 2]


def test_another_early_stopping_is_another_run(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    make = MAKERS["softmax"]
    stops = [EarlyStopping(1, min_delta=9.0)]
    for _ in range(2):
        assert len(make(checkpoint=path, callbacks=stops, epochs=5).fit(X, Y).history_) == 2
    for callbacks in (None, [EarlyStopping(2, min_delta=9.0)]):
        with pytest.raises(IntegrityError, match=r"its early stopping \(\[EarlyStopping\(1, min_"):
            make(checkpoint=path, callbacks=callbacks, epochs=5).fit(X, Y)


SCRIPT = """
    import sys, time
    import numpy as np
    from safetensors.numpy import save_file
    from zeroshot import DeViSEClassifier, HashEmbedding, Training
    from zeroshot.networks import TinyImageNetCNN
    from zeroshot.networks._augmentation import crop_and_flip

    def slow(network, history):
        print("epoch", len(history), flush=True)
        time.sleep(float(sys.argv[3]))

    def moved(images):  # lies elsewhere in the memory of each process
        return crop_and_flip(images)

    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (32, 16, 16, 3)).astype(np.uint8)
    y = np.repeat(["bear", "cat", "dog", "owl"], 8)
    import torch
    torch.manual_seed(0)
    model = DeViSEClassifier(
        HashEmbedding(6), loss="cosine_margin", network=TinyImageNetCNN(width=1 / 32),
        training=Training(
            epochs=5, batch_size=8, device="cpu", augmentation=moved, progress=False,
            checkpoint=sys.argv[1] or None, callbacks=[slow],
        ),
        random_state=0,
    ).fit(X, y)
    arrays = {name: value.numpy() for name, value in model.network_.state_dict().items()}
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, sys.argv[2])
"""


@pytest.mark.slow  # many trainings
def test_a_killed_run_ends_with_the_same_weights_to_the_last_bit(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(SCRIPT))
    checkpoint, ends = tmp_path / "checkpoint.safetensors", [tmp_path / "a", tmp_path / "b"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(path, end, pause):
        command = [sys.executable, str(script), str(path), str(end), pause]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    with start(checkpoint, ends[0], "0.3") as run:
        assert run.stdout is not None
        for line in run.stdout:
            if line == "epoch 3\n":  # in the middle of its callback: epoch 2 is on the disk
                run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL and checkpoint.exists() and not ends[0].exists()
    with start(checkpoint, ends[0], "0") as run:
        assert run.stdout is not None
        assert run.stdout.read().split() == "epoch 3 epoch 4 epoch 5".split()
    with start("", ends[1], "0") as run:
        assert run.stdout is not None
        assert len(run.stdout.readlines()) == 5
    assert_equal_weights(load_file(ends[0]), load_file(ends[1]))


def test_a_checkpoint_of_another_run_is_refused_with_what_differs(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    MAKERS["devise"](checkpoint=path).fit(X, Y)
    other = X.copy()
    other[0, 0, 0, 0] ^= 1
    swapped = Y.copy()
    swapped[[0, 47]] = swapped[[47, 0]]
    cases = {
        r"its images \(": (MAKERS["devise"](checkpoint=path), other, Y),
        r"its labels \(": (MAKERS["devise"](checkpoint=path), X, swapped),
        r"its learning_rate \(0.003 there, 0.1 here\)": (
            MAKERS["devise"](checkpoint=path, learning_rate=0.1),
            X,
            Y,
        ),
        r"epochs \(3 there, 7 here\)": (MAKERS["devise"](checkpoint=path, epochs=7), X, Y),
        r"network \(": (MAKERS["devise"](checkpoint=path, network=small(0.3)), X, Y),
        r"seed \(": (MAKERS["devise"](checkpoint=path, random_state=1), X, Y),
        r"augmentation \(None there, 'crop_flip' here": (
            MAKERS["devise"](checkpoint=path, augmentation="crop_flip"),
            X,
            Y,
        ),
        r"loss \(cosine there, mse here\)": (
            MAKERS["devise"](checkpoint=path).set_params(loss="mse"),
            X,
            Y,
        ),
    }
    for match, (model, images, labels) in cases.items():
        with pytest.raises(IntegrityError, match="belongs to another run.*" + match):
            model.fit(images, labels)


def test_a_network_of_other_first_weights_is_told_how_to_have_the_same(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    MAKERS["devise"](checkpoint=path).fit(X, Y)
    network = small()
    with torch.no_grad():
        next(network.parameters()).add_(1.0)
    match = r"initial weights \(.*start anew. A network is made alike after torch.manual_seed\(0\)"
    with pytest.raises(IntegrityError, match=match):
        MAKERS["devise"](checkpoint=path, network=network).fit(X, Y)


def test_a_checkpoint_of_another_version_is_refused(tmp_path, monkeypatch):
    from zeroshot.networks import _fit_network

    path = tmp_path / "checkpoint.safetensors"
    MAKERS["softmax"](checkpoint=path).fit(X, Y)
    monkeypatch.setattr(_fit_network, "__version__", "9.9")
    with pytest.raises(IntegrityError, match=rf"its version \({__version__} there, 9.9 here\)"):
        MAKERS["softmax"](checkpoint=path).fit(X, Y)


def test_what_is_no_checkpoint_is_refused_and_stays(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("dear diary")
    with pytest.raises(IntegrityError, match="is not a checkpoint"):
        MAKERS["softmax"](checkpoint=path).fit(X, Y)
    assert path.read_text() == "dear diary"
    with pytest.raises(ValueError, match="is a folder. Name a file in it"):
        MAKERS["softmax"](checkpoint=tmp_path).fit(X, Y)
    with pytest.raises(OSError, match="SoftmaxClassifier: checkpoint=.*its folder cannot be made"):
        MAKERS["softmax"](checkpoint=path / "folder" / "file").fit(X, Y)
    with pytest.raises(TypeError, match="checkpoint must be the path of a file, got 3"):
        MAKERS["softmax"](checkpoint=3).fit(X, Y)
    with pytest.raises(ValueError, match="seed is known. Pass random_state=0"):
        MAKERS["softmax"](checkpoint=path, random_state=None).fit(X, Y)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.safetensors"
    layer = linear_layers((4, 2), 0)[0]
    checkpoint = Checkpoint(path, {"seed": "0"}, "Somebody")
    checkpoint.write(layer, Progress([{"loss": 1.0}]))
    before = path.read_bytes()
    (tmp_path / "any").touch()
    assert path.stat().st_mode == (tmp_path / "any").stat().st_mode
    (tmp_path / "any").unlink()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="Somebody: checkpoint=.*What was there before is untouched"):
        checkpoint.write(layer, Progress([{"loss": 0.5}]))
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


def test_a_loss_that_is_nan_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    calls = []

    def poison(images):
        calls.append(None)
        images = images.float()
        return images * float("nan") if len(calls) == 8 else images  # the second step of epoch 3

    match = "SoftmaxClassifier: the loss became nan at step 2 of 3 in epoch 3 of 5"
    with pytest.raises(FloatingPointError, match=match):
        MAKERS["softmax"](checkpoint=path, augmentation=poison, epochs=5).fit(X, Y)
    network = ImageNetwork(small(), 4, mean=[0.5] * 3, std=[0.5] * 3)
    tensors = load_file(path)
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert {f"network.{name}" for name in network.state_dict()} <= tensors.keys()


def test_weights_that_break_in_the_last_step_stop_too(tmp_path):
    class Endless(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.zero = nn.Linear(3, 4), nn.Parameter(torch.zeros(4))

        def forward(self, images):  # the slope of a root has no bound at zero
            return self.layer(images.mean(dim=(2, 3))) + 0 * self.zero.abs().sqrt()

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(FloatingPointError, match="weights became infinite or nan .* epoch 1 of 3"):
        MAKERS["softmax"](network=Endless(), batch_size=48, checkpoint=path).fit(X, Y)
    assert not path.exists()


# Several processes -----------------------------------------------------------------------------

PROCESSES = """
    import sys
    import numpy as np
    import torch
    from accelerate import PartialState
    from zeroshot import SoftmaxClassifier, Training, save
    from zeroshot.networks import TinyImageNetCNN

    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(2), 13)
    X = rng.integers(0, 256, (2, 16, 16, 3))[codes] + rng.normal(0, 20, (26, 16, 16, 3))
    X, y = np.clip(X, 0, 255).astype(np.uint8), np.array(["cat", "dog"])[codes]
    model = SoftmaxClassifier(
        TinyImageNetCNN(width=1 / 32, dropout=0.0),
        training=Training(
            epochs=8, batch_size=5, learning_rate=3e-3, device="cpu", progress=False,
            checkpoint=sys.argv[1] + "/checkpoint",
        ),
        random_state=0,
    ).fit(X, y)
    if PartialState().is_main_process:
        assert PartialState().num_processes == 2
        print(model.history_[-1], model.score(X, y))
        save(model, sys.argv[1] + "/model")
        np.save(sys.argv[1] + "/X.npy", X), np.save(sys.argv[1] + "/y.npy", y)
        np.save(sys.argv[1] + "/scores.npy", model.decision_function(X))
    torch.distributed.destroy_process_group()  # or its threads may abort the process at its end
"""


def test_two_processes_train_what_one_loads(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(PROCESSES))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    command += ["--rdzv_backend", "c10d", "--rdzv_endpoint", "localhost:0", str(script)]
    command.append(str(tmp_path))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert run.returncode == 0, run.stderr[-3000:]
    model = load(tmp_path / "model")
    images, labels = np.load(tmp_path / "X.npy"), np.load(tmp_path / "y.npy")
    np.testing.assert_array_equal(model.decision_function(images), np.load(tmp_path / "scores.npy"))
    assert model.score(images, labels) > 0.9
    assert (tmp_path / "checkpoint").exists()


# Saving ----------------------------------------------------------------------------------------


@everyone
def test_a_saved_network_gives_the_same_answers(make, tmp_path):
    model = make(callbacks=[lambda network, history: None]).fit(X, Y)
    save(model, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert_equal_weights(weights(model), weights(loaded))
    np.testing.assert_array_equal(model.predict(X), loaded.predict(X))
    assert loaded.history_ == model.history_ and loaded.training.callbacks is None
    assert isinstance(loaded.network, TinyImageNetCNN)
    assert_equal_weights(loaded.network.state_dict(), model.network.state_dict())
    clone(loaded).fit(X, Y)


@pytest.mark.parametrize("network", ["simpnet", "timm:test_efficientnet"])
def test_networks_are_saved_by_their_names(network, tmp_path):
    module = ImageNetwork(network, 4, mean=[0.4] * 3, std=[0.2] * 3, weights=None).eval()
    model = MAKERS["softmax"](network=network)
    model.network_, model.image_shape_, model.classes_ = module, (32, 32), NAMES
    model.history_ = []
    save(model, tmp_path / "model")
    loaded = load(tmp_path / "model")
    images = RNG.integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    np.testing.assert_array_equal(model.decision_function(images), loaded.decision_function(images))


def test_a_fine_tuned_network_is_saved_with_its_head(tmp_path):
    rows = RNG.normal(size=(3, 256)).astype(np.float32)
    source = SourceHead(rows, np.zeros(3), ["wolf", "tiger", "eagle"])
    model = FineTuneClassifier(
        "test_efficientnet",
        weights=None,
        head=SimilarityInitializer(source, "wordnet", n_neighbors=1),
        training=Training(epochs=1, batch_size=16),
        resize=32,
        image_size=32,
        random_state=0,
    ).fit(X, Y)
    save(model, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert_equal_weights(weights(model), weights(loaded))
    np.testing.assert_array_equal(model.predict(X), loaded.predict(X))
    np.testing.assert_array_equal(loaded.head_.coef_, model.head_.coef_)


def test_damaged_weights_are_refused(tmp_path):
    network = small()
    arrays = network.weight_arrays()
    name = "layers.0.weight"
    for damaged in (
        {**arrays, name: arrays[name][:1]},
        {**arrays, name: arrays[name].astype(np.float64)},
        {**arrays, "extra": arrays[name]},
        {key: value for key, value in arrays.items() if key != name},
        {**arrays, name: 3},
    ):
        with pytest.raises(ValueError, match="the weights '(layers.0.weight|extra)'"):
            network.load_weight_arrays(damaged)


def test_a_network_of_ones_own_cannot_be_saved(tmp_path):
    class Mine(nn.Module):
        def forward(self, images):
            return images.mean(dim=(2, 3))

    model = MAKERS["softmax"](network=Mine(), epochs=1).fit(X, Y)
    with pytest.raises(TypeError, match="Mine, which cannot be saved"):
        save(model, tmp_path / "model")


# Bad input -------------------------------------------------------------------------------------


@everyone
def test_bad_images_are_refused(make, tmp_path):
    two_sizes = [X[0], X[1][:12]] * 8
    with pytest.raises(ValueError, match="images differ in size: .*16 x 16.*16 x 12.* image_size="):
        make().fit(two_sizes, ["cat", "dog"] * 8)
    make(image_size=10, epochs=1).fit(two_sizes, ["cat", "dog"] * 8)
    with pytest.raises(ImageReadError, match="its pixels are float64 from .* is 1: "):
        make().fit(X / 128 - 1, Y)
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(ImageReadError, match="broken.png"):
        make(image_size=16).fit([str(tmp_path / "broken.png")] * 20, ["cat", "dog"] * 10)
    model = make(epochs=1).fit(X, Y)
    with pytest.raises(ValueError, match="X has images of 16 x 12 pixels, and fit saw 16 x 16"):
        model.predict(X[:, :12])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make().fit(X, Y[:-1])


@everyone
def test_bad_labels_and_sizes_are_refused(make):
    with pytest.raises(ValueError, match="y holds one class only, 'bear'"):
        make().fit(X, ["bear"] * 48)
    with pytest.raises(
        ValueError, match="batch_size=49, but there are only 48 images. Write training"
    ):
        make(batch_size=49).fit(X, Y)
    for name, value, match in [
        ("network", "resnet", "network must be 'simpnet', 'tiny_cnn', 'timm:<name>' or a"),
        ("network", "timm:resnet_none", "must be a model of timm, got 'resnet_none'"),
        ("network", nn.Identity(), r"network must give vectors, .* gives \(1, 3, 16, 16\)"),
        ("network", nn.Linear(3, 3), "network gives no features of an image of 16 x 16 pixels"),
        ("precision", "int8", "precision must be one of"),
        ("accumulation", 0, "accumulation must be an integer of at least 1"),
        ("image_size", 0, "image_size must be an integer of at least 1"),
        ("augmentation", "mixup", "augmentation must be one of 'crop_flip', got 'mixup'"),
        ("progress", "yes", "progress must be True, False or 'auto'"),
        ("warm_start", 1, "warm_start must be True or False"),
        ("epochs", 0, "epochs must be an integer of at least 1"),
    ]:
        with pytest.raises(ValueError, match=match):
            make(**{name: value}).fit(X, Y)
    for name, value, match in [
        ("augmentation", 3, "augmentation must be None, 'crop_flip', or a callable"),
        ("callbacks", ["loud"], "callbacks must be callables"),
        ("callbacks", EarlyStopping(), r"got EarlyStopping\(3, .* Write callbacks=\[callback\]"),
        ("augmentation", np.asarray, "augmentation must return a tensor, got ndarray"),
    ]:
        with pytest.raises(TypeError, match=match):
            make(**{name: value}).fit(X, Y)


def test_a_network_of_the_wrong_type_and_an_unknown_loss_are_refused():
    for model in (MAKERS["softmax"](network=3), MAKERS["devise"](network=3)):
        with pytest.raises(TypeError, match="network must be 'simpnet'"):
            model.fit(X, Y)
    with pytest.raises(ValueError, match="loss must be one of 'hinge', 'cosine_margin'"):
        MAKERS["devise"]().set_params(loss="margin").fit(X, Y)
    with pytest.raises(ValueError, match="n_negatives must be an integer of at least 1, got 0"):
        MAKERS["hinge"]().set_params(n_negatives=0).fit(X, Y)


def test_a_network_is_tried_on_images_of_the_size_it_is_trained_on():
    fixed = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 8))
    model = MAKERS["softmax"](network=fixed, epochs=1).fit(X, Y)
    assert model.network_.n_features == 8
    with pytest.raises(ValueError, match=r"of an image of 10 x 10 pixels .* or the image_size"):
        MAKERS["softmax"](network=fixed, image_size=10).fit(X, Y)
    vision = timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=1)
    with pytest.raises(ValueError, match=r"16 x 16 pixels \(Input height \(16\) doesn't match"):
        MAKERS["softmax"](network=vision).fit(X, Y)  # timm says so by an AssertionError


def test_weights_that_cannot_be_fetched_say_what_a_network_may_be(monkeypatch):
    from zeroshot.backbones import _weights

    def unreachable(*args, **kwargs):
        raise DownloadError("SoftmaxClassifier: the weights are not here.")

    monkeypatch.setattr(_weights, "create_network", unreachable)
    match = "the weights are not here. As network=, .* pass a module, .* timm.create_model"
    with pytest.raises(DownloadError, match=match):
        MAKERS["softmax"](network="timm:resnet18").fit(X, Y)


def test_augmented_images_keep_their_number_and_scale():
    def fit(augmentation):
        return MAKERS["softmax"](augmentation=augmentation, epochs=1).fit(X, Y)

    fit(v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(16, padding=2)]))
    fit(lambda images: images.float() + 20 * torch.randn(images.shape))
    fit(lambda images: images[:, :, :12, :12])
    scaled = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.2] * 3)]
    for changes in (scaled[:1], scaled):
        with pytest.raises(ValueError, match="pixels of 0 to 255, .* got floats of at most [12]"):
            fit(v2.Compose(changes))
    match = r"as many images as it was given, \(16, 3, height, width\), got \(3, 3, 16, 16\)"
    with pytest.raises(ValueError, match=match):
        fit(lambda images: images[:3])


def test_labels_without_vectors_are_named():
    from zeroshot import AttributeTable

    table = AttributeTable(np.eye(3), labels=["bear", "cat", "dog"])
    for model in (DeViSEClassifier, EmbeddingRegressor):
        with pytest.raises(UnknownLabelError, match="no vector for 1 of 4 labels .*'owl'"):
            model(table, **params()).fit(X, Y)


def test_the_progress_bar_is_shown_on_request(capsys):
    MAKERS["softmax"](progress=True, epochs=2).fit(X, Y)
    assert "training (cpu): 100%" in capsys.readouterr().err
    MAKERS["softmax"](progress="auto", epochs=2).fit(X, Y)
    assert capsys.readouterr().err == ""


def test_precision_is_that_of_the_processor_or_as_asked():
    start = time.perf_counter()
    model = MAKERS["softmax"](precision="bfloat16", epochs=2).fit(X, Y)
    assert time.perf_counter() - start < 60
    assert all(value.dtype != torch.bfloat16 for value in weights(model).values())
    exact = MAKERS["softmax"](epochs=2).fit(X, Y)
    difference = np.abs(model.decision_function(X) - exact.decision_function(X)).max()
    assert 0 < difference < 0.2
