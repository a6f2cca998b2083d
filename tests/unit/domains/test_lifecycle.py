import pytest
from django.apps import AppConfig, apps

from domains import lifecycle
from domains.lifecycle import DomainConfig, all_domains
from tests.apps import Install, install

__all__ = ["install"]


def names() -> list[str]:
    return [config.domain for config in all_domains()]


def test_the_shipped_domains_are_all_there() -> None:
    assert {
        "thunderflow", "thunderblock", "thundergate", "thunderlink", "thundergrid", "thundervault", "thunderpac",
    } <= set(names())  # fmt: skip


def test_those_depended_on_come_first() -> None:
    seen: set[str] = set()
    for config in all_domains():
        assert seen.issuperset(config.depends_on), config.domain
        seen.add(config.domain)


def test_names_decide_among_equals_whatever_the_order_of_installation(install: Install) -> None:
    for name in ("c", "a", "b"):
        install(name)
    assert [name for name in names() if name.startswith("probe_")] == ["probe_a", "probe_b", "probe_c"]


def test_a_chain_is_followed_against_the_alphabet(install: Install) -> None:
    install("a", depends_on=("b",))
    install("b", depends_on=("c",))
    install("c")
    assert [name for name in names() if name.startswith("probe_")] == ["probe_c", "probe_b", "probe_a"]


def test_a_circle_is_refused_and_named(install: Install) -> None:
    install("a", depends_on=("b",))
    install("b", depends_on=("a",))
    with pytest.raises(RuntimeError, match=r"depend on each other.*probe_a.*probe_b"):
        names()


def test_a_dependency_that_is_not_installed_is_refused_and_named(install: Install) -> None:
    install("a", depends_on=("nowhere",))
    with pytest.raises(RuntimeError, match=r"not installed: \['probe_a'\]"):
        names()


def test_a_domain_is_found_by_its_name(install: Install) -> None:
    probe = install("a")
    assert lifecycle.domain("probe_a") is probe
    with pytest.raises(KeyError):
        lifecycle.domain("probe_b")


def test_django_finds_the_domain_of_an_app_and_not_its_base() -> None:
    """`apps.py` imports the base; an app must still have one default config."""
    assert DomainConfig.default is False
    for config in apps.get_app_configs():
        if isinstance(config, DomainConfig):
            assert type(config).default is True
            assert type(AppConfig.create(config.name)) is type(config)


def test_hooks_need_not_be_written() -> None:
    config = apps.get_app_config("thundergate")
    assert isinstance(config, DomainConfig)
    tick = lifecycle.Tick(1, None)  # type: ignore[arg-type]
    assert config.activate(tick) is config.on_tick(tick) is config.deactivate("why") is None
    assert config.health() == {}
