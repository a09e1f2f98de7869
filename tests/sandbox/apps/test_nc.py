"""nc: how its command line is read, and what it says of those who are there or not."""

import socket

import pytest

from labkit.sandbox.apps import nc


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["tcp-echo", "9000"], nc.Asked(host="tcp-echo", port=9000)),
        (["-w", "5", "tcp-echo", "9000"], nc.Asked(host="tcp-echo", port=9000, limit=5.0)),
        (["-nv", "-w1", "127.0.0.1", "80"], nc.Asked(host="127.0.0.1", port=80, limit=1.0, is_verbose=True)),
        (["-zvw2", "db", "5432"], nc.Asked(host="db", port=5432, limit=2.0, is_verbose=True, only_looks=True)),
    ],
    ids=["host and port", "a limit", "joined", "only a look"],
)
def test_command_lines_are_read(words, asked):
    assert nc.parse(words) == asked


@pytest.mark.parametrize("words", [[], ["host"], ["host", "http"], ["-l", "9000"], ["-w"]], ids=str)
def test_others_are_refused(words):
    with pytest.raises(nc.UsageError):
        nc.parse(words)


def test_a_look_tells_by_its_exit_code_whether_anybody_listens(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        assert nc.main(["nc", "-z", "127.0.0.1", port], {}) == 0
    assert nc.main(["nc", "-z", "127.0.0.1", port], {}) == 1
    assert capsys.readouterr().err == ""
    assert nc.main(["nc", "-zv", "127.0.0.1", port], {}) == 1
    assert "Connection refused" in capsys.readouterr().err
