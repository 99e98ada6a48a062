"""Bytes in the format of states that no data could have made, or that ask for much."""

import zlib


def spelt(*numbers, flags=0, magic=b"hinge\x01"):
    """Bytes of the format, with a checksum that is right whatever they say; bytes stay."""
    body = magic + bytes([flags])
    for number in numbers:
        if isinstance(number, bytes):
            body += number
            continue
        length = rest = (number.bit_length() + 7) // 8
        while rest > 0x7F:
            body += bytes([rest & 0x7F | 0x80])
            rest >>= 7
        body += bytes([rest]) + number.to_bytes(length, "little")
    return body + zlib.crc32(body).to_bytes(4, "little")


# Classes, samples, targets 0, targets -1; the exponent and mantissa of the weights; NaN, inf, and
# exponent and mantissa of the losses. 1077 is the exponent of 1.
ONE_LOSS = (1, 1, 0, 0, 1077, 1, 0, 0, 1077, 1)
HOSTILE = {
    "samples": (1, 2**159999, 0, 0, 1077, 1, 0, 0, 1077, 1),
    "samples of much weight": (1, 2**159999, 0, 0, 150_000, 1, 0, 0, 150_000, 1),
    "samples of much more weight": (1, 2**159999, 0, 0, 2**56, 1, 0, 0, 0, 0),
    "samples and targets": (1, 2**159999, 2**159998, 2**159998, 1077, 1, 0, 0, 0, 0),
    "exponent of weights": (1, 1, 0, 0, 2**40, 1, 0, 0, 1077, 1),
    "exponent of losses": (1, 1, 0, 0, 1077, 1, 0, 0, 2**40, 1),
    "enormous exponent": (1, 1, 0, 0, 1077, 1, 0, 0, 2**2**17, 1),
    "exponent of nothing": (1, 1, 0, 0, 1077, 1, 0, 0, 2**40, 0),
    "mantissa": (1, 1, 0, 0, 1077, 1, 0, 0, 0, 2**159999 + 1),
    "NaN": (1, 1, 0, 0, 1077, 1, 2**159999, 0, 0, 0),
    "classes": (2**40, 1, 0, 0, 1077, 1, 0, 0),
    "classes, nothing else": (2**159999,),
}
