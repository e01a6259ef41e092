package notify_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

const settleAfter = 10 * time.Second

// try makes one try of a delivery: its result, or the delay to the next try.
func (d *desk) try(ids []string) (r notify.DeliverResult, again time.Duration) {
	d.t.Helper()
	r, err := d.acts.Deliver(d.t.Context(), notify.SendBatchParams{IDs: ids})
	if err == nil {
		return r, 0
	}
	var waiting *temporal.ApplicationError
	if !errors.As(err, &waiting) || waiting.Type() != notify.TypeWaiting || waiting.NonRetryable() || waiting.NextRetryDelay() <= 0 {
		d.t.Fatalf("deliver: %v, want an error of type %s that says when to try again", err, notify.TypeWaiting)
	}
	return notify.DeliverResult{}, waiting.NextRetryDelay()
}

// deliver does what Temporal does with the activity: tries until it succeeds,
// with the delays that it asks for.
func (d *desk) deliver(ids []string) (r notify.DeliverResult, tries int) {
	d.t.Helper()
	for tries = 1; tries <= 50; tries++ {
		r, again := d.try(ids)
		if again == 0 {
			return r, tries
		}
		d.clock.advance(again)
	}
	d.t.Fatalf("not delivered in 50 tries")
	return r, tries
}

func (d *desk) wantResult(got notify.DeliverResult, accepted, dropped int, refused ...string) {
	d.t.Helper()
	if got.Accepted != accepted || got.Dropped != dropped || got.Refused != len(refused) {
		d.t.Errorf("%+v, want %d accepted, %d dropped, refused %v", got, accepted, dropped, refused)
	}
	for _, id := range refused {
		if n := d.read(id); n.State != ledger.Refused {
			d.t.Errorf("%s is %s, want refused", id, n.State)
		}
	}
}

func (d *desk) wantSent(contact string, times int) {
	d.t.Helper()
	if n := len(d.sms.got["sms:"+contact]); n != times {
		d.t.Errorf("%s got %d messages, want %d: %q", contact, n, times, d.sms.got["sms:"+contact])
	}
}

func (d *desk) callback(id, key string, state ledger.State) {
	d.t.Helper()
	e := ledger.Event{Provider: "twilio", Key: key, Notification: id, ProviderID: "SM-" + id, State: state, At: d.clock.now()}
	if state == ledger.Refused {
		e.Class = ledger.ClassDead
	}
	if _, _, err := d.store.ApplyEvent(d.t.Context(), e, d.clock.now()); err != nil {
		d.t.Fatal(err)
	}
}

var (
	hung    = ledger.Outcome{State: ledger.Unknown, Class: ledger.ClassAmbiguous, Wrote: true, Provider: "twilio"}
	dead    = ledger.Outcome{State: ledger.Refused, Class: ledger.ClassDead, Wrote: true, Provider: "twilio"}
	limited = ledger.Outcome{State: ledger.Retry, Class: ledger.ClassRetry, RetryAfter: 7 * time.Second, Wrote: true}
)

func TestADeliveryOfWhichAllIsAcceptedIsOverAtOnce(t *testing.T) {
	d := newDesk(t, notify.Options{})
	ids := d.queue(nil, "anna", "boris", "clara")
	r, tries := d.deliver(ids)
	d.wantResult(r, 3, 0)
	if tries != 1 {
		t.Errorf("%d tries", tries)
	}
}

func TestADeliveryListsWhatWantsTheNextRung(t *testing.T) {
	d := newDesk(t, notify.Options{})
	d.sms.answers = map[string]ledger.Outcome{"sms:boris": dead}
	ids := d.queue(nil, "anna", "boris", "nobody")
	r, _ := d.deliver(ids)
	d.wantResult(r, 1, 0, ids[1], ids[2])
}

func TestADeliveryWaitsAsLongAsItsProviderAsks(t *testing.T) {
	d := newDesk(t, notify.Options{})
	d.sms.answers = map[string]ledger.Outcome{"sms:boris": limited}
	ids := d.queue(nil, "anna", "boris")
	for range 2 {
		if _, again := d.try(ids); again != 7*time.Second {
			t.Fatalf("next try in %s, want 7s", again)
		}
		d.clock.advance(6 * time.Second)
		if _, again := d.try(ids); again != time.Second {
			t.Fatalf("a try before its time: next in %s, want 1s", again)
		}
		d.clock.advance(time.Second)
	}
	d.sms.answers = nil
	r, _ := d.deliver(ids)
	d.wantResult(r, 2, 0)
	d.wantSent("anna", 1)
	d.wantSent("boris", 3) // twice refused by the rate, then accepted
}

func TestADeliveryWaitsForTheCallbackBeforeItAsks(t *testing.T) {
	for state, result := range map[ledger.State]struct{ accepted, refused int }{
		ledger.Accepted: {2, 0}, ledger.Sent: {2, 0}, ledger.Delivered: {2, 0}, ledger.Read: {2, 0}, ledger.Refused: {1, 1},
	} {
		t.Run(string(state), func(t *testing.T) {
			d := newDesk(t, notify.Options{SettleAfter: settleAfter})
			d.sms.lookErr = errors.New("asked too early")
			d.sms.answers = map[string]ledger.Outcome{"sms:boris": hung}
			ids := d.queue(critical, "anna", "boris")
			if _, again := d.try(ids); again != settleAfter {
				t.Fatalf("next try in %s, want %s", again, settleAfter)
			}
			d.clock.advance(settleAfter / 2)
			d.callback(ids[1], "SM1/x", state)
			r, tries := d.deliver(ids)
			d.wantResult(r, result.accepted, 0, ids[2-result.refused:]...)
			if tries != 1 {
				t.Errorf("%d tries after the callback", tries)
			}
			d.wantSent("boris", 1)
		})
	}
}

func TestADeliveryAsksTheProviderWhenNoCallbackComes(t *testing.T) {
	d := newDesk(t, notify.Options{SettleAfter: settleAfter})
	d.sms.answers = map[string]ledger.Outcome{"sms:boris": hung}
	ids := d.queue(critical, "anna", "boris")
	d.sms.seen = map[string]string{ids[1]: "SM7"}
	r, tries := d.deliver(ids)
	d.wantResult(r, 2, 0)
	if n := d.read(ids[1]); n.ProviderID != "SM7" || tries != 2 {
		t.Errorf("provider id %q after %d tries", n.ProviderID, tries)
	}
	d.wantSent("boris", 1)
}

func TestADeliveryRepeatsWhatIsCriticalOnceAndMarksIt(t *testing.T) {
	for name, last := range map[string]struct {
		outcome  ledger.Outcome
		accepted int
	}{
		"the repeat is accepted": {ledger.Outcome{State: ledger.Accepted, Provider: "twilio", Wrote: true}, 1},
		"the repeat hangs too":   {hung, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, notify.Options{SettleAfter: settleAfter})
			d.sms.answers = map[string]ledger.Outcome{"sms:anna": hung}
			ids := d.queue(critical, "anna")
			_, again := d.try(ids)
			d.clock.advance(again)
			if _, again = d.try(ids); again > time.Second {
				t.Errorf("the repeat waits %s", again)
			}
			d.sms.answers["sms:anna"] = last.outcome
			r, _ := d.deliver(ids)
			d.wantResult(r, last.accepted, 0, ids[:1-last.accepted]...)
			if got := d.sms.got["sms:anna"]; len(got) != 2 || got[1] != "Повтор. "+got[0] {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestADeliveryGivesUpWhatInformsWithoutRepeatingIt(t *testing.T) {
	d := newDesk(t, notify.Options{SettleAfter: settleAfter})
	d.sms.answers = map[string]ledger.Outcome{"sms:boris": hung}
	ids := d.queue(nil, "anna", "boris")
	r, _ := d.deliver(ids)
	d.wantResult(r, 1, 0, ids[1])
	d.wantSent("boris", 1)
}

func TestADeliveryDoesNotWaitForALookUpForEver(t *testing.T) {
	d := newDesk(t, notify.Options{SettleAfter: settleAfter, LookUpFor: 5 * time.Minute})
	d.sms.answers = map[string]ledger.Outcome{"sms:boris": hung}
	d.sms.lookErr = errors.New("look up at twilio: connection refused")
	ids := d.queue(nil, "anna", "boris")
	begin := d.clock.now()
	r, tries := d.deliver(ids)
	d.wantResult(r, 1, 0, ids[1])
	if took := d.clock.now().Sub(begin); took < 5*time.Minute || took > 6*time.Minute || tries > 40 {
		t.Errorf("given up after %s and %d tries, want 5m and one each %s", took, tries, settleAfter)
	}
}

func TestADeliveryTriesWhatIsDueFirst(t *testing.T) {
	d := newDesk(t, notify.Options{SettleAfter: settleAfter})
	d.sms.lookErr = errors.New("look up at twilio: connection refused")
	d.sms.answers = map[string]ledger.Outcome{"sms:boris": hung}
	ids := d.queue(nil, "anna", "boris")
	d.try(ids)
	d.clock.advance(settleAfter)
	d.sms.answers["sms:clara"] = limited
	ids = append(ids, d.queue(nil, "clara")...)
	if _, again := d.try(ids); again != 7*time.Second {
		t.Errorf("next try in %s, want 7s: the rate limit is over before the next look-up", again)
	}
}

func TestADeliveryDropsOldNews(t *testing.T) {
	d := newDesk(t, notify.Options{})
	d.sms.answers = map[string]ledger.Outcome{"sms:anna": limited}
	ids := d.queue(func(n *ledger.Notification) { n.Deadline = d.clock.now().Add(time.Minute) }, "anna", "boris")
	r, _ := d.deliver(ids)
	d.wantResult(r, 1, 1)
}

// However many tries it takes and whoever else tries beside: each notification
// is counted once, and nobody is sent to twice.
func TestADeliveryAddsUpOverAllItsTries(t *testing.T) {
	d := newDesk(t, notify.Options{SettleAfter: settleAfter})
	d.sms.answers, d.sms.seen = map[string]ledger.Outcome{}, map[string]string{}
	var contacts, refused []string
	for i := range 60 {
		c := fmt.Sprintf("c%02d", i)
		contacts = append(contacts, c)
		switch i % 5 {
		case 1:
			d.sms.answers["sms:"+c] = dead
		case 2:
			d.sms.answers["sms:"+c] = limited
		case 3, 4:
			d.sms.answers["sms:"+c] = hung
		}
	}
	ids := d.queue(nil, contacts...)
	for i, id := range ids {
		switch i % 5 {
		case 1, 4:
			refused = append(refused, id)
		case 3:
			d.sms.seen[id] = "SM-" + id
		}
	}
	if _, again := d.try(ids); again != 7*time.Second {
		t.Fatalf("next try in %s", again)
	}
	for i, c := range contacts {
		if i%5 == 2 {
			delete(d.sms.answers, "sms:"+c)
		}
	}
	d.try(ids) // a second sender, before its time
	r, _ := d.deliver(ids)
	d.wantResult(r, 36, 0, refused...)
	for range 2 { // the answer was lost: the same again
		again, tries := d.deliver(ids)
		d.wantResult(again, 36, 0, refused...)
		if tries != 1 {
			t.Errorf("%d tries of what is settled", tries)
		}
	}
	for i, c := range contacts {
		times := 1
		if i%5 == 2 {
			times = 2 // refused by the rate, then accepted
		}
		d.wantSent(c, times)
	}
}

func TestADeliveryThatWaitsTellsTemporalWhen(t *testing.T) {
	d := newDesk(t, notify.Options{})
	d.sms.answers = map[string]ledger.Outcome{"sms:anna": limited}
	_, err := d.env.ExecuteActivity(d.acts.Deliver, notify.SendBatchParams{IDs: d.queue(nil, "anna")})
	var waiting *temporal.ApplicationError
	if !errors.As(err, &waiting) || waiting.NextRetryDelay() != 7*time.Second || waiting.Category() != temporal.ApplicationErrorCategoryBenign {
		t.Errorf("%v", err)
	}
}
