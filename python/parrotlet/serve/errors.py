"""Errors as OpenAI's API gives them: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}

_MESSAGES = {
    404: "there is nothing at {path}; see docs/serving.md for what there is",
    405: "{path} does not take {method}",
}


class ApiError(Exception):
    """A request cannot be served; what its sender is told."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`status` is that of HTTP, `param` the field at fault, `code` a name of the fault."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def to_dict(self) -> dict[str, Any]:
        """Return the body of the response."""
        other = "server_error" if self.status >= 500 else "invalid_request_error"
        return {
            "error": {
                "message": self.message,
                "type": _TYPES.get(self.status, other),
                "param": self.param,
                "code": self.code,
            }
        }

    def response(self) -> JSONResponse:
        """Return the response."""
        return JSONResponse(self.to_dict(), self.status, self.headers)


def bad_value(param: str, message: str) -> ApiError:
    """Return the error for a field with a value that cannot be."""
    return ApiError(400, f"{param}: {message}", param=param, code="invalid_value")


async def api_error(request: Request, error: Exception) -> JSONResponse:
    """Answer with an ApiError."""
    assert isinstance(error, ApiError)
    return error.response()


async def http_error(request: Request, error: Exception) -> JSONResponse:
    """Answer with what Starlette raises, as for a path that is not there."""
    assert isinstance(error, HTTPException)
    message = _MESSAGES.get(error.status_code, error.detail)
    message = message.format(path=request.url.path, method=request.method)
    return ApiError(error.status_code, message, headers=error.headers).response()


async def unforeseen(request: Request, error: Exception) -> JSONResponse:
    """Answer with an error of the server itself, which only its log describes."""
    return ApiError(500, "the server failed; its log says why", code="internal_error").response()
