"""``./lab images``: the images of a class on a stick, for rooms in which thirty machines share one line."""

import argparse
from pathlib import Path

from labkit.base import settings
from labkit.cli import progress
from labkit.clusters import commands, images, kind


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``images``."""
    parser.add_argument("action", choices=("list", "save", "load"), help="show, pull and save, or load into kind")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("stick"), help="where the files are (stick)")


def run(arguments: argparse.Namespace) -> int:
    """Do it; what is saved already is not pulled again."""
    paths, steps = settings.Paths(), progress.Progress()
    machine = commands.Machine(paths)
    if arguments.action == "load":
        record = kind.recorded(paths)
        loaded = images.load(machine, arguments.folder, cluster=record.name if record else None, on_step=steps.line)
        more = "" if record else "; again after ./lab up --cluster kind for the rest"
        print(f"\n  {len(loaded)} images loaded{more}.")
        return 0
    listed = images.needed(machine.run(["kind", "version"]).out)
    index = images.read_index(arguments.folder)
    missing = [image for image in listed if not images.is_saved(arguments.folder, image, index)]
    total = sum(image.mb for image in missing)
    for image in listed:
        print(f"  {image.name:<100}{image.mb:>5} MB{'' if image in missing else '  saved'}")
    print(f"\n  {len(missing)} of {len(listed)} images are missing in {arguments.folder}: about {total} MB to pull.")
    print("  In files their layers may take three times that, since an engine may save them uncompressed.")
    if arguments.action == "save":
        images.save(machine, arguments.folder, missing, on_step=steps.line)
        print(f"  On the other machine: ./lab images load {arguments.folder}")
    return 0
