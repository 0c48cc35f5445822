"""The Structs, docs/klms-openapi.yaml and the worked example of docs/klms.md say the same."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml  # type: ignore[import-untyped]  # PyYAML ships no types
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from kfasync.contracts import klms as api

DOCS = Path(__file__).parents[2] / "docs"
OPENAPI: dict[str, Any] = yaml.safe_load((DOCS / "klms-openapi.yaml").read_text("utf-8"))
GUIDE = (DOCS / "klms.md").read_text("utf-8")
SCHEMAS = OPENAPI["components"]["schemas"]
EXAMPLES = OPENAPI["components"]["examples"]
STRUCTS: tuple[type[msgspec.Struct], ...] = (
    api.UnitName,
    api.Recipient,
    api.LeaseRequest,
    api.End,
    api.Outcomes,
    api.ProblemDetails,
    api.Kcv,
    api.KeysetFacts,
    api.PlainItem,
    api.ContainerFacts,
    api.Sealed,
    api.LeaseAnswer,
    api.EndAnswer,
    api.OutcomesAnswer,
    api.PoolAnswer,
    api.HealthAnswer,
    api.TimeAnswer,
    api.CapabilitiesAnswer,
)
BY_NAME = {struct.__name__: struct for struct in STRUCTS}

# Where the document is stricter than the Struct can be, and why.
STRICTER = {
    ("Recipient", "suite"): "others are not an invalid-request but suite-unsupported",
    ("Recipient", "public_key"): "the first byte of an uncompressed point is 04",
    ("Sealed", "enc"): "the first byte of an uncompressed point is 04",
    ("LeaseAnswer", "server_time"): "a date-time of RFC 3339",
    ("TimeAnswer", "server_time"): "a date-time of RFC 3339",
    ("ProblemDetails", "code"): "the codes of the catalogue; a station reads past a new one",
}
# What tells a reader something and refuses nothing; and what the exceptions above are made of.
REMARKS = {"title", "description"}
SHARPER = {"pattern", "format", "enum"}


def resolve(node: dict[str, Any], definitions: dict[str, Any], *, dropped: set[str]) -> Any:
    """The schema without references and remarks; objects stay names."""
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        if name in BY_NAME:
            return name
        return resolve(definitions[name], definitions, dropped=dropped)
    if "allOf" in node:
        (only,) = node["allOf"]
        node = {key: value for key, value in node.items() if key != "allOf"} | {
            **resolve(only, definitions, dropped=dropped)
        }
    plain: dict[str, Any] = {}
    for key, value in node.items():
        if key in dropped:
            continue
        if key == "anyOf":
            # In whatever order: that of msgspec differs between its versions.
            each = (resolve(one, definitions, dropped=dropped) for one in value)
            plain[key] = sorted(each, key=repr)
        elif key == "items":
            plain[key] = resolve(value, definitions, dropped=dropped)
        else:
            plain[key] = sorted(value) if key == "enum" else value
    return plain


def bodies() -> list[tuple[str, str]]:
    """Every example of every body, with the Struct that the document gives it."""
    found = set()
    for path in OPENAPI["paths"].values():
        for operation in path.values():
            contents = [operation["requestBody"]] if "requestBody" in operation else []
            for response in operation["responses"].values():
                name = response.get("$ref", "").rpartition("/")[2]
                contents.append(OPENAPI["components"]["responses"][name] if name else response)
            for content in contents:
                for medium in content["content"].values():
                    schema = medium["schema"]
                    reference = schema["$ref"] if "$ref" in schema else schema["allOf"][0]["$ref"]
                    struct = reference.rsplit("/", 1)[1]
                    found |= {(struct, example) for example in medium["examples"]}
    return sorted(found)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_the_document_has_the_schema_of_the_struct(name: str) -> None:
    _, definitions = msgspec.json.schema_components([BY_NAME[name]])
    ours, document = definitions[name], SCHEMAS[name]
    assert set(document["properties"]) == set(ours["properties"])
    assert set(document["required"]) == set(ours["required"])
    assert document.get("additionalProperties") == ours.get("additionalProperties")
    for field, schema in ours["properties"].items():
        dropped = REMARKS | (SHARPER if (name, field) in STRICTER else set())
        assert resolve(document["properties"][field], SCHEMAS, dropped=dropped) == resolve(
            schema, definitions, dropped=dropped
        ), field


@pytest.mark.parametrize(("name", "field"), sorted(STRICTER))
def test_an_exception_is_one(name: str, field: str) -> None:
    schema = resolve(SCHEMAS[name]["properties"][field], SCHEMAS, dropped=REMARKS)
    _, definitions = msgspec.json.schema_components([BY_NAME[name]])
    assert SHARPER & set(schema)
    assert schema != resolve(definitions[name]["properties"][field], definitions, dropped=REMARKS)


def test_every_object_of_the_document_is_a_struct() -> None:
    objects = {name for name, schema in SCHEMAS.items() if schema["type"] == "object"}
    assert objects == set(BY_NAME)


@pytest.mark.parametrize(("struct", "example"), bodies())
def test_an_example_is_what_its_struct_says(struct: str, example: str) -> None:
    value = EXAMPLES[example]["value"]
    decoded = msgspec.json.decode(msgspec.json.encode(value), type=BY_NAME[struct])
    again = msgspec.json.decode(msgspec.json.encode(decoded))
    assert {key: again[key] for key in value} == value


def test_no_example_is_left_over() -> None:
    assert {example for _, example in bodies()} == set(EXAMPLES)


def test_names_of_the_wire_are_those_of_the_document() -> None:
    parameters = OPENAPI["components"]["parameters"].values()
    headers = {parameter["name"] for parameter in parameters if parameter["in"] == "header"}
    assert headers == {api.IDEMPOTENCY_KEY, api.CORRELATION_ID}
    assert all(path.startswith(api.PREFIX + "/") for path in OPENAPI["paths"])


def test_every_answer_has_a_correlation_id_and_every_refusal_of_load_a_time_to_wait() -> None:
    for name, response in OPENAPI["components"]["responses"].items():
        assert api.CORRELATION_ID in response["headers"], name
    for name in ("TooManyRequests", "Unavailable"):
        assert "Retry-After" in OPENAPI["components"]["responses"][name]["headers"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("UnitName", {"uid": "04a1b2c3"}),
        ("UnitName", {"uid": "04A1B2"}),
        ("UnitName", {"uid": "04" * 11}),
        ("LeaseRequest", {"slot": -1}),
        ("LeaseRequest", {"slot": 1.5}),
        ("LeaseRequest", {"station": "EOL 01"}),
        ("LeaseRequest", {"station": ""}),
        ("LeaseRequest", {"priority": 1}),
        ("Recipient", {"public_key": "AAAA"}),
        ("Recipient", {"public_key": "*" * 88}),
        ("LeaseRequest", {"ttl_s": 0}),
        ("UnitName", {"aid": "A0000008"}),
        ("End", {"outcome": "done"}),
        ("End", {"record_hash": "00"}),
        ("End", {"touched": "some"}),
        ("End", {"end": "expire"}),
        ("Outcomes", {"ends": []}),
        ("Outcomes", {"ends": [EXAMPLES["outcomes"]["value"]["ends"][0]] * 101}),
    ],
)
def test_a_request_that_is_not_so_is_refused(name: str, change: dict[str, Any]) -> None:
    request = EXAMPLES["lease-request"]["value"]
    good = {
        "UnitName": request["unit"],
        "LeaseRequest": request,
        "Recipient": request["recipient"],
        "End": EXAMPLES["outcomes"]["value"]["ends"][0],
        "Outcomes": EXAMPLES["outcomes"]["value"],
    }[name]
    msgspec.json.decode(msgspec.json.encode(good), type=BY_NAME[name])
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(good | change), type=BY_NAME[name])


def test_an_answer_may_have_more_than_is_known_here() -> None:
    answer = EXAMPLES["lease-answer"]["value"] | {"batch": "7"}
    msgspec.json.decode(msgspec.json.encode(answer), type=api.LeaseAnswer)
    assert b'"batch":"7"' in api.canonical(answer)


_LEAVES = st.integers(-(2**53) + 1, 2**53 - 1) | st.booleans() | st.none()
_TEXTS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters='"\\'))
_NAMES = st.text(st.characters(min_codepoint=0x61, max_codepoint=0x7A), max_size=4)
_VALUES = st.recursive(
    _LEAVES | _TEXTS, lambda inner: st.lists(inner) | st.dictionaries(_NAMES, inner), max_leaves=8
)


@given(st.dictionaries(_NAMES, _VALUES), st.randoms(use_true_random=False), _VALUES)
def test_the_canonical_form_heeds_no_order_and_no_seal(
    answer: dict[str, Any], random: Any, sealed: Any
) -> None:
    members = list(answer.items())
    random.shuffle(members)
    form = api.canonical(dict(members) | {"sealed": sealed})
    assert form == api.canonical(answer)
    assert msgspec.json.decode(form) == answer


@settings(max_examples=30)
@given(st.dictionaries(_NAMES, _VALUES), st.dictionaries(_NAMES, _VALUES))
def test_different_answers_have_different_canonical_forms(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    # As JSON has them: True is not 1.
    same = msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")
    assert (api.canonical(one) == api.canonical(other)) == same


def block(heading: str) -> str:
    """The code block that follows those words in the guide, unwrapped."""
    found = re.search(re.escape(heading) + r".*?```[a-z]*\n(.*?)```", GUIDE, re.DOTALL)
    assert found, heading
    return found[1].replace("\n", "")


def hexadecimal(heading: str) -> bytes:
    return bytes.fromhex(block(heading))


def test_the_worked_example_has_the_plain_part_of_the_example_answer() -> None:
    plain = api.canonical(EXAMPLES["lease-answer"]["value"])
    assert block("**Plain part**") == plain.decode()
    assert hexadecimal("**SHA-256**") == hashlib.sha256(plain).digest()


def test_the_worked_example_has_the_info_of_the_example_answer() -> None:
    answer = EXAMPLES["lease-answer"]["value"]
    info = api.info(
        answer["lease_id"],
        bytes.fromhex(answer["uid"]),
        EXAMPLES["lease-request"]["value"]["station"],
        api.canonical(answer),
    )
    assert hexadecimal("**Info**") == info


def test_the_worked_example_is_opened_by_an_hpke_that_is_not_ours() -> None:
    sealed = EXAMPLES["lease-answer"]["value"]["sealed"]
    private = ec.derive_private_key(
        int.from_bytes(hexadecimal("**Recipient's private key**"), "big"), ec.SECP256R1()
    )
    public = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    recipient = EXAMPLES["lease-request"]["value"]["recipient"]
    assert base64.b64decode(recipient["public_key"]) == public
    assert recipient["suite"] == sealed["suite"] == api.SUITE
    suite = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_128_GCM)
    wire = base64.b64decode(sealed["enc"]) + base64.b64decode(sealed["ciphertext"])
    assert suite.decrypt(wire, private, hexadecimal("**Info**")) == hexadecimal("**Key block**")
