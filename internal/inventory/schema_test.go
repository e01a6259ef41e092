package inventory_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"vakhta/internal/inventory"
)

func TestSchemaAgreesWithLoad(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(inventory.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("inventory.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("inventory.json")
	if err != nil {
		t.Fatal(err)
	}
	validate := func(text string) error {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	if err := validate(small); err != nil {
		t.Errorf("a good document: %v", err)
	}
	if err := validate(documented(t)); err != nil {
		t.Errorf("the documented example: %v", err)
	}
	for _, bad := range []struct{ name, old, new string }{
		{"version", "version: 1", "version: 2"},
		{"unknown field", "unit: 12", "units: 12"},
		{"kind", "kind: pdu", "kind: pud"},
		{"site among components", "kind: room", "kind: site"},
		{"server without client", "client: acme, ", ""},
		{"client on a PDU", "id: pdu-a, kind: pdu", "id: pdu-a, client: acme, kind: pdu"},
		{"port", "tcp: [10022]", "tcp: [70000]"},
		{"address", "127.10.1.1,", "127.10.1.1.1,"},
		{"secret in place of a reference", "env:LAB_BMC", "admin:secret"},
		{"BMC of both kinds", `credentials: "env:LAB_BMC"`, `ipmi: 127.0.0.1, credentials: "env:LAB_BMC"`},
		{"IPMI by name", `url: "http://127.10.1.1:10443"`, `ipmi: bmc-7`},
		{"outlet by name", "kind: pdu, in: msk-r1-k01", `kind: pdu, in: msk-r1-k01, probe: {snmp: {address: 127.0.0.1, credentials: "env:S", outlets: {a: sw-1}}}`},
		{"column without meaning", "kind: pdu, in: msk-r1-k01", `kind: pdu, in: msk-r1-k01, probe: {snmp: {address: 127.0.0.1, credentials: "env:S", feedState: {oid: 1.3.6.1.4.1.9}}}`},
		{"community in the open", "kind: pdu, in: msk-r1-k01", `kind: pdu, in: msk-r1-k01, probe: {snmp: {address: 127.0.0.1, credentials: public}}`},
		{"BMC with path", ":10443\"", ":10443/redfish/v1\""},
		{"language", "language: ru", "language: de"},
		{"phone", "+79001234567", "89001234567"},
		{"channel", "telegram: \"1001\"", "pigeon: \"1001\""},
		{"location group", "network: [sw-1]", "location: [sw-1]"},
		{"empty group", "network: [sw-1]", "network: []"},
		{"duration", "ackWithin: 2m", "ackWithin: soon"},
	} {
		text := strings.Replace(small, bad.old, bad.new, 1)
		if text == small {
			t.Fatalf("%s: nothing replaced", bad.name)
		}
		if validate(text) == nil {
			t.Errorf("%s: the schema takes it", bad.name)
		}
		if _, err := inventory.Load(inventory.Document{Name: "x", Data: []byte(text)}); err == nil {
			t.Errorf("%s: Load takes it", bad.name)
		}
	}
}
