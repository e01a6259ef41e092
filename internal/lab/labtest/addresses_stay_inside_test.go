package labtest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/lab/labtest"
	"vakhta/internal/lab/sandbox"
)

// Nobody's phone number or mail address stands in a log, in a metric, in the
// history of a workflow or readable in the store, after an outage in which
// people were told by every channel.
func TestAddressesStayInside(t *testing.T) {
	s := labtest.Open(t)
	server := s.Estate.Inventory().ServersOf("foto")[0]
	outage := s.Outage(server, estate.Off, "foto-tech")
	require.NoError(t, outage.Play(t.Context()))

	addresses := reachedAt(s)
	contact := s.Contact("ivan")
	require.True(t, addresses[strings.TrimPrefix(contact.Addresses[inventory.Call], "+")], "nobody was called, so this proves nothing")

	places := placesOf(t, s, "*.log", "vakhta.db*")
	// What is looked for is found where it may stand: contacts have ids.
	require.Contains(t, places["the histories"], contact.ID)
	require.Contains(t, places["vakhta.db"]+places["vakhta.db-wal"], contact.ID)
	for place, before := range leaks(places, addresses) {
		t.Errorf("%s hold an address, behind %q", place, before)
	}
}

// reachedAt are the phone numbers and mail addresses that the sandbox was given.
func reachedAt(s *labtest.Lab) map[string]bool {
	addresses := map[string]bool{}
	for _, it := range s.Sandbox.Inbox(sandbox.Query{}) {
		if to := strings.TrimPrefix(it.To, "+"); strings.Contains(to, "@") || len(to) >= 10 {
			addresses[to] = true
		}
	}
	return addresses
}

// placesOf are the texts in which nobody's address may stand: metrics,
// histories, and the files of the stand that the patterns choose.
func placesOf(t *testing.T, s *labtest.Lab, patterns ...string) map[string]string {
	t.Helper()
	places := map[string]string{"the gateway's metrics": s.Get(t, "/metrics").Body, "the worker's metrics": s.GetWorker(t, "/metrics").Body, "the histories": histories(t, s)}
	require.Contains(t, places["the worker's metrics"], "vakhta_notification_attempts_total")
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(filepath.Dir(s.Config), pattern))
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			places[filepath.Base(file)] = string(text)
		}
	}
	return places
}

// leaks are the places that hold an address, with what stands before it there.
func leaks(places map[string]string, addresses map[string]bool) map[string]string {
	found := map[string]string{}
	for place, text := range places {
		for a := range addresses {
			if at := strings.Index(text, a); at >= 0 {
				found[place] = text[max(0, at-120):at]
			}
		}
	}
	return found
}

// histories are the events of all workflows, their payloads as they are stored.
func histories(t *testing.T, s *labtest.Lab) string {
	t.Helper()
	var out strings.Builder
	var next []byte
	for {
		list, err := s.Client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: s.Namespace, NextPageToken: next})
		require.NoError(t, err)
		for _, w := range list.GetExecutions() {
			events := s.Client.GetWorkflowHistory(t.Context(), w.GetExecution().GetWorkflowId(), w.GetExecution().GetRunId(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for events.HasNext() {
				e, err := events.Next()
				require.NoError(t, err)
				raw, err := proto.Marshal(e)
				require.NoError(t, err)
				out.Write(raw)
			}
			memo, err := proto.Marshal(w)
			require.NoError(t, err)
			out.Write(memo)
		}
		if next = list.GetNextPageToken(); len(next) == 0 {
			return out.String()
		}
	}
}
