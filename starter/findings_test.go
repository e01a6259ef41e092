package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

// For machines a finding comes with its sentence in both languages, and people read the one they ask for.
func TestFindingsAreSaidInBothLanguages(t *testing.T) {
	quietEnvironment(t)
	_, estate, sweep, before := replayExample(t)
	code, out, errOut := vakhta(t, "localize", "replay", sweep, "--inventory", estate, "--before", before)
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	var got toldInference
	must(t, json.Unmarshal([]byte(out), &got))
	if len(got.Findings) != 1 || got.Down == 0 {
		t.Fatalf("%s", out)
	}
	ru, en := got.Findings[0].Sentence[inventory.Russian], got.Findings[0].Sentence[inventory.English]
	if !strings.HasPrefix(en, "PDU pdu-a (msk, room-1, rack-1) has failed") || !strings.HasPrefix(ru, "Отказ: PDU pdu-a (msk, зал room-1, стойка rack-1)") {
		t.Errorf("sentences %q and %q", ru, en)
	}
	inv, err := inventory.LoadFiles(estate)
	must(t, err)
	var page strings.Builder
	must(t, printFindings(&page, workflows.LocalizeResult{Findings: []topology.Finding{got.Findings[0].Finding}}, inv, inventory.Russian))
	if !strings.Contains(page.String(), "● "+ru) {
		t.Errorf("the page has no %q:\n%s", ru, page.String())
	}
	if code, _, errOut := vakhta(t, "localize", "--client", "acme", "--language", "fr"); code != exitUsage || !strings.Contains(errOut, "use ru or en") {
		t.Errorf("exit %d: %s", code, errOut)
	}
}

// What never answered was no news when the incident was opened, and is none to who infers once more.
func TestAnIncidentIsReplayedWithoutWhatWasSoBefore(t *testing.T) {
	config, st := desk(t, "")
	now := time.Now().UTC().Truncate(time.Second)
	row := func(id string, r topology.Result, at time.Time) topology.Observation {
		return topology.Observation{Component: id, Probe: topology.ProbeTCP, Vantage: "msk", At: at, Result: r}
	}
	for day := 1; day <= 3; day++ {
		at := now.Add(-time.Duration(5-day) * 24 * time.Hour)
		must(t, st.LearnHabits(t.Context(), at.Format("0102"), at, []topology.Observation{row("srv-0001", topology.Up, at), row("srv-0002", topology.Down, at)}))
	}
	obs := []topology.Observation{row("srv-0001", topology.Down, now), row("srv-0001", topology.Down, now.Add(time.Second)), row("srv-0002", topology.Down, now), row("srv-0002", topology.Down, now.Add(time.Second))}
	must(t, st.PutObservations(t.Context(), "sweep", 1, obs[:1]))
	must(t, st.PutObservations(t.Context(), "sweep", 2, obs[1:2]))
	must(t, st.PutObservations(t.Context(), "sweep", 1, obs[2:3]))
	must(t, st.PutObservations(t.Context(), "sweep", 2, obs[3:]))
	opened, _, err := st.OpenIncident(t.Context(), "key", incident.Incident{Component: "srv-0001", Sweep: "sweep", OpenedAt: now})
	must(t, err)
	code, out, errOut := vakhta(t, "--config", config, "localize", "replay", "--incident", opened.ID)
	if code != exitOK || strings.Contains(out, "srv-0002") || !strings.Contains(out, `"srv-0001"`) || !strings.Contains(errOut, "left out: 2 that were no news") {
		t.Errorf("exit %d: %s%s", code, errOut, out)
	}
	if _, out, errOut = vakhta(t, "--config", config, "incident", "observations", opened.ID); strings.Count(out, "srv-0001") != 2 || strings.Contains(out, "srv-0002") {
		t.Errorf("%s%s", errOut, out)
	}
	if _, out, _ = vakhta(t, "--config", config, "incident", "observations", opened.ID, "--all"); strings.Count(out, "\n") != 4 {
		t.Errorf("all of them: %s", out)
	}
}

// Odds that a late answer has lowered are explained.
func TestTheScoreTableSaysWhatALateAnswerTakesOff(t *testing.T) {
	var out strings.Builder
	must(t, printScores(&out, topology.Inference{
		Findings: []topology.Finding{{Component: "up-1", Kind: inventory.KindUplink, Confidence: .6, LogOdds: .4}},
		Scores:   []topology.Score{{Component: "up-1", Prior: -2, Equipment: 3.09, Lately: -.69}},
	}))
	for _, says := range []string{"+ LATELY", "-0.69", "0.40", "LATELY: up-1 answered a short while ago, and that it has failed since is 2 times rarer"} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("does not say %q:\n%s", says, out.String())
		}
	}
}
