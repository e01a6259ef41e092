package probe

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/topology"
)

func TestPowerTellsOffFromSilent(t *testing.T) {
	l := lab(t, estate.Options{})
	fault(t, l, "m1-0101", estate.Off)
	fault(t, l, "m1-0102", estate.Down) // its system is dead, its power on
	fault(t, l, "msk-r2-k04-pdu-a", estate.Down)
	var sink memory
	a := New(l.Inventory(), &sink, Options{})
	r, err := run(t.Context(), t, a, a.Power, params([]string{"m1-0101", "m1-0102", "m2-0401", "s1-0101", "msk-uplink-1"}))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		result topology.Result
		detail string
	}{
		"m1-0101": {topology.Down, "PowerState Off"},
		"m1-0102": {topology.Up, "PowerState On"},
		"m2-0401": {topology.Unknown, "the BMC does not answer: connection refused"},
		"s1-0101": {topology.Up, "PowerState On"},
	}
	for id, w := range want {
		o := sink.rows["s1/1/"+id+"/power/msk"]
		if o.Result != w.result || o.Detail != w.detail {
			t.Errorf("%s: %s, %q; want %s, %q", id, o.Result, o.Detail, w.result, w.detail)
		}
	}
	if r.Up != 2 || r.Down != 1 || r.Unknown != 1 || len(r.Skipped) != 1 {
		t.Errorf("%+v, want 2 up, 1 down, 1 unknown, the uplink skipped", r)
	}
}

func TestHangingBMCCostsOnlyItself(t *testing.T) {
	l := lab(t, estate.Options{})
	fault(t, l, "m1-0101", estate.Slow)
	var sink memory
	a := New(l.Inventory(), &sink, Options{BMCTimeout: 4 * time.Second, BMCConcurrency: 2})
	ids := l.Inventory().ServersAt("msk")[:20]
	r, err := run(t.Context(), t, a, a.Power, params(ids))
	if err != nil {
		t.Fatal(err)
	}
	if r.Up != 19 || len(r.UnknownIDs) != 1 || r.UnknownIDs[0] != "m1-0101" {
		t.Errorf("%+v, want 19 on and the hanging one unknown", r)
	}
	if d := sink.rows["s1/1/m1-0101/power/msk"].Detail; d != "the BMC does not answer in time" {
		t.Errorf("detail %q", d)
	}
}

func TestWrongOrMissingCredentialsAreSaidWithoutTheSecret(t *testing.T) {
	l := lab(t, estate.Options{})
	const secret = "hunter2-should-never-show"
	file := filepath.Join(t.TempDir(), "bmc")
	if err := os.WriteFile(file, []byte("admin:"+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(t.TempDir(), "bare")
	if err := os.WriteFile(bare, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VAKHTA_TEST_BMC", "admin:"+secret)
	m, _ := l.Inventory().Component("m1-0101")
	tests := []struct{ reference, detail string }{
		{"env:VAKHTA_TEST_BMC", "the BMC refuses our credentials"},
		{"file:" + file, "the BMC refuses our credentials"},
		{"env:VAKHTA_TEST_NOT_SET", "credentials env:VAKHTA_TEST_NOT_SET don't hold user:password"},
		{"file:" + bare, "credentials file:" + bare + " don't hold user:password"},
		{"file:/does/not/exist", "credentials file:/does/not/exist can't be read"},
		{secret, "the credentials' reference must be env:NAME or file:PATH"},
	}
	a := New(l.Inventory(), &memory{}, Options{})
	for _, tt := range tests {
		got := a.probePower(t.Context(), inventory.BMC{URL: m.Probe.BMC.URL, Credentials: tt.reference})
		if got.result != topology.Unknown || got.detail != tt.detail {
			t.Errorf("%s: %s, %q; want unknown, %q", tt.reference, got.result, got.detail, tt.detail)
		}
		if strings.Contains(got.detail, secret) {
			t.Errorf("%q shows the secret", got.detail)
		}
	}
	t.Setenv("VAKHTA_TEST_BMC", estate.DefaultBMCUser+":"+estate.DefaultBMCPassword)
	if got := a.probePower(t.Context(), inventory.BMC{URL: m.Probe.BMC.URL, Credentials: "env:VAKHTA_TEST_BMC"}); got.result != topology.Up {
		t.Errorf("right credentials: %+v", got)
	}
}

// A BMC is a small computer that somebody may have taken over: its links must
// not lead the prober, with its credentials, anywhere else.
func TestBMCCannotLeadTheProbeAway(t *testing.T) {
	var visits atomic.Int32
	trap, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	trapped := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) })}
	done := make(chan struct{})
	go func() { defer close(done); _ = trapped.Serve(trap) }()
	defer func() { _ = trapped.Close(); <-done }()

	answers := map[string]func(w http.ResponseWriter){
		"a member elsewhere": func(w http.ResponseWriter) {
			_, _ = w.Write([]byte(`{"Members":[{"@odata.id":"@` + trap.Addr().String() + `/redfish/v1/Systems/1"}]}`))
		},
		"a redirect": func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://"+trap.Addr().String()+"/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
		"nonsense":     func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) },
		"endless data": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"x":"` + strings.Repeat("a", 3<<20) + `"}`)) },
		"no system":    func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"Members":[]}`)) },
	}
	for name, systems := range answers {
		t.Run(name, func(t *testing.T) {
			bmc := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/redfish/v1/" {
					_, _ = w.Write([]byte(`{"Systems":{"@odata.id":"/redfish/v1/Systems"}}`))
					return
				}
				systems(w)
			}))
			defer bmc.Close()
			a := New(&inventory.Inventory{}, &memory{}, Options{})
			got := a.probePower(t.Context(), inventory.BMC{URL: bmc.URL})
			if got.result != topology.Unknown || got.detail == "" {
				t.Errorf("%+v, want unknown and why", got)
			}
			if visits.Load() != 0 {
				t.Error("the probe went where the BMC sent it")
			}
		})
	}
}
