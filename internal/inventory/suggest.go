package inventory

import (
	"slices"
	"strings"
)

// nearest returns the candidate that a person most probably meant by name:
// the smallest edit distance, at most a third of its length; "" if none.
func nearest(name string, candidates []string) string {
	best, bestDistance := "", max(1, len(name)/3)+1
	for _, c := range candidates {
		if abs(len(c)-len(name)) >= bestDistance {
			continue
		}
		if d := distance(name, c); d < bestDistance || (d == bestDistance && best != "" && c < best) {
			best, bestDistance = c, d
		}
	}
	return best
}

// LikeClient is the id of the client that whoever wrote this name may have meant: one whose id is nearly
// that, or whose name holds it; empty if there is none.
func (inv *Inventory) LikeClient(name string) string {
	ids := make([]string, 0, len(inv.Clients()))
	for _, c := range inv.Clients() {
		ids = append(ids, c.ID)
	}
	if id := nearest(name, ids); id != "" || name == "" {
		return id
	}
	for _, c := range inv.Clients() {
		if strings.Contains(strings.ToLower(c.Name), strings.ToLower(name)) {
			return c.ID
		}
	}
	return ""
}

// LikeSite is the same of a site, by its id or one of its names.
func (inv *Inventory) LikeSite(name string) string {
	ids := make([]string, 0, len(inv.Sites()))
	for _, s := range inv.Sites() {
		ids = append(ids, s.ID)
	}
	if id := nearest(name, ids); id != "" {
		return id
	}
	for _, id := range ids {
		for _, lang := range []Language{Russian, English} {
			if strings.EqualFold(inv.SiteName(id, lang), name) {
				return id
			}
		}
	}
	return ""
}

// LikeComponent is the id of the component that is nearly called that; empty if there is none.
func (inv *Inventory) LikeComponent(name string) string {
	ids := make([]string, 0, len(inv.Components()))
	for _, c := range inv.Components() {
		ids = append(ids, c.ID)
	}
	return nearest(name, ids)
}

// didYouMean is the remedy for an unknown name, or the fallback if nothing is near.
func didYouMean(name string, candidates []string, fallback string) string {
	if n := nearest(name, candidates); n != "" {
		return "did you mean " + n + "?"
	}
	return fallback
}

// distance is the edit distance of a and b in bytes, where swapping two neighbours is one edit.
func distance(a, b string) int {
	before := make([]int, len(b)+1)
	last := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// keys returns the keys of m in order.
func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
