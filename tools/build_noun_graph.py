"""Write zeroshot/taxonomy/data/noun_graph.npz from the files of WordNet 3.0.

Run as ``python tools/build_noun_graph.py [/usr/share/wordnet]``; the folder is that of Debian's
package ``wordnet-base``, or ``dict/`` of Princeton's own archive. The licence goes beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parents[1] / "zeroshot" / "taxonomy" / "data" / "noun_graph.npz"
N_SYNSETS = 82_115

# A synset of data.noun: its offset, lemmas as written, hypernyms and instance hypernyms.
Entry = tuple[int, list[str], list[int], list[int]]


def main() -> None:
    """Read the files, check that they are those of WordNet 3.0, and write the arrays."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("/usr/share/wordnet"))
    folder = parser.parse_args().folder
    entries = read_synsets(folder / "data.noun")
    if len(entries) != N_SYNSETS:
        raise SystemExit(f"{folder}: {len(entries)} noun synsets, expected {N_SYNSETS} of 3.0")
    arrays = {
        **lemma_arrays(entries, read_senses(folder / "index.noun")),
        **edge_arrays(entries),
        "exceptions": as_bytes((folder / "noun.exc").read_text("utf-8").split("\n")[:-1]),
    }
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
        entries.append((int(fields[0]), lemmas, sorted(above["@"]), sorted(above["@i"])))
    return sorted(entries)


def read_senses(path: Path) -> dict[str, list[int]]:
    """Return, for each lemma, the offsets of its senses, the most frequent first."""
    senses = {}
    for line in path.read_text("utf-8").split("\n"):
        if not line or line.startswith(" "):
            continue
        fields = line.split()
        senses[fields[0]] = [int(offset) for offset in fields[-int(fields[2]) :]]
    return senses


def lemma_arrays(entries: list[Entry], senses: dict[str, list[int]]) -> dict[str, np.ndarray]:
    """Return the lemmas in sorted order, those of each synset, and which sense of them it is."""
    lemmas = sorted(senses)
    number = {lemma: row for row, lemma in enumerate(lemmas)}
    pairs, lengths, cased = [], [], []
    for offset, written, _, _ in entries:
        # A lemma that is listed twice, in different case, counts once, as the index has it.
        names = {name.lower(): name for name in reversed(written)}
        order = dict.fromkeys(name.lower() for name in written)
        lengths.append(len(order))
        for lower in order:
            pairs.append((number[lower], senses[lower].index(offset) + 1))
            cased.append(case_of(names[lower]))
    lemma, sense = np.array(pairs).T
    if len(lemma) != sum(map(len, senses.values())):
        raise SystemExit("index.noun and data.noun do not fit together")
    return {
        "offsets": np.array([entry[0] for entry in entries], dtype=np.int32),
        "lemmas": as_bytes(front_coded(lemmas)),
        "n_lemmas": np.array(lengths, dtype=np.uint8),
        "synset_lemmas": lemma.astype(np.int32),
        "sense_numbers": sense.astype(np.uint8),
        "cases": as_bytes(cased),
    }


def case_of(name: str) -> str:
    """Return nothing for lower case, "T" for A_Title, else the positions of the capitals."""
    if name == name.lower():
        return ""
    if name == "_".join(part[:1].upper() + part[1:] for part in name.lower().split("_")):
        return "T"
    return ",".join(str(i) for i, letter in enumerate(name) if letter != letter.lower())


def front_coded(words: list[str]) -> list[str]:
    """Replace what each word shares with the one before by a letter that counts it."""
    coded, before = [], ""
    for word in words:
        shared = 0
        while shared < min(len(word), len(before), 60) and word[shared] == before[shared]:
            shared += 1
        coded.append(chr(48 + shared) + word[shared:])
        before = word
    return coded


def edge_arrays(entries: list[Entry]) -> dict[str, np.ndarray]:
    """Return parents in CSR form, depths, and how many synsets lie below each."""
    row = {entry[0]: i for i, entry in enumerate(entries)}
    parents = [[row[offset] for offset in [*up, *instance]] for _, _, up, instance in entries]
    lowest, highest = [-1] * len(entries), [-1] * len(entries)

    def visit(i: int) -> None:
        if lowest[i] < 0:
            for parent in parents[i]:
                visit(parent)
            lowest[i] = 1 + min((lowest[p] for p in parents[i]), default=-1)
            highest[i] = 1 + max((highest[p] for p in parents[i]), default=-1)

    below = np.zeros(len(entries), dtype=np.int32)
    for i in range(len(entries)):
        visit(i)
        reached, front = set(), set(parents[i])
        while front:
            reached |= front
            front = {p for node in front for p in parents[node]} - reached
        below[list(reached)] += 1
    return {
        "n_hypernyms": np.array([len(entry[2]) for entry in entries], dtype=np.uint8),
        "n_instance_hypernyms": np.array([len(entry[3]) for entry in entries], dtype=np.uint8),
        "parents": np.array([p for row in parents for p in row], dtype=np.int32),
        "min_depths": np.array(lowest, dtype=np.uint8),
        "max_depths": np.array(highest, dtype=np.uint8),
        "n_descendants": below,
    }


def as_bytes(lines: list[str]) -> np.ndarray:
    """Return lines as one array of UTF-8 bytes."""
    return np.frombuffer("\n".join(lines).encode("utf-8"), dtype=np.uint8)


if __name__ == "__main__":
    main()
