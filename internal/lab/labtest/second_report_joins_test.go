package labtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/lab/estate"
	"vakhta/internal/lab/labtest"
)

// A client who cries again while his incident is open is answered from it: no
// second sweep, no second incident.
func TestASecondReportJoinsTheOpenIncident(t *testing.T) {
	s := labtest.Shared(t)
	const contact = "shkola-tech"
	server := s.Estate.Inventory().ServersOf("shkola")[0]
	outage := s.Outage(server, estate.Off, contact)
	require.NoError(t, outage.Break(t.Context()))
	require.NoError(t, outage.Cry(t.Context()))
	require.NoError(t, outage.AwaitAnswer(t.Context()))
	require.NoError(t, outage.AwaitFinding(t.Context()))

	again := time.Now()
	report, err := s.Cry(t.Context(), contact, "до сих пор не работает")
	require.NoError(t, err)
	answer, err := s.AwaitAnswer(t.Context(), report)
	require.NoError(t, err)
	require.Equal(t, "incident", answer.Kind)
	require.Equal(t, []string{outage.Incident}, answer.Incident)
	s.Await(t, "the answer to come from the open incident", func() (bool, error) {
		return s.Read(contact, "Мы уже знаем", again) && s.Read(contact, server, again), nil
	})

	require.NoError(t, outage.AwaitAcknowledged(t.Context()))
	require.NoError(t, outage.Repair(t.Context()))
	require.NoError(t, outage.AwaitResolved(t.Context()))
	require.NoError(t, outage.AwaitPostmortem(t.Context()))
	require.NoError(t, outage.CheckUndisturbed(t.Context()))
	require.NoError(t, s.Audit(t.Context()))
}
