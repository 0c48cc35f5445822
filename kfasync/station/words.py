"""What the board, the lines and the page say, in each language that the catalogue of advice has."""

from dataclasses import dataclass

from kfasync.contracts.cards import News
from kfasync.station.advice import Do, Language, both
from kfasync.station.events import LaneEvent
from kfasync.station.follower import Notice
from kfasync.station.states import LaneState


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words of one language; ``states`` are 12 letters at most."""

    language: Language
    states: dict[LaneState, str]
    verbs: dict[Do, str]
    lane: str
    passed: str
    failed: str
    again: str
    last_hour: str
    content: str
    outbox: str
    source_ok: str
    source_away: str
    no_reader: str
    reader_is_here: str
    unknown_fob: str
    take_and_next: str
    next: str
    stop: str
    resume: str
    stopped: str
    page: str
    # Why a lane takes no fob.
    not_taken: str
    reader_gone: str
    # What follows the ledger, and how it is getting on.
    topics: dict[str, str]
    behind: str
    caught_up: str
    all_right: str
    # What a station says of itself.
    place_again: str
    waiting_for: str
    waiting_for_readers: str
    there_are: str
    not_logged: str
    finishing: str
    nothing_written: str
    leave_them: str
    closing: str


ENGLISH = Words(
    language=Language.ENGLISH,
    states={
        LaneState.EMPTY: "EMPTY",
        LaneState.READING: "READING",
        LaneState.LEASING: "LEASING",
        LaneState.WAITING: "WAITING",
        LaneState.WRITING: "WRITING",
        LaneState.LOCKING: "LOCKING",
        LaneState.PASS: "PASS",
        LaneState.FAIL: "FAIL",
        LaneState.RETRY: "AGAIN",
        LaneState.BOUND: "BOUND",
        LaneState.IN_DOUBT: "IN DOUBT",
        LaneState.READER_FAULT: "READER FAULT",
        LaneState.STOPPED: "STOPPED",
    },
    verbs={do: do.value for do in Do},
    lane="lane",
    passed="passed",
    failed="failed",
    again="to come again",
    last_hour="last hour",
    content="content",
    outbox="outbox",
    source_ok="source ok",
    source_away="source away",
    no_reader="no reader yet: plug one in",
    reader_is_here="reader {} is here",
    unknown_fob="unknown fob",
    take_and_next="take the fob, place the next",
    next="place the next",
    stop="Ctrl-C: stop",
    resume="r: resume a stopped lane",
    stopped="stopped",
    page="the page is at {}",
    not_taken="this fob is not taken, the lane has stopped: {}",
    reader_gone="plug it in again: reader {} is gone",
    topics={},
    behind="{} is behind: {}",
    caught_up="{} has caught up",
    all_right="all right again",
    place_again="place fob {} again: container {} belongs to it, and its writing was cut off",
    waiting_for="waiting for {}",
    waiting_for_readers="waiting for readers: {}",
    there_are="reader {}; there are: {}",
    not_logged="the log is not written any more: {}; the audit log goes on",
    finishing="stopping: finishing {}",
    nothing_written="stopping: no fob is written now",
    leave_them="{}; leave the fobs there",
    closing="what is open to be closed",
)

GERMAN = Words(
    language=Language.GERMAN,
    states={
        LaneState.EMPTY: "LEER",
        LaneState.READING: "LESEN",
        LaneState.LEASING: "HOLEN",
        LaneState.WAITING: "WARTEN",
        LaneState.WRITING: "SCHREIBEN",
        LaneState.LOCKING: "ABSCHLIESSEN",
        LaneState.PASS: "GUT",
        LaneState.FAIL: "SCHLECHT",
        LaneState.RETRY: "NOCHMAL",
        LaneState.BOUND: "GEBUNDEN",
        LaneState.IN_DOUBT: "UNKLAR",
        LaneState.READER_FAULT: "LESER FEHLT",
        LaneState.STOPPED: "ANGEHALTEN",
    },
    verbs={
        Do.TAKE: "wegnehmen",
        Do.PLACE: "noch einmal auflegen",
        Do.ASIDE: "beiseitelegen",
        Do.REJECT: "in den Ausschuss",
        Do.KEEP: "behalten",
    },
    lane="Bahn",
    passed="gut",
    failed="schlecht",
    again="noch einmal",
    last_hour="letzte Stunde",
    content="Inhalte",
    outbox="Ausgang",
    source_ok="Quelle ok",
    source_away="Quelle weg",
    no_reader="noch kein Leser: einen anstecken",
    reader_is_here="Leser {} ist da",
    unknown_fob="unbekannt",
    take_and_next="Fob abnehmen, nächsten auflegen",
    next="nächsten auflegen",
    stop="Strg-C: anhalten",
    resume="r: angehaltene Bahn fortsetzen",
    stopped="angehalten",
    page="die Seite ist unter {}",
    not_taken="dieser Fob wird nicht genommen, die Bahn ist angehalten: {}",
    reader_gone="wieder anstecken: Leser {} ist weg",
    topics={
        "audit log": "Prüfprotokoll",
        "check list": "Prüfliste",
        "outbox": "Ausgang",
        "pool marker": "Marke im Behälterverzeichnis",
        "page": "Seite",
        "slots": "Bahnnummern",
    },
    behind="{} ist im Rückstand: {}",
    caught_up="{} ist wieder auf dem Stand",
    all_right="wieder in Ordnung",
    place_again="Fob {} noch einmal auflegen: Behälter {} gehört ihm, das Schreiben brach ab",
    waiting_for="warten auf {}",
    waiting_for_readers="warten auf Leser: {}",
    there_are="Leser {}; da sind: {}",
    not_logged="das Logbuch wird nicht mehr geschrieben: {}; das Prüfprotokoll geht weiter",
    finishing="anhalten: noch fertig werden {}",
    nothing_written="anhalten: es wird kein Fob beschrieben",
    leave_them="{}; die Fobs liegen lassen",
    closing="das Schließen dessen, was offen ist",
)


def why(event: LaneEvent, words: Words) -> str:
    """Why a lane waits, takes no fob or has lost its reader; "" where that is no question."""
    if event.state is LaneState.READER_FAULT and event.news is News.GONE:
        return words.reader_gone.format(event.reader)
    if not event.message:
        return ""
    happened, _ = both(event.cause, event.sw, event.message, "", words.language)
    if event.state is LaneState.STOPPED and event.news is News.INSERTED:
        return words.not_taken.format(happened)
    return happened


def said(notice: Notice, words: Words) -> str:
    """What a follower of the ledger says, or a warning; the detail is in English."""
    topic = words.topics.get(notice.follower, notice.follower)
    if notice.warning:
        return f"{topic}: {notice.problem or words.all_right}"
    if notice.problem:
        return words.behind.format(topic, notice.problem)
    return words.caught_up.format(topic)


def words_of(language: Language) -> Words:
    """The words of a language."""
    return GERMAN if language is Language.GERMAN else ENGLISH
