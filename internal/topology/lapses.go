package topology

import "vakhta/internal/inventory"

const (
	mostAgain    = 0.15 // of such silences are silent again, for them to have been chance
	weightOfRest = 2    // so many silences what is known of other kinds is worth
)

// manner is how equipment of a kind is asked; of all kinds it is empty.
type manner struct {
	kind    inventory.Kind
	ask     ask
	vantage uint16
}

// lapses counts the questions that went unanswered once in the earlier sweep, though their component answered another
// one: those asked again of what answers another one now, too, and of these those unanswered again. Whose address never
// answers ping by policy is silent again; whose answer was lost is not. Servers are not among them: each owner has his policies.
type lapses map[manner]misses

func (g *Graph) lapsesOf(t *table, was *words, since []int64) lapses {
	out := lapses{}
	for n := range g.nodes {
		then := was.table.of(int32(n))
		if g.isServer(int32(n)) || !answeredSomething(then) {
			continue
		}
		rows, up := t.of(int32(n)), 0
		for i := range rows {
			if t.isLast(rows, i, since) && rows[i].result == isUp {
				up++
			}
		}
		for i := range rows {
			r, others := &rows[i], up
			if r.result == isUp {
				others--
			}
			if others > 0 && t.isLast(rows, i, since) && silentOnce(then, r, was.vantage[r.vantage]) {
				out.note(g.nodes[n].c.Kind, r)
				out.note("", r)
			}
		}
	}
	return out
}

func (l lapses) note(kind inventory.Kind, r *row) {
	m := manner{kind, r.ask, r.vantage}
	k := l[m]
	k.note(r.result)
	l[m] = k
}

// isLast says that the row is the last word on its question, and not stale.
func (t *table) isLast(rows []row, i int, since []int64) bool {
	r := &rows[i]
	return r.ask.reaches() && r.result != isUnknown && r.at >= since[r.vantage] && (i == 0 || !sameQuestion(r, &rows[i-1]))
}

// silentOnce says that the earlier sweep asked the same from the same vantage once, and got no answer.
func silentOnce(then []row, r *row, vantage int) bool {
	count := 0
	for i := range then {
		if a := &then[i]; a.ask == r.ask && int(a.vantage) == vantage && a.result != isUnknown {
			if a.result == isUp {
				return false
			}
			count++
		}
	}
	return count == 1
}

// chance says that it tells of no habit that the question of the row was silent in the earlier sweep: the component
// answered another one, and hardly any that were silent so are silent again. Where few were, that is not known.
func (l lapses) chance(kind inventory.Kind, then []row, r *row, vantage int) bool {
	if kind == inventory.KindServer || !r.ask.reaches() || !silentOnce(then, r, vantage) || !answeredSomething(then) {
		return false
	}
	rest := l[manner{"", r.ask, r.vantage}].again(1)
	return l[manner{kind, r.ask, r.vantage}].again(rest) <= mostAgain
}

// again is the share that is silent again, where that of the rest is usual.
func (k misses) again(usual float64) float64 {
	return (float64(k.missed) + usual*weightOfRest) / (float64(k.asked) + weightOfRest)
}
