package topology

import (
	"slices"
	"strings"
)

// elsewhere are the words in a vantage's name that say that it stands in no site.
var elsewhere = []string{"out", "outside", "ext", "external", "remote", "world"}

// stands is the site in which a vantage stands, by the inventory, or, where that says
// nothing of the vantage, by its name: "msk", "msk-1" and "probe-msk" stand in the site msk.
func (g *Graph) stands(vantage string) (site int32, within bool) {
	if site, within = g.views[vantage]; within || vantage == "" || vantage == Hands || g.outside[vantage] {
		return site, within
	}
	words := nameWords(vantage)
	if slices.ContainsFunc(words, func(w string) bool { return slices.Contains(elsewhere, w) }) {
		return 0, false
	}
	longest := 0
	for _, s := range g.sites {
		if of := nameWords(g.id(s)); len(of) > longest && leadsOrEnds(words, of) {
			site, longest, within = s, len(of), true
		}
	}
	return site, within
}

func nameWords(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune("-_.:/ @", r) })
}

// leadsOrEnds says that the words begin or end with those of a site's name.
func leadsOrEnds(words, of []string) bool {
	n := len(of)
	return len(words) >= n && (slices.Equal(words[:n], of) || slices.Equal(words[len(words)-n:], of))
}
