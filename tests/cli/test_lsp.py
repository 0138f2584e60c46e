"""`betrace lsp` with an editor at its other end, over real standard input and output."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from lsprotocol import types as t

from compiler import SourceFile, format_rule_file
from tests.cli.lsp_client import Editor, editor

RULES = """\
let:
  big: payment.charge.where(amount > 1000)
rules:
  - id: checked
    severity: high
    rule: |
      when   { big }
      always { fraud.check before payment.charge }
    tests:
      - name: late
        trace: |
          checkout  0ms..90ms  service=shop
            payment.charge  10ms..31ms  amount=5000 currency=USD
        expect: violated
"""


def in_editor(folder: Path, use: Callable[[Editor], Awaitable[None]]) -> None:
    """Run what an editor does, with the server it starts."""

    async def run() -> None:
        async with editor(folder) as one:
            await use(one)

    asyncio.run(run())


def between(line: int, start: int, end: int) -> t.Range:
    return t.Range(t.Position(line, start), t.Position(line, end))


def test_an_error_is_shown_while_it_is_written_and_gone_when_it_is_mended(tmp_path: Path) -> None:
    async def use(one: Editor) -> None:
        one.open("a.yaml", RULES)
        assert await one.diagnostics("a.yaml") == []
        one.change("a.yaml", "hihg", between(4, 14, 18))
        (found,) = await one.diagnostics("a.yaml")
        assert (found.code, found.range, found.severity) == ("bad-value", between(4, 14, 18), t.DiagnosticSeverity.Error)
        assert found.code_description is not None
        assert found.code_description.href.endswith("docs/reference/diagnostics/bad-value.md")
        one.change("a.yaml", RULES)
        assert await one.diagnostics("a.yaml") == []

    in_editor(tmp_path, use)


def test_an_id_that_another_file_of_the_folder_has_is_a_duplicate(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(RULES, encoding="utf-8")
    (tmp_path / "deployment.yaml").write_text("rules:\n  - id: mine\n", encoding="utf-8")

    async def use(one: Editor) -> None:
        one.open("a.yaml", RULES)
        found = await one.diagnostics("a.yaml") or await one.diagnostics("a.yaml")
        assert [(each.code, each.message) for each in found] == [("duplicate-id", "there is a rule `checked` already, at other.yaml:4:9")]
        # What is open counts, not what is on disk.
        one.open("other.yaml", RULES.replace("id: checked", "id: mine"))
        assert await one.codes("a.yaml") == []

    in_editor(tmp_path, use)


def rule(rule_id: str, limit: int, tests: str = "    tests: [{trace: retry 0s..1s, expect: satisfied}]\n") -> str:
    return f"  - id: {rule_id}\n    rule: never {{ count(retry) > {limit} }}\n{tests}"


def test_a_rule_that_another_one_makes_needless_is_shown_after_a_pause_and_until_it_changes(tmp_path: Path) -> None:
    async def use(one: Editor) -> None:
        text = "rules:\n" + rule("few", 3) + rule("same", 3) + rule("more", 10)
        one.open("a.yaml", text)
        assert await one.diagnostics("a.yaml") == []
        duplicate, implied = await one.diagnostics("a.yaml")
        assert (duplicate.code, duplicate.range, duplicate.severity) == ("duplicate-rule", between(4, 8, 12), t.DiagnosticSeverity.Warning)
        assert duplicate.message == "the rule means the same as `few`, at a.yaml:2:9\nremove one of them, or disable it"
        assert (implied.code, implied.range) == ("implied-rule", between(7, 8, 12))
        # They move with their rules, whatever is wrong elsewhere, and go with the first change of what was compared.
        one.change("a.yaml", "# Retries.\n" + text.replace("few", "few\n    hm: 1").replace("> 10", "> 2"))
        found = await one.diagnostics("a.yaml")
        assert [(each.code, each.range.start.line) for each in found] == [("unknown-key", 3), ("duplicate-rule", 6)]
        # Nobody writes for a moment: the looser one is implied by the last one now.
        assert await one.codes("a.yaml") == ["unknown-key", "implied-rule", "duplicate-rule"]

    in_editor(tmp_path, use)


def test_a_rule_is_compared_with_those_of_other_files_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("rules:\n" + rule("there", 3, ""), encoding="utf-8")

    async def use(one: Editor) -> None:
        one.open("a.yaml", "rules:\n" + rule("here", 3))
        assert await one.diagnostics("a.yaml") == []
        (found,) = await one.diagnostics("a.yaml")
        assert found.message.startswith("the rule means the same as `there`, at other.yaml:2:9")
        # What is open counts, not what is on disk.
        one.open("other.yaml", "rules:\n" + rule("there", 2))
        assert await one.diagnostics("other.yaml") == []
        assert await one.codes("a.yaml") == ["implied-rule"]
        one.change("other.yaml", "rules:\n" + rule("there", 3))
        assert await one.codes("other.yaml") == ["duplicate-rule"]
        assert await one.codes("a.yaml") == ["duplicate-rule"]

    in_editor(tmp_path, use)


def test_a_yaml_file_without_rules_is_left_alone(tmp_path: Path) -> None:
    async def use(one: Editor) -> None:
        text = "rules:\n  - host: example.com\n    http: {}\n"
        one.open("ingress.yaml", text)
        assert await one.diagnostics("ingress.yaml") == []
        assert await one.hover("ingress.yaml", 0, 1) == ""
        one.open("b.yaml", text, language_id="betrace")
        assert "unknown-key" in await one.codes("b.yaml")

    in_editor(tmp_path, use)


def test_a_place_behind_signs_beyond_the_first_plane_is_the_place_the_editor_means(tmp_path: Path) -> None:
    """Editors count in UTF-16 unless they agree on another form."""
    text = RULES.replace("{ big }", '{ "🦊🦊" and bigg in x }')

    async def use(one: Editor) -> None:
        one.open("a.yaml", text)
        found = [each for each in await one.diagnostics("a.yaml") if each.severity is t.DiagnosticSeverity.Error]
        line = text.split("\n")[6]
        start = len(line[: line.index("bigg")].encode("utf-16-le")) // 2
        assert found[0].range.start == t.Position(6, start)

    in_editor(tmp_path, use)


def test_completion_offers_what_can_stand_at_the_place(tmp_path: Path) -> None:
    async def use(one: Editor) -> None:
        one.open("a.yaml", RULES.replace("{ big }", "{ "))
        clause = await one.complete("a.yaml", 6, 15)
        assert {"big", "payment.charge", "count", "root"} <= clause.keys()
        assert "http.route" not in clause
        edit = clause["payment.charge"].text_edit
        assert isinstance(edit, t.TextEdit)
        assert edit.range == between(6, 15, 15)
        assert {"critical", "high"} <= (await one.complete("a.yaml", 4, 14)).keys()

    in_editor(tmp_path, use)


def test_hover_explains_the_rule_a_name_and_a_key(tmp_path: Path) -> None:
    async def use(one: Editor) -> None:
        one.open("a.yaml", RULES)
        assert "Applies to a trace in which there is a `payment.charge` span" in await one.hover("a.yaml", 3, 10)
        assert "payment.charge.where(amount > 1000)" in await one.hover("a.yaml", 6, 16)
        one.change("a.yaml", RULES.replace("amount > 1000", "currency != USD"))
        assert "is not true of a span without `currency`" in await one.hover("a.yaml", 3, 10)
        one.change("a.yaml", RULES)
        assert "How bad a violation is." in await one.hover("a.yaml", 4, 6)
        assert "violated where this is not true" in await one.hover("a.yaml", 7, 8)

    in_editor(tmp_path, use)


def test_a_name_is_found_and_renamed_wherever_it_is_used(tmp_path: Path) -> None:
    async def use(one: Editor) -> None:
        one.open("a.yaml", RULES)
        defined = await one.client.text_document_definition_async(t.DefinitionParams(*one.place("a.yaml", 6, 16)))
        assert isinstance(defined, t.Location)
        assert defined.range == between(1, 2, 5)
        used = await one.client.text_document_references_async(
            t.ReferenceParams(t.ReferenceContext(include_declaration=False), *one.place("a.yaml", 1, 3))
        )
        assert used is not None
        assert [each.range for each in used] == [between(6, 15, 18)]
        edit = await one.client.text_document_rename_async(t.RenameParams(*one.place("a.yaml", 6, 16), "large"))
        assert edit is not None
        assert edit.changes is not None
        assert [(each.range, each.new_text) for each in edit.changes[one.uri("a.yaml")]] == [
            (between(1, 2, 5), "large"),
            (between(6, 15, 18), "large"),
        ]
        assert await one.client.text_document_rename_async(t.RenameParams(*one.place("a.yaml", 6, 16), "never")) is None
        assert one.messages == ["`never` is no name, or a word of the language"]

    in_editor(tmp_path, use)


def test_formatting_gives_the_canonical_form(tmp_path: Path) -> None:
    text = RULES.replace("severity: high", "severity:   high").replace("when   { big }", "when { big   }")
    wanted = format_rule_file(SourceFile("a.yaml", text.encode())).content

    async def use(one: Editor) -> None:
        one.open("a.yaml", text)
        asked = t.DocumentFormattingParams(t.TextDocumentIdentifier(one.uri("a.yaml")), t.FormattingOptions(2, insert_spaces=True))
        edits = await one.client.text_document_formatting_async(asked)
        assert edits is not None
        lines = text.splitlines(keepends=True)
        for edit in reversed(edits):
            lines[edit.range.start.line : edit.range.end.line] = [edit.new_text]
        assert "".join(lines).encode() == wanted

    in_editor(tmp_path, use)


def test_a_mistake_without_doubt_has_a_quick_fix(tmp_path: Path) -> None:
    text = RULES.replace("severity: high", "severity: hihg")

    async def use(one: Editor) -> None:
        one.open("a.yaml", text)
        (found,) = await one.diagnostics("a.yaml")
        asked = t.CodeActionParams(t.TextDocumentIdentifier(one.uri("a.yaml")), found.range, t.CodeActionContext([found]))
        actions = await one.client.text_document_code_action_async(asked)
        assert actions is not None
        (action,) = actions
        assert isinstance(action, t.CodeAction)
        assert action.edit is not None
        assert action.edit.changes is not None
        assert list(action.edit.changes[one.uri("a.yaml")]) == [t.TextEdit(between(4, 14, 18), "high")]

    in_editor(tmp_path, use)


def test_the_outline_has_the_rules_and_their_tests(tmp_path: Path) -> None:
    async def use(one: Editor) -> None:
        one.open("a.yaml", RULES)
        asked = t.DocumentSymbolParams(t.TextDocumentIdentifier(one.uri("a.yaml")))
        found = await one.client.text_document_document_symbol_async(asked)
        assert found is not None
        (rule,) = found
        assert isinstance(rule, t.DocumentSymbol)
        assert rule.children is not None
        assert (rule.name, rule.range.start.line, [each.name for each in rule.children]) == ("checked", 3, ["late"])

    in_editor(tmp_path, use)


def test_a_file_that_is_broken_in_any_way_is_still_answered(tmp_path: Path) -> None:
    async def use(one: Editor) -> None:
        one.open("a.yaml", RULES)
        await one.diagnostics("a.yaml")
        for broken in ("rules: [", "rules:\n  - id: 'x\n    rule: always {\n", "\x00\u2028\t- rule: |", "", "rules:\n-\n  -\n rule:\n"):
            one.change("a.yaml", broken)
            assert await one.diagnostics("a.yaml")
            await one.complete("a.yaml", 1, 5)
            await one.hover("a.yaml", 99, 99)
        one.change("a.yaml", RULES)
        assert await one.diagnostics("a.yaml") == []
        assert one.messages == []

    in_editor(tmp_path, use)
