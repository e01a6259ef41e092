#!/bin/sh
# Brings Temporal's two databases to the schema of this version of its server. Can be run again at any time.
set -eu
SQL_PASSWORD=$(cat /run/secrets/temporal_db_password)
export SQL_PASSWORD
host=${POSTGRES_SEEDS:-postgres}
port=${DB_PORT:-5432}
versioned=${SCHEMA_DIR:-/etc/temporal/schema}/postgresql/v12

tool() { temporal-sql-tool --plugin postgres12 --ep "$host" -p "$port" -u temporal --db "$@"; }

for pair in temporal:temporal temporal_visibility:visibility; do
  database=${pair%%:*}
  schema=$versioned/${pair##*:}/versioned
  # A new database has no version yet, and update-schema fails: only then is the version table made.
  tool "$database" update-schema -d "$schema" || {
    tool "$database" setup-schema -v 0.0
    tool "$database" update-schema -d "$schema"
  }
done
