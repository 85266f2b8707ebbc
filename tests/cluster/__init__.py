"""The product on a cluster of PostgreSQL that fails over under load (`make test-cluster`)."""
