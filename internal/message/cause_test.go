package message_test

import (
	"strings"
	"testing"

	"vakhta/internal/inventory"
	"vakhta/internal/message"
	"vakhta/internal/topology"
)

const estate = `version: 1
sites:
  - {id: msk, name: {ru: Москва, en: Moscow}, timezone: Europe/Moscow, vantages: [msk]}
components:
  - {id: msk-r1, kind: room, in: msk}
  - {id: msk-r1-k01, kind: rack, in: msk-r1}
  - {id: pdu-a, kind: pdu, in: msk-r1-k01}
  - {id: sw-1, kind: switch, in: msk-r1-k01, needs: {power: [pdu-a]}}
  - {id: srv-7, kind: server, in: msk-r1-k01, unit: 12, client: acme, needs: {power: [pdu-a], network: [sw-1]}, probe: {address: 127.10.1.1, tcp: [10022]}}
clients:
  - {id: acme, name: Acme, language: ru, timezone: Europe/Moscow, contacts: [{id: duty, name: Дежурный, addresses: {telegram: "1001"}}]}
`

func TestAClientIsToldTheCauseAndNothingOfOthers(t *testing.T) {
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(estate)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		finding topology.Finding
		ru, en  string
	}{
		{
			topology.Finding{Component: "srv-7", Kind: inventory.KindServer, PowerOff: true, Confidence: 0.97, Explains: []string{"srv-7"}},
			"выключен сервер srv-7: Москва, зал 1, стойка K01, юнит 12", "server srv-7 is switched off: Moscow, room 1, rack K01, unit 12",
		},
		{
			topology.Finding{Component: "pdu-a", Kind: inventory.KindPDU, Confidence: 0.99, Explains: []string{"theirs-1", "theirs-2"}},
			"отказ PDU pdu-a: Москва, зал 1, стойка K01", "PDU pdu-a has failed: Moscow, room 1, rack K01",
		},
		{
			topology.Finding{Component: "sw-1", Kind: inventory.KindSwitch, Confidence: 0.6, AmbiguousWith: []string{"theirs-3"}},
			"вероятно, отказ коммутатора sw-1: Москва, зал 1, стойка K01", "probably switch sw-1 has failed: Moscow, room 1, rack K01",
		},
		{
			topology.Finding{Component: "srv-7", Kind: inventory.KindServer, Confidence: 0.97, Evidence: []topology.Evidence{
				{Component: "srv-7", Probe: topology.ProbeHTTP, Result: topology.Down, Text: "answers HTTP, but not as it should (status 503)"},
			}},
			"сервер srv-7 отвечает, но не так, как должен, по HTTP: Москва, зал 1, стойка K01, юнит 12", "server srv-7 answers, but not as it should by HTTP: Moscow, room 1, rack K01, unit 12",
		},
		{ // more probably wrong than right: where, and not what
			topology.Finding{Component: "pdu-a", Kind: inventory.KindPDU, Confidence: 0.99, Probability: 0.44, AmbiguousWith: []string{"msk-r1-k01", "sw-1"}},
			"отказ оборудования: Москва, зал 1, стойка K01", "a failure of equipment: Moscow, room 1, rack K01",
		},
		{
			topology.Finding{Component: "pdu-a", Kind: inventory.KindPDU, Confidence: 0.99, Probability: 0.44, AmbiguousWith: []string{"msk-r1"}},
			"отказ оборудования: Москва, зал 1", "a failure of equipment: Moscow, room 1",
		},
		{
			topology.Finding{Component: "msk", Kind: inventory.KindSite, Confidence: 1},
			"не работает целиком Москва", "Moscow is down as a whole",
		},
		{
			topology.Finding{Component: "sw-1", Kind: inventory.KindSwitch, Mode: topology.Lossy, Confidence: 1},
			"теряется часть пакетов: коммутатор sw-1, Москва, зал 1, стойка K01", "a part of the packets is lost: switch sw-1, Moscow, room 1, rack K01",
		},
		{
			topology.Finding{Component: "msk-r1", Kind: inventory.KindRoom, Mode: topology.Heating, Confidence: 1},
			"перегрев: Москва, зал 1", "overheating: Moscow, room 1",
		},
		{
			topology.Finding{Component: "srv-7", Kind: inventory.KindServer, Mode: topology.Flapping, Confidence: 1},
			"то отвечает, то нет: сервер srv-7, Москва, зал 1, стойка K01, юнит 12", "answers now and then: server srv-7, Moscow, room 1, rack K01, unit 12",
		},
		{topology.Finding{}, "", ""},
	} {
		for lang, want := range map[inventory.Language]string{inventory.Russian: c.ru, inventory.English: c.en} {
			got := message.Cause(inv, c.finding, lang)
			if got != want {
				t.Errorf("%s %s: %q, want %q", lang, c.finding.Component, got, want)
			}
			if strings.Contains(got, "theirs") {
				t.Errorf("another client's machine in %q", got)
			}
		}
	}
}

// A kind that a name says already is not said again.
func TestAClientReadsAKindOnce(t *testing.T) {
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(`version: 1
sites: [{id: msk, name: {ru: Москва, en: Moscow}, timezone: Europe/Moscow}]
components:
  - {id: up, kind: uplink, in: msk, name: {ru: магистральный канал 1, en: uplink 1}}
  - {id: feed, kind: feed, in: msk, name: {ru: ввод A, en: power feed A}}
  - {id: other, kind: feed, in: msk, name: {ru: Северный, en: North}}
`)})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string][2]string{
		"up":    {"отказ магистрального канала 1: Москва", "uplink 1 has failed: Moscow"},
		"feed":  {"отказ ввода питания A: Москва", "power feed A has failed: Moscow"},
		"other": {"отказ ввода питания Северный: Москва", "power feed North has failed: Moscow"},
	} {
		c, _ := inv.Component(id)
		f := topology.Finding{Component: id, Kind: c.Kind, Confidence: .99}
		if ru, en := message.Cause(inv, f, inventory.Russian), message.Cause(inv, f, inventory.English); ru != want[0] || en != want[1] {
			t.Errorf("%q and %q, want %q", ru, en, want)
		}
	}
}
