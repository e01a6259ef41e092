package workflows

import (
	"strings"
	"testing"
	"time"

	"vakhta/activities/records"
)

func broadcastOf(w *world, in BroadcastInput) {
	in.Incident, in.Event, in.Step, in.Revision = "i1", "incident.update", "update", 1
	w.play("broadcast/incident/i1/update/1", Broadcast, in)
}

func TestRefusedMessageClimbsToTheNextChannel(t *testing.T) {
	w := newWorld(t)
	w.refuse = func(id string) bool { return id == "update/1" }
	w.next = func(records.NextRungParams) records.Composed { return one("by sms") }
	broadcastOf(w, BroadcastInput{})
	p := must[BroadcastProgress](w)
	if p.Accepted != 1 || p.Refused != 1 || p.Rung != 1 || p.Stage != "done" {
		t.Errorf("progress %+v", p)
	}
	equal(t, "sent", w.sent, []string{"update/1", "by sms"})
	if w.rungs[0].Unacknowledged {
		t.Error("it climbs for those who only have not confirmed")
	}
}

func TestUnconfirmedMessageClimbsUntilNoChannelIsLeft(t *testing.T) {
	w := newWorld(t)
	w.next = func(p records.NextRungParams) records.Composed {
		if len(w.rungs) == 1 {
			return one("by call")
		}
		return records.Composed{Unreachable: []string{"anna"}}
	}
	broadcastOf(w, BroadcastInput{RequireAck: true, RungWait: minutes(10)})
	p := must[BroadcastProgress](w)
	equal(t, "sent", w.sent[:2], []string{"update/1", "by call"})
	equal(t, "unreachable", p.Unreachable, []string{"anna"})
	if w.elapsed() != 20*time.Minute || !w.rungs[0].Unacknowledged {
		t.Errorf("it took %s, want two rungs of 10m", w.elapsed())
	}
	if len(w.tasks) != 1 || !strings.Contains(w.tasks[0].Text, "anna") || w.count("task") != 1 {
		t.Errorf("tasks %v, want somebody to tell anna", w.tasks)
	}
}

func TestStoppedBroadcastClimbsNoMore(t *testing.T) {
	w := newWorld(t)
	w.next = func(records.NextRungParams) records.Composed { return one("by call") }
	w.update(time.Minute, UpdateStop, StopUpdate{Reason: "wrong"}).mustBeRefusedLater(t, "by:")
	w.update(time.Minute, UpdateStop, StopUpdate{Act{By: "ivan"}, "wrong"}).mustBeDoneLater(t)
	broadcastOf(w, BroadcastInput{RequireAck: true, RungWait: minutes(10)})
	if p := must[BroadcastProgress](w); p.Stage != "stopped" {
		t.Errorf("stage %s", p.Stage)
	}
	equal(t, "sent", w.sent, []string{"update/1"})
	if len(w.drops) == 0 || w.drops[0].StepPrefix != "update" {
		t.Errorf("drops %v", w.drops)
	}
}

func TestRetargetedBroadcastLeavesClientsOut(t *testing.T) {
	w := newWorld(t)
	w.update(time.Minute, UpdateRetarget, RetargetUpdate{Act: Act{By: "ivan"}}).mustBeRefusedLater(t, "except:")
	w.update(time.Minute, UpdateRetarget, RetargetUpdate{Act{By: "ivan"}, []string{"acme"}}).mustBeDoneLater(t)
	broadcastOf(w, BroadcastInput{RequireAck: true, RungWait: minutes(10)})
	must[BroadcastProgress](w)
	equal(t, "left out", w.rungs[0].Compose.Except, []string{"acme"})
}
