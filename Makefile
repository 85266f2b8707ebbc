PYTHON ?= python3
BIN := .venv/bin

.PHONY: help run cluster test test-fast test-cluster proof seeded-bugs lint lint-migrations lint-settings bench pictures soak clean

help: ## these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/ready ## everything on this machine, on http://127.0.0.1:8080
	@exec $(BIN)/python -m casino_pam.local.launch

cluster: .venv/ready .venv-cluster/ready ## three PostgreSQL under Patroni, two groups of web workers: to be broken
	@exec $(BIN)/python -m casino_pam.local.cluster_launch

# One process for each core: with four, tests of what must come in time came too late in one run of two.
test: .venv/ready-dev ## the whole suite on PostgreSQL and Valkey of its own
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Without races, killed processes and whatever needs web workers, Redis or a browser.
FAST := tests/wallet tests/bonus tests/engine tests/api/test_*.py tests/api/game/test_signing.py \
	tests/api/game/test_game_fields.py tests/api/game/test_game_answers.py tests/docs/test_house_rules.py \
	tests/docs/test_architecture.py tests/deploys/test_migrations_are_online.py tests/server/test_tokens.py
NOT_FAST := *_races.py *_killed_processes.py *_in_time.py *_orderings.py *_against_model.py *_state_machine.py \
	*_session.py *_pool.py *_feed.py *_database_faults.py *_report_*.py *_reconcile_*.py *_open_rounds.py \
	*_promo_codes.py *_open_bets.py

test-fast: .venv/ready-dev ## the rules and the books alone, in some two minutes: PostgreSQL, no Redis, no browser, no races
	$(BIN)/python -m pytest -n 2 --fast $(FAST) $(NOT_FAST:%=--ignore-glob='%')

test-cluster: .venv/ready-dev .venv-cluster/ready ## the product while a cluster of PostgreSQL fails over, some minutes
	$(BIN)/python -m pytest -c tests/cluster/pytest.ini tests/cluster

proof: .venv/ready-dev ## every order of a small model of posting, with Debian's spin and gcc
	$(BIN)/python -m pytest -c tests/proof/pytest.ini tests/proof

seeded-bugs: .venv/ready-dev ## bugs put into copies of the tree one by one: a test fails for each (half an hour)
	$(BIN)/python -m tests.seeded_bugs --write

lint: .venv/ready-dev lint-migrations lint-settings ## style, types, directions of imports, migrations, production settings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml docker-compose.cluster.yml

lint-migrations: .venv/ready-dev
	$(BIN)/python -m casino_pam.local.servers exec -- $(BIN)/python manage.py makemigrations --check --dry-run
	DJANGO_SETTINGS_MODULE=casino_pam.settings $(BIN)/python -m tests.deploys.online_migrations

lint-settings: .venv/ready-dev
	env -u DEBUG -u DEMO -u PLAIN_HTTP DATABASE_URL=postgres://casino@127.0.0.1/casino REDIS_URL=redis://127.0.0.1/0 \
		ALLOWED_HOSTS=casino.example SECRET_KEY=only-for-make-lint-0123456789-abcdefghijklmnopqrstuvwxyz \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

bench: .venv/ready-dev ## how fast, as ratios within one run
	$(BIN)/python -m tests.bench --write

SOAK_SECONDS ?= 3600

pictures: .venv/ready-dev ## the pictures of README.md and docs/, from the demo that `make run` serves beside
	$(BIN)/python -m tests.docs.pictures

soak: .venv/ready-dev ## an hour of faults under load, its table into docs/reliability.md (SOAK_SECONDS=600 for less)
	$(BIN)/python -m tests.faults --seconds $(SOAK_SECONDS) --write

clean: ## remove what the other targets made, except the data in .data/
	rm -rf .venv .venv-cluster .static .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A venv that was interrupted half-way has a python but no pip: the stamp comes last.
.venv/ready: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/ready-dev: requirements-dev.txt .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.venv-cluster/ready: requirements-cluster.txt
	$(PYTHON) -m venv .venv-cluster
	.venv-cluster/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-cluster.txt
	@touch $@
