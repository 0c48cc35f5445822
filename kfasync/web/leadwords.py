"""What the lead's page says beside states and advice, in each language of the catalogue."""

import msgspec

from kfasync.model import Disposition, Stage
from kfasync.station.advice import Language
from kfasync.station.states import RESULT_OF
from kfasync.station.words import words_of


class Ended(msgspec.Struct, frozen=True):
    """How a record ended, in a word; ``state`` gives it its colour, "" of a person's decision."""

    word: str
    state: str = ""


class LeadWords(msgspec.Struct, frozen=True, kw_only=True):
    """The words of the lead's page; ``{}`` is where a number or a name goes."""

    title: str
    lanes: str  # the way back
    search: str
    history: str
    number: str
    at: str
    lane: str
    fesn: str
    ended: str
    cause: str
    older: str
    newest: str
    nothing: str
    yields: str
    days: dict[str, str]
    passed: str
    failed: str
    again: str
    pieces: str
    stages: str
    of_fobs: str
    stage: str
    half: str
    most: str
    slowest: str
    record: str
    close: str
    began: str
    took: str
    field: str
    value: str
    transcript: str
    command: str
    answer: str
    away: str
    stage_names: dict[str, str]  # by the value of a Stage
    ends: dict[str, Ended]  # by the disposition of a record


_ENGLISH = {
    "title": "What has become of fobs",
    "lanes": "Esc: the lanes",
    "search": "/: search by UID or FESN",
    "history": "History",
    "number": "record",
    "at": "finished",
    "lane": "lane",
    "fesn": "FESN",
    "ended": "ended",
    "cause": "cause",
    "older": "older",
    "newest": "newest",
    "nothing": "there is none",
    "yields": "Yield",
    "days": {"1": "today", "7": "7 days", "30": "30 days"},
    "passed": "passed",
    "failed": "failed",
    "again": "to come again",
    "pieces": "attempts",
    "stages": "Times of the stages",
    "of_fobs": "of the last {} fobs that passed, in ms",
    "stage": "stage",
    "half": "half",
    "most": "95 %",
    "slowest": "slowest",
    "record": "Record {}",
    "close": "Esc: close",
    "began": "began, ms",
    "took": "took, ms",
    "field": "field",
    "value": "value",
    "transcript": "What was said to the card",
    "command": "command",
    "answer": "answer",
    "away": "The ledger cannot be read at this moment",
}
_GERMAN = {
    "title": "Was aus den Fobs geworden ist",
    "lanes": "Esc: die Bahnen",
    "search": "/: suchen nach UID oder FESN",
    "history": "Verlauf",
    "number": "Datensatz",
    "at": "fertig",
    "lane": "Bahn",
    "fesn": "FESN",
    "ended": "Ende",
    "cause": "Ursache",
    "older": "ältere",
    "newest": "neueste",
    "nothing": "nichts gefunden",
    "yields": "Ausbeute",
    "days": {"1": "heute", "7": "7 Tage", "30": "30 Tage"},
    "passed": "gut",
    "failed": "Ausschuss",
    "again": "noch einmal",
    "pieces": "Versuche",
    "stages": "Zeiten der Schritte",
    "of_fobs": "der letzten {} guten Fobs, in ms",
    "stage": "Schritt",
    "half": "Hälfte",
    "most": "95 %",
    "slowest": "langsamster",
    "record": "Datensatz {}",
    "close": "Esc: schließen",
    "began": "Beginn, ms",
    "took": "Dauer, ms",
    "field": "Feld",
    "value": "Wert",
    "transcript": "Was der Karte gesagt wurde",
    "command": "Befehl",
    "answer": "Antwort",
    "away": "Das Kontobuch (Ledger) ist gerade nicht zu lesen",
}
_STAGES = {
    Language.ENGLISH: {
        Stage.READ_UID: "read the UID",
        Stage.FETCH_KEYS: "wait for keys",
        Stage.INITIALIZE_UPDATE: "open the session",
        Stage.EXTERNAL_AUTHENTICATE: "authenticate",
        Stage.PAYLOAD_DELIVERY: "write",
        Stage.LIFECYCLE_TRANSITION: "lock",
        Stage.POST_PERSONALIZATION: "finish",
    },
    Language.GERMAN: {
        Stage.READ_UID: "UID lesen",
        Stage.FETCH_KEYS: "auf Schlüssel warten",
        Stage.INITIALIZE_UPDATE: "Sitzung öffnen",
        Stage.EXTERNAL_AUTHENTICATE: "anmelden",
        Stage.PAYLOAD_DELIVERY: "schreiben",
        Stage.LIFECYCLE_TRANSITION: "sperren",
        Stage.POST_PERSONALIZATION: "abschließen",
    },
}
_DECISIONS = {
    Language.ENGLISH: {
        "resolved": "decided",
        "resumed": "lane resumed",
        "acknowledged": "seen",
        "taken-over": "taken over",
        "freed": "freed",
        "checked": "check list done",
        "red": "check list not done",
    },
    Language.GERMAN: {
        "resolved": "entschieden",
        "resumed": "Bahn fortgesetzt",
        "acknowledged": "gesehen",
        "taken-over": "übernommen",
        "freed": "freigegeben",
        "checked": "Prüfliste fertig",
        "red": "Prüfliste nicht fertig",
    },
}


def words_of_lead(language: Language) -> LeadWords:
    """The words of a language."""
    states = words_of(language).states
    words = _GERMAN if language is Language.GERMAN else _ENGLISH
    ends = {one.value: Ended(states[RESULT_OF[one]], RESULT_OF[one].value) for one in Disposition}
    ends |= {name: Ended(word) for name, word in _DECISIONS[language].items()}
    return msgspec.convert(
        {
            **words,
            "stage_names": {stage.value: name for stage, name in _STAGES[language].items()},
            "ends": ends,
        },
        LeadWords,
    )
