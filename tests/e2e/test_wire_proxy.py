"""The wire of the tests itself: what becomes of a client whose broker is not there."""

from __future__ import annotations

import socket

from tests.e2e.wire_proxy import wire


def _asked(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        return client.recv(1)


def test_a_client_is_left_alone_while_its_broker_is_down_and_served_when_it_is_up() -> None:
    with wire() as between, socket.socket() as broker:
        broker.bind(("127.0.0.1", 0))
        between.broker_port = broker.getsockname()[1]
        assert _asked(between.port) == b""
        broker.listen()
        with socket.create_connection(("127.0.0.1", between.port), timeout=10) as client:
            served, _ = broker.accept()
            with served:
                served.sendall(b"!")
                assert client.recv(1) == b"!"
