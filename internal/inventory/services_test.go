package inventory_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"vakhta/internal/inventory"
)

// served is the small inventory, whose server has these services.
func served(services string) string {
	return strings.Replace(small, "icmp: false,", "icmp: false, "+services+",", 1)
}

func TestServicesAreRead(t *testing.T) {
	inv := load(t, served(`tls: [443, {port: 8443, name: shop.example.org}], ssh: [22],
      http: [{port: 80}, {port: 443, tls: true, host: shop.example.org, method: HEAD, path: "/health?full=1", status: [200-299, 304]}, {port: 81, contains: ok}],
      dns: [{name: example.org}, {name: _sip._tcp.example.org., type: SRV, port: 5353}]`))
	c, _ := inv.Component("srv-0001")
	want := inventory.Services{
		TLS: []inventory.TLSCheck{{Port: 443}, {Port: 8443, Name: "shop.example.org"}},
		HTTP: []inventory.HTTPCheck{
			{Port: 80, Method: "GET", Path: "/", Status: []inventory.StatusRange{{From: 200, To: 399}}},
			{
				Port: 443, TLS: true, Host: "shop.example.org", Method: "HEAD", Path: "/health?full=1",
				Status: []inventory.StatusRange{{From: 200, To: 299}, {From: 304, To: 304}},
			},
			{Port: 81, Method: "GET", Path: "/", Status: []inventory.StatusRange{{From: 200, To: 399}}, Contains: "ok"},
		},
		DNS: []inventory.DNSCheck{{Name: "example.org", Type: "A", Port: 53}, {Name: "_sip._tcp.example.org.", Type: "SRV", Port: 5353}},
		SSH: []int{22},
	}
	if !reflect.DeepEqual(c.Probe.Services, want) {
		t.Errorf("%+v, want %+v", c.Probe.Services, want)
	}
	if s := fmt.Sprint(c.Probe.HTTP[1].Status); s != "[200-299 304]" {
		t.Errorf("a status range reads %s", s)
	}
}

func TestWrongServicesNameTheirPlace(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(inventory.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("inventory.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("inventory.json")
	if err != nil {
		t.Fatal(err)
	}
	accepts := func(text string) bool {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v) == nil
	}
	if good := served("tls: [443], http: [{port: 80, path: /, status: [204, 200-299]}], dns: [{name: a.example}], ssh: [22]"); !accepts(good) {
		t.Error("the schema refuses good services")
	}
	for _, tt := range []struct{ services, want string }{
		{"tls: [0]", `tls\[0\]: must be a whole number from 1 to 65535`},
		{"tls: [{name: a.example}]", `tls\[0\]: port is missing; add it`},
		{"tls: [{port: 443, name: https://a.example}]", `tls\[0\]\.name: is not a host name; write letters`},
		{"http: [80]", `http\[0\]: is a single value; write a mapping with the fields port,`},
		{"http: [{path: /}]", `http\[0\]: port is missing; add it`},
		{"http: [{port: 80, pfad: /}]", `http\[0\]\.pfad: unknown field; `},
		{"http: [{port: 80, path: health}]", `http\[0\]\.path: is not a path; begin with one '/', and write spaces and other letters as %XX`},
		{"http: [{port: 80, path: //elsewhere.example/}]", `http\[0\]\.path: is not a path`},
		{"http: [{port: 80, method: POST}]", `http\[0\]\.method: unknown value; .*GET`},
		{"http: [{port: 80, status: [2xx]}]", `http\[0\]\.status\[0\]: is not a status; write one from 100 to 599, or a range such as 200-299`},
		{"http: [{port: 80, status: []}]", `http\[0\]\.status: is empty`},
		{"http: [{port: 80, tls: maybe}]", `http\[0\]\.tls: must be true or false`},
		{"dns: [{type: A}]", `dns\[0\]: name is missing; add it`},
		{"dns: [{name: a b}]", `dns\[0\]\.name: is not a host name`},
		{"dns: [{name: a.example, type: ANY}]", `dns\[0\]\.type: unknown value; `},
		{"ssh: [none]", `ssh\[0\]: must be a whole number`},
	} {
		text := served(tt.services)
		_, err := inventory.Load(inventory.Document{Name: "inventory.yaml", Data: []byte(text)})
		var e *inventory.Error
		want := `^inventory\.yaml:10:\d+: components\[srv-0001\]\.probe\.` + tt.want
		if !errors.As(err, &e) || !regexp.MustCompile(want).MatchString(e.Problems[0].String()) {
			t.Errorf("%s: %v, want %s", tt.services, err, want)
		}
		if accepts(text) {
			t.Errorf("%s: the schema takes it", tt.services)
		}
	}
	for _, tt := range []struct{ old, new, want string }{
		{"icmp: false,", "http: [{port: 80, method: HEAD, contains: ok}],", `http\[0\]\.contains: a HEAD request brings no page; use GET or remove contains`},
		{"icmp: false,", "http: [{port: 80, status: [299-200]}],", `http\[0\]\.status\[0\]: is not a status`},
		{"address: 127.10.1.1, tcp: [10022], icmp: false,", "ssh: [22],", `probe: asks for probes but has no address`},
	} {
		_, err := inventory.Load(inventory.Document{Name: "inventory.yaml", Data: []byte(strings.Replace(small, tt.old, tt.new, 1))})
		if err == nil || !regexp.MustCompile(tt.want).MatchString(err.Error()) {
			t.Errorf("%s: %v, want %s", tt.new, err, tt.want)
		}
	}
}
