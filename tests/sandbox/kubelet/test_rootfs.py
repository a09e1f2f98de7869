"""What of the machine a container sees."""

import sys

from labkit.sandbox.kubelet import rootfs


def test_an_environment_that_is_a_link_is_there_with_what_it_leads_to(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "link"))
    assert {str(tmp_path / "link"), str((tmp_path / "real").resolve())} <= set(rootfs.machine())
