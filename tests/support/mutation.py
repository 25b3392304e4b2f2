"""PDUs with something wrong."""

import random

from sms.smpp.codec import MAX_PDU

INTERESTING = (0, 1, 15, 16, 17, 254, 255, 256, MAX_PDU, MAX_PDU + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def sized(octets: bytes) -> bytes:
    """Return a frame whose command_length is true."""
    return len(octets).to_bytes(4, "big") + octets[4:]


def mutate(octets: bytes, dice: random.Random) -> bytes:
    """Return a frame with one to four things wrong; half of them keep a true length, to get further in."""
    frame = bytearray(octets)
    for _ in range(dice.randint(1, 4)):
        where = dice.randrange(len(frame)) if frame else 0
        what = dice.randrange(6)
        if what == 0 and frame:
            frame[where] = dice.randrange(256)
        elif what == 1 and frame:
            frame[where] ^= 1 << dice.randrange(8)
        elif what == 2:
            del frame[where : where + dice.randint(1, 20)]
        elif what == 3:
            frame[where:where] = dice.randbytes(dice.randint(1, 20))
        elif what == 4:
            frame[where:where] = frame[: dice.randint(1, 40)]
        else:
            field = dice.choice((0, 4, 8, 12))
            frame[field : field + 4] = dice.choice(INTERESTING).to_bytes(4, "big")
    return sized(bytes(frame)) if len(frame) >= 4 and dice.random() < 0.5 else bytes(frame)
