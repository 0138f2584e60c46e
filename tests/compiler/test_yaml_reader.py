"""YAML as rule files use it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.diagnostics import Code
from compiler.yaml_reader import DEPTH_MAX, Mapping, Scalar, Sequence, read_yaml
from tests.compiler.written import at, node_of, places, scalar_of, source
from tests.timing import within


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("2027-01-31", "2027-01-31"),
        ("1:30", "1:30"),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-12", -12),
        ("+12", 12),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("-0x1F", "-0x1F"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
        (".Inf", math.inf),
        ("1e", "1e"),
        (".", "."),
        ('"12"', "12"),
        ("'true'", "true"),
    ],
)
def test_a_plain_scalar_has_the_value_of_the_core_schema(written: str, value: object) -> None:
    found = scalar_of(f"k: {written}\n").value
    assert (type(found), found) == (type(value), value)


def test_a_number_that_is_none_is_written_nan() -> None:
    found = scalar_of("k: .NaN").value
    assert isinstance(found, float)
    assert math.isnan(found)


def test_a_number_of_thousands_of_digits_stays_a_string() -> None:
    assert scalar_of("k: " + "9" * 5000).value == "9" * 5000


def test_a_block_scalar_is_a_string_whatever_it_looks_like() -> None:
    assert scalar_of("k: |-\n  12\n").value == "12"


def test_nodes_say_where_they_stand() -> None:
    text = "a:\n  - é: [1, 'zwei']\n    b: {}\n"
    root = node_of(text)
    assert isinstance(root, Mapping)
    items = root.get("a")
    assert isinstance(items, Sequence)
    first = items.items[0]
    assert isinstance(first, Mapping)
    assert [at(text, key.region) for key, _ in first.entries] == ["é", "b"]
    assert [at(text, value.region) for _, value in first.entries] == ["[1, 'zwei']", "{}"]
    inner = first.get("é")
    assert isinstance(inner, Sequence)
    assert [at(text, item.region) for item in inner.items] == ["1", "'zwei'"]
    assert (first.region.line, first.region.column) == (2, 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &x 1", ["syntax 1:4+4"]),
        ("a: *x", ["syntax 1:4+2"]),
        ("a: !!str 1", ["syntax 1:4+7"]),
        ("a: !env PATH", ["syntax 1:4+9"]),
        ("a: 1\n---\nb: 1", ["syntax 2:1+3"]),
        ("a:\n\tb: 1", ["syntax 2:1+1"]),
        ("a: |\n  x\n \ty\n", ["syntax 3:2+1"]),
        ("a: \x00", ["syntax 1:4+1"]),
        ("ä: \x1b[31m", ["syntax 1:4+1"]),
        ("a: b\u2028c", ["syntax 1:5+1"]),
        ("a: b\rc: d", ["syntax 1:5+1"]),
        ('a: "x\\e"', ["syntax 1:4+5"]),
        ("? [a]\n: b", ["syntax 1:3+3"]),
        ("a: b: c", ["syntax 1:5+1"]),
        ("a: [1, 2", ["syntax 1:9+1"]),
        ("a: 'x", ["syntax 1:6+1"]),
        ("[" * (DEPTH_MAX + 1), [f"too-deep 1:{DEPTH_MAX + 1}+1"]),
    ],
)
def test_what_would_mean_something_it_does_not_show_is_refused_where_it_stands(text: str, expected: list[str]) -> None:
    node, diagnostics = read_yaml(source(text))
    assert node is None
    assert places(diagnostics) == expected


def test_bytes_that_are_no_utf8_are_refused_at_the_first_of_them() -> None:
    _, diagnostics = read_yaml(source("a: 1\né: ".encode() + b"\xff\n"))
    assert places(diagnostics) == ["syntax 2:4+1"]


def test_several_mistakes_are_all_shown() -> None:
    _, diagnostics = read_yaml(source("a: &x 1\nb: *x\nc: !t 1\n"))
    assert places(diagnostics) == ["syntax 1:4+4", "syntax 2:4+2", "syntax 3:4+4"]


def test_of_a_repeated_key_the_first_stands_and_each_other_is_shown() -> None:
    node, diagnostics = read_yaml(source("a: 1\nb: {c: 1, 'c': 2}\n\"a\": 2\n"))
    assert places(diagnostics) == ["duplicate-key 2:11+3", "duplicate-key 3:1+3"]
    assert isinstance(node, Mapping)
    first = node.get("a")
    assert isinstance(first, Scalar)
    assert first.text == "1"


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert scalar_of("\ufeffk: v").region.column == 4


def test_lines_may_end_in_cr_lf() -> None:
    text = "a: 1\r\nk: |\r\n  x\r\n  y\r\n"
    scalar = scalar_of(text)
    assert scalar.text == "x\ny\n"
    assert (scalar.region.line, scalar.locate(2).line, scalar.locate(2).column) == (2, 4, 3)


def test_a_text_that_says_nothing_has_no_node() -> None:
    assert read_yaml(source("# nothing\n")) == (None, [])


def test_nesting_up_to_the_limit_is_read() -> None:
    assert isinstance(node_of("[" * DEPTH_MAX + "]" * DEPTH_MAX), Sequence)


@pytest.mark.timed
@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        "{" * 1_000_000,
        "- " * 500_000,
        "? " * 500_000,
        "a: " * 300_000,
        "&a " * 300_000,
        "[" + "a," * 500_000,
        "{" + "a " * 500_000,
        "[" + "? " * 400_000,
        "'" + "x" * 1_000_000,
        '"' + "\\" * 1_000_000,
        "a: |\n" + " a\n" * 300_000,
        "\n" * 1_000_000,
        "a: 1\n" * 200_000,
        "".join(f"k{number}: 1\n" for number in range(100_000)),
        "a: &a [x]\n" + "".join(f"b{number}: [*a, *a, *a]\n" for number in range(30)),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_a_megabyte_of_anything_is_read_in_seconds(text: str) -> None:
    # Far above what it takes, far below what a quadratic reader would.
    with within(5):
        read_yaml(source(text))


YAML_PIECES = st.sampled_from(
    [
        "a",
        "b",
        ": ",
        "- ",
        "\n",
        "  ",
        "\n  ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "|",
        ">",
        "'",
        '"',
        "#",
        "&a",
        "*a",
        "!t",
        "? ",
        "---\n",
        "\t",
        "\\",
        "é",
        "😀",
    ]
)


@given(st.lists(YAML_PIECES, max_size=40).map("".join) | st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    node, diagnostics = read_yaml(source(text.encode("utf-8", "surrogatepass")))
    assert node is not None or diagnostics or not text.strip("\ufeff").split("#")[0].strip() or "---" in text or "..." in text
    assert all(found.code in {Code.SYNTAX, Code.DUPLICATE_KEY, Code.TOO_DEEP} for found in diagnostics)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    _, diagnostics = read_yaml(source(content))
    lines = content.count(b"\n") + 1
    assert all(1 <= found.region.line <= lines and found.region.column >= 1 for found in diagnostics)
