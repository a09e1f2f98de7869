"""One lab per clone, unless told otherwise."""

from labkit.base import settings


def test_the_lab_lives_in_its_own_clone(monkeypatch):
    monkeypatch.delenv("LABKIT_HOME", raising=False)
    assert settings.home() == settings.CHECKOUT / ".labkit"


def test_the_environment_can_name_another_place(monkeypatch, tmp_path):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    assert settings.Paths().kubeconfig == tmp_path / "kubeconfig"
