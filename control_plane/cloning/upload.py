"""
A recording as it was sent, in a form or as the whole body. Nothing of it is believed.

The boundary has limited the body before it is read; here its parts are counted and named. A file's
name is looked at for one word and never used for a path or a key; its type is a hint, the decoder
decides by content.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from shared.errors import Invalid

FILE_BYTES_MAX: Final = 4_718_592  # 4.5 MiB, upstream's
FIELDS_MAX: Final = 16  # upstream's form has three and ours one more
FIELD_BYTES_MAX: Final = 64 * 1024  # 4,000 characters, in any script and escaping
SPOOL_BYTES_MAX: Final = 16 * 2**20  # more than the boundary lets in: no file on a disk
FORM: Final = "multipart/form-data"


class NotAForm(Invalid):
    """The request body is no form that can be read"""

    code = "invalid_form"


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """`media_type` in lower case without parameters, "" when none was sent."""

    data: bytes
    media_type: str
    name: str


@dataclass(frozen=True, slots=True)
class UploadForm:
    """The first value of each field; `file` is the part of that name."""

    fields: Mapping[str, str] = field(default_factory=dict)
    file: UploadedFile | None = None

    def fingerprint(self) -> bytes:
        """What makes two uploads the same, whatever boundary or file name they have."""
        file = self.file and [hashlib.sha256(self.file.data).hexdigest(), self.file.media_type]
        return json.dumps([sorted(self.fields.items()), file]).encode()


def media_type_of(header: str) -> str:
    """`Audio/Webm; codecs=opus` as audio/webm."""
    return header.partition(";")[0].strip().lower()


def is_form(request: Request) -> bool:
    return media_type_of(request.headers.get("content-type", "")) == FORM


async def read_form(request: Request) -> UploadForm:
    """Raises NotAForm, BodyTooLarge or BodyTooSlow."""
    parser = MultiPartParser(
        Headers(scope=request.scope),
        request.stream(),  # `body()` would keep all of it as long as the request lasts
        max_files=1,
        max_fields=FIELDS_MAX,
        max_part_size=FIELD_BYTES_MAX,
    )
    parser.spool_max_size = SPOOL_BYTES_MAX
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, UnicodeError, LookupError):
        # KeyError: no boundary in the header. LookupError: a character set nobody knows.
        raise NotAForm from None
    return await _sorted_out(form)


async def _sorted_out(form: FormData) -> UploadForm:
    fields: dict[str, str] = {}
    file: UploadedFile | None = None
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            file = await _file(value) if name == "file" else file
        else:
            fields.setdefault(name, value)
    return UploadForm(fields, file)


async def read_recording(request: Request) -> UploadedFile | None:
    """A recording sent as a form's `file`, or as the body itself."""
    if is_form(request):
        return (await read_form(request)).file
    body = await request.body()
    if not body:
        return None
    return UploadedFile(body, media_type_of(request.headers.get("content-type", "")), "")


async def _file(part: UploadFile) -> UploadedFile:
    data = await part.read()
    await part.close()
    return UploadedFile(data, media_type_of(part.content_type or ""), part.filename or "")
