package inventory

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Services says what a component serves when it is well, beyond accepting
// connections. Each kind is a probe of its own: tls, http, dns, ssh.
type Services struct {
	TLS  []TLSCheck  `json:"tls,omitempty"`
	HTTP []HTTPCheck `json:"http,omitempty"`
	DNS  []DNSCheck  `json:"dns,omitempty"`
	SSH  []int       `json:"ssh,omitempty"` // ports that send an SSH banner
}

// TLSCheck is a port that makes TLS handshakes with a certificate that is in
// date and, where a name is given, is issued for it by a trusted authority.
type TLSCheck struct {
	Port int    `json:"port"`
	Name string `json:"name,omitempty"` // asked for by SNI
}

// HTTPCheck is one request to the component's address.
type HTTPCheck struct {
	Port     int           `json:"port"`
	TLS      bool          `json:"tls,omitempty"`
	Host     string        `json:"host,omitempty"` // Host header, and SNI; default: the address
	Method   string        `json:"method"`         // GET or HEAD
	Path     string        `json:"path"`
	Status   []StatusRange `json:"status"`             // any of them is well
	Contains string        `json:"contains,omitempty"` // in the first 64 KiB of the page
}

// StatusRange is a range of HTTP status codes; in YAML 200-299 or 204.
type StatusRange struct {
	From int `json:"from"`
	To   int `json:"to"` // inclusive
}

// DNSCheck is one question to the name server at the component's address.
type DNSCheck struct {
	Name string `json:"name"`
	Type string `json:"type"` // A, AAAA, CNAME, MX, NS, PTR, SOA, SRV or TXT
	Port int    `json:"port"`
}

var (
	tlsFields  = []string{"port", "name"}
	httpFields = []string{"port", "tls", "host", "method", "path", "status", "contains"}
	dnsFields  = []string{"name", "type", "port"}

	httpMethods = []string{http.MethodGet, http.MethodHead}
	dnsTypes    = []string{"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"}

	serviceFields = []string{"tls", "http", "dns", "ssh"}
)

// defaultStatus counts a redirect as an answer: it is not followed.
var defaultStatus = []StatusRange{{200, 399}}

const dnsPort = 53

func (s *Services) empty() bool {
	return len(s.TLS) == 0 && len(s.HTTP) == 0 && len(s.DNS) == 0 && len(s.SSH) == 0
}

// services reads one of serviceFields.
func (d *decoder) services(s *Services, key string, n *yaml.Node) {
	switch key {
	case "tls":
		d.items(n, func(item *yaml.Node) {
			if c, ok := d.tlsCheck(item); ok {
				s.TLS = append(s.TLS, c)
			}
		})
	case "http":
		d.items(n, func(item *yaml.Node) {
			if c, ok := d.httpCheck(item); ok {
				s.HTTP = append(s.HTTP, c)
			}
		})
	case "dns":
		d.items(n, func(item *yaml.Node) {
			if c, ok := d.dnsCheck(item); ok {
				s.DNS = append(s.DNS, c)
			}
		})
	case "ssh":
		d.items(n, func(item *yaml.Node) {
			if port := d.port(item); port != 0 {
				s.SSH = append(s.SSH, port)
			}
		})
	}
}

func (d *decoder) port(n *yaml.Node) int { return d.number(n, 1, 65535) }

// tlsCheck reads a port, or a port with a name.
func (d *decoder) tlsCheck(n *yaml.Node) (c TLSCheck, ok bool) {
	if n.Kind == yaml.ScalarNode {
		c.Port = d.port(n)
		return c, c.Port != 0
	}
	d.fields(n, tlsFields, func(key string, value *yaml.Node) {
		switch key {
		case "port":
			c.Port = d.port(value)
		case "name":
			c.Name = d.hostname(value)
		}
	})
	d.requiredIn(n, "port")
	return c, c.Port != 0
}

func (d *decoder) httpCheck(n *yaml.Node) (HTTPCheck, bool) {
	c := HTTPCheck{Method: http.MethodGet, Path: "/", Status: defaultStatus}
	d.fields(n, httpFields, func(key string, value *yaml.Node) {
		switch key {
		case "port":
			c.Port = d.port(value)
		case "tls":
			c.TLS = d.boolean(value)
		case "host":
			c.Host = d.hostname(value)
		case "method":
			c.Method = d.oneOf(value, httpMethods)
		case "path":
			c.Path = d.path(value)
		case "status":
			c.Status = nil
			d.items(value, func(item *yaml.Node) {
				if r, ok := d.statusRange(item); ok {
					c.Status = append(c.Status, r)
				}
			})
			if value.Kind == yaml.SequenceNode && len(value.Content) == 0 {
				d.wrong(value, "is empty, so nothing would be well; name a status or remove the field")
			}
		case "contains":
			c.Contains = d.text(value)
		}
	})
	d.requiredIn(n, "port")
	if c.Contains != "" && c.Method == http.MethodHead {
		d.wrong(child(n, "contains"), "a HEAD request brings no page; use GET or remove contains")
	}
	return c, c.Port != 0
}

func (d *decoder) dnsCheck(n *yaml.Node) (DNSCheck, bool) {
	c := DNSCheck{Type: "A", Port: dnsPort}
	d.fields(n, dnsFields, func(key string, value *yaml.Node) {
		switch key {
		case "name":
			c.Name = d.hostname(value)
		case "type":
			c.Type = d.oneOf(value, dnsTypes)
		case "port":
			c.Port = d.port(value)
		}
	})
	d.requiredIn(n, "name")
	return c, c.Name != "" && c.Type != "" && c.Port != 0
}

// statusRange reads 204 or 200-299.
func (d *decoder) statusRange(n *yaml.Node) (StatusRange, bool) {
	from, to, isRange := strings.Cut(n.Value, "-")
	if !isRange {
		to = from
	}
	low, err := strconv.Atoi(from)
	high, err2 := strconv.Atoi(to)
	if n.Kind != yaml.ScalarNode || err != nil || err2 != nil || low < 100 || high > 599 || low > high {
		d.wrong(n, "is not a status; write one from 100 to 599, or a range such as 200-299")
		return StatusRange{}, false
	}
	return StatusRange{low, high}, true
}

// path reads the path and query of a request.
func (d *decoder) path(n *yaml.Node) string {
	s := d.text(n)
	bad := func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }
	if s != "" && (!strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || len(s) > 1024 || strings.ContainsFunc(s, bad)) {
		d.wrong(n, "is not a path; begin with one '/', and write spaces and other letters as %%XX")
		return "/"
	}
	return s
}

// hostname reads a DNS name, without a port.
func (d *decoder) hostname(n *yaml.Node) string {
	s := d.text(n)
	if s != "" && !isHostname(s) {
		d.wrong(n, "is not a host name; write letters, digits, '-', '_' and dots, without scheme and port")
		return ""
	}
	return s
}

func isHostname(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return false
	}
	return !slices.ContainsFunc(strings.Split(s, "."), func(label string) bool {
		odd := func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		}
		return label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, odd)
	})
}

// String is how a person writes the range.
func (r StatusRange) String() string {
	if r.From == r.To {
		return strconv.Itoa(r.From)
	}
	return fmt.Sprintf("%d-%d", r.From, r.To)
}
