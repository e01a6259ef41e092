// Package store keeps what is so: notifications and what became of them,
// reports, incidents and their timelines, alerts, observations, maintenances
// and postmortems, in SQLite (one file) or PostgreSQL.
//
// There is one set of queries and migrations for both. Every write is
// idempotent, keyed by what it is, so that an activity may be repeated. No
// query asks the database for the time: it comes as an argument. Several
// processes share one database; a write is one transaction, repeated where
// another writer was in its way.
//
//	st, err := store.Open(ctx, "sqlite:/var/lib/vakhta/vakhta.db")
//	...
//	defer st.Close()
//	err = st.Migrate(ctx)
//
// It imports the packages whose records it keeps (incident, ledger, topology)
// and nothing that decides.
package store
