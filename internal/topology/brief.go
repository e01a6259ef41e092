package topology

import "slices"

// headOf is how many ids a brief finding keeps of a list.
const headOf = 200

// Found is what a sweep has found, whole: where the lists of a finding are too
// long for the histories of workflows, it is kept in the store.
type Found struct {
	Findings    []Finding `json:"findings"`
	Unexplained []string  `json:"unexplained,omitempty"`
}

// Brief is the finding with the heads of its lists, and how long these are.
func (f Finding) Brief() Finding {
	if len(f.Explains) > headOf {
		f.Explained, f.Explains = len(f.Explains), slices.Clone(f.Explains[:headOf])
	}
	if len(f.Contradicts) > headOf {
		f.Contradicted, f.Contradicts = len(f.Contradicts), slices.Clone(f.Contradicts[:headOf])
	}
	return f
}

// Cut says that lists of the finding lack their tails.
func (f *Finding) Cut() bool {
	return f.Explained > len(f.Explains) || f.Contradicted > len(f.Contradicts)
}

// Impact is how many servers it explains, those that a brief finding doesn't name among them.
func (f *Finding) Impact() int { return max(f.Explained, len(f.Explains)) }

// Against is how many servers contradict it, likewise.
func (f *Finding) Against() int { return max(f.Contradicted, len(f.Contradicts)) }

// Whole finds what a brief finding was taken from.
func (w *Found) Whole(f Finding) (Finding, bool) {
	i := slices.IndexFunc(w.Findings, func(x Finding) bool {
		return x.Component == f.Component && x.Mode == f.Mode && len(x.Explains) == f.Impact()
	})
	if i < 0 {
		return f, false
	}
	return w.Findings[i], true
}
