"""Figures of the package's structure, for one checkout or several side by side.

    python tools/structure.py
    python tools/structure.py ../before .

A room is a folder below ``zeroshot/``, or a module that lies in ``zeroshot/`` itself. Imports
inside functions count, imports for annotations alone do not. An import is upward where ``LAYERS``
of the checkout's ``tests/test_package.py`` puts the imported room above the importing one, or where
a room imports from ``zeroshot/__init__.py``. A circle is a set of rooms that import each other,
directly or not. Crossings are the calls from methods of its bases into those of
``DeViSEClassifier``, or back, during one ``fit``.
"""

from __future__ import annotations

import argparse
import ast
import io
import os
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import networkx

CROSSINGS = """
import sys
import numpy as np
from zeroshot import DeViSEClassifier, HashEmbedding

X, y = np.random.default_rng(0).normal(size=(9, 4)), np.repeat(["ant", "bat", "cow"], 3)
model = DeViSEClassifier(HashEmbedding(3), loss="mse", alpha=1.0)
home = {c.__dict__[name].__code__: c.__name__ for c in type(model).__mro__
        if c.__module__.startswith("zeroshot.") for name in vars(c)
        if hasattr(c.__dict__[name], "__code__")}
crossings, stack = [], []

def watch(frame, event, _):
    if event == "call" and frame.f_code in home:
        caller = home.get(frame.f_back.f_code)
        sides = {caller == type(model).__name__, home[frame.f_code] == type(model).__name__}
        if caller is not None and len(sides) == 2:
            crossings.append((caller, home[frame.f_code], frame.f_code.co_name))

sys.setprofile(watch)
model.fit(X, y)
sys.setprofile(None)
for caller, callee, name in crossings:
    print(f"{caller} -> {callee}.{name}", file=sys.stderr)
print(len(crossings))
"""


def modules_of(root: Path) -> dict[str, Path]:
    """Return the package's modules by their dotted names."""
    found = {}
    for path in sorted((root / "zeroshot").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(tree: ast.Module, known: set[str]) -> Iterator[str]:
    """Yield the modules of the package that a module imports, each name once per place."""
    for_annotations = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and ast.unparse(test.test).endswith("TYPE_CHECKING")
        for node in ast.walk(test)
    }
    for node in ast.walk(tree):
        if id(node) in for_annotations:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else str(node.module)


def room_of(module: str) -> str:
    """Return the folder, or the module, that lies in the package itself."""
    return module.split(".")[1] if "." in module else "__init__"


def lines_of(source: str) -> tuple[int, int, int]:
    """Return how many lines are code, docstring and comment alone."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for statement in body:  # docstrings, and those of attributes
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                docstrings |= set(range(statement.lineno, (statement.end_lineno or 0) + 1))
    comments, code = set(), set()
    skipped = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments.add(token.start[0])
        elif token.type not in skipped:
            code |= set(range(token.start[0], token.end[0] + 1))
    code -= docstrings
    return len(code), len(docstrings), len(comments - code)


def levels_of(root: Path) -> dict[str, int]:
    """Return the level of each room, as the checkout's own test has it."""
    tree = ast.parse((root / "tests" / "test_package.py").read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LAYERS":
            layers = ast.literal_eval(node.value)
            return {name: level for level, names in enumerate(layers) for name in names}
    return {}


def figures(root: Path) -> dict[str, int]:
    """Return the figures of a checkout."""
    modules = modules_of(root)
    sources = {name: path.read_text("utf-8") for name, path in modules.items()}
    uses = {
        name: set(imports_of(ast.parse(text), set(modules))) - {name}
        for name, text in sources.items()
    }
    lines = [sum(column) for column in zip(*map(lines_of, sources.values()), strict=True)]
    private = [name for name in modules if name.rpartition(".")[2].startswith("_")]
    private = [name for name in private if not name.endswith("__main__")]
    users = {name: {user for user, used in uses.items() if name in used} for name in private}
    between = {
        (room_of(user), room_of(name))
        for user, used in uses.items()
        for name in used
        if user != "zeroshot" and room_of(user) != room_of(name)
    }
    level = levels_of(root)
    upward = [pair for pair in between if level.get(pair[1], len(level)) > level.get(pair[0], -1)]
    circles = [
        group
        for group in networkx.strongly_connected_components(networkx.DiGraph(between))
        if len(group) > 1
    ]
    return {
        "files": len(modules),
        "rooms": len({room_of(name) for name in modules} - {"__init__"}),
        "lines of code": lines[0],
        "lines of docstring": lines[1],
        "lines of comment": lines[2],
        "private modules with one user": sum(len(of) == 1 for of in users.values()),
        "modules of at most 60 lines": sum(text.count("\n") <= 60 for text in sources.values()),
        "imports between rooms": len(between),
        "upward imports": len(upward),
        "circles": len(circles),
        "crossings in a fit of DeViSE": crossings(root),
    }


def crossings(root: Path) -> int:
    """Return how often a fit calls from an estimator into its bases, or back."""
    done = subprocess.run(
        [sys.executable, "-c", CROSSINGS],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def main(roots: list[str]) -> dict[str, dict[str, int]]:
    """Print the figures, a column per checkout, and return them."""
    found = {root: figures(Path(root).resolve()) for root in roots}
    names = list(next(iter(found.values())))
    width = max(map(len, [*names, ""]))
    print(" " * width + "".join(f"{root[-14:]:>16}" for root in roots))
    for name in names:
        print(name.ljust(width) + "".join(f"{found[root][name]:16,}" for root in roots))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roots", nargs="*", default=["."], metavar="CHECKOUT")
    main(parser.parse_args().roots)
