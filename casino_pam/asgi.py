"""The doors of a web process, told apart by path: static files, and Django for REST, admin and pages.

The server layer leads calls of game providers straight to the game door, which it is given here.
Whatever needs Django waits for a place first, and has an answer in time (casino_pam/server/admission.py).
"""

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from servestatic import ServeStaticASGI

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Any], Awaitable[None]]

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "casino_pam.settings")
django = get_asgi_application()
# Imported once Django is set up: both know its models.
from casino_pam import guard  # noqa: E402
from casino_pam.api.game.app import GameDoor  # noqa: E402
from casino_pam.backoffice import dashboard, grant_list_pages, report_pages  # noqa: E402
from casino_pam.engine.queue import posting_queue  # noqa: E402
from casino_pam.live.consumer import PATH, player_socket  # noqa: E402
from casino_pam.live.hub import hub  # noqa: E402
from casino_pam.metrics import forget_the_dead, tell_house  # noqa: E402
from casino_pam.server.admission import Admission  # noqa: E402
from casino_pam.server.http_protocol import GAME_DOOR, UPLOAD_SECONDS  # noqa: E402

# A load balancer asks whatever the views are doing; and whoever ends a process that does not live shall not do so
# because others wait for PostgreSQL to be ready.
LIVENESS = "/healthz"
PROBES = ("/readyz", "/metrics")
PROBES_AT_ONCE = 4
# Operators who wait on purpose keep their places for long, and must not keep those of others.
REPORTS_AT_ONCE = 4
UPLOADS_AT_ONCE = 4

game_door = GameDoor(posting_queue)
views = Admission(django, settings.VIEWS_AT_ONCE)
liveness = Admission(django, PROBES_AT_ONCE)
probes = Admission(django, PROBES_AT_ONCE)
report_door = Admission(django, REPORTS_AT_ONCE, seconds=report_pages.SECONDS)
upload_door = Admission(
    guard.only_from_operators(django),
    UPLOADS_AT_ONCE,
    # The file has to arrive first; the server layer bounds that.
    seconds=UPLOAD_SECONDS + guard.COMPARISON_SECONDS,
    whole=False,
)
rest_door = guard.Front(views)
static_files = ServeStaticASGI(views, root=settings.STATIC_ROOT, prefix=settings.STATIC_URL)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the server layer when it starts and stops this process."""
    figures: asyncio.Task[None] | None = None
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            forget_the_dead()
            _spare_the_collector()
            posting_queue.start()
            await game_door.open()
            scope["state"][GAME_DOOR] = game_door
            figures = asyncio.create_task(tell_house())
            await send({"type": "lifespan.startup.complete"})
        if message["type"] == "lifespan.shutdown":
            # Calls are answered by now or were given up; what was accepted is posted all the same.
            await posting_queue.stop()
            await hub.stop()
            if figures is not None:
                figures.cancel()
                await asyncio.gather(figures, return_exceptions=True)
            await send({"type": "lifespan.shutdown.complete"})
            return


def _is_grant_list(scope: Scope) -> bool:
    """A list of many thousand players takes as long to look at as a report to read."""
    return bool(scope["path"] == grant_list_pages.PATH and scope["method"] == "POST")


def _spare_the_collector() -> None:
    """All that is loaded by now stays: a worker would else spend a tenth of its time looking through it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Lead a request to its door."""
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    # Every door and every route matches the path as it was sent: decoded, one name could become two segments.
    scope["path"] = guard.path_as_sent(scope)
    if scope["type"] == "websocket" and scope["path"] == PATH:
        await player_socket(scope, receive, send)
    elif scope["type"] == "websocket" and scope["path"] == dashboard.SOCKET_PATH:
        await dashboard.dashboard_socket(scope, receive, send)
    elif scope["type"] == "websocket":
        # Before acceptance this is a plain 403.
        await send({"type": "websocket.close", "code": 1008, "reason": "not found"})
    elif scope["path"].startswith(guard.PREFIX):
        await rest_door(scope, receive, send)
    elif scope["path"].startswith(settings.STATIC_URL):
        await static_files(scope, receive, send)
    elif scope["path"] == LIVENESS:
        await liveness(scope, receive, send)
    elif scope["path"] in PROBES:
        await probes(scope, receive, send)
    elif scope["path"] == guard.PATH and scope["method"] == "POST":
        await upload_door(scope, receive, send)
    elif scope["path"].startswith(report_pages.PATH) or _is_grant_list(scope):
        await report_door(scope, receive, send)
    else:
        await views(scope, receive, send)
