"""A file for the reader to take through the browser: nothing is written on the server."""

import traitlets

from cutaway_widgets._base import View


class Download(View):
    """Link to a file that code made; texts can be shown and copied.

    Parameters
    ----------
    empty : str
        What to say while there is no file.
    title, caption
        See `View`.
    """

    _kind = traitlets.Unicode("download").tag(sync=True)
    _data = traitlets.CBytes(b"").tag(sync=True)
    _made = traitlets.Int(0).tag(sync=True)
    file = traitlets.Unicode("").tag(sync=True)
    mime = traitlets.Unicode("").tag(sync=True)
    show = traitlets.Bool(False).tag(sync=True)
    at_once = traitlets.Bool(False).tag(sync=True)
    empty = traitlets.Unicode("").tag(sync=True)

    def __init__(self, *, empty: str = "", title: str = "", caption: str = "") -> None:
        super().__init__(title=title, caption=caption, height=60)
        self.empty = empty

    @property
    def data(self) -> bytes:
        """The file's bytes; empty while there is none."""
        return bytes(self._data)

    def offer(
        self, data: str | bytes, file: str, *, mime: str, show: bool = False, at_once: bool = False
    ) -> None:
        """Offer a file.

        Parameters
        ----------
        data : str or bytes
            What is in it; texts as UTF-8.
        file : str
            Its name.
        mime : str
            Its kind, e.g. "text/csv".
        show : bool
            Show it as text, with a button that copies it.
        at_once : bool
            Begin the download where the browser allows that; the link stays.
        """
        raw = data.encode() if isinstance(data, str) else data
        self._put(
            {
                "_data": raw, "file": file, "mime": mime, "show": show, "at_once": at_once,
                "_made": self._made + 1,
            }
        )  # fmt: skip

    def clear(self) -> None:
        """Offer nothing."""
        self._put({"_data": b"", "file": "", "_made": self._made + 1})

    def _summary(self) -> str:
        return str(self.file or "no file")
