package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/crowd"
	"vakhta/internal/ledger"
	"vakhta/internal/maintenance"
	"vakhta/internal/message"
	"vakhta/internal/store"
	"vakhta/internal/topology"
	"vakhta/runbooks"
	"vakhta/runbooks/messages"
)

func TestABroadcastIsPlannedAndFollowed(t *testing.T) {
	quietEnvironment(t)
	ctx, dir := t.Context(), t.TempDir()
	doc := crowd.Document(crowd.Options{Clients: 300})
	write(t, filepath.Join(dir, "crowd.yaml"), string(doc.Data))
	config := filepath.Join(dir, "vakhta.yaml")
	write(t, config, "store: sqlite:vakhta.db\ninventory: [crowd.yaml]\nproviders: {twilio: {accountSid: AC1, authToken: \"env:NONE\", from: \"+1\", rates: {sms: 2}}}\nnotify: {rates: {email: 100}}\n")
	st, err := store.Open(ctx, "sqlite:"+filepath.Join(dir, "vakhta.db"))
	must(t, err)
	defer func() { must(t, st.Close()) }()
	must(t, st.Migrate(ctx))
	inv, err := inventory.Load(doc)
	must(t, err)
	render, err := message.New(messages.FS())
	must(t, err)
	library, err := runbooks.Load(runbooks.Builtin(), nil)
	must(t, err)
	acts := records.New(st, inv, render, library, nil, records.Options{})
	opened, err := acts.OpenIncident(ctx, records.OpenIncidentParams{
		RequestKey: "r", Finding: topology.Finding{Component: crowd.Component, Confidence: .99, Explains: topology.New(inv).Blast(crowd.Component).Servers},
	})
	must(t, err)
	id := opened.Incident.ID

	code, out, errOut := vakhta(t, "--config", config, "broadcast", "plan", "--incident", id)
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	for _, want := range []string{"300 contacts of 300 clients", "sms       60        2/s", "30 s", "no provider", "whoever is not reached"} {
		if !strings.Contains(out, want) {
			t.Errorf("the plan does not say %q:\n%s", want, out)
		}
	}
	if code, _, errOut = vakhta(t, "--config", config, "broadcast", "progress", "--incident", id); code != exitNotFound {
		t.Errorf("exit %d before anything was sent: %s", code, errOut)
	}
	c, err := acts.ComposeUpdate(ctx, records.ComposeParams{Incident: id, Event: "incident.update", Step: "update", Revision: 1})
	must(t, err)
	first, err := st.PartStandings(ctx, c.Parts[0])
	must(t, err)
	claims, err := st.Claim(ctx, []string{first[0].ID}, time.Minute, time.Now())
	must(t, err)
	must(t, st.Settle(ctx, first[0].ID, claims.Claimed[0].LeaseToken, ledger.Outcome{State: ledger.Accepted, Provider: "x", Wrote: true}, time.Now()))
	code, out, errOut = vakhta(t, "--config", config, "broadcast", "progress", "--incident", id)
	if code != exitOK || !strings.Contains(out, "update (incident.update), revision 1") || !strings.Contains(out, "300 messages") || !strings.Contains(out, "60        0") {
		t.Errorf("exit %d, %s\n%s", code, errOut, out)
	}
}

func TestWhomNoChannelReachesIsListedWithWhetherHisClientKnows(t *testing.T) {
	ctx := t.Context()
	config := writeConfig(t, t.TempDir())
	st, err := store.Open(ctx, "sqlite:"+filepath.Join(filepath.Dir(config), "vakhta.db"))
	must(t, err)
	t.Cleanup(func() { must(t, st.Close()) })
	must(t, st.Migrate(ctx))
	for _, u := range []store.Unreached{{Contact: "acme-duty", Client: "acme"}, {Contact: "beta-duty", Client: "beta"}} {
		u.Step, u.Revision, u.At = "announce/outage", 1, time.Now()
		_, err := st.PutUnreached(ctx, "maintenance/feed-b", []store.Unreached{u})
		must(t, err)
	}
	must(t, st.PutMaintenance(ctx, maintenance.Work{
		ID: "feed-b", Title: map[string]string{"en": "Feed B"}, Components: []string{"srv-0001"}, Status: maintenance.Approved, Revision: 1,
		StartsAt: time.Now().Add(time.Hour), EndsAt: time.Now().Add(2 * time.Hour), ByClient: map[string][]string{"acme": {"srv-0001"}},
	}))
	must(t, st.TellMaintenance(ctx, "feed-b", 1, "beta", "ivan", time.Now()))
	code, out, errOut := vakhta(t, "--config", config, "broadcast", "unreachable", "--work", "feed-b")
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	for _, want := range []string{"acme-duty", "beta-duty", " told by ivan", "announce/outage"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if code, out, _ := vakhta(t, "--config", config, "broadcast", "unreachable", "--incident", "i-1"); code != exitOK || !strings.Contains(out, "had a channel for everybody") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if code, _, errOut := vakhta(t, "--config", config, "broadcast", "unreachable"); code != exitUsage || !strings.Contains(errOut, "--incident or --work") {
		t.Errorf("exit %d: %s", code, errOut)
	}
}
