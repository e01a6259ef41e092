package maintenance

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"vakhta/internal/inventory"
	"vakhta/internal/maintnote"
)

// Drafted is a work made of somebody else's notice.
type Drafted struct {
	Work    Work
	Guessed map[string]string // by object id of the notice: the component it is taken for
	Unknown []string          // object ids that are taken for nothing
}

var impactOfNotice = map[maintnote.Impact]Impact{
	maintnote.Outage: Outage, maintnote.Degraded: Degraded, maintnote.ReducedRedundancy: ReducedRedundancy, maintnote.NoImpact: NoImpact,
}

// Draft makes a work of an upstream's notice, for an engineer to approve: its
// components are guessed from the notice's object ids, or given.
func Draft(n maintnote.Notice, inv *inventory.Inventory, given ...string) (Drafted, error) {
	title := cmp.Or(n.Summary, "Work of "+cmp.Or(n.Provider, "an upstream"))
	d := Drafted{Guessed: map[string]string{}, Work: Work{
		ID: DraftID(n), Title: map[string]string{"ru": title, "en": title}, StartsAt: n.Start, EndsAt: n.End, Status: Planned, Revision: 1, Notices: DefaultPolicy(),
		Override: "an upstream decides on the time: whoever approves sees what it breaks",
		Upstream: &Upstream{Provider: n.Provider, UID: n.UID, Sequence: n.Sequence, Objects: n.Objects},
	}}
	w := &d.Work
	for _, o := range n.Objects {
		if id := guess(inv, o); id != "" {
			d.Guessed[o] = id
			w.Components = append(w.Components, id)
		} else {
			d.Unknown = append(d.Unknown, o)
		}
	}
	if len(given) > 0 {
		w.Components = given
	}
	slices.Sort(w.Components)
	w.Components = slices.Compact(w.Components)
	if len(w.Components) == 0 {
		return d, fmt.Errorf("maintenance %s of %s: none of its objects (%s) is in the inventory; name the components", n.Maintenance, cmp.Or(n.Provider, "nobody"), strings.Join(n.Objects, ", "))
	}
	for i, id := range w.Components {
		if _, ok := inv.Component(id); !ok {
			return d, fmt.Errorf("components[%d]: the inventory has no %q", i, id)
		}
	}
	if impact := impactOfNotice[n.Impact]; impact != Outage {
		w.Impacts = map[string]Impact{}
		for _, id := range w.Components {
			w.Impacts[id] = impact
		}
	}
	return d, nil
}

var notInID = regexp.MustCompile(`[^A-Za-z0-9]+`)

// DraftID is the id of the work that is made of a notice: the same one for each
// of its revisions.
func DraftID(n maintnote.Notice) string {
	readable := strings.Trim(notInID.ReplaceAllString(n.Maintenance, "-"), "-")
	sum := sha256.Sum256([]byte(n.Provider + "\x00" + n.Maintenance))
	return "up-" + readable[:min(len(readable), 40)] + "-" + hex.EncodeToString(sum[:4])
}

// guess is the component that an upstream's object id means: by its id, its
// sticker or its name, else the only one whose id is part of it; "" if none.
func guess(inv *inventory.Inventory, object string) string {
	wanted := plain(object)
	if wanted == "" {
		return ""
	}
	var within []string
	for _, c := range inv.Components() {
		if plain(c.ID) == wanted || c.Label != "" && plain(c.Label) == wanted {
			return c.ID
		}
		for _, name := range c.Name {
			if plain(name) == wanted {
				return c.ID
			}
		}
		if id := plain(c.ID); len(id) >= 6 && strings.Contains(wanted, id) {
			within = append(within, c.ID)
		}
	}
	if len(within) == 0 {
		return ""
	}
	longest := slices.MaxFunc(within, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	for _, id := range within {
		if !strings.Contains(plain(longest), plain(id)) {
			return "" // two are meant: a person decides
		}
	}
	return longest
}

// plain is a name without case and signs.
func plain(name string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -_./:#", r) {
			return -1
		}
		return r
	}, name))
}
