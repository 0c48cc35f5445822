"""The operator's page of a station, put together: what feeds it, and what keeps it alive."""

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import msgspec

from kfasync.errors import ConfigError, LedgerError
from kfasync.ledger.history import History
from kfasync.ledger.ledger import FILE_NAME
from kfasync.station.advice import Language
from kfasync.station.config import LoadedConfig
from kfasync.station.feed import Feed
from kfasync.station.follower import Notice
from kfasync.station.setup import data_directory
from kfasync.station.station import Stock
from kfasync.web.board import Board
from kfasync.web.day import RECENT, Day, longest_day
from kfasync.web.feeder import Feeder
from kfasync.web.keeper import TOPIC, Keeper
from kfasync.web.reporter import Reporter
from kfasync.web.settings import listen, settings_of


class Page(msgspec.Struct, frozen=True):
    """A page that is served.

    Attributes:
        url: where it is.
        show_stock: takes what is left, and the days left of the certificate.
        see: takes a slot and the attempt whose result a person has seen; False when it has gone.
    """

    url: str
    show_stock: Callable[[Stock, int | None], None]
    see: Callable[[int, str], bool]


@contextmanager
def open_page(loaded: LoadedConfig, language: Language, feed: Feed) -> Iterator[Page | None]:
    """Serve the page that the configuration asks for while the context is open; None without one.

    Whatever becomes of its process, no lane is slower for it.

    Raises:
        ConfigError: it cannot be served there.
    """
    section = loaded.config.web
    if section is None:
        yield None
        return
    if sys.platform == "win32":
        raise ConfigError("web", "[web] needs sockets that Windows does not have; leave it out")
    directory = data_directory(loaded)
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as parts:
        listener = parts.enter_context(listen(section))
        settings = settings_of(loaded, section, language, listener)
        board = Board(secrets.token_hex(8))
        reporter = Reporter(board, language, _day(directory, feed))

        def failed(error: Exception) -> None:
            feed.publish(Notice(TOPIC, f"it shows nothing new any more: {error}", warning=True))

        # The process last: it hears of the station's end from the feeder, and is waited for then.
        keeper = Keeper(settings, feed.publish)
        parts.enter_context(keeper)
        parts.enter_context(Feeder(feed, board, reporter, directory, failed))
        yield Page(settings.url, reporter.look, board.see)


def _day(directory: Path, feed: Feed) -> Day:
    """What was done before the station was started; read once, before a lane begins."""
    day = Day()
    if (directory / FILE_NAME).exists():
        try:
            with closing(History.open(directory / FILE_NAME)) as history:
                today, last = history.ends(longest_day()), history.last(RECENT)
            # Both end now, so that one is the end of the other.
            day.remember(today if len(today) > len(last) else last)
        except (LedgerError, ValueError) as error:
            # A record that somebody has changed by hand is no reason for the lanes to stand still.
            feed.publish(Notice(TOPIC, f"its figures begin at zero: {error}", warning=True))
    return day
