"""Image folders: one folder a class, or one flat folder without labels."""

from pathlib import Path

from cutaway.core import check
from cutaway.core._io import MAX_PIXELS
from cutaway.data.found import Found
from cutaway.data.pictures import Files, Size, tried

_ENDINGS = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm"}
)
_SPLITS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev"})


def from_folder(
    folder: Path,
    *,
    split: str | None = None,
    size: Size | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Found:
    """Images below a folder; each class has a folder of its own, or there are no folders.

    Parameters
    ----------
    folder : pathlib.Path
        Hidden entries and files that are no images (by their ending) are passed over.
    split : str, optional
        Name of a sub-folder ("train", "test") that holds the class folders.
    size : tuple of int, optional
        Height and width that every picture is brought to.
    max_pixels : int
        The most that a picture may declare; a larger one is skipped.

    Returns
    -------
    Found
        Ids are paths relative to `folder` with forward slashes, sorted; classes are the folder
        names in plain string order, as in torchvision's ``ImageFolder``.

    Raises
    ------
    ValueError
        If the split is unknown or missing, images lie beside class folders, or none is found.
    """
    root = folder if split is None else _split_of(folder, split)
    inner = sorted(one for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))
    flat = _images(root, deep=False)
    if flat and any(_images(one, deep=True) for one in inner):
        raise ValueError(
            f"source must hold images or class folders, got both in {root} "
            f"({len(flat)} images beside {len(inner)} folders); move the images into a class folder"
        )
    if split is None and inner and all(one.name.lower() in _SPLITS for one in inner):
        names = ", ".join(repr(one.name) for one in inner)
        raise ValueError(f"split must be one of {names} for {folder}, got None; choose one")
    if flat:
        paths, labels, classes = flat, None, None
    else:
        of_class = [_images(one, deep=True) for one in inner]
        paths = [path for some in of_class for path in some]
        labels = [place for place, some in enumerate(of_class) for _ in some]
        classes = tuple(one.name for one in inner)
    if not paths:
        raise ValueError(
            f"source must hold images ({', '.join(sorted(_ENDINGS))}), got none below {root}; "
            "check the folder"
        )
    ids = [path.relative_to(folder).as_posix() for path in paths]
    name = folder.resolve().name if split is None else f"{folder.resolve().name}/{split}"
    return Found(
        name,
        ids,
        lambda rows, drawn: tried(Files(paths, max_pixels), rows, drawn, size),
        labels,
        classes,
    )


def _split_of(folder: Path, split: str) -> Path:
    names = sorted(one.name for one in folder.iterdir() if one.is_dir())
    check.one_of("split", split, names or ["None"])
    return folder / split


def _images(folder: Path, *, deep: bool) -> list[Path]:
    """Image files of a folder, and of all below it if `deep`; sorted, without hidden ones."""
    found = folder.rglob("*") if deep else folder.iterdir()
    return sorted(
        one
        for one in found
        if one.suffix.lower() in _ENDINGS
        and not any(part.startswith(".") for part in one.relative_to(folder).parts)
        and not one.is_dir()
    )
