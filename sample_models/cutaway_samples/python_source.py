"""Text that every machine with Python has: the standard library's source and help texts.

The modules are pure Python, are single files at the same place in 3.11, 3.12 and 3.13, and do not
belong to one platform. Their text differs a little between versions of Python, so that a card
names the version it was made with and the digest of the text.
"""

import hashlib
import sysconfig
from functools import lru_cache
from pathlib import Path

# Sorted. Not taken: tests, idlelib, lib2to3, anything that 3.12 or 3.13 removed or moved.
TRAIN_MODULES = (
    "abc",
    "argparse",
    "ast",
    "base64",
    "bdb",
    "bisect",
    "cmd",
    "code",
    "codecs",
    "colorsys",
    "compileall",
    "configparser",
    "contextlib",
    "copy",
    "dataclasses",
    "difflib",
    "dis",
    "doctest",
    "email.message",
    "enum",
    "filecmp",
    "fileinput",
    "fnmatch",
    "functools",
    "gettext",
    "glob",
    "graphlib",
    "gzip",
    "hmac",
    "html.parser",
    "http.client",
    "http.cookies",
    "inspect",
    "io",
    "ipaddress",
    "json.decoder",
    "json.encoder",
    "keyword",
    "linecache",
    "logging.handlers",
    "mailbox",
    "mimetypes",
    "numbers",
    "operator",
    "optparse",
    "pickle",
    "pickletools",
    "pprint",
    "profile",
    "pstats",
    "pyclbr",
    "pydoc",
    "random",
    "reprlib",
    "runpy",
    "sched",
    "selectors",
    "shelve",
    "shutil",
    "smtplib",
    "socketserver",
    "statistics",
    "string",
    "subprocess",
    "symtable",
    "tarfile",
    "tempfile",
    "threading",
    "timeit",
    "tokenize",
    "trace",
    "traceback",
    "types",
    "typing",
    "unittest.case",
    "unittest.mock",
    "urllib.parse",
    "urllib.request",
    "uuid",
    "warnings",
    "wave",
    "weakref",
    "xml.dom.minidom",
    "xml.etree.ElementTree",
)
TEST_MODULES = ("calendar", "csv", "fractions", "heapq", "queue", "shlex", "textwrap")
_TEST_TOPIC = 10  # every tenth help text, by name, is for testing
_PASSAGE = 400  # characters; about the 128 tokens that gpt-python can read
_PASSAGE_LEAST = 160


@lru_cache(maxsize=1)
def documents() -> tuple[tuple[str, str, str], ...]:
    """Every module and help text as (id, split, text), sorted by id.

    Returns
    -------
    tuple of (str, str, str)
        "source-textwrap", "test", the text; help texts of `pydoc` are called "topic-lambda".

    Raises
    ------
    FileNotFoundError
        If this Python comes without the source of a module.
    """
    found = [(f"source-{name}", "train", _source(name)) for name in TRAIN_MODULES]
    found += [(f"source-{name}", "test", _source(name)) for name in TEST_MODULES]
    for number, (name, text) in enumerate(sorted(_topics().items())):
        part = "test" if number % _TEST_TOPIC == 0 else "train"
        found.append((f"topic-{name}", part, text))
    return tuple(sorted(found))


def passages() -> tuple[tuple[str, str, str], ...]:
    """The documents cut at line ends into passages of about 400 characters.

    Returns
    -------
    tuple of (str, str, str)
        ("source-textwrap-0003", "test", text); passages of one document joined give it back.
    """
    return tuple(
        (f"{name}-{number:04d}", part, passage)
        for name, part, text in documents()
        for number, passage in enumerate(cut(text))
    )


def cut(text: str) -> list[str]:
    """Pieces of whole lines: ends at an empty line once long enough, and before it gets too long.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    list of str
        Pieces that joined give `text`; a single line that is too long stays whole.
    """
    pieces, piece = [], ""
    for line in text.splitlines(keepends=True):
        if piece and len(piece) + len(line) > _PASSAGE:
            pieces.append(piece)
            piece = ""
        piece += line
        if not line.strip() and len(piece) >= _PASSAGE_LEAST:
            pieces.append(piece)
            piece = ""
    return [*pieces, piece] if piece else pieces


def corpus_digest() -> str:
    """SHA-256 of all documents with their ids and split; differs between versions of Python."""
    whole = hashlib.sha256()
    for parts in documents():
        for part in parts:
            whole.update(part.encode())
            whole.update(b"\0")
    return whole.hexdigest()


def _source(module: str) -> str:
    """Source of a standard module, without importing it."""
    path = Path(sysconfig.get_path("stdlib"), *module.split(".")).with_suffix(".py")
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileNotFoundError(
            f"source of the standard module {module!r} expected at {path}, got {error.strerror}; "
            "use a Python whose standard library lies in plain files"
        ) from error


def _topics() -> dict[str, str]:
    """Texts of Python's own `help()` by name."""
    try:
        from pydoc_data import topics
    except ModuleNotFoundError as error:
        raise FileNotFoundError(
            "help texts expected in the standard module pydoc_data.topics, got no such module; "
            "use a Python with its full standard library"
        ) from error
    texts: dict[str, str] = topics.topics
    return texts
