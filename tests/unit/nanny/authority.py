"""A certificate authority for tests: certificates of any validity and name, made by the openssl command."""

from __future__ import annotations

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

_CONFIGURATION = """\
[req]
distinguished_name = none
[none]
[ca]
default_ca = here
[here]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:true
subjectKeyIdentifier = hash
"""


class Authority:
    """Its certificate is `root`, a PEM file; all others share one key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._configuration = folder / "openssl.cnf"
        self._configuration.write_text(_CONFIGURATION.format(folder=folder))
        (folder / "index.txt").touch()
        self.key = folder / "key.pem"
        self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key)
        self._root_key = folder / "root-key.pem"
        self._openssl(
            *("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self._root_key)
        )
        self.root = folder / "root.pem"
        config = ("-config", self._configuration)
        self._openssl(
            *("req", "-x509", "-new", "-key", self._root_key, "-subj", "/CN=Test authority", "-days", 30),
            *(*config, "-extensions", "authority", "-out", self.root),
        )

    def server(
        self,
        names: str = "DNS:a.example, IP:127.0.0.1, IP:::1",
        *,
        begins: timedelta = timedelta(days=-30),
        ends: timedelta = timedelta(days=90),
        self_signed: bool = False,
    ) -> ssl.SSLContext:
        """A server with a certificate for these names, valid from and to that long from now."""
        now = datetime.now(UTC)
        request, certificate = self._folder / "request.pem", self._folder / "certificate.pem"
        config = ("-config", self._configuration)
        self._openssl(
            *("req", "-new", "-key", self.key, "-subj", "/CN=server", *config),
            *("-addext", f"subjectAltName={names}", "-out", request),
        )
        signer = ("-selfsign",) if self_signed else ("-cert", self.root)
        self._openssl(
            *("ca", "-batch", "-notext", *config, *signer, "-in", request, "-out", certificate),
            *("-keyfile", self.key if self_signed else self._root_key),
            *("-startdate", f"{now + begins:%Y%m%d%H%M%SZ}", "-enddate", f"{now + ends:%Y%m%d%H%M%SZ}"),
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, self.key)
        return context

    def _openssl(self, *words: object) -> None:
        done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
