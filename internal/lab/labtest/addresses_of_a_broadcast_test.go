package labtest_test

import (
	"context"
	"database/sql"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/crowd"
	"vakhta/internal/lab/labtest"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

// A mass message leaves nobody's address behind on PostgreSQL either, while
// providers fail and addresses are remembered as dead. Then the same look finds
// an address that is planted in each kind of place: it can fail.
func TestAMassMessageLeavesNoAddressBehindOnPostgres(t *testing.T) {
	const n = 120
	dsn := labtest.Postgres(t)
	doc := crowd.Document(crowd.Options{Clients: n, Ladder: manyWays})
	s := labtest.Open(t, labtest.OnStore(dsn), labtest.Crowd(doc, 1000))
	for _, kind := range []sandbox.FaultKind{sandbox.FaultRateLimit, sandbox.FaultError, sandbox.FaultReset, sandbox.FaultLose} {
		_, err := s.Sandbox.AddFault(sandbox.Fault{Kind: kind, Probability: .05})
		require.NoError(t, err)
	}
	inv, err := inventory.Load(doc)
	require.NoError(t, err)
	opened, err := records.New(s.Store, inv, nil, nil, nil, records.Options{}).OpenIncident(t.Context(), records.OpenIncidentParams{
		RequestKey: "addresses", Finding: topology.Finding{Component: crowd.Component, Confidence: .99, Explains: topology.New(inv).Blast(crowd.Component).Servers},
	})
	require.NoError(t, err)
	// The two are remembered, and so passed over; each is the first of its contact.
	dead, out := crowd.Address(1, inventory.Email), crowd.Address(5, inventory.SMS)
	require.NoError(t, s.Store.Bar(t.Context(),
		ledger.Barred{Contact: "c00001-duty", Channel: inventory.Email, Bar: ledger.BarDead, Address: dead, Provider: "sendgrid"},
		ledger.Barred{Contact: "c00005-duty", Channel: inventory.SMS, Bar: ledger.BarOptedOut, Address: out, Provider: "twilio"}))
	told := tell(t, s, opened.Incident.ID)
	require.Equal(t, n, told.Contacts)

	addresses := reachedAt(s)
	addresses[dead], addresses[strings.TrimPrefix(out, "+")] = true, true
	require.Greater(t, len(addresses), n/2)
	look := func() map[string]string {
		places := placesOf(t, s, "*.log")
		maps.Copy(places, tablesOf(t, dsn))
		return places
	}
	places := look()
	require.Contains(t, places["the histories"], opened.Incident.ID)
	require.Contains(t, places["table notification"], "c00001-duty")
	require.Contains(t, places["table barred"], "c00005-duty")
	for place, before := range leaks(places, addresses) {
		t.Errorf("%s hold an address, behind %q", place, before)
	}
	if t.Failed() {
		return
	}

	planted := "planted@c00001.example"
	plant(t, s, dsn, planted)
	found := slices.Sorted(maps.Keys(leaks(look(), map[string]bool{planted: true})))
	require.Equal(t, []string{"table heard", "the histories", "worker.log"}, found)
}

// tell tells everybody of an incident, and returns what it came to.
func tell(t *testing.T, s *labtest.Lab, incident string) workflows.BroadcastProgress {
	t.Helper()
	id := workflows.BroadcastID("incident/"+incident, "update", 1)
	_, err := s.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueRunbooks},
		workflows.Broadcast, workflows.BroadcastInput{Incident: incident, Event: "incident.update", Step: "update", Revision: 1})
	require.NoError(t, err)
	told, err := outcome(t.Context(), s.Client, id)
	require.NoError(t, err)
	return told
}

// plant writes an address into a table, a history and a log.
func plant(t *testing.T, s *labtest.Lab, dsn, address string) {
	t.Helper()
	ctx := t.Context()
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.ExecContext(ctx, `INSERT INTO heard (contact, channel, at) VALUES ($1, 'email', 1)`, address)
	require.NoError(t, err)
	run, err := s.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "planted", TaskQueue: workflows.QueueRunbooks},
		workflows.Broadcast, workflows.BroadcastInput{Step: address})
	require.NoError(t, err)
	require.Error(t, run.Get(ctx, nil), "it names no incident")
	log, err := os.OpenFile(filepath.Join(filepath.Dir(s.Config), "worker.log"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	defer log.Close()
	_, err = log.WriteString(address + "\n")
	require.NoError(t, err)
}

// tablesOf are all rows of all tables of a schema, as text.
func tablesOf(t *testing.T, dsn string) map[string]string {
	t.Helper()
	ctx := context.Background()
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	defer db.Close()
	texts := func(query string) (all []string) {
		rows, err := db.QueryContext(ctx, query)
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var text string
			require.NoError(t, rows.Scan(&text))
			all = append(all, text)
		}
		require.NoError(t, rows.Err())
		return all
	}
	places := map[string]string{}
	for _, table := range texts(`SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()`) {
		places["table "+table] = strings.Join(texts(`SELECT t::text FROM "`+table+`" AS t`), "\n")
	}
	require.Greater(t, len(places), 10)
	return places
}
