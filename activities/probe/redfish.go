package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/schemas"

	"vakhta/internal/topology"
)

// maxBMCAnswer bounds what is read of one answer of a BMC, and maxBMCQuestions how much it is asked
// in one conversation: its links may lead on without end.
const (
	maxBMCAnswer    = 1 << 20
	maxBMCQuestions = 256
)

// redfish asks a BMC over Redfish: its systems' power state first, then the
// supplies of their chassis, then the log.
func (a *Activities) redfish(ctx context.Context, endpoint, user, password string, wants bmcWants) bmcReading {
	started := time.Now()
	transport, err := bmcTransport(endpoint, a.opts.BMCVerifyTLS)
	if err != nil {
		return bmcReading{power: notAsked(err.Error())}
	}
	defer transport.CloseIdleConnections()
	c, err := connectRedfish(ctx, transport, endpoint, user, password)
	if err != nil {
		return toldNothing(ctx, transport, err)
	}
	systems, err := c.Service.Systems()
	if err != nil {
		return toldNothing(ctx, transport, err)
	}
	if len(systems) == 0 {
		return there("the BMC knows no system")
	}
	got := bmcReading{power: powerAnswer(systems, time.Since(started))}
	got.answers = got.power.result == topology.Unknown
	if wants.supplies {
		if got.supplies, err = redfishSupplies(c, systems); err != nil {
			got.trouble, _ = explainBMC(ctx, err)
		}
	}
	if wants.log && ctx.Err() == nil {
		got.log = redfishLog(c, systems[0])
	}
	return got
}

// toldNothing is the reading of a BMC that did not tell. One that accepts a
// connection is there, however slow it is, or whatever it has against us.
func toldNothing(ctx context.Context, t *bmcConnections, err error) bmcReading {
	detail, ours := explainBMC(ctx, err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return bmcReading{power: notAsked(cancelled.detail)}
	case t.accepted.Load():
		return there(detail)
	case ours:
		return bmcReading{power: notAsked(detail)}
	}
	return nothing(detail)
}

// powerAnswer is down only if every system behind the BMC is off.
func powerAnswer(systems []*schemas.ComputerSystem, rtt time.Duration) answer {
	got := answer{result: topology.Unknown, detail: "PowerState not reported", rtt: rtt}
	for _, s := range systems {
		switch s.PowerState {
		case schemas.OnPowerState, schemas.PoweringOnPowerState, schemas.PoweringOffPowerState, schemas.PausedPowerState:
			return answer{result: topology.Up, detail: "PowerState " + string(s.PowerState), rtt: rtt}
		case schemas.OffPowerState:
			got = answer{result: topology.Down, detail: "PowerState Off", rtt: rtt}
		}
	}
	return got
}

func connectRedfish(ctx context.Context, transport http.RoundTripper, endpoint, user, password string) (*gofish.APIClient, error) {
	return gofish.ConnectContext(ctx, gofish.ClientConfig{
		Endpoint: endpoint, Username: user, Password: password, BasicAuth: true,
		NoModifyTransport: true, ReuseConnections: true,
		HTTPClient: &http.Client{Transport: &bounded{next: transport}, CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the BMC redirects, which is not followed")
		}},
	})
}

// bmcConnections are the connections to one device.
type bmcConnections struct {
	*http.Transport
	accepted atomic.Bool // one was
}

// bmcTransport dials the BMC and nothing else, whatever links its answers hold:
// no probe leaves the inventory.
func bmcTransport(endpoint string, verifyTLS bool) (*bmcConnections, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("the BMC's URL in the inventory is not a URL")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	address := net.JoinHostPort(u.Hostname(), port)
	t := &bmcConnections{}
	t.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if err == nil {
				t.accepted.Store(true)
			}
			return conn, err
		},
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: !verifyTLS, MinVersion: tls.VersionTLS12, CipherSuites: everySuite()}, //nolint:gosec // see Options.BMCVerifyTLS
		ForceAttemptHTTP2: true,
	}
	return t, nil
}

// bounded caps the number of questions, and the length of every answer.
type bounded struct {
	next  http.RoundTripper
	asked atomic.Int32
}

var errTooManyQuestions = errors.New("too many questions")

// RoundTrip asks one of them.
func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.asked.Add(1) > maxBMCQuestions {
		return nil, errTooManyQuestions
	}
	resp, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxBMCAnswer), resp.Body}
	return resp, nil
}

// explainBMC says in a few words why the BMC told nothing, and whether that is
// trouble of our own; never its answer's text, which might repeat what we sent.
func explainBMC(ctx context.Context, err error) (detail string, ours bool) {
	err = firstFailure(err)
	var refused *schemas.Error
	var status statusError
	switch {
	case errors.As(err, &refused) && refusal(refused.HTTPReturnedStatusCode):
		return "the BMC refuses our credentials", false
	case errors.As(err, &status) && refusal(int(status)):
		return "the BMC refuses our credentials", false
	case errors.As(err, &status):
		return fmt.Sprintf("the BMC answers with status %d", int(status)), false
	case errors.As(err, &refused):
		return fmt.Sprintf("the BMC answers with status %d", refused.HTTPReturnedStatusCode), false
	case ctx.Err() != nil:
		return "the BMC does not answer in time", false
	}
	got := explain(err)
	switch got.detail {
	case "connection refused", "connection reset", "host unreachable":
		return "the BMC does not answer: " + got.detail, false
	case detailTimeout:
		return "the BMC does not answer in time", false
	case "the prober could not dial":
		return "the BMC's answer is not understood", false
	}
	return got.detail, got.result == topology.Unknown
}

func refusal(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// firstFailure takes a cause, the first by link, out of gofish's error for a
// collection, which hides them from errors.As.
func firstFailure(err error) error {
	var c *schemas.CollectionError
	if !errors.As(err, &c) || len(c.Failures) == 0 {
		return err
	}
	return c.Failures[slices.Min(slices.Collect(maps.Keys(c.Failures)))]
}
