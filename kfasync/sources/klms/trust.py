"""What of TLS went wrong, as a sentence that says whose certificate it is and what to do.

A refusal can arrive at any step of an exchange, since TLS 1.3 lets the server speak last. It is
told by the reason that OpenSSL gives, wherever in the chain of causes that stands.
"""

import os
import ssl
from collections.abc import Iterator

from kfasync.errors import SourceError, SourceUnavailableError, TrustError
from kfasync.sources.klms.credentials import Files

# Alerts of the server about the station's certificate (RFC 8446, 6.2), as OpenSSL calls them.
_OURS = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "got no certificate from this station; "
    "check {certificate}",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "says that this station's certificate {certificate} has "
    "expired; renew it",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "says that this station's certificate {certificate} is "
    "revoked; have a new one issued",
    "TLSV1_ALERT_UNKNOWN_CA": "does not know the CA of this station's certificate {certificate}; "
    "have one issued by the CA that the server trusts",
    "SSLV3_ALERT_BAD_CERTIFICATE": "refuses this station's certificate {certificate}; have a new "
    "one issued",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "refuses this station's certificate {certificate}; have a "
    "new one issued",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "cannot use this station's certificate {certificate}; "
    "have one issued for TLS clients",
    "TLSV1_ALERT_ACCESS_DENIED": "does not admit this station's certificate {certificate}; have "
    "the station registered there",
    "TLSV1_ALERT_PROTOCOL_VERSION": "does not speak TLS 1.3, which is the least that this station "
    "accepts; have it enabled there",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "shares no cipher with this station; have TLS 1.3 enabled "
    "there",
}
_PROTOCOL = frozenset(("UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION", "NO_PROTOCOLS_AVAILABLE"))
_NOT_TLS = frozenset(("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"))
# The connection is gone, which says nothing about trust.
_LOST = frozenset(("UNEXPECTED_EOF_WHILE_READING", "SSLV3_ALERT_CLOSE_NOTIFY"))

# Results of the verification of the server's certificate (OpenSSL, X509_V_ERR_*).
_NOT_YET, _EXPIRED, _NAME, _ADDRESS = 9, 10, 62, 64
_THEIRS = {
    _NOT_YET: "is not valid yet; compare the clocks of this machine and of the server",
    _EXPIRED: "has expired; have the server's certificate renewed",
    _NAME: "is for another name; correct source.url, or have one issued for that name",
    _ADDRESS: "is for another address; correct source.url, or have one issued for that address",
}


def explain(error: BaseException, url: str, files: Files) -> SourceError:
    """What an exception of httpx or of ssl means: trouble of trust, or a server that is away.

    Args:
        error: as httpx raised it.
    """
    for found in _chain(error):
        if isinstance(found, ssl.SSLCertVerificationError):
            what = _THEIRS.get(
                found.verify_code,
                f"is not from the CA in {files.ca}; put the CA of the server there",
            )
            return TrustError(f"the certificate of key server {url} {what}")
        if isinstance(found, ssl.SSLError) and found.reason and found.reason not in _LOST:
            return TrustError(f"key server {url} {_of_reason(found.reason, files)}")
    return SourceUnavailableError(f"key server {url} does not answer ({_plain(error)})")


def _of_reason(reason: str, files: Files) -> str:
    if reason in _OURS:
        return _OURS[reason].format(certificate=files.certificate)
    if reason in _PROTOCOL:
        return _OURS["TLSV1_ALERT_PROTOCOL_VERSION"]
    if reason in _NOT_TLS:
        return "does not speak TLS; correct source.url"
    return f"and this station cannot agree on TLS ({reason}); have both sides checked"


def _plain(error: BaseException) -> str:
    """The innermost word of the operating system, or the kind of the error; no text of a peer."""
    for found in _chain(error):
        if isinstance(found, ssl.SSLError) or not isinstance(found, OSError):
            continue
        # By the number where there is one: asyncio puts a text of its own in the place of the
        # system's. A name that cannot be resolved has a number of another kind, below 0.
        if found.errno and (
            text := os.strerror(found.errno) if found.errno > 0 else found.strerror
        ):
            return text[:1].lower() + text[1:]
    return {
        "ConnectError": "no connection",
        "ReadError": "the connection was lost",
        "WriteError": "the connection was lost",
        "RemoteProtocolError": "the connection was cut",
    }.get(type(error).__name__, type(error).__name__)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and its causes, inside of groups too."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__context__, one.__cause__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
