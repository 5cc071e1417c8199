"""The package as a whole: what importing it loads, what it shows, and how its parts may lean."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import zeroshot

ROOT = Path(zeroshot.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}
STUB = ast.parse((ROOT / "__init__.pyi").read_text(encoding="utf-8"))
HOMES = {  # the part that each public name of the package comes from
    alias.name: node.module
    for node in STUB.body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}


def in_every_module(check):
    """Run `check`, which yields faults of one module, over all of them as one test."""

    def test():
        assert [f"{path}: {fault}" for path in MODULES for fault in check(path)] == []

    test.__doc__ = check.__doc__
    return test


# Importing -------------------------------------------------------------------------------------

HEAVY = ("torch", "timm", "gensim", "nltk", "sklearn", "scipy", "numpy", "pandas", "matplotlib")


def loaded_after(statement):
    """Top-level packages in sys.modules of a fresh interpreter that ran `statement`."""
    code = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    path = [str(ROOT.parent), *(entry for entry in sys.path if entry)]
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"import sys; sys.path[:0] = {path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in json.loads(result.stdout)}


def test_importing_the_package_loads_no_other():
    """What makes it take milliseconds: names are loaded when first used."""
    assert not loaded_after("import zeroshot") & set(HEAVY)


@pytest.mark.parametrize(
    "statement",
    [
        "from zeroshot import HashEmbedding, AttributeTable, WordVectors, nearest_labels",
        "from zeroshot import EmbeddingRegressor, DeViSEClassifier, ConSEClassifier",
        "from zeroshot import SourceHead",
        "import zeroshot.metrics, zeroshot.model_selection, zeroshot.evaluation",
        "import zeroshot.datasets, zeroshot.backbones, zeroshot.exceptions",
        "from zeroshot.displays import EmbeddingMapDisplay, PredictionGridDisplay",
    ],
)
def test_the_parts_that_need_no_network_load_no_torch(statement):
    assert not loaded_after(statement) & {"torch", "timm", "gensim", "nltk", "matplotlib"}


def test_closed_forms_load_no_torch():
    statement = (
        "from zeroshot import DeViSEClassifier, EmbeddingRegressor, EmbeddingRegressorCV; "
        "from zeroshot import ESZSLClassifier, ESZSLClassifierCV, HashEmbedding, SAEClassifier; "
        "X, y = [[0.0], [1.0], [2.0], [3.0]], ['a', 'b', 'c', 'd']; "
        "EmbeddingRegressorCV(HashEmbedding(4), cv=2).fit(X, y).predict(X); "
        "ESZSLClassifier(HashEmbedding(4)).fit(X, y).predict(X); "
        "ESZSLClassifierCV(HashEmbedding(4), cv=2).fit(X, y).predict(X); "
        "SAEClassifier(HashEmbedding(4)).fit(X, y).predict(X); "
        "EmbeddingRegressor(HashEmbedding(4)).fit(X, y).predict(X); "
        "DeViSEClassifier(HashEmbedding(4), loss='mse').fit(X, y).predict(X)"
    )
    assert not loaded_after(statement) & {"torch", "timm", "gensim", "nltk", "matplotlib"}


# Public names ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", zeroshot.__all__)
def test_every_public_name_resolves(name):
    value = getattr(zeroshot, name)
    assert value.__name__ == name
    assert getattr(zeroshot, name) is value
    assert value.__module__.split(".")[1] == HOMES[name]


def test_public_names_are_the_stubs():
    assert zeroshot.__all__ == dir(zeroshot) == sorted(HOMES)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="No zeroshot attribute DeVise"):
        _ = zeroshot.DeVise
    with pytest.raises(ImportError):
        from zeroshot import DeVise  # noqa: F401


def test_the_version_is_the_distributions():
    from importlib.metadata import PackageNotFoundError, version

    text = (ROOT.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{zeroshot.__version__}"' in text
    try:
        installed = version("scikit-zeroshot")
    except PackageNotFoundError:
        return
    assert installed == zeroshot.__version__


SUBPACKAGES = (
    "backbones",
    "datasets",
    "displays",
    "estimators",
    "evaluation",
    "label_embeddings",
    "metrics",
    "model_selection",
    "networks",
    "persistence",
    "report",
)


def public_objects():
    for home in ("zeroshot", *(f"zeroshot.{name}" for name in SUBPACKAGES)):
        module = importlib.import_module(home)
        for name in module.__all__:
            yield f"{home}.{name}", getattr(module, name)
    losses = importlib.import_module("zeroshot.losses")
    for name, value in vars(losses).items():
        if inspect.isclass(value) and value.__module__ == losses.__name__:
            yield f"zeroshot.losses.{name}", value


PUBLIC = {
    name: value
    for name, value in public_objects()
    if inspect.isclass(value) or inspect.isfunction(value)
}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_object_is_shown_in_a_runnable_example(name):
    doc = inspect.getdoc(PUBLIC[name]) or ""
    assert "Examples\n--------" in doc and ">>> " in doc


@pytest.mark.parametrize("name", [name for name in PUBLIC if inspect.isclass(PUBLIC[name])])
def test_every_public_method_has_a_docstring(name):
    for method, function in vars(PUBLIC[name]).items():
        if not method.startswith("_") and inspect.isfunction(function):
            assert inspect.getdoc(function), method


@pytest.mark.parametrize("name", SUBPACKAGES)
def test_public_names_of_parts_are_there(name):
    module = importlib.import_module(f"zeroshot.{name}")
    assert module.__all__ == sorted(set(module.__all__)) and set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is getattr(module, name)


# Imports run one way ---------------------------------------------------------------------------

# A module may use what stands on its own line or above it, never what stands below.
LAYERS = [
    {"exceptions", "_version"},
    {"_utils"},
    {"_linear"},
    {"taxonomy"},
    {"label_embeddings"},
    {"datasets"},
    {"similarity"},
    {"losses", "callbacks"},
    {"backbones"},
    {"networks"},
    {"metrics"},
    {"model_selection"},
    {"estimators"},
    {"evaluation"},
    {"displays"},
    {"persistence"},
    {"scale"},
    {"report"},
    {"_photos"},
    {"demo"},
    {"cli", "__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def part_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_parts(path):
    """Yield (line, part) for each part of this package that `path` imports."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            names = [node.module]
            if node.module == "zeroshot":
                names = [f"zeroshot.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("zeroshot."):
                yield node.lineno, name.split(".")[1]
    for node in ast.walk(TREES[path]):  # after "import zeroshot"
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "zeroshot":
            yield node.lineno, node.attr


@in_every_module
def test_imports_run_one_way(path):
    part = part_of(path)
    if part == "__init__":
        return  # names of every part, lazily
    for line, imported in imported_parts(path):
        if imported == "__version__":
            continue
        imported = HOMES.get(imported, imported)
        if LEVEL[imported] > LEVEL[part]:
            yield f"line {line}: {part} imports {imported}"


def test_every_part_has_its_place_in_the_order():
    parts = {part_of(path) for path in MODULES} - {"__init__"}
    assert parts <= set(LEVEL)


def test_the_walk_sees_imports_inside_functions():
    seen = {part for _, part in imported_parts(ROOT / "networks" / "_perceptron.py")}
    assert "_utils" in seen


@in_every_module
def test_imports_stand_together_at_the_top(path):
    """What is imported for annotations alone comes behind them, once."""
    body = [node for node in TREES[path].body if not isinstance(node, ast.Expr)]
    is_import = [isinstance(node, (ast.Import, ast.ImportFrom)) for node in body]
    if any(is_import[is_import.index(False) :] if False in is_import else []):
        yield "imports below other code"
    for_annotations = [n for n in body if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n)]
    if len(for_annotations) > 1:
        yield "two blocks of imports for annotations"


# Habits ----------------------------------------------------------------------------------------


@in_every_module
def test_user_input_never_meets_an_assert(path):
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Assert):
            yield f"line {node.lineno}"


PICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
HARMLESS = {"UnpicklingError", "Parallel", "delayed", "hash"}  # joblib only writes


@in_every_module
def test_only_the_safe_unpickler_reads_pickles(path):
    if path == ROOT / "datasets" / "_safe_pickle.py":
        return
    for node in ast.walk(TREES[path]):
        used = set()
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLERS:
            used = {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in PICKLERS:
            used = {node.attr}
        elif isinstance(node, ast.Import):
            used = {a.name for a in node.names if a.name in PICKLERS and a.asname}
        if not used <= HARMLESS:
            yield f"line {node.lineno} uses {used}"


def calls(path, *names):
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
            yield node


@in_every_module
def test_files_are_never_unpickled_by_the_way(path):
    for node in calls(path, "torch.load"):
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if keywords.get("weights_only") != "True":
            yield f"line {node.lineno}: torch.load without weights_only=True"
    for node in calls(path, "np.load", "numpy.load"):
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if keywords.get("allow_pickle", "False") != "False":
            yield f"line {node.lineno}: np.load with allow_pickle"
    for node in calls(path, "eval", "exec", "__import__"):
        yield f"line {node.lineno}: {ast.unparse(node.func)}"


BROAD = {"Exception", "BaseException"}


@in_every_module
def test_no_error_is_swallowed(path):
    """No bare ``except:``, and a broad one only where it raises again."""
    for node in ast.walk(TREES[path]):
        if not isinstance(node, ast.ExceptHandler):
            continue
        if node.type is None:
            yield f"line {node.lineno}: a bare except"
            continue
        named = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)}
        if named & BROAD:
            raises = any(isinstance(child, ast.Raise) for child in ast.walk(node))
            if not raises:
                yield f"line {node.lineno}: except {ast.unparse(node.type)} raises nothing"


@in_every_module
def test_every_module_says_what_it_is_for(path):
    if not ast.get_docstring(TREES[path]):
        yield "no docstring"
