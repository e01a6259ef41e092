package topology

import (
	"fmt"
	"slices"
	"strings"

	"vakhta/internal/inventory"
)

// How a server leans on a component of each kind, and what saves it when that fails.
var leans = map[inventory.Kind]struct{ on, second string }{
	inventory.KindSite:       {"at", "way"},
	inventory.KindRoom:       {"in", "way"},
	inventory.KindRack:       {"in", "way"},
	inventory.KindFeed:       {"fed only by", "feed"},
	inventory.KindPDU:        {"fed only by", "feed"},
	inventory.KindPhase:      {"fed only by", "feed"},
	inventory.KindUplink:     {"reached only through", "uplink"},
	inventory.KindSwitch:     {"connected only through", "switch"},
	inventory.KindCard:       {"connected only through", "switch"},
	inventory.KindHypervisor: {"on", "host"},
	inventory.KindServer:     {"that depend on", "host"},
}

// sharedEvidence says what speaks for the failure of h, which broke those nodes.
func (r *reporter) sharedEvidence(h int32, broken []int32) []Evidence {
	id := r.global[h]
	c := r.g.nodes[id].c
	out := r.managementEvidence(id)
	var silent, answered, components int
	power := map[Result]int{}
	for _, n := range broken {
		sight := r.seen[n]
		switch {
		case sight == nil || n == id:
		case !r.g.isServer(n):
			if sight.silent() {
				components++
			}
		case sight.silent():
			silent++
			if at := slices.IndexFunc(sight.power, byBMC); at >= 0 {
				power[results[sight.power[at].result]]++
			}
		case sight.answeredIn(r.t.state[r.local[n]]):
			answered++
		}
	}
	names := c.ID
	for _, p := range r.partners(h) {
		names += " and " + r.g.id(r.global[p])
	}
	if silent > 0 {
		out = append(out, Evidence{Probe: ProbeTCP, Result: Down, Count: silent, Text: fmt.Sprintf(
			"%d of %s %s %s %s not answer", silent, count(silent+answered, "server"), leans[c.Kind].on, names, verb(silent, "does", "do"))})
	}
	for _, p := range []struct {
		result Result
		one    string
		more   string
	}{
		{Unknown, "the BMC of 1 of these does not answer", "BMCs of %d of these do not answer"},
		{Up, "the BMC of 1 of these answers: power is on", "BMCs of %d of these answer: power is on"},
		{Down, "the BMC of 1 of these says PowerState Off", "BMCs of %d of these say PowerState Off"},
	} {
		switch n := power[p.result]; n {
		case 0:
		case 1:
			out = append(out, Evidence{Probe: ProbePower, Result: p.result, Count: n, Text: p.one})
		default:
			out = append(out, Evidence{Probe: ProbePower, Result: p.result, Count: n, Text: fmt.Sprintf(p.more, n)})
		}
	}
	if components > 0 {
		out = append(out, Evidence{Result: Down, Count: components, Text: fmt.Sprintf(
			"%s of %s behind it %s not answer", verb(components, "the management address", "management addresses"), count(components, "component"), verb(components, "does", "do"))})
	}
	out = append(out, r.devicesOnShared(id)...)
	out = append(out, r.survivors(h)...)
	out = append(out, r.onSiteEvidence(h, broken)...)
	if answered > 0 {
		out = append(out, Evidence{Result: Up, Count: answered, Text: fmt.Sprintf(
			"against it: %s that should be down %s", count(answered, "server"), verb(answered, "answers", "answer"))})
	}
	return out
}

// managementEvidence says what the component's own address told.
func (r *reporter) managementEvidence(id int32) []Evidence {
	sight := r.seen[id]
	if sight == nil {
		return nil
	}
	c := r.g.nodes[id].c
	for _, v := range slices.Concat(sight.reach, sight.power) {
		switch {
		case v.hands: // see onSiteEvidence
		case v.result == isDown:
			return []Evidence{{Component: c.ID, Probe: probes[v.ask], Result: Down, Text: "management address of " + c.ID + " does not answer"}}
		case v.result == isUp:
			return []Evidence{{Component: c.ID, Probe: probes[v.ask], Result: Up, Text: "against it: management address of " + c.ID + " answers"}}
		}
	}
	return nil
}

// byBMC says that the machine's own BMC told it, and not somebody who looked.
func byBMC(v verdict) bool { return !v.hands }

// partners are the other failed members of redundant groups that h belongs to.
func (r *reporter) partners(h int32) []int32 {
	var out []int32
	for _, part := range r.parts(h) {
		for _, n := range part {
			if n != h && r.isFailure(n) {
				out = append(out, n)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// survivors counts the servers that also lean on h but answer by their redundancy.
func (r *reporter) survivors(h int32) []Evidence {
	c := r.g.nodes[r.global[h]].c
	r.stamp++
	r.search.marks[h] = r.stamp
	queue := []int32{h}
	alive, sameRack := 0, 0
	for i := 0; i < len(queue); i++ {
		for _, u := range r.t.nodes[queue[i]].users {
			if r.search.marks[u] == r.stamp {
				continue
			}
			r.search.marks[u] = r.stamp
			queue = append(queue, u)
			if here := int(r.alive[u]); here > 0 && r.t.state[u] == works {
				alive += here
				if rack := r.t.nodes[u].c.Rack; rack != "" && rack == c.Rack {
					sameRack += here
				}
			}
		}
	}
	if alive == 0 {
		return nil
	}
	where := ""
	if sameRack == alive {
		where = " in the same rack"
	}
	return []Evidence{{Result: Up, Count: alive, Text: fmt.Sprintf(
		"%s%s with a second %s %s", count(alive, "server"), where, leans[c.Kind].second, verb(alive, "answers", "answer"))}}
}

// ownEvidence says what speaks for a fault of the server itself, by the graph's number.
func (r *reporter) ownEvidence(id int32) []Evidence {
	c := r.g.nodes[id].c
	sight := r.seen[id]
	var out []Evidence
	if at := slices.IndexFunc(sight.power, byBMC); at >= 0 {
		result := sight.power[at].result
		text := [...]string{
			isDown: "BMC says PowerState Off", isUp: "BMC says PowerState On", isUnknown: "BMC does not answer", isAlive: "BMC answers",
		}[result]
		out = append(out, Evidence{Component: c.ID, Probe: ProbePower, Result: results[result], Text: text})
	}
	out = append(out, slices.Concat(r.lastLog(id), r.devicesOn(id), r.onSiteEvidence(r.local[id], []int32{id}))...)
	var told [asks]bool
	for _, v := range sight.reach {
		if v.result != isDown || told[v.ask] {
			continue
		}
		told[v.ask] = true
		text, detail := silences[v.ask], r.table.obs[v.row].Detail
		if d := unfit(v.ask, detail); d != "" {
			text = answersUnfit + strings.ToUpper(string(probes[v.ask])) + ", but not as it should (" + d + ")"
		} else if d := plainDetail(detail); d != "" {
			text += " (" + d + ")"
		}
		if v.run > 1 {
			text += fmt.Sprintf(", %d times in a row", v.run)
		}
		out = append(out, Evidence{Component: c.ID, Probe: probes[v.ask], Result: Down, Text: text})
	}
	if k := r.beside(r.local[id]); k > 0 {
		out = append(out, Evidence{Result: Up, Count: k, Text: fmt.Sprintf(
			"%s beside it, behind the same equipment, %s", count(k, "other server"), verb(k, "answers", "answer"))})
	}
	return out
}

// beside counts the servers that answer and share with n, which stands for silent
// ones, a direct need.
func (r *reporter) beside(n int32) int {
	r.stamp++
	alive := 0
	for _, grp := range r.t.nodes[n].groups {
		for _, m := range grp.members {
			for _, u := range r.t.nodes[m].users {
				if r.search.marks[u] == r.stamp {
					continue
				}
				r.search.marks[u] = r.stamp
				alive += int(r.alive[u])
			}
		}
	}
	return alive
}

// silences are what a machine does when a probe of it gets no answer.
var silences = [askPower]string{
	askTCP: "does not accept TCP connections", askICMP: "does not answer ping", askSNMP: "does not answer SNMP", askTLS: "does not complete a TLS handshake",
	askHTTP: "does not answer HTTP", askDNS: "does not answer DNS", askSSH: "does not answer SSH",
}

// plainDetail keeps what is known to hold no address.
func plainDetail(detail string) string {
	for _, word := range []string{"connection refused", "timeout", "no route to host", "reset"} {
		if strings.Contains(detail, word) {
			return word
		}
	}
	return ""
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// verb is the form that goes with so many.
func verb(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}
