package topology

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// longestSilence is how far apart two rows may be that tell of one outage.
const longestSilence = time.Hour

// chronicle finds the rows of a node in time: those that inference weighs, and
// older ones that only tell what came when.
type chronicle struct {
	g         *Graph
	obs, past []Observation
	table     *table  // of obs
	older     []int32 // the nodes of past
	begins    []int32 // node n's rows of past are list[begins[n]:begins[n+1]]
	list      []int32
	sees      *sight
	brief     []summary        // by node
	rows      [][]*Observation // by node, oldest first; nil: not gathered
	now       [][]*Observation // those of obs, in order, too
	fell      [][]drop         // when the gathered ones fell silent
}

// summary is what the rows of a node hold, in short.
type summary struct {
	ups, downs uint8 // answers to probes that reach it, and the lack of one; at most 2
	past       bool  // older rows tell whether it answered: there are some of probes that reach it
	before     bool  // by one of them it did
	asked      uint8 // from where older rows asked: askedWithin and so on
	failing    int64 // the first row of obs that is no answer, in nanoseconds; 0: none
}

// prepare summarizes, and gathers what will be asked for: the rows of machines
// that are silent and were not always.
func (c *chronicle) prepare(seen []*sighting) {
	c.summarize()
	var fell []int32
	for n, s := range seen {
		if s != nil && c.g.isServer(int32(n)) && s.silent() && !c.startedSilent(int32(n)) {
			fell = append(fell, int32(n))
		}
	}
	c.gather(fell)
}

// summarize reads all rows once.
func (c *chronicle) summarize() {
	c.brief = make([]summary, len(c.g.nodes))
	note := func(n int32, o *Observation) *summary {
		s := &c.brief[n]
		switch {
		case o.Result == Up && s.ups < 2 && reaches(o.Probe):
			s.ups++
		case o.Result == Down && s.downs < 2 && reaches(o.Probe):
			s.downs++
		}
		return s
	}
	c.believed(false, func(n int32, o *Observation) {
		s := note(n, o)
		if at := o.At.UnixNano(); o.Result != Up && o.Peer == "" && (s.failing == 0 || at < s.failing) {
			s.failing = at
		}
	})
	last, at := "", int32(noNode)
	c.believed(true, func(n int32, o *Observation) {
		s := note(n, o)
		if o.Vantage != last {
			last, at = o.Vantage, c.g.placeOf(o.Vantage)
		}
		s.asked |= c.g.askedFrom(at, n)
		if o.Result != Unknown && reaches(o.Probe) {
			s.past = true
			s.before = s.before || o.Result == Up
		}
	})
}

// believed calls do for each row that counts, of obs or else of the past.
func (c *chronicle) believed(past bool, do func(n int32, o *Observation)) {
	list, nodes := c.obs, c.table.node
	if past {
		if c.older == nil {
			c.older = c.g.rowNodes(c.past)
		}
		list, nodes = c.past, c.older
	}
	for i, n := range nodes {
		if n != noNode && c.sees.believes(c.g, list[i].Vantage, n) {
			do(n, &list[i])
		}
	}
}

// indexPast sorts the older rows by node.
func (c *chronicle) indexPast() {
	if c.begins != nil {
		return
	}
	if c.older == nil {
		c.older = c.g.rowNodes(c.past)
	}
	c.begins = make([]int32, len(c.g.nodes)+1)
	for _, n := range c.older {
		if n != noNode {
			c.begins[n+1]++
		}
	}
	for n := range c.g.nodes {
		c.begins[n+1] += c.begins[n]
	}
	c.list = make([]int32, c.begins[len(c.g.nodes)])
	next := slices.Clone(c.begins)
	for i, n := range c.older {
		if n != noNode {
			c.list[next[n]] = int32(i)
			next[n]++
		}
	}
}

// reaches says that the probe asks the component itself over the network.
func reaches(p Probe) bool {
	switch p {
	case ProbeTCP, ProbeICMP, ProbeTLS, ProbeHTTP, ProbeDNS, ProbeSSH, ProbeSNMP:
		return true
	}
	return false
}

// gather sorts the rows of these nodes out, oldest first. Of the past only
// questions count that are asked now: what never answered says nothing.
func (c *chronicle) gather(nodes []int32) {
	if c.rows == nil {
		c.rows, c.now = make([][]*Observation, len(c.g.nodes)), make([][]*Observation, len(c.g.nodes))
		c.fell = make([][]drop, len(c.g.nodes))
		c.indexPast()
	}
	var wanted []int32
	for _, n := range nodes {
		if c.rows[n] == nil {
			c.rows[n] = []*Observation{}
			wanted = append(wanted, n)
		}
	}
	inParts(len(wanted), 256, func(from, to int) {
		for _, n := range wanted[from:to] {
			c.gatherOne(n)
		}
	})
}

func (c *chronicle) gatherOne(n int32) {
	order := func(rows []*Observation) []*Observation {
		slices.SortFunc(rows, inTime)
		return slices.CompactFunc(rows, func(a, b *Observation) bool { return inTime(a, b) == 0 })
	}
	rows := c.table.of(n)
	now := make([]*Observation, 0, len(rows))
	for i := range rows {
		if o := &c.obs[rows[i].i]; o.Peer == "" && c.sees.believed(c.g, rows[i].vantage, n) {
			now = append(now, o)
		}
	}
	now = order(now)
	all := now
	for _, i := range c.list[c.begins[n]:c.begins[n+1]] {
		o := &c.past[i]
		asked := o.Peer == "" && slices.ContainsFunc(now, func(a *Observation) bool { return a.Probe == o.Probe && a.Vantage == o.Vantage })
		if asked && c.sees.believes(c.g, o.Vantage, n) {
			all = append(all, o)
		}
	}
	c.now[n] = now
	if len(all) > len(now) { // mostly the past is over when now begins, so that each is sorted by itself
		past := order(slices.Clone(all[len(now):]))
		if all = slices.Concat(past, now); past[len(past)-1].At.Compare(now[0].At) >= 0 {
			all = order(all)
		}
	}
	c.rows[n] = all
	c.fell[n] = c.drops(n)
}

// inTime orders rows of one component.
func inTime(a, b *Observation) int {
	return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Vantage, b.Vantage),
		strings.Compare(string(a.Probe), string(b.Probe)), cmp.Compare(rank(a.Result), rank(b.Result)), strings.Compare(a.Detail, b.Detail))
}

// drop is when a node fell silent, as one vantage saw it: after the last answer,
// not after the first silence. A zero instant is one that is not known.
type drop struct {
	vantage     string
	after, seen time.Time
	first       int  // the row that is the earliest silence
	over        bool // what came before tells nothing
}

// drops returns when the node fell silent, by vantage.
// What the silence follows by more than longestSilence is another outage; what
// missed a probe while it answered another, at the same look, had not gone yet.
func (c *chronicle) drops(n int32) []drop {
	rows := c.rows[n]
	var out []drop
	for i := len(rows) - 1; i >= 0; i-- {
		o := rows[i]
		if !reaches(o.Probe) || o.Result == Unknown {
			continue
		}
		k := slices.IndexFunc(out, func(d drop) bool { return d.vantage == o.Vantage })
		if k < 0 {
			k = len(out)
			out = append(out, drop{vantage: o.Vantage, first: noNode})
		}
		d := &out[k]
		switch {
		case d.over:
		case o.Result == Up:
			d.after, d.over = o.At, true
		case d.first != noNode && d.seen.Sub(o.At) > longestSilence:
			d.over = true
		default:
			d.first, d.seen = i, o.At
		}
	}
	out = slices.DeleteFunc(out, func(d drop) bool { return d.first == noNode })
	for k := range out {
		d := &out[k]
		if d.after.IsZero() {
			continue
		}
		for _, o := range rows[d.first:] {
			if o.Vantage == d.vantage && reaches(o.Probe) && o.Result != Unknown && o.At.Sub(d.after) > lookEnds {
				d.seen = o.At
				break
			}
		}
	}
	return out
}

// startedSilent says that no row tells of a time when the node answered.
func (c *chronicle) startedSilent(n int32) bool { return c.brief[n].ups == 0 && !c.brief[n].past }

// neverUp says that no row ever saw it answer.
func (c *chronicle) neverUp(n int32) bool {
	return c.brief[n].ups == 0 && !(c.brief[n].past && c.brief[n].before)
}

// since is when the nodes failed that did so at once, or one after another: when they were first seen failing after they
// were last seen working; the zero time if none was. Where it was at once, those that had been silent before, by
// themselves or by chance, don't count: one of three or more, and one in ten.
func (c *chronicle) since(nodes []int32, atOnce bool) time.Time {
	var fell []time.Time
	for _, n := range nodes {
		if at := c.fellAt(n); !at.IsZero() {
			fell = append(fell, at)
		}
	}
	if len(fell) == 0 {
		return time.Time{}
	}
	order := make([]int64, len(fell)) // numbers are sorted much sooner than times
	for i := range fell {
		order[i] = fell[i].UnixNano()
	}
	slices.Sort(order)
	first := order[0]
	if atOnce && len(fell) > 2 {
		first = order[1+len(fell)/10]
	}
	return fell[slices.IndexFunc(fell, func(at time.Time) bool { return at.UnixNano() == first })]
}

// firstSilence is when any of the nodes was first seen not to answer, whatever came after; the zero time if none was.
func (c *chronicle) firstSilence(nodes []int32) time.Time {
	var first time.Time
	for _, n := range nodes {
		at := slices.IndexFunc(c.rows[n], func(o *Observation) bool { return reaches(o.Probe) && o.Result == Down })
		if at >= 0 && (first.IsZero() || c.rows[n][at].At.Before(first)) {
			first = c.rows[n][at].At
		}
	}
	return first
}

// fellAt is when a node was first seen failing after it was last seen working; the zero time if it never was.
func (c *chronicle) fellAt(n int32) time.Time {
	if c.startedSilent(n) {
		if at := c.brief[n].failing; at != 0 {
			return time.Unix(0, at).UTC()
		}
		return time.Time{}
	}
	var answered, first time.Time // by any vantage
	for _, d := range c.fell[n] {
		if d.after.After(answered) {
			answered = d.after
		}
	}
	for _, d := range c.fell[n] {
		if !d.seen.Before(answered) && (first.IsZero() || d.seen.Before(first)) {
			first = d.seen
		}
	}
	if !first.IsZero() {
		return first
	}
	for _, o := range c.rows[n] { // its BMC told, or clocks disagree
		if o.Result != Up && !o.At.Before(answered) {
			return o.At
		}
	}
	return time.Time{}
}

// worked is when any of the nodes was last seen to answer before they failed; the zero
// time if no row tells.
func (c *chronicle) worked(nodes []int32, before time.Time) time.Time {
	var last time.Time
	for _, n := range nodes {
		if c.startedSilent(n) {
			continue
		}
		for _, d := range c.fell[n] {
			if d.after.After(last) && d.after.Before(before) {
				last = d.after
			}
		}
	}
	return last
}
