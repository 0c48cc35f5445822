"""What the board, the lines and the page say, in each language that the catalogue of advice has."""

from dataclasses import dataclass

from kfasync.station.advice import Do, Language
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
)


def words_of(language: Language) -> Words:
    """The words of a language."""
    return GERMAN if language is Language.GERMAN else ENGLISH
