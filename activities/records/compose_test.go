package records_test

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/crowd"
	"vakhta/internal/lab/estate"
	"vakhta/internal/ledger"
)

func (r *rig) compose(p records.ComposeParams) records.Composed {
	r.t.Helper()
	if p.Event == "" {
		p.Event = "incident.update"
	}
	if p.Step == "" {
		p.Step = "update"
	}
	return must[records.Composed](r.t)(r.ComposeUpdate(r.t.Context(), p))
}

func TestAnUpdateGoesToEachContactByHisFastestQuietChannel(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("pdu"))
	p := records.ComposeParams{Incident: in.ID, Revision: 1, Deadline: time.Hour, NextUpdate: 15 * time.Minute}
	c := r.compose(p)
	ns := r.written(c)
	want := 0
	for _, id := range in.Clients {
		client, _ := r.inv.Client(id)
		want += len(client.Contacts)
	}
	if len(ns) != want || c.Contacts != want || len(c.Unreachable) != 0 {
		t.Fatalf("%d notifications to %d contacts, want %d", len(ns), c.Contacts, want)
	}
	for _, n := range ns {
		contact, _ := r.inv.Contact(n.Contact)
		if n.Client != contact.Client || n.Language != contact.Language || n.Rung != 0 || n.State != ledger.Queued {
			t.Errorf("%+v", n)
		}
		if n.Channel != contact.Urgent()[0] || n.Channel == inventory.Call {
			t.Errorf("%s is told by %s", n.Contact, n.Channel)
		}
		if !n.Deadline.Equal(r.now.Add(time.Hour)) {
			t.Errorf("%s: deadline %s", n.Contact, n.Deadline)
		}
		if !strings.Contains(n.Body, n.AckCode) && n.Channel == inventory.SMS {
			t.Errorf("an SMS without its code: %q", n.Body)
		}
	}
	if again := r.compose(p); !slices.Equal(slices.Concat(again.Batches...), slices.Concat(c.Batches...)) {
		t.Errorf("a retry wrote other notifications")
	}
}

func TestWhoIsLeftOutIsNotTold(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("pdu"))
	outside := slices.IndexFunc(r.inv.Clients(), func(c *inventory.Client) bool { return !slices.Contains(in.Clients, c.ID) })
	for name, c := range map[string]struct {
		p    records.ComposeParams
		want func(contact *inventory.Contact) bool
	}{
		"a client":            {records.ComposeParams{Except: []string{estate.Romashka}}, func(c *inventory.Contact) bool { return c.Client != estate.Romashka }},
		"a contact":           {records.ComposeParams{Except: []string{"romashka-duty"}}, func(c *inventory.Contact) bool { return c.ID != "romashka-duty" }},
		"all but one":         {records.ComposeParams{Clients: []string{estate.Romashka}}, func(c *inventory.Contact) bool { return c.Client == estate.Romashka }},
		"who is not affected": {records.ComposeParams{Clients: []string{r.inv.Clients()[outside].ID}}, func(*inventory.Contact) bool { return false }},
	} {
		c.p.Incident, c.p.Step = in.ID, name
		var want []string
		for _, id := range in.Clients {
			client, _ := r.inv.Client(id)
			for i := range client.Contacts {
				if c.want(&client.Contacts[i]) {
					want = append(want, client.Contacts[i].ID)
				}
			}
		}
		slices.Sort(want)
		if got := contacts(r.written(r.compose(c.p))); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestNewsGoesOnlyToThoseWhomItConcerns(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("pdu"))
	changed := func(revision int) []string {
		t.Helper()
		return contacts(r.written(r.compose(records.ComposeParams{Incident: in.ID, Revision: revision, OnlyChanged: true})))
	}
	everybody := changed(1)
	if len(everybody) < 9 {
		t.Fatalf("the first update: %v", everybody)
	}
	if again := changed(1); !slices.Equal(again, everybody) {
		t.Errorf("a retry whose answer was lost delivers to %v, want all of them", again)
	}
	if none := changed(2); len(none) != 0 {
		t.Errorf("nothing has changed, and %v are told", none)
	}
	i := slices.IndexFunc(in.Servers, func(id string) bool { c, _ := r.inv.Component(id); return c.Client != estate.Romashka })
	back, _ := r.inv.Component(in.Servers[i])
	in.Restored = append(in.Restored, back.ID)
	r.save(in)
	for _, id := range changed(3) {
		if c, _ := r.inv.Contact(id); c.Client != back.Client {
			t.Errorf("%s of %s is told that a machine of %s is back", id, c.Client, back.Client)
		}
	}
	if again := changed(3); len(again) == 0 {
		t.Error("a retry of the third update delivers nothing")
	}
	if none := changed(4); len(none) != 0 {
		t.Errorf("told twice: %v", none)
	}
	in.ETA = r.now.Add(time.Hour)
	r.save(in)
	if all := changed(5); !slices.Equal(all, everybody) {
		t.Errorf("a promise concerns all: %v", all)
	}
}

func TestOneRevisionTellsNobodyTwiceThoughTheFactsChangeBetweenTries(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("pdu"))
	p := records.ComposeParams{Incident: in.ID, Revision: 1}
	first := r.compose(p)
	in.Restored = in.Servers[:5]
	r.save(in)
	if second := r.compose(p); !slices.Equal(contacts(r.written(second)), contacts(r.written(first))) ||
		!slices.Equal(sorted(second.Batches), sorted(first.Batches)) {
		t.Errorf("the retry wrote %d notifications beside the %d", len(slices.Concat(second.Batches...)), len(slices.Concat(first.Batches...)))
	}
}

// While others still wait, a client whose machines are all back is not told
// that they aren't.
func TestWhoseMachinesAreAllBackReadsOfNoneThatIsDown(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("pdu"))
	for _, id := range in.Servers {
		if c, _ := r.inv.Component(id); c.Client == estate.Romashka {
			in.Restored = append(in.Restored, id)
		}
	}
	r.save(in)
	if len(in.Restored) == 0 || len(in.Restored) == len(in.Servers) {
		t.Fatalf("%d of %d are back", len(in.Restored), len(in.Servers))
	}
	for _, n := range r.written(r.compose(records.ComposeParams{Incident: in.ID, Clients: []string{estate.Romashka}})) {
		if strings.Contains(n.Body, "Пока не работает") {
			t.Errorf("%s reads by %s: %q", n.Contact, n.Channel, n.Body)
		}
	}
	for _, n := range r.written(r.compose(records.ComposeParams{Incident: in.ID, Step: "others", Except: []string{estate.Romashka}})) {
		if n.Channel == inventory.Telegram && n.Language == inventory.Russian && !strings.Contains(n.Body, "Пока не работает") {
			t.Errorf("%s is not told what is still down: %q", n.Contact, n.Body)
		}
	}
}

func sorted(batches [][]string) []string {
	return slices.Sorted(slices.Values(slices.Concat(batches...)))
}

func TestASmallAudienceIsDealtInBatchesOfOneChannel(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("room"))
	c := r.compose(records.ComposeParams{Incident: in.ID})
	total := 0
	for _, b := range c.Batches {
		ns := r.written(records.Composed{Batches: [][]string{b}})
		for _, n := range ns {
			if n.Channel != ns[0].Channel {
				t.Errorf("a batch of %s holds %s", ns[0].Channel, n.Channel)
			}
		}
		total += len(ns)
	}
	if total != c.Contacts || len(c.Parts) != 0 {
		t.Errorf("%d of %d in batches, %d parts", total, c.Contacts, len(c.Parts))
	}
	planned := 0
	for _, l := range c.Plan.Lines {
		if l.Rung == 0 {
			planned += l.Contacts
		}
		if l.PerSecond == 0 || l.Takes != time.Duration(float64(l.Contacts)/l.PerSecond*float64(time.Second)).Round(time.Second) {
			t.Errorf("%+v", l)
		}
	}
	if planned != total || c.Plan.Clients != len(in.Clients) || c.Plan.Contacts != total {
		t.Errorf("%+v plans %d, written are %d", c.Plan, planned, total)
	}
	if p := must[records.Plan](t)(r.PlanUpdate(t.Context(), records.ComposeParams{Incident: in.ID}, false)); !reflect.DeepEqual(p, c.Plan) {
		t.Errorf("planned beforehand: %+v, then %+v", p, c.Plan)
	}
}

// A large sending's notifications are named by the bounds of its parts, each
// of one channel; what is written twice stands there once.
func TestALargeAudienceIsDealtInParts(t *testing.T) {
	r := newRigOf(t, must[*inventory.Inventory](t)(inventory.Load(crowd.Document(crowd.Options{Clients: 1500}))))
	in := r.open(crowd.Component)
	for range 2 {
		c := r.compose(records.ComposeParams{Incident: in.ID, Revision: 1})
		if c.Contacts != 1500 || len(c.Batches) != 0 || len(c.Parts) < 4 {
			t.Fatalf("%d contacts, %d batches, %d parts", c.Contacts, len(c.Batches), len(c.Parts))
		}
		seen := map[string]bool{}
		for _, p := range c.Parts {
			for _, n := range must[[]ledger.Notification](t)(r.store.PartStandings(t.Context(), p)) {
				if seen[n.Contact] || n.Channel != p.Channel {
					t.Errorf("%s by %s stands in a part of %s; seen %v", n.Contact, n.Channel, p.Channel, seen[n.Contact])
				}
				seen[n.Contact] = true
			}
		}
		if len(seen) != 1500 {
			t.Errorf("%d of 1500 contacts", len(seen))
		}
	}
}

// serverIDs finds the ids, and the stickers, of the lab's servers in a text.
var serverIDs = regexp.MustCompile(`\b[ms]\d-\d{4}\b|\bVK-[MS]\d{5}\b`)

// A client reads about his own machines only, and of some of them while any is
// down, whatever fails and however much of it is back.
func TestNoClientReadsOfAnothersMachine(t *testing.T) {
	r := newRig(t)
	owner := map[string]string{}
	var mayFail []string
	for _, c := range r.inv.Components() {
		owner[c.ID], owner[c.Label] = c.Client, c.Client
		if c.Kind == inventory.KindServer && !serverIDs.MatchString(c.ID) {
			t.Fatalf("server %s would not be found in a text: the check would check nothing", c.ID)
		}
		if c.Kind != inventory.KindSite && c.Kind != inventory.KindFeed {
			mayFail = append(mayFail, c.ID)
		}
	}
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		failed := rapid.SampledFrom(mayFail).Draw(rt, "failed")
		in := must[incident.Incident](r.t)(r.store.Incident(r.t.Context(), r.open(failed).ID)) // what is opened is answered in brief
		if len(in.Servers) == 0 {
			return
		}
		in.Restored = nil
		if rapid.Bool().Draw(rt, "some are back") {
			in.Restored = slices.Sorted(slices.Values(in.Servers[:rapid.IntRange(0, len(in.Servers)).Draw(rt, "back")]))
		}
		if rapid.Bool().Draw(rt, "in doubt") {
			in.Finding.Confidence, in.Finding.AmbiguousWith = .5, in.Servers
		}
		in.Status = incident.Identified
		r.save(in)
		event := rapid.SampledFrom([]string{"incident.update", "incident.restored"}).Draw(rt, "event")
		clients := rapid.SliceOfNDistinct(rapid.SampledFrom(in.Clients), 1, min(3, len(in.Clients)), rapid.ID[string]).Draw(rt, "clients")
		for _, n := range r.written(r.compose(records.ComposeParams{Incident: in.ID, Event: event, Step: fmt.Sprint(round), Clients: clients})) {
			if !slices.Contains(clients, n.Client) {
				rt.Fatalf("%s of %s was told, want %v only", n.Contact, n.Client, clients)
			}
			named := serverIDs.FindAllString(n.Title+" "+n.Body+" "+n.HTML, -1)
			for _, id := range named {
				if owner[id] != n.Client {
					rt.Fatalf("%s of %s reads of %s, which is %s's: %q", n.Contact, n.Client, id, owner[id], n.Body)
				}
			}
			if down := r.downOf(in, n.Client); event == "incident.update" && down > 0 {
				checkNamesSome(rt, n, named, down, len(in.Restored) > 0)
			}
		}
	})
}

// downOf counts a client's machines that the incident still holds down.
func (r *rig) downOf(in incident.Incident, client string) (n int) {
	for _, id := range in.Servers {
		if c, _ := r.inv.Component(id); c.Client == client && !slices.Contains(in.Restored, id) {
			n++
		}
	}
	return n
}

// checkNamesSome: an update to a client some of whose machines are down names
// one of them at least. An SMS has no room for names: it counts.
func checkNamesSome(rt *rapid.T, n ledger.Notification, named []string, down int, someBack bool) {
	switch {
	case n.Channel != inventory.SMS:
		if len(named) == 0 {
			rt.Fatalf("%s of %s has %d machines down and reads of none by %s: %q", n.Contact, n.Client, down, n.Channel, n.Body)
		}
	case down > 1 && !someBack && !regexp.MustCompile(fmt.Sprintf(`\b%d\b`, down)).MatchString(n.Body):
		rt.Fatalf("%s of %s has %d machines down, and the SMS doesn't say so: %q", n.Contact, n.Client, down, n.Body)
	}
}
