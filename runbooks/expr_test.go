package runbooks_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"vakhta/runbooks"
)

func TestConditions(t *testing.T) {
	facts := runbooks.Facts{
		Incident: map[string]any{"severity": "sev2", "clients": []string{"acme", "romashka"}, "servers": []string{"srv-1"}, "drill": false},
		Finding:  map[string]any{"kind": "pdu", "confidence": 0.97},
		Inputs:   map[string]any{"limit": 2.0, "every": "15m"},
		Steps:    map[string]string{"page": "done"},
	}
	b, err := json.Marshal(facts)
	require.NoError(t, err)
	var kept runbooks.Facts // as a history gives them back
	require.NoError(t, json.Unmarshal(b, &kept))
	for text, want := range map[string]bool{
		`incident.severity == "sev1"`:              false,
		`finding.kind in ["pdu", "switch"]`:        true,
		`size(incident.clients) >= inputs.limit`:   true,
		`"romashka" in incident.clients`:           true,
		`finding.confidence > 0.9`:                 true,
		`steps["page"] == "done"`:                  true,
		`steps.page == "failed"`:                   false,
		`!incident.drill`:                          true,
		`duration(inputs.every) > duration("10m")`: true,
		`incident["severity"] != "sev3"`:           true,
		`incident.clients.exists(c, c == "acme")`:  true,
	} {
		for _, f := range []runbooks.Facts{facts, kept} {
			c, err := runbooks.Compile(text)
			require.NoError(t, err, text)
			got, err := c.Eval(f)
			require.NoError(t, err, text)
			require.Equal(t, want, got, text)
		}
	}
}

func TestAConditionThatAnswersSomethingElseIsAnError(t *testing.T) {
	c, err := runbooks.Compile(`inputs.every`) // a map's values have no type before they are there
	require.NoError(t, err)
	_, err = c.Eval(runbooks.Facts{Inputs: map[string]any{"every": "15m"}})
	require.ErrorContains(t, err, "answered 15m, must answer true or false")
	_, err = c.Eval(runbooks.Facts{})
	require.ErrorContains(t, err, "no such key: every")
}
