package estate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/schemas"
	"go.uber.org/goleak"

	"vakhta/internal/inventory"
)

// theShared is for tests that break nothing for good.
var theShared *Lab

func TestMain(m *testing.M) {
	code := m.Run()
	if theShared != nil && theShared.Close() != nil {
		code = 1
	}
	if err := goleak.Find(); code == 0 && err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "goroutines leak:", err)
		code = 1
	}
	os.Exit(code)
}

// shared is the estate with the defaults, whole again when the test ends: to
// open 2,500 doors takes seconds under the race detector.
func shared(t testing.TB) *Lab {
	t.Helper()
	if theShared == nil {
		l, err := Open(context.Background(), Options{})
		if err != nil {
			t.Fatalf("open the estate: %v", err)
		}
		theShared = l
	}
	t.Cleanup(func() {
		for id := range theShared.Faults() {
			if err := theShared.ClearFault(id); err != nil {
				t.Errorf("repair %s: %v", id, err)
			}
		}
	})
	return theShared
}

// patience bounds how long a test waits for a condition; it is never what a test measures.
const patience = 20 * time.Second

func opened(t testing.TB, o Options) *Lab {
	t.Helper()
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatalf("open the estate: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close the estate: %v", err)
		}
	})
	return l
}

func (l *Lab) address(t testing.TB, id string) string {
	t.Helper()
	m := l.machines[id]
	if m == nil {
		t.Fatalf("%s has no address", id)
	}
	return m.service[0].addr
}

// hush is how long an attempt that should get no answer waits for one.
const hush = 2 * time.Second

// dial says how a connection attempt ends: accepted, refused, silent.
func dial(t testing.TB, addr string) string { return dialWithin(t, addr, patience) }

func dialWithin(t testing.TB, addr string, wait time.Duration) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, wait)
	if err == nil {
		_ = c.Close()
		return "accepted"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "refused"
	}
	if isTimeout(err) {
		return "silent"
	}
	return err.Error()
}

// census dials every n-th server and counts the answers by site.
func census(t testing.TB, l *Lab, nth int, wait time.Duration) map[string]map[string]int {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	counts := map[string]map[string]int{"msk": {}, "spb": {}}
	slots := make(chan struct{}, 64)
	for i, id := range l.Inventory().Servers() {
		if i%nth != 0 {
			continue
		}
		c, _ := l.Inventory().Component(id)
		slots <- struct{}{}
		wg.Go(func() {
			got := dialWithin(t, l.address(t, id), wait)
			<-slots
			mu.Lock()
			counts[c.Site][got]++
			mu.Unlock()
		})
	}
	wg.Wait()
	return counts
}

func fault(t testing.TB, l *Lab, id string, f Fault) {
	t.Helper()
	if err := l.SetFault(id, f); err != nil {
		t.Fatalf("break %s: %v", id, err)
	}
}

func TestEveryServerAndDeviceAccepts(t *testing.T) {
	l := shared(t)
	got := census(t, l, 1, patience)
	if got["msk"]["accepted"] != 720 || got["spb"]["accepted"] != 480 {
		t.Fatalf("servers that accept: %v, want 720 and 480", got)
	}
	for _, c := range l.Inventory().Components() {
		if c.Kind != inventory.KindServer && c.Probe.Address != "" {
			if got := dial(t, l.address(t, c.ID)); got != "accepted" {
				t.Errorf("management of %s: %s", c.ID, got)
			}
		}
	}
	c, err := net.Dial("tcp", l.address(t, "m1-0101"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	banner, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(banner), "SSH-2.0-") {
		t.Errorf("banner %q (%v), want one of SSH and a clean end", banner, err)
	}
}

func TestFaultTakesDownWhatDependsOnIt(t *testing.T) {
	l := shared(t)
	tests := []struct {
		component string
		mode      Mode
		msk, spb  int    // servers that no longer accept
		after     string // how their connection attempts end
	}{
		{"m2-0401", Off, 1, 0, "refused"},
		{"msk-r2-k04-pdu-a", Down, 24, 0, "refused"},
		{"msk-r2-k04-pdu-b", Down, 8, 0, "refused"},
		{"msk-r1-k02-sw", Down, 40, 0, "refused"},
		{"msk-r1-k02-sw", Silent, 40, 0, "silent"},
		{"msk-r1-k02", Down, 40, 0, "refused"},
		{"msk-r3-feed-a", Down, 144, 0, "refused"},
		{"msk-r3", Down, 240, 0, "refused"},
		{"msk-uplink-1", Down, 0, 0, "refused"},
		{"spb-uplink-1", Down, 0, 480, "refused"},
	}
	for _, tt := range tests {
		t.Run(tt.component+" "+string(tt.mode), func(t *testing.T) {
			fault(t, l, tt.component, Fault{Mode: tt.mode})
			wait := patience
			if tt.after == "silent" {
				wait = hush
			}
			got := census(t, l, 1, wait)
			if got["msk"][tt.after] != tt.msk || got["spb"][tt.after] != tt.spb ||
				got["msk"]["accepted"] != 720-tt.msk || got["spb"]["accepted"] != 480-tt.spb {
				t.Errorf("down %v, want %d at msk and %d at spb, %s", got, tt.msk, tt.spb, tt.after)
			}
			for _, s := range l.Sites() {
				want := map[string]int{"msk": tt.msk, "spb": tt.spb}[s.Site]
				if s.Down != want || s.Up+s.Down != s.Servers {
					t.Errorf("state of %s: %+v, want %d down", s.Site, s, want)
				}
			}
			if err := l.ClearFault(tt.component); err != nil {
				t.Fatal(err)
			}
			got = census(t, l, 8, patience)
			if got["msk"]["accepted"] != 90 || got["spb"]["accepted"] != 60 {
				t.Errorf("after the repair: %v", got)
			}
		})
	}
}

func TestBothUplinksTogetherTakeTheSiteDown(t *testing.T) {
	l := shared(t)
	fault(t, l, "msk-uplink-1", Fault{Mode: Down})
	fault(t, l, "msk-uplink-2", Fault{Mode: Down})
	s, err := l.State("m1-0101")
	if err != nil {
		t.Fatal(err)
	}
	if s.Works || !s.Powered || strings.Join(s.Cause, " ") != "msk-uplink-1 msk-uplink-2" {
		t.Errorf("state %+v, want a powered machine cut off by both uplinks", s)
	}
	if got := dial(t, l.address(t, "msk-r1-k01-sw")); got != "accepted" {
		t.Errorf("the switch's management, on a network of its own: %s", got)
	}
	if got := dial(t, l.address(t, "msk-uplink-1")); got != "refused" {
		t.Errorf("the broken uplink's management: %s", got)
	}
}

func bmc(t testing.TB, l *Lab, id string, basic bool) (*gofish.APIClient, error) {
	t.Helper()
	return gofish.ConnectContext(t.Context(), gofish.ClientConfig{
		Endpoint: l.machines[id].component.Probe.BMC.URL, BasicAuth: basic,
		Username: DefaultBMCUser, Password: DefaultBMCPassword,
		HTTPClient: &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}},
	})
}

func powerOf(t testing.TB, l *Lab, id string) schemas.PowerState {
	t.Helper()
	c, err := bmc(t, l, id, true)
	if err != nil {
		t.Fatalf("BMC of %s: %v", id, err)
	}
	systems, err := c.Service.Systems()
	if err != nil || len(systems) != 1 {
		t.Fatalf("BMC of %s: systems %v, %v", id, systems, err)
	}
	return systems[0].PowerState
}

func TestBMCTellsOffFromDeadFromUnpowered(t *testing.T) {
	l := shared(t)
	const id = "m2-0401"
	if got := powerOf(t, l, id); got != schemas.OnPowerState {
		t.Errorf("a well machine is %s", got)
	}
	fault(t, l, id, Fault{Mode: Off})
	if got := powerOf(t, l, id); got != schemas.OffPowerState {
		t.Errorf("a machine that is switched off is %s", got)
	}
	fault(t, l, id, Fault{Mode: Down})
	if got := powerOf(t, l, id); got != schemas.OnPowerState {
		t.Errorf("a machine whose system is dead is %s", got)
	}
	fault(t, l, "msk-r2-k04-sw", Fault{Mode: Down})
	if got := powerOf(t, l, id); got != schemas.OnPowerState {
		t.Errorf("a machine behind a dead switch is %s", got)
	}
	fault(t, l, "msk-r2-k04-pdu-a", Fault{Mode: Down})
	if c, err := bmc(t, l, id, true); err == nil {
		t.Errorf("a BMC without power answers: %v", c.Service.Name)
	}
}

func TestBMCSpeaksSessionsSuppliesLogsAndReset(t *testing.T) {
	l := opened(t, Options{})
	const id = "m2-0425" // on both PDUs
	fault(t, l, "msk-r2-k04-pdu-a", Fault{Mode: Down})
	c, err := bmc(t, l, id, false)
	if err != nil {
		t.Fatalf("open a session: %v", err)
	}
	defer c.Logout()
	chassis, err := c.Service.Chassis()
	if err != nil || len(chassis) != 1 {
		t.Fatalf("chassis %v, %v", chassis, err)
	}
	power, err := chassis[0].Power()
	if err != nil || len(power.PowerSupplies) != 2 {
		t.Fatalf("power %+v, %v; want two supplies", power, err)
	}
	a, b := power.PowerSupplies[0], power.PowerSupplies[1]
	if *a.LineInputVoltage != 0 || *b.LineInputVoltage != 230 || a.Status.Health != schemas.CriticalHealth {
		t.Errorf("supplies %v V (%s) and %v V, want the first without input", *a.LineInputVoltage, a.Status.Health, *b.LineInputVoltage)
	}
	systems, err := c.Service.Systems()
	if err != nil || len(systems) != 1 {
		t.Fatalf("systems %v, %v", systems, err)
	}
	if _, err := systems[0].Reset(schemas.ForceOffResetType); err != nil {
		t.Fatalf("switch off: %v", err)
	}
	if got := dial(t, l.address(t, id)); got != "refused" {
		t.Errorf("after switching off by the BMC: %s", got)
	}
	services, err := systems[0].LogServices()
	if err != nil || len(services) != 1 {
		t.Fatalf("log services %v, %v", services, err)
	}
	entries, err := services[0].Entries()
	if err != nil || len(entries) != 1 || entries[0].Message != "System powered off" {
		t.Errorf("log entries %+v, %v; want that it was switched off", entries, err)
	}
}

func TestBMCRefusesWrongCredentials(t *testing.T) {
	l := opened(t, Options{BMCPassword: "another"})
	c, err := bmc(t, l, "m1-0101", true)
	if err != nil {
		t.Fatalf("the service root asks for credentials: %v", err)
	}
	if _, err := c.Service.Systems(); err == nil {
		t.Error("systems are shown to a wrong password")
	}
	if _, err := bmc(t, l, "m1-0101", false); err == nil {
		t.Error("a session is opened by a wrong password")
	}
}

func TestServerBootsBeforeItAccepts(t *testing.T) {
	l := opened(t, Options{BootDelay: time.Hour})
	const id = "m2-0401"
	fault(t, l, id, Fault{Mode: Off})
	if err := l.ClearFault(id); err != nil {
		t.Fatal(err)
	}
	s, err := l.State(id)
	if err != nil || !s.Booting || s.Works {
		t.Errorf("state %+v (%v), want a machine that boots", s, err)
	}
	if got := powerOf(t, l, id); got != schemas.OnPowerState {
		t.Errorf("a booting machine is %s", got)
	}
	if got := dial(t, l.address(t, id)); got != "refused" {
		t.Errorf("a booting machine's port: %s", got)
	}
	// A dead switch doesn't reboot what it cuts off.
	fault(t, l, "msk-r1-k02-sw", Fault{Mode: Down})
	if err := l.ClearFault("msk-r1-k02-sw"); err != nil {
		t.Fatal(err)
	}
	if got := dial(t, l.address(t, "m1-0201")); got != "accepted" {
		t.Errorf("a machine whose switch came back: %s", got)
	}
}

// eventually waits for the condition; it is polled, since nothing tells of it.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func TestFlappingComesAndGoes(t *testing.T) {
	l := shared(t)
	fault(t, l, "m1-0101", Fault{Mode: Flapping, Period: 40 * time.Millisecond})
	addr := l.address(t, "m1-0101")
	for range 2 {
		eventually(t, "a flapping machine refuses", func() bool { return dial(t, addr) == "refused" })
		eventually(t, "a flapping machine accepts", func() bool { return dial(t, addr) == "accepted" })
	}
}

func TestBootEndsByItself(t *testing.T) {
	l := opened(t, Options{BootDelay: 30 * time.Millisecond})
	fault(t, l, "msk-r2-k04-pdu-a", Fault{Mode: Down})
	if err := l.ClearFault("msk-r2-k04-pdu-a"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all machines are back", func() bool { return l.Sites()[0].Down == 0 })
	eventually(t, "the last of them accepts", func() bool { return dial(t, l.address(t, "m2-0424")) == "accepted" })
}

func TestSlowDelaysTheBanner(t *testing.T) {
	l := shared(t)
	fault(t, l, "m1-0101", Fault{Mode: Slow, Delay: time.Hour})
	c, err := net.Dial("tcp", l.address(t, "m1-0101"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !isTimeout(err) {
		t.Errorf("read %d bytes, %v; want silence", n, err)
	}
}

func TestSecondEstateFindsPortsOfItsOwn(t *testing.T) {
	one := opened(t, Options{})
	two := opened(t, Options{BasePort: one.Options().BasePort})
	if one.Options().BasePort == two.Options().BasePort {
		t.Fatalf("both on %d", one.Options().BasePort)
	}
	if got := dial(t, two.address(t, "s2-0640")); got != "accepted" {
		t.Errorf("a machine of the second estate: %s", got)
	}
}

func TestStartSaysWhichAddressIsTaken(t *testing.T) {
	one := opened(t, Options{})
	_, err := Start(context.Background(), one.Inventory(), one.Options())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "127.10.1.1") {
		t.Errorf("error %v, want the taken address", err)
	}
}

func TestFaultsOverHTTP(t *testing.T) {
	l := shared(t)
	srv := httptest.NewServer(l.Handler())
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	tests := []struct {
		method, path, body string
		status             int
		contains           string
	}{
		{"PUT", "/faults/msk-r2-k04-pdu-a", `{"mode":"down"}`, 200, `"works":false`},
		{"GET", "/components/m2-0401", "", 200, `"cause":["msk-r2-k04-pdu-a"]`},
		{"GET", "/components/m2-0425", "", 200, `"works":true`},
		{"GET", "/state", "", 200, `{"site":"msk","servers":720,"up":696,"down":24,"faults":1}`},
		{"PUT", "/faults/m1-0101", `{"mode":"slow","delay":"150ms"}`, 200, `"delay":"150ms"`},
		{"GET", "/faults", "", 200, `"msk-r2-k04-pdu-a":{"mode":"down"`},
		{"DELETE", "/faults/msk-r2-k04-pdu-a", "", 200, `"works":true`},
		{"GET", "/state", "", 200, `"up":720`},
		{"PUT", "/faults/nothing", `{"mode":"down"}`, 404, `not in the estate`},
		{"PUT", "/faults/m1-0101", `{"mode":"melting"}`, 400, `use down, off, silent, flapping or slow`},
		{"PUT", "/faults/m1-0101", `{"mode":"slow","delay":"soon"}`, 400, `delay must be a duration`},
		{"PUT", "/faults/m1-0101", `{"node":"down"}`, 400, `node`},
		{"GET", "/components/nothing", "", 404, `not in the estate`},
	}
	for _, tt := range tests {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, srv.URL+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != tt.status || !strings.Contains(string(body), tt.contains) {
			t.Errorf("%s %s %s: %d %s; want %d with %s", tt.method, tt.path, tt.body, resp.StatusCode, body, tt.status, tt.contains)
		}
	}
}

func TestNothingChangesAfterClose(t *testing.T) {
	l, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.SetFault("m1-0101", Fault{Mode: Down}); err == nil {
		t.Error("a closed estate takes a fault")
	}
	if got := dial(t, l.address(t, "m1-0101")); got != "refused" {
		t.Errorf("a closed estate's machine: %s", got)
	}
}

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		l, err := Open(context.Background(), Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = l.Close()
		b.StartTimer()
	}
}
