"""The command line: ``cutaway lab | serve | models | sites | screen | project | …``.

Heavy imports wait until a command needs them, so that ``--help`` answers at once.
"""

import argparse
import csv
import re
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cutaway import __version__

Command = Callable[[argparse.Namespace], int]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cutaway", description="Look inside trained neural networks."
    )
    parser.add_argument("--version", action="version", version=f"cutaway {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, run: Command, text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.set_defaults(run=run)
        one.add_argument("--seed", type=int, default=0, help="seed of all chance (default 0)")
        one.add_argument("--out", type=Path, help="file to write the result to")
        return one

    for name, run, port, text in (
        ("serve", _serve, 8866, "serve the dashboard with Voilà on 127.0.0.1"),
        ("lab", _lab, 8888, "open the dashboard's notebook in JupyterLab"),
    ):
        host = add(name, run, text)
        host.add_argument("--port", type=int, default=port, help=f"first port tried ({port})")
        host.add_argument("--no-browser", action="store_true", help="do not open a browser")
        host.add_argument(
            "--allow-host", action="append", default=[], metavar="NAME",
            help="answer to this name too, e.g. of a proxy (default: localhost only); repeatable",
        )  # fmt: skip
        if name == "serve":
            _add_team(host)
    add("models", _models, "list the sample models with their measured accuracy")
    sites = add("sites", _sites, "list where a model's activations can be read")
    screen = add("screen", _screen, "find filters that set a few samples apart")
    project = add("project", _project, "show samples as points: PCA, UMAP or t-SNE")
    attribute = add("attribute", _attribute, "find the places of the input an answer comes from")
    merge = add("merge", _merge, "merge the features of a model that are nearly the same")
    observe = add("observe", _observe, "score the tokens of texts on a feature vector")
    for one in (sites, screen, project, attribute, merge, observe):
        one.add_argument("model", help="sample model, or folder of a Hugging Face model")
        one.add_argument("data", nargs="?", help="sample data, image folder or file of texts")
    for one in (screen, project, attribute, merge, observe):
        one.add_argument("--split", help="split of the data, e.g. train or test")
        one.add_argument("--limit", type=int, help="use this many samples, drawn by a fixed seed")
    for one in (screen, project):
        one.add_argument("--sites", help="glob of sites (default: every convolution)")
        one.add_argument("--max-bytes", default="1GB", help="most memory to keep (default 1GB)")
    project.add_argument("--method", choices=("pca", "umap", "tsne"), default="pca")
    attribute.add_argument("--method", default="integrated_gradients", help="or occlusion, …")
    attribute.add_argument("--target", help="number or name of a class (default: the predicted)")
    merge.add_argument("--beta", type=float, default=0.05, help="threshold, 0 to 1 (default 0.05)")
    merge.add_argument("--rule", default="auto", help="official, exact, ward, … (default auto)")
    merge.add_argument("--save-model", type=Path, help="safetensors file for the smaller model")
    for name, text in (
        ("plus", "words whose logits count for, with commas"),
        ("minus", "words whose logits count against"),
        ("path", "heads and MLPs, e.g. 'L1H0 > M1' (default: the head with the longest vector)"),
        ("positive", "prompt for norms and MLPs; with --negative"),
        ("negative", "prompt of as many tokens as --positive"),
    ):
        observe.add_argument(f"--{name}", help=text)
    observe.add_argument("--norm", default="skip", help="skip, approx, frozen or exact")
    return parser


_TEAM = """\
For a team: a fixed list of models, one folder, a token, and bounds on every kernel. Each visit gets
a kernel of its own, so nobody sees another's state. Nothing is unpickled, and no code is taken from
a browser. Put a proxy with TLS before it where the network is not trusted. A closed or idle page
loses what it did: sessions are kept by saving them.
"""


def _add_team(host: argparse.ArgumentParser) -> None:
    host.add_argument("--page", help="page of ours (dashboard, …) or path of a notebook")
    team = host.add_argument_group("team", _TEAM)
    team.add_argument("--team", action="store_true", help="serve a team, with these bounds:")
    team.add_argument("--models", help="names of sample models, with commas (default: all)")
    team.add_argument("--folder", type=Path, help="the only folder to open files of (default: no)")
    team.add_argument("--token", help="secret that visitors give, or auto (default: auto)")
    team.add_argument("--memory", help="of one kernel, 1GB or more (default: 4GB)")
    team.add_argument("--idle", help="end a kernel without messages for so long (default: 20m)")
    team.add_argument("--ip", help="address to listen at, e.g. 0.0.0.0 (default: 127.0.0.1)")


def _serve(arguments: argparse.Namespace) -> int:
    from cutaway import serve

    if arguments.team:
        return _serve_team(arguments)
    for name in ("models", "folder", "token", "memory", "idle", "ip"):
        if getattr(arguments, name) is not None:
            raise ValueError(f"--{name} must come with --team, got it alone; add --team")
    page = serve.page(arguments.page or "dashboard")
    port = _free_port(arguments.port, serve.ADDRESS)
    print("cutaway: starting Voilà (Ctrl-C stops it)", flush=True)
    command = serve.voila_command(page, port, hosts=_hosts(arguments))
    token = secrets.token_hex(16)
    url = f"http://{serve.ADDRESS}:{port}/?token={token}"
    return serve.run_host(command, url, _say_ready, token=token)


def _serve_team(arguments: argparse.Namespace) -> int:
    import cutaway_samples
    from cutaway import serve, team

    ip = arguments.ip or serve.ADDRESS
    names = arguments.models or ",".join(cutaway_samples.names())
    token = arguments.token or "auto"
    offer = team.Team(
        models=tuple(one.strip() for one in names.split(",") if one.strip()),
        folder=arguments.folder,
        token=secrets.token_hex(16) if token == "auto" else token,  # noqa: S105 - the word auto
        memory=team.bytes_of(arguments.memory or "4GB"),
        idle=team.seconds_of(arguments.idle or "20m"),
        hosts=_hosts(arguments),
    )
    notebook = serve.page(arguments.page or team.usual_page())
    port = _free_port(arguments.port, ip)
    with team.page_folder(notebook, offer.models) as page:
        print("cutaway: starting Voilà for a team (Ctrl-C stops it)", flush=True)
        command = offer.command(page, port, ip)
        url = f"http://{ip}:{port}/?token={offer.token}"
        return serve.run_host(command, url, _say_ready, environment=offer.environment())


def _hosts(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Names of --allow-host, checked: one with a port or a path would never match a request."""
    for name in arguments.allow_host:
        if not re.fullmatch(r"[\w.-]+|\[[0-9A-Fa-f:.]+\]", name, re.ASCII):
            raise ValueError(
                f"--allow-host must be a name or address without port, got {name!r}; "
                "give e.g. pages.example.org"
            )
    return tuple(arguments.allow_host)


def _free_port(first: int, address: str) -> int:
    from cutaway import serve

    port = serve.free_port(first, address)
    if port != first:
        print(f"cutaway: port {first} is taken, using {port}", flush=True)
    return port


def _lab(arguments: argparse.Namespace) -> int:
    from cutaway import serve

    port = serve.free_port(arguments.port)
    folder = serve.own_notebooks(Path("cutaway-notebooks").resolve())
    print(f"cutaway: starting JupyterLab in {folder.name} (Ctrl-C stops it)", flush=True)
    command = serve.lab_command(
        folder, "dashboard.ipynb", port, browser=not arguments.no_browser, hosts=_hosts(arguments)
    )
    token = secrets.token_hex(16)
    url = f"http://{serve.ADDRESS}:{port}/lab/tree/dashboard.ipynb?token={token}"
    return serve.run_host(command, url, _say_ready, token=token)


def _say_ready(url: str) -> None:
    print(f"cutaway: the dashboard is at {url}", flush=True)


def _models(arguments: argparse.Namespace) -> int:
    import cutaway_samples

    rows = []
    for name in cutaway_samples.names():
        card = cutaway_samples.card(name)
        rows.append({"name": name, **{key: card.get(key, "") for key in _CARD_KEYS}})
    _print_table([{key: _short(value) for key, value in row.items()} for row in rows])
    if arguments.out:
        _write_csv(rows, arguments.out)
    return 0


_CARD_KEYS = ("title", "parameters", "train_accuracy", "test_accuracy")


def _short(value: object) -> str:
    """Accuracies as percentages, counts with separators."""
    if isinstance(value, float):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _sites(arguments: argparse.Namespace) -> int:
    import cutaway as ct

    model = ct.load_model(arguments.model)
    data = ct.load_data(arguments.data, limit=1) if arguments.data else None
    frame = ct.sites(model, data).to_frame()
    print(frame.to_string())
    if arguments.out:
        from cutaway.core import _csv, _io

        with _io.whole_file(arguments.out) as temporary:
            temporary.write_text(_csv.frame_csv(frame), encoding="utf-8", newline="")
    return 0


def _screen(arguments: argparse.Namespace) -> int:
    import cutaway as ct
    from cutaway.core import part

    with _progress("screen") as tick:
        acts = _captured(arguments, part(tick, 0.0, 0.3))
        screen = ct.screen_filters(acts, seed=arguments.seed, tick=part(tick, 0.3, 1.0))
    print(screen.filters.head(10).to_string(index=False))
    print(screen.samples.head(10).to_string(index=False))
    return _saved(screen, arguments)


def _project(arguments: argparse.Namespace) -> int:
    import cutaway as ct
    from cutaway.core import part

    with _progress("project") as tick:
        acts = _captured(arguments, part(tick, 0.0, 0.3))
        points = ct.project(
            acts, method=arguments.method, seed=arguments.seed, tick=part(tick, 0.3, 1.0)
        )
    print(repr(points))
    print(points.to_frame().head(10).to_string())
    return _saved(points, arguments)


def _attribute(arguments: argparse.Namespace) -> int:
    import cutaway as ct

    model, data = _opened(arguments)
    target = arguments.target
    with _progress("attribute") as tick:
        found = ct.attribute(
            model, data, method=arguments.method,
            target=int(target) if target is not None and target.isdecimal() else target, tick=tick,
        )  # fmt: skip
    print(repr(found))
    print(found.to_frame().head(10).to_string())
    return _saved(found, arguments)


def _merge(arguments: argparse.Namespace) -> int:
    import cutaway as ct

    model, data = _opened(arguments)
    with _progress("merge") as tick:
        found = ct.merge_on(model, data, beta=arguments.beta, rule=arguments.rule, tick=tick)
    print(repr(found))
    print(found.to_frame().to_string())
    for name, line in found.why().items():
        print(f"{name}: {line}")
    if arguments.save_model:
        found.save_model(arguments.save_model)
        print(f"cutaway: saved {arguments.save_model}")
    return _saved(found, arguments)


def _observe(arguments: argparse.Namespace) -> int:
    import cutaway as ct

    model, data = _opened(arguments)
    names = ("plus", "minus", "path", "positive", "negative", "norm")
    with _progress("observe") as tick:
        found = ct.observe_texts(
            model, data, **{name: getattr(arguments, name) for name in names}, tick=tick
        )
    print(repr(found))
    for title, frame in (("highest", found.top(8)), ("lowest", found.bottom(8))):
        print(f"{title}:\n{frame.to_string()}")
    return _saved(found, arguments)


def _saved(result: Any, arguments: argparse.Namespace) -> int:
    if arguments.out:
        result.save(arguments.out)
        print(f"cutaway: saved {arguments.out}")
    return 0


def _captured(arguments: argparse.Namespace, tick: Callable[[float, str], None]) -> Any:
    """Activations of the sites that were asked for."""
    import cutaway as ct

    model, data = _opened(arguments)
    tree = ct.sites(model, data)
    if arguments.sites:
        chosen = tree.glob(arguments.sites)
    else:
        chosen = tree.where(lambda site: site.type in {"Conv1d", "Conv2d", "Conv3d"})
        if not len(chosen):
            raise ValueError(
                f"--sites must be given for {model.name}, which has no convolutions, got none; "
                f"`cutaway sites {arguments.model}` lists them"
            )
    return ct.capture(
        model, data, chosen, max_bytes=arguments.max_bytes, pool=8, tick=tick, show=_say
    )


def _opened(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """Model and data that were asked for."""
    import cutaway as ct

    model = ct.load_model(arguments.model)
    source = arguments.data or _own_data(arguments.model)
    return model, ct.load_data(source, split=arguments.split, limit=arguments.limit)


def _own_data(model: str) -> str:
    import cutaway_samples

    if model not in cutaway_samples.names():
        raise ValueError(
            f"data must be given for {model}, got none; name sample data, a folder or a file"
        )
    return str(cutaway_samples.entry(model).dataset)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


class _progress:  # noqa: N801 - reads as a word where it is used
    """A tqdm bar on standard error, as a tick."""

    def __init__(self, title: str) -> None:
        from tqdm import tqdm

        self._bar: Any = tqdm(total=100, desc=title, unit="%", leave=False)

    def __enter__(self) -> Callable[[float, str], None]:
        return self._tick

    def _tick(self, fraction: float, message: str) -> None:
        self._bar.set_postfix_str(message, refresh=False)
        self._bar.update(max(0, round(100 * fraction) - self._bar.n))

    def __exit__(self, *error: object) -> None:
        self._bar.close()


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    heads = list(rows[0])
    cells = [heads, *([str(row[head]) for head in heads] for row in rows)]
    widths = [max(len(line[j]) for line in cells) for j in range(len(heads))]
    for line in cells:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )


def _write_csv(rows: Sequence[dict[str, Any]], path: Path) -> None:
    from cutaway.core import _csv, _io

    with (
        _io.whole_file(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow([_csv.csv_cell(name) for name in rows[0]])
        writer.writerows([_csv.csv_cell(value) for value in row.values()] for row in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors become one line on standard error.

    Returns
    -------
    int
        0 done, 1 the command failed; wrong usage exits with 2.
    """
    chosen = _parser().parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except KeyboardInterrupt:
        print("cutaway: stopped", file=sys.stderr)
        return 1
    except (OSError, ValueError, TypeError, KeyError, ImportError, MemoryError) as error:
        line = " ".join(str(error).split())
        print(f"cutaway: {line}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
