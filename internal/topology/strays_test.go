package topology_test

import (
	"slices"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

const eachStray = 12 // so many machines to one that stands in the other site

// fromEachSite is what vantages within the two sites see, each of its own. Of the site moved some
// machines stand in the other one, so that they are asked there, and answer.
func fromEachSite(inv *inventory.Inventory, w *world, moved string) []topology.Observation {
	other := map[string]string{"s0": "s1", "s1": "s0"}
	var out []topology.Observation
	for _, o := range w.look(nil) {
		c, _ := inv.Component(o.Component)
		from := c.Site
		if c.Kind == inventory.KindServer && c.Site == moved && c.Unit%eachStray == 1 {
			from, o.Result = other[c.Site], topology.Up
		}
		o.Vantage = from + "-in"
		out = append(out, o)
		o.At = o.At.Add(time.Minute)
		out = append(out, o)
	}
	return out
}

// What stands in another site answers there, whatever its own site has lost: there may be hundreds
// of such machines, and all together they must not outvote the uplinks' own addresses.
func TestStraysSayNothingOfTheUplinksOfTheSiteThatTheyAreWrittenDownIn(t *testing.T) {
	inv := estate{sites: 2, rooms: 4, racks: 20, servers: 24, single: 6, management: true, clients: 1, within: true}.load(t)
	rows := fromEachSite(inv, newWorld(inv), "s1")
	for i := range rows {
		if rows[i].Component == "s1-up0" || rows[i].Component == "s1-up1" {
			rows[i].Result = topology.Down
		}
	}
	inf := topology.New(inv).Infer(rows)
	if got := named(inf); !slices.Equal(got, []string{"s1-up0", "s1-up1"}) {
		t.Fatalf("named %v, want both uplinks: %s", got, story(&inf))
	}
	for _, f := range inf.Findings {
		if len(f.Explains)+len(f.Contradicts) > 0 {
			t.Errorf("%s explains %d machines and is contradicted by %d that stand elsewhere", f.Component, len(f.Explains), len(f.Contradicts))
		}
	}
}

// The vantage of the site that is left is blind, and the other site is lost with its own: that
// nobody sees the lost one does not make the blind one see.
func TestAVantageThatMissesItsOwnSiteIsBlindForOthersToo(t *testing.T) {
	inv := estate{sites: 2, rooms: 2, racks: 10, servers: 24, single: 6, management: true, clients: 1, within: true}.load(t)
	var rows []topology.Observation
	for _, o := range fromEachSite(inv, newWorld(inv, "s0"), "s0") {
		if o.Vantage == "s0-in" {
			continue // it has lost its power with the site
		}
		outside := o
		outside.Vantage = "outside"
		o.Result = topology.Down // the blind one
		if o.Probe == topology.ProbePower {
			o.Result = topology.Unknown
		} else {
			rows = append(rows, outside)
		}
		rows = append(rows, o)
	}
	for _, o := range newWorld(inv, "s0").look(func(c *inventory.Component) bool { return c.Site == "s0" && c.Unit%eachStray != 1 }) {
		if o.Vantage = "outside"; o.Probe != topology.ProbePower {
			rows = append(rows, o)
		}
	}
	inf := topology.New(inv).Infer(rows)
	if !slices.Equal(inf.Blind, []string{"s1-in"}) {
		t.Errorf("blind are %v, want s1-in", inf.Blind)
	}
	if got := named(inf); !slices.Equal(got, []string{"s0"}) {
		t.Errorf("named %v, want the site that is lost: %s", got, story(&inf))
	}
}

// A site that is lost has taken its own vantage with it: what stands in the other site, and has power,
// does not make the loss one of the uplinks.
func TestStraysSpeakForNoUplinksOfASiteThatIsLost(t *testing.T) {
	inv := estate{sites: 2, rooms: 4, racks: 20, servers: 24, single: 6, clients: 1, within: true}.load(t)
	w := newWorld(inv, "s1")
	var rows []topology.Observation
	for _, o := range fromEachSite(inv, w, "s1") {
		c, _ := inv.Component(o.Component)
		if o.Vantage == "s1-in" {
			continue // it has no power
		}
		if c.Site == "s1" && c.Unit%eachStray == 1 && c.Unit > 1 && o.Probe == topology.ProbeTCP {
			o.Result = topology.Down // hung, as its BMC says that it is on
		}
		rows = append(rows, o)
	}
	for _, o := range w.look(func(c *inventory.Component) bool { return c.Site == "s1" && c.Unit%eachStray != 1 }) {
		if o.Vantage = "outside"; o.Probe != topology.ProbePower {
			rows = append(rows, o)
		}
	}
	inf := topology.New(inv).Infer(rows)
	shared := slices.DeleteFunc(named(inf), func(id string) bool { c, _ := inv.Component(id); return c.Kind == inventory.KindServer })
	if !slices.Equal(shared, []string{"s1"}) {
		t.Errorf("named %v, want the site: %s", shared, story(&inf))
	}
}

// Where one site is dark for all, its own vantage too, and an outside one sees neither, the
// uplinks of the other answer within: the outside one is blind, rather than both sites cut off.
func TestAnOutsideVantageIsBlindThoughASiteIsDarkForAll(t *testing.T) {
	inv := estate{sites: 2, rooms: 2, racks: 10, servers: 24, single: 6, management: true, clients: 1, within: true}.load(t)
	var rows []topology.Observation
	for _, o := range fromEachSite(inv, newWorld(inv, "s0-up0", "s0-up1"), "") {
		rows = append(rows, o)
		if o.Vantage = "outside"; o.Probe == topology.ProbeTCP {
			o.Result = topology.Down
			rows = append(rows, o)
		}
	}
	inf := topology.New(inv).Infer(rows)
	if !slices.Equal(inf.Blind, []string{"outside"}) {
		t.Errorf("blind are %v, want outside", inf.Blind)
	}
	if got := named(inf); !slices.Equal(got, []string{"s0-up0", "s0-up1"}) {
		t.Errorf("named %v, want the uplinks of the dark site: %s", got, story(&inf))
	}
}

// Most of a site is lost, and its own vantage is blind: what the outside one still sees there says so.
func TestAVantageIsBlindThoughMostOfItsSiteIsLost(t *testing.T) {
	inv := estate{sites: 2, rooms: 6, racks: 10, servers: 24, single: 6, management: true, clients: 1, within: true}.load(t)
	broken := []string{"s0-r0", "s0-r1", "s0-r2", "s0-r3", "s0-r4"}
	var rows []topology.Observation
	for _, o := range fromEachSite(inv, newWorld(inv, broken...), "") {
		outside := o
		if outside.Vantage = "outside"; o.Probe == topology.ProbeTCP {
			rows = append(rows, outside)
		}
		if o.Vantage == "s0-in" {
			o.Result = topology.Down
			if o.Probe == topology.ProbePower {
				o.Result = topology.Unknown
			}
		}
		rows = append(rows, o)
	}
	inf := topology.New(inv).Infer(rows)
	if !slices.Equal(inf.Blind, []string{"s0-in"}) {
		t.Errorf("blind are %v, want s0-in", inf.Blind)
	}
	for _, f := range inf.Findings {
		if f.Kind == inventory.KindServer {
			t.Fatalf("machines are named by themselves: %s", story(&inf))
		}
	}
}

// One site is cut off, and of its machines some answer: they stand in the other one. As many of the other's
// stand behind the lost uplinks, and are not down by themselves.
func TestWhatStandsInTheSiteThatIsCutOffIsNotDownByItself(t *testing.T) {
	inv := estate{sites: 2, rooms: 4, racks: 20, servers: 24, single: 6, clients: 1}.load(t)
	rows := newWorld(inv, "s1-up0", "s1-up1").look(nil)
	for i := range rows {
		c, _ := inv.Component(rows[i].Component)
		if c.Kind != inventory.KindServer || c.Unit != 7 {
			if c.Site == "s1" && rows[i].Probe == topology.ProbePower {
				rows[i].Result = topology.Unknown
			}
			continue
		}
		switch lost := c.Site == "s0"; {
		case lost && rows[i].Probe == topology.ProbePower: // it is managed by those uplinks, too
			rows[i].Result = topology.Unknown
		case lost:
			rows[i].Result = topology.Down
		default:
			rows[i].Result = topology.Up
		}
	}
	inf := topology.New(inv).Infer(rows)
	for _, f := range inf.Findings {
		if f.Kind == inventory.KindServer {
			t.Fatalf("%s is named by itself with confidence %f", f.Component, f.Confidence)
		}
	}
}
