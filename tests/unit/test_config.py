"""Settings: their defaults, their variables, and what is said of bad ones."""

from __future__ import annotations

from dataclasses import fields

import pytest

from farcell_runtime.config import Config, usable_cpus
from farcell_runtime.errors import UsageError


def test_without_variables_the_defaults_hold() -> None:
    config = Config.from_environment({"PATH": "/bin", "FARCELL_ENGINE": "  "})
    assert config == Config()
    assert config.workers == max(8, 4 * usable_cpus())
    assert config.preload == ("numpy",)


def test_every_field_has_a_variable() -> None:
    config = Config.from_environment(
        {
            "FARCELL_ENGINE": "ray",
            "FARCELL_WORKERS": "64",
            "FARCELL_IDLE_STOP_S": "0",
            "FARCELL_PRELOAD": "numpy, torch.nn",
            "FARCELL_LEASE_S": "0.5",
            "FARCELL_START_TIMEOUT_S": "7",
            "FARCELL_INTERRUPT_GRACE_S": "1.5",
            "FARCELL_FETCH_LIMIT_BYTES": "4096",
            "FARCELL_KEEP_LOGS_S": "60",
            "FARCELL_MEMORY_NOTICE_BYTES": "8192",
            "FARCELL_RECEIPTS": "off",
        }
    )
    assert config == Config(
        "ray", 64, 0.0, ("numpy", "torch.nn"), 0.5, 7.0, 1.5, 4096, 8192, 60.0, False
    )
    assert all(
        getattr(config, each.name) != getattr(Config(), each.name) for each in fields(Config)
    )


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("FARCELL_WORKERS", "many", "whole number"),
        ("FARCELL_WORKERS", "0", "at least 1"),
        ("FARCELL_IDLE_STOP_S", "-1", "0 or more"),
        ("FARCELL_IDLE_STOP_S", "nan", "0 or more"),
        ("FARCELL_LEASE_S", "inf", "0 or more"),
        ("FARCELL_LEASE_S", "soon", "number of seconds"),
        ("FARCELL_START_TIMEOUT_S", "0", "more than 0"),
        ("FARCELL_PRELOAD", "numpy;os", "module's name"),
        ("FARCELL_ENGINE", "../ray", "module's name"),
        ("FARCELL_RECEIPTS", "no", "on or off"),
    ],
)
def test_a_bad_value_names_its_variable(variable: str, value: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        Config.from_environment({variable: value})
    assert f"{variable}={value!r}" in caught.value.message
    assert variable in caught.value.hint


def test_none_preloads_nothing() -> None:
    assert Config.from_environment({"FARCELL_PRELOAD": "none"}).preload == ()


def test_misspelt_variables_are_found() -> None:
    environ = {"FARCELL_IDLE_STOP": "1", "FARCELL_LEASE_S": "1", "HOME": "/"}
    assert Config.unknown_variables(environ) == ["FARCELL_IDLE_STOP"]


def test_settings_survive_the_way_to_the_head() -> None:
    config = Config(engine="ray", workers=3, preload=("a", "b"))
    assert Config.from_json(config.as_json()) == config
