"""The routes of a studio."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from smalti.core.errors import UserError
from smalti.tasks.model_pictures import find_model_picture
from smalti.web.events import stream_jobs
from smalti.web.results import send_archive, send_file
from smalti.web.security import TOKEN_COOKIE, Access, Guard
from smalti.web.sessions import COOKIE, COOKIE_SECONDS, Client
from smalti.web.strings import read_strings
from smalti.web.studio import Studio

STATIC = Path(__file__).parent / "static"
Endpoint = Callable[[Studio, Request, Client], Awaitable[Response]]
STREAM_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def make_app(studio: Studio, access: Access = Access()) -> Starlette:
    """The ASGI application of a studio."""

    @asynccontextmanager
    async def run_queue(app: Starlette) -> AsyncIterator[None]:
        for slot in studio.queue.slots:
            studio.queue.spawn(slot.warm_up())
        yield
        for queue in studio.queues.values():
            queue.close()

    def choose_body_limit(path: str) -> int:
        limits = studio.limits
        uploads = {"/api/uploads": limits.upload_bytes, "/api/archives": limits.archive_bytes}
        return uploads.get(path, limits.body_bytes)

    routes = [
        Route("/", bind(studio, show_shell)),
        Route("/openapi.json", bind(studio, show_openapi)),
        Route("/strings/{language}.json", bind(studio, show_strings)),
        Route("/api/studio", bind(studio, show_studio)),
        Route("/api/models", bind(studio, list_models)),
        Route("/api/models/{name:path}/picture", bind(studio, show_model_picture)),
        Route("/api/forms/{task}", bind(studio, show_form)),
        Route("/api/uploads", bind(studio, add_upload), methods=["POST"]),
        Route("/api/uploads/{id}", bind(studio, show_upload)),
        Route("/api/archives", bind(studio, list_archives)),
        Route("/api/archives", bind(studio, add_archive), methods=["POST"]),
        Route("/api/runs/{name:path}", bind(studio, delete_run), methods=["DELETE"]),
        Route("/api/jobs", bind(studio, list_jobs)),
        Route("/api/jobs", bind(studio, add_job), methods=["POST"]),
        Route("/api/jobs/{id}", bind(studio, show_job)),
        Route("/api/jobs/{id}", bind(studio, delete_job), methods=["DELETE"]),
        Route("/api/jobs/{id}/events", bind(studio, stream_job)),
        Route("/api/jobs/{id}/files.zip", bind(studio, show_archive)),
        Route("/api/jobs/{id}/files/{name:path}", bind(studio, show_file)),
        Route("/api/events", bind(studio, stream_client)),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Starlette(
        routes=routes,
        lifespan=run_queue,
        middleware=[
            Middleware(
                Guard, access=access, limits=studio.limits, choose_body_limit=choose_body_limit
            )
        ],
        exception_handlers={UserError: show_user_error, HTTPException: show_http_error},
    )


def bind(studio: Studio, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint with its studio and client; a new client gets its cookie."""

    async def answer(request: Request) -> Response:
        cookie = request.cookies.get(COOKIE)
        client = studio.sessions.open_client(cookie)
        response = await endpoint(studio, request, client)
        if client.id != cookie:
            response.set_cookie(
                COOKIE, client.id, max_age=COOKIE_SECONDS, httponly=True, samesite="strict"
            )
        return response

    return answer


async def show_user_error(request: Request, error: Exception) -> Response:
    """One line for a client's error."""
    text = str(error)
    status = 404 if text.startswith(("no such", "the result has no file")) else 400
    return JSONResponse({"error": text}, status)


async def show_http_error(request: Request, error: Exception) -> Response:
    """One line for an address or method that is not there."""
    assert isinstance(error, HTTPException)
    line = f"{error.detail}: /openapi.json lists all addresses"
    return JSONResponse({"error": line}, error.status_code, error.headers)


async def show_shell(studio: Studio, request: Request, client: Client) -> Response:
    """The page; an address with the token leads to one without, which histories may keep."""
    if token := request.query_params.get("token"):
        response = RedirectResponse("/", 303)
        response.set_cookie(
            TOKEN_COOKIE, token, max_age=COOKIE_SECONDS, httponly=True, samesite="strict"
        )
        return response
    return Response((STATIC / "index.html").read_bytes(), media_type="text/html")


async def show_openapi(studio: Studio, request: Request, client: Client) -> Response:
    return JSONResponse(await run_in_threadpool(studio.make_openapi))


async def show_strings(studio: Studio, request: Request, client: Client) -> Response:
    return JSONResponse(read_strings(request.path_params["language"]))


async def show_studio(studio: Studio, request: Request, client: Client) -> Response:
    return JSONResponse(studio.describe())


async def list_models(studio: Studio, request: Request, client: Client) -> Response:
    return JSONResponse(await run_in_threadpool(studio.describe_models, studio.find_models(client)))


async def show_model_picture(studio: Studio, request: Request, client: Client) -> Response:
    name = request.path_params["name"]
    model = studio.find_models(client).find_model(name)
    picture = await run_in_threadpool(find_model_picture, model.location)
    if picture is None:
        raise HTTPException(404, "the model has no picture")
    return FileResponse(picture, media_type="image/png", headers={"cache-control": "no-cache"})


async def show_form(studio: Studio, request: Request, client: Client) -> Response:
    model = request.query_params.get("model") or None
    task, models = request.path_params["task"], studio.find_models(client)
    return JSONResponse(await run_in_threadpool(studio.make_form, models, task, model))


async def add_upload(studio: Studio, request: Request, client: Client) -> Response:
    content, name = await request.body(), request.query_params.get("name", "")
    is_picture = request.query_params.get("kind", "picture") == "picture"
    upload = await run_in_threadpool(
        studio.uploads.add, client.id, name, content, is_picture=is_picture
    )
    return JSONResponse(upload.describe(), 201)


async def show_upload(studio: Studio, request: Request, client: Client) -> Response:
    upload = studio.uploads.find(client.id, request.path_params["id"])
    return JSONResponse(upload.describe())


async def list_archives(studio: Studio, request: Request, client: Client) -> Response:
    return JSONResponse([one.describe() for one in studio.archives.list_archives(client.id)])


async def add_archive(studio: Studio, request: Request, client: Client) -> Response:
    name = request.query_params.get("name", "")
    archive = await studio.archives.add(client.id, name, request.stream())
    return JSONResponse(archive.describe(), 201)


async def delete_run(studio: Studio, request: Request, client: Client) -> Response:
    await run_in_threadpool(studio.remove_run, client, request.path_params["name"])
    return JSONResponse({"removed": request.path_params["name"]})


async def list_jobs(studio: Studio, request: Request, client: Client) -> Response:
    return JSONResponse([job.describe() for job in client.jobs.values()])


async def add_job(studio: Studio, request: Request, client: Client) -> Response:
    if "json" not in request.headers.get("content-type", ""):
        raise UserError("the body is not JSON; send it with content-type: application/json")
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise UserError(f"the body is not JSON ({error})") from error
    await run_in_threadpool(studio.prepare, body)
    return JSONResponse(studio.add_job(client, body).describe(), 201)


async def show_job(studio: Studio, request: Request, client: Client) -> Response:
    return JSONResponse(client.find_job(request.path_params["id"]).describe())


async def delete_job(studio: Studio, request: Request, client: Client) -> Response:
    return JSONResponse(studio.delete_job(client, request.path_params["id"]).describe())


async def show_file(studio: Studio, request: Request, client: Client) -> Response:
    job = client.find_job(request.path_params["id"])
    as_download = "download" in request.query_params
    return send_file(job, request.path_params["name"], as_download=as_download)


async def show_archive(studio: Studio, request: Request, client: Client) -> Response:
    job = client.find_job(request.path_params["id"])
    return await run_in_threadpool(send_archive, job)


async def stream_job(studio: Studio, request: Request, client: Client) -> Response:
    job = client.find_job(request.path_params["id"])
    states = stream_jobs(lambda: [job], client.changed, read_last_id(request), lambda: job.is_over)
    return make_stream(studio, client, states)


async def stream_client(studio: Studio, request: Request, client: Client) -> Response:
    states = stream_jobs(client.jobs.values, client.changed, read_last_id(request))
    return make_stream(studio, client, states)


def read_last_id(request: Request) -> int:
    """The last event that a browser knows, which connects again."""
    text = request.headers.get("last-event-id", "")
    return int(text) if text.isdigit() and len(text) < 20 else 0


def make_stream(studio: Studio, client: Client, states: AsyncIterator[str]) -> Response:
    """Answer with a stream of events. UserError if the client has too many open."""
    if client.streams >= studio.limits.streams:
        raise UserError(f"you have {client.streams} streams of events open; close some")

    async def count_stream() -> AsyncIterator[str]:
        client.streams += 1
        try:
            async for text in states:
                yield text
        except asyncio.CancelledError:
            raise
        finally:
            client.streams -= 1

    return StreamingResponse(count_stream(), media_type="text/event-stream", headers=STREAM_HEADERS)
