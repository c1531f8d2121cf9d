"""Work that writes something, to be killed, cancelled, or left without room."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import cutaway as ct
from cutaway.core import silent
from cutaway.core.tick import Tick
from cutaway.model.store import partial_folder
from faults import subjects
from faults.formats import fingerprint, result_values, session_values, store_values


@dataclass(frozen=True)
class Work:
    """Something that takes a while and leaves one file or folder.

    Parameters
    ----------
    name : str
    visible : str
        What it leaves in its folder.
    run : callable
        Does it in a folder; gets a tick.
    read : callable
        Values of what is visible; raises if that is broken.
    partial : str
        What may be left of an interrupted one, because the next one goes on from it.
    """

    name: str
    visible: str
    run: Callable[[Path, Tick], Any]
    read: Callable[[Path], Any]
    partial: str = ""

    def problem(self, folder: Path, expected: str) -> str:
        """What is wrong with what an interrupted run left; empty if nothing is."""
        left = {file.name for file in folder.iterdir() if not file.name.startswith(".")}
        if left - {self.visible}:
            return f"{self.name}: also left {sorted(left)}"
        if self.visible in left:
            try:
                found = fingerprint(self.read(folder / self.visible))
            except Exception as error:  # noqa: BLE001 - any error is a broken file
                return f"{self.name}: broken {self.visible}: {error}"
            if found != expected:
                return f"{self.name}: other values in {self.visible}"
        return ""

    def problem_after_next(self, folder: Path, expected: str) -> str:
        """What is wrong after the same work was done again in the folder."""
        target = folder / self.visible
        if target.is_dir() and not self.partial:
            shutil.rmtree(target)  # a session's folder is never overwritten
        try:
            self.run(folder, silent)
        except Exception as error:  # noqa: BLE001 - it must work
            return f"{self.name}: the next run raised {type(error).__name__}: {error}"
        there = sorted(file.name for file in folder.iterdir())
        if there != [self.visible]:
            return f"{self.name}: after the next run there is {there}"
        return self.problem(folder, expected)


def works(*, quick: bool = False) -> list[Work]:
    """All of them; each takes long enough to be hit in its middle.

    Parameters
    ----------
    quick : bool
        Leave out the screen, whose engine is compiled first.
    """
    model = ct.load_model(subjects.small_net(), name="small net")
    data = subjects.pictures(240)
    acts = ct.capture(model, data, ["conv1", "conv2"], pool=4, show=None)
    example = data.batch(np.arange(24)).inputs
    large = ct.project(ct.Activations.from_arrays({"rows": _many_rows()}))
    screen = Work("screen", "screen.zip", _screened(acts), _read_result("screen"))
    return [
        _capture(model, data),
        *(() if quick else (screen,)),
        Work("merge", "merged.safetensors", _merged(model, example), _read_merged(model)),
        Work("result save", "points.zip", _saved(large), _read_result("points")),
        _session_save(large),
        _export(large),
    ]


def _many_rows() -> Any:
    return np.random.default_rng(0).normal(size=(40_000, 4)).astype(np.float32)


def _capture(model: Any, data: Any) -> Work:
    def run(folder: Path, tick: Tick) -> None:
        ct.capture(
            model, data, ["conv1", "fc1"], store=folder / "acts", batch_size=4, tick=tick, show=None
        )

    def read(place: Path) -> Any:
        return store_values(ct.Activations.open(place, verify="full"))

    return Work("capture", "acts", run, read, partial_folder(Path("acts")).name)


def _screened(acts: Any) -> Callable[[Path, Tick], None]:
    def run(folder: Path, tick: Tick) -> None:
        ct.screen_filters(acts, k_max=2, tick=tick).save(folder / "screen.zip")

    return run


def _merged(model: Any, example: Any) -> Callable[[Path, Tick], None]:
    def run(folder: Path, tick: Tick) -> None:
        found = ct.merge_features(model, example, beta=0.4, tick=tick)
        found.save_model(folder / "merged.safetensors")

    return run


def _read_merged(model: Any) -> Callable[[Path], Any]:
    from cutaway.merging import open_merged

    return lambda place: open_merged(model, place).state_dict()


def _saved(result: Any) -> Callable[[Path, Tick], None]:
    def run(folder: Path, tick: Tick) -> None:
        tick(0.0, "saving")
        result.save(folder / "points.zip")

    return run


def _read_result(kind: str) -> Callable[[Path], Any]:
    from cutaway.filters import FilterScreen
    from cutaway.projection import Projection

    found = {"screen": FilterScreen, "points": Projection}[kind]

    def read(place: Path) -> Any:
        values = result_values(found.load(place))
        values[-1].pop("seconds")  # a screen is made anew each time
        return values

    return read


def _session_save(result: Any) -> Work:
    space = ct.Workspace()
    space.results["points"] = result
    space.results["again"] = result
    ids = result.rows.ids[:20_000].tolist()
    space.selection = ct.Selection(ids, of=result.rows.digest, by="scatter")

    def run(folder: Path, tick: Tick) -> None:
        tick(0.0, "saving")
        space.save(folder / "session")

    return Work("session save", "session", run, lambda p: session_values(ct.open_workspace(p)))


def _export(result: Any) -> Work:
    import cutaway_widgets as cw
    from cutaway_widgets.export import export_html

    points = np.asarray(result.points)[:, :2]
    view = cw.Scatter(points, link=cw.Link(result.rows), title="Samples")

    def run(folder: Path, tick: Tick) -> None:
        tick(0.0, "saving")
        export_html(view, folder / "page.html")

    def read(place: Path) -> Any:
        text = place.read_text(encoding="utf-8")
        if not text.endswith("</html>\n"):
            raise ValueError("the page is cut off")
        return text

    return Work("export", "page.html", run, read)


def expected_of(work: Work, folder: Path) -> tuple[str, int]:
    """Fingerprint of what the work leaves when nothing disturbs it, and its largest file."""
    folder.mkdir(parents=True)
    work.run(folder, silent)
    largest = max(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    found = fingerprint(work.read(folder / work.visible))
    shutil.rmtree(folder)
    return found, largest
