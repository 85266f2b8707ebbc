"""Every row of the house, for the warehouse, AML and CRM."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from casino_pam.rest import queries, shapes, shown
from casino_pam.rest.described import described
from casino_pam.rest.door import Door
from wallet import feed


class Feed(Door):
    """Rows in an order that never skips one. ``next`` is always there: ask with it again later."""

    scope = "feed"

    @described("Every row of the house", answers=shapes.FeedPage, query=("after",))
    def get(self, request: Request) -> Response:
        after = queries.after(queries.named(request, ("after",))) or feed.START
        rows = feed.page(after)
        last = rows[-1].id if rows else after
        return Response({"results": [shown.feed_entry(row) for row in rows], "next": str(last)})
