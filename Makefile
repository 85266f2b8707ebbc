# make run    everything on this machine, on http://127.0.0.1:8080
# make test   the whole suite on PostgreSQL and Valkey of its own
# make proof  every order of a small model of posting, with Debian's spin and gcc
# make seeded-bugs   puts bugs into copies of the tree, one by one, and expects a test to fail for each (half an hour)
# make lint   style, types, directions of imports, migrations, production settings
# make bench  how fast, as ratios within one run
# make soak   an hour of faults under load, its table into docs/reliability.md (SOAK_SECONDS=600 for less)
# make clean  remove what the other targets made, except the data in .data/

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test proof seeded-bugs lint bench soak clean

run: .venv/ready
	@exec $(BIN)/python -m casino_pam.local.launch

test: .venv/ready-dev
	$(BIN)/python -m pytest -n 2

proof: .venv/ready-dev
	$(BIN)/python -m pytest -c tests/proof/pytest.ini tests/proof

seeded-bugs: .venv/ready-dev
	$(BIN)/python -m tests.seeded_bugs --write

lint: .venv/ready-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/python -m casino_pam.local.servers exec -- $(BIN)/python manage.py makemigrations --check --dry-run
	DJANGO_SETTINGS_MODULE=casino_pam.settings $(BIN)/python -m tests.deploys.online_migrations
	env -u DEBUG -u DEMO -u PLAIN_HTTP DATABASE_URL=postgres://casino@127.0.0.1/casino REDIS_URL=redis://127.0.0.1/0 \
		ALLOWED_HOSTS=casino.example SECRET_KEY=only-for-make-lint-0123456789-abcdefghijklmnopqrstuvwxyz \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

bench: .venv/ready-dev
	$(BIN)/python -m tests.bench --write

SOAK_SECONDS ?= 3600

soak: .venv/ready-dev
	$(BIN)/python -m tests.faults --seconds $(SOAK_SECONDS) --write

clean:
	rm -rf .venv .static .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A venv that was interrupted half-way has a python but no pip: the stamp comes last.
.venv/ready: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/ready-dev: requirements-dev.txt .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
