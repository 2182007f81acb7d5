"""The same studio as the pipeline's tests."""

from tests.integration.pipeline.conftest import media, studio

__all__ = ["media", "studio"]
