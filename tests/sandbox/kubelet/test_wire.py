"""Frames and files between the kubelet and its launcher."""

import os
import socket

import pytest

from labkit.sandbox.kubelet import wire


@pytest.fixture
def ends():
    one, two = socket.socketpair()
    with one, two:
        yield wire.Wire(one), wire.Wire(two)


def test_frames_arrive_whole_in_order_with_their_own_files(ends):
    sender, receiver = ends
    reading, writing = os.pipe()
    sender.send({"n": 1})
    sender.send({"n": 2}, [writing])
    sender.send({"n": 3, "long": "x" * 50_000})
    os.close(writing)
    frames = []
    while len(frames) < 3:
        frames += receiver.receive()[0]
    assert [(frame["n"], len(files)) for frame, files in frames] == [(1, 0), (2, 1), (3, 0)]
    os.write(frames[1][1][0], b"through")
    os.close(frames[1][1][0])
    assert os.read(reading, 100) == b"through"
    os.close(reading)


def test_a_closed_end_is_noticed(ends):
    sender, receiver = ends
    assert receiver.receive() == ([], True)
    sender.socket.close()
    assert receiver.receive() == ([], False)
