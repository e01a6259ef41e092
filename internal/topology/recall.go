package topology

import (
	"cmp"
	"slices"
)

// A probe that was silent at so many looks, whose vantage heard the component by another, says nothing of a
// later one; once is enough where nothing else was asked then.
const leastHabit = 2

// word is what one vantage was told, by a probe that reaches the component.
type word struct {
	at      int64
	vantage uint16
	ask     ask
	result  uint8
}

// recall revises what was seen of components of which no probe got an answer by what older rows tell of the same probes: one
// that has never been answered is no news, and one that has been silent ever since an answer is no chance.
func (v *view) recall(g *Graph, past []Observation, nodes []int32) {
	mute := make([]bool, len(g.nodes))
	for n, s := range v.seen {
		mute[n] = s != nil && !s.up && len(s.reach) > 0
	}
	begins, list := rowsOf(mute, nodes)
	inChunks(len(g.nodes), func(from, to int) {
		for n := from; n < to; n++ {
			if mute[n] {
				v.recallOne(n, v.words(int32(n), past, list[begins[n]:begins[n+1]]))
			}
		}
	})
}

// rowsOf sorts rows, whose nodes are given, by those nodes that are wanted: node n's are list[begins[n]:begins[n+1]].
func rowsOf(wanted []bool, nodes []int32) (begins, list []int32) {
	begins = make([]int32, len(wanted)+1)
	for _, n := range nodes {
		if n != noNode && wanted[n] {
			begins[n+1]++
		}
	}
	for n := range wanted {
		begins[n+1] += begins[n]
	}
	list = make([]int32, begins[len(wanted)])
	next := slices.Clone(begins)
	for i, n := range nodes {
		if n != noNode && wanted[n] {
			list[next[n]] = int32(i)
			next[n]++
		}
	}
	return begins, list
}

// words are what the vantages of this sweep were told of a component, the latest first.
func (v *view) words(n int32, past []Observation, older []int32) []word {
	var out []word
	for _, r := range v.table.of(n) {
		if r.ask.reaches() && r.result != isUnknown {
			out = append(out, word{r.at, r.vantage, r.ask, r.result})
		}
	}
	for _, i := range older {
		o := &past[i]
		vantage, known := slices.BinarySearch(v.table.vantages, o.Vantage)
		if a, _ := askOf(o.Probe); known && a.reaches() && o.Result != Unknown {
			out = append(out, word{o.At.UnixNano(), uint16(vantage), a, rank(o.Result)})
		}
	}
	slices.SortFunc(out, func(a, b word) int {
		return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(a.vantage, b.vantage), cmp.Compare(a.ask, b.ask), cmp.Compare(a.result, b.result))
	})
	return out
}

func (v *view) recallOne(n int, words []word) {
	s := v.seen[n]
	if !slices.ContainsFunc(words, func(w word) bool { return w.result == isUp }) {
		return // nobody ever heard it
	}
	habits, lasting := 0, 0
	for i := range s.reach {
		switch k := silentThough(&s.reach[i], words); {
		case k >= leastHabit:
			lasting++
			fallthrough
		case k > 0:
			habits++
		}
	}
	if habits == len(s.reach) || lasting > 0 {
		s.reach = slices.DeleteFunc(slices.Clone(s.reach), func(d verdict) bool {
			k := silentThough(&d, words)
			return k >= leastHabit || k > 0 && habits == len(s.reach)
		})
	}
	for i := range s.reach {
		d := &s.reach[i]
		d.run = uint8(min(255, max(int(d.run), silentSinceAnswer(d, words))))
	}
	if len(s.reach)+len(s.power)+len(s.told)+len(s.about) == 0 {
		v.seen[n] = nil
	}
}

// silentThough counts the looks before the last at which the probe got no answer, and its vantage one to another; 0
// of one that ever got one. What another vantage heard then counts, if the same probe never got an answer there either: what is not answered
// by policy, nobody gets an answer to.
func silentThough(d *verdict, words []word) int {
	same := func(w *word) bool { return w.vantage == d.vantage && w.ask == d.ask }
	if slices.ContainsFunc(words, func(w word) bool { return same(&w) && w.result == isUp }) {
		return 0
	}
	alike := func(vantage uint16) bool { // asks the same in vain
		asked := false
		for i := range words {
			if w := &words[i]; w.vantage == vantage && w.ask == d.ask {
				if w.result == isUp {
					return false
				}
				asked = true
			}
		}
		return asked
	}
	count, latest := 0, true
	for i := range words {
		w := &words[i]
		if !same(w) {
			continue
		}
		if latest { // that is what is to be judged
			latest = false
			continue
		}
		if slices.ContainsFunc(words, func(o word) bool {
			return o.result == isUp && abs(o.at-w.at) <= int64(lookEnds) && (o.vantage == w.vantage || alike(o.vantage))
		}) {
			count++
		}
	}
	return count
}

// silentSinceAnswer counts how often the probe got no answer, one time after another, since its vantage last
// heard the component; 0 where it never did.
func silentSinceAnswer(d *verdict, words []word) int {
	count, last := 0, int64(0)
	broken := false
	for i := range words {
		w := &words[i]
		switch {
		case w.vantage != d.vantage:
		case w.result == isUp:
			return count
		case w.ask != d.ask || broken || w.at == last:
		case count > 0 && last-w.at > int64(longestSilence):
			broken = true // another outage
		default:
			count, last = count+1, w.at
		}
	}
	return 0
}
