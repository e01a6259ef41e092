// Package twilio sends SMS and WhatsApp messages and makes calls through
// Twilio, and reads its status callbacks, what people answer, and the digits
// that they press.
//
// The library takes no context, loses the headers of a 429 and turns a proxy's
// error page into plain text; every request here goes through its own
// [notify.Exchange], which keeps what the library drops. The edge and region of
// the environment (TWILIO_EDGE, TWILIO_REGION) are ignored: the URL is set.
package twilio

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/twilio/twilio-go/client"
	api "github.com/twilio/twilio-go/rest/api/v2010"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

// Provider is the name of this provider in the ledger.
const Provider = "twilio"

// Paths below the public URL that Twilio calls back; the gateway serves them.
const (
	StatusPath = "/callbacks/twilio/status"
	GatherPath = "/callbacks/twilio/gather"
)

// Config is the account, shared by its channels.
type Config struct {
	Account    string // its name in the ledger where it isn't the first one; empty: [Provider]
	URL        string // origin of the API; empty: https://api.twilio.com
	AccountSID string
	AuthToken  string
	From       string // sender of SMS
	CallFrom   string // caller's number; empty: From
	// PublicURL is how Twilio reaches the gateway; empty: no callbacks are
	// asked for, and a call can't be acknowledged by a digit.
	PublicURL string
	// Known says whether a call's SID belongs to another notification of the
	// ledger; it lets a look-up of a call rule out the others. May be nil.
	Known     func(ctx context.Context, sid string, except string) (bool, error)
	Transport http.RoundTripper // nil: http.DefaultTransport
}

// account makes the requests of all channels.
type account struct {
	cfg    Config
	target *url.URL
}

func newAccount(cfg Config) (*account, error) {
	switch {
	case cfg.AccountSID == "":
		return nil, errors.New("twilio: the account SID is empty; configure one")
	case cfg.AuthToken == "":
		return nil, errors.New("twilio: the auth token is empty; configure one")
	case cfg.From == "":
		return nil, errors.New("twilio: the sender's number is empty; configure one of the account")
	}
	if cfg.URL == "" {
		cfg.URL = "https://api.twilio.com"
	}
	if cfg.CallFrom == "" {
		cfg.CallFrom = cfg.From
	}
	target, err := url.Parse(strings.TrimRight(cfg.URL, "/"))
	if err != nil || target.Host == "" {
		return nil, fmt.Errorf("twilio: API URL %q has no host; write https://…", cfg.URL)
	}
	cfg.PublicURL = strings.TrimRight(cfg.PublicURL, "/")
	return &account{cfg: cfg, target: target}, nil
}

// open returns the API for one request, and the exchange that watches it.
func (a *account) open(ctx context.Context) (*api.ApiService, *notify.Exchange) {
	x := notify.NewExchange(ctx, a.cfg.Transport, a.target)
	c := &client.Client{
		Credentials: client.NewCredentials(a.cfg.AccountSID, a.cfg.AuthToken),
		HTTPClient:  x.Client(),
	}
	c.SetAccountSid(a.cfg.AccountSID)
	return api.NewApiService(&client.RequestHandler{Client: c}), x
}

// overrides are Twilio's connection overrides: it repeats a callback that
// fails, in any way, five times instead of giving up after the second refused
// connection, so that callbacks ride out a restart of the gateway. A fragment
// never travels, and isn't signed.
const overrides = "#rc=5&rp=all"

// callback is a URL of ours that carries the notification's id, so that a
// callback settles it even if the answer with the SID was lost.
func (a *account) callback(path string, n ledger.Notification) string {
	return a.cfg.PublicURL + path + "?n=" + url.QueryEscape(n.ID) + accountQuery(a.cfg.Account) + overrides
}

// AccountKey is the query key by which a callback names the account that it
// comes from, where that isn't the first one.
const AccountKey = "a"

func accountQuery(account string) string {
	if account == "" || account == Provider {
		return ""
	}
	return "&" + AccountKey + "=" + url.QueryEscape(account)
}

// outcome reads what a request came to; sid is the library's answer, if it has one.
func (a *account) outcome(x *notify.Exchange, sid *string, err error, to string) ledger.Outcome {
	status := x.Status()
	if status >= 200 && status < 300 {
		// Even if the rest of the answer was lost: the callbacks carry our id.
		o := ledger.Outcome{State: ledger.Accepted, Provider: Provider, HTTPStatus: status, Wrote: true}
		if sid != nil {
			o.ProviderID = *sid
		}
		return o
	}
	var refusal *client.TwilioRestError
	if !errors.As(err, &refusal) {
		if o, decided := x.Verdict(Provider, err, a.cfg.AuthToken, to); decided {
			return o
		}
		return ledger.Outcome{
			State: ledger.Refused, Class: ledger.ClassConfig, Provider: Provider, HTTPStatus: status, Wrote: x.Wrote(),
			Message: "the provider answered " + strconv.Itoa(status) + " without a reason",
		}
	}
	o, decided := x.Verdict(Provider, nil)
	if !decided {
		o.State = ledger.Refused
		o.Class = errorClass(refusal.Code)
		if o.Class == ledger.ClassRetry {
			o.State = ledger.Retry
		}
	}
	o.Code, o.OptedOut = strconv.Itoa(refusal.Code), wantsNoMore(refusal.Code)
	o.Message = notify.Scrub(refusal.Message, a.cfg.AuthToken, to)
	return o
}

// Twilio's errors for an owner who has answered STOP, or who has blocked us in WhatsApp.
const (
	optedOut  = 21610
	blockedUs = 63033
)

func wantsNoMore(code int) bool { return code == optedOut || code == blockedUs }

// errorClass sorts Twilio's error codes (FIELD-NOTES §2). What isn't listed is
// for an operator to look at: a message must not vanish into a guess.
func errorClass(code int) ledger.Class {
	switch code {
	case 20429, 14107, 30022:
		return ledger.ClassRetry
	case 30001, 30003, 30008, 21611, 63018, 22005, 30002, 30009, 30010, 30036:
		return ledger.ClassNext
	case 63012, 63019, 63022, 63032, 63036, 63049: // WhatsApp won't take it, or not now: another channel may
		return ledger.ClassNext
	case 63003, blockedUs: // WhatsApp knows no such number, or its owner has blocked us
		return ledger.ClassDead
	case 21211, 21614, optedOut, 21217, 13224, 30005, 30006, 63024:
		return ledger.ClassDead
	default:
		return ledger.ClassConfig
	}
}

// validity is for how long Twilio may keep a message in its queue: as long as
// the news is worth telling, within what the API allows.
func validity(deadline, now time.Time) (seconds int, bounded bool) {
	if deadline.IsZero() {
		return 0, false
	}
	return min(max(int(deadline.Sub(now)/time.Second), 1), 36000), true
}

// lookUpPage is how many of a recipient's latest messages a look-up reads.
const lookUpPage = 100

// windowBefore and windowAfter bound the time in which an attempt can have
// arrived at Twilio, around what the ledger knows of it: clocks differ.
const (
	windowBefore = 2 * time.Minute
	windowAfter  = 5 * time.Minute
)

// inWindow says whether something that Twilio dates can come from the attempt
// that left the notification unknown.
func inWindow(dated *string, n ledger.Notification) bool {
	if dated == nil {
		return true
	}
	at, err := time.Parse(time.RFC1123Z, *dated)
	if err != nil {
		return true // found by its recipient, and not provably another's
	}
	return at.After(n.CreatedAt.Add(-windowBefore)) &&
		(n.UpdatedAt.IsZero() || at.Before(n.UpdatedAt.Add(windowAfter)))
}

// lookUpError keeps addresses and the token out of a failed look-up's words.
func (a *account) lookUpError(err error, to string) error {
	return errors.New("look up at twilio: " + notify.Scrub(err.Error(), a.cfg.AuthToken, to))
}
