package runbooks_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vakhta/internal/inventory"
	"vakhta/internal/message"
	"vakhta/runbooks"
	"vakhta/runbooks/messages"
)

const teams = `version: 1
teams:
  - id: night
    members: [{id: ivan, language: ru, timezone: Europe/Moscow, addresses: {email: ivan@hosting.example}}]
    levels: [{members: [ivan], ackWithin: 2m}]
`

func around(t *testing.T) runbooks.Surroundings {
	t.Helper()
	inv, err := inventory.Load(inventory.Document{Name: "teams.yaml", Data: []byte(teams)})
	require.NoError(t, err)
	r, err := message.New(messages.FS())
	require.NoError(t, err)
	return runbooks.Surroundings{Inventory: inv, Events: r.Events()}
}

func TestLintNamesTeamsAndEventsThatAreNotThere(t *testing.T) {
	doc := `runbook: small
title: A small one
on: finding.kind == "pdu"
steps:
  - id: page
    escalate: {team: emergency}
  - id: look
    task: {text: Look, team: admins}
  - id: may-we
    approve: {text: May we, team: night}
  - id: tell
    notify: {event: incident.upate}
  - id: close
    resolve: {}
`
	var got []string
	for _, p := range runbooks.Lint("small.yaml", []byte(doc), around(t)) {
		got = append(got, p.String())
	}
	require.Equal(t, []string{
		`small.yaml:6:22: team: the inventory has no team "emergency"; there are night`,
		`small.yaml:8:30: team: the inventory has no team "admins"; there are night`,
		`small.yaml:12:21: event: no message is written for "incident.upate"; there are incident.postmortem, incident.restored, incident.update`,
	}, got)
	require.Empty(t, runbooks.Lint("small.yaml", []byte(doc), runbooks.Surroundings{}), "what isn't known isn't checked")
}

func TestLintDoubtsWhatRunsButPerhapsNotAsMeant(t *testing.T) {
	require.Equal(t, `18:9: if: step "page" may still be running; name it under needs (warning)`,
		lint(strings.Replace(small, "    needs: [page]\n", "", 1)))
	require.Equal(t, `1:10: on: not given; no incident chooses this runbook by itself (warning)`,
		lint(strings.Replace(small, `on: finding.kind == "pdu" && inputs.limit > 1`+"\n", "", 1)))
	require.Equal(t, `10:3: steps: none resolves the incident; a person must (warning)`,
		lint(strings.Replace(small, "resolve: {}", "wait: {for: 1m}", 1)))
}

func TestLintDoubtsASecondEscalationOfATeam(t *testing.T) {
	require.Equal(t, `17:5: step "again" pages team emergency, as "page" does; while the one is at work the other fails (warning)`,
		lint(strings.Replace(small, "  - id: look\n", "  - id: again\n    escalate: {team: emergency}\n  - id: look\n", 1)))
	require.Equal(t, `17:5: step "again" starts the client updates, as "inform" does; while the one is at work the other fails (warning)`,
		lint(strings.Replace(small, "  - id: look\n", "  - id: again\n    inform: {every: 1m}\n  - id: look\n", 1)))
}

func TestLintTakesConfiguredInputs(t *testing.T) {
	problems := runbooks.Lint("small.yaml", []byte(small), runbooks.Surroundings{Inputs: map[string]any{"every": 5}})
	require.Len(t, problems, 1)
	require.Equal(t, "small.yaml:5:3: inputs.every: the configuration's value must be a duration like the default, 15m", problems[0].String())
}

func TestLintSaysSomethingAboutAnEmptyFile(t *testing.T) {
	for name, doc := range map[string]string{"empty": "", "a comment": "# later\n", "a list": "- id: page\n", "a word": "hello"} {
		t.Run(name, func(t *testing.T) {
			problems := runbooks.Lint("small.yaml", []byte(doc), runbooks.Surroundings{})
			require.Len(t, problems, 1)
			require.Equal(t, 1, problems[0].Line)
			require.Contains(t, problems[0].Text, "begin with runbook: NAME")
		})
	}
	problems := runbooks.Lint("big.yaml", []byte(strings.Repeat("# words\n", 10_000)), runbooks.Surroundings{})
	require.Contains(t, problems[0].Text, "more than 65536")
	problems = runbooks.Lint("deep.yaml", []byte("steps: "+strings.Repeat("[", 20_000)), runbooks.Surroundings{})
	require.Contains(t, problems[0].Text, "nest deeper")
}

func TestBuiltinRunbooksLintWithoutAWarning(t *testing.T) {
	l, err := runbooks.Load(runbooks.Builtin(), nil)
	require.NoError(t, err)
	for _, name := range l.Names() {
		doc, err := runbooks.Source(runbooks.Builtin(), name)
		require.NoError(t, err)
		s := around(t)
		s.Inventory = nil // the teams are the operator's
		require.Empty(t, runbooks.Lint(name+".yaml", doc, s))
	}
}
