"""The forms of patterns that run on bytes: that they agree with the matcher and with RE2, are small, and are made in bounded time."""

from __future__ import annotations

import random
from functools import cache

import pytest
import re2
from hypothesis import example, given
from hypothesis import strategies as st

from compiler.pattern import Pattern
from compiler.pattern_dfa import ENTRIES_MAX, STATES_MAX, Automaton, automaton_of, build_dfa, nfa_of
from compiler.pattern_minimise import blocks_of
from tests.compiler.lua_patterns import LuaPatterns, Match
from tests.compiler.written_patterns import PATTERNS, options, pattern
from tests.timing import within

PIECES = [
    *(text.encode() for text in "abcABC1é😀 .-_:\n]{A\x7f\v\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"),
    *(b"\x80", b"\xbf", b"\xc0", b"\xc1\xbf", b"\xc2", b"\xc3", b"\xe0\x9f", b"\xe0\xa0", b"\xe4\xb8", b"\xed\xa0\x80", b"\xed\x9f"),
    *(b"\xf0\x8f", b"\xf0\x9f\x98", b"\xf0\x90", b"\xf4\x90\x80\x80", b"\xf4\x8f\xbf", b"\xf5", b"\xff", b"\xe9", b"\xa9", b"\x98"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=10).map(b"".join) | st.binary(max_size=12)
WRITTEN = st.tuples(st.sampled_from(["", "(?i)"]), PATTERNS).map("".join)

REAL = [
    (r"^/api/orders/[0-9]+$", ["/api/orders/", "12", "/"]),
    (r"^/api/(login|profile)$", ["/api/", "login", "profile"]),
    (r"^(?:GET|POST) /.*\.(?:js|css)$", ["GET /", "POST /", "a", ".js", ".css"]),
    (r"orders/.*99", ["orders/", "9", "99"]),
    (r"(?i)select .* from", ["SELECT ", "Select ", " From", " from"]),
    (r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$", ["a", "@", ".", "com", "é"]),
    (r"(^|\W)(timeout|refused)(\W|$)", ["timeout", "refused", " ", "é", "a"]),
    (r"(foo|bar).{0,5}(error|fail)", ["foo", "error", "bar", "12", "é"]),
    ("a{2,4}b?c+", ["a", "b", "c"]),
    ("é.x", ["é", "x", "\x7f", "😀"]),
    ("^.{2}$", ["é", "a", "😀", "\ud7ff"]),
    (".{3}x", ["é", "x", "\n"]),
    ("[^a]{2}$", ["a", "b", "é"]),
    ("[é-😀]+x", ["é", "è", "😀", "😁", "x"]),
    ("^[^é]*$", ["é", "a", "è"]),
    (r"[\x{d000}-\x{f000}]$", ["\ud7ff", "\uf000", "\uf001", "\ue000"]),
    (r"^\x{10ffff}+|\x{800}$", ["\U0010ffff", "\U0010fffe", "\u0800", "\u0801"]),
]
HOSTILE = [
    "(a|b)*a(a|b){200}",
    "(?:.{0,100}x){9}",
    "(.{30}a|b.{30}){30}",
    "|".join(f"(?:.{{0,100}}{letter}x){{9}}" for letter in "abcde"),
    "((a?){30}){33}",
    "a?" * 3_000,
    "a" * 9_997 + "+",
    "(" * 9_000 + "a" + ")" * 9_000,
    "((a*)*)*" * 100,
    "(a|" * 3_000 + ")" * 3_000,
    "|".join(f"w{index * 7919 % 1000}{index * 31 % 1000}x" for index in range(800)),
    "^(?:a{0,10}b{0,10}){50}$",
    "(?:[ab]{0,30}c){30}",
    "^[^/]{1,256}/[^/]{1,256}$",
    "(foo|bar).{0,100}(error|fail)",
    "[ab]*" * 1_500,
    "".join(chr(0x100 + 2 * index) for index in range(3_000)),
    "|".join(chr(0x100 + 2 * index) + "." for index in range(1_000)),
    "[" + "".join(chr(0x100 + 2 * index) for index in range(9_000)) + "]x",
    "|".join(f"[^{chr(0x100 + 2 * index)}]x" for index in range(100)),
    "|".join(f"[^{chr(0x21 + index)}]{{{index}}}" for index in range(60) if chr(0x21 + index) not in "\\]^-["),
    "^(" + "|".join(chr(0x1000 + 70 * index) for index in range(120)) + ")*!",
]


@cache
def lua(*, is_compiled: bool) -> LuaPatterns:
    return LuaPatterns(is_compiled=is_compiled)


def says(found: Pattern, text: bytes) -> bool:
    return found.matches(text.decode("utf-8", "surrogateescape"))


def forms(found: Pattern) -> list[tuple[str, Match]]:
    """Every form that decides the pattern, in Python and in Lua."""
    table = build_dfa(found)
    runs: list[tuple[str, Match]] = [] if table is None else [("dfa", table.matches)]
    in_lua: tuple[Automaton | None, ...] = (nfa_of(found), table)
    for form in in_lua:
        if form is None:
            continue
        name = type(form).__name__
        runs.append((f"{name} compiled", lua(is_compiled=True).match(form)))
        runs.append((f"{name} interpreted", lua(is_compiled=False).match(form)))
    return runs


@given(WRITTEN, st.lists(TEXTS, min_size=1, max_size=4))
@example("^(?:a|^b)*$", [b"ab"])
@example("(?:^a$|){2}", [b""])
@example("(?:$)*a", [b"a"])
@example("$^", [b"", b"a"])
@example(".$", [b"\xe4\xb8", b"\n\xf0\x9f\x98"])
@example("^.{2}$", [b"\xe4\xb8", b"\xed\xa0", b"\xf4\x90", b"\xe0\x9f", b"\xf0\x9f\x98", "é\xff".encode()])
@example("^[^é]{2}é$", [b"\xc3\xc3\xc3\xa9", b"\xe4\xb8\xc3\xa9", b"\xf0\x9f\x98\xc3\xa9"])
def test_every_form_agrees_with_the_matcher_on_all_bytes(text: str, matched: list[bytes]) -> None:
    found = pattern(text)
    for name, match in forms(found):
        for one in matched:
            assert match(one) == says(found, one), (name, one)


@pytest.mark.parametrize("text", ["^.$", "^..$", "^[^é]{2}$", r"^[\x{800}-\x{ffff}]$", r"[\x{10000}-\x{10ffff}]$"])
def test_every_form_knows_what_is_utf_8(text: str) -> None:
    """One form is asked about all pairs of bytes where the rules of UTF-8 change, so that none is taken for another that came before."""
    found = pattern(text)
    leads = b"\x7f\x80\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff"
    seconds = b"\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc3"
    texts = [bytes((lead, second)) + rest for lead in leads for second in seconds for rest in (b"", b"\x80", b"\x80\xbf", b"\xbf\xa9\x80")]
    random.Random(text).shuffle(texts)
    for name, match in forms(found):
        assert [one for one in texts if match(one) != says(found, one)] == [], name


@given(PATTERNS, st.text(alphabet="abcABC1é😀 .-_:\n]{A\x7f\v", max_size=12))
def test_the_table_matches_what_re2_matches(text: str, matched: str) -> None:
    table = build_dfa(pattern(text))
    assert table is not None
    assert table.matches(matched.encode()) == bool(re2.compile(text, options()).search(matched))


@pytest.mark.parametrize(("text", "words"), REAL)
def test_every_form_of_a_real_pattern_agrees_with_the_matcher(text: str, words: list[str]) -> None:
    found = pattern(text)
    runs = forms(found)
    chosen = random.Random(text)
    answers = set()
    for number in range(400):
        matched = b"".join(chosen.choices([word.encode() for word in words], k=1 + chosen.randrange(5)))
        if number % 2:
            at = chosen.randrange(len(matched) + 1)
            matched = matched[:at] + chosen.choice(PIECES) + matched[at:]
        answers.add(says(found, matched))
        for name, match in runs:
            assert match(matched) == says(found, matched), (name, matched)
    assert answers == {True, False}


@pytest.mark.parametrize(
    ("text", "before", "matched", "after"),
    [
        ("abc", "a", "b", "c"),
        ("abc", "abc", "", "abc"),
        ("^abc", "", "ab", "c"),
        ("abc$", "a", "bc", ""),
        ("^abc$", "", "ab", "c"),
        ("^abc$", "a", "bc", ""),
        ("^a+b$", "", "aaaaa", "b"),
        ("b[ab]$", "b", "a", "b"),
    ],
)
@pytest.mark.parametrize("is_compiled", [False, True])
def test_what_stands_around_a_text_is_not_read(text: str, before: str, matched: str, after: str, *, is_compiled: bool) -> None:
    found = pattern(text)
    for form in (automaton_of(found), nfa_of(found)):
        match = lua(is_compiled=is_compiled).match(form, before.encode(), after.encode())
        assert not match(matched.encode())


def test_an_automaton_is_a_table_else_a_program() -> None:
    assert [type(automaton_of(pattern(text))).__name__ for text in ("abc", "ab+c", "(a|b)*a(a|b){99}")] == ["Dfa", "Dfa", "Nfa"]


@pytest.mark.parametrize(
    ("text", "states", "classes"),
    [
        ("", 2, 1),
        ("^$", 3, 1),
        ("(a|b)*abb", 5, 3),
        ("a|b|c", 3, 2),
        (r"^\d+$", 4, 2),
        ("((a?){30}){33}", 2, 1),
        ("(ab|ab|ab)c", 5, 4),
        (".", 3, 2),
        # A byte may be a character, or begin one of two, three or four bytes that may each be ill-formed.
        ("^[^a]$", 13, 12),
    ],
)
def test_the_table_is_the_least_one(text: str, states: int, classes: int) -> None:
    table = build_dfa(pattern(text))
    assert table is not None
    assert (len(table.table) // table.class_count, table.class_count) == (states, classes)


@given(WRITTEN)
def test_a_table_leads_only_to_its_own_states_and_its_ends_are_ends(text: str) -> None:
    table = build_dfa(pattern(text))
    assert table is not None
    width = table.class_count
    assert len(table.classes) == 256
    assert set(table.classes) == set(range(width))
    assert set(table.table) | {table.start, table.accepting_from - width} <= set(range(0, len(table.table), width))
    assert list(table.table[: 2 * width]) == [0] * width + [table.matched] * width


AUTOMATA = st.integers(1, 9).flatmap(
    lambda size: st.tuples(
        st.lists(st.lists(st.integers(0, size - 1), min_size=2, max_size=2), min_size=size, max_size=size),
        st.lists(st.booleans(), min_size=size, max_size=size),
    )
)


@given(AUTOMATA)
def test_states_share_a_block_exactly_if_no_text_tells_them_apart(automaton: tuple[list[list[int]], list[bool]]) -> None:
    rows, accepting = automaton
    told = [[accepting[one] != accepting[other] for other in range(len(rows))] for one in range(len(rows))]
    for _ in rows:
        for one, row in enumerate(rows):
            for other, other_row in enumerate(rows):
                told[one][other] |= any(told[to][other_to] for to, other_to in zip(row, other_row, strict=True))
    block = blocks_of(rows, accepting)
    for one in range(len(rows)):
        for other in range(len(rows)):
            assert (block[one] != block[other]) == told[one][other]


@pytest.mark.timed
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20])
def test_any_pattern_gets_a_form_of_bounded_size_in_bounded_time(text: str) -> None:
    found = pattern(text)
    with within(1.5):
        form = build_dfa(found)
        program = nfa_of(found)
    assert len(program.ops) <= 10_001
    assert len(program.lows) <= 2 * len(text) + 2
    if form is not None:
        assert len(form.table) <= ENTRIES_MAX
        assert len(form.table) // form.class_count <= STATES_MAX


@pytest.mark.timed
@pytest.mark.parametrize(
    ("text", "piece", "is_compiled"),
    [
        (text, piece, is_compiled)
        for text, piece in (
            ("(a|b)*a(a|b){200}c", "ab"),
            ("(?:.{0,100}x){9}y", "xé"),
            ("^(?:a{0,10}b{0,10}){50}$", "ab"),
            ("(x+x+)+y(.{200})?", "x"),
            ("[ab]*" * 1_500 + "c", "a"),
            ("a?" * 2_000 + "é.{200}b", "a"),
        )
        for is_compiled in (False, True)
    ],
)
def test_no_program_is_slow_on_any_text(text: str, piece: str, *, is_compiled: bool) -> None:
    match = LuaPatterns(is_compiled=is_compiled, times=1).match(nfa_of(pattern(text)))
    chosen = random.Random(7)
    matched = "".join(chosen.choices(piece, k=10_000)).encode()
    with within(10):
        match(matched)


@pytest.mark.parametrize("is_compiled", [False, True])
def test_states_that_are_forgotten_change_no_answer(*, is_compiled: bool) -> None:
    found = pattern("(?:a|b|é)*a(?:a|.){40}c")
    match = LuaPatterns(is_compiled=is_compiled, times=2).match(nfa_of(found))
    chosen = random.Random(11)
    for length in (3, 50, 5_000, 5_000, 60):
        matched = b"".join(chosen.choices([b"a", b"b", "é".encode(), b"\xe4\xb8"], k=length))
        for one in (matched, matched + b"c", matched + b"a" + b"b" * 40 + b"c", matched + b"\n" + b"b" * 40 + b"c"):
            assert match(one) == says(found, one)


def test_what_is_forgotten_is_not_written_to() -> None:
    """One state too many comes right after the first state that was made."""
    found = pattern("(?:a|b)*a(?:a|b){20}c")
    chosen = random.Random(13)
    for length in range(1_012, 1_030):
        match = LuaPatterns(is_compiled=True, times=1).match(nfa_of(found))
        match(b"ab" + bytes(chosen.choices(b"ab", k=length)))
        match(b"aa")
        assert match(b"a" * 21 + b"c"), length
