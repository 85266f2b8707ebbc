"""A release to come: migrations after the newest of the wallet's, for tests that deploy them under load."""
