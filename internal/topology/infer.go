package topology

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	// A hypothesis this much worse (natural log) than the best is not weighed.
	negligible = 12.0
	// An explanation with at least this share of the best one's weight is ambiguous with it.
	ambiguousShare = 0.03
	// A finding surer than this names no alternatives but those that only their prior makes worse.
	certain = 0.95
	// What observations alone tell apart this little (natural log) they don't, and
	// only how rare it is speaks against an alternative: up to alikeShare it is named.
	alike      = 0.5
	alikeShare = 0.005
	// A machine that is less probably broken than this, by itself or by what is named
	// with it, is not a finding: the rest is machines that stand elsewhere, and chance.
	leastConfidence = 0.65
	// Equipment that takes nothing down is named from here on, its class included: where it is rather broken than not.
	leastSpare = 0.5
	// Servers that bring less (natural log) to a failure are lost by something else anyway.
	leastTold = 1.0
)

// Infer names the components whose failure explains the observations best:
// maximum a posteriori over sets of failed components,
//
//	S(H) = Σ_{c∈H} ln π_c/(1−π_c) + Σ_o ln P(sightings of o | state of o under H)
//
// where a component's own management address is a sighting like any other, a
// server's own faults are summed over in its likelihood, and a share ω of the
// inventory is taken to be wrong. Confidence compares the best hypothesis with
// those that differ in one finding, and in others that this makes needless; what
// can't be told apart is said, together with the probes that would.
//
// The order of the observations does not matter; of several on the same
// component, probe and vantage the latest counts, and a repetition with the same
// result makes it surer. Unknown components are ignored.
//
// Who asks knows the habits of all, and has left out what never answers: what is silent has answered once.
func (g *Graph) Infer(obs []Observation) Inference { return g.infer(obs, nil, nil, true) }

// InferAfter is the same, with older rows: those that are stale, and an earlier
// sweep. They tell what came when, and nothing of what is so now; and alone whether what is silent ever answered.
func (g *Graph) InferAfter(obs, past []Observation) Inference { return g.infer(obs, past, nil, false) }

// InferSifted is the same of what [Graph.Sift] has left, which need not be looked up again.
func (g *Graph) InferSifted(s *Sifted) Inference {
	return g.infer(s.Observations, s.Past, s.past, s.HabitsKnown)
}

// infer is InferAfter; older are the nodes of the past rows, or nil.
func (g *Graph) infer(obs, past []Observation, older []int32, habitsKnown bool) Inference {
	v := g.look(obs)
	v.habitsKnown = habitsKnown
	if older == nil {
		older = g.rowNodes(past)
	}
	v.recall(g, past, older)
	rows := &chronicle{g: g, obs: obs, past: past, older: older, table: v.table, sees: v.sight}
	ready := make(chan struct{})
	go func() {
		rows.prepare(v.seen)
		close(ready)
	}()
	out, leaking := v.judge(g, rows, ready)
	if len(leaking) == 0 {
		return out
	}
	// What loses a share of what it carries is noise to all that is behind it, so that this is judged anew.
	v.leakThrough(newCarriers(g), leaking)
	if again, still := v.judge(g, rows, ready); len(still) > 0 {
		return again
	}
	return out
}

// judge infers from what is seen; leaking is what loses a share of what it carries. Rows may be read once ready.
func (v *view) judge(g *Graph, rows *chronicle, ready <-chan struct{}) (out Inference, leaking []leak) {
	s := searchFor(g, v)
	r := &reporter{search: s, view: v, explained: make([]bool, len(g.nodes)), ways: newCarriers(g)}
	passed := make(chan []passages, 1)
	go func() { passed <- r.passages() }()
	s.climb()
	if s.together(v.seen) {
		s.climb()
	}
	<-ready
	r.passed = <-passed
	s.oneAfterAnother(v.seen, rows)
	out = Inference{Findings: []Finding{}, Blind: v.sight.blinded()}
	var weak []Finding // that take nothing down, and may as well be chance: asked again, not named
	for _, h := range slices.Clone(s.chosen) {
		if !s.isFailure(h) {
			continue
		}
		f := r.shared(h)
		r.perhapsBlind(&f)
		r.perhapsBetween(&f)
		spare := f.takesNothing(&r.scores[len(r.scores)-1])
		if spare {
			r.justNow(&f)
		}
		if spare && f.Confidence < leastSpare {
			weak = append(weak, f)
		} else {
			out.Findings = append(out.Findings, r.ratherItself(f))
		}
	}
	own, unexplained := r.lone(out.Findings, rows)
	out.Findings = append(out.Findings, own...)
	out.Findings, unexplained, leaking = r.inPart(out.Findings, unexplained, rows)
	for _, n := range unexplained {
		out.Unexplained = append(out.Unexplained, g.id(n))
	}
	slices.SortFunc(out.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Confidence, a.Confidence), cmp.Compare(a.Component, b.Component))
	})
	for n, sight := range v.seen {
		switch {
		case sight == nil || !g.isServer(int32(n)):
		case sight.answered():
			out.Up++
		case sight.silent():
			out.Down++
		}
	}
	out.Scores = r.scoresOf(out.Findings)
	out.Next = r.next(slices.Concat(out.Findings, weak), unexplained)
	return out, leaking
}

// takesNothing says that no server tells of the failure: those that it explains are lost by something else anyway, so that
// all that speaks for it is its own address.
func (f *Finding) takesNothing(s *Score) bool { return len(f.Explains) == 0 || s.Servers < leastTold }

// lately is the time within which what is found broken has failed, as a rule.
const lately = 30 * time.Minute

// rarer is how many times rarer it is that n has failed since it last answered what it does not answer
// now, where that was a short while ago.
func (t *table) rarer(n int32) float64 {
	rows := t.of(n)
	while := lately
	for i := range rows {
		if !rows[i].ask.reaches() || rows[i].result != isDown || i > 0 && sameQuestion(&rows[i], &rows[i-1]) {
			continue
		}
		for k := i + 1; k < len(rows) && sameQuestion(&rows[k], &rows[i]); k++ {
			if rows[k].result == isUp {
				while = min(while, time.Duration(rows[i].at-rows[k].at))
				break
			}
		}
	}
	return float64(lately) / float64(max(while, lookEnds))
}

// justNow makes less sure of what takes nothing down and answered a short while ago: that it has failed
// since is as much rarer as the while is shorter, and that a probe is missed by chance is not.
func (r *reporter) justNow(f *Finding) {
	rarer := r.table.rarer(r.g.index[f.Component])
	if rarer <= 1 || len(f.AmbiguousWith) > 0 {
		return
	}
	f.LogOdds -= math.Log(rarer)
	r.noteLately(f.Component, math.Log(rarer))
	f.Probability /= f.Probability + (1-f.Probability)*rarer
	f.Confidence = f.Probability
}

// alternative is a hypothesis that lacks a component of the best one.
type alternative struct {
	adds  []int32 // what it has instead
	delta float64 // its score less the best one's; not above 0 but for ties
	prior float64 // the part of it that no observation says
	parts bool    // what the component consists of, which is the same to whoever looks
}

// ambiguous says that it belongs to the class of a finding that is so sure.
func (a *alternative) ambiguous(confidence float64) bool {
	return confidence < certain && a.delta >= math.Log(ambiguousShare) ||
		a.delta-a.prior >= -alike && (a.delta >= math.Log(alikeShare) || a.parts)
}

// alternatives are the ways to explain the sightings without h, best first.
func (s *search) alternatives(h int32) []alternative {
	best := slices.Clone(s.chosen)
	byResult := map[string]alternative{}
	note := func(flips []int32, delta float64) {
		if delta < -negligible && len(byResult) > 0 {
			return
		}
		var adds []int32
		key := make([]byte, 0, 4*len(flips))
		slices.Sort(flips)
		for i, n := range flips {
			if i+1 < len(flips) && flips[i+1] == n || i > 0 && flips[i-1] == n {
				continue // taken out and put back
			}
			key = append(key, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
			if _, had := slices.BinarySearch(best, n); !had && s.isFailure(n) {
				adds = append(adds, n)
			}
		}
		if _, known := byResult[string(key)]; !known {
			byResult[string(key)] = alternative{adds: adds, delta: delta, prior: s.surprise(best, flips)}
		}
	}
	for _, part := range s.parts(h) {
		without, touched := s.commit(part...)
		note(slices.Clone(part), without)
		for _, m := range s.additions(touched, -negligible-without) {
			if !slices.Contains(m.flip, h) && s.tryOut(&m, -negligible-without-slack) && s.tells(&m) {
				flips, delta := s.insteadOfAll(&m)
				note(slices.Concat(part, flips), without+delta)
			}
		}
		s.restore(best)
	}
	out := make([]alternative, 0, len(byResult)+1)
	for _, a := range byResult {
		out = append(out, a)
	}
	out = append(out, s.inParts(h, best)...)
	out = append(out, s.acrossFrom(h, best)...)
	slices.SortFunc(out, func(a, b alternative) int {
		return cmp.Or(cmp.Compare(b.delta, a.delta), slices.Compare(a.adds, b.adds))
	})
	return out
}

// tells says that the move changes what the sightings are worth. One that does
// not is as likely beside the best hypothesis, and so no alternative to it.
func (s *search) tells(m *move) bool {
	return math.Abs(m.delta-s.surprise(s.chosen, m.flip)) > tie
}

// reporter turns the best hypothesis into findings.
type reporter struct {
	*search
	*view
	all       *trial
	explained []bool // by the graph's node
	ways      *carriers
	passed    []passages // by the graph's node
	scores    []Score    // in no order
}

// shared is the finding on a component of the hypothesis.
func (r *reporter) shared(h int32) Finding {
	id := r.global[h]
	c := r.g.nodes[id].c
	alternatives := r.alternatives(h)
	broken := r.brokenBy(h)
	f := Finding{Component: c.ID, Kind: c.Kind, Explains: []string{}}
	for _, n := range broken {
		sight := r.seen[n]
		if sight == nil || !r.g.isServer(n) || sight.stray {
			continue // a stray does not stand where h could break it
		}
		switch st := r.t.state[r.local[n]]; {
		case sight.silentIn(st):
			f.Explains = append(f.Explains, r.g.id(n))
			r.explained[n] = !sight.silentWithin(st)
		case sight.answeredIn(st):
			f.Contradicts = append(f.Contradicts, r.g.id(n))
		}
	}
	f.LogOdds = 0 - alternatives[0].delta // taking it out is always among them; not -0
	r.class(&f, alternatives)
	if sight := r.seen[id]; sight != nil && r.g.isServer(id) {
		f.PowerOff = sight.switchedOff()
	}
	f.Evidence = r.sharedEvidence(h, broken)
	r.noteScore(h, alternatives)
	return f
}

// class weighs the finding against the alternatives, and notes those that weigh
// enough. One without any component stands for faults of the few machines themselves.
func (r *reporter) class(f *Finding, alternatives []alternative) {
	all := 1.0
	for i := range alternatives {
		all += math.Exp(alternatives[i].delta)
	}
	f.Probability = 1 / all
	ambiguous := map[string]bool{}
	weight := map[string]*Alternative{}
	for i := range alternatives {
		a := &alternatives[i]
		of := r.failuresOf(a.adds)
		if len(a.adds) == 0 && len(f.Explains) <= 3 {
			of = f.Explains
		}
		key := strings.Join(of, "\x00")
		if weight[key] == nil {
			weight[key] = &Alternative{Components: of}
		}
		weight[key].Probability += math.Exp(a.delta) / all
		ambiguous[key] = ambiguous[key] || len(of) > 0 && a.ambiguous(f.Probability)
	}
	var class []Alternative
	for _, key := range sortedKeys(ambiguous) {
		if ambiguous[key] {
			class = append(class, *weight[key])
		}
	}
	f.classed(class)
}

// classed notes what the finding can't be told from, and how sure the class is.
func (f *Finding) classed(class []Alternative) {
	slices.SortStableFunc(class, func(a, b Alternative) int { return cmp.Compare(b.Probability, a.Probability) })
	f.Alternatives, f.Confidence, f.AmbiguousWith = class, f.Probability, nil
	for _, a := range class {
		f.AmbiguousWith = append(f.AmbiguousWith, a.Components...)
		f.Confidence += a.Probability
	}
	f.Confidence = min(1, f.Confidence)
	slices.Sort(f.AmbiguousWith)
	f.AmbiguousWith = slices.Compact(f.AmbiguousWith)
}

// brokenBy returns the nodes, itself included, that do not work because of h: the
// graph's numbers, in order.
func (s *search) brokenBy(h int32) []int32 {
	s.stamp++
	s.marks[h] = s.stamp
	out := []int32{h}
	for i := 0; i < len(out); i++ {
		for _, u := range s.t.nodes[out[i]].users {
			if s.marks[u] == s.stamp || s.t.state[u] == works || s.t.failed[u] {
				continue
			}
			for j := range s.t.nodes[u].groups {
				grp := &s.t.nodes[u].groups[j]
				if slices.Contains(grp.members, out[i]) && s.t.group(grp.law(), grp.members) != works {
					s.marks[u] = s.stamp
					out = append(out, u)
					break
				}
			}
		}
	}
	var all []int32
	for _, n := range out {
		all = append(all, s.stands(n)...)
	}
	slices.Sort(all)
	return all
}

// rival is a component that would explain a lone server's silence.
type rival struct {
	nodes []int32
	delta float64
	state state // what it would make of the server
}

// lone judges the silent servers that the hypothesis leaves without a cause:
// findings on the machines themselves, and those that nothing explains well.
func (r *reporter) lone(shared []Finding, rows *chronicle) (findings []Finding, unexplained []int32) {
	var alone []int32
	for _, id := range r.servers {
		if r.seen[id].silent() && !r.explained[id] && !r.t.failed[r.local[id]] {
			alone = append(alone, id)
		}
	}
	rivals, by := r.rivals(alone), r.hindsight(shared, rows)
	for _, id := range alone {
		l := by.server(id, r.seen[id], r.g.byItself(id), rows, r.g.siteNumber[id])
		weight, own := 1.0, l.own[r.t.state[r.local[id]]]
		own /= own + (1-own)*r.table.rarer(id)
		something := own
		next := math.Log(max(own, 1e-12) / max(1-own, 1e-12)) // finite, for JSON
		var class []Alternative
		for _, v := range rivals[r.local[id]] {
			w := math.Exp(v.delta)
			weight += w
			if slices.Equal(v.nodes, []int32{r.local[id]}) { // it takes others down, of which these say nothing
				own += w
				something += w
				continue
			}
			own += w * l.own[v.state]
			something += w
			next = min(next, math.Log(max(l.own[works], 1e-12))-v.delta)
			if of := r.failuresOf(v.nodes); len(of) > 0 && v.delta >= math.Log(ambiguousShare) {
				class = append(class, Alternative{of, w * (1 - l.own[v.state])})
			}
		}
		if something/weight < leastConfidence || r.g.byItself(id) == 0 {
			unexplained = append(unexplained, id)
			continue
		}
		c := r.g.nodes[id].c
		f := Finding{
			Component: c.ID, Kind: c.Kind, Probability: own / weight, LogOdds: next,
			Explains: []string{c.ID}, PowerOff: r.seen[id].switchedOff(), Evidence: r.ownEvidence(id),
		}
		if f.Probability >= certain {
			class = nil
		}
		for i := range class {
			class[i].Probability /= weight
		}
		f.classed(class)
		findings = append(findings, f)
	}
	return findings, unexplained
}

// failuresOf names those of the nodes that stand for failures.
func (r *reporter) failuresOf(nodes []int32) []string {
	var out []string
	for _, n := range nodes {
		if r.isFailure(n) {
			out = append(out, r.g.id(r.global[n]))
		}
	}
	return out
}

// rivals weighs, for each node of lone servers, the components that would explain these.
func (r *reporter) rivals(alone []int32) map[int32][]rival {
	out := map[int32][]rival{}
	if len(alone) == 0 {
		return out
	}
	var above []int32
	isAlone := map[int32]bool{}
	for _, id := range alone {
		if n := r.local[id]; !isAlone[n] {
			isAlone[n] = true
			above = append(above, r.ancestors(n)...)
		}
	}
	for _, m := range r.additions(merge(above, nil), -negligible/2) {
		mark := len(r.t.trail)
		delta, ok := r.attempt(m.flip, m.bound, -negligible/2-slack)
		if ok && delta > -negligible/2 {
			hit := map[int32]bool{}
			for _, c := range r.t.trail[mark:] {
				if isAlone[c.node] && !hit[c.node] {
					hit[c.node] = true
					out[c.node] = append(out[c.node], rival{m.flip, delta, r.t.state[c.node]})
				}
			}
		}
		r.revert(m.flip, mark)
	}
	return out
}
