"""What the operating system knows of a connection."""

from __future__ import annotations

import socket
import time

from streamer.sources._unread import opened, unread_bytes


def test_bytes_that_nobody_read_are_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client, number = opened(lambda: socket.create_connection(server.getsockname()))
        with client:
            other, _ = server.accept()
            with other:
                assert number == client.fileno()
                assert unread_bytes(number) == 0
                other.sendall(b"x" * 1000)
                deadline = time.monotonic() + 5
                while unread_bytes(number) != 1000:
                    assert time.monotonic() < deadline
                assert client.recv(400)
                assert unread_bytes(number) == 600


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert opened(lambda: 7) == (7, None)
    assert unread_bytes(None) is None
    both, number = opened(socket.socketpair)
    assert number is None
    for one in both:
        one.close()
    assert unread_bytes(10_000) is None
