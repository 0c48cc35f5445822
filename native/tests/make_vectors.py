"""Make vectors.h for the C tests from the known answers of the Python tests.

    python native/tests/make_vectors.py > native/tests/vectors.h

Only what was recomputed independently of its source goes in. Sources stand in scp03.json.
"""

import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[2] / "tests" / "vectors" / "scp03.json"
AID_OF_NOBODY = "A000000000"  # for sessions whose card challenge is not derived from an AID

HEAD = """\
/* Published SCP03 sessions, from tests/vectors/scp03.json by make_vectors.py. Do not edit. */
#ifndef KF_TEST_VECTORS_H
#define KF_TEST_VECTORS_H

#include <stddef.h>
#include <stdint.h>

/* All bytes as hex. response is "" where none was published. */
typedef struct {
    const char *plain;
    const char *wrapped;
    const char *response;
    const char *opened;
} vector_exchange;

typedef struct {
    const char *name;
    uint32_t mac_size;
    uint32_t level;
    const char *enc;
    const char *mac;
    const char *dek;
    const char *host_challenge;
    const char *answer;
    const char *aid;
    uint32_t aid_is_known; /* else the card challenge cannot be recomputed */
    const char *external_authenticate;
    vector_exchange exchanges[5];
} vector_session;

/* 11 commands of one length, by a rule: command b has P2 = b and the bytes b * 37 + i. */
typedef struct {
    vector_session session;
    uint32_t data_size;
    const char *first;
    const char *last;
} vector_fob;

typedef struct {
    const char *name;
    const char *key;
    uint32_t constant;
    uint32_t bits;
    const char *context;
    const char *derived;
} vector_derivation;
"""


def text(value: str | None) -> str:
    """A C string, cut into lines."""
    value = value or ""
    lines = [value[at : at + 88] for at in range(0, len(value), 88)] or [""]
    return "\n        ".join(f'"{line}"' for line in lines)


def exchange(entry: dict[str, Any]) -> str:
    """One command and, where it was published, its answer."""
    response, opened = entry.get("response"), entry.get("response_plain")
    if response and entry.get("response_ok"):
        opened = opened + response[-4:]  # the status word
    else:
        response = opened = None
    parts = (entry["plain"], entry["wrapped"], response, opened)
    return "{" + ",\n        ".join(text(part) for part in parts) + "}"


def session(entry: dict[str, Any]) -> str:
    """The opening of a session, and its exchanges."""
    keys = entry["static_keys"]
    derived = entry.get("pseudo_random_challenge") or {"aid": entry.get("aid"), "matches": True}
    known = bool(derived["matches"])
    parts = [
        f'"{entry["name"]}"',
        "8" if entry["mode"] == "S8" else "16",
        f"0x{entry['security_level']}",
        *(text(keys[name]) for name in ("enc", "mac", "dek")),
        text(entry["host_challenge"]),
        text(entry["initialize_update_response"]),
        text(derived["aid"] if known else AID_OF_NOBODY),
        str(int(known)),
        text(entry["external_authenticate"]),
    ]
    exchanges = [one for one in entry.get("exchanges", []) if one.get("wrapped_ok")]
    inner = ",\n        ".join(exchange(one) for one in exchanges)
    parts.append("{" + (inner or "{NULL, NULL, NULL, NULL}") + "}")
    return "{" + ",\n        ".join(parts) + "}"


def fob(entry: dict[str, Any]) -> str:
    """A session and its 11 STORE DATA commands."""
    stored = entry["store_data"]
    parts = (
        session(entry),
        str(stored["data_len"]),
        *map(text, (stored["wrapped_first"], stored["wrapped_last"])),
    )
    return "{" + ",\n        ".join(parts) + "}"


def derivation(entry: dict[str, Any]) -> str:
    """One derivation by itself."""
    parts = (
        f'"{entry["name"]}"',
        text(entry["key"]),
        f"0x{entry['constant']}",
        str(entry["L_bits"]),
        text(entry["context"]),
        text(entry["output"]),
    )
    return "{" + ",\n        ".join(parts) + "}"


def array(kind: str, name: str, entries: list[str]) -> str:
    """A C array of them."""
    inner = ",\n    ".join(entries)
    return f"\nstatic const {kind} {name}[] = {{\n    {inner},\n}};\n"


def main() -> None:
    """Write the header to standard output."""
    vectors = json.loads(VECTORS.read_text("ascii"))
    sessions = [
        session(entry)
        for entry in vectors["sessions"]
        if entry["verified"]
        and entry["initialize_update_response"]
        and entry["external_authenticate"]
    ]
    fobs = [fob(entry) for entry in vectors["generated_sessions"] if entry["verified"]]
    derivations = [
        derivation(entry)
        for entry in vectors["kdf"]
        if entry["verified"] and entry["kind"] == "SCP03 KDF" and "constant" in entry
    ]
    print(HEAD, end="")
    print(array("vector_session", "vector_sessions", sessions), end="")
    print(array("vector_fob", "vector_fobs", fobs), end="")
    print(array("vector_derivation", "vector_derivations", derivations), end="")
    print("\n#endif")


if __name__ == "__main__":
    main()
