"""``voiceattack export``: a run as a corpus of adversarial speech."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceattack.cli.console import QuietOption, RunArgument, progress, say, tell_writer, warn
from voiceattack.progress import showing

__all__ = ["export"]


def export(
    run: RunArgument,
    out: Annotated[Path, typer.Option("--out", help="New folder for the corpus.")],
    format_: Annotated[str, typer.Option("--format", help="nemo, hf, parquet, lhotse, kaldi or webdataset.")] = "hf",
    fooled: Annotated[bool, typer.Option("--fooled", help="Verified successes only.")] = False,
    transfers: Annotated[bool, typer.Option("--transfers", help="Only what also fooled a victim it was not made for.")] = False,
    max_masking_excess_db: Annotated[float | None, typer.Option(help="Leave out what stands further above the masking.")] = None,
    license_: Annotated[
        str | None, typer.Option("--license", help="Licence of the source recordings.", show_default="unknown")
    ] = None,
    splits: Annotated[
        str | None, typer.Option(help="Names and shares.", show_default="train=0.8,validation=0.1,test=0.1")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would hold; write nothing.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Write the artefacts of RUN as a corpus, with what was said, what was heard, recipes, digests, and a datasheet.

    Everything made from one recording is in one split. Controls and stages are left out.
    """
    from voiceattack.export import EXPORTS, survey
    from voiceattack.export import export as write
    from voiceattack.export.base import DEFAULT_SPLITS, UNKNOWN_LICENSE, Selection, parse_splits
    from voiceattack.runs.run import Run

    shares = parse_splits(splits) if splits else DEFAULT_SPLITS
    selection = Selection(fooled, transfers, max_masking_excess_db, license_ or UNKNOWN_LICENSE, shares)
    opened = Run.open(run)
    tell_writer(run)
    EXPORTS.entry(format_)
    with progress("exporting", quiet=quiet) as on_progress, showing(on_progress):
        tally = survey(opened, selection) if dry_run else write(opened, format_, out, selection)
    for reason, count in tally.skipped.most_common():
        (warn if reason.startswith(("unreadable", "the file")) else lambda text: say(text, quiet=quiet))(
            f"left out: {count} {reason}"
        )
    splits_held = ", ".join(f"{name} {count}" for name, count in sorted(tally.splits.items()))
    held = f"{tally.items} clips, {tally.seconds / 60:.1f} min ({splits_held or 'no splits'})"
    say(f"would write {held}; nothing was written" if dry_run else f"written: {out}: {held}", quiet=quiet)
