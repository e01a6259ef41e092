package twilio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vakhta/activities/notify"
	"vakhta/activities/notify/notifytest"
	"vakhta/activities/notify/twilio"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/couriertest"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
)

const (
	sid   = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	token = "0123456789abcdef0123456789abcdef"
	from  = "+15005550006"
	to    = "+79161234567"
)

func config(url string) twilio.Config {
	return twilio.Config{URL: url, AccountSID: sid, AuthToken: token, From: from, PublicURL: "https://vakhta.example"}
}

func openSMS(t *testing.T, url string) notify.Channel {
	t.Helper()
	c, err := twilio.NewSMS(config(url))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func openCall(t *testing.T, url string) notify.Channel {
	t.Helper()
	c, err := twilio.NewCall(config(url))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func sms() ledger.Notification {
	return ledger.Notification{
		ID: "n-1", Event: "page", Channel: inventory.SMS, Language: inventory.Russian,
		AckCode: "4F7K2M", Body: "SEV2 отказ PDU: 24 серв., 9 кл. Код 4F7K2M", CreatedAt: time.Now(),
	}
}

func call() ledger.Notification {
	return ledger.Notification{
		ID: "n-2", Event: "page", Channel: inventory.Call, Language: inventory.Russian, AckCode: "8H3T5V",
		Body: "Говорит вахта. Нажмите 1, чтобы принять; 2 — если не можете; 4 — повторить.", CreatedAt: time.Now(),
	}
}

func TestContractAtSandbox(t *testing.T) {
	account := sandbox.Config{TwilioSID: sid, TwilioToken: token}
	t.Run("sms", func(t *testing.T) {
		couriertest.Contract(t, couriertest.Tenant{
			Provider: sandbox.Twilio, Config: account, Notification: sms(), To: to, Secrets: []string{token},
			Open: func(t *testing.T, box *sandbox.Sandbox) notify.Channel { return openSMS(t, box.URL(sandbox.Twilio)) },
			Dead: &sandbox.Persona{SMS: &sandbox.SMS{Refuse: 21211}},
		})
	})
	t.Run("call", func(t *testing.T) {
		couriertest.Contract(t, couriertest.Tenant{
			Provider: sandbox.Twilio, Config: account, Notification: call(), To: to, Secrets: []string{token},
			Open: func(t *testing.T, box *sandbox.Sandbox) notify.Channel { return openCall(t, box.URL(sandbox.Twilio)) },
			Dead: &sandbox.Persona{Phone: &sandbox.Phone{Refuse: 21211}},
		})
	})
}

func TestSMSContract(t *testing.T) {
	notifytest.Contract(t, notifytest.Subject{Open: openSMS, Notification: sms(), To: to, Secrets: []string{token}})
}

func TestCallContract(t *testing.T) {
	notifytest.Contract(t, notifytest.Subject{Open: openCall, Notification: call(), To: to, Secrets: []string{token}})
}

func TestTheEnvironmentDoesNotMoveTheHost(t *testing.T) {
	t.Setenv("TWILIO_EDGE", "frankfurt")
	t.Setenv("TWILIO_REGION", "ie1")
	var path string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		w.WriteHeader(201)
		_, _ = io.WriteString(w, `{"sid":"SM1"}`)
	}))
	defer srv.Close()
	o := openSMS(t, srv.URL).Send(t.Context(), sms(), to)
	if o.State != ledger.Accepted || o.ProviderID != "SM1" || path != "/2010-04-01/Accounts/"+sid+"/Messages.json" {
		t.Errorf("%+v at %s", o, path)
	}
}

func TestErrorCodesAreSorted(t *testing.T) {
	for code, want := range map[int]ledger.Class{
		21211: ledger.ClassDead, 21614: ledger.ClassDead, 21610: ledger.ClassDead, 21611: ledger.ClassNext,
		21606: ledger.ClassConfig, 21408: ledger.ClassConfig, 20003: ledger.ClassConfig, 99999: ledger.ClassConfig,
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			_, _ = fmt.Fprintf(w, `{"code":%d,"message":"The 'To' number %s is not valid","status":400}`, code, to)
		}))
		o := openSMS(t, srv.URL).Send(t.Context(), sms(), to)
		srv.Close()
		if o.State != ledger.Refused || o.Class != want || o.Code != fmt.Sprint(code) {
			t.Errorf("%d: %+v, want class %s", code, o, want)
		}
		if strings.Contains(o.Message, "916") {
			t.Errorf("%d tells the number: %s", code, o.Message)
		}
	}
}

func TestAnAcceptanceWithoutItsAnswerIsStillOne(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "500")
		w.WriteHeader(201)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer srv.Close()
	if o := openSMS(t, srv.URL).Send(t.Context(), sms(), to); o.State != ledger.Accepted {
		t.Errorf("%+v, want accepted", o)
	}
}

func TestWhatIsSentSaysHowLongItIsWorthTelling(t *testing.T) {
	var form url.Values
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		form = r.PostForm
		w.WriteHeader(201)
		_, _ = io.WriteString(w, `{"sid":"SM1"}`)
	}))
	defer srv.Close()
	n := sms()
	n.Deadline = time.Now().Add(10 * time.Minute)
	openSMS(t, srv.URL).Send(t.Context(), n, to)
	if got := form.Get("ValidityPeriod"); got != "599" && got != "600" {
		t.Errorf("ValidityPeriod %q, want 600", got)
	}
	if got := form.Get("StatusCallback"); got != "https://vakhta.example/callbacks/twilio/status?n=n-1#rc=5&rp=all" {
		t.Errorf("StatusCallback %q", got)
	}
	openCall(t, srv.URL).Send(t.Context(), call(), to)
	if got := form.Get("StatusCallback"); got != "https://vakhta.example/callbacks/twilio/status?n=n-2#rc=5&rp=all" {
		t.Errorf("StatusCallback of the call %q", got)
	}
	if form.Get("MachineDetection") != "Enable" || form.Get("Url") != "" || !strings.Contains(form.Get("Twiml"), "<Gather") {
		t.Errorf("call %v", form)
	}
}

// lab is the sandbox and a gateway that believes its callbacks.
type lab struct {
	box    *sandbox.Sandbox
	url    string
	public string
	events chan ledger.Event
	spoke  ledger.Notification // what a wish for a repeat is answered with
}

func newLab(t *testing.T, change ...func(*sandbox.Config)) *lab {
	t.Helper()
	l := &lab{events: make(chan ledger.Event, 64), spoke: call()}
	var hook *twilio.Webhook
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case twilio.StatusPath:
			told, err := hook.Status(r, body)
			if err != nil {
				t.Error(err)
			}
			for _, e := range told {
				l.events <- e
			}
		case twilio.GatherPath:
			g, err := hook.Gather(r, body)
			if err != nil {
				t.Error(err)
			}
			for _, e := range g.Events {
				l.events <- e
			}
			w.Header().Set("Content-Type", "text/xml")
			_, _ = io.WriteString(w, twilio.ReplyTwiML(l.public, g.Reply, l.spoke))
		default:
			t.Errorf("unexpected callback %s", r.URL.Path)
		}
	}))
	l.public = gateway.URL
	var err error
	if hook, err = twilio.NewWebhook("", token, gateway.URL, nil); err != nil {
		t.Fatal(err)
	}
	timing := sandbox.Timing{CallSecond: 2 * time.Millisecond, Ring: time.Millisecond, SMSSent: time.Millisecond, SMSDelivered: time.Millisecond}
	cfg := sandbox.Config{TwilioSID: sid, TwilioToken: token, Timing: timing}
	for _, c := range change {
		c(&cfg)
	}
	if l.box, err = sandbox.New(cfg); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(l.box.Handler())
	l.url = srv.URL
	t.Cleanup(func() {
		srv.Close()
		l.box.Close()
		gateway.Close()
	})
	return l
}

func (l *lab) config() twilio.Config {
	c := config(l.url)
	c.PublicURL = l.public
	return c
}

// until reads events until one satisfies the condition.
func (l *lab) until(t *testing.T, what string, ok func(ledger.Event) bool) {
	t.Helper()
	var seen []ledger.Event
	timeout := time.After(10 * time.Second)
	for {
		select {
		case e := <-l.events:
			seen = append(seen, e)
			if ok(e) {
				return
			}
		case <-timeout:
			t.Fatalf("no event that says: %s; got %+v", what, seen)
		}
	}
}

func TestAnSMSIsDeliveredAndFoundAgain(t *testing.T) {
	l := newLab(t)
	c, err := twilio.NewSMS(l.config())
	if err != nil {
		t.Fatal(err)
	}
	if _, found, err := c.LookUp(t.Context(), sms(), to); err != nil || found {
		t.Fatalf("found before it was sent: %v, %v", found, err)
	}
	o := c.Send(t.Context(), sms(), to)
	if o.State != ledger.Accepted {
		t.Fatalf("%+v", o)
	}
	l.until(t, "delivered", func(e ledger.Event) bool {
		return e.State == ledger.Delivered && e.Notification == "n-1" && e.ProviderID == o.ProviderID
	})
	id, found, err := c.LookUp(t.Context(), sms(), to)
	if err != nil || !found || id != o.ProviderID {
		t.Errorf("look-up: %q, %v, %v; want %q", id, found, err, o.ProviderID)
	}
	other := sms()
	other.AckCode = "ZZZZZZ"
	if _, found, _ := c.LookUp(t.Context(), other, to); found {
		t.Error("another's message was taken for this one")
	}
}

func TestAnAttemptOfWhichTheAnswerIsLostIsFoundByLookUp(t *testing.T) {
	for _, kind := range []sandbox.FaultKind{sandbox.FaultReset, sandbox.FaultLostError, sandbox.FaultHang} {
		t.Run(string(kind), func(t *testing.T) {
			l := newLab(t)
			if _, err := l.box.AddFault(sandbox.Fault{Provider: sandbox.Twilio, Kind: kind, Count: 1}); err != nil {
				t.Fatal(err)
			}
			c, err := twilio.NewSMS(l.config())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			if o := c.Send(ctx, sms(), to); o.State != ledger.Unknown || o.Class != ledger.ClassAmbiguous {
				t.Fatalf("%+v, want unknown", o)
			}
			if id, found, err := c.LookUp(t.Context(), sms(), to); err != nil || !found || id == "" {
				t.Errorf("look-up: %q, %v, %v", id, found, err)
			}
		})
	}
}

func TestPressing1Acknowledges(t *testing.T) {
	for _, c := range []struct {
		digits       string
		acked, other bool
	}{{"1", true, false}, {"2", false, true}, {"41", true, false}} {
		t.Run(c.digits, func(t *testing.T) {
			l := newLab(t)
			l.box.SetPersona(to, sandbox.Persona{Phone: &sandbox.Phone{Digits: c.digits}})
			channel, err := twilio.NewCall(l.config())
			if err != nil {
				t.Fatal(err)
			}
			o := channel.Send(t.Context(), call(), to)
			if o.State != ledger.Accepted {
				t.Fatalf("%+v", o)
			}
			l.until(t, "pressed "+c.digits, func(e ledger.Event) bool {
				return e.Notification == "n-2" && e.Acknowledged == c.acked && e.Declined == c.other && e.ProviderID == o.ProviderID
			})
			l.until(t, "a person was told", func(e ledger.Event) bool { return e.State == ledger.Delivered })
		})
	}
}

func TestAnAnsweringMachineAcknowledgesNothing(t *testing.T) {
	l := newLab(t)
	l.box.SetPersona(to, sandbox.Persona{Phone: &sandbox.Phone{Answer: sandbox.AnswerVoicemail, Digits: "1"}})
	channel, err := twilio.NewCall(l.config())
	if err != nil {
		t.Fatal(err)
	}
	if o := channel.Send(t.Context(), call(), to); o.State != ledger.Accepted {
		t.Fatalf("%+v", o)
	}
	l.until(t, "completed", func(e ledger.Event) bool {
		if e.Acknowledged || e.State == ledger.Delivered || e.State == ledger.Read {
			t.Errorf("a machine came to %+v", e)
		}
		return strings.HasSuffix(e.Key, "/completed")
	})
}

func TestACallThatNobodyTakesWantsTheNextRung(t *testing.T) {
	for _, answer := range []sandbox.Answer{sandbox.AnswerNever, sandbox.AnswerBusy, sandbox.AnswerFailed} {
		l := newLab(t)
		l.box.SetPersona(to, sandbox.Persona{Phone: &sandbox.Phone{Answer: answer}})
		channel, err := twilio.NewCall(l.config())
		if err != nil {
			t.Fatal(err)
		}
		channel.Send(t.Context(), call(), to)
		l.until(t, string(answer), func(e ledger.Event) bool { return e.State == ledger.Refused && e.Class != ledger.ClassNone })
	}
}

func TestACallIsFoundAmongThoseOfOthers(t *testing.T) {
	l := newLab(t)
	cfg := l.config()
	known := map[string]bool{}
	cfg.Known = func(_ context.Context, sid, except string) (bool, error) {
		if except != "n-2" {
			t.Errorf("asked on behalf of %q", except)
		}
		return known[sid], nil
	}
	channel, err := twilio.NewCall(cfg)
	if err != nil {
		t.Fatal(err)
	}
	earlier := channel.Send(t.Context(), call(), to)
	known[earlier.ProviderID] = true
	if _, found, err := channel.LookUp(t.Context(), call(), to); err != nil || found {
		t.Errorf("another's call was taken for this one: %v, %v", found, err)
	}
	mine := channel.Send(t.Context(), call(), to)
	if id, found, err := channel.LookUp(t.Context(), call(), to); err != nil || !found || id != mine.ProviderID {
		t.Errorf("look-up: %q, %v, %v; want %q", id, found, err, mine.ProviderID)
	}
	late := call()
	late.CreatedAt = time.Now().Add(time.Hour)
	if _, found, _ := channel.LookUp(t.Context(), late, to); found {
		t.Error("a call from before the notification was taken for it")
	}
}

func TestALookUpThatFailsTellsNothingPersonal(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	url := srv.URL
	srv.Close()
	_, found, err := openSMS(t, url).LookUp(t.Context(), sms(), to)
	if err == nil || found || errors.Is(err, notify.ErrNoLookUp) {
		t.Fatalf("%v, %v; want an error", found, err)
	}
	for _, secret := range []string{"9161234567", token} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error tells %s: %v", secret, err)
		}
	}
}

// away is a way to a gateway that refuses connections until it is back.
type away struct {
	refused atomic.Int32
	back    atomic.Bool
}

func (a *away) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if !a.back.Load() {
		a.refused.Add(1)
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

func TestCallbacksRideOutARestartOfTheGateway(t *testing.T) {
	for name, c := range map[string]struct {
		n    ledger.Notification
		open func(twilio.Config) (notify.Channel, error)
		end  func(ledger.Event) bool
	}{
		"the receipt of an SMS": {
			sms(), func(c twilio.Config) (notify.Channel, error) { return twilio.NewSMS(c) },
			func(e ledger.Event) bool { return e.State == ledger.Delivered },
		},
		"the 1 that is pressed": {
			call(), func(c twilio.Config) (notify.Channel, error) { return twilio.NewCall(c) },
			func(e ledger.Event) bool { return e.Acknowledged },
		},
		"the end of a call": {
			call(), func(c twilio.Config) (notify.Channel, error) { return twilio.NewCall(c) },
			func(e ledger.Event) bool { return strings.HasSuffix(e.Key, "/completed") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			gateway := &away{}
			l := newLab(t, func(cfg *sandbox.Config) {
				cfg.Client = &http.Client{Transport: &http.Transport{DialContext: gateway.dial, DisableKeepAlives: true}, Timeout: 10 * time.Second}
				cfg.Timing.Retry, cfg.Timing.RetryMax = 100*time.Millisecond, time.Second
			})
			l.box.SetPersona(to, sandbox.Persona{Phone: &sandbox.Phone{Digits: "1"}})
			ch, err := c.open(l.config())
			if err != nil {
				t.Fatal(err)
			}
			if o := ch.Send(t.Context(), c.n, to); o.State != ledger.Accepted {
				t.Fatalf("%+v", o)
			}
			// Four requests at most are under way; Twilio's default is two tries of each.
			for begin := time.Now(); gateway.refused.Load() <= 8; time.Sleep(time.Millisecond) {
				if time.Since(begin) > 10*time.Second {
					t.Fatalf("the callbacks were given up after %d tries", gateway.refused.Load())
				}
			}
			gateway.back.Store(true)
			l.until(t, name, c.end)
		})
	}
}

func TestARefusalCostsNoConnection(t *testing.T) {
	var opened atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(400)
		// More than one read of it, after the error's own JSON.
		_, _ = io.WriteString(w, `{"code":21211,"message":"no","status":400}`+strings.Repeat(" ", 20_000))
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	cfg := config(srv.URL)
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	cfg.Transport = tr
	c, err := twilio.NewSMS(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if o := c.Send(t.Context(), sms(), to); o.State != ledger.Refused || o.Code != "21211" {
			t.Fatalf("%+v", o)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("5 refusals took %d connections, want 1", n)
	}
}
