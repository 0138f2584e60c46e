"""A wire between a client and a broker that can lose answers or let them take their time: the broker has done what it was asked."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIZE = 65_536


class Wire:
    """Forwards connections from its own port to the broker's, what is answered after `answers_after_s`.

    After `lose_next_answer` the next bytes of the broker end the connection.
    """

    def __init__(self, listening: socket.socket) -> None:
        self.port: int = listening.getsockname()[1]
        self.broker_port = 0
        self.lost = 0
        self.answers_after_s = 0.0
        self._listening = listening
        self._loses = False
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_next_answer(self) -> None:
        """Cut the connection on which the broker answers next, instead of handing the answer on."""
        with self._lock:
            self._loses = True

    def _is_to_be_lost(self) -> bool:
        with self._lock:
            is_wanted, self._loses = self._loses, False
            self.lost += is_wanted
        return is_wanted

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listening.accept()
                self._join(client)

    def _join(self, client: socket.socket) -> None:
        """Connect a client to the broker; where that is down, as a client finds it without a wire: the connection ends."""
        try:
            broker = socket.create_connection(("127.0.0.1", self.broker_port))
        except OSError:
            client.close()
            return
        for way in ((client, broker, False), (broker, client, True)):
            threading.Thread(target=self._forward, args=way, daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while found := source.recv(_SIZE):
                if is_answer:
                    time.sleep(self.answers_after_s)
                    if self._is_to_be_lost():
                        break
                target.sendall(found)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def wire() -> Iterator[Wire]:
    """A wire on a free port; say its `broker_port` before anybody connects."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield Wire(listening)
