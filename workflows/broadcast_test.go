package workflows

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
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

func TestUnconfirmedMessageClimbsAsItsChannelsOpen(t *testing.T) {
	w := newWorld(t)
	w.compose = openingAs([]ledger.Rung{
		{Channel: inventory.Email}, {Channel: inventory.SMS, After: 2 * time.Hour}, {Channel: inventory.Call, Before: 24 * time.Hour},
	})
	var at []time.Duration
	w.next = func(p records.NextRungParams) records.Composed {
		at = append(at, w.elapsed())
		switch len(w.rungs) {
		case 1:
			return one("by sms")
		case 2:
			return one("by call")
		}
		return records.Composed{Unreachable: []string{"anna"}}
	}
	broadcastOf(w, BroadcastInput{RequireAck: true, RungWait: minutes(30), Window: w.start.Add(72 * time.Hour)})
	p := must[BroadcastProgress](w)
	equal(t, "sent", w.sent[:3], []string{"update/1", "by sms", "by call"})
	equal(t, "climbed at", at, []time.Duration{2 * time.Hour, 48 * time.Hour, 48*time.Hour + 30*time.Minute})
	equal(t, "open", w.rungs[0].Open, []inventory.Channel{inventory.Email, inventory.SMS})
	equal(t, "open at the end", w.rungs[2].Open, []inventory.Channel{inventory.Email, inventory.SMS, inventory.Call})
	equal(t, "unreachable", p.Unreachable, []string{"anna"})
}

func TestARefusalDoesNotWaitForTheNextChannelToOpen(t *testing.T) {
	w := newWorld(t)
	w.compose = openingAs([]ledger.Rung{{Channel: inventory.Email}, {Channel: inventory.SMS, After: 2 * time.Hour}})
	w.refuse = func(id string) bool { return id == "update/1" }
	w.next = func(p records.NextRungParams) records.Composed {
		switch len(w.rungs) {
		case 1:
			if p.Unacknowledged || !p.Confirm || len(p.Open) > 0 || w.elapsed() > time.Minute {
				t.Errorf("%+v after %s, want whoever was refused at once, by any channel", p, w.elapsed())
			}
			return one("by sms")
		case 2:
			return records.Composed{Waiting: 1}
		case 3:
			return records.Composed{Quiet: 1}
		}
		return records.Composed{}
	}
	broadcastOf(w, BroadcastInput{RequireAck: true, RungWait: minutes(30)})
	p := must[BroadcastProgress](w)
	equal(t, "sent", w.sent, []string{"update/1", "by sms"})
	if w.elapsed() < 3*time.Hour || p.Stage != "done" || p.Rung != 2 {
		t.Errorf("done after %s, want it to wait for channel and quiet hours: %+v", w.elapsed(), p)
	}
}

// openingAs composes one message whose channels open as given.
func openingAs(rungs []ledger.Rung) func(records.ComposeParams) records.Composed {
	return func(p records.ComposeParams) records.Composed {
		c := one("update/1")
		c.Plan.Openings = rungs
		return c
	}
}

func TestAHistoryDoesNotNameThousandsWhomNoChannelReaches(t *testing.T) {
	w := newWorld(t)
	w.compose = func(records.ComposeParams) records.Composed {
		c := records.Composed{Contacts: 18_000, UnreachableTotal: 12_345}
		for i := range 20 {
			c.Unreachable = append(c.Unreachable, fmt.Sprintf("c%05d-duty", i))
		}
		return c
	}
	broadcastOf(w, BroadcastInput{})
	p := must[BroadcastProgress](w)
	if len(p.Unreachable) != 20 || p.UnreachableTotal != 12_345 || !strings.Contains(p.details(), "12345 unreachable") {
		t.Errorf("progress %+v", p)
	}
	if len(w.tasks) != 1 || !strings.Contains(w.tasks[0].Text, "c00004-duty and 12340 more") || !strings.HasSuffix(w.tasks[0].Text, "vakhta broadcast unreachable --incident i1") {
		t.Errorf("tasks %+v", w.tasks)
	}
}

// The end of an incident cancels its broadcasts. A task that is written by then is delivered all the same: else
// nobody would learn whether it has left.
func TestTheTaskToTellThemByHandOutlivesTheIncident(t *testing.T) {
	w := newWorld(t)
	w.compose = func(records.ComposeParams) records.Composed {
		return records.Composed{Contacts: 1, Unreachable: []string{"anna"}, UnreachableTotal: 1}
	}
	w.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		if info.ActivityType.Name == "ComposeTask" {
			w.CancelWorkflow()
		}
	})
	broadcastOf(w, BroadcastInput{})
	if !slices.ContainsFunc(w.sent, func(step string) bool { return strings.HasPrefix(step, "task/unreachable/") }) {
		t.Errorf("sent %v, want the task, too", w.sent)
	}
}
