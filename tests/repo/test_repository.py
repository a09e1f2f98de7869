"""What the repository says of itself stays true."""

import re
import subprocess
import tomllib

import pytest

from labkit.base import settings

TOP = settings.CHECKOUT


def tracked(*patterns):
    listed = subprocess.run(["git", "ls-files", "--", *patterns], cwd=TOP, capture_output=True, text=True, check=True)
    return [TOP / name for name in listed.stdout.splitlines() if (TOP / name).exists()]


def test_architecture_fits_on_two_pages():
    assert len((TOP / "ARCHITECTURE.md").read_text().splitlines()) <= 120


def test_every_dependency_is_pinned_with_a_hash():
    text = (TOP / "requirements.txt").read_text()
    pins = re.findall(r"^([\w.-]+)==", text, re.M)
    dependencies = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[>=<\[]", w)[0].lower() for w in dependencies} <= {p.lower() for p in pins}
    assert text.count("--hash=sha256:") >= len(pins)


def test_no_file_names_a_machine_or_a_package_host():
    ours = re.compile(r"(?<![\w.-])/(work|root|home/\w+)/[\w.]|pypi\.org|pythonhosted|registry\.npmjs|deb\.debian\.org")
    result = [
        f"{path.relative_to(TOP)}: {line.strip()[:80]}"
        for path in tracked("*.py", "*.md", "*.sh", "*.toml", "*.txt", "*.ipynb", "*.yaml", "lab", "binder")
        if path.name != "test_repository.py"
        for line in path.read_text(errors="replace").splitlines()
        if ours.search(line)
    ]
    assert result == []


def test_files_stay_small_enough_to_read():
    long = {
        str(path.relative_to(TOP)): lines
        for path in tracked("*.py")
        if (lines := len(path.read_text().splitlines())) > 450
    }
    assert long == {}


@pytest.mark.parametrize("word", ["utils", "helpers", "common", "manager", "misc"])
def test_no_module_is_called(word):
    assert [p for p in tracked("labkit") if p.stem == word or word in p.parts] == []


def test_links_of_the_papers_lead_somewhere():
    broken = []
    for paper in tracked("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", paper.read_text()):
            if "://" not in target and not (paper.parent / target).exists():
                broken.append(f"{paper.name}: {target}")
    assert broken == []
