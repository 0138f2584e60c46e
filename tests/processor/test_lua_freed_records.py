"""What the engine keeps of a batch does not point to records that are gone: their memory is forbidden, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.processes import ROOT

_TAKE = """
import sys
from array import array
from compiler.engine_program import compile_program
from processor.lua_engine import LuaProgram
from tests.differential.guarded_memory import GuardedMemory
from tests.processor.played import rules, span
from topics.otlp import encode_protobuf

program = LuaProgram(compile_program(rules("rules:\\n  - id: it\\n    rule: " + sys.argv[1])))
for number, parent in ((1, None), (2, 1), (3, None), (4, 3)):
    memory = GuardedMemory(1)
    record = encode_protobuf([span("a", number, parent=parent, attributes={"tier": "gold" * 20, "amount": 2**40})])
    table = array("Q", [memory.before_guard(record, nul=True)]), array("q", [len(record)]), array("q", [0])
    took = program.take(*(one.buffer_info()[0] for one in table), 0, 0, 1, 0, 1_000, -1, 0, 0)
    assert took[:2] == (1, 0), took
    memory.forbid()
print("all taken")
"""


@pytest.mark.parametrize(
    "rule",
    [
        'never { root.where(tier matches "gold$") }',
        "never { root.where(tier == gold and amount > 5) }",
        "never { a.where(tier == gold) }",
        'never { b.where(tier matches "gold$") and span.where(span:duration > 1h) }',
        "never { span.where(tier == gold and amount > 5) }",
    ],
)
def test_a_row_does_not_show_what_an_earlier_record_held(rule: str) -> None:
    done = subprocess.run([sys.executable, "-c", _TAKE, rule], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "all taken\n"), done.stderr
