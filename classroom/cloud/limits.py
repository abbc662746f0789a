"""What the server of chapter 06 refuses, so that no client makes it hold more than it can.

Loaded in the server's process by its path, as service.py is.
"""

import asyncio
import json

from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_BODY_BYTES = 10_000_000
MAX_HELD_BYTES = 200_000_000  # of all frames on their way together
RECEIVE_SECONDS = 10.0  # for the head of a request, and again for its body
DRAIN_SECONDS = 2.0


class Refused(Exception):
    """A request that is not answered: its HTTP status, and a sentence."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


class Inbox:
    """Reads the bodies of requests, and refuses what the server cannot hold."""

    def __init__(self):
        self.held = 0

    async def read(self, request) -> bytes:
        """The body. Raises Refused: 413 too large, 408 too slow, 503 too many at once."""
        too_large = f"a frame has at most {MAX_BODY_BYTES:,} bytes: send a smaller picture"
        if int(request.headers.get("content-length", 0)) > MAX_BODY_BYTES:
            raise Refused(413, too_large)
        body = bytearray()
        try:
            async with asyncio.timeout(RECEIVE_SECONDS):
                async for chunk in request.stream():
                    body += chunk
                    self.held += len(chunk)
                    if len(body) > MAX_BODY_BYTES:
                        raise Refused(413, too_large)
                    if self.held > MAX_HELD_BYTES:
                        raise Refused(503, "too many frames are on their way: send it again later")
        except TimeoutError:
            late = f"the frame did not arrive within {RECEIVE_SECONDS:g} s: send it again"
            raise Refused(408, late) from None
        finally:
            self.held -= len(body)
        return bytes(body)


class Refusal(Response):
    """Answers at once, then takes and drops a little of what still comes.

    A connection that is closed while bytes lie unread loses the answer on some systems.
    """

    def __init__(self, refused: Refused):
        super().__init__()
        self.refused = refused

    async def __call__(self, scope, receive, send) -> None:
        body = json.dumps({"error": str(self.refused)}).encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        headers.append((b"content-length", str(len(body)).encode()))
        await send(
            {"type": "http.response.start", "status": self.refused.status, "headers": headers}
        )
        await send({"type": "http.response.body", "body": body, "more_body": True})
        dropped = 0
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while dropped <= MAX_BODY_BYTES:
                    message = await receive()
                    dropped += len(message.get("body", b""))
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            pass
        await send({"type": "http.response.body", "body": b""})


class HeadInTime(H11Protocol):
    """uvicorn's HTTP/1.1, which also closes a connection whose request does not begin in time."""

    def connection_made(self, transport):
        super().connection_made(transport)
        self._await_head()

    def on_response_complete(self):
        super().on_response_complete()
        self._await_head()

    def _await_head(self):
        self.loop.call_later(RECEIVE_SECONDS, self._close_unless_begun, self.cycle)

    def _close_unless_begun(self, before):
        if self.cycle is before and not self.transport.is_closing():
            self.transport.close()
