package probe

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

const (
	// logLines is how many of the last lines of a BMC's event log are kept, and
	// logLength how long each may be.
	logLines  = 3
	logLength = 120
	// logShard is how many BMCs a shard may ask and still read their logs: a
	// question about suspects does, a survey of an estate doesn't.
	logShard = 50
	// maxSupplies bounds the power supplies of one machine.
	maxSupplies = 32
)

// bmcWants says what a conversation with a BMC is about.
type bmcWants struct{ power, supplies, log bool }

// bmcReading is what a BMC told.
type bmcReading struct {
	power    answer
	supplies []supply
	trouble  string   // why it told nothing of its supplies
	answers  bool     // it told nothing of the power, and is there all the same
	log      []string // the last lines, oldest first
}

// supply is one power supply: has it input?
type supply struct {
	name   string
	keys   []string // by what the inventory may name it
	result topology.Result
	detail string
}

// askBMC has one conversation with the machine's BMC, within BMCTimeout. What it
// tells late or not at all is unknown; what it told before stands.
func (a *Activities) askBMC(ctx context.Context, c *inventory.Component, wants bmcWants) []answer {
	bmc := c.Probe.BMC
	user, password, err := a.credentials(bmc.Credentials)
	if err != nil {
		return []answer{notAsked(err.Error())}
	}
	ctx, leave, trouble := a.turn(ctx, cmp.Or(bmc.URL, bmc.IPMI), "the BMC", a.opts.BMCTimeout)
	var got bmcReading
	switch {
	case trouble != "":
		got = bmcReading{power: notAsked(trouble)}
	case bmc.URL != "":
		got = a.redfish(ctx, bmc.URL, user, password, wants)
	default:
		got = a.ipmi(ctx, bmc.IPMI, user, password, wants)
	}
	leave()
	return bmcAnswers(c, got, wants, user, password)
}

// bmcAnswers are the observations that a reading comes to. A BMC that could not be asked makes
// none: no power state means that it keeps silent. One that answers without telling, because it
// refuses our credentials, say, has power from one of the machine's supplies.
func bmcAnswers(c *inventory.Component, got bmcReading, wants bmcWants, user, password string) []answer {
	switch {
	case got.power.result == "":
		return []answer{got.power}
	case got.answers && len(got.supplies) == 0:
		return []answer{{probe: topology.ProbePSU, result: topology.Up, detail: got.power.detail, rtt: got.power.rtt}, notAsked(got.power.detail)}
	}
	var answers []answer
	// Of supplies that are not known, the BMC's word on the power is all that shows that it is there.
	if !got.answers && (wants.power || got.power.result != topology.Unknown && !slices.ContainsFunc(got.supplies, told)) {
		p := got.power
		p.probe = topology.ProbePower
		if len(got.log) > 0 {
			p.detail += "; log: " + hide(strings.Join(got.log, ", "), user, password)
		}
		answers = append(answers, p)
	}
	if wants.supplies {
		answers = append(answers, supplyAnswers(c, got)...)
	}
	return answers
}

func told(s supply) bool { return s.result != topology.Unknown }

// nothing is the reading of a BMC that told nothing.
func nothing(detail string) bmcReading {
	return bmcReading{power: answer{result: topology.Unknown, detail: detail}, trouble: detail}
}

// there is the reading of a BMC that answers, and told nothing of the power.
func there(detail string) bmcReading {
	got := nothing(detail)
	got.answers = true
	return got
}

// supplyAnswers tells of each PDU or feed behind the machine whether it gives
// power to one of the supplies. A supply of which nobody knows where it hangs
// is told without peer: a guess would accuse the wrong PDU.
func supplyAnswers(c *inventory.Component, got bmcReading) []answer {
	if len(got.supplies) == 0 {
		return []answer{{probe: topology.ProbePSU, result: topology.Unknown, detail: cmp.Or(got.trouble, "the BMC reports no power supply")}}
	}
	e := ends{probe: topology.ProbePSU}
	for _, s := range got.supplies {
		e.add(peerOf(c, s), s.name+" "+s.detail, s.result)
	}
	return e.answers(got.power.rtt)
}

// peerOf says on what the supply hangs; empty if that isn't known.
func peerOf(c *inventory.Component, s supply) string {
	mapped := c.Probe.BMC.Supplies
	if len(mapped) == 0 {
		for _, g := range c.Needs {
			if g.Name == "power" && len(g.Members) == 1 {
				return g.Members[0] // there is nothing else to hang on
			}
		}
		return ""
	}
	best, peer := 0, ""
	for name, id := range mapped {
		for _, key := range s.keys {
			if n := fits(plain(name), plain(key)); n > best {
				best, peer = n, id
			}
		}
	}
	return peer
}

// fits says how well the inventory's name stands for the BMC's: whole, or as its
// beginning where no number is cut in two ("PS1" for "PS1 Status"); 0 is not.
func fits(name, key string) int {
	switch {
	case name == "" || !strings.HasPrefix(key, name):
		return 0
	case len(key) == len(name):
		return len(name) + 1
	case unicode.IsDigit(rune(name[len(name)-1])) && unicode.IsDigit(rune(key[len(name)])):
		return 0
	}
	return len(name)
}

// plain leaves letters and digits, small.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// ends folds what a device says of its ports, outlets or supplies into one
// answer per component at the other end: several links to one peer are one,
// up while one of them is.
type ends struct {
	probe topology.Probe
	peers map[string]*answer
	order []string
}

func (e *ends) add(peer, text string, r topology.Result) {
	if e.peers == nil {
		e.peers = map[string]*answer{}
	}
	known := e.peers[peer]
	if known == nil {
		e.peers[peer] = &answer{probe: e.probe, peer: peer, result: r, detail: text}
		e.order = append(e.order, peer)
		return
	}
	known.detail += ", " + text
	switch {
	case peer == "": // of several whose places aren't known, the worst is told
		known.result = worse(known.result, r)
	case known.result == topology.Up || r == topology.Up:
		known.result = topology.Up
	case r == topology.Unknown:
		known.result = topology.Unknown
	}
}

func (e *ends) answers(rtt time.Duration) []answer {
	slices.Sort(e.order)
	var out []answer
	for _, peer := range e.order {
		a := *e.peers[peer]
		a.rtt, a.detail = rtt, short(a.detail, 4*logLength)
		out = append(out, a)
	}
	return out
}

// logLine is one line of an event log, fit to be shown.
func logLine(at time.Time, text string) string {
	if !at.IsZero() {
		text = at.UTC().Format("2006-01-02 15:04:05Z ") + text
	}
	return short(text, logLength)
}

// short cuts what a device says, and drops what isn't text.
func short(s string, most int) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }), " ")
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

// hide takes out of a device's words what it may have learned from us.
func hide(s string, secrets ...string) string {
	for _, secret := range secrets {
		if len(secret) > 3 {
			s = strings.ReplaceAll(s, secret, "…")
		}
	}
	return s
}

func volts(v float64) string { return fmt.Sprintf("has %.0f V", v) }
