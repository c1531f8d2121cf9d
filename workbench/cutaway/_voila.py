"""Voilà behind the doors of JupyterLab: a token, and no strange hosts or origins.

``python -m cutaway._voila NOTEBOOK [--allow-host=NAME …] [options of Voilà]``; `cutaway.serve`
makes that command.

Voilà by itself asks for no token and answers to every name. Then any user of the machine could act
with the owner's rights, and so could any web page: its author lets the page's own name point at
127.0.0.1 (DNS rebinding), and the browser takes this server for a part of that site.
"""

import os
import re
import secrets
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from jupyter_server.base.handlers import JupyterHandler
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import RequestHandler
from voila import app
from voila.static_file_handler import AllowListFileHandler

OPTION = "--allow-host="
EVERY_HOST = "*"
_TOKEN = "JUPYTER_TOKEN"  # noqa: S105 - the name of a variable
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|\[::1\]", re.ASCII)
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s\[\]:/@,]+)(:\d{1,5})?", re.ASCII)


def known_host(host: str, allowed: Sequence[str] = ()) -> bool:
    """Whether a Host header names this machine's loopback or an allowed name; its port is free.

    Parameters
    ----------
    host : str
        The header as it came, e.g. "localhost:8866".
    allowed : sequence of str
        Further names, without port; "*" allows every well-formed one.
    """
    found = _HOST.fullmatch(host.lower())
    if found is None:
        return False
    name = found[1]
    names = {one.lower() for one in allowed}
    return EVERY_HOST in names or name in names or _LOOPBACK.fullmatch(name) is not None


def own_origin(origin: str | None, host: str) -> bool:
    """Whether a request comes from a page of this server itself, or from no page at all.

    Parameters
    ----------
    origin : str or None
        The Origin header; browsers send it with what pages post and with websockets.
    host : str
        The Host header.
    """
    if origin is None:
        return True
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc == host.lower()


class _Stranger(Matcher):
    """Matches requests for another host, or from another site's page."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self.allowed = tuple(allowed)

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Nothing for a request of our own."""
        hosts = request.headers.get_list("Host")
        origins = [
            one
            for name in ("Origin", "Sec-Websocket-Origin")
            for one in request.headers.get_list(name)
        ]
        own = (
            len(hosts) == 1
            and known_host(hosts[0], self.allowed)
            and all(own_origin(one, hosts[0]) for one in origins)
        )
        return None if own else {}


class _Refused(RequestHandler):
    """Answers every method, the opening of a websocket too, with 403 and the reason."""

    def prepare(self) -> None:
        """End the request before anything of it is read."""
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(
            "Host must be this machine (localhost, 127.0.0.1 or [::1]) and Origin this page; "
            "give the other names with cutaway serve --allow-host NAME\n"
        )


class _Files(JupyterHandler, AllowListFileHandler):  # type: ignore[misc]
    """Pictures beside the notebook, for those who have the token only."""


class Voila(app.Voila):  # type: ignore[misc]
    """Voilà with a token whatever a configuration file says; options are known by its name."""

    allowed: Sequence[str] = ()

    def _config_file_paths_default(self) -> list[str]:
        # The working folder may be somebody's data: a voila.py there would be run.
        from jupyter_core.paths import jupyter_config_path

        return list(jupyter_config_path())

    def init_settings(self) -> Any:
        """Settings of the server, with its token."""
        # Not an argument: those are seen by everybody on the machine.
        self.token = os.environ.get(_TOKEN) or secrets.token_hex(16)
        settings = super().init_settings()
        # The browser then gives it to no request that another site's page makes.
        self.identity_provider.cookie_options = {"samesite": "Strict"}
        return settings

    def init_handlers(self) -> list[Any]:
        """Handlers of Voilà, behind the one that refuses strangers."""
        handlers = [
            (one[0], _Files, *one[2:]) if one[1] is AllowListFileHandler else one
            for one in super().init_handlers()
        ]
        return [Rule(_Stranger(self.allowed), _Refused), *handlers]


def main() -> None:
    """Start the server; our options are taken out before Voilà reads the rest."""
    Voila.allowed = [one.removeprefix(OPTION) for one in sys.argv[1:] if one.startswith(OPTION)]
    Voila.launch_instance([one for one in sys.argv[1:] if not one.startswith(OPTION)])


if __name__ == "__main__":
    main()
