package sandbox_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	api "github.com/twilio/twilio-go/rest/api/v2010"
	"vakhta/internal/lab/sandbox"
)

func TestCallbackFaults(t *testing.T) {
	cases := []struct {
		fault sandbox.Fault
		n     int
		ok    func(statuses []string) bool
	}{
		{sandbox.Fault{Kind: sandbox.FaultLose, Count: 1}, 2, func(s []string) bool { return !slices.Contains(s, "queued") }},
		{sandbox.Fault{Kind: sandbox.FaultDuplicate}, 6, func(s []string) bool { return count(s, "delivered") == 2 && count(s, "sent") == 2 }},
		{sandbox.Fault{Kind: sandbox.FaultLate, Count: 1, Delay: sandbox.Duration(100 * time.Millisecond)}, 3, func(s []string) bool { return s[2] == "queued" }},
	}
	for _, c := range cases {
		t.Run(string(c.fault.Kind), func(t *testing.T) {
			r := newRig(t, func(cfg *sandbox.Config) {
				cfg.CallbackWorkers = 1 // posts in the order in which they are due
				cfg.Timing.SMSDelivered = 40 * time.Millisecond
			})
			c.fault.Provider = sandbox.Twilio
			r.fault(c.fault)
			if _, err := r.sms("+79990000001", "x"); err != nil {
				t.Fatal(err)
			}
			list := r.gateway.until(t, "/sms", atLeast(c.n))
			if got := r.statuses(list, "MessageStatus"); len(got) != c.n || !c.ok(got) {
				t.Errorf("statuses came as %v", got)
			}
		})
	}
}

func count(list []string, s string) int {
	n := 0
	for _, x := range list {
		if x == s {
			n++
		}
	}
	return n
}

func TestReorderedCallbackComesAfterItsSuccessor(t *testing.T) {
	r := newRig(t, func(cfg *sandbox.Config) { cfg.CallbackWorkers = 1 })
	r.fault(sandbox.Fault{Provider: sandbox.Twilio, Kind: sandbox.FaultReorder, Count: 1, Delay: sandbox.Duration(time.Minute)})
	if _, err := r.sms("+79990000001", "x"); err != nil {
		t.Fatal(err)
	}
	list := r.gateway.until(t, "/sms", atLeast(3))
	if got := r.statuses(list, "MessageStatus"); !slices.Equal(got, []string{"sent", "queued", "delivered"}) {
		t.Errorf("statuses came as %v", got)
	}
}

func TestFaultsEndByCountAndByTime(t *testing.T) {
	r := newRig(t, nil)
	r.fault(sandbox.Fault{Provider: sandbox.Twilio, Kind: sandbox.FaultError, Count: 2})
	failed := 0
	for range 5 {
		if _, err := r.sms("+79990000001", "x"); err != nil {
			failed++
		}
	}
	if failed != 2 {
		t.Errorf("%d of 5 failed, want 2", failed)
	}
	r.ClearFaults()
	r.fault(sandbox.Fault{Kind: sandbox.FaultDown, For: sandbox.Duration(100 * time.Millisecond)})
	until := r.Faults()[0].Until
	failed = 0
	for {
		_, err := r.sms("+79990000001", "x")
		if err == nil {
			break
		}
		failed++
	}
	if failed == 0 || time.Now().Before(until) {
		t.Errorf("%d sends failed, the first good one came %v before the fault's end", failed, time.Until(until))
	}
}

func TestSeededFaultsStrikeTheSameAttemptsInAnyOrder(t *testing.T) {
	strike := func(seed uint64, reverse bool) (failed []string) {
		r := newRig(t, func(c *sandbox.Config) { c.Seed = seed })
		r.fault(sandbox.Fault{Provider: sandbox.Twilio, Kind: sandbox.FaultError, Probability: 0.2})
		var numbers []string
		for i := range 200 {
			numbers = append(numbers, fmt.Sprintf("+7999000%04d", i))
		}
		if reverse {
			slices.Reverse(numbers)
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for part := range slices.Chunk(numbers, 50) {
			wg.Go(func() {
				for _, n := range part {
					if _, err := r.sms(n, "x"); err != nil {
						mu.Lock()
						failed = append(failed, n)
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		slices.Sort(failed)
		return failed
	}
	a, b, other := strike(7, false), strike(7, true), strike(8, false)
	if !slices.Equal(a, b) {
		t.Errorf("the same seed struck %v and %v", a, b)
	}
	if slices.Equal(a, other) {
		t.Error("another seed struck the same")
	}
	if len(a) < 20 || len(a) > 60 {
		t.Errorf("%d of 200 struck at probability 0.2", len(a))
	}
}

func TestLookupFaultsLeaveSendsAlone(t *testing.T) {
	r := newRig(t, nil)
	r.fault(sandbox.Fault{Provider: sandbox.Twilio, Op: sandbox.OpLookup, Kind: sandbox.FaultUnavailable, Count: 1})
	if _, err := r.sms("+79990000001", "x"); err != nil {
		t.Errorf("send: %v", err)
	}
	if _, err := r.twilio(authToken).Api.ListMessage(&api.ListMessageParams{}); code(err) != 20503 {
		t.Errorf("look-up: %v, want 20503", err)
	}
	if list, err := r.twilio(authToken).Api.ListMessage(&api.ListMessageParams{}); err != nil || len(list) != 1 {
		t.Errorf("second look-up: %d, %v", len(list), err)
	}
}

func TestUnknownFaultsAreRefused(t *testing.T) {
	r := newRig(t, nil)
	for _, f := range []sandbox.Fault{
		{Kind: "meltdown"},
		{Kind: sandbox.FaultError, Provider: "acme"},
		{Kind: sandbox.FaultError, Probability: 2},
		{Kind: sandbox.FaultError, Op: "receive"},
	} {
		if _, err := r.AddFault(f); err == nil {
			t.Errorf("%+v was taken", f)
		}
	}
}

func TestLimitsRefuseWhatExceedsTheRate(t *testing.T) {
	r := newRig(t, func(c *sandbox.Config) { c.Limits.SMS = 2 })
	begin, accepted, limited := time.Now(), 0, 0
	for accepted < 3 {
		switch _, err := r.sms("+79990000001", "x"); {
		case err == nil:
			accepted++
		case code(err) == 20429:
			limited++
		default:
			t.Fatal(err)
		}
	}
	if took := time.Since(begin); took < 400*time.Millisecond || limited == 0 {
		t.Errorf("3 messages at 2/s with a burst of 2 took %v with %d refusals", took, limited)
	}
}
