"""Three real pretrained models that ship inside PyPI packages.

Each is converted once into the user's cache folder (safetensors, nothing that can run code) and
loaded from there afterwards. The folder is `$CUTAWAY_CACHE`, else `$XDG_CACHE_HOME/cutaway`, else
`~/.cache/cutaway`.
"""

from cutaway_samples.pretrained.cached import cache_folder, convert, load

__all__ = ["cache_folder", "convert", "load"]
