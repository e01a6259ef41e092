package records_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/maintenance"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/ledger"
)

func (r *rig) nextRung(p records.ComposeParams, unacknowledged bool) (records.Composed, []ledger.Notification) {
	r.t.Helper()
	c := must[records.Composed](r.t)(r.NextRung(r.t.Context(), records.NextRungParams{Compose: p, Unacknowledged: unacknowledged}))
	return c, r.written(c)
}

func find(t *testing.T, ns []ledger.Notification, contact string) ledger.Notification {
	t.Helper()
	i := slices.IndexFunc(ns, func(n ledger.Notification) bool { return n.Contact == contact })
	if i < 0 {
		t.Fatalf("nothing for %s in %v", contact, contacts(ns))
	}
	return ns[i]
}

// On the lab's estate, the technical contact of igrodel (fifth of the clients)
// has nothing but a messenger; globex' has messenger and SMS.
func TestWhomAChannelRefusesIsToldByTheNext(t *testing.T) {
	r := newRig(t)
	in := r.open("msk-r1")
	p := records.ComposeParams{Incident: in.ID, Event: "incident.update", Step: "update", Revision: 1, Clients: []string{"globex", estate.Romashka}}
	ns := r.written(r.compose(p))
	if c, _ := r.nextRung(p, false); c.Contacts != len(ns) {
		t.Errorf("nothing was sent yet: %+v, want all of them delivered", c)
	}
	for _, n := range ns {
		switch n.Contact {
		case "globex-tech", "romashka-duty":
			r.becomes(n.ID, ledger.Refused)
		default:
			r.becomes(n.ID, ledger.Accepted)
		}
	}
	c, next := r.nextRung(p, false)
	if got := contacts(next); !slices.Equal(got, []string{"globex-tech"}) || !slices.Equal(c.Unreachable, []string{"romashka-duty"}) || c.Contacts != 2 {
		t.Fatalf("%v climb, %v are unreachable", got, c.Unreachable)
	}
	if n := next[0]; n.Channel != inventory.SMS || n.Rung != 1 || n.AckCode == find(t, ns, "globex-tech").AckCode {
		t.Errorf("%+v", n)
	}
	retry, again := r.nextRung(p, false)
	if !slices.Equal(contacts(again), contacts(next)) || again[0].ID != next[0].ID || again[0].Rung != 1 {
		t.Errorf("a retry whose answer was lost: %v on rung %d, %+v", contacts(again), again[0].Rung, retry)
	}
	r.becomes(next[0].ID, ledger.Accepted)
	if c, _ := r.nextRung(p, false); len(c.Batches) != 0 {
		t.Errorf("climbed again though all was accepted: %+v", c)
	}
}

func TestWhoHasNotConfirmedClimbsOneRungAtATime(t *testing.T) {
	r := newRig(t)
	in := r.open("msk-r1")
	p := records.ComposeParams{Incident: in.ID, Event: "incident.update", Step: "update", Clients: []string{"globex", estate.Romashka}, Except: []string{"globex-office"}}
	ns := r.written(r.compose(p))
	for _, n := range ns {
		r.becomes(n.ID, ledger.Accepted)
	}
	confirmed := find(t, ns, "romashka-director")
	if _, _, err := r.store.Acknowledge(t.Context(), confirmed.ID, "page", r.now); err != nil {
		t.Fatal(err)
	}
	c, next := r.nextRung(p, true)
	if got := contacts(next); !slices.Equal(got, []string{"globex-tech"}) || !slices.Equal(c.Unreachable, []string{"romashka-duty", "romashka-tech"}) {
		t.Fatalf("%v climb, %v have no other channel; who confirmed needs none", got, c.Unreachable)
	}
	for range 2 { // not delivered yet: a retry climbs no further
		if _, again := r.nextRung(p, true); again[0].ID != next[0].ID {
			t.Errorf("rung %d by %s", again[0].Rung, again[0].Channel)
		}
	}
	p.Except = append(p.Except, "globex")
	if _, left := r.nextRung(p, true); len(left) != 0 {
		t.Errorf("taken out of the audience, and still %v climb", contacts(left))
	}
}

func (r *rig) reply(p records.ReplyParams) (records.Composed, []ledger.Notification) {
	r.t.Helper()
	c := must[records.Composed](r.t)(r.ComposeReply(r.t.Context(), p))
	return c, r.written(c)
}

func TestAReporterIsAnsweredWhereHeWroteFrom(t *testing.T) {
	for name, c := range map[string]struct {
		channel, from, client string
		contact               string
		ladder                []inventory.Channel
	}{
		"by messenger":          {"telegram", "1102", "", "globex-tech", []inventory.Channel{inventory.Telegram, inventory.SMS}},
		"by phone":              {"phone", "+442079460102", "", "globex-tech", []inventory.Channel{inventory.SMS, inventory.Telegram}},
		"by a form":             {"api", "", "globex", "globex-tech", []inventory.Channel{inventory.Telegram, inventory.SMS}},
		"a stranger, by mail":   {"email", "who@nowhere.example", "", "report:r1", []inventory.Channel{inventory.Email}},
		"a stranger, by phone":  {"phone", "+79161234567", "", "report:r1", []inventory.Channel{inventory.SMS}},
		"a stranger, by a form": {"web", "somebody", "", "report:r1", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if _, err := r.store.PutReport(t.Context(), incident.Report{ID: "r1", Channel: c.channel, From: c.from, Client: c.client, Text: "лежит", ReceivedAt: r.now}); err != nil {
				t.Fatal(err)
			}
			if _, err := r.TakeReport(t.Context(), records.TakeReportParams{Report: "r1"}); err != nil {
				t.Fatal(err)
			}
			for rung, ch := range c.ladder {
				_, ns := r.reply(records.ReplyParams{Report: "r1", Event: "report.received", Step: "received", Rung: rung, Total: 3})
				if len(ns) != 1 || ns[0].Channel != ch || ns[0].Contact != c.contact || ns[0].Rung != rung {
					t.Fatalf("rung %d: %+v, want %s by %s", rung, ns, c.contact, ch)
				}
			}
			over, ns := r.reply(records.ReplyParams{Report: "r1", Event: "report.received", Step: "received", Rung: len(c.ladder)})
			if len(ns) != 0 || !slices.Equal(over.Unreachable, []string{c.contact}) {
				t.Errorf("beyond his last channel: %+v", over)
			}
			to, ok := records.NewDirectory(r.inv, r.store).Contact(c.contact)
			if ok != (len(c.ladder) > 0) || (ok && to.Addresses[c.ladder[0]] == "") {
				t.Errorf("the sender finds %+v, %v", to, ok)
			}
		})
	}
}

func TestAnAnswerNamesHisOwnPartOfIncidentsAndWork(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("pdu"))
	id := r.report("telegram", "1001", "")
	if _, err := r.TakeReport(t.Context(), records.TakeReportParams{Report: id}); err != nil {
		t.Fatal(err)
	}
	_, ns := r.reply(records.ReplyParams{Report: id, Event: "report.incident", Step: "answer", Incidents: []string{in.ID}, Total: 500, Checked: 500})
	if ids := serverIDs.FindAllString(ns[0].Body, -1); len(ids) == 0 {
		t.Errorf("no machine of his in %q", ns[0].Body)
	}
	for _, s := range serverIDs.FindAllString(ns[0].Body, -1) {
		if c, ok := r.inv.Component(s); ok && c.Client != estate.Romashka {
			t.Errorf("%s of %s in %q", s, c.Client, ns[0].Body)
		}
	}
	if err := r.store.PutMaintenance(t.Context(), maintenance.Work{
		ID: "w1", Title: map[string]string{"ru": "Замена ввода", "en": "Replacing a feed"}, StartsAt: r.now.Add(-time.Hour), EndsAt: r.now.Add(time.Hour),
		Announced: r.now.Add(-24 * time.Hour), ByClient: map[string][]string{estate.Romashka: {"m1-0101"}, "acme": {"m1-0102"}},
	}); err != nil {
		t.Fatal(err)
	}
	_, ns = r.reply(records.ReplyParams{Report: id, Event: "report.planned", Step: "planned", Work: "w1"})
	if !strings.Contains(ns[0].Body, "Замена ввода") || strings.Contains(ns[0].Body, "m1-0102") {
		t.Errorf("%q", ns[0].Body)
	}
}
