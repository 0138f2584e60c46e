"""Laws of what an editor asks: cutting a file changes nothing of what is said of it, and no text is too broken for an answer."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from compiler import Code, SourceFile, compile_sources
from compiler.diagnostics import Severity
from compiler.editor_check import Checked, EditedFile
from compiler.editor_complete import complete
from compiler.editor_fixes import fixes
from compiler.editor_hover import hover
from compiler.editor_names import NoRenameError, name_at, places_of, rename
from compiler.editor_pieces import cut
from compiler.editor_rule_set import compare_rules, duplicates_of, needless_of
from compiler.editor_symbols import symbols
from compiler.editor_text import EditorText
from compiler.yaml_reader import read_yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = """\
# Of the payments team.
let:
  big: payment.charge.where(amount > 1000)
  countries: [US, GB]
rules:
  # The first.
  - id: checked
    severity: high
    rule: |
      let odd = big.where(country not in countries)
      when   { odd }
      always { fraud.check before payment.charge }
    exceptions:
      - {name: load test, when: big and root.kind == load, owner: sre, expires: 2027-01-31}
    tests:
      - name: late
        trace: |
          checkout  0ms..90ms  service=shop
            payment.charge  10ms..31ms  amount=5000 currency=USD
        expect: violated
  - id: quoted
    rule: "never { big.where(span:kind == server) }"
  - id: folded
    rule: >-
      for each db.query as q
      always { q.where("db.statement" missing) }
  - {id: again, rule: "never { big.where(not (span:kind != server)) }"}

# Behind the rules.
"""
FILES = [RULES, *(path.read_text(encoding="utf-8") for path in sorted((ROOT / "cli" / "shop_rules").glob("*.yaml"))[:2])]
SIGNS = st.sampled_from(
    [*" \n\t:-{}[]()\"'`|>#&*!.,=", "\r\n", "  - ", "rule: |", "always {", "let", "é", "🦊", "\u2028", "\x00", "\ud800"]
)


@st.composite
def edited(draw: st.DrawFn) -> str:
    """A rule file with a few edits, or the beginning of one."""
    text = draw(st.sampled_from(FILES))
    if draw(st.booleans()):
        text = text[: draw(st.integers(0, len(text)))]
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + "".join(draw(st.lists(SIGNS, max_size=3))) + text[at + draw(st.integers(0, 12)) :]
    return text


def said(checked: Checked) -> list[tuple[object, ...]]:
    """What is said, in one order, with what is said of rules beside each other: of needless ones only where there is no error."""
    found = [*checked.diagnostics, *duplicates_of("x", [("x", checked)])]
    if not any(one.severity is Severity.ERROR for one in found):
        found += needless_of(checked, compare_rules([checked]))
    return sorted((one.region, one.code, one.message, one.hint) for one in found)


def compiled(text: str) -> list[tuple[object, ...]]:
    """What the compiler says of the whole file."""
    found = compile_sources([SourceFile("x", text.encode("utf-8", "surrogatepass"))]).diagnostics
    return sorted((one.region, one.code, one.message, one.hint) for one in found)


def is_yaml(text: str) -> bool:
    """Say whether a text is YAML as a whole: then what is said of its rules one by one is all there is to say."""
    return not any(one.code in {Code.SYNTAX, Code.TOO_DEEP} for one in read_yaml(SourceFile("x", text.encode("utf-8", "surrogatepass")))[1])


@given(edited())
def test_of_yaml_the_rules_one_by_one_say_what_the_whole_file_says(text: str) -> None:
    checked = EditedFile("x").check(text)
    assert checked is not None
    if is_yaml(text):
        assert said(checked) == compiled(text)
    else:
        assert any(one.code in {Code.SYNTAX, Code.TOO_DEEP} for one in checked.diagnostics)


@given(st.lists(edited(), min_size=2, max_size=4))
def test_what_was_checked_before_changes_nothing(texts: list[str]) -> None:
    file = EditedFile("x")
    found = [file.check(text) for text in texts]
    assert found[-1] == EditedFile("x").check(texts[-1])


@given(edited())
def test_pieces_and_frame_are_the_whole_text(text: str) -> None:
    pieces = cut(text)
    if not pieces.pieces:
        assert pieces.frame == text
        return
    lines = text.split("\n")
    frame = pieces.frame.split("\n")
    for piece in pieces.pieces:
        assert "\n".join(lines[piece.first_line :]).startswith(piece.text)
    # Where the text ends in a rule without a line break, the frame has one line more.
    assert len(frame) + pieces.inside == len(lines) + (
        pieces.pieces[-1].text[-1:] != "\n" and pieces.line_of_frame(len(frame) - 1) == len(lines)
    )
    assert all(one in {"rules: []", *lines[pieces.line_of_frame(at) :][:1], ""} for at, one in enumerate(frame))


@given(edited(), st.data())
def test_every_place_of_every_text_has_an_answer(text: str, data: st.DataObject) -> None:
    document = EditorText(text)
    line = data.draw(st.integers(0, len(document.lines)))
    column = data.draw(st.integers(0, 80))
    for one in complete(document, line, column):
        assert 0 <= one.replaced <= column
    hover(document, line, column, lambda: "")
    symbols(document)
    found = name_at(document, line, column)
    if found is not None:
        try:
            places_of(document, found[0])
            rename(document, found[0], "another")
        except NoRenameError:
            pass
    checked = EditedFile("x").check(text)
    assert checked is not None
    for diagnostic in checked.diagnostics:
        fixes(document, diagnostic)


@given(st.sampled_from(["big", "countries", "odd"]), st.sampled_from(["other", "z_1"]))
def test_a_rename_changes_names_and_nothing_of_what_the_file_means(name: str, new: str) -> None:
    document = EditorText(RULES)
    line = next(at for at, one in enumerate(document.lines) if f"{name}:" in one or f"let {name}" in one)
    found = name_at(document, line, document.lines[line].index(name) + 1)
    assert found is not None
    lines = list(document.lines)
    for place in sorted(rename(document, found[0], new), key=lambda one: (one.line, one.column), reverse=True):
        assert lines[place.line][place.column : place.column + place.length] == name
        lines[place.line] = lines[place.line][: place.column] + new + lines[place.line][place.column + place.length :]
    renamed = compile_sources([SourceFile("x", "\n".join(lines).encode())]).rule_set
    before = compile_sources([SourceFile("x", RULES.encode())]).rule_set
    assert renamed is not None
    assert before is not None
    assert name not in "".join(lines).replace("oddly", "")
    assert [rule.program for rule in renamed.rules] == [rule.program for rule in before.rules]
