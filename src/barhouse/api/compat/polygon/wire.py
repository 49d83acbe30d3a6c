"""What all of Polygon's endpoints share: refusals, parameters, and the cursor of the next page."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from fastapi import Request


class WireError(Exception):
    """A request that the vendor answers with an error."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


def parameters(request: Request) -> dict[str, str]:
    """The parameters of a request, those that its cursor stands for included."""
    query = dict(request.query_params)
    packed = query.pop("cursor", "")
    try:
        return {**query, **dict(parse_qsl(urlsafe_b64decode(packed + "==").decode()))} if packed else query
    except ValueError:
        raise WireError(400, "The cursor is invalid") from None


def onward(request: Request, path: str, query: Mapping[str, str]) -> str:
    """The address of the next page, `query` packed into its cursor; the key is never in it."""
    packed = urlencode(sorted((name, value) for name, value in query.items() if name != "apiKey"))
    cursor = urlsafe_b64encode(packed.encode()).decode().rstrip("=")
    return str(request.url.replace(path=_once(path), query=f"cursor={cursor}", fragment=""))


def _once(path: str) -> str:
    """A path of ours with our prefix in it once.

    The vendor's client takes the path out of the address of a next page and puts its whole base before it, prefix
    and all, so that it asks for `/compat/polygon/compat/polygon/v2/…`.
    """
    prefix, version, rest = re.split("(/v[23]/)", path, maxsplit=1)
    half = prefix[: len(prefix) // 2]
    return (half if half * 2 == prefix else prefix) + version + rest


def limit(query: Mapping[str, str], default: int) -> int:
    """How much is asked for at most."""
    text = query.get("limit", str(default))
    if not text.isdecimal() or len(text) > 18 or int(text) == 0:
        raise WireError(400, "The limit must be a positive number")
    return int(text)
