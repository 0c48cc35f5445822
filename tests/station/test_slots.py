import pytest

from kfasync.station.slots import Slots, answers_to, same_reader

PICC = "ACS ACR1252 1S CL Reader [ACR1252 PICC] (RR123-000012)"
SAM = "ACS ACR1252 1S CL Reader [ACR1252 SAM] (RR123-000012)"
OTHER = "ACS ACR1252 1S CL Reader [ACR1252 PICC] (RR123-000099)"
PLAIN = "Alcor Micro AU9560"


def test_a_reader_with_a_serial_number_is_known_under_any_number() -> None:
    assert same_reader(f"{PICC} 00 00", f"{PICC} 03 00")
    assert not same_reader(f"{PICC} 00 00", f"{OTHER} 00 00")
    # One device with two readers in it has one serial number.
    assert not same_reader(f"{PICC} 00 00", f"{SAM} 00 00")
    assert not same_reader(f"{PICC} 00 00", f"{PICC} 00 01")
    assert same_reader("simulated 1", "simulated 1")
    assert not same_reader(f"{PLAIN} 00 00", f"{PLAIN} 01 00")


@pytest.mark.parametrize("wanted", [f"{PICC} 00 00", f"{PICC} 02 00", PICC, "RR123-000012"])
def test_a_configured_reader_may_be_named_without_its_numbers(wanted: str) -> None:
    assert answers_to(f"{PICC} 00 00", wanted)
    assert not answers_to(f"{OTHER} 00 00", wanted)


def test_a_slot_is_the_reader_s_however_it_comes_back() -> None:
    slots = Slots()
    assert [slots.find(f"{PICC} 00 00"), slots.find(f"{OTHER} 01 00")] == [1, 2]
    assert slots.leave(f"{PICC} 00 00") == 1
    assert slots.leave(f"{OTHER} 01 00") == 2
    assert [slots.find(f"{OTHER} 00 00"), slots.find(f"{PICC} 01 00")] == [2, 1]


def test_a_reader_without_a_serial_number_takes_the_place_of_the_missing_one() -> None:
    slots = Slots()
    assert [slots.find(f"{PLAIN} 0{number} 00") for number in range(3)] == [1, 2, 3]
    assert slots.leave(f"{PLAIN} 01 00") == 2
    assert slots.find(f"{PLAIN} 05 00") == 2
    # Nobody is missing now, so one more is a new one.
    assert slots.find(f"{PLAIN} 06 00") == 4


def test_slots_of_an_earlier_run_are_kept_and_a_new_reader_gets_a_new_one() -> None:
    slots = Slots(kept=[f"{PICC} 00 00", f"{OTHER} 01 00"])
    assert slots.knows(f"{OTHER} 04 00")
    assert not slots.knows(f"{PLAIN} 00 00")
    assert slots.find(f"{PLAIN} 00 00") == 3
    assert slots.find(f"{OTHER} 04 00") == 2
    assert slots.names == [f"{PICC} 00 00", f"{OTHER} 04 00", f"{PLAIN} 00 00"]
    assert slots.find(f"{PICC} 02 00") == 1


def test_configured_readers_have_their_slots_by_the_configuration() -> None:
    slots = Slots(["RR123-000099", PICC])
    assert slots.find(f"{PICC} 00 00") == 2
    assert slots.find(f"{PLAIN} 00 00") is None
    assert slots.find(f"{OTHER} 01 00") == 1
    assert slots.leave(f"{PLAIN} 00 00") is None


def test_a_reader_that_is_told_of_again_keeps_its_slot() -> None:
    slots = Slots()
    assert [slots.find("A"), slots.find("B"), slots.find("A"), slots.find("B")] == [1, 2, 1, 2]
