"""The catalogue of advice in German: for each cause, what happened and what to do now.

The rows are those of `kfasync.station.advice`; a test holds the two together.
"""

from types import MappingProxyType

_SCHLUESSEL = "Stopp. Fob zur Prüfung beiseitelegen. Schlüsselsatz prüfen lassen."
_PROFIL = "Stopp. Fob beiseitelegen. Kartenprofil und Applet prüfen lassen."
_DEFEKT = "Fob ist defekt: in den Ausschuss. Nächsten Fob nehmen."
_PRUEFEN = "Fob zur Prüfung beiseitelegen."
_WEITER = "Fob abnehmen, nächsten auflegen."
_BEHALTEN = "Fob behalten, er wurde nicht beschrieben."
_GLEICH = "Fob gleich noch einmal auflegen. Bleibt es dabei, Techniker rufen: Schlüsselserver."
_EINRICHTUNG = f"{_BEHALTEN} Techniker rufen: Station und Schlüsselserver passen nicht zusammen."
_AUSSCHUSS = "Fob in den Ausschuss. Es wurde nichts an ihn gesendet."
_FERTIG = "Fob wegnehmen. Er ist fertig, es wurde nichts an ihn gesendet."
_NOCHMAL = "Denselben Fob noch einmal auflegen"
_OB_FERTIG = f"{_NOCHMAL}. Nur der Fob weiß, ob er fertig ist."
_GEHOERT = f"{_NOCHMAL}. Sein Inhalt gehört ihm und keinem anderen."
_ODER = f"{_NOCHMAL}, oder einen anderen."
_ABGERISSEN = "Der Fob wurde zu früh weggenommen"
_HAENGT = "Der Fob antwortet nicht mehr"

CATALOGUE: MappingProxyType[str, tuple[str, str]] = MappingProxyType(
    {
        "fault": ("Diese Software hat einen Fehler: bitte melden", _PRUEFEN),
        "pass": ("Fertig", _WEITER),
        "recovered": ("Fertig: der Rest eines früheren Versuchs ist erledigt", _WEITER),
        "stopped": (
            "Die Station wurde angehalten, bevor dieser Fob beschrieben wurde",
            f"{_NOCHMAL}, wenn die Station wieder läuft.",
        ),
        "locked": (
            "Der Fob nimmt die Schlüssel nicht an und ist endgültig gesperrt",
            "Stopp. Fob in den Ausschuss. Vor dem nächsten Fob Schlüsselsatz prüfen lassen.",
        ),
        "torn:retry": (_ABGERISSEN, _ODER),
        "torn:bound": (_ABGERISSEN, _GEHOERT),
        "torn:in-doubt": (_ABGERISSEN, _OB_FERTIG),
        "hung:retry": (_HAENGT, _ODER),
        "hung:bound": (_HAENGT, _GEHOERT),
        "hung:in-doubt": (_HAENGT, _OB_FERTIG),
        # Status words.
        "SUCCESS": ("Erfolg", _WEITER),
        "AUTHENTICATION_FAILED": ("Der Fob nimmt die Station nicht an", _SCHLUESSEL),
        "RETRIES_LEFT": ("Der Fob nimmt die Schlüssel nicht an", _SCHLUESSEL),
        "SECURITY_STATUS_NOT_SATISFIED": ("Falscher Schlüssel oder MAC", _SCHLUESSEL),
        "AUTHENTICATION_METHOD_BLOCKED": (
            "Der Schlüsselsatz des Fobs ist gesperrt",
            _SCHLUESSEL,
        ),
        "SECURE_MESSAGING_OBJECTS_INCORRECT": ("Der Fob nimmt den MAC nicht an", _SCHLUESSEL),
        "MORE_DATA": ("Der Fob hält mehr Daten zurück als verlangt", _PROFIL),
        "WRONG_LENGTH": ("Falsche Länge: der Fob will eine andere Form des Befehls", _PROFIL),
        "SECURE_MESSAGING_NOT_SUPPORTED": ("Der Fob kann kein Secure Messaging", _PROFIL),
        "INCORRECT_DATA": ("Das Applet nimmt die Daten nicht an", _PROFIL),
        "FUNCTION_NOT_SUPPORTED": ("Der Fob kann diese Funktion nicht", _PROFIL),
        "APPLICATION_NOT_FOUND": ("Auf dem Fob ist kein Applet mit dieser AID", _PROFIL),
        "INCORRECT_P1_P2": ("P1 oder P2 wird nicht angenommen", _PROFIL),
        "REFERENCED_DATA_NOT_FOUND": ("Der Fob hat keinen Schlüsselsatz dieser Version", _PROFIL),
        "WRONG_LE": ("Der Fob verlangt immer wieder eine andere Länge", _PROFIL),
        "INSTRUCTION_NOT_SUPPORTED": ("Befehl unbekannt: falsches Applet", _PROFIL),
        "CLASS_NOT_SUPPORTED": ("Befehlsklasse unbekannt: falsches Applet", _PROFIL),
        "MEMORY_FAILURE": ("Der Speicher des Fobs ist ausgefallen", _DEFEKT),
        "NOT_ENOUGH_MEMORY": ("Der Fob hat keinen Speicher mehr frei", _DEFEKT),
        "CONDITIONS_NOT_SATISFIED": (
            "Das Applet weigert sich: es ist schon in FACTORY",
            "Fob beiseitelegen. Er wurde schon personalisiert, und nicht mit diesem Inhalt.",
        ),
        "NO_DIAGNOSIS": ("Der Fob nennt keinen Grund", _PRUEFEN),
        "UNKNOWN": ("Ein Statuswort, das in keiner Tabelle steht", _PRUEFEN),
        # Errors.
        "AlreadyProvisionedError": ("Dieser Fob ist schon fertig", _FERTIG),
        "UnitRejectedError": ("Dieser Fob ist schon endgültig durchgefallen", _AUSSCHUSS),
        "UnitError": (
            "Dieser Fob darf hier jetzt nicht beschrieben werden",
            f"{_PRUEFEN} Es wurde nichts an ihn gesendet.",
        ),
        "CryptogramError": ("Station und Fob haben verschiedene Schlüssel", _SCHLUESSEL),
        "KeyCheckError": ("Die Schlüssel passen nicht zu ihren Prüfwerten", _SCHLUESSEL),
        "CapabilityError": ("Das Profil verlangt, was dieser Fob nicht kann", _PROFIL),
        "ResponseMacError": (
            "Eine Antwort wurde unterwegs verändert oder ist nicht vom Fob",
            _PRUEFEN,
        ),
        "ChannelError": ("Der sichere Kanal ist zusammengebrochen", _PRUEFEN),
        "AnswerFormatError": ("Der Fob antwortet Unverständliches", _PROFIL),
        "IdentityError": ("Der Fob zeigt keine UID, an der man ihn erkennt", _PROFIL),
        "UnprovedError": (
            "Der Fob ist fertig, und nichts beweist, dass er es hier wurde",
            "Fob beiseitelegen und Linienführung rufen. `kfasync ledger resolve` entscheidet.",
        ),
        "CardError": ("Der Fob ist nicht zu gebrauchen", _PRUEFEN),
        "TrustError": (
            "Station und Schlüsselserver vertrauen einander nicht",
            f"{_BEHALTEN} Zertifikate prüfen lassen.",
        ),
        "ContainerError": ("Ein Container ist beschädigt", f"{_BEHALTEN} Container prüfen lassen."),
        "ProviderError": (
            "Die Bibliothek des Herstellers versagt",
            f"{_BEHALTEN} Bibliothek prüfen lassen.",
        ),
        "KeyBlockError": (
            "Die Schlüssel dieses Fobs kamen beschädigt an",
            f"{_BEHALTEN} Quelle der Inhalte prüfen lassen.",
        ),
        "LeaseExpiredError": (
            "Die Reservierung lief ab, bevor der Fob so weit war",
            f"{_BEHALTEN} {_NOCHMAL}.",
        ),
        "SourceUnavailableError": (
            "Die Quelle der Inhalte antwortet nicht",
            f"{_BEHALTEN} Gleich noch einmal auflegen.",
        ),
        "SourceError": (
            "Für diesen Fob gibt es keinen Inhalt",
            f"{_BEHALTEN} Quelle der Inhalte prüfen lassen.",
        ),
        "ShiftError": (
            "Die Prüfliste ist nicht fertig",
            "Fob behalten, er wurde nicht beschrieben. Erst die Prüfliste fertig machen, dann noch "
            "einmal auflegen.",
        ),
        "LedgerError": (
            "Das Kontobuch (Ledger) ist nicht benutzbar",
            "Stopp. Fob beiseitelegen. Ledger prüfen lassen.",
        ),
        "ReaderError": ("Der Leser ist nicht benutzbar", f"{_BEHALTEN} Leser prüfen lassen."),
        # Troubles with a key server.
        "invalid-request": ("Die Anfrage folgt nicht der Schnittstelle", _EINRICHTUNG),
        "idempotency-key-missing": ("Der Anfrage fehlt der Idempotency-Key", _EINRICHTUNG),
        "station-mismatch": ("Das Zertifikat nennt eine andere Station", _EINRICHTUNG),
        "lease-of-another-station": ("Die Reservierung gehört einer anderen Station", _PRUEFEN),
        "not-found": ("Diese Adresse gibt es dort nicht", _EINRICHTUNG),
        "lease-unknown": ("Diese Reservierung gibt es nicht", _PRUEFEN),
        "profile-unknown": ("Der Schlüsselserver kennt das Profil nicht", _EINRICHTUNG),
        "method-not-allowed": ("Diese Methode gibt es dort nicht", _EINRICHTUNG),
        "request-timeout": ("Die Anfrage dauerte zu lange", _GLEICH),
        "unit-provisioned": ("Der Fob ist schon fertig", _FERTIG),
        "unit-rejected": ("Der Fob ist schon endgültig durchgefallen", _AUSSCHUSS),
        "unit-leased-elsewhere": (
            "Eine andere Station hat den Fob reserviert",
            f"{_PRUEFEN} Eine andere Station arbeitet an einem Fob mit dieser UID.",
        ),
        "lease-ended": ("Die Reservierung ist schon beendet", _PRUEFEN),
        "pool-empty": ("Es ist kein Inhalt mehr da", "Stopp. Der Schlüsselserver braucht Inhalte."),
        "request-too-large": ("Die Anfrage ist zu groß", _EINRICHTUNG),
        "unsupported-media-type": ("Die Anfrage ist kein application/json", _EINRICHTUNG),
        "idempotency-key-reused": (
            "Der Idempotency-Key gehört zu einer anderen Anfrage",
            _EINRICHTUNG,
        ),
        "suite-unsupported": ("Der Schlüsselserver kennt dieses Verfahren nicht", _EINRICHTUNG),
        "too-early": ("Die Anfrage kam als TLS early data", _GLEICH),
        "too-many-requests": ("Zu viele Anfragen", _GLEICH),
        "internal-error": ("Der Schlüsselserver hat einen Fehler", _GLEICH),
        "bad-gateway": ("Hinter dem Gateway antwortet niemand", _GLEICH),
        "unavailable": ("Der Schlüsselserver ist jetzt nicht erreichbar", _GLEICH),
        "gateway-timeout": ("Hinter dem Gateway kam keine Antwort rechtzeitig", _GLEICH),
        "answer-malformed": ("Die Antwort folgt nicht der Schnittstelle", _EINRICHTUNG),
        "lease-for-another-unit": ("Die Antwort ist für einen anderen Fob", _PRUEFEN),
        "seal-broken": ("Der Schlüsselblock wurde nicht für diese Anfrage versiegelt", _PRUEFEN),
        "key-block-malformed": (
            "Der Schlüsselblock enthält nicht die Schlüssel eines Fobs",
            _EINRICHTUNG,
        ),
    }
)
