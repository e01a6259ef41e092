package records_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
	"vakhta/internal/store"
	"vakhta/internal/topology"
)

// roomRig is a rig whose teams have rooms, with an open incident.
func roomRig(t *testing.T) (*rig, string) {
	t.Helper()
	inv := must[*inventory.Inventory](t)(inventory.Load(estate.Generate(estate.Options{Seed: 1, Rooms: true})))
	r := newRigOf(t, inv)
	o := must[records.Opened](t)(r.OpenIncident(t.Context(), records.OpenIncidentParams{RequestKey: "k", Finding: topology.Finding{Component: "msk-r1-k01-pdu-a"}}))
	return r, o.Incident.ID
}

func (r *rig) note(in string, n int, actor, text string) error {
	subject := "incident/" + in
	return r.Append(r.t.Context(), []incident.Entry{{Key: fmt.Sprintf("%s/note/%d", subject, n), Subject: subject, Kind: "note", Actor: actor, Text: text}})
}

// sent settles all that the room wants sent, as its messenger would.
func (r *rig) sent(ids []string) error {
	claims, err := r.store.Claim(r.t.Context(), ids, time.Minute, r.now)
	for _, n := range claims.Claimed {
		if err == nil {
			err = r.store.Settle(r.t.Context(), n.ID, n.LeaseToken, ledger.Outcome{State: ledger.Accepted, Provider: "test", ProviderID: n.ID}, r.now)
		}
	}
	return err
}

// Two that tell one thread at a time, after a worker was taken for dead, tell
// every line once between them.
func TestTwoWhoTellOneRoomTellEachLineOnce(t *testing.T) {
	r, in := roomRig(t)
	const lines = 40
	tell := func() (int, error) {
		news, err := r.TellRoom(t.Context(), records.RoomParams{Incident: in, Room: "emergency"})
		if err != nil {
			return 0, err
		}
		return len(news.Send), r.sent(news.Send)
	}
	var writing, telling errgroup.Group
	written := make(chan struct{})
	writing.Go(func() error {
		for i := range lines {
			if err := r.note(in, i, "ivan", fmt.Sprintf("line %02d.", i)); err != nil {
				return err
			}
		}
		return nil
	})
	for range 3 {
		telling.Go(func() error {
			for over := false; ; {
				n, err := tell()
				if err != nil || over && n == 0 {
					return err
				}
				select {
				case <-written:
					over = true
				default:
				}
			}
		})
	}
	err := writing.Wait()
	close(written)
	if err := errorsOf(err, telling.Wait()); err != nil {
		t.Fatal(err)
	}
	rows := must[[]ledger.Notification](t)(r.store.Notifications(t.Context(), store.NotificationFilter{Contact: inventory.RoomContact("emergency")}))
	var told strings.Builder
	topics := 0
	for _, n := range rows {
		if n.Event == message.RoomTopic {
			topics++
		}
		told.WriteString(n.Body + "\n")
	}
	for i := range lines {
		if n := strings.Count(told.String(), fmt.Sprintf("line %02d.", i)); n != 1 {
			t.Errorf("line %02d is told %d times", i, n)
		}
	}
	if topics != 1 {
		t.Errorf("%d topics", topics)
	}
}

func errorsOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestARoomNamesColleaguesAndNoClients(t *testing.T) {
	r, in := roomRig(t)
	for i, actor := range []string{"ivan", "romashka-director", "romashka", "shift-lead", "vakhta"} {
		if err := r.note(in, i, actor, "says "+fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		news := must[records.RoomNews](t)(r.TellRoom(t.Context(), records.RoomParams{Incident: in, Room: "emergency"}))
		if err := r.sent(news.Send); err != nil {
			t.Fatal(err)
		}
	}
	rows := must[[]ledger.Notification](t)(r.store.Notifications(t.Context(), store.NotificationFilter{Contact: inventory.RoomContact("emergency"), Event: message.RoomLine}))
	var lines []string
	for _, n := range rows {
		for _, l := range strings.Split(n.Body, "\n") {
			lines = append(lines, l[len("06:00 "):])
		}
	}
	want := []string{"Иван Дежурный — says 0", "a client — says 1", "says 2", "shift-lead — says 3", "says 4"}
	if !slices.Equal(lines, want) {
		t.Errorf("%q, want %q", lines, want)
	}
}

// News go where there is a thread, and nowhere else.
func TestNewsGoToRoomsThatHaveAThread(t *testing.T) {
	r, in := roomRig(t)
	var told []string
	r.with(records.Options{News: func(_ context.Context, in, room string) { told = append(told, in+" in "+room) }})
	if err := r.note(in, 1, "ivan", "before"); err != nil || len(told) != 0 {
		t.Fatalf("told %q, %v", told, err)
	}
	must[records.RoomNews](t)(r.TellRoom(t.Context(), records.RoomParams{Incident: in, Room: "admins"}))
	if err := r.note(in, 2, "ivan", "after"); err != nil || !slices.Equal(told, []string{in + " in admins"}) {
		t.Errorf("told %q, %v", told, err)
	}
}
