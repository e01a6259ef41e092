package sandbox

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

func (s *Sandbox) routes() {
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("POST /v3/mail/send", s.serveMailSend)
	s.twilioRoutes()
	s.smsGateRoutes()
	s.slackRoutes()
	s.mattermostRoutes()
	s.controlRoutes()
}

// serve dispatches by provider; Telegram's paths, /bot<token>/<method>, can't be
// a pattern of the mux.
func (s *Sandbox) serve(w http.ResponseWriter, r *http.Request) {
	p := providerOf(r.URL.Path)
	if p != "" && s.faults.strike([]FaultKind{FaultDown}, p, OpAny, "", nil, "") != nil {
		cut(w)
		return
	}
	if p == Telegram {
		s.serveBot(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

func providerOf(path string) Provider {
	switch {
	case strings.HasPrefix(path, "/v3/"):
		return SendGrid
	case strings.HasPrefix(path, "/2010-04-01/"), path == "/v1/Content":
		return Twilio
	case strings.HasPrefix(path, "/api/v4/"):
		return Mattermost
	case strings.HasPrefix(path, "/api/"):
		return Slack
	case strings.HasPrefix(path, "/smsgate/"):
		return SMSGate
	case strings.HasPrefix(path, "/bot"):
		return Telegram
	}
	return ""
}

// cut resets the connection without an answer.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil { // HTTP/2 or a recorder: the server aborts the stream
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// refuse answers with the fault's error in the provider's own words, if one of
// the faults that come before acceptance strikes.
func (s *Sandbox) refuse(w http.ResponseWriter, p Provider, op Operation, channel string, to ...string) bool {
	f := s.faults.strike(beforeKinds, p, op, channel, to, first(to))
	if f == nil {
		return false
	}
	s.answerFault(w, p, f)
	return true
}

// vanish lets a fault that comes after acceptance take the answer away.
func (s *Sandbox) vanish(w http.ResponseWriter, r *http.Request, p Provider, channel string, to ...string) bool {
	f := s.faults.strike(afterKinds, p, OpSend, channel, to, first(to))
	if f == nil {
		return false
	}
	switch f.Kind {
	case FaultHang:
		t := time.NewTimer(f.Delay.or(s.cfg.Timing.MaxHang))
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
		cut(w)
	case FaultReset:
		cut(w)
	default:
		s.answerFault(w, p, f)
	}
	return true
}

func (s *Sandbox) answerFault(w http.ResponseWriter, p Provider, f *Fault) {
	status := http.StatusInternalServerError
	switch f.Kind {
	case FaultRateLimit:
		tooMany(w, p, f.RetryAfter.or(time.Second))
		return
	case FaultBadGateway:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = fmt.Fprint(w, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n")
		return
	case FaultUnavailable:
		status = http.StatusServiceUnavailable
	}
	switch p {
	case SendGrid:
		mailErrors(w, status, mailError{Message: http.StatusText(status)})
	case Twilio:
		twilioError(w, status, 20000+status, http.StatusText(status))
	case SMSGate:
		gateError(w, status, 0, http.StatusText(status))
	case Mattermost:
		mattermostError(w, status, "sandbox.fault", http.StatusText(status))
	case Slack:
		writeJSON(w, status, map[string]any{"ok": false, "error": "internal_error"})
	default:
		botError(w, status, http.StatusText(status), 0)
	}
}

// tooMany answers 429 as the provider does.
func tooMany(w http.ResponseWriter, p Provider, wait time.Duration) {
	seconds := max(1, int((wait+time.Second-1)/time.Second))
	switch p {
	case SendGrid:
		// The reset is an epoch second, the end of the window; it is rounded up
		// so that a client that obeys it isn't early.
		reset := time.Now().Add(wait + time.Second - 1).Unix()
		w.Header().Set("X-RateLimit-Limit", "600")
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(reset, 10))
		mailErrors(w, http.StatusTooManyRequests, mailError{Message: "too many requests"})
	case Twilio:
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		twilioError(w, http.StatusTooManyRequests, 20429, "Too Many Requests")
	case SMSGate:
		gateError(w, http.StatusOK, gateTooOften, "too many messages")
	case Slack, Mattermost:
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		writeJSON(w, http.StatusTooManyRequests, map[string]any{"ok": false, "error": "ratelimited"})
	default:
		botError(w, http.StatusTooManyRequests, "Too Many Requests: retry after "+strconv.Itoa(seconds), seconds)
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // the client may be gone
}
