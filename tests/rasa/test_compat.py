"""Each stand-in and each change to Rasa does what bot/nlu says of it, in this very environment."""

from __future__ import annotations

import importlib
import importlib.machinery
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from bot.nlu import compat, deferred, patches, standins

ROOT = Path(__file__).resolve().parents[2]

compat.prepare()


def run_compat(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Rasa's command line through the door, in a process of its own; `path` is searched first."""
    folders = [str(folder) for folder in (path, ROOT) if folder]
    return subprocess.run(
        [sys.executable, "-m", "bot.nlu.compat", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# The version


def test_another_rasa_is_refused_in_one_sentence(tmp_path: Path) -> None:
    described = tmp_path / "rasa-3.6.20.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: rasa\nVersion: 3.6.20\n")
    ended = run_compat("--version", path=tmp_path)
    assert ended.returncode == 1
    assert "3.6.20" in ended.stderr
    assert compat.SUPPORTED_RASA in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_the_command_line_answers_without_a_word_of_warning() -> None:
    ended = run_compat("--version")
    assert ended.returncode == 0
    assert compat.SUPPORTED_RASA in ended.stdout
    assert ended.stderr == ""


def test_usage_reports_to_the_makers_of_rasa_are_off() -> None:
    telemetry = importlib.import_module("rasa.telemetry")
    assert telemetry.is_telemetry_enabled() is False


def test_preparing_twice_changes_nothing() -> None:
    before = list(sys.meta_path)
    compat.prepare()
    assert sys.meta_path == before


# The stand-ins


def test_every_library_with_a_stand_in_is_really_absent() -> None:
    """One that is installed would be used, and its line in ABSENT would be a lie."""
    find = importlib.machinery.PathFinder.find_spec
    assert [name for name in standins.ABSENT if "." not in name and find(name)] == []


def test_a_stand_in_can_be_named_and_inherited_but_never_made() -> None:
    tf: Any = importlib.import_module("tensorflow")
    layers: Any = importlib.import_module("tensorflow.keras.layers")

    class Layer(tf.keras.layers.Layer):  # type: ignore[misc]
        pass

    assert isinstance(layers.Dense, type)
    with pytest.raises(standins.AbsentLibraryError, match="tensorflow") as caught:
        Layer()
    assert caught.value.library == "tensorflow"


def test_a_stand_in_for_an_error_may_stand_in_an_except_clause() -> None:
    botocore: Any = importlib.import_module("botocore.exceptions")
    caught = None
    try:
        int("not a number")
    except botocore.BotoCoreError:
        pytest.fail("the stand-in caught a foreign error")
    except ValueError as error:
        caught = error
    assert caught is not None


def test_a_stand_in_has_no_private_names() -> None:
    """Python asks modules for names like `__all__` and `__wrapped__`; any answer misleads."""
    tf: Any = importlib.import_module("tensorflow")
    assert not hasattr(tf, "__all__")
    assert not hasattr(tf.Tensor, "__wrapped__")


def test_an_installed_library_wins_over_its_stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "webexteamssdk.py").write_text("real = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "webexteamssdk", raising=False)
    module = importlib.import_module("webexteamssdk")
    assert module.__dict__["real"] is True
    del sys.modules["webexteamssdk"]


@pytest.mark.parametrize("name", ["google.protobuf_of_nobody", "tensorflowish", "no_such_module"])
def test_stand_ins_answer_for_their_own_names_only(name: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(name)


def test_names_that_libraries_dropped_are_back_where_rasa_looks() -> None:
    import numpy as np
    from packaging import version

    moved: Any = np
    dropped: Any = version
    assert issubclass(moved.VisibleDeprecationWarning, Warning)
    assert not isinstance(version.parse("3.1"), dropped.LegacyVersion)


def test_sanics_wish_to_show_every_deprecation_is_not_granted() -> None:
    module = importlib.import_module("sanic.app")
    with warnings.catch_warnings():
        warnings.filterwarnings("once", category=DeprecationWarning)
        patches.keep_deprecations_quiet(module)
        assert ("once", None, DeprecationWarning, None, 0) not in warnings.filters


def test_models_made_in_the_same_second_get_different_names() -> None:
    training: Any = importlib.import_module("rasa.model_training")
    assert (
        len({training._determine_model_name(None, training.TrainingType.BOTH) for _ in range(9)})
        == 9
    )


# The patches


def test_every_patch_is_on_the_module_it_names() -> None:
    for name in patches.PATCHES:
        module = importlib.import_module(name)
        assert module.__spec__ is not None
        # The module keeps its own loader, which pkg_resources and inspect ask for files and source.
        assert isinstance(module.__spec__.loader, importlib.machinery.SourceFileLoader)


def test_a_server_that_only_answers_loads_neither_scikit_learn_nor_matplotlib() -> None:
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "from bot.nlu import compat; compat.prepare(); import rasa.core.run, rasa.server, sys;"
            "from rasa.engine.recipes import default_components;"
            "print([m for m in ('sklearn', 'matplotlib') if m in sys.modules])",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert loaded.stdout.strip() == "[]"


def test_what_is_deferred_is_there_when_it_is_called() -> None:
    for importer, libraries in deferred.DEFERRED.items():
        module = importlib.import_module(importer)
        for library, names in libraries.items():
            real = importlib.import_module(library)
            assert isinstance(real.__spec__, importlib.machinery.ModuleSpec)
            for name in names:
                assert callable(getattr(real, name)), f"{library} has no {name} for {module}"
    counting: Any = importlib.import_module(
        "rasa.nlu.featurizers.sparse_featurizer.count_vectors_featurizer"
    )
    assert counting.CountVectorizer(lowercase=False).lowercase is False


GOOD_REPLIES: list[dict[str, Any]] = [
    {"events": [], "responses": []},
    {"events": [{"event": "slot", "timestamp": None, "name": "waybill", "value": "SF1"}]},
    {"responses": [{"text": "hello"}], "events": [{"event": "reset_slots"}]},
]
BAD_REPLIES: list[dict[str, Any]] = [
    {"events": {}},
    {"responses": [7], "events": []},
    {"events": [{"event": 7}]},
    {"events": [{"event": "slot", "name": 7, "value": 1}]},
    {"events": [{"no_event": True}]},
]


@pytest.fixture(scope="module")
def remote_action() -> Any:
    actions: Any = importlib.import_module("rasa.core.actions.action")
    return actions.RemoteAction("action_x", None)


@pytest.mark.parametrize("reply", GOOD_REPLIES)
def test_a_good_reply_of_a_custom_action_passes(remote_action: Any, reply: dict[str, Any]) -> None:
    jsonschema.validate(reply, remote_action.action_response_format_spec())
    assert remote_action._validate_action_result(reply) is True


@pytest.mark.parametrize("reply", BAD_REPLIES)
def test_a_bad_reply_fails_as_it_does_unpatched(remote_action: Any, reply: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError) as expected:
        jsonschema.validate(reply, remote_action.action_response_format_spec())
    with pytest.raises(jsonschema.ValidationError) as found:
        remote_action._validate_action_result(reply)
    assert found.value.message.startswith(expected.value.message)
    assert list(found.value.path) == list(expected.value.path)


def test_the_schema_of_replies_is_not_built_again_for_each(remote_action: Any) -> None:
    def seconds(check: Any) -> float:
        began = time.perf_counter()
        for _ in range(5):
            check(GOOD_REPLIES[1])
        return time.perf_counter() - began

    schema = remote_action.action_response_format_spec()
    stock = seconds(lambda reply: jsonschema.validate(reply, schema))
    assert seconds(remote_action._validate_action_result) * 5 < stock


def test_appended_events_are_checked_as_before() -> None:
    server: Any = importlib.import_module("rasa.server")
    good = {"event": "user", "timestamp": 1.5, "text": "hello"}
    server.validate_events_in_request_body(SimpleNamespace(json=good))
    server.validate_events_in_request_body(SimpleNamespace(json=[good, good]))
    with pytest.raises(server.ErrorResponse) as caught:
        server.validate_events_in_request_body(SimpleNamespace(json=[good, {"event": 7}]))
    assert caught.value.status == 400


def test_every_kind_of_event_is_found_by_its_name() -> None:
    events: Any = importlib.import_module("rasa.shared.core.events")
    common: Any = importlib.import_module("rasa.shared.utils.common")
    kinds = {kind.type_name: kind for kind in common.all_subclasses(events.Event) if kind.type_name}
    assert len(kinds) > 15
    for _twice in range(2):
        for name in kinds:
            assert events.Event.resolve_by_type(name).type_name == name


def test_training_data_is_merged_as_before_but_not_with_nothing() -> None:
    data: Any = importlib.import_module("rasa.shared.nlu.training_data.training_data")
    message = importlib.import_module("rasa.shared.nlu.training_data.message").Message
    one = data.TrainingData([message.build("hi", " greet "), message.build("hi", "greet")])
    assert [m.get("intent") for m in one.training_examples] == ["greet"]
    assert data.TrainingData().merge(one, data.TrainingData()) is one
    two = data.TrainingData([message.build("bye", "goodbye")], entity_synonyms={"a": "b"})
    both = one.merge(two)
    assert [m.get("text") for m in both.training_examples] == ["hi", "bye"]
    assert both.entity_synonyms == {"a": "b"}
    both.training_examples[0].set("text", "changed")
    assert one.training_examples[0].get("text") == "hi"


def test_a_model_is_packed_at_the_usual_level(tmp_path: Path) -> None:
    storage: Any = importlib.import_module("rasa.engine.storage.local_model_storage")
    (tmp_path / "part").write_text("x" * 1000)
    with storage.TarSafe.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "part", arcname="part")
    # RFC 1952: the ninth byte is 2 for the highest level, 4 for the fastest, else 0.
    assert (tmp_path / "model.tar.gz").read_bytes()[8] == 0
    with storage.TarSafe.open(tmp_path / "model.tar.gz", "r:gz") as tar:
        assert tar.getnames() == ["part"]


def test_an_unknown_event_is_refused_or_given_the_default() -> None:
    events: Any = importlib.import_module("rasa.shared.core.events")
    assert events.Event.resolve_by_type("nonsense", events.SlotSet) is events.SlotSet
    assert events.Event.resolve_by_type("topic") is None
    with pytest.raises(ValueError, match="nonsense"):
        events.Event.resolve_by_type("nonsense")


def test_an_event_class_defined_later_is_found() -> None:
    events: Any = importlib.import_module("rasa.shared.core.events")
    with pytest.raises(ValueError, match="courier_late"):
        events.Event.resolve_by_type("courier_late")

    class Late(events.SlotSet):  # type: ignore[misc]
        type_name = "courier_late"

    assert events.Event.resolve_by_type("courier_late") is Late


@pytest.fixture(scope="module")
def store() -> Any:
    return importlib.import_module("rasa.core.tracker_store")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"db": "/tmp/rasa.db"}, "sqlite:////tmp/rasa.db"),
        (
            {"dialect": "postgresql", "host": "db", "port": 5432, "db": "c", "username": "u"},
            "postgresql://u@db:5432/c",
        ),
        (
            {"dialect": "postgresql", "host": "db:6000", "port": 1, "db": "c"},
            "postgresql://db:6000/c",
        ),
        (
            {
                "dialect": "postgresql",
                "host": "db",
                "username": "u",
                "password": "p@s/s",
                "db": "c",
            },
            "postgresql://u:p%40s%2Fs@db/c",
        ),
        (
            {"dialect": "postgresql", "host": "db", "db": "c", "query": {"sslmode": "require"}},
            "postgresql://db/c?sslmode=require",
        ),
        ({"host": "postgresql+psycopg://u@/c?host=/run"}, "postgresql+psycopg://u@/c?host=/run"),
    ],
)
def test_the_tracker_store_builds_its_database_address(
    store: Any, parts: dict[str, Any], expected: str
) -> None:
    made = store.SQLTrackerStore.get_db_url(**parts)
    text = made if isinstance(made, str) else made.render_as_string(hide_password=False)
    assert text == expected


def test_creating_the_database_on_the_fly_is_refused(store: Any) -> None:
    with pytest.raises(store.RasaException, match="login_db"):
        store.SQLTrackerStore.get_db_url(login_db="postgres")


@pytest.mark.parametrize(
    ("url", "is_it"),
    [
        ("postgresql://a/b", True),
        ("postgresql+psycopg://a/b", True),
        ("sqlite:///postgresql", False),
    ],
)
def test_postgresql_is_known_whatever_its_driver(store: Any, url: str, is_it: bool) -> None:
    from sqlalchemy.engine import make_url

    assert store.is_postgresql_url(url) is is_it
    assert store.is_postgresql_url(make_url(url)) is is_it


@pytest.fixture
def recipe() -> Any:
    return importlib.import_module("rasa.engine.recipes.default_recipe").DefaultV1Recipe


@pytest.mark.parametrize("name", sorted(patches.NEEDS_TENSORFLOW))
def test_a_component_that_needs_tensorflow_is_refused_by_name(recipe: Any, name: str) -> None:
    with pytest.raises(Exception, match=f"{name} needs TensorFlow"):
        recipe._from_registry(name)
    with pytest.raises(Exception, match=f"{name} needs TensorFlow"):
        recipe._from_registry(f"rasa.some.module.{name}")


def test_no_component_that_loads_tensorflow_is_missing_from_the_list(recipe: Any) -> None:
    """A component whose module names the stand-in is TensorFlow inside."""
    recipe._from_registry("RulePolicy")
    tensorflow = sys.modules["tensorflow"]
    inside = {
        name
        for name, known in recipe._registered_components.items()
        if tensorflow in vars(sys.modules[known.clazz.__module__]).values()
    }
    assert inside == patches.NEEDS_TENSORFLOW


@pytest.fixture
def create_channel() -> Any:
    return importlib.import_module("rasa.core.run")._create_single_channel


@pytest.mark.parametrize("channel", sorted(patches.NEEDS_CLIENT))
def test_a_channel_without_its_library_is_refused_by_name(
    create_channel: Any, channel: str
) -> None:
    with pytest.raises(Exception, match=f"channel {channel} needs the library"):
        create_channel(channel, {})


def test_the_channel_that_this_product_uses_is_made(create_channel: Any) -> None:
    assert create_channel("rest", None).name() == "rest"
