#!/bin/sh
# Runs once, when the database's volume is empty: a role and databases for Temporal, a role and a database for vakhta.
set -eu
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  -v temporal="$(cat /run/secrets/temporal_db_password)" -v vakhta="$(cat /run/secrets/vakhta_db_password)" <<'SQL'
CREATE ROLE temporal LOGIN PASSWORD :'temporal';
CREATE ROLE vakhta LOGIN PASSWORD :'vakhta';
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
CREATE DATABASE vakhta OWNER vakhta;
SQL
