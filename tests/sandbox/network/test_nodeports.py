"""Which node ports move at a start."""

import pytest

from labkit.sandbox.network import nodeports


def service(type="LoadBalancer", ports=(30080, 30443)):
    listed_ports = [{"name": f"p{number}", "port": number, "nodePort": number} for number in ports]
    return {"metadata": {"name": "gateway", "namespace": "default"}, "spec": {"type": type, "ports": listed_ports}}


def free_but(*taken):
    return lambda number: number not in taken


def test_a_taken_port_moves_to_a_free_one_and_the_others_stay():
    moves = nodeports.moves(service(), {30080, 30443}, is_free=free_but(30080))
    (new,) = moves.values()
    assert set(moves) == {30080}
    assert nodeports.FIRST <= new <= nodeports.LAST
    assert new not in (30080, 30443)
    ports = nodeports.patch(service(), moves)["spec"]["ports"]
    assert [port["nodePort"] for port in ports] == [new, 30443]
    assert [port["port"] for port in ports] == [30080, 30443]


@pytest.mark.parametrize(
    ("given", "is_free"),
    [(service(), free_but()), (service("NodePort"), free_but(30080)), (service("ClusterIP", ()), free_but(30080))],
    ids=["nothing is taken", "somebody may have chosen it", "no node port"],
)
def test_nothing_else_moves(given, is_free):
    assert nodeports.moves(given, set(), is_free=is_free) == {}


def test_without_a_free_number_it_stays():
    assert nodeports.moves(service(ports=(30080,)), set(), is_free=lambda number: False) == {}
