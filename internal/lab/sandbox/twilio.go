package sandbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (s *Sandbox) twilioRoutes() {
	const account = "/2010-04-01/Accounts/{account}/"
	for pattern, h := range map[string]http.HandlerFunc{
		"POST " + account + "Messages.json": s.createMessage,
		"GET " + account + "Messages.json":  s.listMessages,
		"GET " + account + "Messages/{sid}": s.fetchMessage,
		"POST " + account + "Calls.json":    s.createCall,
		"GET " + account + "Calls.json":     s.listCalls,
		"GET " + account + "Calls/{sid}":    s.fetchCall,
		"POST " + account + "Calls/{sid}":   s.updateCall,
		"/2010-04-01/":                      s.twilioNotFound,
		"POST /v1/Content":                  s.createContent,
	} {
		s.mux.HandleFunc(pattern, s.twilioAuth(h))
	}
}

// maxForm bounds a Twilio request; its parameters are far below.
const maxForm = 1 << 20

func (s *Sandbox) twilioAuth(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		good := subtle.ConstantTimeCompare([]byte(user+":"+pass), []byte(s.cfg.TwilioSID+":"+s.cfg.TwilioToken)) == 1
		if !good || s.cfg.TwilioSID == "" {
			twilioError(w, http.StatusUnauthorized, 20003, "Authenticate")
			return
		}
		if a := r.PathValue("account"); a != "" && a != s.cfg.TwilioSID {
			s.twilioNotFound(w, r)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			twilioError(w, http.StatusBadRequest, 20001, "Invalid parameter value(s)")
			return
		}
		next(w, r)
	}
}

func (s *Sandbox) twilioNotFound(w http.ResponseWriter, r *http.Request) {
	twilioError(w, http.StatusNotFound, 20404, "The requested resource "+r.URL.Path+" was not found")
}

func twilioError(w http.ResponseWriter, status, code int, message string) {
	writeJSON(w, status, map[string]any{
		"code": code, "message": message, "status": status,
		"more_info": "https://www.twilio.com/docs/errors/" + strconv.Itoa(code),
	})
}

var (
	e164   = regexp.MustCompile(`^\+[1-9]\d{1,14}$`)
	sender = regexp.MustCompile(`^(\+[1-9]\d{1,14}|\d{3,8}|[A-Za-z0-9 ]{1,11})$`) // number, short code, alphanumeric
)

func sid(prefix string) string { return prefix + hex.EncodeToString(random(16)) }

// twilioDate is RFC 2822 in GMT.
func twilioDate(t time.Time) string { return t.UTC().Format(time.RFC1123Z) }

// twilioText is what the documentation says of an error that a persona causes.
func twilioText(code int) string {
	switch code {
	case 21211:
		return "Invalid 'To' Phone Number"
	case 21610:
		return "Attempt to send to unsubscribed recipient"
	case 21612:
		return "The 'To' phone number is not currently reachable using the 'From' phone number"
	case 21614:
		return "'To' number is not a valid mobile number"
	case 21408:
		return "Permission to send an SMS has not been enabled for the region"
	}
	return "The request was refused"
}

// sign is X-Twilio-Signature: the URL without its fragment and, for a form, the
// sorted parameters, under the auth token.
func (s *Sandbox) sign(target string, params url.Values) string {
	h := hmac.New(sha1.New, []byte(s.cfg.TwilioToken))
	h.Write([]byte(target))
	names := make([]string, 0, len(params))
	for k := range params {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		h.Write([]byte(k + params.Get(k)))
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// webhook makes one signed request of Twilio's to us.
func (s *Sandbox) webhook(ctx context.Context, method, target string, params url.Values, token string) delivery {
	target, _, _ = strings.Cut(target, "#")
	var req *http.Request
	var err error
	if strings.EqualFold(method, http.MethodGet) {
		sep := "?"
		if strings.Contains(target, "?") {
			sep = "&"
		}
		target += sep + params.Encode()
		req, err = http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
		params = nil
	} else {
		req, err = http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader([]byte(params.Encode())))
	}
	if err != nil {
		return delivery{err: err}
	}
	if params != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	}
	req.Header.Set("User-Agent", "TwilioProxy/1.1")
	req.Header.Set("X-Twilio-Signature", s.sign(target, params))
	req.Header.Set("I-Twilio-Idempotency-Token", token)
	return s.post(req)
}

// retryRule is what a webhook URL's fragment says of repetitions: Twilio's
// connection overrides rc (count, to 5) and rp (policy).
type retryRule struct {
	count  int
	policy []string
}

// retryRuleOf reads the fragment; the default is one repetition if no
// connection came about.
func retryRuleOf(target string) retryRule {
	rule := retryRule{count: 1, policy: []string{"ct"}}
	_, fragment, _ := strings.Cut(target, "#")
	overrides, err := url.ParseQuery(fragment)
	if err != nil {
		return rule
	}
	if n, err := strconv.Atoi(overrides.Get("rc")); err == nil && n >= 0 {
		rule.count = min(n, 5)
	}
	if rp := overrides.Get("rp"); rp != "" {
		rule.policy = strings.Split(rp, ",")
	}
	return rule
}

func (r retryRule) again(n int, d delivery) bool {
	if d.ok() || n > r.count {
		return false
	}
	has := func(p string) bool { return slices.Contains(r.policy, p) || slices.Contains(r.policy, "all") }
	switch {
	case d.err == nil && d.status >= 500:
		return has("5xx")
	case d.err == nil:
		return has("4xx") && d.status >= 400
	case d.timedOut():
		return has("rt")
	}
	return has("ct")
}

// statusCallback posts a status callback and repeats it by the URL's rule.
func (s *Sandbox) statusCallback(method, target string, params url.Values) {
	token := sid("")
	rule := retryRuleOf(target)
	var try func(int) func(context.Context)
	try = func(n int) func(context.Context) {
		return func(ctx context.Context) {
			if d := s.webhook(ctx, method, target, params, token); rule.again(n, d) {
				s.agenda.after(s.backoff(n), func() { s.couriers[Twilio].put(try(n + 1)) })
			}
		}
	}
	s.couriers[Twilio].put(try(1))
}
