"""Which installed module cites which: import statements, followed to the module that they mean."""

import importlib.util
from pathlib import Path

from .module_source import ModuleSource, read_module

_DEEPEST = 12  # a chain of re-exports longer than this is a circle


class Library:
    """The modules of some installed packages, parsed when they are first needed and never imported.

    Args:
        packages: names of top-level packages; those that are not installed are left out.
    """

    def __init__(self, packages: list[str]) -> None:
        self.paths: dict[str, Path] = {}
        self._parsed: dict[str, ModuleSource] = {}
        for package in packages:
            spec = importlib.util.find_spec(package)
            for folder in (spec.submodule_search_locations or []) if spec else []:
                for path in sorted(Path(folder).rglob("*.py")):
                    parts = (package, *path.relative_to(folder).with_suffix("").parts)
                    self.paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path

    def __contains__(self, name: str) -> bool:
        return name in self.paths

    def is_package(self, name: str) -> bool:
        """Whether a module is an `__init__`: a table of contents, not a document."""
        return self.paths[name].name == "__init__.py"

    def module(self, name: str) -> ModuleSource:
        """The parsed module."""
        if name not in self._parsed:
            self._parsed[name] = read_module(self.paths[name], name)
        return self._parsed[name]

    def cited_by(self, name: str) -> set[str]:
        """The modules that `name` cites.

        A module is cited by `import module`, by `from module import anything`, by importing something from a package
        that re-exports it from the module, and by using it through an imported package, as `nx.is_connected` after
        `import networkx as nx`.
        """
        module = self.module(name)
        cited = {self.resolve(origin, attribute) for origin, attribute in module.imported}
        cited |= {self.resolve(origin, None) for origin in module.stars}
        cited |= {self._follow(module, chain) for chain in module.chains}
        return {found for found in cited if found is not None and found != name}

    def resolve(self, origin: str, attribute: str | None, depth: int = 0) -> str | None:
        """The module that is meant by `attribute` of `origin`, or None if it lies outside the library."""
        if origin not in self or depth > _DEEPEST:
            return None
        if attribute is None or not self.is_package(origin):
            return origin
        return self._exported(origin, attribute, depth) or origin

    def _exported(self, package: str, attribute: str, depth: int) -> str | None:
        """The module behind a name of a package, or None where the package has no such name."""
        if depth > _DEEPEST:
            return None
        module, below = self.module(package), f"{package}.{attribute}"
        if attribute in module.bindings:
            origin, name = module.bindings[attribute]
            if origin == package and below in self:
                return below
            return self.resolve(origin, name, depth + 1)
        if attribute in module.defined:
            return package
        if below in self:
            return below
        for origin in module.stars:
            if origin not in self:
                continue
            if self.is_package(origin):
                found = self._exported(origin, attribute, depth + 1)
            else:
                found = origin if attribute in self.module(origin).defined else None
            if found is not None:
                return found
        return None

    def _follow(self, module: ModuleSource, chain: tuple[str, ...]) -> str | None:
        origin, attribute = module.bindings[chain[0]]
        found = self.resolve(origin, attribute)
        for part in chain[1:]:
            if found is None or not self.is_package(found):
                break
            found = self.resolve(found, part)
        return found
