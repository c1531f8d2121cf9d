"""Markup of people who mean harm, and a listener that counts who was reached by it."""

import contextlib
import json
import socket
import threading
from pathlib import Path

# HERE is where the listener is, NAME the number of the payload.
LEAVING = json.loads(Path(__file__).with_name("hostile.json").read_text(encoding="utf-8"))


def payloads(port):
    """Texts that lead to the listener at this port if any of them is taken for markup."""
    return [
        one.replace("HERE-HOST", f"127.0.0.1:{port}")
        .replace("HERE", f"http://127.0.0.1:{port}")
        .replace("NAME", f"p{i}")
        for i, one in enumerate(LEAVING)
    ]


@contextlib.contextmanager
def listener():
    """A port of this machine, and the list of the first lines of all who connected."""
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(0.2)
        ended = threading.Event()

        def listen():
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    line, _ = door.accept()
                    with line:
                        line.settimeout(1)
                        first = b"nothing asked"
                        with contextlib.suppress(OSError):
                            first = line.recv(200).split(b"\r\n")[0]
                            line.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
                        heard.append(first.decode(errors="replace"))

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield door.getsockname()[1], heard
        finally:
            ended.set()
            thread.join()
