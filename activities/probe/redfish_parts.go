package probe

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/schemas"

	"vakhta/internal/topology"
)

// liveVolts is the least line voltage that counts as input: a supply that is fed
// by nothing measures a few volts at most.
const liveVolts = 30

// redfishSupplies lists the power supplies of the systems' chassis, or of all
// chassis where the systems name none.
func redfishSupplies(c *gofish.APIClient, systems []*schemas.ComputerSystem) ([]supply, error) {
	var chassis []*schemas.Chassis
	var err error
	for _, s := range systems {
		var of []*schemas.Chassis
		if of, err = s.Chassis(); err == nil {
			chassis = append(chassis, of...)
		}
	}
	if len(chassis) == 0 {
		if chassis, err = c.Service.Chassis(); err != nil {
			return nil, err
		}
	}
	var out []supply
	for _, ch := range chassis {
		var found []*schemas.PowerSupply
		if found, err = suppliesOf(ch); err != nil {
			continue // another chassis may tell; the last error is told if none does
		}
		for _, p := range found {
			if s, there := readSupply(p); there && len(out) < maxSupplies {
				out = append(out, s)
			}
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	return nil, err
}

// suppliesOf asks the way that gives the line voltage first (Power, one answer
// for all), then its successor (PowerSubsystem).
func suppliesOf(c *schemas.Chassis) ([]*schemas.PowerSupply, error) {
	power, err := c.Power()
	if err == nil && power != nil && len(power.PowerSupplies) > 0 {
		out := make([]*schemas.PowerSupply, 0, len(power.PowerSupplies))
		for i := range power.PowerSupplies {
			out = append(out, &power.PowerSupplies[i])
		}
		return out, nil
	}
	sub, subErr := c.PowerSubsystem()
	if subErr != nil || sub == nil {
		return nil, cmp.Or(subErr, err)
	}
	return sub.PowerSupplies()
}

// readSupply reads one supply; false for an empty slot.
func readSupply(p *schemas.PowerSupply) (supply, bool) {
	var more struct {
		ID              string `json:"Id"`
		LineInputStatus schemas.LineStatus
	}
	_ = json.Unmarshal(p.RawData, &more) // what only PowerSubsystem has
	s := supply{name: short(cmp.Or(p.Name, more.ID, p.MemberID), logLength), keys: []string{p.Name, more.ID, p.MemberID}}
	if p.Status.State == schemas.AbsentState {
		return s, false
	}
	well := p.Status.Health == schemas.OKHealth || p.Status.Health == ""
	switch {
	case more.LineInputStatus == schemas.LossOfInputLineStatus:
		s.result, s.detail = topology.Down, "has no input"
	case more.LineInputStatus == schemas.NormalLineStatus:
		s.result, s.detail = topology.Up, "has input"
	case more.LineInputStatus != "":
		s.result, s.detail = topology.Unknown, "has an input of "+short(string(more.LineInputStatus), logLength)
	case p.LineInputVoltage != nil && *p.LineInputVoltage < liveVolts:
		s.result, s.detail = topology.Down, "has no input, "+strconv.FormatFloat(float64(*p.LineInputVoltage), 'f', 0, 32)+" V"
	case p.LineInputVoltage != nil && well:
		s.result, s.detail = topology.Up, volts(float64(*p.LineInputVoltage))
	case p.PowerInputWatts != nil && *p.PowerInputWatts > 0, p.LineInputVoltage == nil && well && p.Status.State == schemas.EnabledState:
		s.result, s.detail = topology.Up, "has input"
	default: // a broken supply, or one without input: its BMC doesn't say which
		s.result, s.detail = topology.Unknown, "is "+short(string(p.Status.Health)+" "+string(p.Status.State), logLength)
	}
	return s, true
}

// logEntry is what we read of Redfish's LogEntry.
type logEntry struct {
	Link    string `json:"@odata.id"`
	Created created
	Message string
}

// created is a time that may be missing or malformed: the message counts.
type created struct{ time.Time }

// UnmarshalJSON reads RFC 3339; anything else is the zero time.
func (c *created) UnmarshalJSON(raw []byte) error {
	c.Time, _ = time.Parse(time.RFC3339, strings.Trim(string(raw), `"`))
	return nil
}

// redfishLog reads the last lines of the system's hardware log, in at most three
// requests per log: a log may hold thousands. What goes wrong costs the log only.
func redfishLog(c *gofish.APIClient, s *schemas.ComputerSystem) []string {
	logs, _ := s.LogServices() // those that could be read
	slices.SortStableFunc(logs, func(a, b *schemas.LogService) int { return cmp.Compare(rankLog(a.ID), rankLog(b.ID)) })
	for _, l := range logs {
		var links struct {
			Entries schemas.Link `json:"Entries"`
		}
		if rankLog(l.ID) == noLog || json.Unmarshal(l.RawData, &links) != nil || links.Entries.String() == "" {
			continue
		}
		return lastEntries(c, links.Entries.String())
	}
	return nil
}

// noLog is the rank of logs that tell who did what: not for other eyes.
const noLog = 9

// rankLog prefers the hardware's log over others.
func rankLog(id string) int {
	id = strings.ToLower(id)
	for _, no := range []string{"audit", "security", "lclog", "journal"} {
		if strings.Contains(id, no) {
			return noLog
		}
	}
	for n, yes := range []string{"sel", "iml", "hardware", "event"} {
		if strings.Contains(id, yes) {
			return n
		}
	}
	return noLog - 1
}

func lastEntries(c *gofish.APIClient, link string) []string {
	members, count := page(c, link)
	if count > len(members) { // the rest is on other pages, the newest mostly on the last
		if tail, _ := page(c, link+"?$skip="+strconv.Itoa(count-logLines)); len(tail) > 0 {
			members = append(members, tail...)
		}
	}
	slices.SortStableFunc(members, func(a, b logEntry) int { return a.Created.Compare(b.Created.Time) })
	members = slices.CompactFunc(members, func(a, b logEntry) bool { return a.Link != "" && a.Link == b.Link })
	var lines []string
	for _, e := range members[max(0, len(members)-logLines):] {
		if e.Message == "" && e.Link != "" { // some list links alone
			e = entry(c, e.Link)
		}
		if e.Message != "" {
			lines = append(lines, logLine(e.Created.Time, e.Message))
		}
	}
	return lines
}

// page reads one page of a log: its entries, and how many there are in all.
func page(c *gofish.APIClient, link string) ([]logEntry, int) {
	var body struct {
		Count   int        `json:"Members@odata.count"`
		Members []logEntry `json:"Members"`
	}
	get(c, link, &body)
	return body.Members, body.Count
}

func entry(c *gofish.APIClient, link string) logEntry {
	var e logEntry
	get(c, link, &e)
	return e
}

// get reads what it can of a resource; a failure leaves the rest as it was.
func get(c *gofish.APIClient, link string, into any) {
	resp, err := c.Get(link) //nolint:bodyclose // gofish closes it below
	if err != nil {
		return
	}
	defer schemas.DeferredCleanupHTTPResponse(resp)
	_ = json.NewDecoder(resp.Body).Decode(into)
}
