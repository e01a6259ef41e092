package inventory

import "fmt"

// rank orders the roles: each may what the one before it may.
var rank = map[Role]int{Viewer: 1, Responder: 2, Manager: 3}

// ForbiddenError says that somebody may not do something.
type ForbiddenError struct {
	By         string
	Has, Needs Role
}

// Error implements error.
func (f *ForbiddenError) Error() string {
	return fmt.Sprintf("%s is a %s, and this takes a %s; ask one of them, or change the role in the inventory", f.By, f.Has, f.Needs)
}

// RoleOf is what somebody is. Roles hold as soon as the inventory gives any: a
// member without one is a responder, and who is no member of a team looks only.
// Where it gives none, everybody may everything.
func (inv *Inventory) RoleOf(by string) Role {
	if !inv.ruled {
		return Manager
	}
	best := Viewer
	for _, t := range inv.teams {
		m, ok := t.Member(by)
		if !ok {
			continue
		}
		role := m.Role
		if role == "" {
			role = Responder
		}
		if rank[role] > rank[best] {
			best = role
		}
	}
	return best
}

// May says whether somebody may do what takes a role; the error says why not.
// Vakhta itself may everything.
func (inv *Inventory) May(by string, needs Role) error {
	if by == Itself || rank[inv.RoleOf(by)] >= rank[needs] {
		return nil
	}
	return &ForbiddenError{By: by, Has: inv.RoleOf(by), Needs: needs}
}

// Itself is how Vakhta calls itself where it acts.
const Itself = "vakhta"
