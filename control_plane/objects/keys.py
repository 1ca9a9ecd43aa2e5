"""Names of objects. They are made by us, so a wrong one is a bug and never a client's fault."""

import re
from typing import Final

KEY_LENGTH_MAX: Final = 512  # S3 allows 1,024 bytes, a folder 255 a part
# No part begins with a dot: neither `..` nor the hidden files of a folder can be named.
_KEY: Final = re.compile(
    r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,199})*"
)


def is_key(text: str) -> bool:
    """Whether `text` can name an object, inside the folder and nowhere else."""
    return len(text) <= KEY_LENGTH_MAX and _KEY.fullmatch(text) is not None


def checked(key: str) -> str:
    """`key` itself. Raises ValueError for one that cannot be ours."""
    if not is_key(key):
        raise ValueError("not the key of an object")
    return key
