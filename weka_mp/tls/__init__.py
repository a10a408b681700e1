"""TLS for every door that listens: certificates and keys, where they lie, and contexts that follow them."""

from __future__ import annotations

from weka_mp.tls.certificates import Certificates
from weka_mp.tls.errors import TlsError
from weka_mp.tls.kept import KeptCertificate
from weka_mp.tls.settings import PlainHttp, TlsSettings

__all__ = ["Certificates", "KeptCertificate", "PlainHttp", "TlsError", "TlsSettings"]
