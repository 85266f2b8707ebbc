"""The wallet's migrations, and those of the release to come."""

import pkgutil

from wallet import migrations as present

NEWEST = max(module.name for module in pkgutil.iter_modules(present.__path__))

__path__ = [*present.__path__, *__path__]
