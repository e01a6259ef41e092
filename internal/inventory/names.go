package inventory

import "fmt"

// Names are the words for ids that an engineer reads, in English; never an address.
type Names struct{ inv *Inventory }

// Names returns the words for the inventory's ids.
func (inv *Inventory) Names() Names { return Names{inv} }

// Component is a component's name with its id, or the id.
func (n Names) Component(id string) string {
	name := n.inv.Name(id, English)
	if name == "" || name == id {
		return id
	}
	return fmt.Sprintf("%s (%s)", name, id)
}

// Client is a client's name, or his id.
func (n Names) Client(id string) string {
	if c, ok := n.inv.Client(id); ok && c.Name != "" {
		return c.Name
	}
	return id
}

// Person is a contact's name, or whatever else acted: "vakhta", "alertmanager".
func (n Names) Person(id string) string {
	if c, ok := n.inv.Contact(id); ok && c.Name != "" {
		return c.Name
	}
	return id
}
