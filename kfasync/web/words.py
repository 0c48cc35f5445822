"""What the page says beside states and advice, in each language of the catalogue."""

import msgspec

from kfasync.station.advice import Language
from kfasync.station.words import words_of
from kfasync.web.leadwords import LeadWords, words_of_lead


class PageWords(msgspec.Struct, frozen=True, kw_only=True):
    """The words of the page; ``{}`` is where a number or a name goes."""

    language: str
    station: str
    states: dict[str, str]  # by the value of a LaneState
    verbs: dict[str, str]  # by the value of a Do
    glance: dict[str, str]  # what to do in a state that no advice comes with
    lane: str
    next: str  # when a fob that passed has been taken
    hour: str
    takt: str
    yield_all: str
    yield_50: str
    content: str
    hours: str
    source: str
    source_ok: str
    source_away: str
    certificate: str
    days: str
    outbox: str
    open: str
    lane_stopped: str
    line_stopped: str
    cut_off: str
    stale: str
    no_token: str
    no_lane: str
    silent: str
    keys: str
    ask_acknowledge: str
    ask_resume: str
    ask_resolve: str
    ask_as: str
    ask_pin: str
    ask_reason: str
    seen: str
    done: str
    nothing: str
    checks: str
    check: str
    check_state: str
    check_said: str
    check_open: str
    check_names: dict[str, str]
    check_states: dict[str, str]  # by the value of a CheckState
    check_close: str
    lead: LeadWords


_ENGLISH = {
    "glance": {
        "empty": "place a fob",
        "reading": "leave it",
        "leasing": "leave it",
        "waiting": "wait, or take it off",
        "writing": "leave it",
        "locking": "leave it",
        "pass": "take it, place the next",
        "reader-fault": "plug the reader in",
        "stopped": "call the line lead",
    },
    "hour": "fobs this hour",
    "takt": "s a fob",
    "yield_all": "yield today",
    "yield_50": "yield of last 50",
    "content": "content",
    "hours": "h",
    "source": "source",
    "source_ok": "ok",
    "source_away": "away",
    "certificate": "certificate",
    "days": "days",
    "outbox": "outbox",
    "open": "to place again",
    "lane_stopped": "Lane {} has stopped: call the line lead",
    "line_stopped": "The line has stopped: call the line lead",
    "cut_off": "Cut off from the station: look at the readers",
    "stale": "The station does not answer",
    "no_token": "This address needs its token, as in #token=...",
    "no_lane": "No reader yet: plug one in",
    "silent": "press any key for sound",
    "keys": "a: acknowledge   r: resume a lane   d: decide on a fob   c: check list   h: history   "
    "Esc: back",
    "ask_acknowledge": "Acknowledge the result of lane",
    "ask_resume": "Resume lane",
    "ask_resolve": "Decide on fob (UID)",
    "ask_as": "1: reject it   2: it may be finished",
    "ask_pin": "PIN of the line lead",
    "ask_reason": "Reason",
    "seen": "seen",
    "done": "done",
    "nothing": "nothing to do that with",
    "checks": "Check list",
    "check": "check",
    "check_state": "state",
    "check_said": "what was found",
    "check_open": "Check list: {}",
    "check_names": {
        "station": "station",
        "crypto": "crypto",
        "readers": "readers",
        "disk": "disk",
        "ledger": "ledger",
        "log": "log",
        "key server": "key server",
        "clock": "clock",
        "content": "content",
        "certificate": "certificate",
        "library": "library",
        "golden": "golden fob",
        "known-bad": "known-bad fob",
    },
    "check_states": {"good": "good", "due": "due", "red": "red"},
    "check_close": "Esc: back",
}
_GERMAN = {
    "glance": {
        "empty": "Fob auflegen",
        "reading": "liegen lassen",
        "leasing": "liegen lassen",
        "waiting": "warten oder abnehmen",
        "writing": "liegen lassen",
        "locking": "liegen lassen",
        "pass": "abnehmen, nächsten auflegen",
        "reader-fault": "Leser anstecken",
        "stopped": "Schichtleitung rufen",
    },
    "hour": "Fobs diese Stunde",
    "takt": "s je Fob",
    "yield_all": "Ausbeute heute",
    "yield_50": "der letzten 50",
    "content": "Inhalte",
    "hours": "h",
    "source": "Quelle",
    "source_ok": "ok",
    "source_away": "weg",
    "certificate": "Zertifikat",
    "days": "Tage",
    "outbox": "Ausgang",
    "open": "noch einmal auflegen",
    "lane_stopped": "Bahn {} steht: Schichtleitung rufen",
    "line_stopped": "Die Linie steht: Schichtleitung rufen",
    "cut_off": "Keine Verbindung zur Station: auf die Leser achten",
    "stale": "Die Station antwortet nicht",
    "no_token": "Diese Adresse verlangt ihr Token, als #token=...",
    "no_lane": "Noch kein Leser: einen anstecken",
    "silent": "für Töne eine Taste drücken",
    "keys": "a: gesehen   r: Bahn fortsetzen   d: Fob entscheiden   c: Prüfliste   h: Verlauf   "
    "Esc: zurück",
    "ask_acknowledge": "Ergebnis gesehen, Bahn",
    "ask_resume": "Fortsetzen: Bahn",
    "ask_resolve": "Entscheiden über Fob (UID)",
    "ask_as": "1: Ausschuss   2: darf fertig werden",
    "ask_pin": "PIN der Schichtleitung",
    "ask_reason": "Grund",
    "seen": "gesehen",
    "done": "erledigt",
    "nothing": "dafür gibt es nichts",
    "checks": "Prüfliste",
    "check": "Prüfung",
    "check_state": "Stand",
    "check_said": "Befund",
    "check_open": "Prüfliste: {}",
    "check_names": {
        "station": "Station",
        "crypto": "Krypto",
        "readers": "Leser",
        "disk": "Platte",
        "ledger": "Ledger",
        "log": "Protokoll",
        "key server": "Schlüsselserver",
        "clock": "Uhr",
        "content": "Inhalte",
        "certificate": "Zertifikat",
        "library": "Bibliothek",
        "golden": "Gut-Fob",
        "known-bad": "Schlecht-Fob",
    },
    "check_states": {"good": "gut", "due": "fällig", "red": "rot"},
    "check_close": "Esc: zurück",
}


def words_of_page(language: Language, station: str) -> PageWords:
    """The words of a language, for the page of a station."""
    words = words_of(language)
    return msgspec.convert(
        {
            **(_GERMAN if language is Language.GERMAN else _ENGLISH),
            "language": language.value,
            "station": station,
            "states": {state.value: word for state, word in words.states.items()},
            "verbs": {do.value: verb for do, verb in words.verbs.items()},
            "lane": words.lane,
            "next": words.next,
            "lead": words_of_lead(language),
        },
        PageWords,
    )
