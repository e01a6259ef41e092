package main

import (
	"strings"

	"vakhta/internal/htpasswd"
	"vakhta/internal/inventory"
	"vakhta/internal/web"
)

// newPages makes the engineers' pages, open to whom the configuration lets in.
func (g *gateway) newPages() (*web.Pages, error) {
	d, watch := g.deps, incidentWatch{g.deps, g.now}
	o := web.Options{
		Password: g.cfg.PagesPassword.Reveal(), PublicURL: g.cfg.PublicURL, Now: g.now, Log: d.Log, OnCall: g.turns,
		Desk: worksDesk{d, g.now}, Watch: watch, Teams: teamIDs(d.Inventory), Clock: func(who string) string { return watch.clock(who).String() },
	}
	if g.cfg.PagesPeople.Set() {
		people, err := htpasswd.Parse(g.cfg.PagesPeople.Reveal())
		if err != nil {
			return nil, refused("pagesPeople: %w", err)
		}
		for _, name := range people.Names() {
			if _, ok := member(d.Inventory, name); !ok {
				d.Log.Warn().Str("name", name).Msg("pagesPeople: is no member of a team, and may look only where roles hold")
			}
		}
		o.People = people
	}
	if p := g.cfg.PagesProxy; p != nil {
		o.Proxy = &web.Proxy{Header: p.Header, From: p.Networks(), Person: memberBehind(d.Inventory)}
	}
	return web.New(d.Store, namesOf(d.Inventory), o), nil
}

// memberBehind finds a member's id for what a proxy calls somebody: the id
// itself, or his mail address.
func memberBehind(inv *inventory.Inventory) func(string) string {
	return func(name string) string {
		if _, ok := member(inv, name); ok {
			return name
		}
		if c, ok := inv.ContactByAddress(inventory.Email, strings.ToLower(name)); ok && c.Client == "" {
			return c.ID
		}
		return name
	}
}
