package runbooks_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/runbooks"
)

// small is a runbook that is right; the cases below spoil it.
const small = `runbook: small
title: A small one
on: finding.kind == "pdu" && inputs.limit > 1
inputs:
  every: 15m
  limit: 2
  loud: true
  words: look at it
steps:
  - id: page
    escalate:
      team: emergency
      ladder:
        - {channel: telegram, wait: 1m}
  - id: inform
    inform: {every: "${inputs.every}"}
  - id: look
    if: incident.severity != "sev3" && steps["page"] == "done"
    needs: [page]
    on-failure: continue
    task: {text: "Please ${inputs.words}, team"}
  - id: back
    needs: [look]
    timeout: 4h
    retry: {attempts: 2, wait: 1s}
    verify: {every: 10s, stable: "${inputs.limit}"}
  - id: close
    needs: [back]
    resolve: {}
`

func TestParse(t *testing.T) {
	rb, err := runbooks.Parse("small.yaml", []byte(small), nil)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"every": "15m", "limit": 2.0, "loud": true, "words": "look at it"}, rb.Inputs)
	require.Equal(t, 15*time.Minute, rb.Steps[1].Inform.Every.Std())
	require.Equal(t, "Please look at it, team", rb.Steps[2].Task.Text)
	require.Equal(t, 2, rb.Steps[3].Verify.Stable)
	require.Equal(t, time.Hour, rb.Reopen.Std())
	require.Equal(t, []string{"escalate", "inform", "task", "verify", "resolve"}, kinds(rb))
	require.Empty(t, runbooks.Lint("small.yaml", []byte(small), runbooks.Surroundings{}))
}

func kinds(rb *runbooks.Runbook) []string {
	var out []string
	for _, s := range rb.Steps {
		out = append(out, s.Kind())
	}
	return out
}

func TestMistakesAreNamedWithTheirPlace(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown field at the top", "title:", "titel:", `2:1: unknown field "titel"`},
		{"unknown field of a step", "    timeout: 4h", "    timeuot: 4h", `24:5: unknown field "timeuot"`},
		{"unknown field of a kind", "{every: 10s,", "{evry: 10s,", `26:14: unknown field "evry"`},
		{"no title", "title: A small one\n", "", `1:1: title: must be given; say what has happened in one line`},
		{"bad name", "runbook: small", "runbook: Small One", `1:10: runbook: "Small One" must be lower-case letters, digits and dashes`},
		{"name unlike the file's", "runbook: small", "runbook: other", `1:10: runbook: "other" must be called like its file, "small"`},
		{"no steps", small[strings.Index(small, "steps:"):], "steps: []\n", `9:8: steps: a runbook needs at least one step`},
		{"two kinds", "    resolve: {}", "    resolve: {}\n    wait: {for: 1m}", `27:5: step "close" has several kinds (wait+resolve): make a step of each`},
		{"no kind", "    inform: {every: \"${inputs.every}\"}\n", "    title: Nothing\n", `15:5: step "inform" does nothing: give it one of escalate, inform, verify, task, approve, notify, wait, resolve, postmortem`},
		{"duplicate id", "id: inform", "id: page", `15:9: id: "page" is the id of step 1 already`},
		{"bad id", "id: inform", "id: Inform!", `15:9: id: "Inform!" must be lower-case letters, digits and dashes`},
		{"unknown need", "needs: [back]", "needs: [back, nobody]", `28:19: needs: there is no step "nobody"`},
		{"cycle", "needs: [page]", "needs: [page, close]", `19:12: needs: the steps wait for each other: look → close → back → look`},
		{"a step that needs itself", "needs: [page]", "needs: [look]", `19:12: needs: the steps wait for each other: look → look`},
		{"bad duration", "timeout: 4h", "timeout: soon", `24:14: duration "soon": write it like 30s, 15m or 2h`},
		{"number as duration", "timeout: 4h", "timeout: 4", `24:14: a duration is written like 30s, 15m or 2h`},
		{"negative duration", "timeout: 4h", "timeout: -4h", `24:14: duration "-4h": must not be negative`},
		{"bad duration behind an input", "every: 15m", "every: often", `16:21: duration "often": write it like 30s, 15m or 2h`},
		{"CEL syntax", `steps["page"] == "done"`, `steps["page"] ==`, `18:56: if: Syntax error: mismatched input '<EOF>'`},
		{"CEL unknown name", "incident.severity !=", "incidnt.severity !=", `18:9: if: there is no 'incidnt'; a condition speaks of incident, finding, inputs and steps`},
		{"CEL unknown field", "incident.severity !=", "incident.sevrity !=", `18:18: if: incident has no "sevrity"; there are clients, component, drill, id, servers, severity, site, status`},
		{"CEL unknown field of finding", "finding.kind ==", "finding.sort ==", `3:13: on: finding has no "sort"; there are component, confidence, kind, powerOff`},
		{"CEL unknown step", `steps["page"]`, `steps["pge"]`, `18:46: if: steps has no "pge"; there are back, close, inform, look, page`},
		{"CEL unknown input", "inputs.limit > 1", "inputs.limits > 1", `3:37: on: inputs has no "limits"; there are every, limit, loud, words`},
		{"CEL not a boolean", `if: incident.severity != "sev3" && steps["page"] == "done"`, `if: "size(incident)"`, `18:10: if: it gives int, must give true or false`},
		{"undeclared input", `"${inputs.every}"`, `"${inputs.evry}"`, `16:21: input "evry" is not declared under inputs; there are every, limit, loud, words`},
		{"other placeholder", `"${inputs.every}"`, `"${env.EVERY}"`, `16:21: "${env.EVERY}": only ${inputs.NAME} can stand here`},
		{"input made of another", "words: look at it", `words: "${inputs.every}"`, `8:10: inputs.words: an input can't be made of another`},
		{"input is a list", "words: look at it", "words: [look]", `8:10: inputs.words: must be a text, a number, true or false`},
		{"input is nothing", "words: look at it", "words:", `8:9: inputs.words: must be a text, a number, true or false`},
		{"input's name", "words: look at it", "wo-rds: look at it", `8:3: inputs: "wo-rds" must be letters and digits
21:18: input "words" is not declared under inputs; there are every, limit, loud`},
		{"bad ladder channel", "channel: telegram", "channel: pigeon", `14:21: channel: "pigeon" is none of telegram, whatsapp, slack, mattermost, sms, call, email, sink`},
		{"no team", "      team: emergency\n", "", `12:7: escalate.team: must be given`},
		{"bad on-failure", "on-failure: continue", "on-failure: ignore", `20:17: on-failure: "ignore" must be stop or continue`},
		{"too many attempts", "attempts: 2", "attempts: 1000", `25:23: retry.attempts: 1000 must be between 0 and 100`},
		{"beat too fast", `"${inputs.every}"`, "10ms", `16:21: inform.every: must be 1s or more`},
		{"empty task", `"Please ${inputs.words}, team"`, `""`, `21:18: task.text: must be given`},
		{"calm for too long", `stable: "${inputs.limit}"`, "calm: 45m", `26:32: verify.calm: must be between 0 and 30m0s`},
		{"looks in a row", `"${inputs.limit}"`, "-1", `26:34: verify.stable: -1 must not be negative`},
		{"message for others", "{text: \"Please ${inputs.words}, team\"}", "{text: x}\n  - id: tell\n    notify: {event: page}", `23:21: event: "page" is not written for an incident's clients; theirs begin with incident.`},
		{"second document", "steps:\n", "---\nrunbook: more\nsteps:\n", `10:1: a second document begins here; put each runbook into a file of its own`},
		{"YAML", "steps:\n", "steps: [\n", `18:45: value is not allowed in this context. map key-value is pre-defined`},
		{"duplicate key", "title: A small one", "title: A small one\ntitle: Another", `3:1: mapping key "title" already defined at [2:1]`},
		{"loop", "needs: [page]", "needs: &n [*n]", `19:16: *n stands inside of &n itself`},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Contains(t, small, c.old, "the case spoils nothing")
			got := lint(strings.Replace(small, c.old, c.new, 1))
			require.Equal(t, c.want, got)
		})
	}
}

func lint(doc string) string {
	var lines []string
	for _, p := range runbooks.Lint("small.yaml", []byte(doc), runbooks.Surroundings{}) {
		line := p.String()
		if p.Warning {
			line += " (warning)"
		}
		lines = append(lines, strings.TrimPrefix(line, "small.yaml:"))
	}
	return strings.Join(lines, "\n")
}
