"""A keystroke in a file of 5,000 rules is answered while it is still felt as one."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
from lsprotocol import types as t

from tests.cli.lsp_client import editor, now

RULE_COUNT = 5_000
# It is about 0.15 s on a quiet machine, 0.05 s of them waiting for the next keystroke; a machine that runs tests is not quiet.
KEYSTROKE_MAX_S = 2.0
RULE = """\
  - id: rule-{number}
    name: Rule {number}
    severity: high
    owner: payments
    rule: |
      when   {{ big and payment.charge.where(amount > {number}) }}
      always {{ fraud.check before payment.charge }}
    tests:
      - name: late
        trace: |
          checkout  0ms..90ms  service=shop
            payment.charge  10ms..31ms  amount=50000 currency=USD
            fraud.check  40ms..52ms
        expect: violated
"""


@pytest.mark.slow
def test_a_keystroke_in_a_file_of_5000_rules_is_answered_soon(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    head = "let:\n  big: payment.charge.where(amount > 1000)\nrules:\n"
    text = head + "".join(RULE.format(number=number) for number in range(RULE_COUNT))
    line = text[: text.index("amount > 2500)")].count("\n")
    column = text.split("\n")[line].index("amount > 2500)") + len("amount > 2500")

    async def use() -> list[float]:
        taken, written = [], 0
        async with editor(tmp_path) as one:
            one.open("a.yaml", text)
            assert await one.diagnostics("a.yaml") == []
            for typed, expected in [(" 1", ["syntax"]), ("", []), (" and", ["syntax"]), ("", []), (")", ["syntax"]), ("", [])]:
                start = now()
                one.change("a.yaml", typed, t.Range(t.Position(line, column), t.Position(line, column + written)))
                written = len(typed)
                assert await one.codes("a.yaml") == expected
                taken.append(now() - start)
            start = now()
            assert "payment.charge" in await one.complete("a.yaml", line, text.split("\n")[line].index("big"))
            taken.append(now() - start)
        return taken

    taken = asyncio.run(use())
    record_property("seconds from a keystroke to its diagnostics", [round(one, 3) for one in taken])
    assert statistics.median(taken) < KEYSTROKE_MAX_S, taken
