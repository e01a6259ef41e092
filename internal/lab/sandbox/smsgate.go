package sandbox

import (
	"crypto/rand"
	"crypto/subtle"
	"math/big"
	"net/http"
	"strconv"
)

// The SMS gateway is nobody's in particular: it has the habits that regional
// gateways share. A refusal comes with status 200 and a code in the body, ids
// are whole numbers too large for a float, the sender's own id is kept and can
// be asked for, and callbacks are signed over their body.
//
// Codes of its errors.
const (
	gateBadRequest = 1
	gateBadLogin   = 2
	gateBadNumber  = 7
	gateOptedOut   = 8
	gateTooOften   = 9
	gateUnknown    = 404
)

func (s *Sandbox) smsGateRoutes() {
	s.mux.HandleFunc("POST /smsgate/send", s.serveGateSend)
	s.mux.HandleFunc("GET /smsgate/messages", s.serveGateLookUp)
}

func gateError(w http.ResponseWriter, status, code int, text string) {
	writeJSON(w, status, map[string]any{"status": "error", "code": code, "text": text})
}

func (s *Sandbox) gateKnows(w http.ResponseWriter, r *http.Request) bool {
	right := subtle.ConstantTimeCompare([]byte(r.FormValue("login")), []byte(s.cfg.SMSGateLogin)) &
		subtle.ConstantTimeCompare([]byte(r.FormValue("password")), []byte(s.cfg.SMSGatePassword))
	if right != 1 {
		gateError(w, http.StatusOK, gateBadLogin, "login or password is wrong")
	}
	return right == 1
}

func (s *Sandbox) serveGateSend(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		gateError(w, http.StatusBadRequest, gateBadRequest, "the form can't be read")
		return
	}
	if !s.gateKnows(w, r) {
		return
	}
	to, text := r.PostForm.Get("to"), r.PostForm.Get("text")
	if to == "" || text == "" {
		gateError(w, http.StatusOK, gateBadRequest, "to and text are required")
		return
	}
	to = "+" + to // it wants digits alone
	if s.refuse(w, SMSGate, OpSend, ChannelSMS, to) {
		return
	}
	switch refuse := s.people.of(to).SMS.Refuse; {
	case refuse == 21610:
		gateError(w, http.StatusOK, gateOptedOut, "the subscriber "+to+" refuses messages")
		return
	case refuse != 0:
		gateError(w, http.StatusOK, gateBadNumber, "the number "+to+" doesn't exist")
		return
	case s.limits.take("smsgate", s.cfg.Limits.SMSGate) > 0:
		gateError(w, http.StatusOK, gateTooOften, "too many messages")
		return
	}
	n, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		gateError(w, http.StatusInternalServerError, 0, err.Error())
		return
	}
	n.Add(n, big.NewInt(1<<61))
	it := &Item{
		Provider: SMSGate, Channel: ChannelSMS, ID: n.String(), To: to, From: r.PostForm.Get("sender"),
		Text: text, Segments: segments(text), Args: map[string]string{"id": r.PostForm.Get("id")},
	}
	s.inbox.add(it, "accepted")
	s.gateLife(it.clone(), r.PostForm.Get("callback"))
	if s.vanish(w, r, SMSGate, ChannelSMS, to) {
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"status": "ok", "id": n})
}

// gateLife lets a message be sent and then delivered, or not.
func (s *Sandbox) gateLife(it Item, callback string) {
	tell := func(state string, code int) {
		s.inbox.change(it.ID, func(it *Item) { it.set(state, code) })
		if callback == "" {
			return
		}
		id, _ := strconv.ParseInt(it.ID, 10, 64) // ours
		event := map[string]any{"message": it.Args["id"], "id": id, "state": state, "code": code}
		s.emit(emission{
			provider: SMSGate, channel: ChannelSMS, to: it.To, group: it.ID,
			send: func() { s.couriers[SMSGate].put(s.gateCallback(callback, event, 1)) },
		})
	}
	p := s.people.of(it.To).SMS
	s.agenda.after(s.cfg.Timing.SMSSent, func() { tell("sent", 0) })
	if p.NoReceipt {
		return
	}
	s.agenda.after(s.cfg.Timing.SMSSent+s.cfg.Timing.SMSDelivered, func() {
		if p.Fail != 0 {
			tell("failed", p.Fail)
			return
		}
		tell("delivered", 0)
	})
}

// serveGateLookUp finds a message by the id that its sender gave it.
func (s *Sandbox) serveGateLookUp(w http.ResponseWriter, r *http.Request) {
	if !s.gateKnows(w, r) || s.refuse(w, SMSGate, OpLookup, ChannelSMS) {
		return
	}
	for _, it := range s.Inbox(Query{Channel: ChannelSMS}) {
		if it.Provider == SMSGate && it.Args["id"] == r.FormValue("id") {
			id, _ := strconv.ParseInt(it.ID, 10, 64) // ours
			writeJSON(w, http.StatusOK, map[string]any{"status": "ok", "id": id, "state": it.Status})
			return
		}
	}
	gateError(w, http.StatusOK, gateUnknown, "no such message")
}
