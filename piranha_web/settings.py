"""The site's settings: everything that differs between machines comes from the environment.

| variable | meaning | default |
| --- | --- | --- |
| PIRANHA_VAR | folder of the database, the passwords and the key | `var` in the working folder |
| PIRANHA_SECRET_KEY_FILE | file with the key that signs sessions | none: the server refuses to start |
| PIRANHA_DATABASE | SQLite file | `PIRANHA_VAR/piranha.sqlite3` |
| DATABASE_URL | PostgreSQL in its place (`piranha_web.databases.url`) | none: SQLite |
| PIRANHA_DATABASE_URL_FILE | file with that URL, for it has a password | none |
| PIRANHA_PASSWORD_FILE | accounts, in htpasswd format | `PIRANHA_VAR/piranha.passwd` |
| PIRANHA_OIDC_FILE | switches sign-in by OpenID Connect on (`piranha_web.access.oidc_file`) | empty: off |
| PIRANHA_ALLOW_FILE | networks that may reach the site at all | `PIRANHA_VAR/allow` |
| PIRANHA_ALLOW | the same as long as there is no such file | loopback and private networks |
| PIRANHA_PROXIES | proxies whose X-Forwarded-For and -Proto count; `unix`: who uses the socket | none |
| PIRANHA_PORT | TCP port at which the site is served, for PIRANHA_GUARD | 3636 |
| PIRANHA_GUARD | router on this machine that keeps all but PIRANHA_ALLOW from that port | empty: none |
| PIRANHA_HOSTS | further host names of the site | this machine's name (localhost and IP addresses always) |
| PIRANHA_SESSION_IDLE | minutes without use after which a session ends | 30 |
| PIRANHA_SESSION_LONGEST | hours after which it ends in any case | 12 |
| PIRANHA_HTTPS | 1: cookies only over HTTPS, whatever they came by | 0: as they came |
| PIRANHA_HSTS | days for which browsers shall use TLS alone for this name | 7 with PIRANHA_TLS_CERT |
| PIRANHA_GUIDE | folder of the built guide | `build/guide` beside the code, else `/usr/lib/piranha/guide` |
| PIRANHA_METRICS | who may read /metrics: token, open (the allowed networks), off | token |
| PIRANHA_METRICS_TOKEN_FILE | hash of that token (`piranha metrics token`) | `PIRANHA_VAR/metrics.token` |
| PIRANHA_METRICS_VIRTUAL_SERVERS | of a router that have metrics of their own, at most | 10000 |
| PIRANHA_METRICS_REAL_SERVERS | the same of real servers; 0: none has | 0 |
| PIRANHA_ALERTS_FILE | where alerts go; has passwords in it | `PIRANHA_VAR/alerts.targets` |
| PIRANHA_LOG_LEVEL | least severity that is logged to stderr | INFO |
| PIRANHA_LOG_FORMAT | json: each message is one line of JSON | as people read it, or the journal |
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from piranha_web.access.failures import WINDOW
from piranha_web.access.networks import Network, NetworkRefused, is_everything, networks_of
from piranha_web.databases.url import database
from piranha_web.tls.binds import only_by_tls

BASE_DIR = Path(__file__).resolve().parent.parent


def words(name: str, default: str = "") -> list[str]:
    """An environment variable as a list, split at commas and blanks."""
    return os.environ.get(name, default).replace(",", " ").split()


def networks(name: str, written: list[str]) -> list[Network]:
    """The words of that variable as networks."""
    try:
        return networks_of(written)
    except NetworkRefused as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def number(name: str, default: str, most: int) -> int:
    """An environment variable as a number from 1 to most."""
    text = os.environ.get(name, default)
    if not (text.isdecimal() and len(text) < 10 and 0 < int(text) <= most):
        raise ImproperlyConfigured(f"{name} must be a number from 1 to {most}, and is {text!r}")
    return int(text)


def secret_key() -> str:
    """The key in its file; empty when there is none, which Django refuses as soon as the key is needed."""
    path = os.environ.get("PIRANHA_SECRET_KEY_FILE")
    return Path(path).read_text(encoding="ascii").strip() if path else ""


VAR = Path(os.environ.get("PIRANHA_VAR", "var")).absolute()

# There is no default: a published key would let anybody forge a session. wsgi.py says so in words.
SECRET_KEY = secret_key()
DEBUG = False

# Which hosts and addresses may ask is decided, in one place and with its own message, by
# piranha_web.access.allowlist, which runs before everything else; Django's list cannot say "any IP address".
ALLOWED_HOSTS = ["*"]
PIRANHA_HOSTS = ["localhost", socket.gethostname(), *words("PIRANHA_HOSTS")]
PIRANHA_ALLOW = networks(
    "PIRANHA_ALLOW",
    words(
        "PIRANHA_ALLOW",
        "127.0.0.0/8 ::1/128 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fe80::/10",
    ),
)
PIRANHA_ALLOW_FILE = Path(os.environ.get("PIRANHA_ALLOW_FILE", VAR / "allow"))
PIRANHA_PROXY_SOCKET = "unix" in words("PIRANHA_PROXIES")
PIRANHA_PROXIES = networks("PIRANHA_PROXIES", [word for word in words("PIRANHA_PROXIES") if word != "unix"])
if any(map(is_everything, PIRANHA_PROXIES)):
    raise ImproperlyConfigured("PIRANHA_PROXIES names everybody a proxy: name the proxies' own addresses")
PIRANHA_PORT = number("PIRANHA_PORT", "3636", 65535)
PIRANHA_GUARD = os.environ.get("PIRANHA_GUARD", "").strip()
PIRANHA_PASSWORD_FILE = Path(os.environ.get("PIRANHA_PASSWORD_FILE", VAR / "piranha.passwd"))
PIRANHA_GUIDE = (
    [Path(os.environ["PIRANHA_GUIDE"])]
    if os.environ.get("PIRANHA_GUIDE")
    else [BASE_DIR / "build" / "guide", Path("/usr/lib/piranha/guide")]  # the first that is there
)
PIRANHA_OIDC_FILE = Path(os.environ["PIRANHA_OIDC_FILE"]) if os.environ.get("PIRANHA_OIDC_FILE") else None

PIRANHA_METRICS = os.environ.get("PIRANHA_METRICS", "token").strip()
if PIRANHA_METRICS not in ("token", "open", "off"):
    raise ImproperlyConfigured("PIRANHA_METRICS must be token, open or off")
PIRANHA_ALERTS_FILE = Path(os.environ.get("PIRANHA_ALERTS_FILE", VAR / "alerts.targets"))
PIRANHA_METRICS_TOKEN_FILE = Path(os.environ.get("PIRANHA_METRICS_TOKEN_FILE", VAR / "metrics.token"))
PIRANHA_METRICS_VIRTUAL_SERVERS = number("PIRANHA_METRICS_VIRTUAL_SERVERS", "10000", 100_000)
PIRANHA_METRICS_REAL_SERVERS = (
    number("PIRANHA_METRICS_REAL_SERVERS", "1", 1_000_000)
    if os.environ.get("PIRANHA_METRICS_REAL_SERVERS", "0").strip() != "0"
    else 0
)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",
    "crispy_forms",
    "crispy_bootstrap5",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "lvs.apps.LvsApp",
    "piranha_web.apps.SiteApp",
]

MIDDLEWARE = [
    "piranha_web.metrics.web.CountingMiddleware",  # around everything: refusals count too
    "piranha_web.access.headers.SecurityHeadersMiddleware",  # it only adds to answers, refusals too
    "piranha_web.access.allowlist.AllowlistMiddleware",
    "piranha_web.access.plain.PlainMiddleware",
    "piranha_web.access.size.SizeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "piranha_web.access.roles.RoleMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "piranha_web.access.sessions.SessionMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "piranha_web.busy.BusyDatabaseMiddleware",
    "piranha_web.glancing.GlanceMiddleware",
]

ROOT_URLCONF = "piranha_web.urls"
WSGI_APPLICATION = "piranha_web.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "piranha_web.context.frame",
                "piranha_web.access.roles.may",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"

DATABASES = {"default": database(os.environ, VAR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # refuses who is locked out, before any password is looked at
    "piranha_web.access.backend.PasswordFileBackend",
]
AXES_HANDLER = "piranha_web.access.lockout.Handler"
AXES_CLIENT_IP_CALLABLE = "piranha_web.access.lockout.axes_network"
AXES_COOLOFF_TIME = WINDOW
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # our handler judges by more than these
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
# axes' middleware would put a bare page in the place of our login page, which says how long to wait.
SILENCED_SYSTEM_CHECKS = ["axes.W002"]
OTP_TOTP_ISSUER = f"Piranha Web {socket.gethostname()}"  # by this name an authenticator app lists the account
if PIRANHA_OIDC_FILE:
    AUTHENTICATION_BACKENDS.append("piranha_web.access.oidc.IssuerBackend")
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "control"

SECURE_COOKIES = os.environ.get("PIRANHA_HTTPS", "0") == "1"
# Cookies do not know ports: names of our own keep apart from other sites on the same host.
SESSION_COOKIE_NAME = "piranha_session"
# Half an hour: long enough to read a manual beside a form, short enough for a desk that somebody has left.
# Pages that update themselves do not count as use (piranha_web.access.sessions): a screen on a wall needs
# more.
PIRANHA_SESSION_IDLE = timedelta(minutes=number("PIRANHA_SESSION_IDLE", "30", 24 * 60))
PIRANHA_SESSION_LONGEST = timedelta(hours=number("PIRANHA_SESSION_LONGEST", "12", 24 * 30))
SESSION_COOKIE_AGE = int(PIRANHA_SESSION_LONGEST.total_seconds())
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = SECURE_COOKIES
CSRF_COOKIE_NAME = "piranha_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_SECURE = SECURE_COOKIES
PIRANHA_ONLY_TLS = only_by_tls()
PIRANHA_HSTS = (
    timedelta(days=number("PIRANHA_HSTS", "1", 730) if os.environ["PIRANHA_HSTS"].strip() != "0" else 0)
    if os.environ.get("PIRANHA_HSTS")
    else None
)
CSRF_FAILURE_VIEW = "piranha_web.views.errors.csrf_failure"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024  # an lvs.cf of 10,000 real servers has about 2 MB
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # no collectstatic step: the files are served from where they lie
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 300

LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = os.environ.get("TZ") or "UTC"
USE_TZ = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "lvs.logs.formatter", "plain": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("PIRANHA_LOG_LEVEL", "INFO").upper()},
    "filters": {"said in one line": {"()": "piranha_web.busy.SaidInOneLine"}},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django.request": {"filters": ["said in one line"]},
    },
}
