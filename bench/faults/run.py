"""The whole suite: attack everything, print the counts, keep them in bench/results/faults.md.

``python -m faults.run`` takes about a quarter of an hour on two cores; ``--files`` and
``--moments`` make it shorter, and then nothing is kept.
"""

import argparse
import json
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import report
import torch

from faults import cancels, damage, disk, gadgets, kills, markup, threads, works, writers
from faults.formats import all_formats
from faults.watch import MEMORY, SECONDS

FILES, MOMENTS = 2000, 50
_HEADS = (
    "format", "files", "values unchanged", "refused in one line", "other values, said",
    "other values, silently", "raw error", "hangs", "deaths", "code", "requests", "foreign files",
    "memory", "peak, MB",
)  # fmt: skip
_KINDS = (
    *("same", "refused", "said", "changed", "raw", "hang", "died", "code", "requests", "foreign"),
)
_ABOUT = """{files} mutations a format, {moments} moments a work, seed {seed}, {seconds:.0f} s. \
Every file was damaged by a seeded mutation (bits, \
spans, JSON entries, zip members with right checksums, npy headers, declared sizes) or replaced by \
a folder, pipe, device or link, and opened in a child process. An error counts as refused only if \
a line of Cutaway raised it, in one line that names the file and says what to do. Limits: \
{limit:g} s and {most:.0f} MB beyond the process for one file. Results (in sessions, too) and \
stores state digests, so there other values must not pass silently; the other formats state \
none."""


@dataclass
class Line:
    """One line of the table of everything but damaged files."""

    what: str
    count: str
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Plan:
    """All jobs of a run, in the order in which they begin: the longest first."""

    jobs: dict[str, Callable[[Path], Any]]


def planned(place: Path, files: int, moments: int, *, quick: bool, seed: int) -> Plan:
    """Make what is attacked, and say what is to be done.

    Parameters
    ----------
    place : Path
        An empty folder.
    files, moments : int
        Mutations a format; kills, cancels and so on a piece of work.
    quick : bool
        Leave out what takes long to make.
    seed : int
        Of everything that is drawn.
    """
    formats = all_formats(place / "files", quick=quick)
    language = None if quick else place / "files" / "language" / "lm"
    jobs: dict[str, Callable[[Path], Any]] = {}
    slow = ("sessions", "Hugging", "stores, half", "results")
    for form in sorted(formats, key=lambda form: not form.name.startswith(slow)):
        jobs[f"files: {form.name}"] = lambda at, f=form: damage.attack(f, files, at, seed=seed)
    for work in works.works(quick=quick):
        jobs[f"work: {work.name}"] = lambda at, w=work: _disturbed(w, moments, at, seed)
    model = cancels.prepared_model()
    for name, task in cancels.tasks(model, quick=quick).items():
        jobs[f"task: {name}"] = lambda _at, n=name, t=task: _stopped(n, model, t, moments, seed)
    jobs["gadgets"] = lambda at: _line(
        "pickle gadgets opened without trust", gadgets.opened(formats, at, language)
    )
    jobs["markup"] = lambda at: _line(
        f"markup payloads ({len(markup.PAYLOADS)}) through every text of results and pages",
        markup.drawn(at, quick=quick),
    )
    jobs["code"] = lambda _at: _line(
        "hostile origins through code_of", markup.written_as_code(quick=quick)
    )
    jobs["shrinks"] = lambda at: _line(
        "stores cut off while mapped", (moments, writers.shrunk(moments, at, seed=seed))
    )
    if not quick:
        jobs["threads"] = lambda _at: _threads()
    return Plan(jobs)


def _line(what: str, found: tuple[int, list[str]]) -> list[Line]:
    return [Line(what, f"{found[0]:,}", found[1])]


def _disturbed(work: works.Work, moments: int, place: Path, seed: int) -> list[Line]:
    """Kills, full disks and two writers of one piece of work."""
    hits, killed = kills.killed(work, moments, place, seed=seed)
    full, mounted, filled = disk.filled(work, moments, place, seed=seed)
    trials = max(2, moments // 5)
    refused, raced = writers.together(work, trials, place, seed=seed)
    return [
        Line(f"kill -9: {work.name}", f"{moments} ({hits} while at work)", killed),
        Line(
            f"full disk: {work.name}",
            f"{moments} ({full} without room, {mounted} of them on a small disk)", filled,
        ),
        Line(f"two writers: {work.name}", f"{trials} ({refused} told so)", raced),
    ]  # fmt: skip


def _stopped(name: str, model: Any, task: cancels.Task, moments: int, seed: int) -> list[Line]:
    """Cancels and Ctrl-C of one task."""
    cancelled = cancels.cancelled(name, model, task, moments, seed=seed)
    hits, interrupted = cancels.interrupted(name, model, task, moments, seed=seed)
    return [
        Line(f"cancel: {name}", str(moments), cancelled),
        Line(f"Ctrl-C: {name}", f"{moments} ({hits} while at work)", interrupted),
    ]


def _threads() -> list[Line]:
    found = threads.digests()
    n = len(found[1])
    what = f"same digest with {', '.join(map(str, threads.COUNTS))} threads"
    return [Line(what, f"{n} kinds of result", threads.that_differ(found))]


_plan: Plan | None = None


def _do(job: tuple[str, str]) -> tuple[str, Any, float]:
    """One job, in a process that was forked with everything made."""
    name, folder = job
    if _plan is None:
        raise RuntimeError("plan must be made before the processes are, got none")
    place = Path(tempfile.mkdtemp(dir=folder))
    began = time.perf_counter()
    try:
        found = _plan.jobs[name](place / "at")
    except Exception:  # noqa: BLE001 - the other jobs go on
        said = " ".join(traceback.format_exc()[-500:].split())
        found = [Line(f"{name}: the suite failed", "1", [said])]
    shutil.rmtree(place, ignore_errors=True)
    return name, found, time.perf_counter() - began


def run(
    files: int,
    moments: int,
    *,
    quick: bool = False,
    seed: int = 0,
    only: str = "",
    tell: Callable[[str], None] = print,
) -> tuple[list[damage.Counts], list[Line]]:
    """Do everything, on all cores.

    Parameters
    ----------
    files, moments, quick, seed
        See `planned`.
    only : str
        Regular expression of the jobs to do; empty for all.
    tell : callable
        Gets a line when a job is done.
    """
    global _plan  # noqa: PLW0603 - forked processes find in it what cannot be pickled
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        _plan = planned(Path(folder), files, moments, quick=quick, seed=seed)
        names = [name for name in _plan.jobs if re.search(only, name)]
        n_cores = len(os.sched_getaffinity(0))
        counts, lines = [], []
        with multiprocessing.get_context("fork").Pool(min(n_cores, 8)) as pool:
            todo = [(name, folder) for name in names]
            for name, found, seconds in pool.imap_unordered(_do, todo):
                tell(f"{seconds:6.1f} s  {name}")
                if isinstance(found, damage.Counts):
                    counts.append(found)
                else:
                    lines += found
    order = {name.partition(": ")[2]: place for place, name in enumerate(names)}
    counts.sort(key=lambda one: order[one.name])
    lines.sort(key=lambda one: one.what)
    return counts, lines


def tables(counts: Sequence[damage.Counts], lines: Sequence[Line]) -> tuple[str, str, str]:
    """Damaged files; everything else; and every distinct thing that was wrong, with a case."""
    rows = [
        (
            one.name, one.kinds["files"], *(one.kinds[kind] for kind in _KINDS),
            one.kinds["memory"], f"{one.peak / 1e6:.0f}",
        )
        for one in counts
    ]  # fmt: skip
    total = ["all", *(sum(int(row[k]) for row in rows) for k in range(1, 13))]
    rows.append((*total, f"{max((one.peak for one in counts), default=0) / 1e6:.0f}"))
    others = [(line.what, line.count, len(line.wrong)) for line in lines]
    wrong = [
        (one.name, len(cases), signature, cases[0])
        for one in counts
        for signature, cases in sorted(one.signatures.items(), key=lambda item: -len(item[1]))
    ]
    wrong += [(line.what, len(line.wrong), line.wrong[0], "") for line in lines if line.wrong]
    heads = ("where", "times", "what", "case")
    return (
        report.table(_HEADS, rows),
        report.table(("what", "times", "wrong"), others),
        report.table(heads, wrong) if wrong else "Nothing broke a promise.",
    )


def main() -> int:
    """Run, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=FILES, help="mutations a format")
    parser.add_argument("--moments", type=int, default=MOMENTS, help="kills and so on a work")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="without language models")
    parser.add_argument("--only", default="", help="regular expression of the jobs to do")
    parser.add_argument("--keep", action="store_true", help="write the table of a shorter run, too")
    parser.add_argument("--json", type=Path, help="write the counts there")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    began = time.perf_counter()
    counts, lines = run(
        asked.files, asked.moments, quick=asked.quick, seed=asked.seed, only=asked.only,
        tell=lambda text: print(text, file=sys.stderr, flush=True),
    )  # fmt: skip
    n_wrong = sum(one.wrong for one in counts) + sum(len(line.wrong) for line in lines)
    damaged, others, wrong = tables(counts, lines)
    seconds = time.perf_counter() - began
    about = _ABOUT.format(
        files=asked.files, moments=asked.moments, seed=asked.seed, seconds=seconds,
        limit=SECONDS, most=MEMORY / 1e6,
    )  # fmt: skip
    parts = (about, damaged, others, f"{n_wrong} broken promises.", wrong)
    if asked.json:
        asked.json.write_text(json.dumps(_plain(counts, lines)))
    title = "Damaged and hostile files, kills, full disks, cancels, two writers"
    if asked.keep or (asked.files, asked.moments, asked.quick, asked.only) == (
        *(FILES, MOMENTS, False, ""),
    ):
        report.write("faults", title, *parts)
    else:
        print("\n\n".join((f"# {title}", *parts)))
    return int(n_wrong > 0)


def _plain(counts: Sequence[damage.Counts], lines: Sequence[Line]) -> dict[str, Any]:
    return {
        "files": {
            one.name: {"wrong": one.wrong, "kinds": dict(one.kinds), "signatures": one.signatures}
            for one in counts
        },
        "others": {line.what: {"count": line.count, "wrong": line.wrong} for line in lines},
    }


if __name__ == "__main__":
    sys.exit(main())
