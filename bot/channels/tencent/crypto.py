"""How WeChat signs what it pushes, and how safe mode hides it.

Source: the platform's "message encryption and decryption" pages; checked by two known answers and
by wechatpy. The same scheme serves official accounts and WeCom. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import string

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from store.errors import Invalid, SettingsError

KEY_LENGTH = 43
"""Characters of an EncodingAESKey: 32 bytes in base64 without the last ``=``."""
_BLOCK = 32
"""The padding fills blocks of 32 bytes, not AES's 16."""
_RANDOM = 16
_ALPHABET = frozenset(string.ascii_letters + string.digits + "+/")


def signature(*words: str) -> str:
    """SHA-1 of the words, sorted and joined: the token, a timestamp, a nonce, a cipher."""
    return hashlib.sha1("".join(sorted(words)).encode()).hexdigest()  # noqa: S324 - their scheme


def genuine(given: str, *words: str) -> bool:
    """Whether ``given`` is the signature of ``words``; takes the same time for every wrong one."""
    return hmac.compare_digest(signature(*words).encode(), given.encode("utf-8", "replace"))


def key_of(aes_key: str, setting: str) -> bytes:
    """The key's 32 bytes. SettingsError that names ``setting`` if it is not 43 of base64."""
    if len(aes_key) != KEY_LENGTH or not _ALPHABET.issuperset(aes_key):
        raise SettingsError(
            f"{setting} is no EncodingAESKey; copy its 43 letters and digits from the page where "
            "the callback's address is entered."
        )
    return base64.b64decode(aes_key + "=")


class SafeMode:
    """Opens and seals messages for one receiver (an account's app id, a corporation's corp id):
    AES-256-CBC over random(16) + length(4) + message + receiver."""

    def __init__(self, aes_key: str, receiver: str, setting: str) -> None:
        """SettingsError as ``key_of``."""
        self._key = key_of(aes_key, setting)
        self._receiver = receiver.encode()

    def open(self, cipher: str) -> bytes:
        """The message inside. Invalid if it was not made with this key for this receiver."""
        try:
            hidden = base64.b64decode(cipher, validate=True)
            machine = Cipher(algorithms.AES(self._key), modes.CBC(self._key[:16])).decryptor()
            padded = machine.update(hidden) + machine.finalize()
        except ValueError as error:
            raise Invalid("not a cipher of this scheme") from error
        fill = padded[-1] if padded else 0
        if not 1 <= fill <= _BLOCK or not padded.endswith(bytes([fill]) * fill):
            raise Invalid("wrong padding: another key")
        inner = padded[_RANDOM:-fill]
        end = 4 + int.from_bytes(inner[:4])
        if not hmac.compare_digest(inner[end:], self._receiver):
            raise Invalid("meant for another receiver")
        return inner[4:end]

    def seal(self, message: bytes) -> str:
        """A message hidden as the platform hides its own."""
        inner = secrets.token_bytes(_RANDOM) + len(message).to_bytes(4) + message + self._receiver
        fill = _BLOCK - len(inner) % _BLOCK
        machine = Cipher(algorithms.AES(self._key), modes.CBC(self._key[:16])).encryptor()
        hidden = machine.update(inner + bytes([fill]) * fill) + machine.finalize()
        return base64.b64encode(hidden).decode()
