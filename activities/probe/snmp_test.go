package probe

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/topology"
)

const v3 = "v3 user=monitor auth=sha256:lab-only-auth priv=aes:lab-only-priv"

// snmpd is net-snmp's agent, which takes v2c and v3, in front of a PDU's numbers.
func snmpd(t *testing.T, lines ...string) string {
	t.Helper()
	path := program(t, "snmpd", "snmpd")
	address, dir := freeUDP(t), t.TempDir()
	config := strings.Join(append([]string{
		"agentAddress udp:" + address,
		"rocommunity lab-community 127.0.0.1",
		"createUser monitor SHA-256 lab-only-auth AES lab-only-priv",
		"rouser monitor priv",
	}, lines...), "\n") + "\n"
	file := filepath.Join(dir, "snmpd.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SNMP_PERSISTENT_DIR", dir)
	t.Setenv("MIBS", "")
	daemon(t, path, "-f", "-Lo", "-C", "-c", file, "-I", "-smux", "-p", filepath.Join(dir, "pid"))
	return address
}

func snmpAgent(kind inventory.Kind, s inventory.SNMP) *inventory.Component {
	return &inventory.Component{ID: "dev", Kind: kind, Probe: inventory.Profile{SNMP: &s}}
}

func TestSwitchPortsAreReadFromARealAgent(t *testing.T) {
	address := snmpd(t)
	for version, secret := range map[string]string{"v2c": "lab-community", "v3": v3} {
		t.Run(version, func(t *testing.T) {
			t.Setenv("VAKHTA_TEST_SNMP", secret)
			a := New(&inventory.Inventory{}, &memory{}, Options{SNMPTimeout: 5 * time.Second})
			c := snmpAgent(inventory.KindSwitch, inventory.SNMP{
				Address: address, Credentials: "env:VAKHTA_TEST_SNMP",
				Ports: map[string]string{"lo": "srv-1", "Gi1/0/7": "srv-2"},
			})
			var got []answer
			until(t, "the agent answers", func() bool {
				got = a.askSNMP(t.Context(), c, []topology.Probe{topology.ProbeSNMP, topology.ProbePort})
				return got[0].result == topology.Up
			})
			if up := find(t, got, topology.ProbePort, "srv-1"); up.result != topology.Up || up.detail != "lo is up" {
				t.Errorf("loopback %+v, want up", up)
			}
			if no := find(t, got, topology.ProbePort, "srv-2"); no.result != topology.Unknown || no.detail != "Gi1/0/7 is not among the device's interfaces" {
				t.Errorf("a port that isn't there: %+v, want unknown", no)
			}
			if got[0].rtt <= 0 || len(got) != 3 {
				t.Errorf("%+v, want the agent's round trip and two ports", got)
			}
		})
	}
}

// A switch in a network namespace of its own, with ports that are up, unplugged and shut.
func TestPortStateIsTheKernels(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root makes network namespaces")
	}
	ip := program(t, "ip", "iproute2")
	ns := fmt.Sprintf("vakhta-test-%d", os.Getpid())
	sh := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(ip, args...).CombinedOutput(); err != nil {
			if args[0] == "netns" && args[1] == "add" {
				t.Skipf("this machine lets nobody make a network namespace: %s", out)
			}
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	sh("netns", "add", ns)
	t.Cleanup(func() { _ = exec.Command(ip, "netns", "del", ns).Run() })
	host, in := fmt.Sprintf("vkt%d", os.Getpid()%100000), "mgmt"
	sh("link", "add", host, "type", "veth", "peer", "name", in, "netns", ns)
	sh("addr", "add", "169.254.77.1/30", "dev", host)
	sh("link", "set", host, "up")
	for _, args := range [][]string{
		{"addr", "add", "169.254.77.2/30", "dev", in},
		{"link", "set", in, "up"},
		{"link", "add", "ge1", "type", "veth", "peer", "name", "cable1"}, // plugged
		{"link", "set", "ge1", "up"},
		{"link", "set", "cable1", "up"},
		{"link", "add", "ge2", "type", "veth", "peer", "name", "cable2"}, // the other end is dead
		{"link", "set", "ge2", "up"},
		{"link", "add", "ge3", "type", "veth", "peer", "name", "cable3"}, // shut
	} {
		sh(append([]string{"-n", ns}, args...)...)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "snmpd.conf")
	if err := os.WriteFile(file, []byte("agentAddress udp:169.254.77.2:161\nrocommunity lab-community\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SNMP_PERSISTENT_DIR", dir)
	t.Setenv("MIBS", "")
	daemon(t, ip, "netns", "exec", ns, program(t, "snmpd", "snmpd"), "-f", "-Lo", "-C", "-c", file, "-I", "-smux", "-p", filepath.Join(dir, "pid"))

	t.Setenv("VAKHTA_TEST_SNMP", "lab-community")
	a := New(&inventory.Inventory{}, &memory{}, Options{SNMPTimeout: 5 * time.Second})
	c := snmpAgent(inventory.KindSwitch, inventory.SNMP{
		Address: "169.254.77.2:161", Credentials: "env:VAKHTA_TEST_SNMP",
		Ports: map[string]string{"ge1": "srv-1", "ge2": "srv-2", "ge3": "srv-3"},
	})
	var got []answer
	until(t, "the agent answers", func() bool {
		got = a.askSNMP(t.Context(), c, []topology.Probe{topology.ProbeSNMP, topology.ProbePort})
		return got[0].result == topology.Up
	})
	for _, want := range []answer{
		{peer: "srv-1", result: topology.Up, detail: "ge1 is up"},
		{peer: "srv-2", result: topology.Down, detail: "ge2 is down"},
		{peer: "srv-3", result: topology.Down, detail: "ge3 is shut down by its configuration"},
	} {
		if p := find(t, got, topology.ProbePort, want.peer); p.result != want.result || p.detail != want.detail {
			t.Errorf("%+v, want %+v", p, want)
		}
	}
}

// apc are the rows of an APC rPDU2, told by a script as pass modules do.
const apc = `#!/bin/sh
# pass: -g OID (get) or -n OID (next) prints OID, type, value
case "$1 $2" in
"-g .1.3.6.1.4.1.318.1.1.26.9.2.3.1.5.7") echo "$2"; echo integer; echo 2 ;;
"-g .1.3.6.1.4.1.318.1.1.26.9.2.3.1.5.8") echo "$2"; echo integer; echo 1 ;;
"-g .1.3.6.1.4.1.318.1.1.26.9.2.3.1.5.9") echo "$2"; echo integer; echo 1 ;;
"-g .1.3.6.1.4.1.318.1.1.26.9.2.3.1.5.10") echo "$2"; echo integer; echo 2 ;;
"-g .1.3.6.1.4.1.318.1.1.26.6.3.1.6.1"|"-n .1.3.6.1.4.1.318.1.1.26.6.3.1.6") echo .1.3.6.1.4.1.318.1.1.26.6.3.1.6.1; echo gauge; echo 231 ;;
"-g .1.3.6.1.4.1.318.1.1.26.6.3.1.6.2"|"-n .1.3.6.1.4.1.318.1.1.26.6.3.1.6.1") echo .1.3.6.1.4.1.318.1.1.26.6.3.1.6.2; echo gauge; echo 0 ;;
esac
`

func TestPDUOutletsAndFeedsAreRead(t *testing.T) {
	script := filepath.Join(t.TempDir(), "apc.sh")
	if err := os.WriteFile(script, []byte(apc), 0o700); err != nil {
		t.Fatal(err)
	}
	address := snmpd(t, "sysobjectid .1.3.6.1.4.1.318.1.3.4.6", "pass .1.3.6.1.4.1.318.1.1.26 /bin/sh "+script)
	t.Setenv("VAKHTA_TEST_SNMP", "lab-community")
	a := New(&inventory.Inventory{}, &memory{}, Options{SNMPTimeout: 5 * time.Second})
	pdu := inventory.SNMP{
		Address: address, Credentials: "env:VAKHTA_TEST_SNMP",
		Outlets: map[string]string{"7": "srv-1", "8": "srv-2", "9": "srv-3", "10": "srv-3", "11": "srv-4"},
		Feeds:   map[string]string{"1": "feed-1", "2": "feed-2"},
	}
	evidence := []topology.Probe{topology.ProbeSNMP, topology.ProbeOutlet, topology.ProbeFeed}
	var got []answer
	until(t, "the PDU answers", func() bool {
		got = a.askSNMP(t.Context(), snmpAgent(inventory.KindPDU, pdu), evidence)
		return got[0].result == topology.Up
	})
	for _, want := range []answer{
		{probe: topology.ProbeOutlet, peer: "srv-1", result: topology.Up, detail: "outlet 7 is on"},
		{probe: topology.ProbeOutlet, peer: "srv-2", result: topology.Down, detail: "outlet 8 is off"},
		{probe: topology.ProbeOutlet, peer: "srv-3", result: topology.Up, detail: "outlet 9 is off, outlet 10 is on"},
		{probe: topology.ProbeOutlet, peer: "srv-4", result: topology.Unknown, detail: "outlet 11 is not in the PDU's table"},
		{probe: topology.ProbeFeed, peer: "feed-1", result: topology.Up, detail: "input 1 is at 231"},
		{probe: topology.ProbeFeed, peer: "feed-2", result: topology.Down, detail: "input 2 is at 0"},
	} {
		a := find(t, got, want.probe, want.peer)
		if a.result != want.result || a.detail != want.detail {
			t.Errorf("%+v, want %+v", a, want)
		}
	}

	pdu.Feeds = nil
	all := find(t, a.askSNMP(t.Context(), snmpAgent(inventory.KindPDU, pdu), evidence), topology.ProbeFeed, "")
	if all.result != topology.Down || all.detail != "input 1 is at 231, input 2 is at 0" {
		t.Errorf("all inputs as one: %+v", all)
	}

	pdu.OutletState = &inventory.Column{OID: "1.3.6.1.4.1.318.1.1.26.9.2.3.1.5", On: []int{1}}
	other := find(t, a.askSNMP(t.Context(), snmpAgent(inventory.KindPDU, pdu), evidence), topology.ProbeOutlet, "srv-1")
	if other.result != topology.Down {
		t.Errorf("%+v, want off as the inventory says", other)
	}
}

func TestAgentThatTellsNothingCostsItsBudgetOnly(t *testing.T) {
	probes := []topology.Probe{topology.ProbeSNMP, topology.ProbePort}
	real := snmpd(t)
	t.Setenv("VAKHTA_TEST_SNMP", "lab-community")
	ask := func(t *testing.T, address string) []answer {
		t.Helper()
		a := New(&inventory.Inventory{}, &memory{}, Options{SNMPTimeout: time.Second})
		c := snmpAgent(inventory.KindSwitch, inventory.SNMP{Address: address, Credentials: "env:VAKHTA_TEST_SNMP", Ports: map[string]string{"lo": "srv"}})
		var got []answer
		soon(t, 3*time.Second, func() { got = a.askSNMP(t.Context(), c, probes) })
		// What is not understood is no silence: there is no observation of it.
		untold := len(got) == 1 && got[0].result == "" && got[0].detail == "the SNMP agent's answer is not understood"
		if !untold && (len(got) != 2 || got[1].result != topology.Unknown || got[1].detail == "") {
			t.Fatalf("%+v, want the port unknown and why", got)
		}
		return got
	}
	until(t, "the agent answers", func() bool {
		g := &gosnmp.GoSNMP{Timeout: time.Second}
		_ = authenticate(g, "lab-community")
		host, port, _ := strings.Cut(real, ":")
		g.Target = host
		_, _ = fmt.Sscan(port, &g.Port)
		if g.Connect() != nil {
			return false
		}
		defer g.Close()
		_, err := g.Get([]string{oidSysObjectID})
		return err == nil
	})
	for name, tt := range map[string]struct {
		address func() string
		secret  string
		result  topology.Result
		detail  string
	}{
		"silent":          {func() string { return silentUDP(t, nil) }, "lab-community", topology.Down, "the SNMP agent does not answer in time"},
		"nobody there":    {func() string { return freeUDP(t) }, "lab-community", topology.Down, "the SNMP agent does not answer: connection refused"},
		"garbage":         {func() string { return silentUDP(t, func([]byte) []byte { return []byte("garbage") }) }, "lab-community", "", ""},
		"an echo":         {func() string { return silentUDP(t, func(b []byte) []byte { return b }) }, "lab-community", "", ""},
		"wrong community": {func() string { return real }, "not-the-community", topology.Down, "the SNMP agent does not answer in time"},
		"unknown user":    {func() string { return real }, "v3 user=nobody auth=sha256:lab-only-auth priv=aes:lab-only-priv", topology.Up, "the SNMP agent refuses our credentials"},
		"wrong secret":    {func() string { return real }, "v3 user=monitor auth=sha256:not-the-secret priv=aes:lab-only-priv", topology.Up, "the SNMP agent refuses our credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("VAKHTA_TEST_SNMP", tt.secret)
			got := ask(t, tt.address())
			if tt.result != "" && (got[0].result != tt.result || got[0].detail != tt.detail) {
				t.Errorf("%+v, want %s: %s", got[0], tt.result, tt.detail)
			}
			if strings.Contains(fmt.Sprint(got), "secret") || strings.Contains(fmt.Sprint(got), "not-the-community") {
				t.Errorf("%+v shows the secret", got)
			}
		})
	}
}

// A switch whose ports are all that is asked of it, and whose credentials we can't read or which has
// no such port, is not silent: an unknown port alone would read as that.
func TestAnAgentIsNotSilentBecauseOfUs(t *testing.T) {
	t.Setenv("VAKHTA_TEST_SNMP", "lab-community")
	address := snmpd(t)
	ask := func(credentials string) []answer {
		a := New(&inventory.Inventory{}, &memory{}, Options{})
		return a.askSNMP(t.Context(), snmpAgent(inventory.KindSwitch, inventory.SNMP{Address: address, Credentials: credentials, Ports: map[string]string{"no-such-port": "srv"}}), []topology.Probe{topology.ProbePort})
	}
	if got := ask("file:/does/not/exist"); len(got) != 1 || got[0].result != "" || got[0].detail != "credentials file:/does/not/exist can't be read" {
		t.Errorf("%+v, want no observation without credentials", got)
	}
	var got []answer
	until(t, "the agent answers", func() bool {
		got = ask("env:VAKHTA_TEST_SNMP")
		return got[0].result == topology.Up
	})
	if got[0].probe != topology.ProbeSNMP || len(got) != 2 || got[1].result != topology.Unknown {
		t.Errorf("%+v, want an agent that answers, and an unknown port", got)
	}
}

func TestCancelledSNMPEndsAtOnce(t *testing.T) {
	t.Setenv("VAKHTA_TEST_SNMP", "lab-community")
	asked := make(chan struct{}, 16)
	address := silentUDP(t, func([]byte) []byte { asked <- struct{}{}; return nil })
	a := New(&inventory.Inventory{}, &memory{}, Options{SNMPTimeout: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	got := a.askSNMP(ctx, snmpAgent(inventory.KindPDU, inventory.SNMP{Address: address, Credentials: "env:VAKHTA_TEST_SNMP"}), []topology.Probe{topology.ProbeSNMP})
	if got[0].result != "" || got[0].detail != "cancelled" {
		t.Errorf("%+v, want no observation, cancelled", got)
	}
}

func TestSNMPCredentialsAreReadOrRefusedWithoutTheSecret(t *testing.T) {
	for secret, want := range map[string]gosnmp.SnmpV3MsgFlags{
		"public":          0,
		"v3 user=monitor": gosnmp.NoAuthNoPriv,
		"V3 user=monitor auth=SHA512:hunter2-hunter2":                           gosnmp.AuthNoPriv,
		"v3 user=monitor auth=sha:hunter2-hunter2\npriv=aes256:hunter2-hunter2": gosnmp.AuthPriv,
		"v3 user=monitor auth=sha1024:hunter2-hunter2":                          99,
		"v3 user=monitor auth=sha:hunter2":                                      99,
		"v3 auth=sha:hunter2-hunter2":                                           99,
		"v3 user=monitor priv=aes:hunter2-hunter2":                              99,
		"v3 user=monitor password=hunter2-hunter2":                              99,
		"hunter2 hunter2": 99,
		"":                99,
	} {
		g := &gosnmp.GoSNMP{}
		err := authenticate(g, secret)
		switch {
		case (err != nil) != (want == 99):
			t.Errorf("%q: error %v", secret, err)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%q: the error shows the secret: %v", secret, err)
		case err == nil && g.MsgFlags&gosnmp.AuthPriv != want:
			t.Errorf("%q: flags %v, want %v", secret, g.MsgFlags, want)
		}
	}
}

func TestLabsDevicesTellWhatPhysicsSays(t *testing.T) {
	l := lab(t, estate.Options{})
	fault(t, l, "m2-0401", estate.Off)
	fault(t, l, "m2-0402", estate.Down) // it hangs: its link is up
	fault(t, l, "msk-r2-k05-pdu-a", estate.Down)
	fault(t, l, "msk-uplink-1", estate.Down)
	var sink memory
	a := New(l.Inventory(), &sink, Options{})
	r, err := run(t.Context(), t, a, a.Sweep, params(
		[]string{"msk-r2-k04-sw", "msk-r2-k04-pdu-a", "msk-r2-k05-pdu-a", "msk-r2-k05-sw"},
		topology.ProbeSNMP, topology.ProbePort, topology.ProbeOutlet, topology.ProbeFeed))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]topology.Result{
		"msk-r2-k04-sw/snmp/msk":                    topology.Up,
		"msk-r2-k04-sw/port/msk/m2-0401":            topology.Down,
		"msk-r2-k04-sw/port/msk/m2-0402":            topology.Up,
		"msk-r2-k04-sw/port/msk/m2-0403":            topology.Up,
		"msk-r2-k04-sw/port/msk/msk-uplink-1":       topology.Down,
		"msk-r2-k04-sw/port/msk/msk-uplink-2":       topology.Up,
		"msk-r2-k04-pdu-a/snmp/msk":                 topology.Up,
		"msk-r2-k04-pdu-a/outlet/msk/m2-0401":       topology.Up,
		"msk-r2-k04-pdu-a/outlet/msk/msk-r2-k04-sw": topology.Up,
		"msk-r2-k04-pdu-a/feed/msk/msk-r2-feed-a":   topology.Up,
		"msk-r2-k05-pdu-a/snmp/msk":                 topology.Down,
		"msk-r2-k05-pdu-a/outlet/msk":               topology.Unknown,
		"msk-r2-k05-pdu-a/feed/msk":                 topology.Unknown,
		"msk-r2-k05-sw/port/msk/m2-0501":            topology.Down, // without power
		"msk-r2-k05-sw/port/msk/m2-0528":            topology.Up,   // on both PDUs
	} {
		if o := sink.rows["s1/1/"+key]; o.Result != want {
			t.Errorf("%s: %q (%s), want %s", key, o.Result, o.Detail, want)
		}
	}
	if r.Up != 3 || !slices.Equal(r.DownIDs, []string{"msk-r2-k05-pdu-a"}) {
		t.Errorf("%+v, want the silent PDU alone down", r)
	}
}
