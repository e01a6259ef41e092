package estate

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"vakhta/internal/inventory"
)

func loaded(t *testing.T, o Options) *inventory.Inventory {
	t.Helper()
	inv, err := inventory.Load(Generate(o))
	if err != nil {
		t.Fatalf("load the generated estate: %v", err)
	}
	return inv
}

func TestEstateHasTheShapeThatTheDemoPromises(t *testing.T) {
	for _, seed := range []int64{0, 1, 42} {
		inv := loaded(t, Options{Seed: seed})
		kinds := map[inventory.Kind]int{}
		for _, c := range inv.Components() {
			kinds[c.Kind]++
		}
		want := map[inventory.Kind]int{
			inventory.KindSite: 2, inventory.KindRoom: 5, inventory.KindRack: 30, inventory.KindFeed: 10,
			inventory.KindPDU: 60, inventory.KindSwitch: 30, inventory.KindUplink: 3, inventory.KindServer: 1200,
		}
		if !maps.Equal(kinds, want) {
			t.Errorf("seed %d: components %v, want %v", seed, kinds, want)
		}
		for site, n := range map[string]int{"msk": 720, "spb": 480} {
			if got := len(inv.ServersAt(site)); got != n {
				t.Errorf("seed %d: %d servers at %s, want %d", seed, got, site, n)
			}
		}
		owned := map[string]int{}
		for _, id := range inv.ServersOf(Romashka) {
			c, _ := inv.Component(id)
			owned[c.Site]++
		}
		if owned["msk"] != 300 || owned["spb"] != 200 {
			t.Errorf("seed %d: romashka owns %v, want 300 and 200", seed, owned)
		}
		if got := len(inv.Clients()); got != 40 {
			t.Errorf("seed %d: %d clients, want 40", seed, got)
		}
		for _, c := range inv.Clients() {
			if len(inv.ServersOf(c.ID)) == 0 {
				t.Errorf("seed %d: client %s owns nothing", seed, c.ID)
			}
		}
	}
}

func TestDesignatedPDUFeedsTwentyFourServersOfNineClients(t *testing.T) {
	for _, seed := range []int64{0, 1, 42} {
		inv := loaded(t, Options{Seed: seed})
		pdu, err := Scenario("pdu")
		if err != nil {
			t.Fatal(err)
		}
		clients := map[string]int{}
		servers := 0
		for _, id := range inv.Servers() {
			c, _ := inv.Component(id)
			for _, g := range c.Needs {
				if g.Name == "power" && slices.Equal(g.Members, []string{pdu}) {
					servers++
					clients[c.Client]++
				}
			}
		}
		if servers != 24 || len(clients) != 9 || clients[Romashka] == 0 {
			t.Errorf("seed %d: %s alone feeds %d servers of %v, want 24 of 9 clients with romashka", seed, pdu, servers, clients)
		}
	}
}

func TestEveryScenarioNamesAComponent(t *testing.T) {
	inv := loaded(t, Options{})
	for _, name := range Scenarios {
		id, err := Scenario(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c, ok := inv.Component(id)
		if !ok {
			t.Errorf("%s: %q is not in the inventory", name, id)
			continue
		}
		if string(c.Kind) != name {
			t.Errorf("%s: %s is a %s", name, id, c.Kind)
		}
		if name == "server" && c.Client != Romashka {
			t.Errorf("%s: %s belongs to %s", name, id, c.Client)
		}
	}
	if _, err := Scenario("meteor"); err == nil {
		t.Error("an unknown scenario is accepted")
	}
}

func TestSameSeedSameBytesAndAnotherSeedAnotherEstate(t *testing.T) {
	one, again, other := Generate(Options{Seed: 7}), Generate(Options{Seed: 7}), Generate(Options{Seed: 8})
	if !bytes.Equal(one.Data, again.Data) {
		t.Error("the same seed gave two inventories")
	}
	if bytes.Equal(one.Data, other.Data) {
		t.Error("two seeds gave the same inventory")
	}
}

func TestPhoneNumbersAreValid(t *testing.T) {
	inv := loaded(t, Options{})
	check := func(k inventory.Contact) {
		for _, ch := range []inventory.Channel{inventory.SMS, inventory.Call} {
			number := k.Addresses[ch]
			if number == "" {
				continue
			}
			n, err := phonenumbers.Parse(number, "")
			if err != nil || !phonenumbers.IsValidNumber(n) {
				t.Errorf("%s of %s is not a valid number (%v)", ch, k.ID, err)
			}
		}
	}
	for _, c := range inv.Clients() {
		for _, k := range c.Contacts {
			check(k)
		}
	}
	for _, team := range inv.Teams() {
		if len(team.Members) != 3 || len(team.Levels) != 2 {
			t.Errorf("team %s has %d members and %d levels, want 3 and 2", team.ID, len(team.Members), len(team.Levels))
		}
		for _, k := range team.Members {
			check(k)
		}
	}
}

func TestAcknowledgementTimeIsAnOption(t *testing.T) {
	inv := loaded(t, Options{AckWithin: 7e9})
	team, _ := inv.Team("emergency")
	if got := team.Levels[0].AckWithinSeconds; got != 7 {
		t.Errorf("first level waits %d s, want 7", got)
	}
}
