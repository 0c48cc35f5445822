"""What is in the answer to a lease request, right or wrong on demand."""

import json
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidTag

from kfasync.contracts.klms import LeaseAnswer, LeaseRequest
from kfasync.contracts.klms_problems import Problem
from kfasync.klms.answer import Answers
from kfasync.klms.faults import Fault, Faults
from kfasync.klms.kdf3 import Kdf3, UidPadding
from kfasync.klms.leases import Leases
from kfasync.klms.refusal import ProblemError
from kfasync.klms.stock import Stock
from kfasync.klms.store import Store
from tests.klms.world import MASTER, Recipient

UID = "04A1B2C3D4E5F6"
KDF3 = Kdf3(MASTER, kvn=32, padding=UidPadding.RAW, length_field=True)


@pytest.fixture
def faults() -> Faults:
    return Faults(seed=1)


@pytest.fixture
def answers(store: Store, faults: Faults) -> Answers:
    leases, stock = Leases(store), Stock(store, MASTER)
    return Answers(leases, stock, KDF3, faults, ttl_s=5, ttl_max_s=60)


def ask(answers: Answers, recipient: Recipient, key: str = "key", **more: Any) -> dict[str, Any]:
    request = msgspec.convert(json.loads(json.dumps(recipient.request(UID) | more)), LeaseRequest)
    body, _ = answers.lease("EOL-01", key, request)
    msgspec.json.decode(body, type=LeaseAnswer)
    answer: dict[str, Any] = json.loads(body)
    return answer


def test_keys_and_check_values_are_those_of_the_uid(answers: Answers) -> None:
    recipient = Recipient()
    answer = ask(answers, recipient)
    keys = KDF3.derive(bytes.fromhex(UID))
    kcv = {name: getattr(keys.kcv, name).hex().upper() for name in ("enc", "mac", "dek")}
    assert answer["keyset"] == {"kvn": 32, "kcv": kcv}
    assert bytes(keys.dek.expose()) in recipient.open(answer)


def test_no_secret_is_outside_of_the_seal(answers: Answers) -> None:
    recipient = Recipient()
    answer = ask(answers, recipient)
    block = recipient.open(answer)
    text = json.dumps(answer)
    secrets = [block[start : start + 16] for start in range(3, len(block) - 16)]
    assert not any(one.hex() in text.lower() for one in secrets)


@pytest.mark.parametrize(("asked", "given"), [(None, 5), (1, 1), (60, 60), (61, 60)])
def test_the_ttl_is_capped(answers: Answers, asked: int | None, given: int) -> None:
    assert ask(answers, Recipient(), ttl_s=asked)["ttl_s"] == given


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"station": "EOL-02", "suite": "other"}, Problem.STATION_MISMATCH),
        ({"profile": "other", "suite": "other"}, Problem.SUITE_UNSUPPORTED),
        ({"profile": "other"}, Problem.PROFILE_UNKNOWN),
    ],
)
def test_the_first_thing_that_is_wrong_is_said(
    answers: Answers, change: dict[str, str], problem: Problem
) -> None:
    recipient = Recipient()
    request = recipient.request(UID)
    request["recipient"]["suite"] = change.pop("suite", request["recipient"]["suite"])
    with pytest.raises(ProblemError) as caught:
        answers.lease("EOL-01", "key", msgspec.convert(request | change, LeaseRequest))
    assert caught.value.problem is problem


@pytest.mark.parametrize("fault", [Fault.TRUNCATED, Fault.BIT_FLIP])
def test_a_seal_may_be_broken(answers: Answers, faults: Faults, fault: Fault) -> None:
    faults.rates = {fault: 1.0}
    recipient = Recipient()
    answer = ask(answers, recipient)
    with pytest.raises(InvalidTag):
        recipient.open(answer)


def test_an_answer_may_be_for_another_unit(answers: Answers, faults: Faults) -> None:
    faults.rates = {Fault.WRONG_UID: 1.0}
    recipient = Recipient()
    answer = ask(answers, recipient)
    assert answer["uid"] != UID
    recipient.open(answer)  # only the UID tells


def test_suite_clock_and_ttl_may_be_wrong(answers: Answers, faults: Faults) -> None:
    right = ask(answers, Recipient())
    faults.rates = {Fault.WRONG_SUITE: 1.0, Fault.CLOCK_OFF: 1.0, Fault.EXPIRED: 1.0}
    wrong = ask(answers, Recipient())
    assert wrong["sealed"]["suite"] == "hpke-p256-sha256-aes256gcm"
    assert wrong["server_time"][11:13] != right["server_time"][11:13]
    assert (right["ttl_s"], wrong["ttl_s"]) == (5, 0)
