"""What the LuaJIT engine learns of texts, from one span to the next."""

from __future__ import annotations

import json
import re
from random import Random

from compiler import Closing, Verdict
from processor.lua_traces import LuaTraceEngine
from processor.trace_engine import VERDICTS, Asked, TakenRecord, TakePolicy, batch_of
from tests.processor.played import rules, span, trace_id
from topics.otlp import encode_protobuf

PATTERN = "^(us|eu)-.*[0-4]$|x"
TESTS = f'k matches `{PATTERN}` and not k contains "9" or k == "us-7" or k == "y"'
# More texts that are not known than are met before all is forgotten (features.lua), in records of so many spans.
RECORD_COUNT, RECORD_SIZE = 48, 500


def texts(random: Random) -> str:
    """Return a text that comes often, is short, is long, begins and ends like others, or never comes again."""
    often = f"us-{random.randrange(40)}"
    return random.choice(
        (
            *(often, "eu-" + "m" * random.randrange(90) + often, f"{random.random()}", "", random.choice("xyz9"), "us-7"),
            f"eu-{random.choice('ab9')}-central-{random.choice('ef')}-13",
        )
    )


def is_selected(text: str) -> bool:
    return (re.search(PATTERN, text) is not None and "9" not in text) or text in {"us-7", "y"}


def test_what_was_learnt_of_a_text_is_said_of_this_text_alone() -> None:
    random = Random(5)
    sent = [texts(random) for _ in range(RECORD_COUNT * RECORD_SIZE)]
    rule = {"id": "learnt", "rule": f"never {{ span.where({TESTS}) }}"}
    engine = LuaTraceEngine(rules(json.dumps({"rules": [rule]})))
    for start in range(0, len(sent), RECORD_SIZE):
        part = sent[start : start + RECORD_SIZE]
        spans = [span("a", 1, of=number, attributes={"k": text}) for number, text in enumerate(part, start + 1)]
        touches = engine.take(0, batch_of([TakenRecord(encode_protobuf(spans), "protobuf", 0)]), TakePolicy(1)).touches
        codes = engine.judge([Asked(touch.handle, Closing.COMPLETE, None) for touch in touches])
        violated = {touch.trace_id for touch, (code,) in zip(touches, codes, strict=True) if VERDICTS[code] is Verdict.VIOLATED}
        assert [text for number, text in enumerate(part, start + 1) if (trace_id(number) in violated) != is_selected(text)] == []
