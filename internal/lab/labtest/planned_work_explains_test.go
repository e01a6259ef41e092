package labtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/lab/labtest"
	"vakhta/internal/maintenance"
	"vakhta/internal/store"
	"vakhta/workflows"
)

// Planned work on a client's machines explains his cry: he is told at once
// which work it is; what it does not explain is checked, and nobody is paged.
func TestPlannedWorkExplainsAReportAtOnce(t *testing.T) {
	s := labtest.Shared(t)
	const client, contact = "kinozal", "kinozal-tech"
	servers := s.Estate.Inventory().ServersOf(client)
	now := time.Now().UTC().Truncate(time.Minute)
	require.NoError(t, s.Store.PutMaintenance(t.Context(), maintenance.Work{
		ID: "m-fans", Title: map[string]string{"ru": "замена вентиляторов", "en": "replacing fans"},
		Components: servers[:1], StartsAt: now.Add(-time.Hour), EndsAt: now.Add(time.Hour), Announced: now.Add(-48 * time.Hour),
		Revision: 1, ByClient: map[string][]string{client: servers[:1]},
	}))
	began := time.Now()
	report, err := s.Cry(t.Context(), contact, labtest.CryText)
	require.NoError(t, err)
	answer, err := s.AwaitAnswer(t.Context(), report)
	require.NoError(t, err)
	require.Equal(t, "planned", answer.Kind)
	require.Equal(t, "m-fans", answer.Work)
	s.Await(t, "the answer to name the work and the machine", func() (bool, error) {
		return s.Read(contact, "замена вентиляторов", began) && s.Read(contact, servers[0], began), nil
	})

	incidents, err := s.Store.Incidents(t.Context(), store.IncidentFilter{Client: client})
	require.NoError(t, err)
	require.Empty(t, incidents)
	checked, err := s.Client.DescribeWorkflowExecution(t.Context(), workflows.LocalizeID(client, report), "")
	require.NoError(t, err, "what the work does not explain is checked, too")
	require.NotNil(t, checked)
}
