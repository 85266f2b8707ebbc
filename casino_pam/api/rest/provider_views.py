"""Game providers: made, changed, and their secrets renewed and taken back."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BooleanField, CharField, DictField, IntegerField, JSONField, ListField

from casino_pam.api.rest import examples
from casino_pam.api.rest.pagination import OnePage
from casino_pam.api.rest.rest_view import RestView, created, empty
from casino_pam.api.rest.schema import documented
from casino_pam.api.rest.serializer_fields import (
    FlagField,
    MappingField,
    NameField,
    NamesField,
    PublicKeysField,
    StrictSerializer,
    TermsSerializer,
    TextField,
    WordField,
)
from wallet import models, providers
from wallet.models.provider import field_of


def _choice(name: str) -> WordField | FlagField:
    """A field of a provider's profile, as its model has it."""
    choices = field_of(name).choices
    return WordField(*dict(choices), required=False) if choices else FlagField(required=False)


class Profile(TermsSerializer):
    """How answers are chosen where providers differ; a dialect brings its own, what is named goes before it."""

    def get_fields(self) -> dict[str, Any]:
        return {name: _choice(name) for name in providers.PROFILE}


class ProviderChanges(TermsSerializer):
    name = TextField(required=False, max_length=128)
    enabled = FlagField(required=False)
    dialect = WordField(*models.Provider.Dialect.values, required=False)
    merchant = NameField(required=False, help_text="How the provider names us, where its dialect wants that.")
    public_keys = PublicKeysField(required=False)
    currencies = NamesField(required=False, help_text="Its codes and ours, where they differ.")
    file_mapping = MappingField(required=False, help_text="How its own report is read (docs/reports.md).")
    profile = Profile(required=False)


class NewProvider(ProviderChanges):
    code = NameField()
    name = TextField(max_length=128)
    secret = NameField(required=False, help_text="Where the provider dictates it; made if left out.")


class ShownProvider(StrictSerializer):
    code = CharField()
    name = CharField()
    enabled = BooleanField()
    dialect = CharField()
    address = CharField(help_text="What to give to the provider: its calls stand below it.")
    merchant = CharField(allow_blank=True)
    public_keys = ListField(child=CharField())
    currencies = DictField(child=CharField())
    file_mapping = JSONField()
    profile = Profile()
    live_secrets = IntegerField(min_value=0, max_value=2)


class MadeProvider(ShownProvider):
    secret = CharField(help_text="Shown this once.")


class SecretAsked(TermsSerializer):
    secret = NameField(required=False, help_text="Where the provider dictates it; made if left out.")


class Secret(StrictSerializer):
    secret = CharField(help_text="Shown this once; the newest one before it stays live.")


# --- views ------------------------------------------------------------------------------------


class ProviderView(RestView):
    scope = "providers"


class Providers(ProviderView):
    """The providers by code; and another one."""

    pagination_class = OnePage

    @documented("List the providers", answers=ShownProvider(many=True))
    def get(self, request: Request) -> Response:
        found = self.paginate_queryset(models.Provider.objects.order_by("code"))
        return self.get_paginated_response([_told(each) for each in found])

    @documented(
        "Make a provider",
        asks=NewProvider,
        sends=examples.NEW_PROVIDER,
        answers=MadeProvider,
        gets={**examples.PROVIDER, "secret": "Zx3VbA9qYkT0m1Jr8uHc5wQe7oPl2dNsJr8uHc5wQe7"},
        status=201,
        refusals=("already_exists",),
    )
    def post(self, request: Request) -> Response:
        body = self.validated(NewProvider)
        code, secret = body.pop("code"), body.pop("secret", None)
        with transaction.atomic():
            made, shown = providers.make(code, _columns(body), secret)
            self.record("add provider", subject=code, after=_told(made))
        return created({**_told(made), "secret": shown})


class Provider(ProviderView):
    """One provider."""

    @documented("Read a provider", answers=ShownProvider, gets=examples.PROVIDER, refusals=("unknown_provider",))
    def get(self, request: Request, provider: str) -> Response:
        return Response(_told(providers.find(provider)))

    @documented(
        "Change a provider; another dialect brings its profile",
        asks=ProviderChanges,
        sends={"enabled": False},
        answers=ShownProvider,
        gets={**examples.PROVIDER, "enabled": False},
        refusals=("unknown_provider",),
    )
    def patch(self, request: Request, provider: str) -> Response:
        fields = _columns(self.validated(ProviderChanges))
        with transaction.atomic():
            changed, changes = providers.change(provider, fields)
            if changes.after:
                self.record("change provider", subject=provider, before=changes.before, after=changes.after)
        return Response(_told(changed))


class ProviderSecrets(ProviderView):
    """The provider's secrets, of which two may be live."""

    @documented(
        "Make a new secret, or take the one the provider dictates; the newest other one stays live",
        asks=SecretAsked,
        sends={},
        answers=Secret,
        gets={"secret": "Zx3VbA9qYkT0m1Jr8uHc5wQe7oPl2dNsJr8uHc5wQe7"},
        status=201,
        refusals=("unknown_provider",),
    )
    def post(self, request: Request, provider: str) -> Response:
        body = self.validated(SecretAsked)
        with transaction.atomic():
            shown = providers.new_secret(provider, body.get("secret"))
            self.record("make a new secret", subject=provider)
        return created({"secret": shown})

    @documented(
        "Revoke every secret: the provider is shut out", answers=None, status=204, refusals=("unknown_provider",)
    )
    def delete(self, request: Request, provider: str) -> Response:
        with transaction.atomic():
            providers.revoke(provider, older_only=False)
            self.record("revoke every secret", subject=provider)
        return empty()


class ProviderOlderSecret(ProviderView):
    """The older of two live secrets."""

    @documented("Revoke the older secret", answers=None, status=204, refusals=("unknown_provider",))
    def delete(self, request: Request, provider: str) -> Response:
        with transaction.atomic():
            providers.revoke(provider, older_only=True)
            self.record("revoke the older secret", subject=provider)
        return empty()


def _columns(body: dict[str, Any]) -> dict[str, Any]:
    """The body as the model's columns."""
    columns = {**body, **body.get("profile", {})}
    columns.pop("profile", None)
    keys = columns.pop("public_keys", None)
    if keys is not None:
        columns["public_key_one"], columns["public_key_two"] = (*keys, "", "")[:2]
    return columns


def _told(provider: models.Provider) -> dict[str, Any]:
    """The provider as it is shown; nothing of its secrets but how many there are."""
    return {
        "code": provider.code,
        "name": provider.name,
        "enabled": provider.enabled,
        "dialect": provider.dialect,
        "address": providers.address(provider, settings.BASE_URL),
        "merchant": provider.merchant,
        "public_keys": list(provider.live_keys()),
        "currencies": provider.currencies,
        "file_mapping": provider.file_mapping,
        "profile": {name: getattr(provider, name) for name in providers.PROFILE},
        "live_secrets": sum(secret is not None for secret in (provider.secret_one, provider.secret_two)),
    }
