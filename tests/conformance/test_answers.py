"""A recording is read or refused in one sentence, and nothing in it is executed."""

import gzip
import json
import shutil

import pytest

from labkit import cli
from labkit.base import errors
from labkit.conformance import answers, differences
from tests import recorded

BASE = {"proxies": {"curl": {"clusters": {}}}, "bodies": {}}


def folder(tmp_path, **files):
    """A recording of one case, with some files otherwise; None leaves a file out."""
    written = {
        "index.tsv": "traffic\tone\ta sentence\n",
        "base.json": json.dumps(BASE),
        "base-extra.yaml": "{apiVersion: v1, kind: Namespace, metadata: {name: other}}",
        "cases/one.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}}",
        "answers/one.json": json.dumps({"proxies": {}, "bodies": {}}),
        **{name.replace("__", "/"): text for name, text in files.items()},
    }
    for name, text in written.items():
        path = tmp_path / "xds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return tmp_path


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        pytest.param({"index.tsv": None}, "xds/index.tsv is missing", id="no index"),
        pytest.param({"index.tsv": "traffic\n"}, "line 1 of xds/index.tsv is not", id="an index of another form"),
        pytest.param({"index.tsv": b"\xff\xfe\t\t"}, "xds/index.tsv cannot be read", id="an index that is no text"),
        pytest.param({"base.json": None}, "xds/base.json is missing", id="no base"),
        pytest.param({"base.json": "{"}, "xds/base.json is not JSON", id="a base that is not JSON"),
        pytest.param({"base.json": "[]"}, "the answer base has another form", id="a base of another form"),
        pytest.param({"base.json": None, "base.json.gz": b"no"}, "base.json cannot be read", id="a damaged gzip"),
        pytest.param({"base-extra.yaml": "a: [", "base.json": "{}"}, "base-extra.yaml", id="YAML that is none"),
        pytest.param({"answers/one.json": None}, "xds/answers/one.json is missing", id="no answer"),
        pytest.param({"answers/one.json": '{"proxies": 3}'}, "the answer one has another form", id="a bad answer"),
        pytest.param({"cases/one.yaml": None}, "xds/cases/one.yaml is missing", id="no input"),
    ],
)
def test_a_damaged_folder_is_refused_by_name(tmp_path, capsys, files, problem):
    place = folder(tmp_path, **files)
    assert cli.main(["conformance", "--answers", str(place)]) == 1
    printed = capsys.readouterr().err
    assert problem in printed
    assert str(place) in printed
    assert "Next: " in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("content", [b"", b"no archive"], ids=["empty", "text"])
def test_an_archive_that_is_none_is_refused(tmp_path, content):
    place = tmp_path / "answers.tar.xz"
    place.write_bytes(content)
    with pytest.raises(errors.SetupError, match="cannot be unpacked"):
        answers.Answers(place)


@pytest.mark.parametrize("chosen", [{"families": ["traffik"]}, {"names": ["tow"]}], ids=["family", "case"])
def test_an_unknown_family_or_case_names_those_there_are(tmp_path, chosen):
    with pytest.raises(errors.SetupError, match="Next: choose"):
        answers.Answers(folder(tmp_path)).chosen(**chosen)


def test_programs_beside_the_answers_are_not_executed(tmp_path):
    place = folder(tmp_path)
    for name in ("facts.py", "corpus.py", "compare.py"):
        (place / "xds" / name).write_text(f"raise SystemExit('{name} was executed')")
    assert answers.Answers(place).recorded("one") == {"curl": {}}


def test_a_folder_and_its_archive_say_the_same(tmp_path):
    archive = recorded.ISTIO
    for path in ("xds/index.tsv", "xds/base.json", "xds/answers/timeouts.json"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{path}.gz").write_bytes(gzip.compress(archive.text(path).encode()))
    place = shutil.move(tmp_path, tmp_path.with_name("unpacked"))
    facts = [answers.Answers(p, with_capture=True).recorded("timeouts") for p in (place, archive.place)]
    assert facts[0] == facts[1]
    assert facts[0]["curl"]


def test_differences_name_the_path():
    theirs = {"routes": [{"timeout": 1.0}, {"timeout": 2.0}]}
    ours = {"routes": [{"timeout": 1.0}, {"timeout": 3.0, "name": "x"}]}
    assert list(differences.differences(theirs, ours)) == [
        (".routes[1].name", None, "x"),
        (".routes[1].timeout", 2.0, 3.0),
    ]
