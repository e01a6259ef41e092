package sandbox

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// maxTwiml is the limit of a call's inline TwiML, in characters.
const maxTwiml = 4000

// callState holds what hangs up the calls in progress.
type callState struct {
	mu     sync.Mutex
	hangup map[string]context.CancelFunc
}

func (c *callState) init() { c.hangup = make(map[string]context.CancelFunc) }

func (s *Sandbox) createCall(w http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	to := f.Get("To")
	if code, text := s.checkCall(f); code != 0 {
		twilioError(w, http.StatusBadRequest, code, text)
		return
	}
	if s.refuse(w, Twilio, OpSend, ChannelCall, to) {
		return
	}
	if wait := s.limits.take("calls", s.cfg.Limits.Calls); wait > 0 {
		tooMany(w, Twilio, wait)
		return
	}
	it := &Item{Provider: Twilio, Channel: ChannelCall, ID: sid("CA"), To: to, From: f.Get("From")}
	s.inbox.add(it, "queued")
	call, _ := s.Item(it.ID)
	s.startCall(call, f)
	if s.vanish(w, r, Twilio, ChannelCall, to) {
		return
	}
	writeJSON(w, http.StatusCreated, s.callResource(call))
}

var callEvents = []string{"initiated", "ringing", "answered", "completed"}

func (s *Sandbox) checkCall(f url.Values) (int, string) {
	switch to, from := f.Get("To"), f.Get("From"); {
	case to == "":
		return 21201, "No 'To' number is specified"
	case !e164.MatchString(to):
		return 21211, "The phone number you are attempting to call, " + to + ", is not valid."
	case from == "":
		return 21213, "No 'From' number is specified"
	case !e164.MatchString(from):
		return 21212, "The source phone number provided, " + from + ", is not valid."
	case f.Get("Url") == "" && f.Get("Twiml") == "" && f.Get("ApplicationSid") == "":
		return 21205, "Url parameter is required."
	case f.Get("Url") != "" && !webURL(f.Get("Url")):
		return 21205, "Url is not a valid URL: " + f.Get("Url")
	case f.Get("Url") == "" && utf8.RuneCountInString(f.Get("Twiml")) > maxTwiml:
		return 32018, "Twiml size exceeded maximum allowed value of 4000 characters"
	case f.Get("StatusCallback") != "" && !webURL(f.Get("StatusCallback")):
		return 21609, "The 'StatusCallback' URL is not a valid URL."
	}
	if v := f.Get("Timeout"); v != "" {
		if n, err := strconv.Atoi(v); err != nil || n < 1 || n > 600 {
			return 21208, "Invalid Timeout"
		}
	}
	for _, e := range f["StatusCallbackEvent"] {
		if !slices.Contains(callEvents, e) {
			return 21626, "Invalid StatusCallbackEvents: " + e
		}
	}
	if v := f.Get("MachineDetection"); v != "" && v != "Enable" && v != "DetectMessageEnd" {
		return 20001, "Invalid MachineDetection: " + v
	}
	if code := s.people.of(f.Get("To")).Phone.Refuse; code != 0 {
		return code, twilioText(code)
	}
	return 0, ""
}

func (s *Sandbox) startCall(it Item, f url.Values) {
	ctx, cancel := context.WithCancel(s.ctx)
	s.calls.mu.Lock()
	s.calls.hangup[it.ID] = cancel
	s.calls.mu.Unlock()
	c := &call{box: s, ctx: ctx, it: it, form: f, phone: *s.people.of(it.To).Phone}
	c.digits = c.phone.Digits
	s.goRun(func() {
		defer func() {
			cancel()
			s.calls.mu.Lock()
			delete(s.calls.hangup, it.ID)
			s.calls.mu.Unlock()
		}()
		c.live()
	})
}

// call is one call in progress; only its own goroutine touches it.
type call struct {
	box        *Sandbox
	ctx        context.Context
	it         Item
	form       url.Values
	phone      Phone
	digits     string // what the person has yet to press
	answeredBy string
	answeredAt time.Time
	sequence   int
}

// live is a call from dialling to its end.
func (c *call) live() {
	c.tell("initiated", "initiated")
	if !c.wait(c.box.cfg.Timing.Ring) {
		c.end("canceled")
		return
	}
	c.tell("ringing", "ringing")
	timeout := 60
	if n, err := strconv.Atoi(c.form.Get("Timeout")); err == nil {
		timeout = n
	}
	rings, outcome := time.Duration(c.phone.After), ""
	switch patience := c.seconds(timeout); {
	case c.phone.Answer == AnswerBusy:
		outcome = "busy"
	case c.phone.Answer == AnswerFailed:
		outcome = "failed"
	case c.phone.Answer == AnswerNever || rings > patience:
		rings, outcome = patience, "no-answer"
	}
	if !c.wait(rings) {
		outcome = "canceled"
	}
	if outcome != "" {
		c.end(outcome)
		return
	}
	c.answered()
	c.talk()
	c.end("completed")
}

func (c *call) answered() {
	c.answeredAt = time.Now()
	if c.form.Get("MachineDetection") != "" {
		c.answeredBy = "human"
		if c.phone.Answer == AnswerVoicemail {
			c.answeredBy = "machine_start"
		}
	}
	who := "picked up"
	if c.phone.Answer == AnswerVoicemail {
		who = "voicemail picked up"
	}
	c.note("line", who)
	c.box.inbox.change(c.it.ID, func(it *Item) { it.AnsweredBy = c.answeredBy })
	c.tell("in-progress", "answered")
	if target := c.form.Get("AsyncAmdStatusCallback"); target != "" && c.form.Get("AsyncAmd") == "true" && c.answeredBy != "" {
		params := c.params("in-progress")
		params.Set("MachineDetectionDuration", "1000")
		c.box.statusCallback(c.form.Get("AsyncAmdStatusCallbackMethod"), target, params)
	}
}

func (c *call) end(status string) {
	seconds := 0
	if !c.answeredAt.IsZero() {
		seconds = max(1, int(time.Since(c.answeredAt)/c.box.cfg.Timing.CallSecond))
	}
	c.box.inbox.change(c.it.ID, func(it *Item) { it.Seconds = seconds })
	c.it.Seconds = seconds
	c.tell(status, "completed")
}

// tell changes the call's status and calls back if the caller asked for the event.
func (c *call) tell(status, event string) {
	c.box.inbox.change(c.it.ID, func(it *Item) { it.set(status, 0) })
	target := c.form.Get("StatusCallback")
	asked := c.form["StatusCallbackEvent"]
	if len(asked) == 0 {
		asked = []string{"completed"}
	}
	if target == "" || !slices.Contains(asked, event) {
		return
	}
	params := c.params(status)
	params.Set("SequenceNumber", strconv.Itoa(c.sequence))
	params.Set("CallbackSource", "call-progress-events")
	params.Set("Timestamp", twilioDate(time.Now()))
	c.sequence++
	if event == "completed" {
		params.Set("CallDuration", strconv.Itoa(c.it.Seconds))
		params.Set("Duration", strconv.Itoa((c.it.Seconds+59)/60))
	}
	method := c.form.Get("StatusCallbackMethod")
	c.box.emit(emission{
		provider: Twilio, channel: ChannelCall, to: c.it.To, group: c.it.ID,
		send: func() { c.box.statusCallback(method, target, params) },
	})
}

func (c *call) params(status string) url.Values {
	p := url.Values{
		"CallSid": {c.it.ID}, "AccountSid": {c.box.cfg.TwilioSID}, "To": {c.it.To}, "From": {c.it.From},
		"Called": {c.it.To}, "Caller": {c.it.From}, "CallStatus": {status}, "Direction": {"outbound-api"}, "ApiVersion": {"2010-04-01"},
	}
	if c.answeredBy != "" {
		p.Set("AnsweredBy", c.answeredBy)
	}
	return p
}

func (c *call) note(who, text string) {
	c.box.inbox.change(c.it.ID, func(it *Item) {
		it.Transcript = append(it.Transcript, Line{Who: who, Text: text})
		if who == "voice" {
			it.Spoken = append(it.Spoken, text)
		}
	})
}

// seconds are n of the call's own seconds.
func (c *call) seconds(n int) time.Duration { return time.Duration(n) * c.box.cfg.Timing.CallSecond }

// wait lets time pass and says whether the call still stands.
func (c *call) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return c.ctx.Err() == nil
	case <-c.ctx.Done():
		return false
	}
}

func (s *Sandbox) listCalls(w http.ResponseWriter, r *http.Request) {
	if s.refuse(w, Twilio, OpLookup, ChannelCall, r.Form.Get("To")) {
		return
	}
	s.list(w, r, "calls", "StartTime", isCall, func(it Item) any { return s.callResource(it) })
}

func isCall(it *Item) bool { return it.Channel == ChannelCall }

func (s *Sandbox) fetchCall(w http.ResponseWriter, r *http.Request) {
	if s.refuse(w, Twilio, OpLookup, ChannelCall) {
		return
	}
	s.answerCall(w, r)
}

func (s *Sandbox) answerCall(w http.ResponseWriter, r *http.Request) {
	it, ok := s.Item(strings.TrimSuffix(r.PathValue("sid"), ".json"))
	if !ok || !isCall(&it) {
		s.twilioNotFound(w, r)
		return
	}
	writeJSON(w, http.StatusOK, s.callResource(it))
}

// updateCall hangs up: Status=completed or canceled.
func (s *Sandbox) updateCall(w http.ResponseWriter, r *http.Request) {
	if st := r.PostForm.Get("Status"); st != "completed" && st != "canceled" {
		twilioError(w, http.StatusBadRequest, 21218, "The sandbox can only end a call: Status must be completed or canceled")
		return
	}
	s.calls.mu.Lock()
	hangup := s.calls.hangup[strings.TrimSuffix(r.PathValue("sid"), ".json")]
	s.calls.mu.Unlock()
	if hangup != nil {
		hangup()
	}
	s.answerCall(w, r)
}

func (s *Sandbox) callResource(it Item) map[string]any {
	uri := "/2010-04-01/Accounts/" + s.cfg.TwilioSID + "/Calls/" + it.ID
	status := it.Status
	if status == "initiated" {
		status = "queued" // initiated is an event's word; the resource has none
	}
	var start, end, duration any
	for _, h := range it.History {
		switch h.State {
		case "in-progress":
			start = twilioDate(h.At)
		case "completed", "busy", "failed", "no-answer", "canceled":
			end, duration = twilioDate(h.At), strconv.Itoa(it.Seconds)
		}
	}
	return map[string]any{
		"sid": it.ID, "account_sid": s.cfg.TwilioSID, "api_version": "2010-04-01", "direction": "outbound-api",
		"to": it.To, "to_formatted": it.To, "from": it.From, "from_formatted": it.From,
		"status": status, "answered_by": orNull(it.AnsweredBy), "queue_time": "0",
		"date_created": twilioDate(it.At), "date_updated": twilioDate(it.updated()),
		"start_time": start, "end_time": end, "duration": duration, "price": nil, "price_unit": "USD",
		"uri": uri + ".json", "subresource_uris": map[string]any{"events": uri + "/Events.json"},
	}
}
