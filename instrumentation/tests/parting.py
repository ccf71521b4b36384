"""A service whose clients leave, and whose answers end in every way: `parting:plain`, `:layered`, `:reading`."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, File, Form, HTTPException, Request, UploadFile
from fastapi.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.middleware.base import RequestResponseEndpoint

from order_processor_observability import observe

HERE = Path(__file__).parent

routes = APIRouter()


class Order(BaseModel):
    side: str


class UnreadableError(Exception):
    pass


@routes.post("/upload/body")
async def body(request: Request) -> int:
    return len(await request.body())


@routes.post("/upload/stream")
async def stream(request: Request) -> int:
    return sum([len(part) async for part in request.stream()])


@routes.post("/upload/json")
async def json(request: Request) -> Any:
    return await request.json()


@routes.post("/upload/form")
async def form(request: Request) -> int:
    return len(await request.form())


@routes.post("/upload/model")
async def model(order: Order) -> str:
    return order.side


@routes.post("/upload/fields")
async def fields(side: Annotated[str, Form()]) -> str:
    return side


@routes.post("/upload/file")
async def file(file: UploadFile) -> str | None:
    return file.filename


@routes.post("/upload/bytes")
async def file_bytes(file: Annotated[bytes, File()]) -> int:
    return len(file)


@routes.post("/upload/refused")
async def refused(request: Request) -> int:
    """Makes an answer of whatever goes wrong, as many do."""
    try:
        return len(await request.body())
    except Exception as error:
        raise HTTPException(500, "cannot read") from error


@routes.post("/upload/wrapped")
async def wrapped(request: Request) -> int:
    try:
        return len(await request.body())
    except Exception as error:
        raise UnreadableError from error


@routes.get("/answer/file")
async def sent_file() -> Response:
    return FileResponse(__file__)


@routes.get("/answer/part-of-file")
async def part(request: Request) -> Response:
    request.scope["headers"] = [*request.scope["headers"], (b"range", b"bytes=0-3")]
    return FileResponse(__file__)


@routes.get("/answer/stream")
async def streamed() -> Response:
    return StreamingResponse(_parts(10))


@routes.get("/answer/breaks")
async def breaks() -> Response:
    return StreamingResponse(_parts(10, broken=True))


@routes.get("/answer/breaks-with-length")
async def breaks_with_length() -> Response:
    return StreamingResponse(_parts(10, broken=True), headers={"content-length": "1000"})


async def _parts(count: int, *, broken: bool = False) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"part"
    if broken:
        raise ValueError("broken on purpose")


async def unreadable(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("cannot read", 503)


def plain() -> FastAPI:
    """No middleware of its own."""
    app = FastAPI()
    app.include_router(routes)
    app.mount("/answer/static", StaticFiles(directory=HERE))
    app.add_exception_handler(UnreadableError, unreadable)
    observe(app, service="order-service")
    return app


def layered() -> FastAPI:
    """Behind a middleware that only passes on."""
    app = plain()

    @app.middleware("http")
    async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)

    return app


def reading() -> FastAPI:
    """Behind a middleware that reads the body first, such as to log or to sign it."""
    app = plain()

    @app.middleware("http")
    async def read(request: Request, call_next: RequestResponseEndpoint) -> Response:
        await request.body()
        return await call_next(request)

    return app
