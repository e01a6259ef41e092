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
}

// Sift prepares stored rows for [Graph.Infer]. Before is an earlier sweep, or
// nil: what did not answer then and does not answer now is not news, and counts
// as if it had not been asked, not as if it were well. Where the earlier sweep
// did not ask, or could not tell, the row stands.
func (g *Graph) Sift(obs, before []Observation) Sifted {
	var out Sifted
	rows := make([]Observation, 0, len(obs))
	for i := range obs {
		switch _, known := g.index[obs[i].Component]; {
		case !known:
			out.Strangers++
		case !tells(&obs[i]):
			out.Unreadable++
		default:
			rows = append(rows, obs[i])
		}
	}
	since := sweepStarts(rows)
	was := g.lastWords(before)
	type row struct {
		asked
		at     int64
		result Result
	}
	had := make(map[row]bool, len(rows))
	kept := rows[:0]
	for _, o := range rows {
		key := row{asked{o.Component, o.Probe, o.Vantage}, o.At.UnixNano(), o.Result}
		switch {
		case had[key]:
			out.Doubled++
		case o.At.Before(since[o.Vantage]):
			out.Stale++
		case o.Result != Up && was.silent(&o):
			out.WasSo++
		default:
			had[key] = true
			kept = append(kept, o)
		}
	}
	out.Observations = kept
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
	component string
	probe     Probe
	vantage   string
}

// words are the last results of an earlier sweep.
type words struct {
	exact    map[asked]Result
	anywhere map[asked]Result // without the vantage: the best from any
}

func (g *Graph) lastWords(before []Observation) words {
	type last struct {
		at     time.Time
		result Result
	}
	newest := map[asked]last{}
	for i := range before {
		o := &before[i]
		if !tells(o) {
			continue
		}
		key := asked{o.Component, o.Probe, o.Vantage}
		old, had := newest[key]
		if !had || cmp.Or(o.At.Compare(old.at), -cmp.Compare(rank(o.Result), rank(old.result))) > 0 {
			newest[key] = last{o.At, o.Result}
		}
	}
	w := words{exact: make(map[asked]Result, len(newest)), anywhere: make(map[asked]Result, len(newest))}
	for key, l := range newest {
		w.exact[key] = l.result
		key.vantage = ""
		if r, had := w.anywhere[key]; !had || rank(l.result) < rank(r) {
			w.anywhere[key] = l.result
		}
	}
	return w
}

// silent says that the same question had the same lack of an answer before.
func (w words) silent(o *Observation) bool {
	was, had := w.exact[asked{o.Component, o.Probe, o.Vantage}]
	if !had {
		was, had = w.anywhere[asked{o.Component, o.Probe, ""}]
	}
	return had && (was == o.Result || was == Down && o.Probe != ProbePower)
}
