package records

import (
	"context"
	"slices"
	"strings"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// shardSize is how many components a shard holds at least before a vantage's
// part of a round is split: one socket asks thousands as fast as one.
const shardSize = 2000

// mostShards is into how many shards a vantage's part of a round is split at
// most, however large: each costs up to six events of the history.
const mostShards = 8

// outsideView is how many machines of a site are looked at from outside as
// well: a vantage within does not notice that the uplinks are gone, and
// inference believes nothing of a vantage that fewer than twenty rows speak of.
const outsideView = 24

// questions collects what a round asks, by the vantages that may ask it.
type questions struct {
	a      *Activities
	absent []string
	groups map[string]*askedFrom
	order  []string
}

// askedFrom is what one list of vantages may be asked for.
type askedFrom struct {
	vantages []string
	extra    bool
	lists    map[string]*list
	order    []string
}

type list struct {
	probes []topology.Probe
	first  bool
	ids    []string
	has    map[string]bool
}

func (a *Activities) newQuestions(absent []string) *questions {
	return &questions{a: a, absent: absent, groups: map[string]*askedFrom{}}
}

func (q *questions) empty() bool { return len(q.groups) == 0 }

// vantages are those that may ask the site, best first: those that the
// inventory lists for it, then those outside of all sites. Absent ones are left
// out while there is another.
func (q *questions) vantages(site string) []string {
	var all []string
	if s, ok := q.a.inv.Site(site); ok {
		all = append(all, s.Vantages...)
	}
	for _, v := range q.a.inv.Vantages() {
		if !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return []string{site}
	}
	present := slices.DeleteFunc(slices.Clone(all), func(v string) bool { return slices.Contains(q.absent, v) })
	if len(present) == 0 {
		return all
	}
	return present
}

// second is the vantage that sees the site from the other side of its uplinks
// than the first one does, or at least from elsewhere; "" if there is none.
func (q *questions) second(site string) string {
	all := q.vantages(site)
	within := q.a.graph().Within(all[0], site)
	for _, v := range all[1:] {
		if q.a.graph().Within(v, site) != within {
			return v
		}
	}
	if len(all) > 1 {
		return all[1]
	}
	return ""
}

// askable: something can be asked of it. A probe never goes to what the inventory doesn't hold.
func askable(c *inventory.Component) bool {
	return c.Probe.Address != "" || c.Probe.BMC.Given() || c.Probe.SNMP != nil || c.Probe.Proxmox != nil
}

// first asks components for the first time: they count.
func (q *questions) first(ids []string) {
	for _, id := range ids {
		if c, ok := q.a.inv.Component(id); ok && askable(c) {
			q.add(q.vantages(c.Site), false, nil, true, id)
		}
	}
}

// ask asks components, each from the best vantage of its site.
func (q *questions) ask(probes []topology.Probe, ids ...string) {
	for _, id := range ids {
		if c, ok := q.a.inv.Component(id); ok && askable(c) {
			q.add(q.vantages(c.Site), false, probes, false, id)
		}
	}
}

// askFrom asks components from that vantage and from no other.
func (q *questions) askFrom(vantage string, ids ...string) {
	for _, id := range ids {
		if c, ok := q.a.inv.Component(id); ok && c.Probe.Address != "" && vantage != "" && !slices.Contains(q.absent, vantage) {
			q.add([]string{vantage}, true, nil, false, id)
		}
	}
}

// fromOutside has some of the servers, and the uplinks of their sites, looked
// at from outside, where the best vantage stands within.
func (q *questions) fromOutside(servers []string) {
	bySite := map[string][]string{}
	for _, id := range servers {
		if c, ok := q.a.inv.Component(id); ok && c.Probe.Address != "" {
			bySite[c.Site] = append(bySite[c.Site], id)
		}
	}
	for _, n := range q.a.countSites(servers) {
		second := q.second(n.Site)
		if second == "" || !q.a.graph().Within(q.vantages(n.Site)[0], n.Site) || q.a.graph().Within(second, n.Site) {
			continue
		}
		q.askFrom(second, spread(bySite[n.Site], outsideView)...)
		for _, c := range q.a.inv.Components() {
			if c.Kind == inventory.KindUplink && c.Site == n.Site {
				q.askFrom(second, c.ID)
			}
		}
	}
}

func (q *questions) add(vantages []string, extra bool, probes []topology.Probe, first bool, id string) {
	key := strings.Join(vantages, " ")
	if extra {
		key += " extra"
	}
	g := q.groups[key]
	if g == nil {
		g = &askedFrom{vantages: vantages, extra: extra, lists: map[string]*list{}}
		q.groups[key], q.order = g, append(q.order, key)
	}
	name := ""
	for _, p := range probes {
		name += string(p) + " "
	}
	if first {
		name += "first"
	}
	l := g.lists[name]
	if l == nil {
		l = &list{probes: probes, first: first, has: map[string]bool{}}
		g.lists[name], g.order = l, append(g.order, name)
	}
	if !l.has[id] {
		l.has[id] = true
		l.ids = append(l.ids, id)
	}
}

// keep stores the round's shards and returns what workflows are to know of them.
func (q *questions) keep(ctx context.Context, sweep string, round int) ([]ShardRef, error) {
	var shards []topology.Shard
	var refs []ShardRef
	for _, key := range q.order {
		g := q.groups[key]
		for _, asks := range g.split() {
			ref := ShardRef{Number: len(shards), Vantages: g.vantages, Extra: g.extra}
			var first []string
			for _, ask := range asks {
				ref.Components += len(ask.Components)
				if ask.First {
					first = append(first, ask.Components...)
				}
			}
			if len(first) > 0 {
				ref.Sites = q.a.countSites(first)
			}
			shards = append(shards, topology.Shard{Vantage: g.vantages[0], Asks: asks})
			refs = append(refs, ref)
		}
	}
	if len(shards) == 0 {
		return nil, nil
	}
	return refs, q.a.store.PutShards(ctx, sweep, round, q.a.now(), shards)
}

// split cuts the lists into shards of about the same size.
func (g *askedFrom) split() [][]topology.Ask {
	total := 0
	for _, l := range g.lists {
		total += len(l.ids)
	}
	size := max(shardSize, (total+mostShards-1)/mostShards)
	var out [][]topology.Ask
	room := 0
	for _, name := range g.order {
		l := g.lists[name]
		for ids := l.ids; len(ids) > 0; {
			if room == 0 {
				out, room = append(out, nil), size
			}
			n := min(room, len(ids))
			out[len(out)-1] = append(out[len(out)-1], topology.Ask{Components: ids[:n], Probes: l.probes, First: l.first})
			ids, room = ids[n:], room-n
		}
	}
	return out
}

// spread picks n of a list, evenly.
func spread(ids []string, n int) []string {
	if len(ids) <= n {
		return ids
	}
	out := make([]string, 0, n)
	for i := range n {
		out = append(out, ids[i*len(ids)/n])
	}
	return out
}
