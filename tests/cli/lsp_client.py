"""An editor without a screen: starts `betrace lsp` and speaks with it over its standard input and output."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lsprotocol import types as t
from pygls.lsp.client import LanguageClient

ROOT = Path(__file__).resolve().parents[2]
_ANSWER_S = 60.0


class Editor:
    """One editor with a folder open."""

    def __init__(self, client: LanguageClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.messages: list[str] = []
        self._published: dict[str, asyncio.Queue[t.PublishDiagnosticsParams]] = defaultdict(asyncio.Queue)
        self._versions: dict[str, int] = {}

        @client.feature(t.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)  # type: ignore[untyped-decorator]  # pygls types that of its server only
        def _take(params: t.PublishDiagnosticsParams) -> None:
            self._published[params.uri].put_nowait(params)

        @client.feature(t.WINDOW_SHOW_MESSAGE)  # type: ignore[untyped-decorator]  # as above
        def _show(params: t.ShowMessageParams) -> None:
            self.messages.append(params.message)

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    def open(self, name: str, text: str, language_id: str = "yaml") -> None:
        self._versions[name] = 1
        item = t.TextDocumentItem(self.uri(name), language_id, 1, text)
        self.client.text_document_did_open(t.DidOpenTextDocumentParams(item))

    def change(self, name: str, text: str, at: t.Range | None = None) -> None:
        """Write a text in place of a range, or of the whole document."""
        self._versions[name] += 1
        document = t.VersionedTextDocumentIdentifier(self._versions[name], self.uri(name))
        change = t.TextDocumentContentChangeWholeDocument(text) if at is None else t.TextDocumentContentChangePartial(at, text)
        self.client.text_document_did_change(t.DidChangeTextDocumentParams(document, [change]))

    async def diagnostics(self, name: str) -> list[t.Diagnostic]:
        """Return the diagnostics of the latest version of a document, once they come."""
        while True:
            found = await asyncio.wait_for(self._published[self.uri(name)].get(), _ANSWER_S)
            if found.version in {None, self._versions.get(name)}:
                return list(found.diagnostics)

    async def codes(self, name: str) -> list[str]:
        return [str(one.code) for one in await self.diagnostics(name)]

    def place(self, name: str, line: int, character: int) -> tuple[t.TextDocumentIdentifier, t.Position]:
        return t.TextDocumentIdentifier(self.uri(name)), t.Position(line, character)

    async def complete(self, name: str, line: int, character: int) -> dict[str, t.CompletionItem]:
        found = await self.client.text_document_completion_async(t.CompletionParams(*self.place(name, line, character)))
        assert isinstance(found, t.CompletionList)
        return {item.label: item for item in found.items}

    async def hover(self, name: str, line: int, character: int) -> str:
        found = await self.client.text_document_hover_async(t.HoverParams(*self.place(name, line, character)))
        if found is None:
            return ""
        assert isinstance(found.contents, t.MarkupContent)
        return found.contents.value


@asynccontextmanager
async def editor(folder: Path, *, encodings: list[t.PositionEncodingKind | str] | None = None) -> AsyncIterator[Editor]:
    """Start the server with a folder open; at the end it is asked to end, and must."""
    client = LanguageClient("test-editor", "1")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    await client.start_io(sys.executable, "-m", "cli", "lsp", cwd=str(folder), env=environment)
    one = Editor(client, folder)
    capabilities = t.ClientCapabilities(general=t.GeneralClientCapabilities(position_encodings=encodings))
    await client.initialize_async(
        t.InitializeParams(capabilities, root_uri=folder.as_uri(), workspace_folders=[t.WorkspaceFolder(folder.as_uri(), "rules")])
    )
    client.initialized(t.InitializedParams())
    try:
        yield one
    finally:
        await asyncio.wait_for(client.shutdown_async(None), _ANSWER_S)
        client.exit(None)
        server = client._server  # the process; pygls gives it no other name
        assert server is not None
        await asyncio.wait_for(server.wait(), _ANSWER_S)
        await client.stop()  # type: ignore[no-untyped-call]  # as above
        assert server.returncode == 0


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def now() -> float:
    return time.perf_counter()
