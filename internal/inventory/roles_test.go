package inventory

import (
	"errors"
	"fmt"
	"testing"
)

const ruled = `version: 1
sites: [{id: msk, timezone: Europe/Moscow, vantages: [msk]}]
components: [{id: s1, kind: server, in: msk, client: c1}]
clients: [{id: c1, language: ru, timezone: Europe/Moscow, contacts: [{id: c1-duty, addresses: {email: d@c1.example}}]}]
teams:
  - id: emergency
    members:
      - {id: ivan, addresses: {call: "+79001234567"}%s}
      - {id: petr, addresses: {call: "+79001234568"}}
      - {id: anna, addresses: {call: "+79001234569"}%s}
    levels: [{members: [petr], ackWithin: 1m}]
  - {id: admins, members: [{id: olga, addresses: {call: "+79001234570"}}], levels: [{members: [olga], ackWithin: 1m}]}
`

func TestRolesHoldAsSoonAsOneIsGiven(t *testing.T) {
	load := func(ivan, anna string) *Inventory {
		inv, err := Load(Document{Name: "x.yaml", Data: fmt.Appendf(nil, ruled, ivan, anna)})
		if err != nil {
			t.Fatal(err)
		}
		return inv
	}
	open := load("", "")
	if err := open.May("anybody", Manager); err != nil {
		t.Errorf("no role is given, and %v", err)
	}
	inv := load(", role: viewer", ", role: manager")
	for _, c := range []struct {
		who         string
		may, maynot Role
	}{
		{"ivan", Viewer, Responder}, {"petr", Responder, Manager}, {"olga", Responder, Manager}, {"anna", Manager, ""}, {"stranger", Viewer, Responder}, {Itself, Manager, ""},
	} {
		if err := inv.May(c.who, c.may); err != nil {
			t.Errorf("%s may not what takes a %s: %v", c.who, c.may, err)
		}
		if c.maynot == "" {
			continue
		}
		var f *ForbiddenError
		if err := inv.May(c.who, c.maynot); !errors.As(err, &f) || f.Needs != c.maynot {
			t.Errorf("%s may what takes a %s: %v", c.who, c.maynot, err)
		}
	}
}
