"""The rule sets of the simulation, and the source that all workers get them from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from compiler.compile import compile_sources
from compiler.rule_set import RuleSet
from compiler.source import SourceFile
from processor.engines import EngineName, make_engine
from processor.rule_source import Program

# One rule that is decided early, one at the close, a count, a rule for each of some spans. The sets differ in some of them only.
_BYPASS = "  - {id: no-bypass, rule: 'never { bypass }'}"
_NO_REFUND = "  - {id: no-bypass, rule: 'never { refund }'}"
_CHECKED = "  - {id: checked, rule: 'when { charge } always { check }'}"
_CHECKED_LATER = "  - {id: checked, rule: 'when { checkout } always { check }'}"
_RETRIES = "  - {id: few-retries, rule: 'always { count(retry) <= 1 }'}"
_EACH = "  - {id: each-charge, evidence: [order], rule: 'for each charge as c always { check.where(order == c.order) }'}"
_RULE_SETS = (
    (_BYPASS, _CHECKED, _RETRIES, _EACH),
    (_NO_REFUND, _CHECKED, _RETRIES, _EACH),
    (_BYPASS, _CHECKED_LATER, _EACH),
)
PROGRAM_COUNT = len(_RULE_SETS)


@cache
def rule_set(number: int) -> RuleSet:
    text = "\n".join(("rules:", *_RULE_SETS[number]))
    compilation = compile_sources([SourceFile("rules.yaml", text.encode())])
    assert compilation.rule_set is not None, compilation.errors
    return compilation.rule_set


@cache
def _programs(engine: EngineName) -> tuple[Program, ...]:
    sets = [rule_set(number) for number in range(PROGRAM_COUNT)]
    return tuple(Program(one.fingerprint[:16], one, lambda one=one: make_engine(engine, one)) for one in sets)  # type: ignore[misc]


@dataclass
class SharedRules:
    """The rules of all workers (processor.rule_source.RuleSource): a change is seen by all at once, each marks it when it comes to it.

    `gone` are the programs that nobody has any more.
    """

    engine: EngineName
    number: int = 0
    gone: set[str] = field(default_factory=set)

    def put_in_force(self, number: int) -> None:
        """Let another program judge from now on; it is there again if it was gone."""
        self.number = number
        self.gone.discard(self.current.id)

    @property
    def current(self) -> Program:
        return _programs(self.engine)[self.number]

    def find(self, program_id: str) -> Program | None:
        return next((one for one in _programs(self.engine) if one.id == program_id and program_id not in self.gone), None)
