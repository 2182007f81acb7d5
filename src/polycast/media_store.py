"""From the settings to the media store; light enough for those who only want to know whether there is one."""

from polycast.settings import Settings
from polycast.storage.factory import StoreOptions, open_store
from polycast.storage.interface import ObjectStore


def store_options(settings: Settings) -> StoreOptions:
    """How the media store is reached."""
    return StoreOptions(
        endpoint=settings.s3_endpoint or None,
        region=settings.s3_region,
        access_key=settings.s3_access_key or None,
        secret_key=settings.s3_secret_key.get_secret_value() or None,
        spool=settings.parts_folder,
    )


def open_media_store(settings: Settings) -> ObjectStore:
    """The store that `POLYCAST_STORE` names, without a cache before it.

    Raises:
        Invalid: there is none of that name, or it lacks what it needs; `field` is that of `open_store`.
        Unavailable: its folder cannot be used.
    """
    return open_store(settings.store_url, store_options(settings))
