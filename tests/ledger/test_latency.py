from kfasync.ledger.latency import COMMIT_BOUNDS_S, Commits, Latency


def test_a_commit_is_in_the_bucket_of_its_upper_bound() -> None:
    latency = Latency()
    assert latency.commits() == Commits()
    for took_s in (0.001, 0.0011, 2.5, 3.0):
        latency.add(took_s)
    found = latency.commits()
    assert found == Commits((1, 1, *[0] * 8, 1, 1), 0.001 + 0.0011 + 5.5)
    assert len(found.counts) == len(COMMIT_BOUNDS_S) + 1
