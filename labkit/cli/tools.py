"""``./lab tools install``: programs for a real cluster, verified before anything of them runs."""

import argparse
from pathlib import Path

from labkit.base import programs, settings
from labkit.cli import progress
from labkit.clusters import tools, wheels

PACKAGES = "packages"
"""The name of the Python packages in ``save``."""


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``tools``."""
    parser.add_argument("action", choices=("install", "save", "list"), help="fetch, put on a stick, or show")
    every = ", ".join(tools.names())
    parser.add_argument("names", nargs="*", metavar="TOOL", help=f"{every}; save: packages; all of them otherwise")
    parser.add_argument("--from", dest="folder", type=Path, metavar="DIR", help="install: take the files from there")
    parser.add_argument("--to", type=Path, metavar="DIR", help="save: put tools and Python packages there")


def run(arguments: argparse.Namespace) -> int:
    """Do it; a tool that is there in its pinned version is not fetched again."""
    paths, steps = settings.Paths(), progress.Progress()
    names = [name for name in arguments.names if name != PACKAGES]
    chosen = [] if names != arguments.names and not names else tools.chosen(names)
    if arguments.action == "list":
        for tool in chosen:
            place = paths.tools / tool.name if tools.installed(paths, tool) else "not installed"
            print(f"  {tool.name:<12}{tool.version:<10}{place}")
        return 0
    if arguments.action == "save":
        return _save(arguments, chosen, steps)
    for tool in chosen:
        if tools.installed(paths, tool):
            print(f"  ✓ {tool.name} {tool.version} is installed")
            continue
        with steps.step(f"{tool.name} {tool.version}, verified"):
            tools.install(paths, tool, folder=arguments.folder, on_bytes=steps.bytes)
    print(f'\n  They are in {paths.tools}; eval "$(./lab env)" puts them on your PATH.')
    return 0


def _save(arguments: argparse.Namespace, chosen: list[tools.Tool], steps: progress.Progress) -> int:
    """Say the size, then fetch what the folder lacks."""
    folder = arguments.to or Path("stick")
    folder.mkdir(parents=True, exist_ok=True)
    has_packages = not arguments.names or PACKAGES in arguments.names
    missing = [tool for tool in chosen if not tools.is_saved(tool, folder)]
    for tool in chosen:
        print(f"  {f'{tool.name} {tool.version}':<40}{tool.mb:>6} MB{'' if tool in missing else '  saved'}")
    if has_packages:
        saved = wheels.saved_mb(folder)
        print(f"  {'Python packages':<40}{wheels.mb():>6} MB{f'  {saved} MB of them saved' if saved else ''}")
    total = sum(tool.mb for tool in missing) + (max(wheels.mb() - saved, 0) if has_packages else 0)
    print(f"\n  About {total} MB to fetch into {folder}.")
    for tool in missing:
        with steps.step(f"{tool.name} {tool.version}, verified"):
            tools.save(tool, folder, on_bytes=steps.bytes)
    if has_packages:
        with steps.step("Python packages, verified"):
            wheels.save(folder, run=programs.run)
    print(f"\n  On the other machine: ./lab up --from {folder}, ./lab tools install --from {folder}")
    return 0
