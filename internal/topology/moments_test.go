package topology_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// shots are looks at all that has a port, step apart; gone is the look from which on a component is silent.
func shots(inv *inventory.Inventory, looks int, step time.Duration, gone map[string]int) []topology.Observation {
	var out []topology.Observation
	for k := range looks {
		for _, c := range inv.Components() {
			if len(c.Probe.TCP) == 0 {
				continue
			}
			o := topology.Observation{Component: c.ID, Probe: topology.ProbeTCP, Vantage: "v", At: noon.Add(time.Duration(k) * step), Result: topology.Up}
			if from, down := gone[c.ID]; down && k >= from {
				o.Result = topology.Down
			}
			out = append(out, o)
		}
	}
	return out
}

func smallRoom(t *testing.T) *inventory.Inventory {
	t.Helper()
	return estate{sites: 1, rooms: 1, racks: 4, servers: 3, single: 3, management: true, clients: 1}.load(t)
}

// three are the machines of a rack, by its number, and the looks at which they go; 0: they stay.
func three(t *testing.T, inv *inventory.Inventory, rack int, looks ...int) map[string]int {
	t.Helper()
	gone := map[string]int{}
	ids := serversIn(inv, fmt.Sprintf("s0-r0-k%02d", rack))
	if len(ids) != len(looks) {
		t.Fatalf("%v stand in rack %d", ids, rack)
	}
	for i, id := range ids {
		if looks[i] > 0 {
			gone[id] = looks[i]
		}
	}
	return gone
}

func sifted(inv *inventory.Inventory, rows, before []topology.Observation) topology.Inference {
	g := topology.New(inv)
	s := g.Sift(rows, before)
	return g.InferSifted(&s)
}

// What a PDU or a switch takes goes at one look. Machines that go at three are no whole failure of what they share,
// which answers all the time.
func TestMachinesThatGoAtThreeLooksAreNoWholeFailure(t *testing.T) {
	inv := smallRoom(t)
	for _, tt := range []struct {
		name  string
		looks []int
		whole bool
	}{{"at one look", []int{3, 3, 3}, true}, {"one missed a probe just before", []int{3, 3, 2}, true}, {"at three looks", []int{2, 3, 4}, false}} {
		inf := sifted(inv, shots(inv, 8, time.Minute, three(t, inv, 1, tt.looks...)), nil)
		whole := slices.ContainsFunc(inf.Findings, func(f topology.Finding) bool { return f.Kind != inventory.KindServer })
		if whole != tt.whole {
			t.Errorf("%s: %s", tt.name, story(&inf))
		}
	}
}

// Where next to all machines of a small room go one after another, those of a rack that went at two looks only,
// while its switch and PDU answer, went by the heat as well.
func TestASmallRoomThatHeatsIsOneFinding(t *testing.T) {
	inv := smallRoom(t)
	for _, tt := range []struct {
		name  string
		looks [4][]int
		off   bool // their BMCs say so
	}{
		{"all of a rack at three looks", [4][]int{{0, 5, 6}, {4, 5, 0}, {4, 2, 6}, {5, 0, 6}}, false},
		{"all of a rack at two", [4][]int{{5, 0, 0}, {4, 5, 0}, {0, 2, 6}, {6, 6, 4}}, false},
		{"switched off", [4][]int{{4, 5, 0}, {5, 6, 3}, {6, 6, 0}, {0, 0, 0}}, true},
	} {
		gone := map[string]int{}
		for rack, at := range tt.looks {
			for id, k := range three(t, inv, rack, at...) {
				gone[id] = k
			}
		}
		rows := shots(inv, 8, time.Minute, gone)
		for _, o := range slices.Clone(rows) {
			if c, _ := inv.Component(o.Component); tt.off && isServer(c) {
				o.Probe = topology.ProbePower
				rows = append(rows, o)
			}
		}
		inf := sifted(inv, rows, nil)
		if len(inf.Findings) != 1 || inf.Findings[0].Component != "s0-r0" || inf.Findings[0].Mode != topology.Heating || len(inf.Findings[0].Explains) != len(gone) {
			t.Errorf("%s: want the room alone, heating: %s", tt.name, story(&inf))
		}
	}
}

// A vantage that asks a few of the machines, and tells of no less than the one that asks all, hides nothing.
func TestHeatIsSeenThoughAnotherVantageAsksFew(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 10, servers: 12, single: 12, management: true, clients: 1}.load(t)
	gone := map[string]int{}
	for i, id := range inv.Servers() {
		if i%2 == 0 {
			gone[id] = 1 + i/2%5
		}
	}
	rows := shots(inv, 7, time.Minute, gone)
	for _, o := range slices.Clone(rows) {
		if c, _ := inv.Component(o.Component); isServer(c) && inOrder(t, c.ID)%12 == 4 {
			o.Vantage, o.At = "w", o.At.Add(5*time.Second+o.At.Sub(noon)/50) // its looks are further apart
			rows = append(rows, o)
		}
	}
	inf := sifted(inv, rows, nil)
	if len(inf.Findings) != 1 || inf.Findings[0].Component != "s0-r0" || inf.Findings[0].Mode != topology.Heating {
		t.Errorf("want the room heating: %s", story(&inf))
	}
}

// A machine that was silent while what is lost now still worked is not lost with it, wherever it may stand.
func TestAMachineThatWasSilentBeforeIsNotOfWhatIsLostNow(t *testing.T) {
	inv := estate{sites: 2, rooms: 1, racks: 2, servers: 30, clients: 1}.load(t)
	const id = "srv-000007" // in the first rack of the first site
	for _, tt := range []struct {
		name  string
		since int
		named bool
	}{{"since the first look", 0, true}, {"since the others went", 4, false}} {
		gone := map[string]int{id: tt.since}
		for _, lost := range serversIn(inv, "s1-r0") {
			gone[lost] = 4
		}
		before := shots(inv, 1, 0, nil)
		for i := range before {
			before[i].At = before[i].At.Add(-24 * time.Hour)
		}
		inf := sifted(inv, shots(inv, 6, time.Minute, gone), before)
		if slices.Contains(named(inf), id) != tt.named {
			t.Errorf("%s: %s", tt.name, story(&inf))
		}
	}
}

// What fails as a whole takes what went one by one before it, too.
func TestAWholeFailureMayFindManyMachinesGoneAlready(t *testing.T) {
	inv := estate{sites: 2, rooms: 1, racks: 2, servers: 18, management: true, clients: 1}.load(t)
	gone := map[string]int{"s0-up0": 7, "s0-up1": 7}
	for i, id := range serversIn(inv, "s0-r0-k00") {
		gone[id] = 1 + i/3
	}
	for _, id := range serversIn(inv, "s0-r0-k01") {
		gone[id] = 7
	}
	for _, c := range inv.Components() {
		if c.Site == "s0" && c.Kind != inventory.KindServer {
			gone[c.ID] = 7
		}
	}
	inf := sifted(inv, shots(inv, 9, time.Minute, gone), nil)
	if got := named(inf); !slices.Contains(got, "s0-up0") && !slices.Contains(got, "s0") {
		t.Errorf("named %v, want s0 or its uplinks: %s", got, story(&inf))
	}
}

// hot is when nine of ten machines of a place go, at eight looks.
func hot(inv *inventory.Inventory, place string) map[string]int {
	gone := map[string]int{}
	for i, id := range inv.Servers() {
		if machines(place)(id) && !strings.HasSuffix(id, "-m9") {
			gone[id] = 1 + i%8
		}
	}
	return gone
}

// A room that goes dark and one beside it that heats are not the uplinks: these would have left none of those that
// answered for long after the first room had gone.
func TestADarkRoomBesideOneThatHeatsIsNoLossOfUplinks(t *testing.T) {
	inv := spared(t, 4, 2, 2)
	gone := hot(inv, "s-r2")
	var rows []topology.Observation
	for k := range 10 {
		up := func(id string) bool {
			at, goes := gone[id]
			return !machines("s-r1")(id) && !(goes && at <= k)
		}
		asked := func(id string) bool { return machines("s")(id) || strings.HasPrefix(id, "s-up") }
		rows = slices.Concat(rows, pings(inv, "out", minute(5*k), asked, up), pings(inv, "out", minute(5*k), machines("z"), all))
	}
	before := pings(inv, "out", noon.Add(-2*time.Hour), machines("s"), all)
	inf := topology.New(inv).InferAfter(rows, before)
	if got := namesOf(&inf); !slices.Equal(got, []string{"s-r1 ", "s-r2 heating"}) {
		t.Errorf("named %v: %s", got, story(&inf))
	}
}

// Uplinks that are lost, as those outside see at every look, stay lost while their site's own vantage sees a room heat.
func TestARoomThatHeatsBehindLostUplinksHidesThemNot(t *testing.T) {
	inv := spared(t, 4, 1, 1)
	gone := hot(inv, "s")
	before := slices.Concat(pings(inv, "out", noon.Add(-2*time.Hour), machines("s"), all), pings(inv, "s-in", noon.Add(-2*time.Hour), machines("s"), all))
	var rows []topology.Observation
	for k := range 10 {
		up := func(id string) bool { at, goes := gone[id]; return !goes || k < at }
		rows = slices.Concat(rows, pings(inv, "s-in", minute(5*k), machines("s"), up), pings(inv, "out", minute(5*k), machines("s"), none),
			pings(inv, "out", minute(5*k), machines("z"), all))
	}
	inf := topology.New(inv).InferAfter(rows, before)
	if got := namesOf(&inf); !slices.Equal(got, []string{"s-r1 heating", "s-r2 heating", "s-up1 "}) {
		t.Errorf("named %v: %s", got, story(&inf))
	}
}
