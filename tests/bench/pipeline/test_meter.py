import pytest

from kfasync.bench.pipeline.meter import MeteredFob, MeteredReaders
from kfasync.errors import LinkError
from kfasync.sim.reader import SimulatedReaders
from tests.sim.host import KEYS, SELECT

READER = "simulated"
GET_UID = bytes.fromhex("FFCA000000")
UID = bytes.fromhex("04010203040506")


def placed(pace: float) -> tuple[MeteredFob, MeteredReaders]:
    readers, fob = SimulatedReaders([READER]), MeteredFob(UID, KEYS, pace)
    readers.place(READER, fob)
    return fob, MeteredReaders(readers)


def test_a_fob_at_no_pace_answers_at_once_and_still_counts_what_nfc_would_take() -> None:
    fob = MeteredFob(UID, KEYS, 0)
    answer = fob.transmit(GET_UID)
    assert answer == UID + b"\x90\x00"
    assert fob.seconds(GET_UID, answer) == 0
    assert fob.first_s is not None
    assert fob.nfc_s > 0.01
    assert fob.model_s == 0


def test_a_fobs_card_time_is_in_proportion_to_its_pace() -> None:
    half, whole = MeteredFob(UID, KEYS, 0.5), MeteredFob(UID, KEYS, 1)
    for fob in (half, whole):
        fob.seconds(SELECT, fob.transmit(SELECT))
    assert half.nfc_s == whole.nfc_s == whole.model_s
    assert half.model_s == pytest.approx(whole.model_s / 2)


def test_the_first_command_of_a_fob_is_remembered() -> None:
    fob = MeteredFob(UID, KEYS, 0)
    times = [fob.first_s]
    for command in (GET_UID, SELECT):
        fob.transmit(command)
        times.append(fob.first_s)
    assert times[0] is None
    assert times[1] is not None
    assert times[1] == times[2]


def test_a_metered_reader_says_what_the_reader_says_and_counts_its_cpu() -> None:
    _, readers = placed(0)
    assert readers.names() == [READER]
    reader = readers.reader(READER)
    assert reader is readers.reader(READER)
    assert reader.name == READER
    card = reader.connect()
    assert card.atr
    assert readers.fob_cpu_s == 0
    assert card.transmit(GET_UID) == UID + b"\x90\x00"
    assert readers.fob_cpu_s == reader.fob_cpu_s > 0
    card.close()
    with pytest.raises(LinkError, match="closed"):
        card.transmit(GET_UID)


def test_a_severed_reader_is_severed() -> None:
    _, readers = placed(0)
    reader = readers.reader(READER)
    card = reader.connect()
    reader.sever()
    with pytest.raises(LinkError):
        card.transmit(GET_UID)
