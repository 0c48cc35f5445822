"""Hooks for schemathesis: what docs/klms-openapi.yaml cannot say, so that valid requests are valid.

    SCHEMATHESIS_HOOKS=klms_fuzz PYTHONPATH=tools KLMS_STATION=EOL-01 KLMS_PROFILE=keyfob \
        schemathesis run docs/klms-openapi.yaml ...

Requests that are meant to be valid come from the station of the client certificate, ask for a
profile that the server has, and bring a point of the curve.
"""

import base64
import json
import os
import uuid
from typing import Any

import schemathesis
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

STATION = os.environ["KLMS_STATION"]
PROFILE = os.environ["KLMS_PROFILE"]


KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
POINT = base64.b64encode(KEY.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).decode()


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Let a valid request be one.

    Its Idempotency-Key is made from its unit, so that a key stands for one request, and the same
    unit again is a replay.
    """
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if isinstance(case.body, dict) and "recipient" in case.body:
        case.body |= {"station": STATION, "profile": PROFILE}
        case.body["recipient"]["public_key"] = POINT
        unit = json.dumps([case.body["unit"]["uid"], case.body["unit"]["aid"]])
        case.headers["Idempotency-Key"] = str(uuid.uuid5(uuid.NAMESPACE_URL, unit))
    if "profile" in (case.path_parameters or {}):
        case.path_parameters["profile"] = PROFILE
