package topology

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// staleAfter is how much older than its vantage's sweep a row may be. Ages are
// compared within a vantage only: clocks of different ones need not agree.
const staleAfter = 10 * time.Minute

// Sifted is what is left of stored rows once what says nothing is taken out,
// and how many rows that was, by reason.
type Sifted struct {
	Observations []Observation
	Strangers    int // about components that the inventory does not know
	Unreadable   int // of a probe that inference does not know
	Doubled      int // the same row once more
	Stale        int // older than the vantage's last sweep, or of one that fell silent
	WasSo        int // like the earlier sweep: never answered, or was already off
	// Past are the stale rows, and those of the earlier sweep, for [Graph.InferAfter].
	Past []Observation
	past []int32 // their nodes
	// HabitsKnown is for the caller to set: what never answers was left out by who made the rows, as in an incident's.
	HabitsKnown bool
}

// Remember adds what earlier sweeps saw.
func (s *Sifted) Remember(past []Observation) {
	if len(past) > 0 {
		s.Past, s.past = slices.Concat(s.Past, past), nil
	}
}

// Sift prepares stored rows for [Graph.Infer]. Before is an earlier sweep, or
// nil: what did not answer then and does not answer now is not news, and counts
// as if it had not been asked, not as if it were well. Where the earlier sweep
// did not ask, or could not tell, or lost an answer by chance, the row stands.
func (g *Graph) Sift(obs, before []Observation) Sifted {
	var out Sifted
	t := g.tabulate(obs)
	for i, n := range t.node {
		if n != noNode {
			continue
		}
		o := &obs[i]
		_, known := g.index[o.Component]
		if known && o.Peer != "" {
			_, known = g.index[o.Peer]
		}
		if known {
			out.Unreadable++
		} else {
			out.Strangers++
		}
	}
	was := g.lastWords(before, t.vantages)
	fate := g.fates(t, was)
	out.Observations = make([]Observation, 0, len(t.rows))
	for i, n := range t.node {
		switch {
		case n == noNode:
		case fate[i] == doubled:
			out.Doubled++
		case fate[i] == stale:
			out.Stale++
			out.Past, out.past = append(out.Past, obs[i]), append(out.past, n)
		case fate[i] == wasSo:
			out.WasSo++
		default:
			out.Observations = append(out.Observations, obs[i])
		}
	}
	out.Past = append(out.Past, before...)
	if was != nil {
		out.past = append(out.past, was.table.node...)
	}
	return out
}

// What becomes of a row.
const (
	kept = iota
	doubled
	stale
	wasSo
)

// fates says what becomes of each row.
func (g *Graph) fates(t *table, was *words) []uint8 {
	since := t.sweepStarts(g.silentVantages(t))
	var gone []bool
	var lone lapses
	if was != nil {
		gone, lone = g.oldNews(t, was, since), g.lapsesOf(t, was, since)
	}
	out := make([]uint8, len(t.obs))
	inChunks(len(g.nodes), func(from, to int) {
		for n := from; n < to; n++ {
			rows := t.of(int32(n))
			for i := range rows {
				r := &rows[i]
				switch {
				case r.at < since[r.vantage]:
					out[r.i] = stale
				case r.result != isUp && (was.silent(int32(n), r) && !lone.chance(g.nodes[n].c.Kind, was.table.of(int32(n)), r, was.vantage[r.vantage]) || gone != nil && was.gone(int32(n), r, gone)):
					out[r.i] = wasSo
				case i > 0 && sameRow(r, &rows[i-1]):
					out[r.i] = doubled
				}
			}
		}
	})
	return out
}

// sameRow says that the rows, of one component, tell the same; details may differ.
func sameRow(a, b *row) bool { return sameQuestion(a, b) && a.at == b.at && a.result == b.result }

func sameQuestion(a, b *row) bool {
	return a.ask == b.ask && a.peer == b.peer && a.vantage == b.vantage
}

// sweepStarts finds, per vantage, the instant before which rows are stale:
// staleAfter before the last instant that closes a window with a fair share of
// the rows. A lone row from a clock gone mad makes no sweep. People who look
// make none either: each answers when he gets there, and it holds until it is
// asked again.
func (t *table) sweepStarts(silent []bool) []int64 {
	out := make([]int64, len(t.vantages))
	first, last := make([]int64, len(out)), make([]int64, len(out))
	count := make([]int, len(out))
	for i := range t.rows {
		r := &t.rows[i]
		if count[r.vantage]++; count[r.vantage] == 1 {
			first[r.vantage], last[r.vantage] = r.at, r.at
		}
		first[r.vantage], last[r.vantage] = min(first[r.vantage], r.at), max(last[r.vantage], r.at)
	}
	for v := range out {
		switch {
		case silent[v]:
			out[v] = math.MaxInt64 // all of it is stale
			continue
		case t.vantages[v] == Hands:
			out[v] = math.MinInt64
			continue
		}
		out[v] = last[v] - int64(staleAfter)
		if first[v] >= out[v] {
			continue
		}
		at := make([]int64, 0, count[v])
		for i := range t.rows {
			if int(t.rows[i].vantage) == v {
				at = append(at, t.rows[i].at)
			}
		}
		out[v] = sweepStart(at)
	}
	return out
}

func sweepStart(at []int64) int64 {
	slices.Sort(at)
	first := len(at) - 1
	for last := len(at) - 1; last >= 0; last-- {
		begin := at[last] - int64(staleAfter)
		for first = min(first, last); first > 0 && at[first-1] >= begin; first-- {
		}
		if (last-first+1)*20 >= len(at) {
			return begin
		}
	}
	return at[0]
}

// words are the last results of an earlier sweep.
type words struct {
	table   *table
	vantage []int // this sweep's vantages → the earlier one's; -1: it was not there
}

func (g *Graph) lastWords(before []Observation, vantages []string) *words {
	if len(before) == 0 {
		return nil
	}
	w := &words{table: g.tabulate(before), vantage: make([]int, len(vantages))}
	for v, name := range vantages {
		w.vantage[v] = slices.Index(w.table.vantages, name)
	}
	return w
}

// silent says that the same question had the same lack of an answer before.
func (w *words) silent(n int32, r *row) bool {
	if w == nil {
		return false
	}
	rows := w.table.of(n)
	from, _ := slices.BinarySearchFunc(rows, r, func(a row, b *row) int {
		return cmp.Or(cmp.Compare(a.ask, b.ask), cmp.Compare(a.peer, b.peer))
	})
	had, was := false, isUnknown
	for i := from; i < len(rows) && rows[i].ask == r.ask && rows[i].peer == r.peer; i++ {
		if i > from && sameQuestion(&rows[i], &rows[i-1]) {
			continue // the latest counts
		}
		if int(rows[i].vantage) == w.vantage[r.vantage] {
			had, was = true, rows[i].result
			break
		}
		had, was = true, min(was, rows[i].result)
	}
	switch {
	case !had && r.ask.reaches():
		return answeredNothing(rows)
	case r.ask == askPower && r.result == isDown && was != isUp && answeredNothing(rows):
		return true // it was down already; that it is off is why, though nobody asked, or its BMC didn't say
	}
	return had && (was == r.result || was == isDown && r.ask.reaches())
}

// gone says that the row is on what was down already in the earlier sweep, which did not ask that question.
func (w *words) gone(n int32, r *row, gone []bool) bool {
	if !gone[n] && (r.ask != askPSU || r.peer == noNode || !gone[r.peer]) {
		return false
	}
	return !slices.ContainsFunc(w.table.of(n), func(a row) bool {
		return a.ask == r.ask && a.peer == r.peer || gone[n] && a.ask.reaches() && a.result == isUp
	})
}

// answeredNothing says that a machine was asked and did not answer at all.
func answeredNothing(rows []row) bool {
	silent := false
	for i := range rows {
		if rows[i].ask.reaches() && rows[i].result != isUnknown {
			if silent = rows[i].result == isDown; !silent {
				break
			}
		}
	}
	return silent
}
