package inventory_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"vakhta/internal/inventory"
)

// documented is the YAML in the package documentation.
func documented(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		if yaml, ok := strings.CutPrefix(line, "//\t"); ok {
			b.WriteString(yaml)
		}
	}
	return b.String()
}

func TestDocumentedExampleLoads(t *testing.T) {
	if inv := load(t, documented(t)); len(inv.Servers()) != 1 {
		t.Errorf("servers %v, want 1", inv.Servers())
	}
}

func TestLoadNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown field", "unit: 12", "units: 12", `:10:\d+: components\[srv-0001\]\.units: unknown field; did you mean unit\?`},
		{"empty id", "id: pdu-b", `id: ""`, `:8:\d+: components\[3\]\.id: is empty; write an id of letters`},
		{"empty kind", "kind: switch", `kind: ""`, `:9:\d+: components\[sw-1\]\.kind: unknown value; use one of`},
		{"empty client", "client: acme", "client: ''", `:10:\d+: components\[srv-0001\]\.client: is empty`},
		{"unknown top field", "clients:", "klients:", `:11:1: klients: unknown field; did you mean clients\?`},
		{"unknown member", "power: [pdu-a, pdu-b], network", "power: [pdu-a, pdu-bb], network", `:10:\d+: components\[srv-0001\]\.needs\.power\[1\]: pdu-bb is unknown; did you mean pdu-b\?`},
		{"unknown container", "kind: rack, in: msk-r1", "kind: rack, in: msk-r7", `:6:\d+: components\[msk-r1-k01\]\.in: msk-r7 is unknown; did you mean msk-r1\?`},
		{"wrong container", "kind: rack, in: msk-r1", "kind: rack, in: pdu-a", `components\[msk-r1-k01\]\.in: pdu-a is a pdu, which can't hold a rack; use a room or site`},
		{"duplicate id", "id: pdu-b", "id: pdu-a", `:8:\d+: components\[pdu-a\]\.id: pdu-a is already used at inventory.yaml:7; ids are unique`},
		{"duplicate field", "unit: 12", "unit: 12, unit: 13", `:10:\d+: components\[srv-0001\].*is given twice, first on line 10`},
		{"cycle", "id: pdu-a, kind: pdu, in: msk-r1-k01", "id: pdu-a, kind: pdu, in: msk-r1-k01, needs: {power: [sw-1]}", `needs itself: pdu-a → sw-1 → pdu-a; break the cycle`},
		{"no client", "client: acme, ", "", `components\[srv-0001\]: client is missing`},
		{"unknown client", "client: acme", "client: acne", `components\[srv-0001\]\.client: acne is unknown; did you mean acme\?`},
		{"client of a PDU", "id: pdu-a,", "id: pdu-a, client: acme,", `components\[pdu-a\]\.client: only servers belong to a client`},
		{"client without contact", "contacts: [{id: acme-duty, name: Дежурный, addresses: {telegram: \"1001\", sms: \"+79001234567\", call: \"+79001234567\", email: Duty@Acme.example}, ladder: [telegram, sms, call]}]", "contacts: []", `clients\[acme\]\.contacts: has no contact that can be reached`},
		{"contact without address", "addresses: {call: \"+79001234568\"}", "addresses: {}", `teams\[emergency\]\.members\[0\]\.addresses: has no address`},
		{"phone", `sms: "+79001234567"`, `sms: "8 900 123-45-67"`, `clients\[acme\]\.contacts\[0\]\.addresses\.sms: is not a phone number in E.164 form`},
		{"short phone", `call: "+79001234568"`, `call: "+79"`, `teams\[emergency\]\.members\[0\]\.addresses\.call: is not a phone number`},
		{"mail", "Duty@Acme.example", "Duty at Acme", `addresses\.email: is not a mail address`},
		{"telegram", `telegram: "1001"`, `telegram: "@duty"`, `addresses\.telegram: is not a Telegram chat id`},
		{"IP", "127.10.1.1,", "127.10.1.1/24,", `probe\.address: is not an IP address`},
		{"multicast", "127.10.1.1,", "224.0.0.1,", `probe\.address: is the address of no single machine`},
		{"multicast, IPv6", "127.10.1.1,", "'ff02::1',", `probe\.address: is the address of no single machine`},
		{"broadcast", "127.10.1.1,", "255.255.255.255,", `probe\.address: is the address of no single machine`},
		{"unspecified", "127.10.1.1,", "'::ffff:0.0.0.0',", `probe\.address: is the address of no single machine`},
		{"IPMI to all", `url: "http://127.10.1.1:10443"`, `ipmi: 239.1.1.1`, `probe\.bmc\.ipmi: is the address of no single machine`},
		{"Redfish here", `url: "http://127.10.1.1:10443"`, `url: "http://[::]:10443"`, `probe\.bmc\.url: is the address of no single machine`},
		{"SNMP to all", "id: sw-1, kind: switch, in: msk-r1-k01,", `id: sw-1, kind: switch, in: msk-r1-k01, probe: {snmp: {address: "255.255.255.255:161", credentials: "env:S"}},`, `probe\.snmp\.address: is the address of no single machine`},
		{"port", "tcp: [10022]", "tcp: [0]", `probe\.tcp\[0\]: must be a whole number from 1 to 65535`},
		{"BMC of both kinds", `credentials: "env:LAB_BMC"`, `ipmi: 127.10.1.1, credentials: "env:LAB_BMC"`, `:10:\d+: components\[srv-0001\]\.probe\.bmc: has both url and ipmi; keep one`},
		{"BMC of no kind", `url: "http://127.10.1.1:10443", `, ``, `probe\.bmc: url is missing; add it for Redfish, or ipmi:`},
		{"IPMI by name", `url: "http://127.10.1.1:10443"`, `ipmi: bmc-7`, `probe\.bmc\.ipmi: is not an IP address; write 192\.0\.2\.7, 192\.0\.2\.7:623`},
		{"supply on an unknown PDU", `"env:LAB_BMC"`, `"env:LAB_BMC", supplies: {PSU1: pdu-aa}`, `:10:\d+: components\[srv-0001\]\.probe\.bmc\.supplies\.PSU1: pdu-aa is unknown; did you mean pdu-a\?`},
		{"supply on another's PDU", `"env:LAB_BMC"`, `"env:LAB_BMC", supplies: {PSU1: sw-1}`, `supplies\.PSU1: sw-1 is not what the machine takes its power from; add it to needs\.power`},
		{"supply twice", `"env:LAB_BMC"`, `"env:LAB_BMC", supplies: {PSU1: pdu-a, PSU1: pdu-b}`, `supplies\.PSU1: is given twice, first on line 10`},
		{"SNMP without address", "id: sw-1, kind: switch, in: msk-r1-k01,", `id: sw-1, kind: switch, in: msk-r1-k01, probe: {snmp: {credentials: "env:S"}},`, `:9:\d+: components\[sw-1\]\.probe\.snmp: address is missing; add it here or to the probe`},
		{"community in the open", "id: sw-1, kind: switch, in: msk-r1-k01,", `id: sw-1, kind: switch, in: msk-r1-k01, probe: {address: 127.0.0.9, snmp: {credentials: public}},`, `probe\.snmp\.credentials: must be a reference, never the secret`},
		{"port to an unknown", "id: sw-1, kind: switch, in: msk-r1-k01,", `id: sw-1, kind: switch, in: msk-r1-k01, probe: {address: 127.0.0.9, snmp: {credentials: "env:S", ports: {ge7: srv-0002}}},`, `probe\.snmp\.ports\.ge7: srv-0002 is unknown; did you mean srv-0001\?`},
		{"port twice", "id: sw-1, kind: switch, in: msk-r1-k01,", `id: sw-1, kind: switch, in: msk-r1-k01, probe: {address: 127.0.0.9, snmp: {credentials: "env:S", ports: {ge7: srv-0001, ge7: pdu-a}}},`, `probe\.snmp\.ports\.ge7: is given twice, first on line 9`},
		{"outlets of a switch", "id: sw-1, kind: switch, in: msk-r1-k01,", `id: sw-1, kind: switch, in: msk-r1-k01, probe: {address: 127.0.0.9, snmp: {credentials: "env:S", outlets: {"7": srv-0001}}},`, `probe\.snmp\.outlets: a switch has none; PDUs have outlets and feeds`},
		{"outlet by name", "id: pdu-a, kind: pdu, in: msk-r1-k01", `id: pdu-a, kind: pdu, in: msk-r1-k01, probe: {address: 127.0.0.9, snmp: {credentials: "env:S", outlets: {seven: srv-0001}}}`, `:7:\d+: components\[pdu-a\]\.probe\.snmp\.outlets\.seven: is not a number; write the index`},
		{"column without meaning", "id: pdu-a, kind: pdu, in: msk-r1-k01", `id: pdu-a, kind: pdu, in: msk-r1-k01, probe: {address: 127.0.0.9, snmp: {credentials: "env:S", feedState: {oid: 1.3.6.1.4.1.9}}}`, `snmp\.feedState: needs one of on and atLeast`},
		{"column by name", "id: pdu-a, kind: pdu, in: msk-r1-k01", `id: pdu-a, kind: pdu, in: msk-r1-k01, probe: {address: 127.0.0.9, snmp: {credentials: "env:S", outletState: {oid: ifOperStatus, on: [1]}}}`, `snmp\.outletState\.oid: is not an OID; write it in numbers`},
		{"guests of a switch", "id: sw-1, kind: switch, in: msk-r1-k01,", `id: sw-1, kind: switch, in: msk-r1-k01, probe: {proxmox: {url: "https://127.0.0.9:8006", node: pve1, credentials: "env:P", guests: {"100": pdu-a}}},`, `probe\.proxmox: is for hypervisors`},
		{"guest that is no server", "id: sw-1, kind: switch, in: msk-r1-k01,", `id: sw-1, kind: hypervisor, in: msk-r1-k01, probe: {proxmox: {url: "https://127.0.0.9:8006", node: pve1, credentials: "env:P", guests: {"100": pdu-a}}},`, `guests\.\?: pdu-a is a pdu; guests are servers`},
		{"time zone", "timezone: Europe/Moscow, vantages", "timezone: Europe/Moskva, vantages", `:3:\d+: sites\[msk\]\.timezone: is not a time zone`},
		{"language", "language: ru", "language: rus", `clients\[acme\]\.language: unknown value`},
		{"level member", "members: [ivan], ack", "members: [iwan], ack", `teams\[emergency\]\.levels\[0\]\.members\[0\]: iwan is not a member of the team; did you mean ivan\?`},
		{"ladder", "ladder: [telegram, sms, call]", "ladder: [telegram, email]", ``},
		{"ladder without address", `telegram: "1001", `, ``, `ladder\[0\]: telegram has no address`},
		{"kind", "kind: switch", "kind: swich", `components\[sw-1\]\.kind: unknown value; did you mean switch\?`},
		{"BMC URL", "http://127.10.1.1:10443", "ftp://127.10.1.1", `probe\.bmc\.url: is not a BMC's base URL`},
		{"BMC port", "http://127.10.1.1:10443", "http://127.10.1.1:70000", `probe\.bmc\.url: is not a BMC's base URL`},
		{"secret", "env:LAB_BMC", "root:calvin", `probe\.bmc\.credentials: must be a reference`},
		{"location", "network: [sw-1]", "location: [msk]", `needs\.location: is a reserved group`},
		{"alias", `unit: 12, client: acme, label: "A-17"`, "unit: &a 12, client: acme, label: *a", `aliases are not supported`},
		{"syntax", "sites:", "sites: [", `inventory\.yaml:\d+:1: yaml: `},
		{"version", "version: 1\n", "", `version is missing`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(small, c.old, c.new, 1)
			if text == small {
				t.Fatal("nothing replaced")
			}
			_, err := inventory.Load(inventory.Document{Name: "inventory.yaml", Data: []byte(text)})
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var wrong *inventory.Error
			if !errors.As(err, &wrong) {
				t.Fatalf("error %v, want an *inventory.Error", err)
			}
			if !regexp.MustCompile(c.want).MatchString(err.Error()) {
				t.Errorf("error\n%v\nwants %s", err, c.want)
			}
			for _, secret := range []string{"900123", "900 123", "uty@", "uty at", "calvin", "@duty"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error repeats personal data or a secret:\n%v", err)
				}
			}
		})
	}
}

func TestLoadWritesOutThePartsOfALongCycleThatMatter(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\nsites: [{id: msk, timezone: Europe/Moscow}]\ncomponents:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  - {id: k%d, kind: rack, in: msk, needs: {power: [k%d]}}\n", i, (i+1)%1000)
	}
	_, err := inventory.Load(inventory.Document{Name: "a", Data: []byte(b.String())})
	const want = "needs itself: k0 → k1 → k2 → k3 → k4 → k5 → … 989 more … → k995 → k996 → k997 → k998 → k999 → k0; break the cycle"
	if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 400 {
		t.Errorf("error %.600v, want %s", err, want)
	}
}

func TestLoadReportsAllProblemsUpToABound(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\ncomponents:\n")
	for i := range 300 {
		fmt.Fprintf(&b, "  - {id: r%d, kind: room, in: nowhere}\n", i)
	}
	_, err := inventory.Load(inventory.Document{Name: "a", Data: []byte(b.String())})
	var wrong *inventory.Error
	if !errors.As(err, &wrong) {
		t.Fatal(err)
	}
	if len(wrong.Problems) != 50 || wrong.More != 250 {
		t.Errorf("%d listed and %d more, want 50 and 250", len(wrong.Problems), wrong.More)
	}
	for i, p := range wrong.Problems {
		if p.Line != i+3 {
			t.Fatalf("problem %d is of line %d, want %d: not in the order of the document", i, p.Line, i+3)
		}
	}
}
