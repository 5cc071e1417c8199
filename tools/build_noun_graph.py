"""Write zeroshot/taxonomy/data/noun_graph.npz from the files of WordNet 3.0.

Run as ``python tools/build_noun_graph.py [/usr/share/wordnet]``; the folder is that of Debian's
package ``wordnet-base``, or ``dict/`` of Princeton's own archive. The licence goes beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from zeroshot.taxonomy._build import Entry, graph_arrays

TARGET = Path(__file__).parents[1] / "zeroshot" / "taxonomy" / "data" / "noun_graph.npz"
N_SYNSETS = 82_115


def main() -> None:
    """Read the files, check that they are those of WordNet 3.0, and write the arrays."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("/usr/share/wordnet"))
    folder = parser.parse_args().folder
    entries = read_synsets(folder / "data.noun")
    if len(entries) != N_SYNSETS:
        raise SystemExit(f"{folder}: {len(entries)} noun synsets, expected {N_SYNSETS} of 3.0")
    exceptions = (folder / "noun.exc").read_text("utf-8").split("\n")[:-1]
    arrays = graph_arrays(entries, read_senses(folder / "index.noun"), exceptions)
    np.savez_compressed(TARGET, **arrays)
    licence = [
        line[4:].rstrip()
        for line in (folder / "data.noun").read_text("utf-8").split("\n")
        if line.startswith("  ")
    ]
    (TARGET.parent / "wordnet_license.txt").write_text("\n".join(licence) + "\n", "utf-8")
    print(f"{TARGET}: {len(entries)} synsets, {TARGET.stat().st_size / 1e6:.2f} MB")
    for name, array in arrays.items():
        print(f"  {name:<20}{array.dtype.str:>6}{array.size:>10}")


def read_synsets(path: Path) -> list[Entry]:
    """Return the synsets in the order of their offsets."""
    entries = []
    for line in path.read_text("utf-8").split("\n"):
        if not line or line.startswith(" "):
            continue
        fields = line.partition(" | ")[0].split()
        n_lemmas = int(fields[3], 16)
        lemmas = fields[4 : 4 + 2 * n_lemmas : 2]
        pointers = fields[5 + 2 * n_lemmas :]
        above: dict[str, list[int]] = {"@": [], "@i": []}
        for symbol, offset in zip(pointers[::4], pointers[1::4], strict=False):
            if symbol in above:
                above[symbol].append(int(offset))
        entries.append(Entry(int(fields[0]), lemmas, above["@"], above["@i"]))
    return entries


def read_senses(path: Path) -> dict[str, list[int]]:
    """Return, for each lemma, the offsets of its senses, the most frequent first."""
    senses = {}
    for line in path.read_text("utf-8").split("\n"):
        if not line or line.startswith(" "):
            continue
        fields = line.split()
        senses[fields[0]] = [int(offset) for offset in fields[-int(fields[2]) :]]
    return senses


if __name__ == "__main__":
    main()
