package sandbox

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// mailState gathers events into batches.
type mailState struct {
	mu      sync.Mutex
	pending []map[string]any
	armed   bool // a flush is on the agenda
}

// maxEvents bounds a batch; SendGrid posts when it has gathered 768 kB or its time is up.
const maxEvents = 500

func (s *Sandbox) mailEvent(id, to, event string, args map[string]string, categories []string, more map[string]any) {
	if s.cfg.SendGridEventURL == "" {
		return
	}
	e := make(map[string]any, len(args)+len(more)+8)
	for k, v := range args {
		e[k] = v
	}
	for k, v := range more {
		e[k] = v
	}
	e["email"] = to
	e["timestamp"] = time.Now().Unix()
	e["event"] = event
	e["sg_event_id"] = messageID()
	e["sg_message_id"] = id
	e["smtp-id"] = "<" + id + "@sandbox>"
	if len(categories) > 0 {
		e["category"] = categories
	}
	s.emit(emission{provider: SendGrid, channel: ChannelEmail, to: to, group: id, send: func() { s.batch(e) }})
}

func (s *Sandbox) batch(e map[string]any) {
	s.mail.mu.Lock()
	s.mail.pending = append(s.mail.pending, e)
	full := len(s.mail.pending) >= maxEvents
	arm := !full && !s.mail.armed
	s.mail.armed = s.mail.armed || arm
	s.mail.mu.Unlock()
	switch {
	case full:
		s.flushEvents()
	case arm:
		s.agenda.after(s.cfg.Timing.EventBatch, func() {
			s.mail.mu.Lock()
			s.mail.armed = false
			s.mail.mu.Unlock()
			s.flushEvents()
		})
	}
}

func (s *Sandbox) flushEvents() {
	s.mail.mu.Lock()
	events := s.mail.pending
	s.mail.pending = nil
	s.mail.mu.Unlock()
	if len(events) > 0 {
		s.couriers[SendGrid].put(func(ctx context.Context) { s.postEvents(ctx, events) })
	}
}

// postEvents signs a batch once and posts it until it is answered 2xx, as
// SendGrid does for a day: the repetitions carry the first timestamp.
func (s *Sandbox) postEvents(ctx context.Context, events []map[string]any) {
	body, err := json.Marshal(events)
	if err != nil {
		return
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	sum := sha256.Sum256(append([]byte(stamp), body...))
	sig, err := ecdsa.SignASN1(rand.Reader, s.cfg.Key, sum[:])
	if err != nil {
		return
	}
	var try func(context.Context, int)
	try = func(ctx context.Context, n int) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.SendGridEventURL, bytes.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("User-Agent", "SendGrid Event API")
		req.Header.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(sig))
		req.Header.Set("X-Twilio-Email-Event-Webhook-Timestamp", stamp)
		if s.post(req).ok() {
			return
		}
		s.agenda.after(s.backoff(n), func() {
			s.couriers[SendGrid].put(func(ctx context.Context) { try(ctx, n+1) })
		})
	}
	try(ctx, 1)
}
