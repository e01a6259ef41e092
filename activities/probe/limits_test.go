package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// What is over a limit waits, however little time its service has: nothing is called down, or asked
// for nothing, because of our own pace.
func TestAServiceThatWaitsForItsTurnKeepsItsTime(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer web.Close()
	port := web.Listener.Addr().(*net.TCPAddr).Port
	a := New(estateOf(t, fmt.Sprintf("{address: 127.0.0.1, http: [{port: %d}]}", port)), &memory{}, Options{PerTarget: 2, ServiceTimeout: 100 * time.Millisecond})
	if a.pace.Admit(localhost, 2) != 0 { // two seconds' worth
		t.Fatal("the allowance is not whole")
	}
	s := a.shardOf([]string{"s0"}, []topology.Probe{topology.ProbeHTTP}, "msk", budget{timeout: 100 * time.Millisecond, attempts: 1})
	s.probe(t.Context(), func(int, int) {})
	if o := s.observations[0]; o.Result != topology.Up && !strings.Contains(o.Detail, detailBusy) {
		t.Errorf("%+v, want up: it only had to wait for its turn", o)
	}
}

// The attempts at a machine that keeps silent are connections, too: they count against the worker's rate.
func TestRepeatedAttemptsCountAgainstTheRate(t *testing.T) {
	port := silentPort(t)
	a := New(&inventory.Inventory{}, &memory{}, Options{Rate: 1})
	if got := a.probePort(t.Context(), localhost, port, budget{timeout: 100 * time.Millisecond, attempts: 10}); got.result == topology.Up {
		t.Fatalf("%+v of a silent port", got)
	}
	// Ten attempts at one a second: the next one's turn is seconds away, whatever a busy machine takes.
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if a.pace.Wait(ctx) == nil {
		t.Error("the next connection waits for one attempt, not for all of them")
	}
}

// A device whose answer trips over a defect of ours, or of a library, must not take the worker with
// it: the shard would be repeated by the next one, and end that, too.
func TestADefectCostsTheConversationOnly(t *testing.T) {
	a := New(estateOf(t, `{bmc: {url: "http://127.0.0.1:1", credentials: env:VAKHTA_TEST_BMC}}`, fmt.Sprintf("{address: 127.0.0.1, tcp: [%d]}", listening(t))), &memory{}, Options{
		Credentials: func(string) (string, string, error) { panic("a defect") },
	})
	s := a.shardOf([]string{"s0", "s1"}, []topology.Probe{topology.ProbePower, topology.ProbeTCP}, "msk", budget{timeout: patient * time.Millisecond, attempts: 1})
	s.probe(t.Context(), func(int, int) {})
	if len(s.observations) != 1 || s.observations[0].Component != "s1" || s.observations[0].Result != topology.Up {
		t.Errorf("%+v, want the other machine's answer alone", s.observations)
	}
	if r := s.result(); r.Unknown != 1 || r.Up != 1 {
		t.Errorf("%+v, want one unknown and one up", r)
	}
}

// A BMC's pages may link to each other without end: they are read up to a number.
func TestEndlessPagesOfABMCAreNotFollowed(t *testing.T) {
	var asked atomic.Int32
	bmc := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		if r.URL.Path == "/redfish/v1/" {
			_, _ = fmt.Fprint(w, `{"Systems":{"@odata.id":"/redfish/v1/Systems"}}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"Members":[],"Members@odata.nextLink":"/redfish/v1/Systems?page=%d"}`, n)
	}))
	defer bmc.Close()
	a := New(&inventory.Inventory{}, &memory{}, Options{BMCTimeout: 10 * time.Second})
	if got := a.power(t, inventory.BMC{URL: bmc.URL}); got.detail == "" || got.detail == "the BMC does not answer in time" {
		t.Errorf("%+v, want an end before its time is over", got)
	}
	if n := asked.Load(); n > maxBMCQuestions {
		t.Errorf("%d questions, want %d at most", n, maxBMCQuestions)
	}
}

// Old servers and BMCs offer ciphers only that are no longer what one would choose. They answer all the same.
func TestOldCiphersAreAnAnswer(t *testing.T) {
	old := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redfish/v1/" {
			_, _ = fmt.Fprint(w, `{"Systems":{"@odata.id":"/redfish/v1/Systems"}}`)
			return
		}
		_, _ = fmt.Fprint(w, `{"Members":[]}`)
	}))
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}} //nolint:gosec // that is the point
	old.StartTLS()
	defer old.Close()
	port := old.Listener.Addr().(*net.TCPAddr).Port
	if o := check(t, fmt.Sprintf("{address: 127.0.0.1, tls: [%d]}", port), topology.ProbeTLS, within(false)); o.Result != topology.Up {
		t.Errorf("TLS: %+v, want up", o)
	}
	if o := check(t, fmt.Sprintf("{address: 127.0.0.1, http: [{port: %d, tls: true}]}", port), topology.ProbeHTTP, within(false)); o.Result != topology.Up {
		t.Errorf("HTTP: %+v, want up", o)
	}
	a := New(&inventory.Inventory{}, &memory{}, Options{BMCTimeout: 10 * time.Second})
	if got := a.power(t, inventory.BMC{URL: old.URL}); got.detail != "the BMC knows no system" {
		t.Errorf("Redfish: %+v, want an answer", got)
	}
}
