package sandbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
)

// gateTries is how often the gateway brings a callback that isn't answered 2xx.
const gateTries = 10

// gateCallback posts an event, signed over its body.
func (s *Sandbox) gateCallback(url string, event map[string]any, try int) func(context.Context) {
	return func(ctx context.Context) {
		body, err := json.Marshal(map[string]any{"events": []any{event}})
		if err != nil {
			return
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return
		}
		sum := hmac.New(sha256.New, []byte(s.cfg.SMSGatePassword))
		_, _ = sum.Write(body)
		req.Header.Set("X-Signature", hex.EncodeToString(sum.Sum(nil)))
		req.Header.Set("Content-Type", "application/json")
		if s.post(req).ok() || try >= gateTries {
			return
		}
		s.agenda.after(s.backoff(try), func() { s.couriers[SMSGate].put(s.gateCallback(url, event, try+1)) })
	}
}
