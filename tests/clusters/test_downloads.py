"""A release page on loopback: good files, and every way in which a download goes wrong."""

import hashlib
import http.server
import io
import tarfile
import threading
from typing import ClassVar

import pytest

from labkit.base import errors, settings
from labkit.clusters import downloads, tools

PROGRAM = b"#!/bin/sh\necho istioctl 1.31.3\n"


def archive(member="istioctl", content=PROGRAM):
    """An archive as Istio publishes it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as out:
        for name, data in ((member, content), ("../escape", b"no")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            out.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


GOOD = archive()
SUM = hashlib.sha256(GOOD).hexdigest()


class Page(http.server.BaseHTTPRequestHandler):
    """Answers by path; it remembers who asked for what."""

    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        name = self.path.split("/")[-2 if self.path.startswith("http://elsewhere") else 1]
        if self.path.endswith(".sha256"):
            return self._send(f"{'0' * 64 if name == 'wrong-sum' else SUM} tool.tar.gz\n".encode())
        if name == "truncated":
            self.send_response(200)
            self.send_header("Content-Length", str(len(GOOD)))
            self.end_headers()
            self.wfile.write(GOOD[:100])
            return None
        if name in ("missing", "limited"):
            return self.send_error({"missing": 404, "limited": 429}[name])
        if name == "moved":
            self.send_response(302)
            self.send_header("Location", "/good/tool.tar.gz")
            return self.end_headers()
        return self._send(GOOD)

    def _send(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def page():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def paths(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return settings.Paths(home=tmp_path / "home")


def publication(page, kind, *, mirror="", member="istioctl"):
    url = f"{page}/{kind}/tool.tar.gz"
    return tools.Tool(
        name="istioctl",
        version="1.31.3",
        url=url,
        sums=f"{url}.sha256",
        mirror=mirror and f"{page}/{mirror}/tool.tar.gz",
        member=member,
    )


@pytest.mark.parametrize("kind", ["good", "moved"])
def test_a_verified_program_is_installed_and_the_rest_of_the_archive_is_not(page, paths, kind):
    tool = publication(page, kind)
    program = tools.install(paths, tool)
    assert program.read_bytes() == PROGRAM and program.stat().st_mode & 0o111
    assert tools.installed(paths, tool)
    assert {file.name for file in paths.tools.rglob("*") if file.is_file()} == {"istioctl", ".istioctl-1.31.3"}
    assert not (paths.home / "escape").exists()


@pytest.mark.parametrize(
    ("kind", "member", "says"),
    [
        ("wrong-sum", "istioctl", f"SHA-256 is {SUM}, and {'0' * 64} was expected"),
        ("truncated", "istioctl", r"broke off after 100 of [\d,]+ bytes"),
        ("missing", "istioctl", "answers 404 Not Found"),
        ("limited", "istioctl", "answers 429"),
        ("good", "bin/other", "holds no program bin/other"),
    ],
    ids=["another file than was published", "half a file", "no such file", "too many downloads", "another archive"],
)
def test_what_is_not_as_published_is_never_there_to_run(page, paths, kind, member, says):
    tool = publication(page, kind, member=member)
    with pytest.raises(downloads.DownloadError, match=f"(?s){says}.*Next: "):
        tools.install(paths, tool)
    assert not (paths.tools / "istioctl").exists() and not tools.installed(paths, tool)
    assert not list(paths.tools.rglob("*.part"))


def test_the_mirror_is_asked_where_the_first_place_has_nothing(page, paths):
    assert tools.install(paths, publication(page, "missing", mirror="good")).read_bytes() == PROGRAM


def test_a_proxy_of_the_environment_is_used(page, paths, monkeypatch):
    monkeypatch.setenv("http_proxy", page)
    Page.asked.clear()
    tools.install(paths, publication("http://elsewhere.example", "good"))
    assert "http://elsewhere.example/good/tool.tar.gz" in Page.asked


def test_from_https_it_never_goes_on_in_plain_text():
    request = downloads.urllib.request.Request("https://example.org/x")
    with pytest.raises(downloads.urllib.error.URLError, match="not HTTPS"):
        downloads._SameSafety().redirect_request(request, None, 302, "", {}, "http://example.org/x")


def test_nobody_there_says_so(paths):
    with pytest.raises(downloads.DownloadError, match=r"cannot be reached(.|\n)*--from DIR"):
        tools.install(paths, publication("http://127.0.0.1:1", "good"))


def test_a_stick_installs_without_network_and_is_verified_too(page, paths, tmp_path):
    tool, stick = publication(page, "good"), tmp_path / "stick"
    tools.save(tool, stick)
    assert tools.install(paths, tool, folder=stick).read_bytes() == PROGRAM
    (stick / "tool.tar.gz").write_bytes(GOOD + b"x")
    with pytest.raises(downloads.DownloadError, match="not what was published"):
        tools.install(paths, tool, folder=stick)
    with pytest.raises(errors.SetupError, match=r"There is no (.|\n)*\./lab tools save istioctl --to "):
        tools.install(paths, tool, folder=tmp_path)


def test_saving_again_fetches_only_what_is_missing_or_damaged(page, tmp_path):
    tool = publication(page, "good")
    tools.save(tool, tmp_path)
    Page.asked.clear()
    tools.save(tool, tmp_path)
    assert Page.asked == []
    (tmp_path / "tool.tar.gz").write_bytes(GOOD[:10])
    tools.save(tool, tmp_path)
    assert (tmp_path / "tool.tar.gz").read_bytes() == GOOD


@pytest.mark.parametrize(
    ("listing", "value"),
    [
        (f"{SUM}  tool\n", SUM),
        (f"{SUM} tool\n", SUM),
        (f"{SUM} *tool\n", SUM),
        (f"{'1' * 64}  other\n{SUM}  ./tool\n", SUM),
        (f"{SUM}\n", SUM),
    ],
    ids=["two spaces", "one space, as Istio", "binary mode", "one of many, as Prometheus", "the sum alone"],
)
def test_lists_of_sums_are_read_as_they_are_published(listing, value):
    assert downloads.sum_in(listing, "tool", source="x") == value


@pytest.mark.parametrize("listing", ["", "not a sum  tool\n", f"{SUM}  other\n", "<html>\n"])
def test_a_list_without_the_file_is_refused(listing):
    with pytest.raises(downloads.DownloadError, match="has no SHA-256 of tool"):
        downloads.sum_in(listing, "tool", source="x")


@pytest.mark.parametrize(
    ("name", "system", "machine", "ends"),
    [
        ("kind", "Linux", "x86_64", "kind/releases/download/v0.33.0/kind-linux-amd64"),
        ("kind", "Darwin", "arm64", "kind-darwin-arm64"),
        ("istioctl", "Darwin", "arm64", "istioctl-1.31.1-osx-arm64.tar.gz"),
        ("istioctl", "Linux", "aarch64", "istioctl-1.31.1-linux-arm64.tar.gz"),
        ("helm", "Linux", "aarch64", "helm-v3.22.0-linux-arm64.tar.gz"),
        ("prometheus", "Linux", "x86_64", "prometheus-3.10.0.linux-amd64.tar.gz"),
    ],
)
def test_files_are_named_as_their_projects_name_them(name, system, machine, ends):
    assert tools.published(name, system=system, machine=machine).url.endswith(ends)


@pytest.mark.parametrize(("system", "machine"), [("Windows", "AMD64"), ("Linux", "riscv64")])
def test_a_platform_without_a_file_is_named(system, machine):
    with pytest.raises(errors.SetupError, match="is not fetched for"):
        tools.published("kind", system=system, machine=machine)
