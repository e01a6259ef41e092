package probe

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// both are what a deciding probe wants of a BMC.
var both = bmcWants{power: true, supplies: true, log: true}

// simulator is OpenIPMI's BMC with two supplies, of which the second lost its input.
type simulator struct{ address, power string }

func ipmiSim(t *testing.T) simulator {
	t.Helper()
	path := program(t, "ipmi_sim", "openipmi")
	dir := t.TempDir()
	s := simulator{address: freeUDP(t), power: filepath.Join(dir, "power")}
	s.turn(t, true)
	host, port, _ := net.SplitHostPort(s.address)
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	chassis := write("chassis.sh", "#!/bin/sh\n[ \"$2 $3\" = 'get power' ] && echo \"power:$(cat "+s.power+")\"\n", 0o700)
	config := write("lan.conf", fmt.Sprintf(`name "bmc"
set_working_mc 0x20
  startlan 1
    addr %s %s
    priv_limit admin
    allowed_auths_user md5
    allowed_auths_admin md5
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "%s 0x20"
  user 2 true "vakhta" "lab-only" admin 10
`, host, port, chassis), 0o600)
	var b strings.Builder
	b.WriteString("mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nsel_enable 0x20 1000 0x0a\n")
	for n := 1; n <= 2; n++ {
		all := strings.Repeat(" 000000001111111", 4)
		fmt.Fprintf(&b, "sensor_add 0x20 0 %d 0x08 0x6f\nsensor_set_event_support 0x20 0 %d enable scanning per-state%s\nsensor_set_bit 0x20 0 %d 0 1 0\n", n, n, all, n)
		fmt.Fprintf(&b, "main_sdr_add 0x20 %s\n", compactSDR(n, fmt.Sprintf("PS%d Status", n)))
	}
	b.WriteString("mc_enable 0x20\nsensor_set_bit 0x20 0 2 3 1 1\n")
	daemon(t, path, "-c", config, "-f", write("commands", b.String(), 0o600), "-s", dir)
	return s
}

// compactSDR is a sensor record of type 2 (IPMI 2.0, 43.2) of a power supply.
func compactSDR(number int, name string) string {
	body := append([]byte{
		0x20, 0, byte(number), 0x0a, byte(number), 0, 0x40, 0x08, 0x6f, 0xff, 0, 0xff, 0, 0x7f, 0, 0xc0, 0, 0, 1, 0,
		0, 0, 0, 0, 0, 0, 0xc0 | byte(len(name)),
	}, name...)
	var out []string
	for _, b := range append([]byte{0, 0, 0x51, 2, byte(len(body))}, body...) {
		out = append(out, fmt.Sprintf("0x%02x", b))
	}
	return strings.Join(out, " ")
}

func (s simulator) turn(t *testing.T, on bool) {
	t.Helper()
	state := "0"
	if on {
		state = "1"
	}
	if err := os.WriteFile(s.power, []byte(state), 0o600); err != nil {
		t.Fatal(err)
	}
}

// powered is a server whose power hangs on the PDUs.
func powered(bmc inventory.BMC, pdus ...string) *inventory.Component {
	return &inventory.Component{
		ID: "srv", Kind: inventory.KindServer, Probe: inventory.Profile{BMC: bmc},
		Needs: []inventory.Group{{Name: "power", Members: pdus}},
	}
}

// find returns the answer to the probe about the peer.
func find(t testing.TB, answers []answer, p topology.Probe, peer string) answer {
	t.Helper()
	for _, a := range answers {
		if a.probe == p && a.peer == peer {
			return a
		}
	}
	t.Fatalf("no %s of %q in %+v", p, peer, answers)
	return answer{}
}

func TestIPMITellsPowerSuppliesAndLog(t *testing.T) {
	sim := ipmiSim(t)
	t.Setenv("VAKHTA_TEST_BMC", "vakhta:lab-only")
	a := New(&inventory.Inventory{}, &memory{}, Options{BMCTimeout: 5 * time.Second})
	c := powered(inventory.BMC{
		IPMI: sim.address, Credentials: "env:VAKHTA_TEST_BMC", Supplies: map[string]string{"PS1": "pdu-a", "PS2": "pdu-b"},
	}, "pdu-a", "pdu-b")
	var got []answer
	until(t, "the BMC answers", func() bool {
		got = a.askBMC(t.Context(), c, both)
		return slices.ContainsFunc(got, func(g answer) bool { return g.probe == topology.ProbePower && g.result != topology.Unknown })
	})
	if p := find(t, got, topology.ProbePower, ""); p.result != topology.Up ||
		p.detail != "chassis power on; log: Power Supply #2: Power Supply input lost (AC/DC) asserted" || p.rtt <= 0 {
		t.Errorf("power %+v, want on with the log's lost input", p)
	}
	if p := find(t, got, topology.ProbePSU, "pdu-a"); p.result != topology.Up || p.detail != "PS1 Status has input" {
		t.Errorf("supply on pdu-a %+v, want one with input", p)
	}
	if p := find(t, got, topology.ProbePSU, "pdu-b"); p.result != topology.Down || p.detail != "PS2 Status has no input" {
		t.Errorf("supply on pdu-b %+v, want one without", p)
	}

	sim.turn(t, false)
	if p := find(t, a.askBMC(t.Context(), c, both), topology.ProbePower, ""); p.result != topology.Down || !strings.HasPrefix(p.detail, "chassis power off") {
		t.Errorf("power %+v, want off", p)
	}

	const secret = "not-the-password"
	t.Setenv("VAKHTA_TEST_BMC", "vakhta:"+secret)
	got = a.askBMC(t.Context(), c, both)
	if p := find(t, got, topology.ProbePSU, ""); p.result != topology.Up || p.detail != "the BMC refuses our credentials" {
		t.Errorf("wrong password: %+v, want that it has input, and why no more", p)
	}
}

func TestIPMIThatTellsNothingCostsItsBudgetOnly(t *testing.T) {
	garbage := func([]byte) []byte {
		b := make([]byte, 60)
		_, _ = rand.Read(b)
		return b
	}
	// An RMCP+ header that is right, so that the rest gets as deep as it can.
	deeper := func(asked []byte) []byte {
		b := append([]byte{}, asked...)
		for i := 16; i < len(b); i++ {
			b[i] ^= 0xa5
		}
		return b
	}
	for name, say := range map[string]func([]byte) []byte{
		"silent": nil, "garbage": garbage, "echo": func(b []byte) []byte { return b }, "deeper garbage": deeper,
		"empty": func([]byte) []byte { return nil }, "one byte": func([]byte) []byte { return []byte{6} },
	} {
		t.Run(name, func(t *testing.T) {
			a := New(&inventory.Inventory{}, &memory{}, Options{BMCTimeout: time.Second})
			c := powered(inventory.BMC{IPMI: silentUDP(t, say)}, "pdu-a")
			var got []answer
			soon(t, 3*time.Second, func() { got = a.askBMC(t.Context(), c, both) })
			for _, p := range got {
				if p.detail == "" {
					t.Errorf("%+v, want why", p)
				}
				// One that refuses the question is there, and has power; else nothing is known.
				if p.result != topology.Unknown && p.detail != "the BMC refuses the question" {
					t.Errorf("%+v, want unknown", p)
				}
			}
			if len(got) != 2 {
				t.Errorf("%d answers, want power and psu", len(got))
			}
		})
	}
}
