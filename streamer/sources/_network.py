"""Addresses of network streams, and what went wrong at them in words for people: never with a login in it."""

from __future__ import annotations

import errno
import re
import socket
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

from streamer.core.channel import Channel, Full
from streamer.core.errors import InputError, redact
from streamer.core.workers import Workers

__all__ = ["SCHEMES", "Address", "explain", "knock", "without_login"]

_PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443, "http": 80, "https": 443}
SCHEMES = tuple(_PORTS)
_SCHEME = re.compile(r"([a-zA-Z]+)://")
_ENCODE = "in a password, write @ : / ? # as %40 %3A %2F %3F %23"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a stream is. As text it is the URL without its login."""

    scheme: str
    host: str
    port: int
    login: bool
    """The URL holds a user name."""
    text: str

    def __str__(self) -> str:
        return self.text

    @classmethod
    def of(cls, url: str) -> Address:
        """Take a URL apart. Raises InputError for one that names no server."""
        scheme = _SCHEME.match(url)
        if scheme is None or scheme[1].lower() not in _PORTS:
            raise InputError(f"{without_login(url) or 'the URL'} is no network stream; it may begin with {_schemes()}")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:  # the library's words would repeat a piece of the URL, which may be a password
            raise InputError(f"{without_login(url)} has no valid host and port; {_ENCODE}") from None
        if not host:
            raise InputError(f"{without_login(url)} names no host")
        login = parts.username is not None
        return cls(scheme[1].lower(), host, port or _PORTS[scheme[1].lower()], login, without_login(url))


def without_login(url: str) -> str:
    """An address for people. A blank in a password would end what is taken for an address in other text."""
    return redact("".join(url.split()))


def _schemes() -> str:
    return " ".join(f"{scheme}://" for scheme in _PORTS)


def knock(address: Address, timeout_s: float) -> None:
    """See that somebody listens there. Raises InputError saying what is missing: the name, the way, or the server.

    FFmpeg has one word for all of them, and looks up names without a time limit.
    """
    if address.scheme in urllib.request.getproxies():
        return  # the way leads through somebody else, who is FFmpeg's to find
    answer: Channel[str] = Channel(1, Full.DROP_OLDEST)

    def connect() -> None:
        try:
            socket.create_connection((address.host, address.port), timeout_s).close()
            answer.put("")
        except (OSError, UnicodeError) as error:
            answer.put(_unreachable(address, error))

    # In a thread, because nothing bounds the system's look-up of names. One that hangs ends when the system gives up.
    Workers(on_failure=lambda error: answer.abort()).spawn(f"connect to {address.host}", connect)
    problem = answer.get(timeout_s)
    if problem is None:
        problem = f"{address.host} port {address.port} does not answer within {timeout_s:g} s; check host and network"
    if problem:
        raise InputError(f"{address}: {problem}")


def _unreachable(address: Address, error: OSError | UnicodeError) -> str:
    """Why no connection came about."""
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"the host {address.host} is not known; check its name"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens on {address.host} port {address.port}; check the port, and that the server runs"
    if isinstance(error, TimeoutError):
        return f"{address.host} port {address.port} does not answer; check host and network"
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return f"there is no way to {address.host}; check host and network"
    return f"{address.host} port {address.port} cannot be reached: {error.strerror or type(error).__name__}"


def explain(address: Address, error: Exception, *, silent_s: float | None) -> str:
    """Why a server that accepts connections gave no stream, with the remedy.

    error: what FFmpeg raised; its text holds the URL with its login, so only its kind is used.
    silent_s: how long the server was waited for in vain; None when it did answer.
    """
    import av

    if isinstance(error, av.error.HTTPUnauthorizedError):
        if address.login:
            return f"{address}: the user name or password is wrong ({_ENCODE})"
        scheme = address.scheme
        return f"{address}: a login is needed; write {scheme}://USER:PASSWORD@{address.host}... ({_ENCODE})"
    if isinstance(error, av.error.HTTPForbiddenError):
        return f"{address}: this user may not see it (403)"
    if isinstance(error, av.error.HTTPNotFoundError):
        return f"{address}: the server has nothing under this path (404); check it"
    if silent_s is not None:
        return f"{address}: the server takes the connection but does not answer within {silent_s:g} s"
    if isinstance(error, av.error.InvalidDataError):
        return f"{address}: what answers there sends no {address.scheme} stream; check scheme, port and path"
    if isinstance(error, ConnectionError | av.error.EOFError):
        return f"{address}: the server closed the connection; check scheme, port and path"
    reason = error.strerror if isinstance(error, OSError | av.error.FFmpegError) else None
    return f"{address} cannot be opened: {reason or type(error).__name__}"
