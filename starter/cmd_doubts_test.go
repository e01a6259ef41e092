package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"vakhta/internal/topology"
)

const livingServer = `{"component":"srv-9","probe":"tcp","vantage":"msk","at":"2026-03-01T12:00:00Z","result":"up"}
{"component":"srv-7","probe":"tcp","vantage":"msk","at":"2026-03-01T12:00:00Z","result":"up"}
{"component":"srv-8","probe":"tcp","vantage":"msk","at":"2026-03-01T12:00:00Z","result":"up"}
{"component":"pdu-b","probe":"icmp","vantage":"msk","at":"2026-03-01T12:00:00Z","result":"up"}
{"component":"srv-6","probe":"tcp","vantage":"msk","at":"2026-03-01T12:00:00Z","result":"up"}
`

func TestDoubtsAreReadFromFiles(t *testing.T) {
	quietEnvironment(t)
	dir := t.TempDir()
	estate := filepath.Join(dir, "estate.yaml")
	doc := `version: 1
sites: [{id: msk, timezone: Europe/Moscow}]
clients:
  - {id: acme, language: en, timezone: Europe/Moscow, contacts: [{id: duty, addresses: {telegram: "1"}}]}
components:
  - {id: rack-1, kind: rack, in: msk}
  - {id: pdu-a, kind: pdu, in: rack-1, probe: {address: 10.0.0.1, icmp: true}}
  - {id: pdu-b, kind: pdu, in: rack-1, probe: {address: 10.0.0.2, icmp: true}}
  - {id: srv-7, kind: server, in: rack-1, client: acme, needs: {power: [pdu-b]}}
  - {id: srv-8, kind: server, in: rack-1, client: acme, needs: {power: [pdu-b]}}
`
	var down strings.Builder
	down.WriteString(`{"component":"pdu-a","probe":"icmp","vantage":"msk","at":"2026-03-01T12:00:00Z","result":"down"}` + "\n")
	for _, id := range []string{"srv-1", "srv-2", "srv-3", "srv-4", "srv-5", "srv-6"} {
		doc += "  - {id: " + id + ", kind: server, in: rack-1, client: acme, needs: {power: [pdu-a]}}\n"
		if id != "srv-6" {
			down.WriteString(`{"component":"` + id + `","probe":"tcp","vantage":"msk","at":"2026-03-01T12:00:00Z","result":"down"}` + "\n")
		}
	}
	write(t, estate, doc)
	args := []string{"inventory", "doubts", "--inventory", estate}
	for _, night := range []string{"monday", "tuesday", "friday"} {
		file := filepath.Join(dir, night+".jsonl")
		write(t, file, down.String()+livingServer)
		args = append(args, "--observations", file)
	}
	code, out, errOut := vakhta(t, append(args, "--json")...)
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	var doubts []topology.Doubt
	must(t, json.Unmarshal([]byte(out), &doubts))
	if len(doubts) != 2 || doubts[0].Component != "srv-6" || doubts[0].Of != "pdu-a" || !doubts[0].Strong || doubts[1].Component != "srv-9" || doubts[1].Reason != topology.Stranger {
		t.Errorf("doubts %+v; want srv-6, which lives without pdu-a, and the stranger srv-9", doubts)
	}
	if code, out, _ = vakhta(t, args...); code != exitOK || !strings.Contains(out, "srv-6") || !strings.Contains(out, "doubts: 2, of which strong: 2; sweeps: 3") {
		t.Errorf("exit %d, table:\n%s", code, out)
	}
	if code, _, errOut = vakhta(t, "inventory", "doubts", "--inventory", estate, "--observations", "nowhere.jsonl"); code != exitNotFound {
		t.Errorf("exit %d: %s; want %d", code, errOut, exitNotFound)
	}
}

// Whatever stands in a file, it is read or refused by its line, and what was
// read is written and read again the same.
func FuzzObservationsAreReadOrRefused(f *testing.F) {
	f.Add(livingServer)
	f.Add(`{"component":"sw-1","probe":"PORT","peer":"srv-1","at":"2026-03-01T12:00:00+03:00","result":"Down","detail":"ünder"}`)
	f.Add("\ufeff\n\n{")
	f.Add(`{"component":"a","probe":"icmp","at":"9999-12-31T23:59:59Z","result":"unknown","rttMicros":-1}` + "\n{}")
	f.Fuzz(func(t *testing.T, text string) {
		obs, err := parseObservations("f", strings.NewReader(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("%q names no line", err)
			}
			return
		}
		var out strings.Builder
		if err := writeObservations(&out, obs); err != nil {
			t.Skip("a time that RFC 3339 can't say: " + err.Error())
		}
		again, err := parseObservations("g", strings.NewReader(out.String()))
		if err != nil || len(again) != len(obs) {
			t.Fatalf("wrote %q, read %d of %d: %v", out.String(), len(again), len(obs), err)
		}
		for i := range obs {
			if !again[i].At.Equal(obs[i].At) || again[i].Component != obs[i].Component || again[i].Peer != obs[i].Peer || again[i].Result != obs[i].Result {
				t.Fatalf("%+v became %+v", obs[i], again[i])
			}
		}
	})
}
