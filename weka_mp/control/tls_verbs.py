"""The certificate of TLS, as the administration API has it. The key is only ever taken, never given out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weka_mp.control.fields import Fields
from weka_mp.identity import Caller
from weka_mp.identity.errors import InUse, NoSuchEntity
from weka_mp.tls import KeptCertificate, TlsError
from weka_mp.tls.pem import chain_text, described, read_chain

if TYPE_CHECKING:
    from weka_mp.control.desk import Desk

__all__ = ["TlsState", "download_certificate", "set_certificate", "show_certificate", "unset_certificate"]


@dataclass(frozen=True, slots=True)
class TlsState:
    """kept: the certificate that administration changes. serving: whether the service speaks TLS; None: none
    runs. files: the certificates it was started with, which count instead.
    """

    kept: KeptCertificate
    serving: bool | None = None
    files: tuple[str, ...] = ()

    def chain(self) -> str:
        """The certificates that clients get, as PEM. Raises TlsError, NoSuchEntity."""
        if not self.files:
            try:
                return self.kept.chain()
            except FileNotFoundError:
                raise NoSuchEntity("there is no certificate yet: set one, or start with --tls on") from None
        path = self.files[0]
        try:
            with open(path, encoding="utf-8") as file:
                return chain_text(read_chain(file.read(), path))
        except OSError as error:
            raise TlsError(f"{path}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise TlsError(f"{path}: not PEM") from None

    @property
    def source(self) -> str:
        """Where the certificate comes from."""
        if self.files:
            return "files"
        if self.kept.is_given:
            return "set"
        return "self-signed" if self.kept.is_made else "none"

    def check_changeable(self) -> None:
        """Raises InUse."""
        if self.files:
            raise InUse(
                f"the service was started with --tls-cert {self.files[0]}: replace that file and its key,"
                " they are read again by themselves"
            )


def set_certificate(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """Another one, for every handshake from now on."""
    desk.tls.check_changeable()
    desk.tls.kept.set(fields.pem("certificate"), fields.pem("private_key"))
    return _shown(desk.tls)


def unset_certificate(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """Back to the self-signed one."""
    desk.tls.check_changeable()
    if not desk.tls.kept.unset():
        raise NoSuchEntity("no certificate was set")
    try:
        return _shown(desk.tls)
    except NoSuchEntity:  # the next start makes a self-signed one
        return _described(desk.tls, {})


def show_certificate(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """What clients get, and whether any do; that there is none yet is an answer, too."""
    return _described(desk.tls, {}) if desk.tls.source == "none" else _shown(desk.tls)


def download_certificate(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """The chain as PEM, for clients that are to trust it."""
    return {"certificate": desk.tls.chain()}


def _shown(state: TlsState) -> Any:
    return _described(state, described(read_chain(state.chain(), "the certificate")[0]))


def _described(state: TlsState, about: Any) -> Any:
    return {"serving": state.serving, "source": state.source, **about}
