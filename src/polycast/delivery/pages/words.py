"""Words of the page around the player, by language; the player has its own in `web/src/i18n.ts`."""

from dataclasses import dataclass

RTL = frozenset({"ar", "arc", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})


@dataclass(frozen=True, slots=True)
class PageWords:
    """One language."""

    chapters: str
    share: str
    link: str
    embed_code: str
    copy: str
    qr: str
    noscript: str


_WORDS = {
    "en": PageWords(
        "Chapters",
        "Share",
        "Link",
        "Embed code",
        "Copy",
        "QR code of this page",
        "Playing needs JavaScript. Please switch it on for this site.",
    ),
    "de": PageWords(
        "Kapitel",
        "Teilen",
        "Link",
        "Code zum Einbetten",
        "Kopieren",
        "QR-Code dieser Seite",
        "Zum Abspielen wird JavaScript gebraucht. Bitte für diese Seite einschalten.",
    ),
    "pl": PageWords(
        "Rozdziały",
        "Udostępnij",
        "Link",
        "Kod do osadzenia",
        "Kopiuj",
        "Kod QR tej strony",
        "Odtwarzanie wymaga JavaScriptu. Włącz go dla tej strony.",
    ),
    "es": PageWords(
        "Capítulos",
        "Compartir",
        "Enlace",
        "Código para insertar",
        "Copiar",
        "Código QR de esta página",
        "La reproducción necesita JavaScript. Actívalo para este sitio.",
    ),
    "fr": PageWords(
        "Chapitres",
        "Partager",
        "Lien",
        "Code d’intégration",
        "Copier",
        "Code QR de cette page",
        "La lecture a besoin de JavaScript. Activez-le pour ce site.",
    ),
}


def page_words(language: str | None) -> PageWords:
    """Return the words for a BCP 47 tag; English when there are none."""
    return _WORDS.get(_primary(language), _WORDS["en"])


def direction(language: str | None) -> str:
    """Return the value of `dir` for a language."""
    return "rtl" if _primary(language) in RTL else "ltr"


def _primary(language: str | None) -> str:
    return (language or "en").replace("_", "-").split("-")[0].lower()
