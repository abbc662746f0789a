"""The program in the server's process: ONNX Runtime behind FastAPI. Taught in chapter 06.

    python -P service.py NETWORK.onnx --threads 1 [--certificate FILE --key FILE]

It imports nothing of edu_lib, so that it starts without PyTorch. Its first line on stdout is
JSON: {"port": 40123} once it listens on 127.0.0.1, or {"error": "a sentence"}. It ends when its
stdin closes: a parent that is gone leaves no server behind.
"""

import argparse
import io
import json
import socket
import struct
import sys
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 16_000_000
RAW_MAGIC = b"RAW8"
RAW_HEADER = struct.Struct("<4sHH")  # the magic, height, width
FORMATS = ("jpeg", "png", "raw")
JPEG_QUALITY = 85
MAX_SIDE = 65_535


def encode_frame(picture: np.ndarray, form: str = "jpeg", quality: int = JPEG_QUALITY) -> bytes:
    """The bytes to send for one picture, uint8 [H, W, 3].

    form: "jpeg" loses a little and is small; "png" loses nothing; "raw" is the pixels behind a
    header of 8 bytes (the letters RAW8, height, width). quality: of JPEG, 1 to 95.
    Raises ValueError for another form, quality, shape or type. `decode_frame` turns it back.
    """
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"a picture is uint8 [H, W, 3], got {picture.dtype} {picture.shape}")
    if form not in FORMATS:
        raise ValueError(f"form is one of {', '.join(FORMATS)}, got {form!r}")
    if not 1 <= quality <= 95:
        raise ValueError(f"quality is between 1 and 95, got {quality}")
    height, width, _ = picture.shape
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise ValueError(f"a side has 1 to {MAX_SIDE} pixels, got {height} x {width}")
    if form == "raw":
        return RAW_HEADER.pack(RAW_MAGIC, height, width) + picture.tobytes()
    buffer = io.BytesIO()
    options = {"quality": quality} if form == "jpeg" else {}
    Image.fromarray(picture).save(buffer, form.upper(), **options)
    return buffer.getvalue()


def decode_frame(body: bytes, size: tuple[int, int] | None = None) -> np.ndarray:
    """The picture in the bytes of a frame: uint8 [H, W, 3]. JPEG, PNG, or raw with a header.

    size: the (height, width) it must have. Raises ValueError with one sentence if it has another
    size, is empty, or is no picture.
    """
    if not body:
        raise ValueError("the frame is empty: send the bytes of a JPEG, PNG or raw picture")
    if body.startswith(RAW_MAGIC):
        return _decode_raw(body, size)
    try:
        with Image.open(io.BytesIO(body), formats=("JPEG", "PNG")) as image:
            _check_size((image.height, image.width), size)
            return np.asarray(image.convert("RGB"))
    except UnidentifiedImageError:
        raise ValueError(
            f"the {len(body)} bytes are no picture: send JPEG, PNG or raw as encode_frame makes it"
        ) from None
    except WrongSize:
        raise
    except Exception as error:  # Pillow raises many kinds, one for each kind of damage
        raise ValueError(f"the picture is damaged ({error}): send it again") from None


def _decode_raw(body: bytes, size: tuple[int, int] | None) -> np.ndarray:
    if len(body) < RAW_HEADER.size:
        raise ValueError(f"a raw frame begins with {RAW_HEADER.size} bytes, got {len(body)}")
    _, height, width = RAW_HEADER.unpack_from(body)
    _check_size((height, width), size)
    expected = RAW_HEADER.size + height * width * 3
    if len(body) != expected:
        raise ValueError(f"a raw frame of {height}x{width} has {expected} bytes, got {len(body)}")
    pixels = np.frombuffer(body, dtype=np.uint8, offset=RAW_HEADER.size)
    return pixels.reshape(height, width, 3)


class WrongSize(ValueError):
    """A picture that can be read, of a size that cannot be answered."""


def _check_size(got: tuple[int, int], wanted: tuple[int, int] | None) -> None:
    if wanted and got != wanted:
        raise WrongSize(
            f"the network takes pictures of {wanted[0]}x{wanted[1]}, got {got[0]}x{got[1]}"
        )
    if got[0] * got[1] > MAX_PIXELS:
        raise WrongSize(f"a picture has at most {MAX_PIXELS:,} pixels, got {got[0]}x{got[1]}")


class Network:
    """An ONNX network that reads pictures; the same code answers beside the camera and far away.

    path: a network whose one input is [N, 3, H, W] in [0, 1]. threads: of ONNX Runtime.
    Raises FileNotFoundError if there is no file, ValueError if it is no such network.
    """

    def __init__(self, path: str | Path, threads: int = 1):
        import onnxruntime

        if not Path(path).is_file():
            raise FileNotFoundError(f"there is no ONNX file {path}; write it with export_onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 4
        # ONNX Runtime raises plain subclasses of Exception, one for each kind of damage
        try:
            self.session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ValueError(f"{path} is damaged or is not an ONNX file ({error})") from error
        inputs = self.session.get_inputs()
        shape = inputs[0].shape
        if len(inputs) != 1 or len(shape) != 4 or shape[1] != 3:
            raise ValueError(f"{path} takes {shape}, not one batch of pictures [N, 3, H, W]")
        self.input_name = inputs[0].name
        self.output_names = [output.name for output in self.session.get_outputs()]
        fixed = all(isinstance(side, int) for side in shape[2:])
        self.size = tuple(shape[2:]) if fixed else None
        self._one_at_a_time = threading.Lock()

    def read(self, picture: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs for one picture, uint8 [H, W, 3], by name: each [1, ...].

        Raises ValueError if the network cannot compute on a picture of that size.
        """
        X = picture.transpose(2, 0, 1)[None].astype(np.float32) / 255
        try:
            with self._one_at_a_time:
                outputs = self.session.run(None, {self.input_name: X})
        except Exception as error:  # as above, a kind of its own for each reason
            size = "x".join(map(str, picture.shape[:2]))
            raise ValueError(f"the network cannot answer a picture of {size}: {error}") from error
        return dict(zip(self.output_names, outputs, strict=True))

    def answer(self, body: bytes) -> dict[str, np.ndarray]:
        """The outputs for the bytes of a frame. Raises ValueError as `decode_frame` does."""
        return self.read(decode_frame(body, self.size))


def make_app(network: Network):
    """The FastAPI application: POST /predict with a frame as the body; GET /ready."""
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse, Response
    from limits import Inbox, Refusal, Refused  # beside this file; see main
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import ClientDisconnect

    app = FastAPI(title="Thirty Frames", openapi_url=None)
    inbox = Inbox()

    @app.get("/ready")
    def ready() -> dict:
        return {"outputs": network.output_names, "size": network.size}

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        try:
            body = await inbox.read(request)
        except Refused as refused:
            return Refusal(refused)
        except ClientDisconnect:
            return Response()  # nobody is there to read it
        start = time.perf_counter()
        try:
            outputs = await run_in_threadpool(network.answer, body)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=422)
        server_ms = 1e3 * (time.perf_counter() - start)
        answers = {name: value.tolist() for name, value in outputs.items()}
        return JSONResponse({"outputs": answers, "server_ms": server_ms})

    return app


def main(arguments: list[str]) -> int:
    """Serve until stdin closes; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    options = parser.parse_args(arguments)
    sys.path.append(str(Path(__file__).parent))  # last, so that nothing is shadowed
    import uvicorn
    from limits import HeadInTime

    try:
        network = Network(options.network, options.threads)
    except (OSError, ValueError) as error:
        say({"error": str(error)})
        return 1
    listener = listen_on_a_free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(network),
            http=HeadInTime,
            log_level="error",
            timeout_graceful_shutdown=2,
            ssl_certfile=options.certificate,
            ssl_keyfile=options.key,
        )
    )

    def stop_with_the_parent() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=stop_with_the_parent, daemon=True).start()
    say({"port": listener.getsockname()[1]})
    server.run(sockets=[listener])
    return 0


def listen_on_a_free_port() -> socket.socket:
    """A listening socket of 127.0.0.1.

    asyncio switches Nagle's algorithm off only where the protocol is named: without IPPROTO_TCP
    each answer on a kept connection waits some 40 ms for the client's delayed acknowledgement.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def say(message: dict) -> None:
    """One line of JSON to the parent."""
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
