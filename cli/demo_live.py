"""A demo as a live view of the whole terminal; when it ends the terminal is as it was before."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.live import Live as Drawing

from cli.demo_scene import Introduction, Scene
from cli.demo_screen import screen
from compiler import RuleSet
from topics.violation import Violation

_FRAMES_PER_SECOND = 5


class Live:
    """Draws (cli.demo_scene.Report). The terminal may change its size at any time."""

    def __init__(self, console: Console, rule_set: RuleSet) -> None:
        self._console = console
        self._rule_set = rule_set
        self._scene = Scene()
        self._api = ""
        self._drawing = Drawing(
            console=console, screen=True, get_renderable=self._picture, refresh_per_second=_FRAMES_PER_SECOND, vertical_overflow="crop"
        )

    def introduce(self, introduction: Introduction) -> None:
        """Keep where the API is: it stands in the picture."""
        self._api = introduction.api

    def show(self, scene: Scene, news: Sequence[Violation]) -> None:
        """Draw this from now on."""
        del news  # the scene has all of them
        self._scene = scene
        if not self._drawing.is_started:
            self._drawing.start()

    def close(self) -> None:
        """Give the terminal back."""
        self._drawing.stop()

    def _picture(self) -> RenderableType:
        return screen(self._scene, self._rule_set, self._api, *self._console.size)


def has_live_terminal(console: Console) -> bool:
    """Whether standard output is a terminal that can be drawn on, and nobody asked for plain text."""
    return console.is_terminal and not console.is_dumb_terminal and not os.environ.get("NO_COLOR")
