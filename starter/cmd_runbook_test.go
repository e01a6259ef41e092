package main

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/runbooks"
)

const spoiltRunbook = `runbook: spoilt
title: Spoilt
on: finding.kind == "pdu"
steps:
  - id: page
    escalate: {team: nobody}
  - id: close
    needs: [beck]
    resolve: {}
`

func TestRunbookLintPointsAtTheLine(t *testing.T) {
	quietEnvironment(t)
	file := filepath.Join(t.TempDir(), "spoilt.yaml")
	write(t, file, spoiltRunbook)
	code, out, errOut := vakhta(t, "runbook", "lint", file)
	if code != exitRefused || !strings.Contains(errOut, "1 problem, 0 warnings in 1 runbook") {
		t.Errorf("exit %d: %s", code, errOut)
	}
	want := file + `:8:13: needs: there is no step "beck"
     8 |     needs: [beck]
       |             ^
`
	if out != want {
		t.Errorf("lint says\n%s\nwant\n%s", out, want)
	}
}

func TestRunbookLintWithConfigurationKnowsTheTeams(t *testing.T) {
	quietEnvironment(t)
	dir := t.TempDir()
	cfg, file := writeConfig(t, dir), filepath.Join(dir, "spoilt.yaml")
	write(t, file, spoiltRunbook)
	code, out, _ := vakhta(t, "runbook", "lint", "--json", "--config", cfg, file)
	var got struct{ Problems []runbooks.Problem }
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitRefused {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	if len(got.Problems) != 2 || got.Problems[0].Line != 6 || !strings.Contains(got.Problems[0].Text, `no team "nobody"`) || got.Problems[1].Line != 8 {
		t.Errorf("problems: %+v", got.Problems)
	}
}

func TestRunbookCommands(t *testing.T) {
	quietEnvironment(t)
	warned := filepath.Join(t.TempDir(), "warned.yaml")
	write(t, warned, "runbook: warned\ntitle: T\nsteps:\n  - {id: close, resolve: {}}\n")
	for _, c := range []struct {
		name, args string
		code       int
		says       string
	}{
		{"list", "runbook list", exitOK, "server-down  7"},
		{"list as JSON", "runbook list --json", exitOK, `"runbook": "server-down"`},
		{"show", "runbook show server-down", exitOK, "postmortem      postmortem  resolve"},
		{"show as JSON", "runbook show server-down --json", exitOK, `"reopenWithin": "1h0m0s"`},
		{"show an unknown one", "runbook show nothing", exitNotFound, `runbook "nothing" does not exist: there are server-down`},
		{"lint what comes with Vakhta", "runbook lint", exitOK, "in order: 1 runbook, 0 warnings (teams not checked: give --config)"},
		{"a warning is no problem", "runbook lint " + warned, exitOK, "warning: on: not given"},
		{"lint a file that isn't there", "runbook lint nowhere.yaml", exitNotFound, "nowhere.yaml"},
		{"schema", "runbook schema", exitOK, `"title": "Vakhta runbook"`},
		{"an unknown verb", "runbook shwo", exitUsage, `unknown command "shwo"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errOut := vakhta(t, strings.Fields(c.args)...)
			if code != c.code || !strings.Contains(out+errOut, c.says) {
				t.Errorf("exit %d, want %d and %q:\n%s%s", code, c.code, c.says, out, errOut)
			}
		})
	}
}

// What the linter lets a condition speak of is what an incident gives it.
func TestConditionsSpeakOfWhatIncidentsHave(t *testing.T) {
	facts := records.RunbookFacts(incident.Incident{})
	if got := slices.Sorted(maps.Keys(facts.Incident)); !slices.Equal(got, runbooks.IncidentFacts()) {
		t.Errorf("incident has %v, the linter knows %v", got, runbooks.IncidentFacts())
	}
	if got := slices.Sorted(maps.Keys(facts.Finding)); !slices.Equal(got, runbooks.FindingFacts()) {
		t.Errorf("finding has %v, the linter knows %v", got, runbooks.FindingFacts())
	}
}
