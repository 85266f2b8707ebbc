"""The people who log in here, and the groups that say what they may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from wallet import shown
from wallet.admin.pages import Kept

if TYPE_CHECKING:
    AnyUserAdmin = DjangoUserAdmin[User]
else:
    AnyUserAdmin = DjangoUserAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class OperatorAdmin(AnyUserAdmin, Kept):  # type: ignore[misc]  # the stubs disagree on lookup_allowed
    """Operators are switched off, never deleted: their names stand behind what they did."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    search_prefix = "username"
    search_help_text = "The beginning of the user name"
    list_display = ["username", "roles", "use", "seen"]
    list_filter = ["is_active", "is_superuser", "groups"]
    ordering = ["username"]
    compressed_fields = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who could change a superuser's password would be one."""
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (obj is None or not obj.is_superuser or bool(request.user.is_superuser))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Nobody but a superuser hands out power: else it could be handed to oneself.

        A name never changes: under another one, an operator could approve what was asked under the first.
        """
        fixed = ["last_login", "date_joined", *(["username"] if obj else [])]
        return fixed if request.user.is_superuser else [*fixed, "is_superuser", "groups", "user_permissions"]

    @admin.display(description="Roles")
    def roles(self, operator: User) -> SafeString:
        names = ["superuser"] * operator.is_superuser + [group.name for group in operator.groups.all()]
        return format_html_join(" ", "{}", ((shown.badge(name, "blue"),) for name in names)) or shown.utc(None)

    @admin.display(description="May log in")
    def use(self, operator: User) -> SafeString:
        return shown.switch(operator.is_active and operator.is_staff, yes="yes", no="no")

    @admin.display(description="Last log-in")
    def seen(self, operator: User) -> SafeString:
        return shown.utc(operator.last_login)


@admin.register(Group)
class RoleAdmin(DjangoGroupAdmin, Kept):
    search_prefix = "name"
    search_help_text = "The beginning of the role's name"
    empty_text = "A role is a set of permissions; superusers need none."
    list_display = ["name"]
    ordering = ["name"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A role is power too."""
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)
