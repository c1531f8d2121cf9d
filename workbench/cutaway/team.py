"""Serve one page to a team: fixed models, one folder, a token, and bounds on every kernel.

Voilà starts a kernel of its own for each visit, so two people never share state. It takes from a
browser only the messages of widgets (``comm_*``), ``kernel_info_request`` and ``shutdown_request``;
a request to execute code is dropped before it reaches a kernel.
"""

import contextlib
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cutaway import policy, serve

MEMORY = "CUTAWAY_KERNEL_MEMORY"  # bytes; the same name is in cutaway_widgets._kernel
KERNEL = "cutaway-team"
LEAST_MEMORY = 10**9  # torch and one screen of a small network took 0.6 GB
_SHARE = 4  # a capture may keep a quarter of a kernel's memory
_SHOWS = {"dashboard": "lenet5-digits"}  # models that a page of ours opens by itself

_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BYTES |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Team:
    """What a team's server offers.

    Parameters
    ----------
    models : tuple of str
        Names of sample models.
    folder : Path or None
        The only folder whose files may be opened; None: none.
    token : str
        What a visitor must present, at least 8 characters.
    memory : int
        Bytes that one kernel may allocate.
    idle : int
        Seconds without a message after which a kernel is ended, page open or not.
    hosts : tuple of str
        Names by which visitors may call the server, besides those of the machine's loopback;
        empty: all names if it listens at another address than that.

    Raises
    ------
    ValueError
        If a model is unknown, the token too short, or a bound out of range.
    FileNotFoundError
        If there is no such folder.
    """

    models: tuple[str, ...]
    folder: Path | None
    token: str
    memory: int = 4 * 10**9
    idle: int = 20 * 60
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check everything before a server starts."""
        rules = policy.Policy(self.models, self.folder)
        object.__setattr__(self, "folder", rules.folder)
        if not re.fullmatch(r"[\w.~-]{8,}", self.token, re.ASCII):
            raise ValueError(
                f"token must be 8 or more letters, digits and . _ ~ -, got {len(self.token)} "
                "characters; use --token auto"
            )
        if self.memory < LEAST_MEMORY:
            raise ValueError(
                f"memory must be {LEAST_MEMORY / 10**9:g}GB or more, got "
                f"{self.memory / 10**9:g}GB; torch needs most of that"
            )
        if not sys.platform.startswith("linux"):
            raise OSError(
                f"a memory limit needs Linux, got {sys.platform}; serve the team from a Linux host"
            )
        if self.idle < 10:
            raise ValueError(f"idle must be 10s or more, got {self.idle}s; give e.g. 20m")

    def environment(self) -> dict[str, str]:
        """Variables of the server, which its kernels inherit."""
        host = serve.host_environment()
        ours = str(serve.widgets_folder() / "jupyter" / "team")
        stated = {
            "JUPYTER_PATH": f"{ours}:{host['JUPYTER_PATH']}",
            # Not an argument: those are seen by everybody on the machine.
            "JUPYTER_TOKEN": self.token,
            MEMORY: str(self.memory),
            policy.MODELS: ",".join(self.models),
            policy.FOLDER: str(self.folder or ""),
            policy.MAX_BYTES: str(self.memory // _SHARE),
            "HF_HUB_OFFLINE": "1",
        }
        return host | stated

    def command(self, page: Path, port: int, ip: str = serve.ADDRESS) -> list[str]:
        """Command that serves `page`, as `page_folder` prepared it."""
        hosts = self.hosts or (() if ip == serve.ADDRESS else ("*",))
        return [
            *serve.voila_command(page, port, ip=ip, tracebacks=False, hosts=hosts),
            # Where server and kernel both can: others on the machine must not read along.
            "--MappingKernelManager.transport_encryption=auto",
            f"--MappingKernelManager.cull_idle_timeout={self.idle}",
            f"--MappingKernelManager.cull_interval={max(1, min(60, self.idle // 4))}",
            "--MappingKernelManager.cull_connected=True",
            # The page is a copy in a folder of its own: there is nothing beside it to show.
            "--VoilaConfiguration.file_allowlist=^$",
            "--VoilaConfiguration.allow_template_override=NO",
            "--VoilaConfiguration.allow_theme_override=NO",
        ]


@contextlib.contextmanager
def page_folder(notebook: Path, models: tuple[str, ...]) -> Iterator[Path]:
    """Copy of a notebook in a folder of its own, to run on our bounded kernel.

    Raises
    ------
    ValueError
        If the page opens a model that is not offered.
    """
    needed = _SHOWS.get(notebook.stem)
    if notebook.parent == serve.notebooks_folder() and needed and needed not in models:
        raise ValueError(
            f"models must hold {needed} for the page {notebook.stem!r}, which opens it, got "
            f"{', '.join(models)}; add it or give another --page"
        )
    content = json.loads(notebook.read_text(encoding="utf-8"))
    content.setdefault("metadata", {})["kernelspec"] = {
        "name": KERNEL, "display_name": "Cutaway, team page", "language": "python",
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="cutaway-") as folder:
        page = Path(folder) / notebook.name
        page.write_text(json.dumps(content), encoding="utf-8")
        yield page


def usual_page() -> str:
    """Name of the page that a team gets unless another is asked for."""
    ours = {one.stem for one in serve.notebooks_folder().glob("*.ipynb")}
    return "workbench" if "workbench" in ours else "dashboard"


def bytes_of(text: str) -> int:
    """Bytes of e.g. "4GB" or "512MiB".

    Raises
    ------
    ValueError
        If it is no such amount.
    """
    return round(_amount("memory", text, _BYTES, "4GB", text.upper()))


def seconds_of(text: str) -> int:
    """Seconds of e.g. "90s", "20m" or "2h".

    Raises
    ------
    ValueError
        If it is no such time.
    """
    return round(_amount("idle", text, _SECONDS, "20m", text.lower()))


def _amount(name: str, text: str, units: dict[str, int], example: str, plain: str) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", plain, re.ASCII)
    if found is None or found[2] not in units:
        raise ValueError(f"{name} must be an amount like {example}, got {text!r}; write it so")
    return float(found[1]) * units[found[2]]
