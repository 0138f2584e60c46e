"""The Language Server Protocol: what an editor sends → questions about rule files, and their answers → what it shows.

The only file that knows pygls. Positions of the protocol are put into lines and columns of code points here, and back.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path

from lsprotocol import types as t
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path
from pygls.workspace import PositionCodec, ServerTextPosition

from cli.lsp_workspace import OpenFile, RuleWorkspace
from cli.rules_explain_command import explanation_markdown
from compiler import SourceFile, compile_sources, explain, format_rule_file
from compiler.diagnostics import Code, Diagnostic, Severity
from compiler.editor_complete import Completion, complete
from compiler.editor_fixes import fixes
from compiler.editor_hover import hover
from compiler.editor_names import NamePlace, NoRenameError, name_at, places_of, rename
from compiler.editor_symbols import Symbol, symbols

# Keystrokes that come closer than this are checked together.
DEBOUNCE_S = 0.05
# Rules are compared with each other when no keystroke has come for this long: of thousands it takes several times as long as checking one.
COMPARE_PAUSE_S = 0.3
LANGUAGE_ID = "betrace"
_SOURCE = "betrace"
_PAGES = Path(__file__).resolve().parents[1] / "docs" / "reference" / "diagnostics"
_SEVERITIES = {Severity.ERROR: t.DiagnosticSeverity.Error, Severity.WARNING: t.DiagnosticSeverity.Warning}
_UNNECESSARY = frozenset({Code.UNUSED_LET})
_KINDS = {
    "key": t.CompletionItemKind.Property,
    "value": t.CompletionItemKind.EnumMember,
    "keyword": t.CompletionItemKind.Keyword,
    "function": t.CompletionItemKind.Function,
    "method": t.CompletionItemKind.Method,
    "intrinsic": t.CompletionItemKind.Constant,
    "let": t.CompletionItemKind.Variable,
    "span": t.CompletionItemKind.Class,
    "attribute": t.CompletionItemKind.Field,
}


def serve(documentation: str | None) -> int:
    """Answer an editor on standard input and output until it says that it is done; 1 where it is gone without a word."""
    logging.basicConfig(level=logging.WARNING)  # to stderr, which editors keep in a log
    server = RuleServer(documentation)
    server.start_io()
    return 0 if server.is_done else 1


class RuleServer(LanguageServer):
    """A language server of rule files."""

    def __init__(self, documentation: str | None = None) -> None:
        # Whole texts: what pygls takes for the end of a line is not what editors do, so that edits could go to wrong places. Of a text of
        # 2 MiB either way costs the same.
        super().__init__("betrace", version("betrace"), text_document_sync_kind=t.TextDocumentSyncKind.Full)
        self.files = RuleWorkspace()
        self.is_done = False
        self._documentation = documentation or (_PAGES.as_uri() if _PAGES.is_dir() else None)
        self._waiting: dict[str, None] = {}
        self._published: dict[str, list[Diagnostic]] = {}
        self._checker: asyncio.Task[None] | None = None
        self._is_scanned = False
        self._is_compared = True
        self._has_changed = asyncio.Event()
        _register(self)

    # ---- documents --------------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Take the folders that the editor has open."""
        folders = [to_fs_path(uri) for uri in self.workspace.folders] or [self.workspace.root_path]
        self.files = RuleWorkspace([Path(folder) for folder in folders if folder])

    def take(self, uri: str) -> None:
        """Take the latest text of a document, and check it soon."""
        document = self.workspace.get_text_document(uri)
        is_declared = document.language_id == LANGUAGE_ID
        self.files.put(_path(uri), document.source, document.version, is_declared=is_declared)
        self.check_soon(_path(uri))

    def check_soon(self, *paths: str) -> None:
        """Check files once no keystroke has come for a moment, and later the rules of all files beside each other."""
        self._waiting.update(dict.fromkeys(paths))
        self._is_compared = False
        self._has_changed.set()
        if self._checker is None or self._checker.done():
            self._checker = asyncio.get_running_loop().create_task(self._check())

    async def _check(self) -> None:
        while not (self._is_compared or self.is_done):
            if self._waiting:
                await asyncio.sleep(DEBOUNCE_S)
                await self._check_waiting()
            elif not self._is_scanned:
                self._is_scanned = True
                await asyncio.to_thread(self.files.scan)
                self.publish()
            else:
                await self._compare()

    async def _check_waiting(self) -> None:
        for path in list(self._waiting):
            self._waiting.pop(path, None)
            # In a thread, so that the editor is answered meanwhile.
            if await asyncio.to_thread(self.files.check, path):
                self.publish()
            elif path in self.files.open:
                self._waiting[path] = None

    async def _compare(self) -> None:
        self._has_changed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._has_changed.wait(), COMPARE_PAUSE_S)
            return
        if await asyncio.to_thread(self.files.compare, self._has_changed.is_set):
            self._is_compared = not self._has_changed.is_set()
            self.publish()

    def publish(self) -> None:
        """Send what was found of each open file, where that has changed."""
        for path, file in self.files.open.items():
            found = self.files.diagnostics(path)
            if found != self._published.get(path):
                self._published[path] = found
                sent = [self.diagnostic(file, one) for one in found]
                self.text_document_publish_diagnostics(t.PublishDiagnosticsParams(_uri(path), sent, file.version))

    def forget(self, uri: str) -> None:
        """Forget a document that was closed."""
        path = _path(uri)
        self.files.close(path)
        self._published.pop(path, None)
        self.text_document_publish_diagnostics(t.PublishDiagnosticsParams(uri, []))
        self.check_soon(*self.files.open)

    def file(self, uri: str) -> OpenFile | None:
        """Return an open rule file."""
        found = self.files.open.get(_path(uri))
        return found if found is not None and found.is_rule_file else None

    # ---- positions --------------------------------------------------------------------------------------------------------------

    def inward(self, file: OpenFile, position: t.Position) -> tuple[int, int]:
        """Return line and column, from 0, in code points."""
        lines = file.document.lines
        if position.line >= len(lines):
            return len(lines) - 1, len(lines[-1])
        found = self._codec.position_from_client_units([lines[position.line]], t.Position(0, position.character))
        return position.line, min(found.character, len(lines[position.line]))

    def outward(self, file: OpenFile, line: int, column: int, length: int) -> t.Range:
        """Return the range of some code points of a line."""
        lines = file.document.lines
        text = lines[line] if line < len(lines) else ""
        ends = [self._codec.position_to_client_units([text], ServerTextPosition(0, min(at, len(text)))) for at in (column, column + length)]
        return t.Range(t.Position(line, ends[0].character), t.Position(line, ends[1].character))

    @property
    def _codec(self) -> PositionCodec:
        return self.workspace.position_codec

    def diagnostic(self, file: OpenFile, found: Diagnostic) -> t.Diagnostic:
        """Return a diagnostic as the editor shows it: the hint below the sentence, a link to the page of its code."""
        region = found.region
        link = None if self._documentation is None else t.CodeDescription(f"{self._documentation}/{found.code}.md")
        return t.Diagnostic(
            range=self.outward(file, region.line - 1, region.column - 1, region.length),
            message=f"{found.message}\n{found.hint}" if found.hint else found.message,
            severity=_SEVERITIES[found.severity],
            code=found.code.value,
            code_description=link,
            source=_SOURCE,
            tags=[t.DiagnosticTag.Unnecessary] if found.code in _UNNECESSARY else None,
        )


def _path(uri: str) -> str:
    """Return the path of a document; of one that is no file (not saved yet) its URI."""
    return to_fs_path(uri) or uri


def _uri(path: str) -> str:
    return (from_fs_path(path) or path) if Path(path).is_absolute() else path


# ---- what the editor may ask ------------------------------------------------------------------------------------------------------------


def _register(server: RuleServer) -> None:
    """Say what is done with each message."""
    _register_documents(server)
    _register_questions(server)
    _register_changes(server)


def _register_documents(server: RuleServer) -> None:
    @server.feature(t.INITIALIZED)
    async def _initialized(_params: t.InitializedParams) -> None:
        server.begin()
        dynamic = server.client_capabilities.workspace and server.client_capabilities.workspace.did_change_watched_files
        if dynamic and dynamic.dynamic_registration:
            watched = t.DidChangeWatchedFilesRegistrationOptions([t.FileSystemWatcher("**/*.{yaml,yml}")])
            registration = t.Registration("rule-files", t.WORKSPACE_DID_CHANGE_WATCHED_FILES, watched)
            await server.client_register_capability_async(t.RegistrationParams([registration]))

    @server.feature(t.TEXT_DOCUMENT_DID_OPEN)
    async def _opened(params: t.DidOpenTextDocumentParams) -> None:
        server.take(params.text_document.uri)

    @server.feature(t.TEXT_DOCUMENT_DID_CHANGE)
    async def _changed(params: t.DidChangeTextDocumentParams) -> None:
        server.take(params.text_document.uri)

    @server.feature(t.TEXT_DOCUMENT_DID_CLOSE)
    async def _closed(params: t.DidCloseTextDocumentParams) -> None:
        server.forget(params.text_document.uri)

    @server.feature(t.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def _changed_on_disk(params: t.DidChangeWatchedFilesParams) -> None:
        for change in params.changes:
            server.files.read(_path(change.uri))
        server.publish()
        server.check_soon()

    @server.feature(t.SHUTDOWN)
    def _shut_down(_params: None) -> None:
        server.is_done = True
        server.files.end()


def _register_questions(server: RuleServer) -> None:
    @server.feature(t.TEXT_DOCUMENT_COMPLETION, t.CompletionOptions(trigger_characters=[".", ":", " ", "(", "{"]))
    def _complete(params: t.CompletionParams) -> t.CompletionList | None:
        file = server.file(params.text_document.uri)
        if file is None:
            return None
        line, column = server.inward(file, params.position)
        found = complete(file.document, line, column, server.files.known)
        return t.CompletionList(is_incomplete=False, items=[_item(server, file, one, line, column) for one in found])

    @server.feature(t.TEXT_DOCUMENT_HOVER)
    def _hover(params: t.HoverParams) -> t.Hover | None:
        file = server.file(params.text_document.uri)
        if file is None:
            return None
        line, column = server.inward(file, params.position)
        found = hover(file.document, line, column, lambda: _explained(file, line))
        if found is None:
            return None
        content = t.MarkupContent(t.MarkupKind.Markdown, found.text)
        return t.Hover(content, server.outward(file, line, found.column, found.length))

    @server.feature(t.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def _symbols(params: t.DocumentSymbolParams) -> list[t.DocumentSymbol] | None:
        file = server.file(params.text_document.uri)
        return None if file is None else [_symbol(server, file, one, t.SymbolKind.Class) for one in symbols(file.document)]

    @server.feature(t.TEXT_DOCUMENT_DEFINITION)
    def _definition(params: t.DefinitionParams) -> t.Location | None:
        file = server.file(params.text_document.uri)
        found = None if file is None else name_at(file.document, *server.inward(file, params.position))
        if file is None or found is None:
            return None
        let, _ = found
        return t.Location(params.text_document.uri, server.outward(file, *let.place, len(let.name)))

    @server.feature(t.TEXT_DOCUMENT_REFERENCES)
    def _references(params: t.ReferenceParams) -> list[t.Location] | None:
        file = server.file(params.text_document.uri)
        found = None if file is None else name_at(file.document, *server.inward(file, params.position))
        if file is None or found is None:
            return None
        try:
            places = places_of(file.document, found[0])
        except NoRenameError as error:
            server.window_show_message(t.ShowMessageParams(t.MessageType.Info, str(error)))
            return None
        given = found[0].place
        shown = [one for one in places if params.context.include_declaration or (one.line, one.column) != given]
        return [t.Location(params.text_document.uri, _range(server, file, one)) for one in shown]


def _register_changes(server: RuleServer) -> None:
    @server.feature(t.TEXT_DOCUMENT_PREPARE_RENAME)
    def _prepare(params: t.PrepareRenameParams) -> t.Range | None:
        file = server.file(params.text_document.uri)
        found = None if file is None else name_at(file.document, *server.inward(file, params.position))
        return None if file is None or found is None else _range(server, file, found[1])

    @server.feature(t.TEXT_DOCUMENT_RENAME, t.RenameOptions(prepare_provider=True))
    def _rename(params: t.RenameParams) -> t.WorkspaceEdit | None:
        file = server.file(params.text_document.uri)
        found = None if file is None else name_at(file.document, *server.inward(file, params.position))
        if file is None or found is None:
            return None
        try:
            places = rename(file.document, found[0], params.new_name)
        except NoRenameError as error:
            server.window_show_message(t.ShowMessageParams(t.MessageType.Warning, str(error)))
            return None
        return t.WorkspaceEdit({params.text_document.uri: [t.TextEdit(_range(server, file, one), params.new_name) for one in places]})

    @server.feature(t.TEXT_DOCUMENT_FORMATTING)
    async def _format(params: t.DocumentFormattingParams) -> list[t.TextEdit] | None:
        file = server.file(params.text_document.uri)
        if file is None:
            return None
        text = file.text
        formatted = await asyncio.to_thread(format_rule_file, SourceFile("", text.encode("utf-8", "surrogatepass")))
        if formatted.content is None or file.text is not text:
            return None
        return _edits(text, formatted.content.decode("utf-8"))

    @server.feature(t.TEXT_DOCUMENT_CODE_ACTION, t.CodeActionOptions([t.CodeActionKind.QuickFix]))
    def _actions(params: t.CodeActionParams) -> list[t.CodeAction] | None:
        file = server.file(params.text_document.uri)
        if file is None:
            return None
        first, last = params.range.start.line + 1, params.range.end.line + 1
        found = [one for one in server.files.diagnostics(_path(params.text_document.uri)) if first <= one.region.line <= last]
        return [
            t.CodeAction(
                title=fix.title,
                kind=t.CodeActionKind.QuickFix,
                diagnostics=[server.diagnostic(file, one)],
                edit=t.WorkspaceEdit(
                    {
                        params.text_document.uri: [
                            t.TextEdit(server.outward(file, edit.line, edit.column, edit.length), edit.text) for edit in fix.edits
                        ]
                    }
                ),
            )
            for one in found
            for fix in fixes(file.document, one)
        ]


# ---- answers ----------------------------------------------------------------------------------------------------------------------------


def _range(server: RuleServer, file: OpenFile, place: NamePlace) -> t.Range:
    return server.outward(file, place.line, place.column, place.length)


def _item(server: RuleServer, file: OpenFile, found: Completion, line: int, column: int) -> t.CompletionItem:
    about = t.MarkupContent(t.MarkupKind.Markdown, found.about) if found.about else None
    return t.CompletionItem(
        label=found.label,
        kind=_KINDS[found.kind],
        documentation=about,
        sort_text=f"{found.rank:02}{found.label}",
        filter_text=found.label,
        text_edit=t.TextEdit(server.outward(file, line, column - found.replaced, found.replaced), found.text),
    )


def _symbol(server: RuleServer, file: OpenFile, found: Symbol, kind: t.SymbolKind) -> t.DocumentSymbol:
    lines = file.document.lines
    last = min(found.last_line, len(lines) - 1)
    whole = t.Range(t.Position(found.line, 0), server.outward(file, last, len(lines[last]), 0).end)
    name = server.outward(file, found.line, 0, len(lines[found.line]))
    inside = [_symbol(server, file, one, t.SymbolKind.Method) for one in found.inside]
    return t.DocumentSymbol(found.name, kind, whole, name, detail=found.detail or None, children=inside)


def _explained(file: OpenFile, line: int) -> str:
    """Explain the rule at a line; nothing where it, or what it uses, has an error."""
    pieces = file.document.pieces
    piece = pieces.at(line)
    if piece is None:
        return ""
    alone = pieces.frame.replace("rules: []\n", piece.as_file, 1)
    compiled = compile_sources([SourceFile("", alone.encode("utf-8", "surrogatepass"))])
    return "" if compiled.rule_set is None else "\n".join(explanation_markdown(explain(compiled.rule_set.rules[0])))


def _edits(before: str, after: str) -> list[t.TextEdit]:
    """Return one edit of the lines from the first that differs to the last; whole lines, so that columns do not matter."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    start = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    behind = zip(reversed(old[start:]), reversed(new[start:]), strict=False)
    rest = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], behind))
    if start == len(old) == len(new):
        return []
    lines = t.Range(t.Position(start, 0), t.Position(len(old) - rest, 0))
    return [t.TextEdit(lines, "".join(new[start : len(new) - rest]))]
