"""What every view of the REST door is: the order of its checks, and what it knows of its caller."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from casino_pam.api.rest import exceptions
from casino_pam.api.rest.pagination import named
from casino_pam.api.rest.serializer_fields import StrictSerializer
from casino_pam.api.strict_json import Malformed
from casino_pam.engine import commands
from casino_pam.tokens import PlayerToken
from wallet import audit, money
from wallet.errors import Refused
from wallet.models import ApiKey

# Parts of paths, and what to say where nothing goes by that name.
_UNKNOWN: Final = {
    "player": "unknown_player",
    "currency": "unknown_wallet",
    "reference": "unknown_withdrawal",
    "offer": "unknown_offer",
    "bonus": "unknown_bonus",
    "session": "unknown_session",
    "provider": "unknown_provider",
}


class RestView(GenericAPIView[Any]):
    """Path, method, credentials, scope, throttle, body: the first that fails is the answer."""

    http_method_names = ["get", "head", "post", "patch", "put", "delete"]
    # The scope a key must have, or authentication.PLAYER for a player's token.
    scope: ClassVar[str]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method not in self.allowed_methods:
            raise MethodNotAllowed(str(request.method))
        super().initial(request, *args, **kwargs)
        for part, name in kwargs.items():
            if not money.is_reference(name):
                # Nothing can be called so, and PostgreSQL need not be asked for a NUL.
                raise Refused(_UNKNOWN.get(part, "not_found"))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response.headers["X-Request-ID"] = exceptions.request_id()
        response.headers["Cache-Control"] = "no-store"
        return super().finalize_response(request, response, *args, **kwargs)

    @property
    def body(self) -> dict[str, Any]:
        """The request's JSON object. Raises Refused where there is none."""
        if self.request.stream is None:
            raise Malformed("The body must be a JSON object.")
        assert isinstance(self.request.data, dict)
        return self.request.data

    @property
    def body_if_any(self) -> dict[str, Any]:
        """As ``body``, where the request needs none."""
        return {} if self.request.stream is None else self.body

    def validated(
        self, serializer: type[StrictSerializer], *, partial: bool = False, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """What the serializer reads in the body, or in ``body``. Raises Refused."""
        reader = serializer(data=self.body if body is None else body, partial=partial)
        reader.is_valid(raise_exception=True)
        values: dict[str, Any] = reader.validated_data
        return values

    def query(self, serializer: type[StrictSerializer]) -> dict[str, Any]:
        """What the serializer reads in the query string. Raises InvalidField."""
        reader = serializer(data=named(self.request, tuple(serializer().fields)))
        reader.is_valid(raise_exception=True)
        values: dict[str, Any] = reader.validated_data
        return values

    def paginate_queryset(self, queryset: Any) -> Any:
        """A page of what the view's pagination takes for a queryset. Raises InvalidField."""
        return super().paginate_queryset(queryset)

    @property
    def key(self) -> ApiKey:
        assert isinstance(self.request.auth, ApiKey)
        return self.request.auth

    @property
    def token(self) -> PlayerToken:
        assert isinstance(self.request.auth, PlayerToken)
        return self.request.auth

    @property
    def actor(self) -> str:
        """The caller as rows of the ledger and of the audit trail name it."""
        caller = self.request.auth
        return f"player:{caller.player}" if isinstance(caller, PlayerToken) else f"key:{self.key.name}"

    def record(self, act: str, **about: Any) -> None:
        """Leave a row of the audit trail about what the caller did, in the transaction that does it."""
        audit.named(self.request._request, self.actor, act, **about)

    def carried(self) -> dict[str, Any]:
        """What every command of a back end carries, whatever it is about."""
        return {"actor": self.actor, "at": commands.now(), "deadline": commands.deadline()}


class NotFoundView(RestView):
    """Every path below this door that is no other view's, whatever the method."""

    authentication_classes = ()
    permission_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise Refused("not_found")


def empty() -> Response:
    """Done, and nothing to say of it."""
    return Response(status=204)


def created(body: dict[str, Any]) -> Response:
    return Response(body, 201)
