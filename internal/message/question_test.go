package message_test

import (
	"strings"
	"testing"

	"vakhta/internal/inventory"
	"vakhta/internal/message"
	"vakhta/internal/topology"
)

const lampEstate = `
version: 1
sites: [{id: msk, timezone: Europe/Moscow, name: {ru: Москва, en: Moscow}}]
clients: [{id: acme, language: en, timezone: Europe/Moscow, contacts: [{id: duty, addresses: {telegram: "1"}}]}]
components:
  - {id: r1, kind: room, in: msk, name: {ru: зал 1, en: room 1}}
  - {id: feed-a, kind: feed, in: r1, name: {ru: ввод A, en: power feed A}}
  - {id: k1, kind: rack, in: r1, name: {ru: стойка 1.01, en: rack 1.01}}
  - {id: pdu-a, kind: pdu, in: k1, name: {ru: PDU A, en: PDU A}, needs: {power: [feed-a]}}
  - {id: sw, kind: switch, in: k1, unit: 42, name: {ru: коммутатор, en: switch}, needs: {power: [pdu-a]}}
  - {id: srv-1, kind: server, in: k1, unit: 7, label: VK-0107, client: acme, needs: {power: [pdu-a], network: [sw]}}
`

func TestEachProbeThatPeopleCanMakeIsAQuestion(t *testing.T) {
	inv, err := inventory.Load(inventory.Document{Name: "lamps.yaml", Data: []byte(lampEstate)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		component string
		probe     topology.Probe
		peer      string
		ru, en    string
	}{
		{"srv-1", topology.ProbePSU, "pdu-a", "Горит ли лампа блока питания, который включён в PDU A?", "Is the lamp of the power supply on PDU A lit?"},
		{"sw", topology.ProbePower, "", "Горит ли на корпусе хоть одна лампа?", "Is any lamp on it lit?"},
		{"k1", topology.ProbePower, "", "Горит ли внутри хоть одна лампа?", "Is any lamp in it lit?"},
		{"sw", topology.ProbePort, "srv-1", "Горит ли лампа порта, в который включён сервер srv-1?", "Is the lamp of its port to server srv-1 lit?"},
		{"pdu-a", topology.ProbeOutlet, "srv-1", "Включена ли розетка, от которой питается сервер srv-1?", "Is its outlet that feeds server srv-1 on?"},
		{"pdu-a", topology.ProbeFeed, "", "Есть ли на входе напряжение?", "Does its input have power?"},
		{"pdu-a", topology.ProbeFeed, "feed-a", "Есть ли на входе напряжение (ввод A)?", "Does its input have power (power feed A)?"},
	} {
		if err := message.CanBeSeen(inv, c.component, c.probe, c.peer); err != nil {
			t.Errorf("%s %s %s: %v", c.component, c.probe, c.peer, err)
		}
		for lang, want := range map[inventory.Language]string{inventory.Russian: c.ru, inventory.English: c.en} {
			q := message.Ask(inv, c.component, c.probe, c.peer, lang)
			if q.Text != want {
				t.Errorf("%s %s in %s: %q, want %q", c.component, c.probe, lang, q.Text, want)
			}
			if q.What == "" || q.Place == "" || q.Spot == "" || strings.Contains(q.Short, "%") {
				t.Errorf("%s %s in %s: %+v", c.component, c.probe, lang, q)
			}
		}
	}
	for _, c := range inv.Components() {
		if q := message.Ask(inv, c.ID, topology.ProbePower, "", inventory.Russian); strings.Contains(q.Place, q.What) {
			t.Errorf("%s: %q is said to be in %q", c.ID, q.What, q.Place)
		}
	}
	q := message.Ask(inv, "srv-1", topology.ProbePSU, "pdu-a", inventory.Russian)
	if q.Label != "VK-0107" || q.Spot != "стойка 1.01 U7 VK-0107" || q.Short != "лампа БП от PDU A горит?" || !strings.Contains(q.Place, "юнит 7") {
		t.Errorf("%+v", q)
	}
	for _, c := range []struct {
		component string
		probe     topology.Probe
		peer      string
		names     string
	}{
		{"nothing", topology.ProbePower, "", "component:"},
		{"sw", topology.ProbeTCP, "", "probe:"},
		{"srv-1", topology.ProbePSU, "", "peer:"},
		{"srv-1", topology.ProbePSU, "pdu-z", "peer:"},
		{"sw", topology.ProbePower, "srv-1", "peer:"},
	} {
		if err := message.CanBeSeen(inv, c.component, c.probe, c.peer); err == nil || !strings.HasPrefix(err.Error(), c.names) {
			t.Errorf("%s %s %s: %v, want it to name %s", c.component, c.probe, c.peer, err, c.names)
		}
	}
}
