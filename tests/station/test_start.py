import re

import pytest

from kfasync.errors import ConfigError
from kfasync.station.config import TEMPLATE
from kfasync.station.start import ShiftSection
from tests.station.test_config import parse

GOLDEN, BAD = "04A1B2C3D4E5F6", "04a1b2c3d4e5f7"
KEYS = 'keys = { enc = "%s", mac = "%s", dek = "%s" }' % (("00" * 16,) * 3)


def section(text: str) -> ShiftSection:
    found = parse(f"{TEMPLATE}\n[shift]\n{text}").shift
    assert found is not None
    return found


def test_nothing_has_to_be_said() -> None:
    assert parse(TEMPLATE).shift is None
    found = section("")
    assert (found.references, found.every_fobs, found.every_hours) == ((), None, None)
    config = parse(f"{TEMPLATE}\n[shift]\n")
    assert config.reference_key_set() is None


def test_reference_fobs_have_the_keys_of_the_source_or_their_own() -> None:
    text = f'{TEMPLATE}\n[shift]\ngolden = ["{GOLDEN}"]\nknown_bad = ["{BAD}"]\n'
    keys = parse(text).reference_key_set()
    assert keys is not None
    assert keys.enc.expose() == parse(TEMPLATE).key_set().enc.expose()
    own = parse(f"{text}{KEYS}\n").reference_key_set()
    assert own is not None
    assert own.enc.expose() == bytes(16)
    assert own.kvn == 255


def test_a_source_without_keys_of_its_own_has_to_be_told_them() -> None:
    klms = re.sub(r"(?s)\[source\]\nkind.*?(?=\n# \[source\])", "", TEMPLATE)
    klms += '\n[source]\nkind = "klms"\nurl = "https://k"\nca = "a"\ncertificate = "b"\nkey = "c"\n'
    assert parse(f"{klms}\n[shift]\n").shift is not None
    with pytest.raises(ConfigError, match=r"\[shift\.keys\] has to say"):
        parse(f'{klms}\n[shift]\ngolden = ["{GOLDEN}"]\n')
    parse(f'{klms}\n[shift]\ngolden = ["{GOLDEN}"]\n{KEYS}\n')


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('golden = ["04"]', "no UID in hex"),
        ('known_bad = ["04A1B2C3D4E5FX"]', "no UID in hex"),
        (f'golden = ["{GOLDEN}"]\nknown_bad = ["{GOLDEN.lower()}"]', "one UID twice"),
        (f'golden = ["{GOLDEN}"]\nevery_fobs = 0', "not above 0"),
        (f'golden = ["{GOLDEN}"]\nevery_hours = 0', "not above 0"),
        (f'golden = ["{GOLDEN}"]\nevery_hours = 1000', "up to 744"),
        ("every_fobs = 5", "there is none"),
        ("everyfobs = 5", "everyfobs"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        section(text)
