"""What a soak puts down to what."""

from labkit.cli import soak


def test_what_is_not_200_is_put_down_to_the_last_disturbance_before_it():
    run = soak.Soak(
        disturbances=[soak.Disturbance(100.0, "istiod was killed"), soak.Disturbance(102.0, "pod x was killed")]
    )
    run.judge([(103.0, 503, "no healthy upstream"), (100.5, 0, "reset"), (99.5, 200, "")])
    assert run.explained == {"pod x was killed": 1, "istiod was killed": 1}
    assert run.is_good


def test_what_nothing_explains_is_told_with_its_words():
    run = soak.Soak(disturbances=[soak.Disturbance(100.0, "istiod was killed", until=110.0)])
    run.judge([(140.0, 503, "no healthy upstream")])
    assert +run.unexplained == {"503 no healthy upstream, 30 s after istiod was killed and was ready again": 1}
    assert not run.is_good


def test_memory_that_grows_by_half_is_not_flat():
    assert soak.Soak(memory=[300, 310, 305, 312]).is_flat
    assert not soak.Soak(memory=[300, 310, 400, 460]).is_flat


def test_a_disturbance_lasts_until_what_was_killed_is_ready_again():
    killed = soak.Disturbance(100.0, "ratings-v1 was killed", until=130.0)
    assert soak.Soak(disturbances=[killed]).cause(129.0) == "ratings-v1 was killed"
    assert soak.Soak(disturbances=[killed]).cause(132.0) == ""
