package probe

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stmcginnis/gofish/schemas"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/topology"
)

// power asks a BMC for the power state alone.
func (a *Activities) power(t testing.TB, bmc inventory.BMC) answer {
	t.Helper()
	return a.askBMC(t.Context(), powered(bmc), bmcWants{power: true})[0]
}

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
		if told, _, _ := strings.Cut(o.Detail, "; log: "); o.Result != w.result || told != w.detail {
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
	if r.Up != 20 {
		t.Errorf("%+v, want 20 BMCs that are there", r)
	}
	// It accepts connections: it has power, whatever keeps it from answering.
	o := sink.rows["s1/1/m1-0101/psu/msk"]
	if _, told := sink.rows["s1/1/m1-0101/power/msk"]; told || o.Result != topology.Up || o.Detail != "the BMC does not answer in time" {
		t.Errorf("%+v, want that it has input, and nothing on the power", o)
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
	// One that refuses us has power; one that we had no credentials for was not asked, and is not silent.
	tests := []struct {
		reference, detail string
		probe             topology.Probe
		result            topology.Result
	}{
		{"env:VAKHTA_TEST_BMC", "the BMC refuses our credentials", topology.ProbePSU, topology.Up},
		{"file:" + file, "the BMC refuses our credentials", topology.ProbePSU, topology.Up},
		{"env:VAKHTA_TEST_NOT_SET", "credentials env:VAKHTA_TEST_NOT_SET don't hold user:password", "", ""},
		{"file:" + bare, "credentials file:" + bare + " don't hold user:password", "", ""},
		{"file:/does/not/exist", "credentials file:/does/not/exist can't be read", "", ""},
		{secret, "the credentials' reference must be env:NAME or file:PATH", "", ""},
	}
	a := New(l.Inventory(), &memory{}, Options{})
	for _, tt := range tests {
		got := a.power(t, inventory.BMC{URL: m.Probe.BMC.URL, Credentials: tt.reference})
		if got.result != tt.result || got.probe != tt.probe || got.detail != tt.detail {
			t.Errorf("%s: %+v; want %s %s, %q", tt.reference, got, tt.probe, tt.result, tt.detail)
		}
		if strings.Contains(got.detail, secret) {
			t.Errorf("%q shows the secret", got.detail)
		}
	}
	t.Setenv("VAKHTA_TEST_BMC", estate.DefaultBMCUser+":"+estate.DefaultBMCPassword)
	if got := a.power(t, inventory.BMC{URL: m.Probe.BMC.URL, Credentials: "env:VAKHTA_TEST_BMC"}); got.result != topology.Up {
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
			got := a.power(t, inventory.BMC{URL: bmc.URL})
			if got.probe != topology.ProbePSU || got.result != topology.Up || got.detail == "" {
				t.Errorf("%+v, want that it has input, and why no more", got)
			}
			if visits.Load() != 0 {
				t.Error("the probe went where the BMC sent it")
			}
		})
	}
}

func TestSuppliesTellWhichPDUIsDead(t *testing.T) {
	l := lab(t, estate.Options{})
	fault(t, l, "msk-r2-k04-pdu-a", estate.Down)
	var sink memory
	a := New(l.Inventory(), &sink, Options{})
	r, err := run(t.Context(), t, a, a.Sweep, params([]string{"m2-0401", "m2-0428", "m2-0440"}, topology.ProbePower, topology.ProbePSU))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]topology.Result{
		"m2-0401/psu/msk":                  topology.Unknown, // its BMC is dark, too
		"m2-0428/psu/msk/msk-r2-k04-pdu-a": topology.Down,
		"m2-0428/psu/msk/msk-r2-k04-pdu-b": topology.Up,
		"m2-0440/psu/msk/msk-r2-k04-pdu-b": topology.Up,
		"m2-0401/power/msk":                topology.Unknown,
		"m2-0428/power/msk":                topology.Up,
		"m2-0440/power/msk":                topology.Up,
	}
	for key, result := range want {
		if o := sink.rows["s1/1/"+key]; o.Result != result {
			t.Errorf("%s: %s (%s), want %s", key, o.Result, o.Detail, result)
		}
	}
	if len(sink.rows) != len(want) {
		t.Errorf("%d rows, want %d", len(sink.rows), len(want))
	}
	if r.Up != 2 || r.Unknown != 1 {
		t.Errorf("%+v, want two up by their power, whatever their supplies say", r)
	}
	fault(t, l, "m2-0440", estate.Off)
	if got := find(t, a.askBMC(t.Context(), component(t, l, "m2-0440"), both), topology.ProbePower, ""); !strings.HasPrefix(got.detail, "PowerState Off; log: ") ||
		!strings.HasSuffix(got.detail, "System powered off") {
		t.Errorf("%q, want the log's last line", got.detail)
	}
}

func component(t testing.TB, l *estate.Lab, id string) *inventory.Component {
	t.Helper()
	c, ok := l.Inventory().Component(id)
	if !ok {
		t.Fatalf("no %s in the estate", id)
	}
	return c
}

// Of supplies that may hang anywhere, no PDU is accused.
func TestSupplyOfUnknownPlaceAccusesNobody(t *testing.T) {
	c := powered(inventory.BMC{}, "pdu-a", "pdu-b")
	got := supplyAnswers(c, bmcReading{supplies: []supply{
		{name: "PSU1", keys: []string{"PSU1"}, result: topology.Up, detail: "has 230 V"},
		{name: "PSU2", keys: []string{"PSU2"}, result: topology.Down, detail: "has no input"},
	}})
	if len(got) != 1 || got[0].peer != "" || got[0].result != topology.Down || got[0].detail != "PSU1 has 230 V, PSU2 has no input" {
		t.Errorf("%+v, want one row without a peer", got)
	}
	c.Probe.BMC.Supplies = map[string]string{"PSU1": "pdu-a", "psu-2": "pdu-b", "PSU": "pdu-c"}
	for key, peer := range map[string]string{"PSU1 Status": "pdu-a", "PSU 2": "pdu-b", "PSU11": "pdu-c", "Fan 1": "", "PSU2_Input": "pdu-b"} {
		if got := peerOf(c, supply{keys: []string{"", key}}); got != peer {
			t.Errorf("%q hangs on %q, want %q", key, got, peer)
		}
	}
}

func TestSupplyInputIsReadAsMakersWriteIt(t *testing.T) {
	for body, want := range map[string]topology.Result{
		`{"Name":"PSU1","LineInputVoltage":230,"Status":{"State":"Enabled","Health":"OK"}}`:       topology.Up,
		`{"Name":"PSU1","LineInputVoltage":0,"Status":{"State":"Enabled","Health":"Critical"}}`:   topology.Down,
		`{"Name":"PSU1","LineInputVoltage":230,"Status":{"State":"Enabled","Health":"Critical"}}`: topology.Unknown, // 230 V may be what it is set for
		`{"Name":"PSU1","LineInputStatus":"LossOfInput","Status":{"Health":"Critical"}}`:          topology.Down,
		`{"Name":"PSU1","LineInputStatus":"Normal","Status":{"Health":"OK"}}`:                     topology.Up,
		`{"Name":"PSU1","LineInputStatus":"OutOfRange"}`:                                          topology.Unknown,
		`{"Name":"PSU1","LineInputVoltage":null,"Status":{"State":"Enabled","Health":"OK"}}`:      topology.Up,
		`{"Name":"PSU1","PowerInputWatts":80,"Status":{"Health":"Critical"}}`:                     topology.Up,
		`{"Name":"PSU1","Status":{"State":"UnavailableOffline","Health":"Critical"}}`:             topology.Unknown,
		`{"Name":"PSU1","Status":{"State":"Absent"}}`:                                             "",
	} {
		var p schemas.PowerSupply
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(err)
		}
		if s, there := readSupply(&p); there != (want != "") || there && (s.result != want || s.detail == "" || s.name != "PSU1") {
			t.Errorf("%s: %+v, want %q", body, s, want)
		}
	}
}

// A log of thousands of lines costs two requests, and tells nothing of passwords.
func TestLogIsReadFromItsEnd(t *testing.T) {
	const secret = "hunter2-should-never-show"
	t.Setenv("VAKHTA_TEST_BMC", "admin:"+secret)
	var asked atomic.Int32
	bmc := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body := map[string]string{
			"/redfish/v1/":          `{"Systems":{"@odata.id":"/redfish/v1/Systems"}}`,
			"/redfish/v1/Systems":   `{"Members":[{"@odata.id":"/redfish/v1/Systems/1"}]}`,
			"/redfish/v1/Systems/1": `{"Id":"1","PowerState":"Off","LogServices":{"@odata.id":"/logs"}}`,
			"/logs":                 `{"Members":[{"@odata.id":"/logs/AuditLog"},{"@odata.id":"/logs/SEL"}]}`,
			"/logs/AuditLog":        `{"Id":"AuditLog","Entries":{"@odata.id":"/audit"}}`,
			"/logs/SEL":             `{"Id":"SEL","Entries":{"@odata.id":"/sel"}}`,
			"/sel":                  `{"Members@odata.count":5000,"Members":[{"@odata.id":"/sel/1","Created":"2026-01-01T00:00:00Z","Message":"old"}]}`,
			"/sel?$skip=4997":       `{"Members@odata.count":5000,"Members":[{"@odata.id":"/sel/4999","Created":"2026-03-01T02:58:00+03:00","Message":"AC\u0000 lost\nby ` + secret + `"},{"@odata.id":"/sel/5000","Created":"not a time"}]}`,
			"/sel/5000":             `{"@odata.id":"/sel/5000","Created":"2026-03-01T03:00:00Z","Message":"` + strings.Repeat("x", 500) + `"}`,
		}[r.URL.RequestURI()]
		if body == "" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(body))
	}))
	defer bmc.Close()
	a := New(&inventory.Inventory{}, &memory{}, Options{})
	got := find(t, a.askBMC(t.Context(), powered(inventory.BMC{URL: bmc.URL, Credentials: "env:VAKHTA_TEST_BMC"}), both), topology.ProbePower, "")
	if got.result != topology.Down || !strings.Contains(got.detail, "2026-02-28 23:58:00Z AC lost by …") ||
		strings.Contains(got.detail, secret) || strings.Contains(got.detail, "audit") || len(got.detail) > 600 {
		t.Errorf("%q, want the last lines, short and clean", got.detail)
	}
	if asked.Load() > 12 {
		t.Errorf("%d requests, want a dozen at most", asked.Load())
	}
}
