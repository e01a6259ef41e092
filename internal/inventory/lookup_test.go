package inventory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"vakhta/internal/inventory"
)

func TestDocumentsMergeInAnyOrder(t *testing.T) {
	people, things, ok := strings.Cut(small, "clients:")
	if !ok {
		t.Fatal("no clients")
	}
	things = "version: 1\nclients:" + things
	a, b := load(t, people, things), load(t, things, people)
	if a.Revision() != b.Revision() || len(a.Revision()) != 64 {
		t.Errorf("revisions %s and %s, want the same", a.Revision(), b.Revision())
	}
	if a.Revision() == load(t, small).Revision() {
		t.Error("other documents have the same revision")
	}
	if got := b.ServersOf("acme"); !slices.Equal(got, []string{"srv-0001"}) {
		t.Errorf("servers %v", got)
	}
}

func TestComponentsKnowTheirPlaceAndLocationGroup(t *testing.T) {
	inv := load(t, small)
	c, ok := inv.Component("srv-0001")
	if !ok || c.Site != "msk" || c.Room != "msk-r1" || c.Rack != "msk-r1-k01" {
		t.Errorf("component %+v", c)
	}
	var names []string
	for _, g := range c.Needs {
		names = append(names, g.Name+":"+strings.Join(g.Members, "+"))
	}
	if want := []string{"location:msk-r1-k01", "network:sw-1", "power:pdu-a+pdu-b"}; !slices.Equal(names, want) {
		t.Errorf("needs %v, want %v", names, want)
	}
	if got := inv.ServersAt("msk"); !slices.Equal(got, []string{"srv-0001"}) {
		t.Errorf("servers at msk %v", got)
	}
	if site, ok := inv.Component("msk"); !ok || site.Kind != inventory.KindSite || site.Site != "msk" {
		t.Errorf("site %+v", site)
	}
	if s, ok := inv.Site("msk"); !ok || !slices.Equal(s.Vantages, []string{"msk"}) {
		t.Errorf("site %+v", s)
	}
}

// Most of a large estate are machines that need what their neighbours need.
func TestWhatSeveralNeedIsKeptOnce(t *testing.T) {
	inv := load(t, strings.Replace(small, "clients:\n", `  - {id: srv-0002, kind: server, in: msk-r1-k01, client: acme, needs: {network: [sw-1], power: [pdu-a, pdu-b]}}
  - {id: srv-0003, kind: server, in: msk-r1-k01, client: acme, needs: {network: [sw-1], power: [pdu-b, pdu-a]}}
  - {id: srv-0004, kind: server, in: msk-r1, client: acme, needs: {network: [sw-1], power: [pdu-a, pdu-b]}}
clients:
`, 1))
	needs := func(id string) *inventory.Group {
		c, _ := inv.Component(id)
		return &c.Needs[0]
	}
	if needs("srv-0001") != needs("srv-0002") {
		t.Error("two servers of a rack that need the same keep it twice")
	}
	if needs("srv-0001") == needs("srv-0003") || needs("srv-0001") == needs("srv-0004") {
		t.Error("a server has what another one needs")
	}
}

func TestContactsInheritAndAreFoundByAddress(t *testing.T) {
	inv := load(t, small)
	c, ok := inv.Contact("acme-duty")
	if !ok || c.Client != "acme" || c.Language != "ru" || c.TimeZone != "Europe/Moscow" {
		t.Errorf("contact %+v", c)
	}
	if m, ok := inv.Contact("ivan"); !ok || m.Client != "" {
		t.Errorf("member %+v", m)
	}
	for _, q := range []struct {
		channel inventory.Channel
		address string
		want    string
	}{
		{inventory.SMS, "+7 900 123-45-67", "acme-duty"},
		{inventory.Call, "+79001234568", "ivan"},
		{inventory.Email, "duty@acme.EXAMPLE", "acme-duty"},
		{inventory.Telegram, "1001", "acme-duty"},
		{inventory.Telegram, "1002", ""},
		{inventory.Email, "not an address", ""},
		{"pigeon", "1001", ""},
	} {
		got := ""
		if c, ok := inv.ContactByAddress(q.channel, q.address); ok {
			got = c.ID
		}
		if got != q.want {
			t.Errorf("by %s: %q, want %q", q.channel, got, q.want)
		}
	}
}

func TestAddressSharedByTwoClientsNamesNobody(t *testing.T) {
	inv := load(t, small, `version: 1
clients:
  - {id: other, language: en, timezone: UTC, contacts: [{id: other-duty, addresses: {telegram: "1001", email: a@b.example}}]}
`)
	if c, ok := inv.ContactByAddress(inventory.Telegram, "1001"); ok {
		t.Errorf("found %s, want nobody", c.ID)
	}
	if _, ok := inv.ContactByAddress(inventory.Email, "a@b.example"); !ok {
		t.Error("the address that is not shared is not found")
	}
}

func TestAddressSharedByThreeClientsNamesNobody(t *testing.T) {
	inv := load(t, small, `version: 1
clients:
  - {id: other, language: en, timezone: UTC, contacts: [{id: other-duty, addresses: {telegram: "1001"}}]}
  - {id: third, language: en, timezone: UTC, contacts: [{id: third-duty, addresses: {telegram: "1001"}}]}
`)
	if c, ok := inv.ContactByAddress(inventory.Telegram, "1001"); ok {
		t.Errorf("found %s, want nobody", c.ID)
	}
}

func TestComponentByAddress(t *testing.T) {
	inv := load(t, small)
	for ip, want := range map[string]string{"127.10.1.1": "srv-0001", "::ffff:127.10.1.1": "srv-0001", "127.10.1.2": "", "x": ""} {
		got := ""
		if c, ok := inv.ComponentByAddress(ip); ok {
			got = c.ID
		}
		if got != want {
			t.Errorf("%s is %q, want %q", ip, got, want)
		}
	}
}

func ExampleLoad() {
	inv, err := inventory.Load(inventory.Document{Name: "inventory.yaml", Data: []byte(`version: 1
sites:
  - {id: msk, name: {ru: Москва, en: Moscow}, timezone: Europe/Moscow}
components:
  - {id: msk-r1, kind: room, in: msk}
  - {id: msk-r1-k01, kind: rack, in: msk-r1}
  - {id: srv-1, kind: server, in: msk-r1-k01, unit: 12, client: acme}
clients:
  - {id: acme, language: ru, timezone: Europe/Moscow, contacts: [{id: duty, addresses: {telegram: 1001}}]}
`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(inv.ServersOf("acme"))
	fmt.Println(inv.Place("srv-1", inventory.Russian))
	// Output:
	// [srv-1]
	// Москва, зал 1, стойка K01, юнит 12
}

// manyServers is an inventory of n servers, 40 to a rack, of clients with five or six each.
func manyServers(n int) []byte {
	var b strings.Builder
	b.WriteString("version: 1\nsites: [{id: msk, timezone: Europe/Moscow}]\ncomponents:\n  - {id: r1, kind: room, in: msk}\n")
	for i := range n {
		if i%40 == 0 {
			fmt.Fprintf(&b, "  - {id: k%05d, kind: rack, in: r1}\n  - {id: k%05d-a, kind: pdu, in: k%05d}\n  - {id: k%05d-b, kind: pdu, in: k%05d}\n  - {id: k%05d-sw, kind: switch, in: k%05d, needs: {power: [k%05d-a, k%05d-b]}}\n",
				i/40, i/40, i/40, i/40, i/40, i/40, i/40, i/40, i/40)
		}
		fmt.Fprintf(&b, "  - {id: srv-%06d, kind: server, in: k%05d, unit: %d, client: c%05d, label: A-%d, needs: {power: [k%05d-a, k%05d-b], network: [k%05d-sw]}, probe: {address: 10.%d.%d.%d, tcp: [22], bmc: {url: \"http://10.1.1.1:10443\", credentials: \"env:LAB_BMC\"}}}\n",
			i, i/40, i%40+1, i*18/100, i, i/40, i/40, i/40, i>>16, i>>8&255, i&255)
	}
	b.WriteString("clients:\n")
	for c := range (n-1)*18/100 + 1 {
		fmt.Fprintf(&b, "  - {id: c%05d, language: ru, timezone: Europe/Moscow, contacts: [{id: c%05d-duty, addresses: {telegram: %d, sms: \"+79%09d\"}}]}\n", c, c, c+1, c)
	}
	return []byte(b.String())
}

func BenchmarkLoad100k(b *testing.B) {
	data := manyServers(100_000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := inventory.Load(inventory.Document{Name: "large", Data: data}); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("version: 1\ncomponents: [{id: a, kind: server, in: a, needs: {x: [a]}}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("version: 1\nsites: [1, {id: []}, {id: x, timezone: UTC, name: {ru: {}}}]\n---\nversion: 1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		inv, err := inventory.Load(inventory.Document{Name: "fuzz", Data: data})
		if err != nil {
			_ = err.Error()
			return
		}
		for _, c := range inv.Components() {
			_ = inv.Place(c.ID, inventory.Russian)
			if c.Site == "" {
				t.Errorf("component %s is at no site", c.ID)
			}
		}
	})
}
