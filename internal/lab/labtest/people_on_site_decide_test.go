package labtest_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/incident"
	"vakhta/internal/lab/estate"
	"vakhta/internal/lab/labtest"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/store"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

const bareRack = "msk-r1-k03"

// A rack whose equipment has no management goes dark: its switch, its PDUs or
// the rack itself, no probe can tell. The site's support is asked to look, by
// mail, by messenger, by call, one question at a time; each answer is an
// observation, inference runs again, and the incident comes to name the rack.
func TestPeopleOnSiteDecideWhereNoProbeCan(t *testing.T) {
	s := labtest.Open(t, labtest.Bare(bareRack))
	ctx := t.Context()
	servers := s.Outage(bareRack, estate.Down, "romashka-duty").Blast.Servers
	// Nina reads no messages; when the phone rings she goes, and sees no light.
	s.Sandbox.SetPersona(s.Contact("nina").Addresses["call"], sandbox.Persona{
		Phone: &sandbox.Phone{Answer: sandbox.AnswerHuman, After: sandbox.Duration(time.Second), Digits: "2", Think: sandbox.Duration(100 * time.Millisecond)},
	})
	began := time.Now()
	s.Break(t, bareRack)
	require.Equal(t, http.StatusAccepted, s.Post(t, alertsPath, s.IntakeToken, webhook(servers)).Code)

	var open []incident.Incident
	s.Await(t, "an incident to be opened", func() (bool, error) {
		var err error
		open, err = s.Store.Incidents(ctx, store.IncidentFilter{Open: true})
		return len(open) == 1, err
	})
	id := open[0].ID
	require.NotEmpty(t, open[0].Finding.AmbiguousWith, "the probes were sure of %s", open[0].Component)
	require.Contains(t, append(open[0].Finding.AmbiguousWith, open[0].Finding.Component), bareRack)

	var in incident.Incident
	s.Await(t, "the answer to narrow the finding", func() (bool, error) {
		var err error
		in, err = s.Store.Incident(ctx, id)
		return in.Finding.Component == bareRack && in.Component == bareRack, err
	})
	require.Less(t, len(in.Finding.AmbiguousWith), len(open[0].Finding.AmbiguousWith))
	require.True(t, s.Read("nina", "стойка 1.03", began), "nina was not told where to look")

	questions, err := s.Store.Questions(ctx, store.QuestionFilter{Incident: id})
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(questions, func(q incident.Question) bool {
		return q.Component == bareRack && q.Answer == incident.No && q.AnsweredBy == "nina" && q.Via == "call"
	}), "questions %+v", questions)
	seen, err := s.Store.Observations(ctx, in.Sweep)
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(seen, func(o topology.Observation) bool {
		return o.Vantage == topology.Hands && o.Component == bareRack && o.Result == topology.Down
	}), "her answer is no observation of sweep %s", in.Sweep)

	s.Heal(t, bareRack)
	require.NoError(t, s.AwaitResolved(ctx, id))
	for _, q := range questions {
		require.NoError(t, s.Client.GetWorkflow(ctx, workflows.HandsID(id, q.Number), "").Get(ctx, nil))
	}
	left, err := s.Store.Questions(ctx, store.QuestionFilter{Open: true})
	require.NoError(t, err)
	require.Empty(t, left, "a question outlives its incident")
	require.NoError(t, s.Audit(ctx))
	t.Logf("%s, or %v; after %d questions %s, in %s", open[0].Component, open[0].Finding.AmbiguousWith, len(questions), in.Title, time.Since(began).Round(time.Second))
}
