#!/bin/sh
# Runs once, on an empty volume: the application's role owns its database and is no superuser.
set -eu
psql --username postgres --set ON_ERROR_STOP=1 --set password="$CASINO_PASSWORD" <<'SQL'
CREATE ROLE casino LOGIN PASSWORD :'password';
CREATE DATABASE casino OWNER casino;
SQL
