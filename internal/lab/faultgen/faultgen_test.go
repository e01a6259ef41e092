package faultgen

import (
	"reflect"
	"testing"
)

func small(t *testing.T) *Estate {
	t.Helper()
	e, err := Build(800, 7)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestASeedGivesTheSameNight(t *testing.T) {
	a, b := small(t).Case(3, 4, NoiseA), small(t).Case(3, 4, NoiseA)
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed gave two nights")
	}
	if reflect.DeepEqual(a.Rows, small(t).Case(4, 4, NoiseA).Rows) {
		t.Error("two seeds gave the same rows")
	}
}

func TestEveryFaultIsSeenByAPerfectSweep(t *testing.T) {
	e := small(t)
	for seed := range uint64(60) {
		faulty := e.Case(seed, 1, Noise{})
		down := 0
		for _, r := range faulty.Rows {
			if r.Result != "up" {
				down++
			}
		}
		whole := 0
		for _, r := range e.Case(seed, 0, Noise{}).Rows {
			if r.Result != "up" {
				whole++
			}
		}
		if whole != 0 {
			t.Fatalf("seed %d: %d probes fail though nothing is wrong", seed, whole)
		}
		if down == 0 {
			t.Errorf("seed %d: %s, and nothing is down", seed, &faulty)
		}
	}
}

func TestBrokenThingsTakeDownWhatHangsOnThem(t *testing.T) {
	e := small(t)
	k := &e.racks[0]
	for _, tt := range []struct {
		name   string
		broken []string
		server func(*server) bool // down in rack 0
	}{
		{"rack", []string{k.id}, func(*server) bool { return true }},
		{"switch", []string{k.tor}, func(*server) bool { return true }},
		{"PDU A", k.pdus[:1], func(s *server) bool { return k.torSides == sideA || s.sides == sideA }},
		{"both PDUs", k.pdus[:], func(*server) bool { return true }},
		{"one of two aggregation switches", []string{e.rooms[k.room].aggs[0]}, func(*server) bool { return false }},
		{"both", e.rooms[k.room].aggs[:], func(*server) bool { return true }},
		{"feed B", []string{e.rooms[k.room].feeds[1]}, func(s *server) bool { return s.sides == sideB }},
	} {
		w := &world{e: e, broken: map[string]bool{}, own: make([]ownFault, len(e.servers)), stands: make([]int, len(e.servers))}
		for _, id := range tt.broken {
			w.broken[id] = true
		}
		p := w.lay()
		for _, n := range k.servers {
			s := &e.servers[n]
			if got := !(w.fed(p, n) && p.tor[0]); s.host < 0 && got != tt.server(s) {
				t.Errorf("%s: %s down %t, want %t", tt.name, s.id, got, tt.server(s))
			}
		}
	}
}
