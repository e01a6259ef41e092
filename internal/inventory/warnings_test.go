package inventory_test

import (
	"slices"
	"strings"
	"testing"

	"vakhta/internal/inventory"
)

func TestWhatSharesAnAddressOrIsNeverSeenIsWarnedOf(t *testing.T) {
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(`version: 1
sites: [{id: msk, name: Moscow, timezone: Europe/Moscow, vantages: [msk]}]
components:
  - {id: hv, kind: hypervisor, in: msk, probe: {address: 192.0.2.9, proxmox: {url: "https://192.0.2.9:8006", node: pve, credentials: env:PVE, guests: {"101": guest}}}}
  - {id: a, kind: server, in: msk, client: c, probe: {address: 192.0.2.1, tcp: [22, 80], icmp: true, bmc: {url: "https://192.0.2.101", credentials: env:BMC}}}
  - {id: b, kind: server, in: msk, client: c, probe: {address: 192.0.2.1, tcp: [22, 80], icmp: true, bmc: {url: "https://192.0.2.102", credentials: env:BMC}}}
  - {id: other-port, kind: server, in: msk, client: c, probe: {address: 192.0.2.1, tcp: [443]}}
  - {id: d, kind: server, in: msk, client: c, probe: {address: 192.0.2.2, tcp: [22], bmc: {url: "https://192.0.2.102", credentials: env:BMC}}}
  - {id: unseen, kind: server, in: msk, client: c}
  - {id: guest, kind: server, in: msk, client: c, needs: {host: [hv]}}
clients: [{id: c, name: C, language: en, timezone: Europe/London, contacts: [{id: k, name: K, addresses: {email: k@c.example}}]}]
`)})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a, b are probed by the same address and port: what answers for one answers for the others, so that none is seen to be down; give each its own",
		"b, d have the same BMC: its word on one is taken for the others'; give each its own",
		"no probe can ask anything of 1 of 6 servers, so that they are never seen to be down: unseen; give them an address and what answers there",
	}
	got := inv.Warnings()
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(strings.Join(got, " "), "192.0.2") {
		t.Error("a warning shows an address")
	}
}
