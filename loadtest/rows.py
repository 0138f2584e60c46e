"""The rows of a report: a figure beside its bar, the least that may ship, and its goal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final, TypeAlias

JsonRow: TypeAlias = "dict[str, str | int | float | bool | None]"


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must reach and what it should; `at_most`: less is better. No bar, or no figure, is not missed."""

    bar: float | None
    goal: float | None
    at_most: bool = False

    def holds(self, figure: float | None) -> bool:
        """Say whether a figure reaches the bar."""
        return self.bar is None or figure is None or (figure <= self.bar if self.at_most else figure >= self.bar)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: `row` is its number among the project's promises, `runs` how many runs its median is of.

    Where a figure could not be taken it is None, and `compared_with` says why.
    """

    row: int
    name: str
    figure: float | None
    unit: str
    bar: Bar
    runs: int
    compared_with: str

    def as_json(self) -> JsonRow:
        """Return the row as it is published."""
        found = asdict(self)
        figure = None if self.figure is None else float(f"{self.figure:.4g}")
        found |= {"figure": figure, "bar": self.bar.bar, "goal": self.bar.goal, "holds": None if figure is None else self.bar.holds(figure)}
        return {key: found[key] for key in ("row", "name", "figure", "unit", "bar", "goal", "holds", "runs", "compared_with")}


TIMES: Final = "\u00d7"
TIMES_C: Final = f"{TIMES} C parser"
TIMES_UPB: Final = f"{TIMES} upb walk"

FEW_RULES: Final = Bar(0.55, 0.75)
FIFTY_RULES: Final = Bar(0.45, 0.6)
MANY_RULES: Final = Bar(0.33, 0.45)
IN_BATCHES: Final = Bar(1.1, 1, at_most=True)
AGAINST_PYTHON: Final = Bar(15, 20)
MEMORY: Final = Bar(300, 120, at_most=True)
COMPILE: Final = Bar(5, 2, at_most=True)
PAUSE: Final = Bar(None, 50, at_most=True)
WITHOUT_NAMES: Final = Bar(0.3, 0.5)
RELATIONS: Final = Bar(0.2, 0.4)
NEAR_LINEAR: Final = Bar(1.5, None, at_most=True)
END_TO_END: Final = Bar(300_000, 1_000_000)
OF_BARE: Final = Bar(None, 0.5)
KEYED: Final = Bar(120_000, 250_000)
OF_COLLECTOR: Final = Bar(4, 10)
SCALING: Final = Bar(0.85, 0.95)
EARLY_LATENCY: Final = Bar(1, 0.25, at_most=True)
CLOSE_LATENCY: Final = Bar(1, 0.3, at_most=True)
CHECKPOINTS: Final = Bar(15, 5, at_most=True)
RECOVERY: Final = Bar(3, 1, at_most=True)
SILENCE: Final = Bar(0.5, 0.15, at_most=True)
GROWTH: Final = Bar(5, None, at_most=True)
STUCK: Final = Bar(0, 0, at_most=True)
NO_BAR: Final = Bar(None, None)
