"""The chunk of a rule set: whatever its author wrote, Lua sees it as bytes of strings only, and the program judges by it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import compiler
from compiler import Closing, RuleSet, SourceFile, compile_sources
from compiler.engine_program import LIBRARIES, RUNTIME, compile_program
from processor.lua_traces import LuaTraceEngine
from processor.reference_traces import ReferenceTraceEngine
from processor.trace_engine import Asked, TakenRecord, TakePolicy, TraceEngine, batch_of
from topics.otlp import encode_protobuf
from topics.span import Resource, Span

# No word of the generator's own contains it.
MARK = "Zqx"
HOSTILE = (
    *("\n", "\r", "\r\n", "\0", "\t", '"', "'", "\\", '\\"', "]]", "]=]", "[[", "--", "--[[", "]]--", "\u2028", "é", "\U0001f600"),
    *("end", " end ", "}", ")", '")', '") os.exit() --', "\\065", "\\x41", "\\z", "%d", "$", "`", "#", ";", "\x1b", "\x7f", "\u0080"),
)
WORDS = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=3)), min_size=1, max_size=4).map(
    lambda parts: MARK + MARK.join(parts)
)


def string(text: str) -> str:
    """Write a text as a string of the language."""
    return '"' + "".join(one if one.isalnum() or ord(one) > 0xFFFF else f"\\u{ord(one):04x}" for one in text) + '"'


def printable(text: str) -> str:
    """Return what of a text may stand in a rule file outside of the rules."""
    return "".join(one for one in text if one.isprintable())


def hostile(name: str, key: str, constant: str) -> RuleSet | None:
    """Return rules with these texts in every place of the language that takes one; None where the language takes them nowhere."""
    n, k, c, word = string(name), string(key), string(constant), MARK + "Let"
    texts = [
        f"let {word} = [{c}]\nnever {{ {n}.where({k} == {c} and {k} in {word} and not ({k} in [{c}, {string(constant + '1')}])) }}",
        f"always {{ {n}.where({k} contains {c} or span.{k} startswith {c} or {k} endswith lower({k})) before {n} on {k}, span:name }}",
        f"for each {n} as {word}\nalways {{ {n}.where({k} == {word}.{k} and event({k} == {c})) under {word} }}",
        f"never {{ some sum({n}.{k} by resource.{k}) > 3 or trace:rootName == {c} }}",
        f"never {{ {n}.where(scope.{k} == {c} or span:statusMessage == {c} or {k} + {k} > 2) or {n}.all({k} != {c}) }}",
    ]
    said = printable(name)
    exceptions = [{"name": said, "when": f"{n}.where({k} == {c})", "owner": said, "reason": said}]
    entry = {"name": said, "evidence": [printable(key)], "exceptions": exceptions}
    content = {"rules": [{**entry, "id": f"rule{number}", "rule": text} for number, text in enumerate(texts)]}
    return compile_sources([SourceFile("rules.yaml", json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass"))]).rule_set


@settings(max_examples=60, deadline=None)
@example(f'{MARK}")\nos.exit()--[[', f"{MARK}]]\0", f"{MARK}\\")
@given(WORDS, WORDS, WORDS)
def test_nothing_that_a_rule_says_is_in_the_chunk_but_as_escaped_bytes(name: str, key: str, constant: str) -> None:
    rule_set = hostile(name, key, constant)
    assert rule_set is not None
    program = compile_program(rule_set)
    assert re.fullmatch(r"[\n -~]*", program.chunk)
    assert MARK not in program.chunk
    assert set(re.findall(r'"([^"]*)"', program.chunk)) == set(re.findall(r'"((?:\\[0-9]{3})*)"', program.chunk))
    assert _verdicts(LuaTraceEngine(rule_set), name, key, constant) == _verdicts(ReferenceTraceEngine(rule_set), name, key, constant)


@pytest.mark.parametrize("text", HOSTILE)
def test_the_language_takes_a_hostile_text_and_judges_by_it(text: str) -> None:
    """The property above is no empty one: each of the texts compiles, and the first rule is violated by a span that has them."""
    rule_set = hostile(MARK + text, MARK + text, MARK + text)
    assert rule_set is not None
    found = _verdicts(LuaTraceEngine(rule_set), *[MARK + text] * 3)
    assert found == _verdicts(ReferenceTraceEngine(rule_set), *[MARK + text] * 3)
    assert len(set(found)) > 1


def _verdicts(engine: TraceEngine, name: str, key: str, constant: str) -> bytes:
    spans = [
        Span("ab" * 16, f"{number:016x}", name, number * 10, number * 10 + 5, parent, attributes=own, resource=Resource({key: 2}))
        for number, parent, own in ((1, "", {key: constant}), (2, f"{1:016x}", {key: constant + "2"}), (3, f"{2:016x}", {}))
    ]
    taken = engine.take(0, batch_of([TakenRecord(encode_protobuf(spans), "protobuf", 0)]), TakePolicy(10))
    return engine.judge([Asked(taken.touches[0].handle, Closing.COMPLETE, None)])[0]


def test_every_file_of_the_runtime_is_loaded_and_shipped() -> None:
    """A part that is not in the lists would be dead, one that the package leaves out would be missed first by a user."""
    folder = Path(compiler.__file__).parent / "runtime"
    assert {path.stem for path in folder.glob("*.lua")} == {"setup", *RUNTIME, *LIBRARIES}
    assert {path.suffix for path in folder.iterdir() if path.is_file()} == {".lua", ".py"}


def test_the_same_rules_make_the_same_chunk_and_fingerprint() -> None:
    text = b"rules:\n  - id: one\n    rule: 'never { a.where(k == 1 or k in [2, 3] or j matches `x+`) before b on k }'\n"
    one, other = (compile_program(_compiled(text)) for _ in range(2))
    assert (one.chunk, one.fingerprint) == (other.chunk, other.fingerprint)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.where(k == 1)", "a.where(k == 2)"),
        ("a.where(k == 1)", "a.where(j == 1)"),
        ("a.where(k == 1)", "b.where(k == 1)"),
        ("a.where(k matches `x+`)", "a.where(k matches `y+`)"),
    ],
)
def test_other_rules_have_another_fingerprint(one: str, other: str) -> None:
    """Also where they differ in a name, a key or a pattern alone, of which the chunk says nothing."""
    texts = [f"rules:\n  - id: one\n    rule: 'never {{ {selection} }}'\n".encode() for selection in (one, other)]
    assert len({compile_program(_compiled(text)).fingerprint for text in texts}) == 2


def test_another_process_makes_the_same_fingerprint_of_the_rules() -> None:
    """Else no state could be loaded after a restart: nothing in it may depend on how a process hashes texts."""
    script = (
        "from compiler import compile_sources\nfrom compiler.engine_program import compile_program\nfrom cli.shop_rules import SHOP_RULES\n"
        "from processor.rule_directory import read_sources\n"
        "print(compile_program(compile_sources(read_sources(SHOP_RULES)).rule_set).fingerprint.hex())"
    )
    root = Path(compiler.__file__).parents[1]
    said = {
        subprocess.run(
            [sys.executable, "-c", script], cwd=root, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert len(said.pop().strip()) == 32


def _compiled(text: bytes) -> RuleSet:
    rule_set = compile_sources([SourceFile("rules.yaml", text)]).rule_set
    assert rule_set is not None
    return rule_set
