"""A visitor of a team's page, as a browser is one: HTTP, cookies, and the kernel's websocket."""

import http.cookiejar
import json
import re
import time
import urllib.error
import urllib.request
import uuid

import websocket

NOTEBOOK = """
import os
import ipywidgets
import torch
import cutaway as ct
from cutaway.policy import current_policy

ws = ct.Workspace()
policy = current_policy()


def keep(word):
    ws.selection = ct.Selection((word,))
    return word


tools = {
    "allocate": lambda n: len(bytearray(int(float(n)))),
    "tensor": lambda n: torch.zeros(int(float(n)), dtype=torch.uint8).sum().item(),
    "variables": lambda word: sorted(k for k, v in os.environ.items() if word in v),
    "open": lambda name: policy.open(name).name,
    "data": lambda name: len(policy.open_data(name)),
    "bytes": lambda _: policy.max_bytes,
    "keep": keep,
    "kept": lambda _: ws.selection and ws.selection.ids[0],
}


def reply(change):
    _, word, rest = change["new"].split(" ", 2)
    try:
        answer.value = f"{change['new'].split()[0]} {tools[word](rest)}"
    except Exception as error:
        answer.value = f"{change['new'].split()[0]} {type(error).__name__}: {error}"


ask, answer = ipywidgets.Text(), ipywidgets.Text()
ask.observe(reply, "value")
"""


def write_page(path):
    """A notebook that answers questions of a visitor through two widgets."""
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "execution_count": None,
         "outputs": [], "source": source}
        for i, source in enumerate((NOTEBOOK, "ask", "answer"))
    ]  # fmt: skip
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook))


class Visitor:
    """One person with cookies of their own."""

    def __init__(self, address, token=""):
        self.address = address
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))
        self.token = token
        self.count = 0

    def get(self, path="/", **query):
        """Status, final address and text of an answer."""
        asked = "&".join(f"{k}={v}" for k, v in query.items())
        try:
            with self.opener.open(f"http://{self.address}{path}?{asked}", timeout=120) as answer:
                return answer.status, answer.url, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.url, ""

    def visit(self):
        """Open the page; its kernel and its two widgets are known then."""
        status, _, page = self.get("/", token=self.token)
        assert status == 200
        self.page = page
        self.kernel = re.search(r'"kernelId": "([^"]+)"', page)[1]
        self.ask_id, self.answer_id = re.findall(r'"model_id": ?"(\w+)"', page)[:2]
        self.socket = self.connect(self.kernel)
        return self

    def connect(self, kernel, **options):
        """Websocket to a kernel, with this person's cookies."""
        cookie = "; ".join(f"{one.name}={one.value}" for one in self.cookies)
        return websocket.create_connection(
            f"ws://{self.address}/api/kernels/{kernel}/channels?session_id={uuid.uuid4()}",
            cookie=cookie, timeout=60, origin=f"http://{self.address}", **options,
        )  # fmt: skip

    def send(self, kind, content, channel="shell"):
        header = {
            "msg_id": uuid.uuid4().hex, "msg_type": kind, "username": "", "session": "s",
            "date": "2026-01-01T00:00:00Z", "version": "5.3",
        }  # fmt: skip
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        self.socket.send(json.dumps(message | {"channel": channel, "buffers": []}))
        return header["msg_id"]

    def say(self, word, rest="-"):
        """Ask the page something through its widget; the answer, and all messages until then."""
        self.count += 1
        text = f"{uuid.uuid4().hex[:6]} {word} {rest}"
        state = {"method": "update", "state": {"value": text}, "buffer_paths": []}
        self.send("comm_msg", {"comm_id": self.ask_id, "data": state})
        heard, until = [], time.monotonic() + 60
        while time.monotonic() < until:
            raw = self.socket.recv()
            message = json.loads(raw) if isinstance(raw, str) and raw else {}
            heard.append(message)
            content = message.get("content", {})
            if content.get("comm_id") == self.answer_id:
                value = content["data"].get("state", {}).get("value", "")
                if value.startswith(text[:6]):
                    return value.split(" ", 1)[1], heard
        raise TimeoutError(text)
