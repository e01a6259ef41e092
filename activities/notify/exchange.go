package notify

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"vakhta/internal/ledger"
)

// Exchange watches one request to a provider and keeps what decides an
// outcome: whether anything was written, and what came back. The clients of
// the providers lose one or the other on their way. It is an
// [http.RoundTripper] for a single call and must not be shared.
type Exchange struct {
	base http.RoundTripper
	ctx  context.Context // of the call, for clients that take none
	host *url.URL        // where the request goes instead, if set

	mu     sync.Mutex
	wrote  bool
	status int
	header http.Header
}

// NewExchange returns a watcher over base for a call that ends with ctx. The
// request goes to target instead of its own origin; nil leaves it.
func NewExchange(ctx context.Context, base http.RoundTripper, target *url.URL) *Exchange {
	if base == nil {
		base = http.DefaultTransport
	}
	return &Exchange{base: base, ctx: ctx, host: target}
}

// Client returns an HTTP client that makes this one exchange. It follows no
// redirect: a provider's API has none, and a POST that is repeated elsewhere
// is a second message.
func (x *Exchange) Client() *http.Client {
	return &http.Client{
		Transport: x,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// RoundTrip implements [http.RoundTripper].
func (x *Exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	trace := &httptrace.ClientTrace{
		// The transport asks for another connection only when it has written
		// nothing on the one before.
		GetConn:      func(string) { x.setWrote(false) },
		WroteHeaders: func() { x.setWrote(true) },
	}
	out := req.Clone(httptrace.WithClientTrace(x.ctx, trace))
	if x.host != nil {
		out.URL.Scheme, out.URL.Host = x.host.Scheme, x.host.Host
		out.URL.Path = strings.TrimRight(x.host.Path, "/") + out.URL.Path
		out.URL.RawPath = ""
		out.Host = ""
	}
	res, err := x.base.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	x.wrote, x.status, x.header = true, res.StatusCode, res.Header.Clone()
	x.mu.Unlock()
	if res.StatusCode >= http.StatusMultipleChoices {
		swallow(res)
	}
	return res, nil
}

// maxRefusal bounds what is read of an answer that isn't a success.
const maxRefusal = 64 << 10

// swallow reads an error's body whole: twilio-go leaves it open, which would
// cost a connection for each refusal. What is cut off decides nothing: the
// status is known.
func swallow(res *http.Response) {
	whole, _ := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(whole))
}

func (x *Exchange) setWrote(wrote bool) {
	x.mu.Lock()
	x.wrote = wrote
	x.mu.Unlock()
}

// Wrote says whether the provider may have seen any of the request.
func (x *Exchange) Wrote() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.wrote
}

// Status is the HTTP status that came back, 0 if none did.
func (x *Exchange) Status() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.status
}

// Header is a header of the answer, if there was one.
func (x *Exchange) Header(name string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.header.Get(name)
}

// Verdict says what a request came to as far as HTTP tells: the rate limit,
// what was never written, and what nobody can know. It is false where the
// provider's own words decide: an acceptance or a refusal that came back whole.
// Secrets are kept out of the outcome's message.
func (x *Exchange) Verdict(provider string, err error, secrets ...string) (ledger.Outcome, bool) {
	status := x.Status()
	o := ledger.Outcome{Provider: provider, HTTPStatus: status, Wrote: x.Wrote()}
	if err != nil {
		o.Message = Scrub(err.Error(), secrets...)
	}
	switch {
	case status == http.StatusTooManyRequests:
		o.State, o.Class, o.RetryAfter = ledger.Retry, ledger.ClassRetry, x.retryAfter()
		o.Message = "the provider's rate limit is reached"
	case status == 0 && err == nil:
		return o, false
	case status == 0 && !x.Wrote():
		o.State, o.Class = ledger.Retry, ledger.ClassRetry
	case status == 0, status >= 500, status == http.StatusRequestTimeout:
		o.State, o.Class = ledger.Unknown, ledger.ClassAmbiguous
		if status != 0 {
			o.Message = "the provider answered " + strconv.Itoa(status)
		}
	default:
		return o, false
	}
	return o, true
}

// retryAfter reads Retry-After (seconds, or a date); 0 if there is none.
func (x *Exchange) retryAfter() time.Duration {
	value := x.Header("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
