package topology

// Ask is a list of components of which the same is asked.
type Ask struct {
	Components []string `json:"components"`       // by id
	Probes     []Probe  `json:"probes,omitempty"` // empty: what each one's profile answers
	// First marks components that the sweep has not asked before: they count.
	First bool `json:"first,omitempty"`
}

// Shard is what one activity asks from one vantage in a round of a sweep. It
// stays in the store; who passes it on passes its number.
type Shard struct {
	Vantage string `json:"vantage"` // planned; another may take it when this one is absent
	Asks    []Ask  `json:"asks"`
}

// Within says whether the vantage stands inside the site. One that several
// sites list, or none, stands outside.
func (g *Graph) Within(vantage, site string) bool {
	n, ok := g.index[site]
	return ok && g.inside(vantage, n)
}
