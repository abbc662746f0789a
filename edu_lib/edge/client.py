"""Asks a server for the answer to a frame, over HTTP. Taught in chapter 06."""

import http.client
import json
import ssl
import threading

TIMEOUT_SECONDS = 30.0


class RefusedFrame(ValueError):
    """The server did not take a frame; its message is the server's own sentence.

    status: 422 for bytes that are no fitting picture, 413 for too many of them.
    """

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


class Client:
    """Sends frames to 127.0.0.1 and keeps one connection a thread open.

    context: the TLS settings, None for a plain connection.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None = None):
        self.host, self.port, self.context = host, port, context
        self._of_this_thread = threading.local()
        self._connections: list[http.client.HTTPConnection] = []

    def predict(self, frame: bytes) -> dict:
        """{"outputs": {name: nested list}, "server_ms": time spent on it by the server}.

        Raises RefusedFrame if the server refuses the bytes, ConnectionError if it is not there.
        """
        connection = self._connection()
        try:
            connection.request(
                "POST", "/predict", frame, {"Content-Type": "application/octet-stream"}
            )
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ConnectionError(
                f"no answer from {self.host}:{self.port} ({error}): is the server running?"
            ) from error
        if response.status != 200:
            raise RefusedFrame(response.status, sentence_of(body))
        return json.loads(body)

    def close(self) -> None:
        """Closes the connections of all threads."""
        for connection in self._connections:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        connection = getattr(self._of_this_thread, "connection", None)
        if connection is None:
            if self.context is None:
                connection = http.client.HTTPConnection(
                    self.host, self.port, timeout=TIMEOUT_SECONDS
                )
            else:
                connection = http.client.HTTPSConnection(
                    self.host, self.port, timeout=TIMEOUT_SECONDS, context=self.context
                )
            self._of_this_thread.connection = connection
            self._connections.append(connection)
        return connection


def sentence_of(body: bytes) -> str:
    """The sentence in an answer that refuses a frame."""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace")
