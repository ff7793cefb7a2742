"""Option types that commands share. They check values before anything connects."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

import click

from audiosocket_cli.codec import KIND_BY_RATE, kind_name
from audiosocket_cli.errors import UsageError


class AddressParam(click.ParamType):
    """`host:port` as an `Address`."""

    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from audiosocket_cli.net.address import Address, parse_address

        if isinstance(value, Address):
            return value
        try:
            return parse_address(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


class UuidParam(click.ParamType):
    """A UUID in its usual form of 36 characters."""

    name = "uuid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> UUID:
        try:
            return value if isinstance(value, UUID) else UUID(value)
        except ValueError:
            self.fail(f"{value!r} is no UUID: write it as 8-4-4-4-12 hexadecimal digits", param, ctx)


class RateParam(click.ParamType):
    """A sample rate in Hz that a kind exists for."""

    name = "hz"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if str(value) not in map(str, KIND_BY_RATE):
            rates = ", ".join(map(str, KIND_BY_RATE))
            self.fail(f"no kind carries {value} Hz; there are {rates}", param, ctx)
        return int(value)


class KindParam(click.ParamType):
    """An audio kind by its name: slin, slin16 and so on."""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        kinds = {kind_name(kind): int(kind) for kind in KIND_BY_RATE.values()}
        if value not in kinds:
            self.fail(f"{value!r} is no kind of audio; there are {', '.join(kinds)}", param, ctx)
        return kinds[value]


class NumberParam(click.FloatRange):
    """A finite number within a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


SECONDS = NumberParam(min=0)
POSITIVE_SECONDS = NumberParam(min=0, min_open=True)
