"""Django settings. What an operator can change is in `config.py`; this file turns it into what Django wants."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network

from celery.schedules import schedule
from kombu import Queue

from thunderline import embedded, logs, multiprocess
from thunderline.api.about import REST_DOCUMENT
from thunderline.config import BASE_DIR, config, mail
from thunderline.secret import secret_key
from thunderline.theme import UNFOLD  # noqa: F401

CONFIG = config()
VAR_DIR = CONFIG.var_dir.resolve()
# Before anything imports prometheus_client.
multiprocess.prepare(VAR_DIR / "metrics")

SECRET_KEY = CONFIG.secret_key or secret_key(VAR_DIR)
SECRET_KEY_FALLBACKS = CONFIG.secret_key_fallbacks
JWT_KEY = CONFIG.jwt_key
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
    "axes",
    "channels",
    "django_celery_beat",
    "django_htmx",
    "django_prometheus",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "domains.thunderflow",
    "domains.thunderblock",
    "domains.thundergate",
    "domains.thunderlink",
    "zones",
    "memory",
    "agents",
    "mcp_server",
    "thunderline",
    "thunderline.api",
]

MIDDLEWARE = [
    "thunderline.headers.HeadersMiddleware",
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
    "domains.thundergate.limits.views.LimitHeadersMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
    "axes.middleware.AxesMiddleware",
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

PROXIES = CONFIG.proxies
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

PASSWORD_RESET_TIMEOUT = 3600

# The lock-out of logins: by name and address together, so that nobody locks somebody else out.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = CONFIG.login_failures
AXES_COOLOFF_TIME = timedelta(seconds=CONFIG.login_wait_s)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "domains.thundergate.addresses.client"
AXES_LOCKOUT_CALLABLE = "thunderline.views.people.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

SESSION_COOKIE_AGE = int(CONFIG.session_hours * 3600)
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
if CONFIG.https:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-sessionid"  # browsers take no such cookie from a neighbour

EMAIL = mail(CONFIG.email_url)
EMAIL_BACKEND = EMAIL.backend
EMAIL_HOST, EMAIL_PORT = EMAIL.host, EMAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = EMAIL.user, EMAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL.tls, EMAIL.ssl
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = CONFIG.email_from

# --- REST ----------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "thunderline.api.authentication.BearerAuthentication",
        "thunderline.api.authentication.BrowserAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["domains.thundergate.limits.throttles.IdentityThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["thunderline.api.replies.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["thunderline.api.replies.NoParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "thunderline.api.problems.handler",
}
SPECTACULAR_SETTINGS = REST_DOCUMENT

# --- Language, time, files -----------------------------------------------------------------------------------

LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = ["thunderline.formats"]
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
CELERY_TASK_QUEUES = [Queue(name, routing_key=name) for name in ("work", "ticks", "heartbeat", "upkeep")]
# Ticks have a queue of their own beside the work that they could crowd out; the same workers take from both in turn.
CELERY_TASK_ROUTES = {
    "thunderlink.heartbeat": {"queue": "heartbeat", "routing_key": "heartbeat"},
    "agents.tick_zones": {"queue": "ticks", "routing_key": "ticks"},
    "thundergate.*": {"queue": "upkeep", "routing_key": "upkeep"},
    "memory.*": {"queue": "upkeep", "routing_key": "upkeep"},
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
SOCKET_ADDRESS = CONFIG.address or f"ws://{CONFIG.bind}:{CONFIG.port}"
OUTSIDE_NETWORKS = [ip_network(name) for name in CONFIG.outside_networks]
# By class (`domains.thundergate.limits`): the first three are a minute, the others a second.
LIMITS = {
    "on": CONFIG.limits,
    "default": CONFIG.limit_default,
    "heavy": CONFIG.limit_heavy,
    "refused": CONFIG.limit_refused,
    "message": CONFIG.socket_rate,
    "message_burst": CONFIG.socket_burst,
    "push": CONFIG.socket_agent_rate,
    "broadcast": CONFIG.socket_broadcast_rate,
}
SOCKET = {
    "connections": CONFIG.socket_connections if CONFIG.limits else 0,
    "topics": CONFIG.socket_topics,
    "message_bytes": CONFIG.socket_message_kb * 1000,
    "backlog_bytes": CONFIG.socket_backlog_kb * 1000,
}
EMBEDDER = {
    "kind": CONFIG.embedder,
    "url": CONFIG.embedder_url,
    "key": CONFIG.embedder_key,
    "model": CONFIG.embedder_model,
    "dimensions": CONFIG.embedder_dimensions,
}
MEMORY_INDEX = {
    "rows": CONFIG.memory_index_rows,
    "read": CONFIG.memory_index_read,
    "memory_mb": CONFIG.memory_index_mb,
}
MEMORY = {
    "budget": CONFIG.memory_budget,
    "floor": CONFIG.memory_floor,
    "half_life_days": CONFIG.memory_half_life_days,
    "summarise_after_days": CONFIG.memory_summarise_after_days,
    "every_s": CONFIG.memory_upkeep_every_s,
}
EAGER_DOMAINS = CONFIG.eager_domains

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname:7} {name}: {message}", "style": "{"}},
    "filters": {
        "secrets": {"()": "domains.thundergate.masking.MaskSecrets"},
        "refusals": {"()": "django.utils.log.CallbackFilter", "callback": logs.refusal_in_a_line},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["refusals", "secrets"]}
    },
    "root": {"handlers": ["console"], "level": CONFIG.log_level},
    "loggers": {name: {"level": "WARNING"} for name in ("axes", "daphne", "django.channels.server", "httpx2")},
}
