package inventory_test

import (
	"testing"

	"vakhta/internal/inventory"
)

const small = `version: 1
sites:
  - {id: msk, name: {ru: Москва, en: Moscow}, timezone: Europe/Moscow, vantages: [msk]}
components:
  - {id: msk-r1, kind: room, in: msk}
  - {id: msk-r1-k01, kind: rack, in: msk-r1}
  - {id: pdu-a, kind: pdu, in: msk-r1-k01}
  - {id: pdu-b, kind: pdu, in: msk-r1-k01}
  - {id: sw-1, kind: switch, in: msk-r1-k01, needs: {power: [pdu-a, pdu-b]}}
  - {id: srv-0001, kind: server, in: msk-r1-k01, unit: 12, client: acme, label: "A-17", needs: {power: [pdu-a, pdu-b], network: [sw-1]}, probe: {address: 127.10.1.1, tcp: [10022], icmp: false, bmc: {url: "http://127.10.1.1:10443", credentials: "env:LAB_BMC"}}}
clients:
  - {id: acme, name: ООО «Ромашка», language: ru, timezone: Europe/Moscow, contacts: [{id: acme-duty, name: Дежурный, addresses: {telegram: "1001", sms: "+79001234567", call: "+79001234567", email: Duty@Acme.example}, ladder: [telegram, sms, call]}]}
teams:
  - {id: emergency, name: Emergency, members: [{id: ivan, name: Иван, language: ru, timezone: Europe/Moscow, addresses: {call: "+79001234568"}}], levels: [{members: [ivan], ackWithin: 2m}], repeat: 2}
`

func load(t testing.TB, docs ...string) *inventory.Inventory {
	t.Helper()
	list := make([]inventory.Document, len(docs))
	for i, d := range docs {
		list[i] = inventory.Document{Name: "inventory.yaml", Data: []byte(d)}
	}
	inv, err := inventory.Load(list...)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func TestPlaceReadsFromSiteToUnit(t *testing.T) {
	inv := load(t, small)
	for _, c := range []struct {
		id   string
		lang inventory.Language
		want string
	}{
		{"srv-0001", "ru", "Москва, зал 1, стойка K01, юнит 12"},
		{"srv-0001", "en", "Moscow, room 1, rack K01, unit 12"},
		{"msk-r1-k01", "en", "Moscow, room 1, rack K01"},
		{"pdu-a", "ru", "Москва, зал 1, стойка K01"},
		{"msk", "ru", "Москва"},
		{"nobody", "en", "nobody"},
	} {
		if got := inv.Place(c.id, c.lang); got != c.want {
			t.Errorf("Place(%s, %s) = %q, want %q", c.id, c.lang, got, c.want)
		}
	}
}
