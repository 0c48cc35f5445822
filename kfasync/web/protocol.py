"""HTTP from people who may have no hurry: who connects and asks for nothing is let go again."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

FIRST_S = 5.0  # from the connection to the end of the headers of its first request


class ImpatientProtocol(H11Protocol):
    """uvicorn's, which by itself waits for a first request for ever.

    So connections that say nothing, or half a request, would keep out the next browser.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Somebody has connected."""
        super().connection_made(transport)
        self.loop.call_later(FIRST_S, self._look, transport)

    def _look(self, transport: asyncio.Transport) -> None:
        # None until there was a request, which its type does not say.
        if getattr(self, "cycle", None) is None and not transport.is_closing():
            transport.abort()
