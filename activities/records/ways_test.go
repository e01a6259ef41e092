package records_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/crowd"
	"vakhta/internal/ledger"
	"vakhta/internal/topology"
)

// wayward is a rig over a crowd whose contacts have mail, messenger and SMS in
// one order, and quiet hours if any are given.
func wayward(t *testing.T, clients int, quiet string, ladder ...inventory.Channel) *rig {
	t.Helper()
	doc := crowd.Document(crowd.Options{Clients: clients, Ladder: func(int) []inventory.Channel { return ladder }})
	if quiet != "" {
		doc.Data = []byte(strings.ReplaceAll(string(doc.Data), "timezone: Europe/Moscow, contacts:", `timezone: Europe/Moscow, quiet: "`+quiet+`", contacts:`))
	}
	inv, err := inventory.Load(doc)
	if err != nil {
		t.Fatal(err)
	}
	r := newRigOf(t, inv)
	r.now = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC) // 3 a.m. in Moscow
	return r
}

// crowded opens an incident that takes down everybody's machine.
func (r *rig) crowded(sev incident.Severity) incident.Incident {
	r.t.Helper()
	opened := must[records.Opened](r.t)(r.OpenIncident(r.t.Context(), records.OpenIncidentParams{
		RequestKey: "crowd", Finding: topology.Finding{Component: crowd.Component, Confidence: .99, Explains: topology.New(r.inv).Blast(crowd.Component).Servers},
	}))
	opened.Incident.Severity = sev
	r.save(opened.Incident)
	return opened.Incident
}

func (r *rig) bar(contact string, ch inventory.Channel, address string) {
	r.t.Helper()
	err := r.store.Bar(r.t.Context(), ledger.Barred{Contact: contact, Channel: ch, Bar: ledger.BarDead, Since: r.now, Address: address})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) update(in incident.Incident, revision int) (records.Composed, map[string]ledger.Notification) {
	r.t.Helper()
	c := must[records.Composed](r.t)(r.ComposeUpdate(r.t.Context(), records.ComposeParams{Incident: in.ID, Event: "incident.update", Step: "update", Revision: revision}))
	return c, byContact(r.written(c))
}

func byContact(all []ledger.Notification) map[string]ledger.Notification {
	out := map[string]ledger.Notification{}
	for _, n := range all {
		out[n.Contact] = n
	}
	return out
}

func TestADeadAddressIsPassedOver(t *testing.T) {
	r := wayward(t, 4, "", inventory.Telegram, inventory.SMS, inventory.Email)
	in := r.crowded(incident.Sev2)
	r.bar("c00001-duty", inventory.Telegram, crowd.Address(1, inventory.Telegram))
	r.bar("c00002-duty", inventory.Telegram, "another address, of a year ago")
	for _, ch := range []inventory.Channel{inventory.Telegram, inventory.SMS, inventory.Email} {
		r.bar("c00003-duty", ch, crowd.Address(3, ch))
	}
	c, got := r.update(in, 1)
	for contact, want := range map[string]inventory.Channel{"c00000-duty": inventory.Telegram, "c00001-duty": inventory.SMS, "c00002-duty": inventory.Telegram} {
		if got[contact].Channel != want {
			t.Errorf("%s is told by %q, want %s", contact, got[contact].Channel, want)
		}
	}
	if !slices.Equal(c.Unreachable, []string{"c00003-duty"}) || c.Plan.Unreachable != 1 || len(got) != 3 {
		t.Errorf("unreachable %v, plan %+v, %d told; want c00003-duty to be a person's task", c.Unreachable, c.Plan, len(got))
	}

	// The ladder goes on behind the channel that was used, whichever number it has.
	r.becomes(got["c00001-duty"].ID, ledger.Refused)
	next := must[records.Composed](t)(r.NextRung(t.Context(), records.NextRungParams{
		Compose: records.ComposeParams{Incident: in.ID, Event: "incident.update", Step: "update", Revision: 1, Clients: []string{"c00001"}},
	}))
	rows := r.written(next)
	if len(rows) != 1 || rows[0].Channel != inventory.Email || rows[0].Rung != 1 {
		t.Fatalf("%+v, want one mail on rung 1", rows)
	}
	r.becomes(rows[0].ID, ledger.Refused)
	next = must[records.Composed](t)(r.NextRung(t.Context(), records.NextRungParams{
		Compose: records.ComposeParams{Incident: in.ID, Event: "incident.update", Step: "update", Revision: 1, Clients: []string{"c00001"}},
	}))
	if !slices.Equal(next.Unreachable, []string{"c00001-duty"}) || len(next.Batches) != 0 {
		t.Errorf("%+v, want c00001-duty to be unreachable and not written to again", next)
	}
}

func TestQuietHoursHoldBackWhatMakesANoise(t *testing.T) {
	sms, mail := inventory.SMS, inventory.Email
	for _, c := range []struct {
		name     string
		quiet    string
		severity incident.Severity
		critical bool
		ladder   []inventory.Channel
		want     inventory.Channel // empty: he waits
	}{
		{"by day", "10:00-11:00", incident.Sev2, false, []inventory.Channel{sms, mail}, sms},
		{"a mail makes no noise", "22:00-08:00", incident.Sev2, false, []inventory.Channel{sms, mail}, mail},
		{"a messenger is silent", "22:00-08:00", incident.Sev2, false, []inventory.Channel{inventory.Telegram, sms}, inventory.Telegram},
		{"nothing but a phone", "22:00-08:00", incident.Sev2, false, []inventory.Channel{sms}, ""},
		{"critical overrides", "22:00-08:00", incident.Sev2, true, []inventory.Channel{sms}, sms},
		{"a critical incident overrides", "22:00-08:00", incident.Sev1, false, []inventory.Channel{sms}, sms},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := wayward(t, 1, c.quiet, c.ladder...)
			in := r.crowded(c.severity)
			p := records.ComposeParams{Incident: in.ID, Event: "incident.update", Step: "update", Revision: 1, Critical: c.critical}
			plan := must[records.Plan](t)(r.PlanUpdate(t.Context(), p, false))
			composed := must[records.Composed](t)(r.ComposeUpdate(t.Context(), p))
			rows := r.written(composed)
			if c.want == "" {
				if len(rows) != 0 || composed.Quiet != 1 || plan.Quiet != 1 || len(composed.Unreachable) != 0 {
					t.Errorf("%+v, plan %+v; want him to wait", composed, plan)
				}
				return
			}
			if len(rows) != 1 || rows[0].Channel != c.want || composed.Quiet != 0 || plan.Quiet != 0 {
				t.Errorf("%+v, want %s", rows, c.want)
			}
		})
	}
}

func TestWhoWasLeftInQuietIsToldWhenHisHoursEnd(t *testing.T) {
	r := wayward(t, 2, "22:00-08:00", inventory.SMS)
	in := r.crowded(incident.Sev3)
	p := records.NextRungParams{Unacknowledged: true, Compose: records.ComposeParams{Incident: in.ID, Event: "incident.update", Step: "confirm", Revision: 1}}
	if first := must[records.Composed](t)(r.ComposeUpdate(t.Context(), p.Compose)); first.Quiet != 2 || len(first.Batches) != 0 {
		t.Fatalf("%+v", first)
	}
	if c := must[records.Composed](t)(r.NextRung(t.Context(), p)); c.Quiet != 2 || len(c.Batches) != 0 {
		t.Fatalf("%+v, want both to wait on", c)
	}
	r.now = r.now.Add(5 * time.Hour) // 8 a.m.
	if c := must[records.Composed](t)(r.NextRung(t.Context(), p)); len(r.written(c)) != 2 || c.Quiet != 0 {
		t.Fatalf("%+v, want both to be told", c)
	}
}

func TestTheOperatorsLadderGoesBeforeTheContacts(t *testing.T) {
	r := wayward(t, 2, "", inventory.Telegram, inventory.SMS, inventory.Email)
	in := r.crowded(incident.Sev2)
	r.with(records.Options{Ladders: []ledger.Ladder{
		{Events: []string{"page"}, Rungs: []ledger.Rung{{Channel: inventory.Call}}},
		{Events: []string{"incident.*"}, Clients: []string{"c00001"}, Rungs: []ledger.Rung{{Channel: inventory.Email}, {Channel: inventory.Call, Before: time.Hour}, {Channel: inventory.SMS, After: time.Hour}}},
	}})
	c, got := r.update(in, 1)
	if got["c00000-duty"].Channel != inventory.Telegram || got["c00001-duty"].Channel != inventory.Email {
		t.Errorf("told by %s and %s, want his own first channel, and the operator's", got["c00000-duty"].Channel, got["c00001-duty"].Channel)
	}
	if want := []ledger.Rung{{Channel: inventory.Call, Before: time.Hour}, {Channel: inventory.Email}, {Channel: inventory.SMS, After: time.Hour}}; !slices.Equal(c.Plan.Openings, want) {
		t.Errorf("openings %+v, want %+v", c.Plan.Openings, want)
	}
	for _, n := range got {
		r.becomes(n.ID, ledger.Accepted)
	}
	p := records.NextRungParams{
		Compose:        records.ComposeParams{Incident: in.ID, Event: "incident.update", Step: "update", Revision: 1, Clients: []string{"c00001"}},
		Unacknowledged: true, Open: []inventory.Channel{inventory.Email, inventory.Telegram},
	}
	if next := must[records.Composed](t)(r.NextRung(t.Context(), p)); next.Waiting != 1 || len(next.Batches)+len(next.Unreachable) != 0 {
		t.Errorf("%+v, want him to wait for his SMS", next)
	}
	p.Open = append(p.Open, inventory.SMS)
	if rows := r.written(must[records.Composed](t)(r.NextRung(t.Context(), p))); len(rows) != 1 || rows[0].Channel != inventory.SMS {
		t.Errorf("%+v, want an SMS", rows)
	}
}

func TestOnlyAFewOfManyWhomNoChannelReachesAreNamed(t *testing.T) {
	r := wayward(t, 60, "", inventory.SMS)
	in := r.crowded(incident.Sev2)
	for i := range 50 {
		r.bar(fmt.Sprintf("c%05d-duty", i), inventory.SMS, crowd.Address(i, inventory.SMS))
	}
	c, got := r.update(in, 1)
	if len(c.Unreachable) != 20 || c.UnreachableTotal != 50 || c.Contacts != 60 || len(got) != 10 {
		t.Fatalf("%d named, %d in all, %d told", len(c.Unreachable), c.UnreachableTotal, len(got))
	}
	for id := range got { // who is refused now has no other channel either
		r.becomes(got[id].ID, ledger.Refused)
	}
	p := records.NextRungParams{Compose: records.ComposeParams{Incident: in.ID, Event: "incident.update", Step: "update", Revision: 1}}
	if next := must[records.Composed](t)(r.NextRung(t.Context(), p)); len(next.Unreachable) != 10 || next.UnreachableTotal != 60 {
		t.Errorf("%d named by the next rung, %d in all", len(next.Unreachable), next.UnreachableTotal)
	}
	sending := records.UnreachedParams{Subject: "incident/" + in.ID, Step: "update", Revision: 1}
	all := must[records.Unreached](t)(r.StillUnreached(t.Context(), sending))
	again := must[records.Unreached](t)(r.StillUnreached(t.Context(), sending))
	if all.Total != 60 || len(all.Names) != 20 || all.Digest == "" || all.Digest != again.Digest {
		t.Errorf("%+v, then %+v", all, again)
	}
	sending.Revision = 2
	if none := must[records.Unreached](t)(r.StillUnreached(t.Context(), sending)); none.Total != 0 || none.Digest != "" {
		t.Errorf("%+v of a sending that reached everybody", none)
	}
}
