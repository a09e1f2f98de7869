"""nginx: files of a folder."""

import pytest

from labkit.sandbox.apps import nginx


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text("home")
    (tmp_path / "a.css").write_text("x")
    (tmp_path / "secret").mkdir()
    return tmp_path


@pytest.fixture
def url(world, folder):
    return world.serve(lambda request: nginx.answer(request, folder))


@pytest.mark.parametrize(
    ("path", "status", "kind", "body"),
    [
        ("/", 200, "text/html", b"home"),
        ("/index.html", 200, "text/html", b"home"),
        ("/a.css", 200, "text/css", b"x"),
        ("/nope", 404, "text/html", b"<h1>404 Not Found</h1>"),
        ("/sub/", 403, "text/html", b"<h1>403 Forbidden</h1>"),
        ("/sub", 301, "text/html", b"301 Moved Permanently"),
        ("/../../etc/passwd", 404, "text/html", b"404"),
        ("/%2e%2e/%2e%2e/etc/passwd", 404, "text/html", b"404"),
    ],
)
def test_a_file_is_served_or_refused_as_nginx_does(world, url, path, status, kind, body):
    reply = world.get(url + path)
    assert (reply.status, reply.headers["content-type"], body in reply.body) == (status, kind, True)
    assert reply.headers["server"].startswith("nginx/")


def test_a_link_of_the_volume_is_followed_and_a_post_is_not_allowed(world, url, folder):
    (folder / "link.html").symlink_to("index.html")
    assert world.get(f"{url}/link.html").body == b"home"
    assert world.ask("POST", f"{url}/").status == 405


def test_the_image_brings_a_page_unless_a_volume_is_in_its_place(tmp_path):
    nginx._welcome(tmp_path / "html")
    assert "Welcome to nginx!" in (tmp_path / "html/index.html").read_text()
    nginx._welcome(tmp_path)
    assert not (tmp_path / "index.html").exists()


@pytest.mark.parametrize("name", ["etc/nginx/nginx.conf", "etc/nginx/conf.d/default.conf"])
def test_a_configuration_is_refused_by_name(tmp_path, capsys, name):
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("server { listen 80; }")
    assert nginx.main([], {"LABKIT_ROOT": str(tmp_path)}) == 1
    assert f"reads no configuration, and /{name} is one" in capsys.readouterr().err
