"""The vendor side: Polygon, Yahoo and Binance as servers on this machine, over real bars that came in a package."""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from barhouse.api.compat import FuturesShelf, Shelf, binance, polygon, yahoo
from barhouse.api.compat.frames import FrameShelf
from barhouse.api.faults import Breakable, Faults, Faulty, Script, script
from barhouse.api.sample import sample
from barhouse.errors import SettingsError, SourceUnavailable

_PATIENCE = 10.0
_VENDORS = {"v2": "polygon", "v3": "polygon", "v8": "yahoo", "api": "binance", "fapi": "binance", "futures": "binance"}


def create(
    shelf: FuturesShelf, *, keys: Collection[str] | None = None, most: int = polygon.MOST, faults: Script | None = None
) -> FastAPI:
    """The three vendors over `shelf` at their own paths; `keys` and `most` are Polygon's, as its router has them.

    `GET /vendor-side/calls` says how often each was asked, so that one can see that a second run fetches nothing.
    `faults` befall the answers; `GET /vendor-side/faults` says how often each came, `PUT` takes another script.
    """
    app = FastAPI(title="Barhouse vendor side", openapi_url=None)
    calls: Counter[str] = Counter(dict.fromkeys(_VENDORS.values(), 0))

    def shelves(_: Request) -> Shelf:
        return shelf

    app.include_router(polygon.router(shelves, polygon.keyed(keys), most=most))
    app.include_router(yahoo.router(shelves, forgetful=True))
    app.include_router(binance.router(shelves))
    app.include_router(binance.futures(shelf))

    @app.get("/vendor-side/calls")
    def counted() -> dict[str, int]:
        return dict(calls)

    following = Faults(faults or Script())
    _with_faults(app, following)
    app.add_middleware(Faulty, faults=following, vendor_of=_vendor_of)
    app.add_middleware(_Counting, calls=calls)
    return app


def _with_faults(app: FastAPI, following: Faults) -> None:
    """The endpoints that tell and change the script."""

    @app.get("/vendor-side/faults")
    def told() -> dict[str, int]:
        return dict(following.told)

    @app.put("/vendor-side/faults")
    async def follow(request: Request) -> Response:
        try:
            following.follow(script((await request.body()).decode(errors="replace")))
        except SettingsError as flaw:
            return JSONResponse({"detail": str(flaw)}, 422)
        return Response(status_code=204)


def _vendor_of(path: str) -> str | None:
    """Whose endpoint a path is; None for our own."""
    return _VENDORS.get(path.split("/")[1:2][0]) if path.startswith("/") else None


class _Counting:
    """Counts the calls of each vendor on their way in."""

    def __init__(self, app: ASGIApp, calls: Counter[str]) -> None:
        self._app = app
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        vendor = _vendor_of(scope.get("path", "")) if scope["type"] == "http" else None
        if vendor is not None:
            self._calls[vendor] += 1
        await self._app(scope, receive, send)


@contextmanager
def served(app: FastAPI, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """`app` answering in a thread of this process, as its base URL."""
    with _listening(host, port) as listener:
        server = _server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield _address(listener)
        finally:
            server.should_exit = True
            thread.join(_PATIENCE)


@contextmanager
def running(shelf: Path | None = None, *, faults: str = "") -> Iterator[str]:
    """The vendor side in a child process, as its base URL; it ends with this process, however that ends.

    `shelf` is a folder of Parquet files as `FrameShelf.folder` reads it; left out, the sample is served.
    `faults` is a script as `faults.script` reads it.
    """
    command = [sys.executable, "-m", __name__, "--port", "0", "--until-stdin-closes", "--faults", faults]
    command += ["--shelf", str(shelf)] if shelf else []
    with subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for us, who end it then
    ) as child:
        assert child.stdin and child.stdout  # noqa: S101
        try:
            address = child.stdout.readline().strip()
            if not address:
                raise SourceUnavailable("vendor side", "it ended before it began; its last words are above")
            yield address
        finally:
            child.stdin.close()
            _ended(child)


def _ended(child: subprocess.Popen[str]) -> None:
    try:
        child.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()


def serve(app: FastAPI, host: str, port: int, *, until_stdin_closes: bool = False) -> None:
    """Answer until told to stop; the address is the first line on stdout."""
    with _listening(host, port) as listener:
        server = _server(app)
        if until_stdin_closes:
            threading.Thread(target=_stop_at_end_of_stdin, args=(server,), daemon=True).start()
        sys.stdout.write(f"{_address(listener)}\n")
        sys.stdout.flush()
        server.run(sockets=[listener])


def _stop_at_end_of_stdin(server: uvicorn.Server) -> None:
    """The pipe from the parent closes when the parent ends, killed or not."""
    sys.stdin.buffer.read()
    server.should_exit = True


def _server(app: FastAPI) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http=Breakable,
        date_header=False,  # a vendor's clock is a matter of the script
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket: whoever learns its address can connect at once."""
    with socket.create_server((host, port), backlog=128) as listener:
        yield listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m barhouse.api.vendor_side`."""
    parser = argparse.ArgumentParser(prog="python -m barhouse.api.vendor_side", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--shelf", type=Path, help="a folder <asset class>/<SYMBOL>.<timeframe>.parquet")
    parser.add_argument("--most", type=int, default=polygon.MOST, help="Polygon's greatest limit")
    parser.add_argument("--faults", default="", help="a script of faults: a .toml file, or words (docs/faults.md)")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when whoever started it ends")
    chosen = parser.parse_args(arguments)
    try:
        faults = script(chosen.faults)
    except SettingsError as flaw:
        parser.error(str(flaw))
    shelf = FrameShelf.folder(chosen.shelf) if chosen.shelf else sample()
    app = create(shelf, most=chosen.most, faults=faults)
    serve(app, chosen.host, chosen.port, until_stdin_closes=chosen.until_stdin_closes)


if __name__ == "__main__":
    main()
