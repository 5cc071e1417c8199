"""What to do in terms of the command line, where a message says it in terms of Python."""

from __future__ import annotations

REMEDIES = {
    "Pass overrides={label: text} to embed other words, or missing_words='ignore'.": (
        "Respell such labels, or say what they mean with --label-texts FILE of 'zeroshot fit'."
    ),
    "Pass overrides={label: text} to embed other words, or leave these labels out (covers() tells "
    "which have a vector).": "Respell them, or leave them out.",
    "Pass synsets={label: wnid} to say what they are, or overrides={label: text} to embed other "
    "words.": "Respell them, or leave them out.",
    "Give them vectors of their own, for example by overrides.": (
        "Respell them, or say how they differ with --label-texts FILE of 'zeroshot fit'."
    ),
    "Pass center=False or another label_embedding.": (
        "Respell them, or take another --label-embedding in 'zeroshot fit'."
    ),
    "Pass synsets= with the wnids of those that it is not.": (
        "Where another is meant, a name of one sense helps."
    ),
    "A split made only of held-out classes has none: pass cv=GeneralizedClassKFold(), which also "
    "holds out samples of seen classes.": "Judge without --unseen, on a folder that has some.",
    "A split over samples has none: pass cv=GeneralizedClassKFold(), or ClassKFold() where rows of "
    "unseen classes are all that is wanted.": (
        "Judge on a folder that has some, or leave classes out by --exclude of 'zeroshot fit'."
    ),
    "Pass candidates= with labels of both kinds, and scenario='generalized'.": (
        "Judge without --unseen, to offer labels of both kinds."
    ),
    " Pass label_embedding=.": "",
    "or pass weights='<file>.safetensors'": "or pass --weights FILE.safetensors",
    "or pass pretrained='<file>.safetensors'": "or take another --label-embedding",
    "or use weights='auto'": "or leave --weights out",
    "Choose one of timm.list_models(pretrained=True), or pass weights=path or weights=None.": (
        "Choose one that 'zeroshot models' lists, or pass --weights FILE or --weights none."
    ),
    "timm.list_models('*') lists them.": "'zeroshot models' lists them.",
    "Pass another image_size or model_name.": "Pass another --image-size or --backbone.",
    "Pass the model_name that they were saved from.": "Pass the --backbone of that name.",
    "or None for its own size": "or leave --image-size out",
    " (or pass data_home=)": "",
}


def in_options(message: str) -> str:
    """Return a message with its remedy in terms of options.

    Examples
    --------
    >>> from zeroshot.cli._remedies import in_options
    >>> in_options("There is no such file. Check the path, or use weights='auto'.")
    'There is no such file. Check the path, or leave --weights out.'
    """
    for said, meant in REMEDIES.items():
        message = message.replace(said, meant)
    return message
