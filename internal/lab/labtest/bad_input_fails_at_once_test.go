package labtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/lab/labtest"
	"vakhta/workflows"
)

// A person starts a workflow in the Temporal UI with {} or nonsense: it fails
// at once, for good, and names the field.
func TestAWorkflowWithBadInputFailsAtOnceAndNamesTheField(t *testing.T) {
	s := labtest.Shared(t)
	for _, c := range []struct {
		name, workflow, input, field string
	}{
		{"empty Incident", workflows.TypeIncident, `{}`, "incident:"},
		{"empty Localize", workflows.TypeLocalize, `{}`, "client"},
		{"empty Escalate", workflows.TypeEscalate, `{}`, "incident:"},
		{"empty InformClients", workflows.TypeInformClients, `{}`, "incident:"},
		{"empty Broadcast", workflows.TypeBroadcast, `{}`, "incident:"},
		{"empty ClientReport", workflows.TypeClientReport, `{}`, "client:"},
		{"empty Postmortem", workflows.TypePostmortem, `{}`, "incident:"},
		{"empty Triage", workflows.TypeTriage, `{}`, "region:"},
		{"unknown client", workflows.TypeLocalize, `{"client":"nobody-here"}`, "client:"},
		{"unknown component", workflows.TypeLocalize, `{"components":["no-such-thing"]}`, "components[0]:"},
		{"two scopes", workflows.TypeLocalize, `{"client":"acme","site":"msk"}`, "site"},
		{"unknown report", workflows.TypeClientReport, `{"report":"no-such-report"}`, "report"},
		{"unknown incident", workflows.TypePostmortem, `{"incident":"no-such-incident"}`, "incident"},
		{"unknown severity", workflows.TypeIncident, `{"component":"msk-r1","severity":"awful"}`, "severity:"},
		{"negative timeout", workflows.TypeLocalize, `{"client":"acme","timeoutMs":-1}`, "timeoutMs:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			err := s.Run(t.Context(), "bad-input/"+c.name, c.workflow, raw(c.input))
			refusal := labtest.Refusal(err)
			require.NotNil(t, refusal, "%v", err)
			require.True(t, refusal.NonRetryable(), "%v", err)
			require.Contains(t, refusal.Error(), c.field)
			require.Less(t, time.Since(began), labtest.Patience/2, "it was retried")
		})
	}
}

// raw is JSON as it was typed.
type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }
