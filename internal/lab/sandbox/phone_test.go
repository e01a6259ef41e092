package sandbox_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/twilio/twilio-go/rest/api/v2010"
	"github.com/twilio/twilio-go/twiml"
	"vakhta/internal/lab/sandbox"
)

func (r *rig) call(to string, change func(*api.CreateCallParams)) (*api.ApiV2010Call, error) {
	p := &api.CreateCallParams{}
	p.SetTo(to)
	p.SetFrom("+15005550006")
	p.SetStatusCallback(r.gateway.url + "/call?n=7")
	p.SetStatusCallbackEvent([]string{"initiated", "ringing", "answered", "completed"})
	change(p)
	return r.twilio(authToken).Api.CreateCall(p)
}

func say(t *testing.T, verbs ...twiml.Element) string {
	t.Helper()
	doc, err := twiml.Voice(verbs)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestPhoneAnswersHearsAndPresses(t *testing.T) {
	r := newRig(t, nil)
	r.gateway.answers(func(c callback) (int, string) {
		if c.path != "/gather" {
			return http.StatusOK, ""
		}
		return http.StatusOK, say(t, &twiml.VoiceSay{Message: "Спасибо, " + c.form(t).Get("Digits")}, &twiml.VoiceHangup{}, &twiml.VoiceSay{Message: "never"})
	})
	doc := say(t, &twiml.VoiceGather{
		NumDigits: "1", Action: r.gateway.url + "/gather?n=7", Timeout: "5", ActionOnEmptyResult: "true",
		InnerElements: []twiml.Element{&twiml.VoiceSay{Message: "Нажмите один", Language: "ru-RU"}},
	})
	c, err := r.call("+79990000001", func(p *api.CreateCallParams) {
		p.SetTwiml(doc)
		p.SetMachineDetection("Enable")
	})
	if err != nil || *c.Status != "queued" || !strings.HasPrefix(*c.Sid, "CA") {
		t.Fatalf("got %+v, %v", c, err)
	}
	list := r.gateway.until(t, "/call", func(l []callback) bool {
		return slices.Contains(r.statuses(l, "CallStatus"), "completed") && len(l) == 4
	})
	for _, cb := range list {
		f := r.signed(cb)
		if f.Get("CallStatus") == "completed" && (f.Get("CallDuration") == "" || f.Get("CallDuration") == "0" || f.Get("AnsweredBy") != "human") {
			t.Errorf("the last callback is %v", f)
		}
	}
	gathered := r.gateway.all("/gather")
	if len(gathered) != 1 || r.signed(gathered[0]).Get("Digits") != "1" || r.signed(gathered[0]).Get("CallSid") != *c.Sid {
		t.Errorf("gathered %s", bodies(gathered))
	}
	it, _ := r.Item(*c.Sid)
	if !slices.Equal(it.Spoken, []string{"Нажмите один", "Спасибо, 1"}) || it.Digits != "1" || it.AnsweredBy != "human" {
		t.Errorf("the inbox says %+v", it)
	}
	fetched, err := r.twilio(authToken).Api.FetchCall(*c.Sid, nil)
	if err != nil || *fetched.Status != "completed" || *fetched.Duration == "" || *fetched.AnsweredBy != "human" {
		t.Errorf("fetched %+v, %v", fetched, err)
	}
}

func TestCallOutcomes(t *testing.T) {
	cases := []struct {
		name    string
		phone   sandbox.Phone
		want    string // last CallStatus
		answers string // AnsweredBy
		gathers []string
		spoken  int
	}{
		{"never answered", sandbox.Phone{Answer: sandbox.AnswerNever}, "no-answer", "", nil, 0},
		{"rings longer than the timeout", sandbox.Phone{After: sandbox.Duration(time.Minute)}, "no-answer", "", nil, 0},
		{"busy", sandbox.Phone{Answer: sandbox.AnswerBusy}, "busy", "", nil, 0},
		{"unreachable", sandbox.Phone{Answer: sandbox.AnswerFailed}, "failed", "", nil, 0},
		{"voicemail never presses", sandbox.Phone{Answer: sandbox.AnswerVoicemail, Digits: "1"}, "completed", "machine_start", []string{""}, 1},
		{"a person who presses nothing", sandbox.Phone{}, "completed", "human", []string{""}, 1},
		{"a person who declines", sandbox.Phone{Digits: "2"}, "completed", "human", []string{"2"}, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.SetPersona("+79990000001", sandbox.Persona{Phone: &c.phone})
			call, err := r.call("+79990000001", func(p *api.CreateCallParams) {
				p.SetTwiml(say(t, &twiml.VoiceGather{
					NumDigits: "1", Action: r.gateway.url + "/gather", ActionOnEmptyResult: "true",
					InnerElements: []twiml.Element{&twiml.VoiceSay{Message: "Press one"}},
				}))
				p.SetMachineDetection("Enable")
				p.SetTimeout(10)
			})
			if err != nil {
				t.Fatal(err)
			}
			list := r.gateway.until(t, "/call", func(l []callback) bool { return slices.Contains(r.statuses(l, "CallStatus"), c.want) })
			it, _ := r.Item(*call.Sid)
			if it.AnsweredBy != c.answers || len(it.Spoken) != c.spoken || it.Status != c.want {
				t.Errorf("the call is %+v", it)
			}
			if got := r.statuses(r.gateway.all("/gather"), "Digits"); !slices.Equal(got, c.gathers) {
				t.Errorf("digits posted: %q, want %q", got, c.gathers)
			}
			if got := r.statuses(list, "CallStatus"); slices.Contains(got, "in-progress") != (c.answers != "") {
				t.Errorf("statuses are %v", got)
			}
		})
	}
}

func TestCallFollowsURLRedirectAndSecondGather(t *testing.T) {
	r := newRig(t, nil)
	r.SetPersona("+79990000001", sandbox.Persona{Phone: &sandbox.Phone{Digits: "12#"}})
	r.gateway.answers(func(c callback) (int, string) {
		switch c.path {
		case "/start":
			return http.StatusOK, say(t, &twiml.VoiceRedirect{Url: "menu?x=1", Method: "POST"})
		case "/menu":
			return http.StatusOK, say(t, &twiml.VoiceGather{NumDigits: "1", Action: "/second"})
		case "/second":
			return http.StatusOK, say(t, &twiml.VoiceGather{Action: "/third"})
		case "/third":
			return http.StatusOK, say(t, &twiml.VoicePause{Length: "1"}, &twiml.VoicePlay{Url: "x.mp3"}, &twiml.VoiceSay{Message: "Bye"})
		}
		return http.StatusOK, ""
	})
	c, err := r.call("+79990000001", func(p *api.CreateCallParams) {
		p.SetUrl(r.gateway.url + "/start")
		p.SetTwiml(strings.Repeat("x", 5000)) // ignored, as Url is set
	})
	if err != nil {
		t.Fatal(err)
	}
	it := r.untilItem("is a completed call", func(it sandbox.Item) bool { return it.ID == *c.Sid && it.Status == "completed" })
	if !slices.Equal(it.Spoken, []string{"Bye"}) || it.Digits != "12#" {
		t.Errorf("the call is %+v", it)
	}
	if d := r.statuses(slices.Concat(r.gateway.all("/second"), r.gateway.all("/third")), "Digits"); !slices.Equal(d, []string{"1", "2"}) {
		t.Errorf("digits posted: %q", d)
	}
}

func TestCallThatBreaksARuleIsRefused(t *testing.T) {
	r := newRig(t, nil)
	r.SetPersona("+79990000009", sandbox.Persona{Phone: &sandbox.Phone{Refuse: 21211}})
	for name, c := range map[string]struct {
		want   int
		change func(*api.CreateCallParams)
	}{
		"no TwiML at all":  {21205, func(p *api.CreateCallParams) { p.Twiml = nil }},
		"4001 characters":  {32018, func(p *api.CreateCallParams) { p.SetTwiml(strings.Repeat("я", 4001)) }},
		"no recipient":     {21201, func(p *api.CreateCallParams) { p.To = nil }},
		"bad recipient":    {21211, func(p *api.CreateCallParams) { p.SetTo("12") }},
		"refused persona":  {21211, func(p *api.CreateCallParams) { p.SetTo("+79990000009") }},
		"no caller":        {21213, func(p *api.CreateCallParams) { p.From = nil }},
		"timeout of 0":     {21208, func(p *api.CreateCallParams) { p.SetTimeout(0) }},
		"unknown event":    {21626, func(p *api.CreateCallParams) { p.SetStatusCallbackEvent([]string{"hungup"}) }},
		"unknown detector": {20001, func(p *api.CreateCallParams) { p.SetMachineDetection("yes") }},
	} {
		_, err := r.call("+79990000001", func(p *api.CreateCallParams) {
			p.SetTwiml("<Response/>")
			c.change(p)
		})
		if code(err) != c.want {
			t.Errorf("%s: got %v, want %d", name, err, c.want)
		}
	}
}

func TestCallInProgressCanBeHungUp(t *testing.T) {
	r := newRig(t, nil)
	r.SetPersona("+79990000001", sandbox.Persona{Phone: &sandbox.Phone{After: sandbox.Duration(time.Minute)}})
	c, err := r.call("+79990000001", func(p *api.CreateCallParams) {
		p.SetTwiml("<Response><Say>x</Say></Response>")
		p.SetTimeout(600)
	})
	if err != nil {
		t.Fatal(err)
	}
	r.untilItem("rings", func(it sandbox.Item) bool { return it.Status == "ringing" })
	p := &api.UpdateCallParams{}
	p.SetStatus("canceled")
	if _, err := r.twilio(authToken).Api.UpdateCall(*c.Sid, p); err != nil {
		t.Fatal(err)
	}
	r.untilItem("is canceled", func(it sandbox.Item) bool { return it.Status == "canceled" && len(it.Spoken) == 0 })
	calls, err := r.twilio(authToken).Api.ListCall(&api.ListCallParams{})
	if err != nil || len(calls) != 1 || *calls[0].Status != "canceled" {
		t.Errorf("listed %+v, %v", calls, err)
	}
}

func TestBrokenTwiMLEndsTheCallWithAnApology(t *testing.T) {
	r := newRig(t, nil)
	if _, err := r.call("+79990000001", func(p *api.CreateCallParams) { p.SetTwiml("<Response>") }); err != nil {
		t.Fatal(err)
	}
	it := r.untilItem("is a completed call", func(it sandbox.Item) bool { return it.Status == "completed" })
	if len(it.Spoken) != 1 || !strings.Contains(it.Spoken[0], "application error") {
		t.Errorf("spoken: %q", it.Spoken)
	}
}
