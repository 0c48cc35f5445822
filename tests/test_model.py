"""The values that cross seams: none can be changed on its way, none shows a secret."""

import enum
import inspect

import msgspec
import pytest

from kfasync import model
from kfasync.model import Lease, SecurityLevel
from kfasync.secret import Secret
from tests.core.hand import CONTAINER, ITEMS, KEYS, UID

STRUCTS: dict[str, type[msgspec.Struct]] = {
    name: member
    for name, member in inspect.getmembers(model, inspect.isclass)
    if issubclass(member, msgspec.Struct)
}


@pytest.mark.parametrize("struct", STRUCTS.values(), ids=STRUCTS.keys())
def test_every_struct_is_frozen(struct: type[msgspec.Struct]) -> None:
    assert struct.__struct_config__.frozen


@pytest.mark.parametrize(
    "member",
    [
        member
        for _, member in inspect.getmembers(model, inspect.isclass)
        if issubclass(member, enum.Enum) and member.__module__ == "kfasync.model"
    ],
    ids=lambda member: str(member.__name__),
)
def test_no_two_members_of_an_enum_are_one(member: type[enum.Enum]) -> None:
    assert len(member.__members__) == len(list(member))


def test_there_are_the_five_security_levels_of_the_amendment() -> None:
    assert [f"{level:02X}" for level in SecurityLevel] == ["01", "03", "11", "13", "33"]


def test_a_lease_shows_no_secret() -> None:
    unit = model.Unit(UID, UID, b"", b"\xa0\x00\x00\x08\x57", "jcop4-fob")
    lease = Lease("lease-1", unit, CONTAINER.content, KEYS[128], ITEMS, ())
    secrets = [KEYS[128].enc, KEYS[128].mac, KEYS[128].dek, CONTAINER.scalar, CONTAINER.irk]
    shown = repr(lease)
    assert shown.count("Secret(") == len(secrets)
    for secret in secrets:
        assert isinstance(secret, Secret)
        assert bytes(secret.expose()).hex() not in shown.lower()
        assert repr(bytes(secret.expose()))[2:-1] not in shown


def test_a_lease_does_not_leave_as_json() -> None:
    with pytest.raises(TypeError, match="Secret"):
        msgspec.json.encode(ITEMS[0])
