"""The multipart protocol on the wire: bare objects, as Companion's clients read them."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from polycast.dialects.gotipath.wire import Body, example


class UploadMetadata(Body):
    """What an upload is for; browser clients send more, which is ignored."""

    video_id: str
    library_id: str
    collection_id: str | None = None
    name: str | None = None
    type: str | None = None


class CreateMultipart(Body):
    """multipart_create"""

    model_config = Body.model_config | {
        "json_schema_extra": example(
            filename="harbour.mp4",
            type="video/mp4",
            metadata={
                "name": "harbour.mp4",
                "video_id": "6d0f3c1a-52b7-4e0a-9a5e-0c1f7b8d2e11",
                "library_id": "0b9a4f7e-3f0c-4c38-8a9d-5a1d2c3b4e5f",
            },
        )
    }

    filename: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    type: str
    metadata: UploadMetadata


class OpenedMultipart(Body):
    """An open upload."""

    uploadId: str  # noqa: N815 - the wire's name
    key: str


class PartAddress(Body):
    """Where one part is to be PUT."""

    url: str
    method: str = "PUT"
    headers: dict[str, str] = Field(default_factory=dict)
    expires: int = Field(description="seconds")


class PartAddresses(Body):
    """Where several parts are to be PUT, by number."""

    presignedUrls: dict[str, str]  # noqa: N815 - the wire's name


class StoredPart(Body):
    """A part that is there."""

    PartNumber: int
    Size: int
    ETag: str


class PartETag(Body):
    """A part as its client saw it; the ETag with or without quotes."""

    PartNumber: Annotated[int, Field(ge=1, le=10_000)]
    ETag: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class CompleteMultipart(Body):
    """multipart_complete"""

    model_config = Body.model_config | {
        "json_schema_extra": example(parts=[{"PartNumber": 1, "ETag": '"9b74c9897bac770ffc029102a200c5de"'}])
    }

    parts: list[PartETag]


class CompletedMultipart(Body):
    """A stored file and the video it went to."""

    location: str
    key: str
    video_id: str


Nothing = dict[str, Any]
