package topology

import (
	"math"
	"slices"
	"time"
)

// lastLooks finds, by vantage, when the look began that asked most of its questions once more: what it
// heard before and did not ask again then says nothing of what is so now. Where the last look asked few, as that
// does which decides between suspects, what was heard before it holds: math.MinInt64.
func (t *table) lastLooks() []int64 {
	looks := t.looks()
	asked, again := make([]int, len(t.vantages)), make([]int, len(t.vantages))
	for n := range len(t.start) - 1 {
		rows := t.of(int32(n))
		for i := range rows {
			if r := &rows[i]; i == 0 || !sameQuestion(r, &rows[i-1]) { // the latest stands first
				asked[r.vantage]++
				if l := looks[r.vantage]; len(l) > 1 && r.at >= l[len(l)-1] {
					again[r.vantage]++
				}
			}
		}
	}
	out := make([]int64, len(t.vantages))
	for v, l := range looks {
		out[v] = math.MinInt64
		if len(l) > 1 && 2*again[v] > asked[v] {
			out[v] = l[len(l)-1]
		}
	}
	return out
}

// leastLooks is how many looks make a rhythm, and how many a vantage must have missed to have fallen silent.
const leastLooks = 2

// fellSilent marks the vantages that began to look together with others, and have not looked any more while those
// looked again and again: they are as lost as what they last said is old. Clocks differ, so
// that the time of the last look alone says nothing. Nor does a look that asks a part of what was asked
// before, as the rounds of a sweep do which follow up what they found: it leaves vantages out on purpose.
func (t *table) fellSilent(times [][]int64) []bool {
	out := make([]bool, len(times))
	for v, own := range times {
		step, regular := rhythm(own)
		if !regular {
			continue
		}
		for u, other := range times {
			its, keeps := rhythm(other)
			together := u != v && keeps && abs(other[0]-own[0]) <= step && 4*abs(its-step) <= step
			out[v] = out[v] || together && len(other) >= len(own)+leastLooks && t.goesOn(u, other, len(own))
		}
	}
	return out
}

// goesOn says that a vantage's looks, but for the first so many, ask most of what those asked once more.
func (t *table) goesOn(v int, looks []int64, first int) bool {
	asked, again := 0, make([]int, len(looks))
	var later []int // the looks after the first that ask a question, the last one first
	for n := range len(t.start) - 1 {
		rows := t.of(int32(n))
		for i := 0; i < len(rows); {
			question, before := &rows[i], false
			later = later[:0]
			for ; i < len(rows) && sameQuestion(&rows[i], question); i++ {
				k := lookOf(looks, rows[i].at)
				if before = before || k < first; k >= first && (len(later) == 0 || later[len(later)-1] != k) {
					later = append(later, k)
				}
			}
			if int(question.vantage) != v || !before {
				continue
			}
			asked++
			for _, k := range later {
				again[k]++
			}
		}
	}
	whole := 0
	for _, n := range again[first:] {
		if 2*n > asked {
			whole++
		}
	}
	return whole >= leastLooks
}

// lookOf is the number of the look that was going on; -1: before all of them.
func lookOf(looks []int64, at int64) int {
	k, begins := slices.BinarySearch(looks, at)
	if begins {
		return k
	}
	return k - 1
}

// rhythm is how long it is from look to look, and whether it always is about that.
func rhythm(looks []int64) (step int64, regular bool) {
	if len(looks) < leastLooks {
		return 0, false
	}
	step = (looks[len(looks)-1] - looks[0]) / int64(len(looks)-1)
	for i := 1; i < len(looks); i++ {
		if 2*(looks[i]-looks[i-1]) > 3*step {
			return step, false
		}
	}
	return step, true
}

const (
	betweenLooks = 10 * time.Second // without any row, before a vantage looks again
	smallLook    = 20               // one of fewer rows than this part of the largest is a question that decides something, or of a clock gone mad
	mostTicks    = 100_000
)

// looks are, by vantage, when its looks began.
func (t *table) looks() [][]int64 {
	out := make([][]int64, len(t.vantages))
	first, last := make([]int64, len(out)), make([]int64, len(out))
	for v := range first {
		first[v], last[v] = math.MaxInt64, math.MinInt64
	}
	for i := range t.rows {
		r := &t.rows[i]
		first[r.vantage], last[r.vantage] = min(first[r.vantage], r.at), max(last[r.vantage], r.at)
	}
	ticks, width := make([][]int32, len(out)), make([]int64, len(out))
	for v, name := range t.vantages {
		if span := last[v] - first[v]; name != Hands && span > int64(betweenLooks) {
			width[v] = max(int64(time.Second), span/mostTicks)
			ticks[v] = make([]int32, span/width[v]+1)
		}
	}
	for i := range t.rows {
		if r := &t.rows[i]; ticks[r.vantage] != nil {
			ticks[r.vantage][(r.at-first[r.vantage])/width[r.vantage]]++
		}
	}
	for v := range out {
		for _, tick := range beginnings(ticks[v], int(int64(betweenLooks)/max(1, width[v]))) {
			out[v] = append(out[v], first[v]+int64(tick)*width[v])
		}
	}
	return out
}

// beginnings are those of the large groups of rows, counted by tick, that so many empty ticks part.
func beginnings(ticks []int32, apart int) []int {
	type look struct{ begin, rows int }
	var looks []look
	most, empty := 0, apart
	for i, rows := range ticks {
		if rows == 0 {
			empty++
			continue
		}
		if empty >= apart {
			looks = append(looks, look{begin: i})
		}
		empty = 0
		l := &looks[len(looks)-1]
		l.rows += int(rows)
		most = max(most, l.rows)
	}
	var out []int
	for _, l := range looks {
		if smallLook*l.rows >= most {
			out = append(out, l.begin)
		}
	}
	return out
}

func abs(x int64) int64 { return max(x, -x) }
