"""The server of `lmf-sr view` on 127.0.0.1: one page, and the data that the page requests.

    /TOKEN/                  the page, complete in itself
    /TOKEN/about             pictures and models, as JSON
    /TOKEN/picture           the size of a picture, and whether it has a reference
    /TOKEN/lr                the picture itself, as PNG
    /TOKEN/view              the pixels of a place, as PNG
    /TOKEN/state             a state for the shader (`textures.py`): halves, with a description in the header X-State
    /TOKEN/timed             the milliseconds that a place takes in full and by CMSR
    /TOKEN/save              a place or the whole picture, as a file
    /TOKEN/open (POST)       takes a picture that was dropped on the page

A request without the token gets 404, whatever its path. So does a request that calls the server by another name, because a
page from elsewhere could make its own name lead here (DNS rebinding). No path leads to a file.
"""

import asyncio
import io
import json
import math
import secrets
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from lmf_sr.errors import InputError
from lmf_sr.rendering.tiling import Window
from lmf_sr.viewer.page import page
from lmf_sr.viewer.pictures import LARGEST_FILE, Place, Studio
from lmf_sr.viewer.work import ReplacedError, Worker

HOST = "127.0.0.1"
AT_ONCE = 64  # connections
LONGEST_PATH = 2048  # characters, with the query
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Connection(H11Protocol):
    """A connection. Where there are more than `AT_ONCE`, the oldest idle one is closed, so that idle clients cannot keep the
    page out."""

    began: float

    @property
    def is_silent(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.began = self.loop.time()
        if len(self.connections) > AT_ONCE:
            silent = [other for other in self.connections if isinstance(other, Connection) and other.is_silent]
            oldest = min(silent, key=lambda other: other.began)
            self.connections.discard(oldest)
            oldest.transport.abort()


class Guard:
    """Passes on requests that name the token and the server, and adds the headers that keep other pages out."""

    def __init__(self, app: ASGIApp, token: str, hosts: frozenset[str]) -> None:
        self.app, self.token, self.hosts = app, token, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        answer: ASGIApp = self.app
        path, _, rest = scope["path"].removeprefix("/").partition("/")
        known = secrets.compare_digest(path.encode("utf-8", "replace"), self.token.encode())
        if not known or Headers(scope=scope).get("host", "") not in self.hosts:
            answer = PlainTextResponse("Not found", 404)
        elif len(scope["path"]) + len(scope["query_string"]) > LONGEST_PATH:
            answer = PlainTextResponse("Too long", 414)

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    *((key.lower().encode(), value.encode()) for key, value in HEADERS.items()),
                ]
            await send(message)

        await answer({**scope, "path": f"/{rest}"} if known else scope, receive, with_headers)


class Desk:
    """Answers requests from a studio."""

    def __init__(self, studio: Studio, worker: Worker) -> None:
        self.studio, self.worker = studio, worker

    def routes(self) -> list[Route]:
        return [
            Route("/", self.page),
            Route("/about", self.about),
            Route("/picture", self.picture),
            Route("/lr", self.lr),
            Route("/view", self.view),
            Route("/state", self.state),
            Route("/timed", self.timed),
            Route("/save", self.save),
            Route("/open", self.open, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        return HTMLResponse(page("lmf-sr view", {"kind": "server"}))

    async def about(self, request: Request) -> Response:
        return JSONResponse(await self._ask(request, self.studio.about))

    async def lr(self, request: Request) -> Response:
        q = Query(request)
        most = q.whole("largest", 1, 2**14)
        return await self._png(request, partial(self.studio.lr, q.text("picture"), most))

    async def view(self, request: Request) -> Response:
        q = Query(request)
        return await self._png(
            request, partial(self.studio.view, q.text("picture"), q.text("layer"), q.place(), q.threshold())
        )

    async def state(self, request: Request) -> Response:
        q = Query(request)
        name, number, scale = q.text("picture"), q.whole("model", 0, 99), q.scale()

        def state() -> tuple[dict[str, Any], bytes]:
            h, w = self.studio.picture(name).size
            top, left = q.whole("top", 0, h - 1), q.whole("left", 0, w - 1)
            window = Window(top, top + q.whole("height", 1, h - top), left, left + q.whole("width", 1, w - left))
            return self.studio.state(name, number, window, scale)

        about, content = await self._ask(request, state)
        return Response(content, headers={"X-State": json.dumps(about)}, media_type="application/octet-stream")

    async def timed(self, request: Request) -> Response:
        q = Query(request)
        threshold = q.threshold()
        if threshold is None:
            raise InputError("threshold is missing: give an MSE, as 2e-5")
        call = partial(self.studio.timed, q.text("picture"), q.whole("model", 0, 99), q.place(), threshold)
        return JSONResponse(await self._ask(request, call))

    async def save(self, request: Request) -> Response:
        q = Query(request)
        height, width = q.whole("height", 1, 2**20), q.whole("width", 1, 2**20)
        place = q.place("view_height", "view_width") if "scale" in request.query_params else None
        picture, layer, threshold = q.text("picture"), q.text("layer"), q.threshold()

        def saved() -> tuple[Path, str]:
            path = self.studio.save(picture, layer, place, height, width, threshold)
            return path, f"{PurePath(self.studio.picture(picture).name).stem}_{width}x{height}.png"

        path, name = await self._ask(request, saved, unclaimed=lambda made: made[0].unlink())
        return FileResponse(path, filename=name, background=BackgroundTask(path.unlink))

    async def open(self, request: Request) -> Response:
        content = await _body(request, LARGEST_FILE)
        name = PurePath(Query(request).text("name").replace("\\", "/")).name or "picture"
        add = partial(self.studio.add, Path(name), content)
        return JSONResponse(await self._ask(request, lambda: self.studio.about_picture(add())))

    async def picture(self, request: Request) -> Response:
        name = Query(request).text("picture")
        return JSONResponse(await self._ask(request, partial(self.studio.about_picture, name)))

    async def _png(self, request: Request, compute: Callable[[], np.ndarray]) -> Response:
        def encoded() -> bytes:
            file = io.BytesIO()
            Image.fromarray(compute()).save(file, "PNG", compress_level=1)
            return file.getvalue()

        return Response(await self._ask(request, encoded), media_type="image/png")

    async def _ask(
        self, request: Request, compute: Callable[[], Any], unclaimed: Callable[[Any], None] = lambda result: None
    ) -> Any:
        """Has the worker compute, and gives the result.

        A later request with the same `job` in its query replaces one that waits, and a request whose page has gone is
        cancelled. Both raise ReplacedError; a result that comes too late is handed to `unclaimed`.
        """
        job = request.query_params.get("job", "")[:100] or secrets.token_hex(8)
        future = self.worker.submit(job, compute)
        result = asyncio.wrap_future(future)
        while not result.done():
            await asyncio.wait([result], timeout=0.25)
            if not result.done() and request.method == "GET" and await request.is_disconnected():
                if not future.cancel():
                    future.add_done_callback(lambda done: None if done.exception() else unclaimed(done.result()))
                raise ReplacedError
        return result.result()


class Query:
    """The checked query of a request. Raises InputError for a value that is missing or makes no sense."""

    def __init__(self, request: Request) -> None:
        self._values = request.query_params

    def text(self, key: str) -> str:
        value = self._values.get(key)
        if value is None:
            raise InputError(f"{key} is missing")
        return value

    def number(self, key: str, least: float, most: float) -> float:
        text = self.text(key)
        try:
            value = float(text)
        except ValueError:
            raise InputError(f"{key} is {text[:40]!r}, which is no number") from None
        if not (math.isfinite(value) and least <= value <= most):
            raise InputError(f"{key} is {value:g}, not {least:g} to {most:g}")
        return value

    def whole(self, key: str, least: int, most: int) -> int:
        value = self.number(key, least, most)
        if value != int(value):
            raise InputError(f"{key} is {value:g}, not a whole number")
        return int(value)

    def scale(self) -> float:
        return self.number("scale", 1 / 64, 2**24)

    def threshold(self) -> float | None:
        return self.number("threshold", 0, 1e9) if "threshold" in self._values else None

    def place(self, height: str = "height", width: str = "width") -> Place:
        sides = self.whole(height, 1, 2**20), self.whole(width, 1, 2**20)
        top, left = (self.number(key, -2, 2**20) for key in ("top", "left"))
        return Place(top, left, self.scale(), *sides)


async def _body(request: Request, most: int) -> bytes:
    """The body of a request. Raises InputError as soon as it exceeds `most` bytes."""
    sentence = f"the picture is larger than the {most // 2**20} MiB that a page may send: name it on the command line"
    if not 0 <= int(request.headers.get("content-length", "0") or 0) <= most:
        raise InputError(sentence)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise InputError(sentence)
        parts.append(part)
    return b"".join(parts)


def _refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


def _replaced(request: Request, error: Exception) -> Response:
    return Response(status_code=204)  # the page has made a later request


def application(studio: Studio, worker: Worker, token: str, hosts: frozenset[str]) -> ASGIApp:
    """The server as an ASGI application.

    Args:
        token: the first part of every path.
        hosts: the names by which a request may call the server, with the port.
    """
    handlers: Any = {InputError: _refused, ReplacedError: _replaced}
    return Guard(Starlette(routes=Desk(studio, worker).routes(), exception_handlers=handlers), token, hosts)


class Server:
    """A server that listens on the port given, or else on a free one.

    Raises InputError for a port that is taken or forbidden.
    """

    def __init__(self, studio: Studio, port: int = 0) -> None:
        self._socket = socket.socket()
        try:
            self._socket.bind((HOST, port))
            self._socket.listen()  # a browser that opens the address at once then waits, and is not refused
        except OSError as error:
            self._socket.close()
            raise InputError(f"cannot listen on {HOST}:{port}: {error.strerror}; leave --port out") from error
        self.token = secrets.token_urlsafe(16)
        self.port: int = self._socket.getsockname()[1]
        self.worker = Worker()
        hosts = frozenset(f"{host}:{self.port}" for host in (HOST, "localhost"))
        app = application(studio, self.worker, self.token, hosts)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="critical",
                access_log=False,
                ws="none",
                lifespan="off",
                http=Connection,
                timeout_graceful_shutdown=1,
                server_header=False,
            )
        )

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}/{self.token}/"

    @property
    def is_running(self) -> bool:
        """Whether the server answers requests."""
        return self._server.started

    def run(self) -> None:
        """Serves until it is interrupted or `stop` is called."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self.worker.close()

    def stop(self) -> None:
        self._server.should_exit = True
