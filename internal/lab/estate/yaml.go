package estate

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"vakhta/internal/inventory"
)

// render writes the plan in the inventory's YAML, one component or contact a line.
func (p plan) render() []byte {
	var b bytes.Buffer
	b.WriteString("# The estate of the lab: generated, do not edit.\nversion: 1\nsites:\n")
	names := map[string]inventory.Text{}
	for _, c := range p.components {
		names[c.ID] = c.Name
	}
	for _, s := range p.sites {
		fmt.Fprintf(&b, "  - {id: %s, name: %s, timezone: %s, vantages: [%s], support: %s}\n",
			s.ID, text(names[s.ID]), s.TimeZone, strings.Join(s.Vantages, ", "), s.Support)
	}
	b.WriteString("components:\n")
	for _, c := range p.components {
		if c.Kind != inventory.KindSite {
			fmt.Fprintf(&b, "  - {%s}\n", component(c))
		}
	}
	b.WriteString("clients:\n")
	for _, c := range p.clients {
		fmt.Fprintf(&b, "  - id: %s\n    name: %s\n    language: %s\n    timezone: %s\n    contacts:\n",
			c.ID, strconv.Quote(c.Name), c.Language, c.TimeZone)
		for _, k := range c.Contacts {
			fmt.Fprintf(&b, "      - %s\n", contact(k))
		}
	}
	b.WriteString("teams:\n")
	for _, t := range p.teams {
		fmt.Fprintf(&b, "  - id: %s\n    name: %s\n    repeat: %d\n    members:\n", t.ID, strconv.Quote(t.Name), t.Repeat)
		for _, k := range t.Members {
			fmt.Fprintf(&b, "      - %s\n", contact(k))
		}
		if r := t.Room; r != nil {
			fmt.Fprintf(&b, "    timezone: Europe/Moscow\n    room: {%s: %q, topics: %t, language: %s}\n", r.Channel, r.Address, r.Topics, r.Language)
		}
		b.WriteString("    levels:\n")
		for _, l := range t.Levels {
			fmt.Fprintf(&b, "      - {members: [%s], ackWithin: %s}\n",
				strings.Join(l.Members, ", "), time.Duration(l.AckWithinSeconds)*time.Second)
		}
	}
	return b.Bytes()
}

func component(c inventory.Component) string {
	fields := []string{"id: " + c.ID, "kind: " + string(c.Kind), "in: " + c.In}
	add := func(format string, args ...any) { fields = append(fields, fmt.Sprintf(format, args...)) }
	if len(c.Name) > 0 {
		add("name: %s", text(c.Name))
	}
	if c.Unit > 0 {
		add("unit: %d", c.Unit)
	}
	if c.Client != "" {
		add("client: %s", c.Client)
	}
	if c.Label != "" {
		add("label: %s", c.Label)
	}
	var needs []string
	for _, g := range c.Needs {
		needs = append(needs, fmt.Sprintf("%s: [%s]", g.Name, strings.Join(g.Members, ", ")))
	}
	if len(needs) > 0 {
		add("needs: {%s}", strings.Join(needs, ", "))
	}
	if c.Probe.Address != "" {
		probe := []string{"address: " + c.Probe.Address}
		var ports []string
		for _, port := range c.Probe.TCP {
			ports = append(ports, strconv.Itoa(port))
		}
		probe = append(probe, "tcp: ["+strings.Join(ports, ", ")+"]")
		if c.Probe.BMC.URL != "" {
			probe = append(probe, fmt.Sprintf("bmc: {url: %q, credentials: %q, supplies: %s}",
				c.Probe.BMC.URL, c.Probe.BMC.Credentials, pairs(c.Probe.BMC.Supplies)))
		}
		if s := c.Probe.SNMP; s != nil {
			probe = append(probe, "snmp: "+agentYAML(s))
		}
		add("probe: {%s}", strings.Join(probe, ", "))
	}
	return strings.Join(fields, ", ")
}

// channelOrder keeps the addresses of a contact in one order.
var channelOrder = []inventory.Channel{inventory.Telegram, inventory.SMS, inventory.Call, inventory.Email}

func contact(k inventory.Contact) string {
	var addresses, ladder []string
	for _, ch := range channelOrder {
		if a := k.Addresses[ch]; a != "" {
			addresses = append(addresses, fmt.Sprintf("%s: %q", ch, a))
		}
	}
	for _, ch := range k.Ladder {
		ladder = append(ladder, string(ch))
	}
	line := fmt.Sprintf("{id: %s, name: %q, language: %s, timezone: %s, addresses: {%s}",
		k.ID, k.Name, k.Language, k.TimeZone, strings.Join(addresses, ", "))
	if len(ladder) > 0 {
		line += ", ladder: [" + strings.Join(ladder, ", ") + "]"
	}
	return line + "}"
}

func text(t inventory.Text) string {
	return fmt.Sprintf("{ru: %q, en: %q}", t[inventory.Russian], t[inventory.English])
}

func agentYAML(s *inventory.SNMP) string {
	fields := []string{"address: " + strconv.Quote(s.Address), "credentials: " + strconv.Quote(s.Credentials)}
	for _, ends := range []struct {
		name string
		of   map[string]string
	}{{"ports", s.Ports}, {"outlets", s.Outlets}, {"feeds", s.Feeds}} {
		if len(ends.of) > 0 {
			fields = append(fields, ends.name+": "+pairs(ends.of))
		}
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// sortedKeys orders keys so that 9 comes before 10.
func sortedKeys(m map[string]string) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
}

// pairs is a mapping on one line, by key.
func pairs(m map[string]string) string {
	var out []string
	for _, key := range sortedKeys(m) {
		out = append(out, strconv.Quote(key)+": "+m[key])
	}
	return "{" + strings.Join(out, ", ") + "}"
}
