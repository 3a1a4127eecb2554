"""Make ``docs/report.png``, the first screen of a report, again.

    voiceattack demo --out demo
    python scripts/picture_report.py [demo/pgd]

Needs Chromium (``apt-get install chromium``).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from voiceattack.report import ALONE
from voiceattack.runs import Run

__all__ = ["main"]

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "report.png"
SIZE = (1200, 740)
COLOURS = 128  # a page has few; so many make a third of the bytes


def main() -> None:
    """Write the report of a run to a temporary folder, open it in a browser without a window, keep its first screen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path, default=Path("demo/pgd"), help="run directory (default: demo/pgd)")
    arguments = parser.parse_args()
    browser = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if browser is None:
        raise SystemExit("no Chromium here; apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder) / "report.html", Path(folder) / "report.png"
        ALONE.get("html")(Run.open(arguments.run), page)
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        size = f"--window-size={SIZE[0]},{SIZE[1]}"
        subprocess.run(
            [browser, *options, size, f"--screenshot={shot}", page.as_uri()],
            check=True,
            timeout=120,
            cwd=folder,
            stderr=subprocess.DEVNULL,
        )
        with Image.open(shot) as picture:
            picture.convert("RGB").quantize(COLOURS).save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
