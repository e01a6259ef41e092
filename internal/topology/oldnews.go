package topology

import "slices"

const (
	leastThen  = 3  // so many, and half, of what hangs on a component must have been silent in the earlier sweep,
	mostTwitch = 20 // and fewer than one of so many have answered, then or now, for the component to have been down then
)

// tallyOf counts what hangs on a component and on nothing beside it, as the earlier sweep and this one found it.
type tallyOf struct{ all, silent, answered, back int }

// gone says that the component was down then and still is.
func (k *tallyOf) gone() bool {
	return k.silent >= leastThen && 2*k.silent >= k.all && mostTwitch*k.answered <= k.silent && mostTwitch*k.back <= k.silent
}

// oldNews is what was down already in the earlier sweep, by node: itself, or all that hangs on what was. What that
// sweep did not ask of it is no news either. starts are when this sweep began, by vantage.
func (g *Graph) oldNews(t *table, was *words, starts []int64) []bool {
	count := make([]tallyOf, len(g.nodes))
	for n := range g.nodes {
		rows := t.of(int32(n))
		then := was.table.of(int32(n))
		silent := answeredNothing(then)
		now, up := false, false
		for i := range rows {
			if r := &rows[i]; r.ask.reaches() && r.at >= starts[r.vantage] {
				now, up = true, up || r.result == isUp
			}
		}
		if now {
			g.tallyUp(int32(n), count, silent, !silent && answeredSomething(then), up)
		}
	}
	g.tallyPeers(t, was, starts, count)
	out := make([]bool, len(g.nodes))
	any := false
	for n := range count {
		out[n] = count[n].gone()
		any = any || out[n]
	}
	if !any {
		return nil
	}
	down := slices.Clone(out)
	for n := range out {
		out[n] = out[n] || slices.ContainsFunc(g.leansOn(int32(n)), func(c int32) bool { return down[c] })
	}
	return out
}

func (g *Graph) tallyUp(n int32, count []tallyOf, silent, answered, up bool) {
	for _, c := range append(g.leansOn(n), n) {
		k := &count[c]
		k.all++
		if silent {
			k.silent++
		}
		if answered {
			k.answered++
		}
		if up {
			k.back++
		}
	}
}

// tallyPeers adds what supplies said of their PDUs.
func (g *Graph) tallyPeers(t *table, was *words, starts []int64, count []tallyOf) {
	if !t.peers {
		return
	}
	for i := range was.table.rows {
		if r := &was.table.rows[i]; r.ask == askPSU && r.peer != noNode {
			switch r.result {
			case isDown:
				count[r.peer].silent++
			case isUp:
				count[r.peer].answered++
			}
		}
	}
	for i := range t.rows {
		if r := &t.rows[i]; r.ask == askPSU && r.peer != noNode && r.at >= starts[r.vantage] {
			count[r.peer].all++
			if r.result == isUp {
				count[r.peer].back++
			}
		}
	}
}

func answeredSomething(rows []row) bool {
	return slices.ContainsFunc(rows, func(r row) bool { return r.ask.reaches() && r.result == isUp })
}

// leansOn is what the node needs alone, and what that needs alone, and so on, the places among it.
func (g *Graph) leansOn(n int32) []int32 {
	var out []int32
	for at, next := n, 0; ; next++ {
		for i := range g.nodes[at].groups {
			if m := g.nodes[at].groups[i].members; len(m) == 1 && m[0] != n && !slices.Contains(out, m[0]) {
				out = append(out, m[0])
			}
		}
		if next >= len(out) {
			return out
		}
		at = out[next]
	}
}
