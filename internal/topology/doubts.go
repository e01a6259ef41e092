package topology

import (
	"cmp"
	"fmt"
	"slices"

	"vakhta/internal/inventory"
)

// DoubtReason says in which way the inventory seems to be wrong.
type DoubtReason string

// The reasons.
const (
	Lives     DoubtReason = "lives"     // it answers while what it hangs on is dead
	Elsewhere DoubtReason = "elsewhere" // it goes down and comes back with what it does not hang on
	Stranger  DoubtReason = "stranger"  // it answers, and the inventory does not know it
)

const (
	believedFrom = 0.95 // confidence of the findings that doubts rest on
	strongFrom   = 3    // incidents that say the same
	followsFrom  = 2
)

// Doubt is one way in which the inventory seems to be wrong.
type Doubt struct {
	Component string         `json:"component"`
	Kind      inventory.Kind `json:"kind,omitempty"`
	Reason    DoubtReason    `json:"reason"`
	Of        string         `json:"of,omitempty"`       // what it should hang on, by the inventory
	Likelier  string         `json:"likelier,omitempty"` // what it hangs on, by the evidence
	Strong    bool           `json:"strong"`
	Cases     []string       `json:"cases"` // that say so, in order
	Text      string         `json:"text"`  // English, one line
}

// Case is one sweep and what was inferred from it.
type Case struct {
	Name         string // of the incident or file
	Observations []Observation
	Inference    Inference
}

// doubtKey is a component with what is doubted of it.
type doubtKey struct{ component, of string }

// Doubts collects what the cases say against the inventory: strong ones first,
// then by component. The order of the cases does not matter.
func (g *Graph) Doubts(cases []Case) []Doubt {
	cases = slices.Clone(cases)
	slices.SortStableFunc(cases, func(a, b Case) int { return cmp.Compare(a.Name, b.Name) })
	lives, follows := map[doubtKey][]string{}, g.follows(cases)
	for _, c := range cases {
		for _, f := range c.Inference.Findings {
			if !believed(&f) {
				continue
			}
			for _, id := range g.doubted(&f) {
				key := doubtKey{id, f.Component}
				lives[key] = append(lives[key], c.Name)
			}
		}
	}
	out := g.strangers(cases)
	for key, names := range lives {
		d := Doubt{
			Component: key.component, Kind: g.kindOf(key.component), Reason: Lives, Of: key.of, Cases: names, Strong: len(names) >= strongFrom,
			Text: fmt.Sprintf("answers though %s, which it hangs on by the inventory, was dead: %s", key.of, count(len(names), "time")),
		}
		if x := best(follows, key.component); x.of != "" {
			d.Likelier, d.Strong = x.of, true
			d.Text += fmt.Sprintf("; it went down with %s instead, %s", x.of, count(len(follows[x]), "time"))
		}
		out = append(out, d)
	}
	for key, names := range follows {
		if len(names) < followsFrom || best(follows, key.component) != key || slices.ContainsFunc(out, func(d Doubt) bool { return d.Component == key.component && d.Likelier == key.of }) {
			continue
		}
		out = append(out, Doubt{
			Component: key.component, Kind: g.kindOf(key.component), Reason: Elsewhere, Likelier: key.of, Cases: names, Strong: len(names) >= strongFrom,
			Text: fmt.Sprintf("goes down with %s, which it does not hang on by the inventory: %s, and never without", key.of, count(len(names), "time")),
		})
	}
	slices.SortFunc(out, func(a, b Doubt) int {
		return cmp.Or(-boolCompare(a.Strong, b.Strong), cmp.Compare(a.Component, b.Component), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Of, b.Of))
	})
	return out
}

func believed(f *Finding) bool {
	return f.Mode == "" && f.Confidence >= believedFrom && f.Kind != inventory.KindServer
}

// doubted are the servers that answer though they should be down whichever of
// the finding's class has failed: a dead rack looks like its two PDUs, and what
// hangs on both stands elsewhere in either case.
func (g *Graph) doubted(f *Finding) []string {
	if len(f.Contradicts) == 0 {
		return nil
	}
	down := make([]float64, len(f.Contradicts)) // how likely it is that each should be
	for i := range down {
		down[i] = f.Itself()
	}
	t := newTrial(g.nodes)
	for _, a := range f.Alternatives {
		nodes := g.known(a.Components)
		for _, n := range nodes {
			t.flip(n)
		}
		for i, id := range f.Contradicts {
			if n, known := g.index[id]; known && t.state[n] != works {
				down[i] += a.Probability
			}
		}
		t.undo(0)
		for _, n := range nodes {
			t.failed[n] = false
		}
	}
	var out []string
	for i, id := range f.Contradicts {
		if down[i] >= believedFrom {
			out = append(out, id)
		}
	}
	return out
}

func (g *Graph) kindOf(id string) inventory.Kind {
	if n, ok := g.index[id]; ok {
		return g.nodes[n].c.Kind
	}
	return ""
}

// best is what the component follows most often; of equals, the narrowest by name.
func best(follows map[doubtKey][]string, component string) doubtKey {
	var top doubtKey
	for key, names := range follows {
		if key.component != component {
			continue
		}
		if n := len(follows[top]); len(names) > n || len(names) == n && key.of < top.of {
			top = key
		}
	}
	return top
}

// follows finds the machines that were down without a cause whenever something
// that they don't hang on was, and at no other time.
func (g *Graph) follows(cases []Case) map[doubtKey][]string {
	out := map[doubtKey][]string{}
	failed := map[string][]bool{} // by component and case
	down, asked := map[string][]bool{}, make([]map[string]bool, len(cases))
	for i, c := range cases {
		asked[i] = map[string]bool{}
		for j := range c.Observations {
			asked[i][c.Observations[j].Component] = true
		}
		mark := func(set map[string][]bool, id string) {
			if set[id] == nil {
				set[id] = make([]bool, len(cases))
			}
			set[id][i] = true
		}
		for _, f := range c.Inference.Findings {
			switch {
			case believed(&f):
				mark(failed, f.Component)
			case f.Kind == inventory.KindServer && !f.PowerOff && f.Mode == "":
				mark(down, f.Component)
			}
		}
		for _, id := range c.Inference.Unexplained {
			mark(down, id)
		}
	}
	for id, when := range down {
		for of, since := range failed {
			var both []string
			together := true
			for i := range cases {
				if !asked[i][id] {
					continue
				}
				if when[i] && since[i] {
					both = append(both, cases[i].Name)
				}
				together = together && when[i] == since[i]
			}
			if together && len(both) > 0 {
				out[doubtKey{id, of}] = both
			}
		}
	}
	return out
}

// strangers are what answers, and is not in the inventory.
func (g *Graph) strangers(cases []Case) []Doubt {
	seen := map[string][]string{}
	for _, c := range cases {
		for i := range c.Observations {
			o := &c.Observations[i]
			if _, known := g.index[o.Component]; known || o.Result != Up {
				continue
			}
			if names := seen[o.Component]; len(names) == 0 || names[len(names)-1] != c.Name {
				seen[o.Component] = append(names, c.Name)
			}
		}
	}
	var out []Doubt
	for id, names := range seen {
		out = append(out, Doubt{
			Component: id, Reason: Stranger, Cases: names, Strong: len(names) >= strongFrom,
			Text: "answers, and the inventory does not know it: " + count(len(names), "time"),
		})
	}
	return out
}
