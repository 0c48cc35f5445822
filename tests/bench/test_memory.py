from kfasync.bench.memory import forget_peak, peak_rss_mb

MIB = 1 << 20


def test_the_peak_holds_what_was_there_for_a_moment_and_is_forgotten() -> None:
    before = peak_rss_mb()
    assert before is not None
    held = b"\1" * (200 * MIB)
    assert len(held) == 200 * MIB
    del held
    with_it = peak_rss_mb()
    assert with_it is not None
    assert with_it >= before
    assert with_it > 200
    forget_peak()
    after = peak_rss_mb()
    assert after is not None
    assert after < with_it
