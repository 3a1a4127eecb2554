"""How alike two characters look: the ink that their pictures share, in DejaVu Sans (it comes with matplotlib)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["alike"]

PIXELS = 48


def alike(one: str, other: str) -> float:
    """Ink in common over ink in all, 0 to 1, of two characters drawn over each other; 0 when the font lacks one."""
    if one == other:
        return 1.0
    first, second = _picture(one), _picture(other)
    if first is None or second is None:
        return 0.0
    union = np.maximum(first, second).sum()
    return float(np.minimum(first, second).sum() / union) if union else 0.0


@lru_cache(maxsize=1)
def _font() -> tuple[object, frozenset[int]]:
    import matplotlib
    from fontTools.ttLib import TTFont
    from PIL import ImageFont

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), PIXELS), frozenset(TTFont(path).getBestCmap())


@lru_cache(maxsize=4096)
def _picture(character: str) -> NDArray[np.float32] | None:
    from PIL import Image, ImageDraw

    font, known = _font()
    if ord(character) not in known:
        return None
    canvas = Image.new("L", (2 * PIXELS, 2 * PIXELS))
    ImageDraw.Draw(canvas).text((PIXELS // 2, PIXELS // 4), character, fill=255, font=font)  # type: ignore[arg-type]
    picture: NDArray[np.float32] = np.asarray(canvas, dtype=np.float32) / np.float32(255)
    return picture
