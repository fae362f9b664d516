"""Changes to Rasa 3.6.21's own code, each with its reason, put on as the module they belong to is
loaded.

A patch is a function of the freshly loaded module. Nothing is imported for a patch's sake: a
command that never opens a tracker store pays nothing for its patches. `compat` has checked Rasa's
version before any of them runs, and tests/rasa/test_compat.py holds each to what it promises.
"""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from bot.nlu.serving import (
    keep_connections,
    lighten_tracker_store,
    remember_emptiness,
    run_in_order,
)
from bot.nlu.standins import ABSENT
from bot.nlu.training import merge_only_what_differs, pack_fast

Patch = Callable[[ModuleType], None]

# Rasa's components that are TensorFlow inside: they load, thanks to the stand-ins, but could never
# train.
NEEDS_TENSORFLOW = frozenset(
    {
        "ConveRTFeaturizer",
        "DIETClassifier",
        "LanguageModelFeaturizer",
        "ResponseSelector",
        "TEDPolicy",
        "UnexpecTEDIntentPolicy",
    }
)

# Rasa's own channels whose client library is left out, with that library.
NEEDS_CLIENT = {
    "facebook": "fbmessenger",
    "hangouts": "google.auth",
    "rocketchat": "rocketchat_API",
    "slack": "slack_sdk",
    "socketio": "socketio",
    "telegram": "aiogram",
    "twilio": "twilio",
    "twilio_voice": "twilio",
    "webexteams": "webexteamssdk",
}


def reuse_reply_validator(module: ModuleType) -> None:
    """`jsonschema.validate` checks the schema itself on every call: 57 ms of CPU for each custom
    action's reply.

    The validator is built once; a bad reply raises the same error as before.
    """
    action_class = module.RemoteAction
    check = _prebuilt(action_class.action_response_format_spec())

    def validate_action_result(_self: Any, result: dict[str, Any]) -> bool:
        error = check(result)
        if error is not None:
            error.message += (
                ". Failed to validate Action server response from API, make sure your response "
                "from the Action endpoint is valid."
            )
            raise error
        return True

    action_class._validate_action_result = validate_action_result


def reuse_event_validator(module: ModuleType) -> None:
    """The same cost for each request that appends events to a tracker, which a desk does for every
    message.
    """
    check = _prebuilt(module.EVENTS_SCHEMA)

    def validate_events_in_request_body(request: Any) -> None:
        sent = request.json
        error = check(sent if isinstance(sent, list) else [sent])
        if error is not None:
            raise module.ErrorResponse(
                module.HTTPStatus.BAD_REQUEST,
                "BadRequest",
                f"Failed to validate the events format. Error: {error}",
            ) from error

    module.validate_events_in_request_body = validate_events_in_request_body  # type: ignore[attr-defined]


def _prebuilt(schema: dict[str, Any]) -> Callable[[Any], Any]:
    """A function that gives the error `jsonschema.validate` would raise for a value, or None."""
    from jsonschema.exceptions import best_match
    from jsonschema.validators import validator_for

    chosen = validator_for(schema)
    chosen.check_schema(schema)
    validator = chosen(schema)

    def check(value: Any) -> Any:
        return best_match(validator.iter_errors(value))

    return check


def remember_event_types(module: ModuleType) -> None:
    """`Event.resolve_by_type` walks the whole class tree for every stored event: most of reading a
    tracker back.

    Found classes are remembered. A name that is not found is looked up afresh, since a class may
    still be defined.
    """
    event = module.Event
    walk = event.resolve_by_type
    known: dict[str, Any] = {}

    def resolve_by_type(type_name: str, default: Any = None) -> Any:
        found = known.get(type_name)
        if found is None:
            found = walk(type_name, default)
            if found is not None and found is not default:
                known[type_name] = found
        return found

    event.resolve_by_type = staticmethod(resolve_by_type)


def speak_sqlalchemy_2(module: ModuleType) -> None:
    """The tracker store was written for SQLAlchemy 1.4: three calls changed their form since.

    `login_db` (create the database first, PostgreSQL only) is refused: our migrations make the
    database.
    """
    import sqlalchemy as sa
    from sqlalchemy.engine import URL

    def get_db_url(
        dialect: str = "sqlite",
        host: str | None = None,
        port: int | None = None,
        db: str = "rasa.db",
        username: str | None = None,
        password: str | None = None,
        login_db: str | None = None,
        query: dict[str, Any] | None = None,
    ) -> str | URL:
        """A whole URL in `host` is taken as it is; else the parts make one. `host` may carry the
        port.
        """
        if login_db:
            raise module.RasaException("login_db is not supported: create the database first.")
        if host and "://" in host:
            return host
        if host:
            parts = urlsplit(f"scheme://{host}")
            port, host = parts.port or port, parts.hostname or host
        return URL.create(dialect, username, password, host, port, db, query or {})

    def ensure_schema_exists(session: Any) -> None:
        """Raises ValueError with the name when the schema that the environment asks for is not
        there.
        """
        schema = os.environ.get(module.POSTGRESQL_SCHEMA)
        if schema and session.get_bind().dialect.name == "postgresql":
            query = sa.text("SELECT 1 FROM information_schema.schemata WHERE schema_name = :schema")
            if session.execute(query, {"schema": schema}).scalar() is None:
                raise ValueError(schema)

    def is_postgresql_url(url: str | URL) -> bool:
        """True for `postgresql+psycopg` too: Rasa compares the driver's whole name, and would not
        pool it.
        """
        name = url if isinstance(url, str) else url.drivername
        return name.partition(":")[0].partition("+")[0] == "postgresql"

    module.SQLTrackerStore.get_db_url = staticmethod(get_db_url)
    module.ensure_schema_exists = ensure_schema_exists  # type: ignore[attr-defined]
    module.is_postgresql_url = is_postgresql_url  # type: ignore[attr-defined]


def refuse_tensorflow_components(module: ModuleType) -> None:
    """A pipeline or policy that is TensorFlow inside is refused by its name when the configuration
    is read.
    """
    recipe = module.DefaultV1Recipe
    look_up = recipe._from_registry.__func__

    def from_registry(cls: Any, name: str) -> Any:
        bare = name.rpartition(".")[2]
        if bare in NEEDS_TENSORFLOW:
            raise module.InvalidConfigException(
                f"{bare} needs TensorFlow, which Courier Desk runs without: take it out of "
                f"config.yml."
            )
        return look_up(cls, name)

    recipe._from_registry = classmethod(from_registry)


def refuse_clientless_channels(module: ModuleType) -> None:
    """A channel of Rasa's own whose library is left out is refused when the server starts, not when
    it sends.
    """
    create = module._create_single_channel

    def create_single_channel(channel: str, credentials: Any) -> Any:
        library = NEEDS_CLIENT.get(channel)
        if library is not None and (library in ABSENT or find_spec(library) is None):
            raise module.RasaException(
                f"The channel {channel} needs the library {library}, which Courier Desk leaves out"
                f": its own channels are in bot/channels; take {channel} out of credentials.yml."
            )
        return create(channel, credentials)

    module._create_single_channel = create_single_channel  # type: ignore[attr-defined]


def settle_after_loading(module: ModuleType) -> None:
    """A server understands one message before it says that it is up, so that no customer waits
    while components load what they load late (the sentence vectors: half a second). Then all that
    lasts is set aside from the garbage collector, whose full round over it stops an answer for 115
    ms.
    """
    load = module.load_agent_on_start

    async def load_agent_on_start(*arguments: Any) -> Any:
        agent = await load(*arguments)
        if agent.is_ready():
            await agent.parse_message(".")
        gc.collect()
        gc.freeze()
        return agent

    module.load_agent_on_start = load_agent_on_start  # type: ignore[attr-defined]


def keep_deprecations_quiet(_module: ModuleType) -> None:
    """Loading sanic 21.12 makes the whole process print every DeprecationWarning: Python's own
    default is not to.
    """
    shown = ("once", None, DeprecationWarning, None, 0)
    warnings.filters[:] = [known for known in warnings.filters if known != shown]  # type: ignore[index]


def forget_multi_class(module: ModuleType) -> None:
    """scikit-learn 1.8 dropped `multi_class`; Rasa's logistic regression passes "auto", which is
    all there is now.
    """
    made = module.LogisticRegression

    def logistic_regression(*, multi_class: str = "auto", **options: Any) -> Any:
        return made(**options)

    module.LogisticRegression = logistic_regression  # type: ignore[attr-defined]


def skip_empty_entity_reports(module: ModuleType) -> None:
    """scikit-learn 1.8 refuses a confusion matrix of nothing; `rasa test core` asks for one
    whenever no policy extracts entities, and none of ours does.
    """
    evaluate = module.evaluate_entities

    def evaluate_entities(entity_results: Any, *arguments: Any, **options: Any) -> Any:
        return evaluate(entity_results, *arguments, **options) if entity_results else {}

    module.evaluate_entities = evaluate_entities  # type: ignore[attr-defined]


PATCHES: dict[str, tuple[Patch, ...]] = {
    "rasa.core.actions.action": (reuse_reply_validator,),
    "rasa.core.run": (refuse_clientless_channels, settle_after_loading),
    "rasa.core.tracker_store": (speak_sqlalchemy_2, lighten_tracker_store),
    "rasa.engine.storage.local_model_storage": (pack_fast,),
    "rasa.engine.recipes.default_recipe": (refuse_tensorflow_components,),
    "rasa.engine.runner.dask": (run_in_order,),
    "rasa.nlu.classifiers.logistic_regression_classifier": (forget_multi_class,),
    "rasa.nlu.test": (skip_empty_entity_reports,),
    "rasa.server": (reuse_event_validator,),
    "rasa.shared.core.domain": (remember_emptiness,),
    "rasa.shared.core.events": (remember_event_types,),
    "rasa.shared.nlu.training_data.training_data": (merge_only_what_differs,),
    "rasa.utils.endpoints": (keep_connections,),
    "sanic.app": (keep_deprecations_quiet,),
}
