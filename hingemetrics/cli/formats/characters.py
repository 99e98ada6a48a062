"""Characters that names may have, and documents may not."""

import re

# Those of XML 1.0. A surrogate is from a file name that is not UTF-8, and no encoding has it.
_INVALID = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def valid(text: str) -> str:
    """Replace characters that no document can hold, not even escaped."""
    return _INVALID.sub("\N{REPLACEMENT CHARACTER}", text)
