"""Addresses of pods, their twins and Services."""

from labkit.sandbox.network import addresses

BLOCK = addresses.Block(base=66)


def test_a_pod_has_a_twin_and_a_cluster_ip_another():
    assert BLOCK.pod(258) == "127.66.1.2"
    assert BLOCK.twin("127.66.1.2") == "127.67.1.2"
    assert BLOCK.service_twin("10.96.3.4") == "127.68.3.4"
    assert BLOCK.cluster_ip("127.68.3.4") == "10.96.3.4"


def test_a_released_address_is_not_the_next_one():
    pool = addresses.Pool(BLOCK)
    first = pool.allocate()
    pool.release(first)
    assert pool.allocate() != first


def test_an_address_is_claimed_once_and_only_in_its_block():
    pool = addresses.Pool(BLOCK)
    assert pool.claim("127.66.0.2")
    assert not pool.claim("127.66.0.2")
    assert not pool.claim("127.69.0.2")
    assert pool.allocate() == "127.66.0.3"


def test_two_sandboxes_of_a_machine_hold_different_blocks():
    with addresses.hold_block() as one, addresses.hold_block() as two:
        assert one != two
