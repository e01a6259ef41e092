package topology_test

import (
	"slices"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

func TestInferNamesThePointOfFailure(t *testing.T) {
	e := estate{sites: 2, rooms: 2, racks: 5, servers: 40, single: 24, feeds: true, management: true, clients: 9}
	inv := e.load(t)
	g := topology.New(inv)
	for _, c := range []struct {
		name     string
		broken   []string
		off      []string
		hung     []string
		only     func(*inventory.Component) bool
		want     []string
		explains int
		or       string // what is as good an explanation, and must be in the class
	}{
		{name: "nothing is wrong"},
		{name: "one server is off", off: []string{"srv-000007"}, want: []string{"srv-000007"}, explains: 1},
		{name: "one server hangs", hung: []string{"srv-000030"}, want: []string{"srv-000030"}, explains: 1},
		{name: "PDU with single-corded servers", broken: []string{"s0-r0-k01-pdu-a"}, want: []string{"s0-r0-k01-pdu-a"}, explains: 24},
		{name: "PDU, only servers seen", broken: []string{"s0-r0-k01-pdu-a"}, only: servers, want: []string{"s0-r0-k01-pdu-a"}, explains: 24},
		{name: "switch", broken: []string{"s1-r1-k03-sw"}, want: []string{"s1-r1-k03-sw"}, explains: 40},
		{name: "switch, only servers seen", broken: []string{"s1-r1-k03-sw"}, only: servers, want: []string{"s1-r1-k03-sw"}, explains: 40},
		{name: "rack", broken: []string{"s1-r0-k00"}, want: []string{"s1-r0-k00"}, explains: 40, or: "s1-r0-k00-pdu-b"},
		{name: "room", broken: []string{"s1-r0"}, want: []string{"s1-r0"}, explains: 200},
		{name: "site", broken: []string{"s1"}, want: []string{"s1"}, explains: 400, or: "s1-up1"},
		{name: "both uplinks", broken: []string{"s0-up0", "s0-up1"}, want: []string{"s0-up0", "s0-up1"}, explains: 400},
		{name: "feed", broken: []string{"s0-r1-feed-a"}, want: []string{"s0-r1-feed-a"}, explains: 120},
		{name: "both feeds look like the room, which is likelier", broken: []string{"s0-r1-feed-a", "s0-r1-feed-b"}, want: []string{"s0-r1"}, explains: 200, or: "s0-r1-feed-a"},
		{name: "a PDU and a server elsewhere", broken: []string{"s0-r0-k01-pdu-a"}, off: []string{"srv-000700"}, want: []string{"s0-r0-k01-pdu-a", "srv-000700"}},
		{name: "two faults at two sites", broken: []string{"s0-r0-k01-sw", "s1-r1-k02-pdu-a"}, want: []string{"s0-r0-k01-sw", "s1-r1-k02-pdu-a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(inv, c.broken...)
			for _, id := range c.off {
				w.off[id] = true
			}
			for _, id := range c.hung {
				w.hung[id] = true
			}
			obs := w.look(c.only)
			for _, o := range obs { // what is down is looked at twice
				o.At = o.At.Add(time.Minute)
				obs = append(obs, o)
			}
			inf := g.Infer(obs)
			if got := named(inf); !slices.Equal(got, c.want) {
				t.Errorf("findings %v, want %v", got, c.want)
			}
			if len(inf.Unexplained) > 0 {
				t.Errorf("unexplained %v", inf.Unexplained)
			}
			for _, f := range inf.Findings {
				if f.Confidence < .5 || len(f.Evidence) == 0 {
					t.Errorf("%s has confidence %f and evidence %v", f.Component, f.Confidence, f.Evidence)
				}
				if want := len(c.off) > 0 && f.Kind == inventory.KindServer; f.PowerOff != want {
					t.Errorf("%s: power off %t, want %t", f.Component, f.PowerOff, want)
				}
				if c.or != "" && !slices.Contains(f.AmbiguousWith, c.or) {
					t.Errorf("%s is ambiguous with %v, not with %s", f.Component, f.AmbiguousWith, c.or)
				}
				if c.explains > 0 && len(f.Explains) != c.explains {
					t.Errorf("%s explains %d servers, want %d", f.Component, len(f.Explains), c.explains)
				}
			}
		})
	}
}

func evidence(f topology.Finding) []string {
	var out []string
	for _, e := range f.Evidence {
		out = append(out, e.Text)
	}
	return out
}

func TestFindingSaysItsEvidence(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 3, servers: 40, single: 24, management: true, clients: 9}.load(t)
	g := topology.New(inv)
	pdu := g.Infer(newWorld(inv, "s0-r0-k01-pdu-a").look(nil)).Findings[0]
	if want := []string{
		"management address of s0-r0-k01-pdu-a does not answer",
		"24 of 24 servers fed only by s0-r0-k01-pdu-a do not answer",
		"BMCs of 24 of these do not answer",
		"16 servers in the same rack with a second feed answer",
	}; !slices.Equal(evidence(pdu), want) {
		t.Errorf("evidence %q, want %q", evidence(pdu), want)
	}
	w := newWorld(inv)
	w.off["srv-000007"] = true
	obs := w.look(servers)
	for i := range obs {
		if obs[i].Component == "srv-000007" && obs[i].Probe == topology.ProbeTCP {
			obs[i].Detail = "dial tcp 10.0.0.7:22: connect: connection refused"
		}
	}
	off := g.Infer(obs).Findings[0]
	if want := []string{
		"BMC says PowerState Off",
		"does not accept TCP connections (connection refused)",
		"39 other servers beside it, behind the same equipment, answer",
	}; !slices.Equal(evidence(off), want) {
		t.Errorf("evidence %q, want %q", evidence(off), want)
	}
}

func TestDescribeReadsAsOneSentence(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 2, servers: 4, clients: 1}.load(t)
	for _, c := range []struct {
		f      topology.Finding
		ru, en string
	}{
		{
			topology.Finding{Component: "srv-000001", Kind: inventory.KindServer, Confidence: .988, PowerOff: true, Explains: []string{"srv-000001"}},
			"Сервер srv-000001 (s0, зал 0, стойка K00, юнит 2) выключен; почти наверняка (99 %).",
			"Server srv-000001 (s0, room 0, rack K00, unit 2) is switched off; almost certain (99%).",
		},
		{
			topology.Finding{Component: "s0-r0-k00-pdu-a", Kind: inventory.KindPDU, Confidence: .7, Explains: []string{"a", "b"}, AmbiguousWith: []string{"s0-r0-k00-sw"}},
			"Отказ: PDU s0-r0-k00-pdu-a (s0, зал 0, стойка K00); из-за него лежат 2 сервера; вероятно (70 %), возможно также: s0-r0-k00-sw.",
			"PDU s0-r0-k00-pdu-a (s0, room 0, rack K00) has failed; 2 servers are down because of it; likely (70%), it may also be s0-r0-k00-sw.",
		},
		{
			topology.Finding{Component: "s0-r0", Kind: inventory.KindRoom, Confidence: 1, Explains: make([]string, 21)},
			"s0, зал 0: не работает целиком; из-за него лежит 21 сервер; почти наверняка (99 %).",
			"s0, room 0 is down as a whole; 21 servers are down because of it; almost certain (99%).",
		},
	} {
		if got := topology.Describe(inv, c.f, inventory.Russian); got != c.ru {
			t.Errorf("ru %q, want %q", got, c.ru)
		}
		if got := topology.Describe(inv, c.f, inventory.English); got != c.en {
			t.Errorf("en %q, want %q", got, c.en)
		}
	}
}
