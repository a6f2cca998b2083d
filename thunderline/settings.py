"""Django settings. What an operator can change is in `config.py`; this file turns it into what Django wants."""

from __future__ import annotations

from celery.schedules import schedule
from kombu import Queue

from thunderline import embedded, multiprocess
from thunderline.config import BASE_DIR, config
from thunderline.secret import secret_key
from thunderline.theme import UNFOLD  # noqa: F401

CONFIG = config()
VAR_DIR = CONFIG.var_dir.resolve()
# Before anything imports prometheus_client.
multiprocess.prepare(VAR_DIR / "metrics")

SECRET_KEY = CONFIG.secret_key or secret_key(VAR_DIR)
DEBUG = CONFIG.debug
ALLOWED_HOSTS = CONFIG.allowed_hosts
CSRF_TRUSTED_ORIGINS = CONFIG.trusted_origins

INSTALLED_APPS = [
    "daphne",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "django_celery_beat",
    "django_htmx",
    "django_prometheus",
    "rest_framework",
    "domains.thunderflow",
    "domains.thunderblock",
    "domains.thundergate",
    "domains.thunderlink",
    "zones",
    "memory",
    "agents",
    "thunderline",
]

MIDDLEWARE = [
    "thunderline.views.operators.HealthMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "domains.thunderflow.middleware.CorrelationMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "thunderline.urls"
ASGI_APPLICATION = "thunderline.asgi.application"

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
            ],
        },
    }
]

# --- Storage -------------------------------------------------------------------------------------------------

DATABASE_URL = CONFIG.database_url or embedded.database_url(VAR_DIR)
REDIS_URL = CONFIG.redis_url or embedded.redis_url(VAR_DIR)

DATABASES = {"default": embedded.django_database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "thunderline"},
    }
}

# --- People --------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "thundergate.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

if CONFIG.https:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True

# --- Language, time, files -----------------------------------------------------------------------------------

LANGUAGE_CODE = "en-gb"
TIME_ZONE = CONFIG.time_zone
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
# Found by the finders at run time: no collect step between a change and the page, with DEBUG off too.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# --- Celery --------------------------------------------------------------------------------------------------
# Rows are the queue; a message only wakes a worker. So nothing is kept, nothing is redelivered, nothing piles up.

CELERY_BROKER_URL = embedded.celery_url(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "work"
CELERY_TASK_DEFAULT_ROUTING_KEY = "work"
CELERY_TASK_QUEUES = [Queue(name, routing_key=name) for name in ("work", "ticks", "heartbeat")]
# Ticks have a queue of their own beside the work that they could crowd out; the same workers take from both in turn.
CELERY_TASK_ROUTES = {
    "thunderlink.heartbeat": {"queue": "heartbeat", "routing_key": "heartbeat"},
    "agents.tick_zones": {"queue": "ticks", "routing_key": "ticks"},
}
CELERY_TASK_TIME_LIMIT = 60
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = CONFIG.heartbeat_s
CELERY_BEAT_SCHEDULE = {
    "heartbeat": {
        "task": "thunderlink.heartbeat",
        "schedule": schedule(CONFIG.heartbeat_s),
        "options": {"expires": CONFIG.heartbeat_s},
    }
}

# --- Thunderline ---------------------------------------------------------------------------------------------

HEARTBEAT_S = CONFIG.heartbeat_s
CHUNK_SIZE = CONFIG.chunk_size
EAGER_DOMAINS = CONFIG.eager_domains

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname:7} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": CONFIG.log_level},
    "loggers": {name: {"level": "WARNING"} for name in ("daphne", "django.channels.server", "httpx2")},
}
