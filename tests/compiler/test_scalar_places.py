"""Where the code points of a scalar stand in the file, in every style."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from compiler.yaml_reader import Mapping, Scalar, read_yaml
from tests.compiler.written import at, scalar_of, source


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("k: |\n  always { x }\n  never { y }\n", "never"),
        ("a: 1\nk: |4-\n      always { x }\n    never { y }\n", "never"),
        ("k: |+\n\n\n    x\n\n    never { y }\n\n\na: 1\n", "never"),
        ("k: >\n  always { x }\n  never { y }\n", "never"),
        ("k: >-\n\n  always { x }\n\n    deeper\n    deeper still\n\n\n  never { y }\na: 1\n", "never"),
        ("k: >2\n    deeper first\n  never { y }\n", "never"),
        ("k: always { x }\n  never { y }\n", "never"),
        ("k: always { x }\n\n\n  never { y }\n", "never"),
        ("k: 'it''s ''x'' never { y }'\n", "never"),
        ("k: 'it''s\n\n   ''x''   \n   never { y }'\n", "never"),
        ('k: "a\\tb \\u00e9 \\x41\\U0001F600 never { y }"\n', "never"),
        ('k: "always { x }\\\n   \\ never\\n { y }"\n', "never"),
        ('k: "always\\ \n\n  never"\n', "never"),
        ("k: 😀 é never\n", "never"),
        ("- {a: b, k: x never y}\n", "never"),
    ],
)
def test_a_word_of_a_scalar_is_found_where_it_is_written(text: str, piece: str) -> None:
    node, _ = read_yaml(source(text))
    holder = node if isinstance(node, Mapping) else node.items[0] if node is not None and not isinstance(node, Scalar) else None
    assert isinstance(holder, Mapping)
    scalar = holder.get("k")
    assert isinstance(scalar, Scalar)
    region = scalar.locate(scalar.text.index(piece), len(piece))
    assert at(text, region) == piece


@pytest.mark.parametrize(
    ("text", "offset", "length", "expected"),
    [
        ("k: |\n  ab\n  cd\n", 1, 3, (2, 4, 1)),
        ("k: |\n  ab\n  cd\n", 5, 1, (3, 5, 1)),
        ("k: |\n  ab\n  cd\n", 6, 1, (3, 5, 1)),
        ("k: |\n  ab\n  cd\n", 600, 9, (3, 5, 1)),
        ("k: |\n  ab\n\n  cd\n", 3, 1, (3, 1, 1)),
        ('k: "a\\u00e9b"\n', 1, 1, (1, 6, 6)),
        ('k: "a\\u00e9b"\n', 0, 3, (1, 5, 8)),
        ("k: 'a''b'\n", 1, 1, (1, 6, 2)),
        ('k: "a\\ \n  b"\n', 1, 1, (1, 6, 2)),
        ("k: a\n   b\n", 1, 1, (1, 5, 1)),
        ("k: ''\n", 0, 1, (1, 5, 1)),
        ("k: |\n", 0, 1, (1, 4, 1)),
    ],
)
def test_a_region_covers_what_was_written_on_its_first_line(text: str, offset: int, length: int, expected: tuple[int, int, int]) -> None:
    region = scalar_of(text).locate(offset, length)
    assert (region.line, region.column, region.length) == expected


def check_places(text: str) -> None:
    """Each code point of the scalar stands where it is said to: as itself, as an escape of it, or as a break that was folded."""
    node, diagnostics = read_yaml(source(text))
    if diagnostics or not isinstance(node, Mapping):
        return
    scalar = node.get("k")
    assert isinstance(scalar, Scalar)
    last = (0, 0)
    for offset, character in enumerate(scalar.text):
        region = scalar.locate(offset)
        written = at(text, region)
        place = (region.line, region.column)
        folded = character in " \n" and written in {"", " ", "\t", "\r", "\\"}
        escaped = region.length > 1 and yaml.safe_load(f"{scalar.style}{written}{scalar.style}") == character
        assert written == character or folded or escaped, (scalar.text, offset, region, written)
        assert place >= last
        last = place


LINES = st.lists(st.sampled_from(["a", "bc", " d", "  e f", "", "", " ", "é😀", "g  ", "# h", "- i"]), min_size=1, max_size=8)


@given(LINES, st.sampled_from(["|", "|-", "|+", "|2", ">", ">-", ">+", ">2", ">2-"]), st.sampled_from(["\n", "\r\n"]))
def test_every_code_point_of_a_block_is_where_it_is_said_to_be(lines: list[str], header: str, line_break: str) -> None:
    check_places(line_break.join([f"k: {header}", *(f"  {line}" if line.strip() else line for line in lines), "z: 1", ""]))


FLOW_PIECES = ["a", "b c", " ", "  ", "\n ", "\n\n  ", " \n ", "é", "😀", "\r\n "]
DOUBLE_PIECES = [*FLOW_PIECES, "\\n", "\\\\", '\\"', "\\x41", "\\u00e9", "\\U0001F600", "\\ ", "\\\n ", " \\\n\n ", "'"]


@given(st.lists(st.sampled_from(DOUBLE_PIECES), max_size=10).map("".join))
def test_every_code_point_in_double_quotes_is_where_it_is_said_to_be(written: str) -> None:
    check_places(f'k: "{written}"\n')


@given(st.lists(st.sampled_from([*FLOW_PIECES, "''", '"', "\\"]), max_size=10).map("".join))
def test_every_code_point_in_single_quotes_is_where_it_is_said_to_be(written: str) -> None:
    check_places(f"k: '{written}'\n")


@given(st.lists(st.sampled_from([*FLOW_PIECES, "'", '"', "\\"]), max_size=10).map("".join))
def test_every_code_point_of_a_plain_scalar_is_where_it_is_said_to_be(written: str) -> None:
    check_places(f"k: x{written}\nz: 1\n")
