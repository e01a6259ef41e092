package topology

import (
	"cmp"
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
	Stale        int // older than the vantage's last sweep
	WasSo        int // like the earlier sweep: never answered, or was already off
	// Past are the stale rows, and those of the earlier sweep, for [Graph.InferAfter].
	Past []Observation
}

// Sift prepares stored rows for [Graph.Infer]. Before is an earlier sweep, or
// nil: what did not answer then and does not answer now is not news, and counts
// as if it had not been asked, not as if it were well. Where the earlier sweep
// did not ask, or could not tell, the row stands.
func (g *Graph) Sift(obs, before []Observation) Sifted {
	var out Sifted
	nodes := g.rowNodes(obs)
	rows := make([]Observation, 0, len(obs))
	kept := nodes[:0]
	for i, n := range nodes {
		if n != noNode {
			rows, kept = append(rows, obs[i]), append(kept, n)
		} else if _, known := g.index[obs[i].Component]; known {
			out.Unreadable++
		} else {
			out.Strangers++
		}
	}
	since := sweepStarts(rows)
	vantages := numbers{}
	was := g.lastWords(before, vantages)
	type row struct {
		asked
		at     int64
		result int
	}
	had := make(map[row]bool, len(rows))
	out.Observations = rows[:0]
	for i := range rows {
		o := rows[i] // a copy: its place may be overwritten
		question := asked{kept[i], probeNumber(o.Probe), vantages.of(o.Vantage)}
		key := row{question, o.At.UnixNano(), rank(o.Result)}
		switch {
		case had[key]:
			out.Doubled++
		case o.At.Before(since[o.Vantage]):
			out.Stale++
			out.Past = append(out.Past, o)
		case o.Result != Up && was.silent(question, &o):
			out.WasSo++
		default:
			had[key] = true
			out.Observations = append(out.Observations, o)
		}
	}
	out.Past = append(out.Past, before...)
	return out
}

// sweepStarts finds, per vantage, the instant before which rows are stale:
// staleAfter before the last instant that closes a window with a fair share of
// the rows. A lone row from a clock gone mad makes no sweep.
func sweepStarts(rows []Observation) map[string]time.Time {
	times := map[string][]time.Time{}
	for i := range rows {
		times[rows[i].Vantage] = append(times[rows[i].Vantage], rows[i].At)
	}
	out := make(map[string]time.Time, len(times))
	for vantage, at := range times {
		slices.SortFunc(at, time.Time.Compare)
		first := len(at) - 1
		for last := len(at) - 1; last >= 0; last-- {
			begin := at[last].Add(-staleAfter)
			for first = min(first, last); first > 0 && !at[first-1].Before(begin); first-- {
			}
			if (last-first+1)*20 >= len(at) {
				out[vantage] = begin
				break
			}
		}
	}
	return out
}

// asked is one question: what was asked of whom from where.
type asked struct {
	node    int32
	probe   uint8
	vantage int32
}

const anyVantage = -1

// numbers counts vantages up as they come.
type numbers map[string]int32

func (n numbers) of(vantage string) int32 {
	i, had := n[vantage]
	if !had {
		i = int32(len(n))
		n[vantage] = i
	}
	return i
}

func probeNumber(p Probe) uint8 {
	switch p {
	case ProbeTCP:
		return 0
	case ProbeICMP:
		return 1
	}
	return 2
}

// words are the last results of an earlier sweep; under anyVantage stands the
// best from any.
type words map[asked]Result

func (g *Graph) lastWords(before []Observation, vantages numbers) words {
	type last struct {
		at     time.Time
		result Result
	}
	newest := make(map[asked]last, len(before))
	for i, n := range g.rowNodes(before) {
		if n == noNode {
			continue
		}
		o := &before[i]
		key := asked{n, probeNumber(o.Probe), vantages.of(o.Vantage)}
		old, had := newest[key]
		if !had || cmp.Or(o.At.Compare(old.at), -cmp.Compare(rank(o.Result), rank(old.result))) > 0 {
			newest[key] = last{o.At, o.Result}
		}
	}
	w := make(words, 2*len(newest))
	for key, l := range newest {
		w[key] = l.result
		key.vantage = anyVantage
		if r, had := w[key]; !had || rank(l.result) < rank(r) {
			w[key] = l.result
		}
	}
	return w
}

// silent says that the same question had the same lack of an answer before.
func (w words) silent(question asked, o *Observation) bool {
	was, had := w[question]
	if !had {
		question.vantage = anyVantage
		was, had = w[question]
	}
	return had && (was == o.Result || was == Down && o.Probe != ProbePower)
}
