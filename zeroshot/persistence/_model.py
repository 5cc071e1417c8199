"""`save` and `load` of estimators to and from folders."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from zeroshot._utils._files import atomic_folder, other_files
from zeroshot._utils._provenance import RECORD
from zeroshot._utils._validation import check_number
from zeroshot.exceptions import ModelFormatError, in_python
from zeroshot.persistence._decode import Decoder
from zeroshot.persistence._encode import Encoder
from zeroshot.persistence._format import ARRAYS, CONFIG, MAX_BYTES, read_files, write_files
from zeroshot.persistence._versions import versions_of, warn_of_versions

_SHA256 = re.compile("[0-9a-fA-F]{64}")


def save(estimator: Any, folder: str | os.PathLike, *, overwrite: bool = False) -> str:
    """Write an estimator to a folder that `load` reads.

    The folder contains ``config.json`` and ``arrays.safetensors``, and nothing is pickled. Word
    vectors and networks are saved as references with a hash of their content. The model also saves
    the word vectors of its own labels (candidates and seen classes). The machine that loads it
    therefore needs the word vectors only for other labels. A `TimmFeatures` opens its weights again
    at first use, and compares their hash.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted or unfitted estimator of this package, `TimmFeatures`, `SourceHead`, or a
        ``Pipeline`` of these and of scikit-learn's ``StandardScaler``, ``MinMaxScaler``,
        ``Normalizer``, ``PCA``, ``LogisticRegression``, ``SGDClassifier`` and ``FrozenEstimator``;
        the similarities of this package may be parameters.
    folder : path
        Folder to create. It appears only when it is complete.
    overwrite : bool, default=False
        Replace an existing model, together with the record that ``zeroshot fit`` stores with it.
        The existing model is unchanged if an error occurs.

    Returns
    -------
    sha256 : str
        Hash of the model: ``load(folder, sha256=...)`` loads this model and no other.

    Raises
    ------
    FileExistsError
        `folder` exists and `overwrite` is false, or it holds something other than a model.
    TypeError
        The estimator, or something in it, cannot be saved.
    ValueError
        A parameter or a fitted attribute is not one that `load` accepts, such as weights that are
        not finite.

    See Also
    --------
    load : Read the estimator again.

    Examples
    --------
    >>> import tempfile
    >>> import zeroshot
    >>> from zeroshot import EmbeddingRegressor, HashEmbedding
    >>> model = EmbeddingRegressor(HashEmbedding(2)).fit([[0.0], [1.0]], ["cat", "dog"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sha256 = zeroshot.save(model, f"{folder}/model")
    ...     again = zeroshot.load(f"{folder}/model", sha256=sha256)
    >>> bool((again.predict([[0.3]]) == model.predict([[0.3]])).all())
    True
    """
    target = Path(os.path.realpath(Path(folder).expanduser()))
    _check_replaceable(target)
    encoder = Encoder()
    root = encoder.value(estimator, "estimator")
    if not isinstance(root, dict) or root["kind"] != "object":
        raise TypeError(
            f"save: estimator must be an estimator, got {type(estimator).__name__}. Pass the "
            "estimator that it belongs to."
        )
    config = {
        "versions": versions_of(encoder.parts),
        "embeddings": encoder.embeddings(),
        "objects": encoder.objects,
    }
    with atomic_folder(target, overwrite=overwrite) as new:
        return write_files(new, config, encoder.arrays)


def load(
    folder: str | os.PathLike, *, max_bytes: int = MAX_BYTES, sha256: str | None = None
) -> Any:
    """Return the estimator that `save` wrote to a folder.

    Every byte is checked, and only the classes listed in `save` can be created. Each parameter and
    attribute is checked against the table of its class: type, shape, range, finiteness. Nothing in
    the folder is unpickled, imported or run. Referenced files (word vectors, weights) are opened at
    first use. :doc:`/loading` says what this promises of a model from somebody else.

    Parameters
    ----------
    folder : path
        The folder.
    max_bytes : int, default=8 GiB
        How large its files may be.
    sha256 : str, optional
        What `save` returned. Any other model is refused.

    Returns
    -------
    estimator : object
        Estimator with the predictions of the saved one. On the same machine they are identical, bit
        for bit.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        There is no such folder.
    IntegrityError
        A file is missing, altered or too large, the model is not that of `sha256`, or it comes from
        a newer version of the package.
    ModelFormatError
        The files are as they were saved, but a model of this content would not answer. The error's
        ``attribute`` names where. It is an IntegrityError, too.

    Warns
    -----
    VersionWarning
        The model was saved with another version of a library that it depends on.

    See Also
    --------
    save : Write an estimator.

    Examples
    --------
    >>> import tempfile
    >>> import zeroshot
    >>> from zeroshot import DeViSEClassifier, HashEmbedding
    >>> model = DeViSEClassifier(HashEmbedding(8), loss="mse").fit([[0.0], [1.0]], ["cat", "dog"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = zeroshot.save(model, f"{folder}/model")
    ...     again = zeroshot.load(f"{folder}/model")
    >>> again.with_candidates(["cat", "dog", "owl"]).classes_.tolist()
    ['cat', 'dog', 'owl']
    """
    check_number(max_bytes, owner="load", name="max_bytes", at_least=1, integer=True)
    if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        raise ValueError(
            f"load: sha256 must be the 64 hexadecimal digits that save returned, got {sha256!r}."
        )
    folder = Path(folder).expanduser()
    config, arrays = read_files(folder, max_bytes=max_bytes, sha256=sha256)
    decoder = Decoder(arrays)
    for node in config["embeddings"]:
        decoder.add_embedding(node)
    restored = [decoder.add_object(node) for node in config["objects"]]
    if not restored:
        raise ModelFormatError(
            in_python("load: ") + f"{folder} holds no estimator. Save the model again."
        )
    if decoder.unused:
        raise ModelFormatError(
            in_python("load: ") + f"{folder} holds arrays that are no part of the model "
            f"({', '.join(decoder.unused[:5])}). Save the model again."
        )
    warn_of_versions(config["versions"], restored, folder)
    return restored[-1]


def _check_replaceable(target: Path) -> None:
    """Raise if `target` exists and is not a saved model, because it would be deleted."""
    if target.is_dir():
        others = other_files(target, {CONFIG, ARRAYS, RECORD})
        if others:
            raise FileExistsError(
                f"save: {target} holds more than a model ({', '.join(others[:5])}), and would be "
                "replaced as a whole. Choose another folder."
            )
    elif target.exists():
        raise FileExistsError(f"save: {target} is a file. Choose another folder.")
