"""Settings that only show to be wrong when they are used: found out before any process is started.

A process of `up` that meets one would be started again and again, and its log would hide the reason.
"""

import os
import shutil
import ssl

from polycast.domain.errors import Invalid, PolycastError
from polycast.settings import PREFIX, Settings


class WrongSetting(Invalid):
    """A setting that a restart does not mend; `polycast` ends with 78.

    Args:
        name: of the setting, as the tree of settings has it.
    """

    code = "wrong_setting"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{PREFIX}{name.upper()}: {why}", field=name)


async def check(settings: Settings, *, serves: bool = True) -> None:
    """Use what the settings name once.

    Args:
        serves: the certificate counts too.

    Raises:
        WrongSetting: names the setting.
    """
    if serves:
        check_certificate(settings)
    if settings.ffmpeg and shutil.which(settings.ffmpeg) is None:
        raise WrongSetting("ffmpeg", f"{settings.ffmpeg} is no program")
    await _check_store(settings)


def check_certificate(settings: Settings) -> None:
    """Load the pair of certificate and key, when there is one.

    Raises:
        WrongSetting: it cannot be read, or key and certificate do not belong together.
    """
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None or key is None:
        return
    for name, path in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            path.open("rb").close()
        except OSError as error:
            raise WrongSetting(name, f"{path}: {error.strerror or error}") from error
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            certificate,
            key,
            password="",  # never ask a terminal for it
        )
    except (OSError, ssl.SSLError) as error:
        why = f"{certificate} and {key} are no pair of certificate and key in PEM"
        raise WrongSetting("tls_certificate", f"{why}: {error}") from error


async def _check_store(settings: Settings) -> None:
    folder = settings.store_folder
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            why = "" if os.access(folder, os.W_OK | os.X_OK) else "it cannot be written by this user"
        except OSError as error:
            why = error.strerror or str(error)
        if why:
            raise WrongSetting("store", f"{folder} cannot be used: {why}")
        return
    from polycast.media_store import open_media_store

    try:
        store = open_media_store(settings)
    except PolycastError as error:
        # the keys of S3 have settings of their own
        name = f"s3_{error.field}" if error.field == "access_key" else "store"
        raise WrongSetting(name, error.message) from error
    await store.aclose()
