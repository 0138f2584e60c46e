"""Settings as options of a command: one flag per field, over the environment, over a file; one place for all three."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import click
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsError

SettingsT = TypeVar("SettingsT", bound=BaseSettings)
Command = Callable[..., Any]


def settings_options(model: type[BaseSettings]) -> Callable[[Command], Command]:
    """Give a command one option per setting, named like its field, and `--settings FILE` (TOML) for all of them."""

    def decorate(command: Command) -> Command:
        for name, field in reversed(model.model_fields.items()):
            command = _option(model, name, field)(command)
        file = click.Path(exists=True, dir_okay=False, path_type=Path)
        return click.option(
            "--settings", "settings_file", type=file, help="TOML file of settings; the environment and flags go before it."
        )(command)

    return decorate


def _option(model: type[BaseSettings], name: str, field: FieldInfo) -> Callable[[Command], Command]:
    prefix = model.model_config.get("env_prefix", "")
    flag = name.removeprefix("is_").replace("_", "-")
    default = field.get_default(call_default_factory=True, validated_data={})
    shown = "" if default is None else f"  [default: {_shown(default)}]"
    text = f"{field.description} ({prefix}{name.upper()}){shown}"
    if field.annotation is bool:
        return click.option(f"--{flag}/--no-{flag}", name, default=None, help=text)
    return click.option(f"--{flag}", name, default=None, metavar=_metavar(field.annotation), help=text)


def _shown(default: object) -> str:
    return json.dumps(default) if isinstance(default, dict | bool) else str(default)


def _metavar(annotation: object) -> str:
    if get_origin(annotation) in {Union, UnionType}:
        return _metavar(next(one for one in get_args(annotation) if one is not type(None)))
    names = {int: "N", float: "SECONDS", Path: "PATH", dict: "JSON"}
    kind = get_origin(annotation) or annotation
    return names.get(kind, "TEXT") if isinstance(kind, type) else "TEXT"


def load_settings(model: type[SettingsT], settings_file: Path | None, flags: Mapping[str, object], **fixed: object) -> SettingsT:
    """Return the settings: `fixed`, flags that were given, the environment, the file, the defaults, in this order.

    Ends the command with a usage error (status 2) that names each bad value.
    """
    given = {name: _read(model, name, value) for name, value in flags.items() if value is not None}
    values: dict[str, Any] = {**_from_file(model, settings_file), **given, **fixed}
    try:
        return model(**values)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, found['loc'])) or 'settings'}: {found['msg']}" for found in error.errors()]
        raise click.UsageError("; ".join(problems)) from None
    except SettingsError as error:  # a variable of the environment that should hold JSON
        raise click.UsageError(f"the environment: {error}") from None


def _from_file(model: type[BaseSettings], file: Path | None) -> dict[str, object]:
    if file is None:
        return {}
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.UsageError(f"{file}: {error}") from None
    prefix = model.model_config.get("env_prefix", "")
    return {name: value for name, value in values.items() if f"{prefix}{name}".upper() not in {key.upper() for key in os.environ}}


def _read(model: type[BaseSettings], name: str, value: object) -> object:
    """A mapping is given as JSON; everything else is the model's to read."""
    if get_origin(model.model_fields[name].annotation) is not dict or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise click.UsageError(f"{name}: no JSON object: {error}") from None
