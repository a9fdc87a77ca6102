"""gunicorn's configuration: `gunicorn -c python:piranha_web.gunicorn_conf piranha_web.wsgi`.

| variable | meaning | default |
| --- | --- | --- |
| PIRANHA_BIND | addresses that are served, or unix:PATH | 127.0.0.1 |
| PIRANHA_PORT | TCP port | 3636 |
| PIRANHA_TLS | on; off (if all is local, or with PIRANHA_PROXIES); auto: on unless all is local | auto |
| PIRANHA_TLS_CERT | certificate, PEM, with those that signed it after it | one that the server makes itself |
| PIRANHA_TLS_KEY | its key | in the same file |
| PIRANHA_WEB_WORKERS | processes | 2 |
| PIRANHA_WEB_THREADS | threads of each: a page may wait for a router | 24 |
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from lvs.errors import NotPossible
from lvs.pulse.supervisor import notify
from piranha_web.databases import in_use
from piranha_web.metrics.folder import clear, prepare
from piranha_web.tls.certificates import TlsRefused
from piranha_web.tls.serving import Serving, begin, shown

logging.getLogger("piranha").setLevel(os.environ.get("PIRANHA_LOG_LEVEL", "INFO").upper())


def prepared() -> Serving:
    """How to serve, with the certificate at hand; ends the server with a sentence where that cannot be."""
    try:
        serving = Serving.from_environment()
        if serving.tls:
            begin(serving)
        serving.remember()
        in_use.hold(serving.var)  # for every process that comes of this one
    except (TlsRefused, NotPossible, OSError) as error:
        sys.exit(f"The web server does not start: {error}")
    return serving


def when_ready(server: Any) -> None:
    """Says which certificate browsers will see."""
    if found := shown():
        made = f", made just now ({found.why_made})" if found.why_made else ""
        server.log.info("TLS with a certificate%s; SHA-256 %s", made, found.certificate.fingerprint)


def pre_fork(server: Any, worker: Any) -> None:
    """A process that begins starts with the certificate of now, or the last one that could be used."""
    if found := shown():
        found.look()


def on_exit(server: Any) -> None:
    """systemd has heard READY=1 from gunicorn itself."""
    notify(os.environ, "STOPPING=1")
    clear(counted)


counted = prepare(os.environ)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(counted)  # before the application loads prometheus_client
_serving = prepared()
bind = _serving.addresses
workers = int(os.environ.get("PIRANHA_WEB_WORKERS", "2"))
threads = int(os.environ.get("PIRANHA_WEB_THREADS", "24"))
worker_class = "piranha_web.tls.worker.PatientWorker"
accesslog = "-"
logger_class = "piranha_web.tls.access_log.AccessLog"
control_socket_disable = True  # nobody needs a second way to tell it things
# Forwarding headers are judged in one place, piranha_web.access.addresses: gunicorn must believe none.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
if _serving.tls:
    certfile, keyfile = map(str, _serving.files)
if Path("/dev/shm").is_dir():  # noqa: S108 - only a heartbeat file, which gunicorn unlinks at once
    worker_tmp_dir = "/dev/shm"  # noqa: S108
