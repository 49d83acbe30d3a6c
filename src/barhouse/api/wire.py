"""What a server asks of its clients on the wire: that they come to the point, and that they read what is sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

HEAD = 64 * 2**10
"""Bytes of the longest head of a request: its line and its headers."""

HEARD_OUT = 16 * 2**20
"""Bytes behind a head that are heard: a client that sends a body of that length learns that it was too long."""

SOON = 10.0
"""Seconds in which a head has come, and after which a connection that says nothing is ended."""

STANDSTILL, STEP = 30.0, 16 * 2**10
"""Seconds in which a reader takes at least so many bytes; of one who does not, the connection is ended."""

LOOK = 1.0
"""Seconds between two looks at a connection."""

FAREWELL = 1.0
"""Seconds that a refused client has to read why, before its connection is gone."""

MOST = 500
"""Connections at a time; then the one that has said nothing for longest makes room."""

REFUSALS = {
    400: (b"Bad Request", "This is no HTTP"),
    408: (b"Request Timeout", f"The head of this call did not come within {SOON:g} s"),
    414: (b"URI Too Long", f"A call has at most {HEAD} bytes before its body; put less into its address"),
    431: (b"Request Header Fields Too Large", f"A call has at most {HEAD} bytes before its body; send fewer headers"),
}


@dataclass(frozen=True, slots=True)
class Unread:
    """What a client had still to read at some time."""

    at: float
    size: int


class Wire(HttpToolsProtocol):
    """A connection that is looked after: no client holds memory, or a place, by being slow or endless."""

    _chunk = _heard = 0
    _is_in_head = _is_refused = False
    _since = 0.0
    _unread: Unread | None = None
    _refusal = 400
    _answered: RequestResponseCycle | None = None
    """The call that is being answered; others may wait behind it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look after it."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._looking = self.loop.call_later(LOOK, self._look)
        if len(self.connections) > MOST:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._looking.cancel()
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hear on, but not for ever."""
        if self._is_refused:
            return
        self._chunk = len(data)
        self._heard += self._chunk
        super().data_received(data)
        if self._heard > (HEAD if self._is_in_head else HEARD_OUT) and not self._is_refused:
            self._refuse(self._too_long() if self._is_in_head else 400)

    def on_message_begin(self) -> None:
        """A head begins somewhere in what came just now."""
        super().on_message_begin()
        self._heard, self._is_in_head = self._chunk, True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Nobody here reads headers that come behind a body."""
        if not self._is_in_head:
            self._break_off(400)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole; one that came in one piece may be too long still."""
        size = sum(len(name) + len(value) for name, value in self.headers) if self._heard > HEAD else 0
        if size + len(self.url) > HEAD:
            self._break_off(self._too_long())
        self._heard, self._is_in_head = 0, False
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """From now on the client has to say something."""
        super().on_response_complete()
        self._since = self.loop.time()

    def resume_writing(self) -> None:
        """The client has read what was sent."""
        super().resume_writing()
        self._unread = None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """What cannot be understood, told as all errors are."""
        if not self._is_refused:
            self._refuse(self._refusal)

    @property
    def _is_waiting(self) -> bool:
        """Whether it is the client's turn."""
        return self.cycle is None or self.cycle.response_complete

    def _too_long(self) -> int:
        return 414 if len(self.url) > HEAD // 2 else 431

    def _break_off(self, status: int) -> NoReturn:
        """End the parser's work."""
        self._refusal = status
        raise ValueError(status)

    def _look(self) -> None:
        """End the connection if its client is too slow; else look again."""
        now = self.loop.time()
        self._looking = self.loop.call_later(LOOK, self._look)
        if self._stands_still(now):
            self.transport.abort()
        elif self._is_waiting and not self.transport.is_closing() and now - self._since > SOON:
            if self._is_in_head:
                self._refuse(408)
            else:
                self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def _leave(self) -> None:
        """Let what is being answered end: nobody hears it. The parent tells the newest call only."""
        if self._answered and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()

    def _stands_still(self, now: float) -> bool:
        """Whether the client has read next to nothing of what waits for it, for as long as one may."""
        if not (self.flow.write_paused or self.transport.is_closing()):
            return False
        size = self.transport.get_write_buffer_size()
        if self._unread is None or size <= self._unread.size - STEP:
            self._unread = Unread(now, size)
        return now - self._unread.at > STANDSTILL

    def _make_room(self) -> None:
        """End the connection that has been silent for longest; this one, if all the others are busy."""
        others = [each for each in self.connections if isinstance(each, Wire) and each._is_waiting]
        min(others, key=lambda each: each._since, default=self).transport.abort()

    def _refuse(self, status: int) -> None:
        """Say why, and hear no more; the connection ends when that was read, or a moment later."""
        self._is_refused = True
        self._leave()
        phrase, why = REFUSALS[status]
        body = orjson.dumps({"detail": why})
        head = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (status, phrase, len(body)) + body)
        self.transport.write_eof()
        self.loop.call_later(FAREWELL, self.transport.abort)
