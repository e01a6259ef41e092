package records_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

func TestATeamIsReadWithoutItsMembersAddresses(t *testing.T) {
	r := newRig(t)
	team := must[inventory.Team](t)(r.Team(t.Context(), "emergency"))
	if len(team.Members) != 3 || len(team.Levels) != 2 || team.Repeat != 2 {
		t.Errorf("%+v", team)
	}
	if said, err := json.Marshal(team); err != nil || strings.Contains(string(said), "+7") || strings.Contains(string(said), "2001") {
		t.Errorf("an address in %s, %v", said, err)
	}
	_, err := r.Team(t.Context(), "firemen")
	r.wantInvalid(err, records.TypeInvalid, "team", "firemen")
}

func (r *rig) page(p records.PageParams) (records.Composed, []ledger.Notification) {
	r.t.Helper()
	p.Event = "page"
	c := must[records.Composed](r.t)(r.ComposePage(r.t.Context(), p))
	return c, r.written(c)
}

func TestEachPersonIsPagedInABatchOfHisOwn(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("pdu"))
	p := records.PageParams{Incident: in.ID, Team: "emergency", Contacts: []string{"petr", "olga", "nobody"}, Channel: inventory.Call, Level: 1, Deadline: time.Minute}
	c, ns := r.page(p)
	if len(c.Batches) != 2 || len(c.Batches[0]) != 1 || !slices.Equal(c.Unreachable, []string{"nobody"}) || c.Contacts != 3 {
		t.Fatalf("%+v", c)
	}
	for _, n := range ns {
		if !n.Critical || n.Team != "emergency" || n.Client != "" || n.Channel != inventory.Call || !n.Deadline.Equal(r.now.Add(time.Minute)) {
			t.Errorf("%+v", n)
		}
		if !strings.Contains(n.Body, "24") || !strings.Contains(n.Body, "Нажмите 1") {
			t.Errorf("said: %q", n.Body)
		}
	}
	if again, _ := r.page(p); !slices.Equal(slices.Concat(again.Batches...), slices.Concat(c.Batches...)) {
		t.Error("a retry pages anew")
	}
	seen := map[string]bool{}
	for _, other := range []records.PageParams{p, {Round: 1}, {Level: 2}, {Rung: 1}} {
		q := p
		q.Round, q.Level, q.Rung = other.Round, other.Level, other.Rung
		_, ns := r.page(q)
		for _, n := range ns {
			if seen[n.ID] {
				t.Errorf("round %d, level %d, rung %d is not a page of its own", q.Round, q.Level, q.Rung)
			}
			seen[n.ID] = true
		}
	}
	if c, _ := r.page(records.PageParams{Incident: in.ID, Team: "emergency", Contacts: []string{"ivan"}, Channel: inventory.Email}); !slices.Equal(c.Unreachable, []string{"ivan"}) {
		t.Errorf("he has no mail address: %+v", c)
	}
}

func TestTheFirstAcknowledgementOfATeamsPagesCounts(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("pdu"))
	_, pages := r.page(records.PageParams{Incident: in.ID, Team: "emergency", Contacts: []string{"ivan", "petr"}, Channel: inventory.Telegram})
	_, others := r.page(records.PageParams{Incident: in.ID, Team: "network", Contacts: []string{"dmitry"}, Channel: inventory.Telegram})
	acknowledge := func(n ledger.Notification, via string) {
		t.Helper()
		if _, _, err := r.store.Acknowledge(t.Context(), n.ID, via, r.now); err != nil {
			t.Fatal(err)
		}
	}
	state := func(since time.Time) records.PageState {
		t.Helper()
		return must[records.PageState](t)(r.PageAcknowledged(t.Context(), records.PageStateParams{Incident: in.ID, Team: "emergency", Since: since}))
	}
	acknowledge(others[0], "telegram")
	if s := state(time.Time{}); s.AcknowledgedBy != "" {
		t.Errorf("another team's acknowledgement: %+v", s)
	}
	r.now = r.now.Add(time.Minute)
	first := r.now
	acknowledge(find(t, pages, "petr"), "call")
	r.now = r.now.Add(time.Minute)
	acknowledge(find(t, pages, "ivan"), "page")
	if s := state(time.Time{}); s.AcknowledgedBy != "petr" || s.Via != "call" || !s.At.Equal(first) {
		t.Errorf("%+v, want petr's", s)
	}
	if s := state(first); s.AcknowledgedBy != "ivan" {
		t.Errorf("since petr's: %+v, want ivan's", s)
	}
	if s := state(r.now); s.AcknowledgedBy != "" {
		t.Errorf("since ivan's: %+v, want none", s)
	}
}

func TestAStandDownNamesWhoTookIt(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("pdu"))
	c := must[records.Composed](t)(r.ComposePage(t.Context(), records.PageParams{
		Incident: in.ID, Team: "emergency", Contacts: []string{"petr"}, Channel: inventory.SMS, Event: "page.standdown", TakenBy: "ivan",
	}))
	ns := r.written(c)
	if len(ns) != 1 || ns[0].Critical || !strings.Contains(ns[0].Body, "Иван Дежурный") {
		t.Errorf("%+v", ns)
	}
}

func TestATaskGoesToTheFirstLevelOnce(t *testing.T) {
	r := newRig(t)
	p := records.TaskParams{Subject: "report/r1", Key: "who", Text: "Find out who wrote report r1"}
	c := must[records.Composed](t)(r.ComposeTask(t.Context(), p))
	ns := r.written(c)
	if len(ns) != 1 || ns[0].Contact != "sergey" || !strings.Contains(ns[0].Body, p.Text) || ns[0].Event != "task.engineer" {
		t.Fatalf("%+v", ns)
	}
	if again := must[records.Composed](t)(r.ComposeTask(t.Context(), p)); again.Batches[0][0] != ns[0].ID {
		t.Error("a retry makes another task")
	}
	p.Team = "network"
	if ns := r.written(must[records.Composed](t)(r.ComposeTask(t.Context(), p))); !slices.Equal(contacts(ns), []string{"dmitry"}) {
		t.Errorf("%v", contacts(ns))
	}
	p.Team = "firemen"
	_, err := r.ComposeTask(t.Context(), p)
	r.wantInvalid(err, records.TypeInvalid, "team", "firemen")
}

func TestWhatIsDroppedIsNotSent(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("pdu"))
	_, ns := r.page(records.PageParams{Incident: in.ID, Team: "emergency", Contacts: []string{"ivan", "petr"}, Channel: inventory.SMS})
	r.becomes(ns[0].ID, ledger.Accepted)
	n := must[int](t)(r.Drop(t.Context(), records.DropParams{Subject: "incident/" + in.ID, StepPrefix: records.PageStep("emergency") + "/"}))
	if n != 1 {
		t.Errorf("%d dropped, want the one that was not sent", n)
	}
	if got := must[ledger.Notification](t)(r.store.Notification(t.Context(), ns[1].ID)); got.State != ledger.Dropped {
		t.Errorf("%s", got.State)
	}
}
