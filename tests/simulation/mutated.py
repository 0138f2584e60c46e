"""The simulation of a mutant: `python -m tests.simulation.mutated NAME` ends with 0 when some seed fails as it must, with 1 when none does.

It runs in a process of its own, because the module with the changed line must be the only one of its name.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

from tests.simulation.mutants import BY_NAME, Mutant


class _Loader(SourceFileLoader):
    """Loads a module with one text in place of another; compiled code that is kept elsewhere is passed by."""

    def __init__(self, name: str, path: str, mutant: Mutant) -> None:
        super().__init__(name, path)
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        """Compile the changed source."""
        source = self.get_source(fullname) or ""
        count = source.count(self._mutant.before)
        if count != 1:
            raise ImportError(f"mutant {self._mutant.name}: its text stands {count} times in {fullname}, not once: {self._mutant.before!r}")
        return compile(source.replace(self._mutant.before, self._mutant.after), self.get_filename(fullname), "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    """Finds the mutant's module, and no other."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the module's place with a loader that changes its source."""
        if fullname != self._mutant.module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(fullname, spec.origin, self._mutant)
        return spec


def install(mutant: Mutant) -> None:
    """Let the mutant's module be loaded with its changed line; nothing may have loaded it yet."""
    assert mutant.module not in sys.modules, f"{mutant.module} is there already"
    sys.meta_path.insert(0, _Finder(mutant))
    importlib.import_module(mutant.module)


def main(arguments: Sequence[str]) -> int:
    """Play the mutant's seeds until one fails; return the exit code."""
    mutant = BY_NAME[arguments[0]]
    install(mutant)
    # Only now: all of this loads the flow.
    from processor.engines import EngineName  # noqa: PLC0415
    from tests.simulation.play import play  # noqa: PLC0415

    for seed in range(mutant.seeds_max):
        error = play(seed, mutant.profile, EngineName(mutant.engine)).error
        if error:
            sys.stdout.write(f"{mutant.name}: caught by seed {seed} of {mutant.profile}: {error[:300]}\n")
            return 0
    sys.stdout.write(f"{mutant.name}: NOT CAUGHT by {mutant.seeds_max} seeds of {mutant.profile}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
