package maintenance_test

import (
	"strings"
	"testing"
	"time"

	"vakhta/internal/maintenance"
	"vakhta/internal/maintnote"
)

func TestADraftGuessesComponentsFromTheObjectsOfANotice(t *testing.T) {
	text := strings.Replace(strings.NewReplacer("feed-a", "msk-feed-a", "feed-b", "msk-feed-b").Replace(estateText), "id: s2,", "id: s2, label: VK-0042,", 1)
	inv := load(t, text)
	at := time.Date(2026, 12, 1, 2, 0, 0, 0, time.UTC)
	n := maintnote.Notice{
		Provider: "power.example", Maintenance: "CHG/2026 #7", UID: "7@power.example", Sequence: 2, Start: at, End: at.Add(time.Hour), Summary: "Breaker",
		Objects: []string{"contract 12: MSK_FEED_B", "vk-0042", "circuit-9"}, Impact: maintnote.ReducedRedundancy,
	}
	d, err := maintenance.Draft(n, inv)
	if err != nil {
		t.Fatal(err)
	}
	w := d.Work
	if strings.Join(w.Components, " ") != "msk-feed-b s2" || strings.Join(d.Unknown, " ") != "circuit-9" || w.ImpactOf("s2") != maintenance.ReducedRedundancy || w.Upstream.Sequence != 2 {
		t.Errorf("%+v, unknown %v", w, d.Unknown)
	}
	n.Sequence++
	if again, _ := maintenance.Draft(n, inv); again.Work.ID != w.ID || !strings.HasPrefix(w.ID, "up-CHG-2026-7-") {
		t.Errorf("its ids are %s and %s", w.ID, again.Work.ID)
	}
	n.Objects = []string{"circuit-9", "msk-feed-a and msk-feed-b"}
	if d, err := maintenance.Draft(n, inv); err == nil || !strings.Contains(err.Error(), "circuit-9") {
		t.Errorf("%+v, %v; want nothing to be guessed", d, err)
	}
	if d, err := maintenance.Draft(n, inv, "pdu-b"); err != nil || d.Work.Components[0] != "pdu-b" {
		t.Errorf("given by a person: %+v, %v", d, err)
	}
}

func TestTheCalendarFollowsTheLifeOfAWork(t *testing.T) {
	from := maintenance.NewIssuer("https://watch.example:8443", "")
	w := maintenance.Work{ID: "feed-b", Title: map[string]string{"en": "Feed"}, ByClient: map[string][]string{"acme": {"s2"}}, Reduced: map[string][]string{"other": {"s3"}}}
	for status, want := range map[maintenance.Status]maintnote.Status{
		maintenance.Approved: maintnote.Confirmed, maintenance.Running: maintnote.InProcess, maintenance.Completed: maintnote.Completed, maintenance.Cancelled: maintnote.Cancelled,
	} {
		w.Status = status
		n, ok := w.Notice("acme", "en", from, time.Time{})
		if !ok || n.Status != want || n.UID != "feed-b@watch.example" || n.Organizer != "noc@watch.example" || n.Impact != maintnote.Outage {
			t.Errorf("%s: %+v", status, n)
		}
	}
	if n, _ := w.Notice("other", "en", from, time.Time{}); n.Impact != maintnote.ReducedRedundancy {
		t.Errorf("%+v", n)
	}
	if n, ok := w.Notice("nobody", "en", from, time.Time{}); ok {
		t.Errorf("of nobody's business: %+v", n)
	}
}
