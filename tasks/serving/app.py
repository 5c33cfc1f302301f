"""The service: what is asked at which address, and what is answered."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
from fastapi import FastAPI, File, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from tasks.records import tracking
from tasks.serving import asked, page
from tasks.serving.asked import WronglyAskedError
from tasks.serving.holder import Holder, Loaded, metadata
from tasks.serving.limits import Guard


@dataclass(frozen=True)
class Limits:
    """What a request may ask: `rows` at once, `bytes` of body, `seconds` of patience; `waiting` requests at a time."""

    rows: int
    bytes: int
    seconds: float
    waiting: int


async def _reason(_: Request, error: Exception) -> JSONResponse:
    """Answer with the reason, in the same shape whatever it is."""
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)
    if isinstance(error, RequestValidationError):
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return JSONResponse({"error": told}, 422)
    return JSONResponse({"error": str(error)}, 400)


REASONS: Any = dict.fromkeys([WronglyAskedError, HTTPException, RequestValidationError], _reason)
AGAIN = {"Retry-After": "1"}


def service(holder: Holder, limits: Limits, token: str | None) -> Guard:
    """Return the application, guarded."""
    app = FastAPI(title=holder.name, version="1", docs_url=None, redoc_url=None, exception_handlers=REASONS)
    _told(app, holder)
    _asked(app, holder, Desk(limits))
    return Guard(app, limits.bytes, token)


def _told(app: FastAPI, holder: Holder) -> None:
    """What it tells of itself."""

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def docs(request: Request) -> str:
        return page.page(holder.current, app.openapi(), str(request.base_url).rstrip("/"))

    @app.get("/ping", summary="The same, as MLflow's clients ask it.")
    @app.get("/health", summary="Somebody is there.")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/version", summary="The version of MLflow, as its clients ask it.")
    async def version() -> str:
        return str(tracking.library().__version__)

    @app.get("/metadata", summary="Which version answers, where it comes from and what it knows.")
    async def about() -> dict[str, Any]:
        return metadata(holder.current)


def _asked(app: FastAPI, holder: Holder, desk: "Desk") -> None:
    """What it is asked."""

    @app.post("/invocations", summary="Answers rows of a table, as MLflow's clients ask.", openapi_extra=_body(holder))
    async def invocations(request: Request) -> dict[str, Any]:
        loaded, body = holder.current, await request.body()
        rows = asked.contents(body, request.headers.get("content-type", ""), loaded.modality)
        return {"predictions": _records(await desk.answered(loaded, rows))}

    @app.post("/predict", summary="Answers uploaded files: pictures, recordings, or texts in UTF-8.")
    async def predict(files: Annotated[list[UploadFile], File()]) -> dict[str, Any]:
        loaded = holder.current
        read = [await file.read() for file in files]
        contents: list[str | bytes] = [*map(_as_text, read)] if loaded.modality == "text" else [*read]
        answered = await desk.answered(loaded, contents)
        answered.insert(0, "name", [file.filename or f"file {number}" for number, file in enumerate(files)])
        return {"version": loaded.version["version"], "predictions": _records(answered)}


class Desk:
    """Lets requests wait for their turn, as many as there may be, and no longer than they may."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._waiting = limits, 0

    async def answered(self, loaded: Loaded, contents: Sequence[str | bytes]) -> pd.DataFrame:
        """Answer in a thread beside; WronglyAskedError for too many rows, 503 where it cannot be done in time."""
        if len(contents) > self._limits.rows:
            raise WronglyAskedError(f"{len(contents):,} rows are asked at once; at most {self._limits.rows:,}")
        if self._waiting >= self._limits.waiting:
            raise HTTPException(503, f"{self._waiting:,} requests wait already; ask again", AGAIN)
        self._waiting += 1
        work = asyncio.get_running_loop().run_in_executor(None, loaded.answer, contents)
        work.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(work), self._limits.seconds)
        except TimeoutError:
            late = f"not answered within {self._limits.seconds:g} s; ask for fewer rows at once"
            raise HTTPException(503, late, AGAIN) from None

    def _done(self, work: "asyncio.Future[pd.DataFrame]") -> None:
        self._waiting -= 1
        if not work.cancelled():
            work.exception()


def _as_text(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise WronglyAskedError("a file is no text in UTF-8") from None


def _records(answers: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a mapping per row; null where a refused row has no answer."""
    rows: list[Any] = answers.astype(object).where(answers.notna(), None).to_dict("records")
    return rows


def _body(holder: Holder) -> dict[str, Any]:
    """Describe the body of /invocations for the OpenAPI document."""
    column = asked.COLUMNS[holder.current.modality]
    cell = "a text" if column == "text" else "the file's bytes in base64"
    example = {"dataframe_records": [{column: cell}]}
    content = {"application/json": {"example": example}, "text/csv": {"example": f"{column}\n{cell}\n"}}
    return {"requestBody": {"required": True, "content": content}}
