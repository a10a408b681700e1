"""Python sources as the architecture tests see them: what a module imports, calls and weighs."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "weka_mp"


@dataclass(frozen=True, slots=True)
class Source:
    """One module: its dotted `name`, its text and its syntax tree."""

    name: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The part below the package that it belongs to: ``weka_mp.s3.routing`` is in ``s3``."""
        return room_of(self.name)

    def imports(self) -> Iterator[tuple[int, str]]:
        """(line, dotted name) of everything imported, wherever in the module, absolute and in full."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node.lineno, alias.name
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                for alias in node.names:
                    yield node.lineno, f"{base}.{alias.name}"

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parents = self.name.split(".")[: -node.level]
        return ".".join([*parents, *([node.module] if node.module else [])])

    def attributes(self) -> Iterator[tuple[int, str]]:
        """(line, "module.attribute") of every attribute taken from a plain name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                yield node.lineno, f"{node.value.id}.{node.attr}"

    def functions(self) -> Iterator[tuple[str, int, int]]:
        """(name, first line, number of lines) of every function, decorators not counted."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield node.name, node.lineno, node.end_lineno - node.lineno + 1

    def arguments(self) -> Iterator[tuple[str, int]]:
        """(name, number of arguments) of every function; the instance or class of a method is not counted."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
                names = [each.arg for each in given]
                yield node.name, len(names) - (names[:1] in (["self"], ["cls"]))


def room_of(dotted: str) -> str:
    """``weka_mp.store.posix`` → ``store``; the package itself → ``""``."""
    return dotted.split(".")[1] if "." in dotted else ""


def parse(name: str, text: str) -> Source:
    return Source(name, text, ast.parse(text))


@functools.cache
def package_sources() -> tuple[Source, ...]:
    """Every module of the package; read once, since parsing takes seconds."""
    found = []
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found.append(parse(name, path.read_text("utf-8")))
    return tuple(found)
