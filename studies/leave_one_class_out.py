"""Each class left out in turn, the network trained from scratch (Baughman, Foster and Chard 2021).

    ZEROSHOT_DATA=FOLDER python studies/leave_one_class_out.py --preset small --n-jobs 4
    ZEROSHOT_DATA=FOLDER python studies/leave_one_class_out.py --preset development
    python studies/leave_one_class_out.py --preset frozen --words
    python studies/leave_one_class_out.py --preset tiny

SimpNet and three fully connected layers learn the GloVe vectors of CIFAR-100's classes by squared
error, one class excluded; after each epoch the excluded class's loss is taken on all its images.
``--preset full`` is the published study, 100 folds. ``--preset small`` is one for two cores: every
eighth class, smaller images and network. ``--preset development`` compares variants of it on twelve
other classes, excluded all at once. ``--preset frozen`` is the closed form alone, which the others
end with; ``--words`` adds to it what kernel ridge regression to mean features makes of the words of
a vocabulary (``loco_prototypes.py``). ``--preset tiny`` is a quick run on made-up images.

Each finished fold is a small file in ``--folds``, and is never run twice; an unfinished one goes on
from its last epoch. Folds go through joblib: ``--n-jobs``, or ``main`` inside ``parallel_config``.
``--summary`` runs none and tells what is there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from loco_figures import summarise, versions
from loco_folds import Preset, fold_path, images_of, run_fold
from loco_frozen import ALL, SHIPPED, frozen_features, kept_path, prototype_features
from loco_plots import draw, show, show_development

from zeroshot._utils._files import cache_home

TRAINING: dict[str, Any] = {
    "hidden": (512, 256),
    "epochs": 25,
    "batch_size": 128,
    "learning_rate": 1e-3,
    "weight_decay": 1e-4,
    "augmentation": "crop_flip",
}


def _with(settings: dict[str, Any], **changes: Any) -> tuple[tuple[str, Any], ...]:
    return tuple({**settings, **changes}.items())


SMALL = Preset(
    start=6,
    every=8,
    image_size=16,
    images=160,
    network=(("variant", "slim"), ("width", 0.8)),
    training=_with(TRAINING, hidden=(256, 128), epochs=20, batch_size=64, augmentation=None),
    drawn=0.55,
)
PRESETS = {
    "full": Preset(training=_with(TRAINING)),
    "small": SMALL,
    "development": replace(SMALL, start=4),
    "frozen": Preset(start=100),  # none from scratch
    "tiny": Preset(
        every=4,
        image_size=8,
        images=6,
        n_classes=12,
        made_up=True,
        network=(("variant", "slim"), ("width", 0.2)),
        training=_with(TRAINING, hidden=(16, 16), epochs=3, batch_size=22),
        drawn=0.5,
    ),
}
VARIANTS: dict[str, dict[str, Any]] = {
    "as in small": {},
    "shifted and mirrored images": {"augmentation": "crop_flip"},
    "learning rate 2e-3": {"learning_rate": 2e-3},
    "batches of 32": {"batch_size": 32},
    "weight decay 1e-2": {"weight_decay": 1e-2},
}


def run_all(preset: Preset, folder: Path, n_jobs: int | None, summary: bool) -> dict[str, Any]:
    """Return the folds by excluded class: those there are, after running those there are not."""
    jobs = [(name,) for name in preset.excluded()]
    if summary:
        jobs = [job for job in jobs if fold_path(job, preset, folder).is_file()]
    elif jobs:
        images_of(preset)  # downloaded once, before several processes want them
    folds = Parallel(n_jobs=n_jobs, verbose=0 if summary or preset.made_up else 10)(
        delayed(run_fold)(job, preset, folder) for job in jobs
    )
    return {name: fold for (name,), fold in zip(jobs, folds, strict=True)}


def study(
    preset: Preset,
    folder: Path,
    n_jobs: int | None,
    *,
    summary: bool,
    sources: Sequence[str],
    words: bool,
) -> dict[str, Any]:
    """Return the figures of the network from scratch, and of frozen features on all classes."""
    names = preset.names()
    folds = run_all(preset, folder, n_jobs, summary)
    frozen = {
        source: frozen_features(names, source, folder, n_jobs)
        for source in sources
        if not summary or kept_path(names, source, folder).is_file()
    }
    if words:
        for source in frozen:
            frozen[source]["words"] = prototype_features(names, source, folder, n_jobs)
    return summarise(folds, names, len(preset.excluded()), frozen, preset.drawn)


def develop(preset: Preset, folder: Path, n_jobs: int | None) -> dict[str, Any]:
    """Return the figures of each variant, all development classes excluded from one training."""
    presets = [
        replace(preset, training=_with(dict(preset.training), **changes))
        for changes in VARIANTS.values()
    ]
    folds = Parallel(n_jobs=n_jobs)(
        delayed(run_fold)(preset.excluded(), variant, folder) for variant in presets
    )
    return dict(zip(VARIANTS, folds, strict=True))


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the study, print it, and return the figures."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=list(PRESETS), default="small")
    parser.add_argument("--n-jobs", type=int, help="folds at a time")
    parser.add_argument("--folds", metavar="FOLDER", type=Path, help="where finished folds are")
    parser.add_argument("--summary", action="store_true", help="run no fold, tell what is there")
    parser.add_argument(
        "--all-features", action="store_true", help="frozen features of the whole archive too"
    )
    parser.add_argument(
        "--words", action="store_true", help="frozen features with prototypes of words too"
    )
    parser.add_argument("--output", metavar="FILE", help="also write the figures there, as JSON")
    parser.add_argument("--plot", metavar="FILE", help="also draw the published figures there")
    options = parser.parse_args(arguments)
    preset = PRESETS[options.preset]
    folder = options.folds or cache_home() / "leave-one-class-out"
    about = {
        "command": " ".join(["python studies/leave_one_class_out.py", *arguments]),
        "preset": asdict(preset),
        **versions(),
    }
    if options.preset == "development":
        results = about | {"variants": show_development(develop(preset, folder, options.n_jobs))}
    else:
        sources = (SHIPPED, ALL) if options.all_features else (SHIPPED,)
        results = about | study(
            preset,
            folder,
            options.n_jobs,
            summary=options.summary,
            sources=sources,
            words=options.words,
        )
        show(results)
        if options.plot:
            draw(results, options.plot)
    if options.output:
        Path(options.output).write_text(json.dumps(results, indent=1) + "\n")
    return results


if __name__ == "__main__":
    main()
