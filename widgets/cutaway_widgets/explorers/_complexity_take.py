"""The merged network as files for the reader: weights, and which units went together."""

import json
import tempfile
from pathlib import Path

import ipywidgets

from cutaway.merging import Merge
from cutaway_widgets.actions import Action, Actions
from cutaway_widgets.download import Download
from cutaway_widgets.explorers._complexity_desk import MergeDesk
from cutaway_widgets.explorers._files import plain
from cutaway_widgets.explorers._layout import end, line

_FIRST = "Merge first: then the smaller network can be taken."
_HOW = (
    "Weights as safetensors; open them with cutaway.merging.open_merged(model, path), where model "
    "is the unmerged one. The clusters say which original units each feature holds."
)
_GONE = "This merge comes from a saved session, which holds no weights: move the slider to merge."


class TakeSection:
    """Buttons that offer the merged weights and the clusters as files.

    Parameters
    ----------
    desk : MergeDesk
        Results.
    """

    def __init__(self, desk: MergeDesk) -> None:
        self._desk = desk
        self.actions = Actions(
            [
                Action("model", "Merged model", "Weights as safetensors", primary=True,
                       enabled=False),
                Action("clusters", "Clusters", "Which units went together, as JSON",
                       enabled=False),
            ],
            title="Take", lock=desk.workspace.lock,
        )  # fmt: skip
        self.text = ipywidgets.HTML(line(_FIRST))
        self.download = Download(empty="No file yet: press a button above.", title="File")
        self.box = ipywidgets.VBox([self.text, self.actions, self.download])
        self.actions.on_click("model", self.take_model)
        self.actions.on_click("clusters", self.take_clusters)

    def show(self, merge: Merge) -> None:
        """Another merge: the file of the last one is no longer offered."""
        self.download.clear()
        for name in ("model", "clusters"):
            self.actions.change(name, enabled=True)
        self.text.value = line(f"{merge!r}\n{_HOW}")

    def take_model(self) -> None:
        """Offer the merged weights."""
        merge = self._desk.merge
        if merge is None:
            self.text.value = line(_FIRST)
            return
        try:
            raw = weights(merge)
        except RuntimeError:
            self.text.value = line(_GONE)
            return
        self.download.offer(
            raw, f"{self._name(merge)}.safetensors", mime="application/octet-stream", at_once=True
        )

    def take_clusters(self) -> None:
        """Offer the clusters."""
        merge = self._desk.merge
        if merge is None:
            self.text.value = line(_FIRST)
            return
        self.download.offer(
            clusters(merge), f"{self._name(merge)}-clusters.json", mime="application/json",
            at_once=True,
        )  # fmt: skip

    def close(self) -> None:
        """End the views."""
        end(self.box)

    def _name(self, merge: Merge) -> str:
        return plain(f"{self._desk.model.name}-merged-{merge.rule}-{merge.beta:.3g}")


def weights(merge: Merge) -> bytes:
    """The merged network as a safetensors file.

    Raises
    ------
    RuntimeError
        If the merge holds no module.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "merged.safetensors"
        merge.save_model(path)
        return path.read_bytes()


def clusters(merge: Merge) -> str:
    """Clusters by group as JSON, with what made them."""
    groups = {
        str(name): {
            "size": int(size),
            "left": int(left),
            "features": [[int(unit) for unit in one] for one in merge.clusters[str(name)]],
        }
        for name, size, left in zip(merge.rows.ids, merge.size, merge.left, strict=True)
    }
    about = {"model": merge.origin.model, "weights": merge.origin.weights, "rule": merge.rule,
             "beta": merge.beta}  # fmt: skip
    return json.dumps({**about, "groups": groups}, indent=1)
