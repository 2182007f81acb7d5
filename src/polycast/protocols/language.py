"""Language tags: the shortest form for LANGUAGE and lang, and a name that people recognise.

Containers carry ISO 639-2 three-letter codes (MP4 mdhd, Matroska), HLS and DASH want BCP 47 (RFC 5646), which
demands the two-letter code where one exists (section 2.2.1). The table holds what is met in practice; any other
well-formed tag passes unchanged.
"""

import re
from typing import Final

_TAG: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,6}\Z")
UNDETERMINED: Final = frozenset({"und", "mis", "mul", "zxx", "root"})

# two-letter code: (three-letter codes, terminological first; the language's own name)
_LANGUAGES: Final[dict[str, tuple[str, str]]] = {
    "af": ("afr", "Afrikaans"), "am": ("amh", "አማርኛ"), "ar": ("ara", "العربية"), "az": ("aze", "Azərbaycanca"),
    "be": ("bel", "Беларуская"), "bg": ("bul", "Български"), "bn": ("ben", "বাংলা"), "bs": ("bos", "Bosanski"),
    "ca": ("cat", "Català"), "cs": ("ces cze", "Čeština"), "cy": ("cym wel", "Cymraeg"), "da": ("dan", "Dansk"),
    "de": ("deu ger", "Deutsch"), "el": ("ell gre", "Ελληνικά"), "en": ("eng", "English"),
    "es": ("spa", "Español"), "et": ("est", "Eesti"), "eu": ("eus baq", "Euskara"), "fa": ("fas per", "فارسی"),
    "fi": ("fin", "Suomi"), "fil": ("fil", "Filipino"), "fr": ("fra fre", "Français"), "ga": ("gle", "Gaeilge"),
    "gl": ("glg", "Galego"), "gu": ("guj", "ગુજરાતી"), "he": ("heb", "עברית"), "hi": ("hin", "हिन्दी"),
    "hr": ("hrv", "Hrvatski"), "hu": ("hun", "Magyar"), "hy": ("hye arm", "Հայերեն"),
    "id": ("ind", "Indonesia"), "is": ("isl ice", "Íslenska"), "it": ("ita", "Italiano"), "ja": ("jpn", "日本語"),
    "ka": ("kat geo", "ქართული"), "kk": ("kaz", "Қазақша"), "km": ("khm", "ខ្មែរ"), "kn": ("kan", "ಕನ್ನಡ"),
    "ko": ("kor", "한국어"), "ku": ("kur", "Kurdî"), "la": ("lat", "Latina"), "lt": ("lit", "Lietuvių"),
    "lv": ("lav", "Latviešu"), "mk": ("mkd mac", "Македонски"), "ml": ("mal", "മലയാളം"), "mn": ("mon", "Монгол"),
    "mr": ("mar", "मराठी"), "ms": ("msa may", "Melayu"), "mt": ("mlt", "Malti"), "my": ("mya bur", "မြန်မာ"),
    "nb": ("nob", "Norsk bokmål"), "ne": ("nep", "नेपाली"), "nl": ("nld dut", "Nederlands"),
    "nn": ("nno", "Nynorsk"), "no": ("nor", "Norsk"), "pa": ("pan", "ਪੰਜਾਬੀ"), "pl": ("pol", "Polski"),
    "ps": ("pus", "پښتو"), "pt": ("por", "Português"), "ro": ("ron rum", "Română"), "ru": ("rus", "Русский"),
    "si": ("sin", "සිංහල"), "sk": ("slk slo", "Slovenčina"), "sl": ("slv", "Slovenščina"), "so": ("som", "Soomaali"),
    "sq": ("sqi alb", "Shqip"), "sr": ("srp scc", "Српски"), "sv": ("swe", "Svenska"), "sw": ("swa", "Kiswahili"),
    "ta": ("tam", "தமிழ்"), "te": ("tel", "తెలుగు"), "tg": ("tgk", "Тоҷикӣ"), "th": ("tha", "ไทย"),
    "tl": ("tgl", "Tagalog"), "tr": ("tur", "Türkçe"), "uk": ("ukr", "Українська"), "ur": ("urd", "اردو"),
    "uz": ("uzb", "Oʻzbekcha"), "vi": ("vie", "Tiếng Việt"), "zh": ("zho chi cmn", "中文"), "zu": ("zul", "isiZulu"),
}  # fmt: skip
_SHORT: Final = {code: short for short, (codes, _) in _LANGUAGES.items() for code in codes.split()}


def normalize(tag: str | None) -> str | None:
    """The BCP 47 tag in its usual case with the shortest primary code; None for nothing, `und` or a broken tag.

    `ger` and `deu` give `de`, `EN_us` gives `en-US`, `zho-hans` gives `zh-Hans`.
    """
    if not tag:
        return None
    tag = tag.strip().replace("_", "-")
    if not _TAG.match(tag):
        return None
    primary, *rest = tag.split("-")
    primary = primary.lower()
    if primary in UNDETERMINED:
        return None
    return "-".join([_SHORT.get(primary, primary), *_cased(rest)])


def three_letters(tag: str | None) -> str:
    """The ISO 639-2 code that MP4 and Matroska carry, `und` where there is none."""
    normal = normalize(tag)
    if normal is None:
        return "und"
    primary = normal.split("-")[0]
    if primary in _LANGUAGES:
        return _LANGUAGES[primary][0].split()[0]
    return primary if len(primary) == 3 else "und"


def display_name(tag: str | None) -> str | None:
    """What speakers call the language, the region behind it (`Português (BR)`); the tag itself when unknown."""
    normal = normalize(tag)
    if normal is None:
        return None
    primary, *rest = normal.split("-")
    name = _LANGUAGES[primary][1] if primary in _LANGUAGES else primary
    return f"{name} ({'-'.join(rest)})" if rest else name


def _cased(subtags: list[str]) -> list[str]:
    """RFC 5646 2.1.1: regions upper case, scripts title case, all else and all behind a singleton lower."""
    cased: list[str] = []
    extension = False
    for subtag in subtags:
        extension = extension or len(subtag) == 1
        if not extension and len(subtag) == 2:
            cased.append(subtag.upper())
        elif not extension and len(subtag) == 4 and subtag.isalpha():
            cased.append(subtag.title())
        else:
            cased.append(subtag.lower())
    return cased
