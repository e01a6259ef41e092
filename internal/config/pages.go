package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// PagesProxy is a proxy in front of the engineers' pages that has made sure who
// calls, and says so in a header.
type PagesProxy struct {
	// Header holds the name: X-Forwarded-User, Remote-User, X-Auth-Request-Email …
	Header string `yaml:"header"`
	// From are the proxy's addresses or networks; nobody else's header is believed.
	From []string `yaml:"from"`

	from []netip.Prefix
}

// Networks are the proxy's addresses.
func (p *PagesProxy) Networks() []netip.Prefix { return p.from }

// StatusPage is the page on which everybody sees what is going on.
type StatusPage struct {
	Name string `yaml:"name"` // the provider's
}

// validatePages checks who may see which pages.
func (c *Config) validatePages() error {
	if c.PagesPeople.Set() && c.PagesPassword.Set() {
		return errors.New("pagesPassword: leave it out where pagesPeople gives everybody a password of his own: it would prove nobody's name")
	}
	if c.StatusPage != nil && strings.TrimSpace(c.StatusPage.Name) == "" {
		return errors.New("statusPage.name: missing; whose page is it?")
	}
	if c.PagesProxy == nil {
		return nil
	}
	return c.PagesProxy.ValidateAndSetDefaults()
}

// ValidateAndSetDefaults checks the proxy and reads its networks.
func (p *PagesProxy) ValidateAndSetDefaults() error {
	if p.Header = strings.TrimSpace(p.Header); p.Header == "" || strings.ContainsAny(p.Header, " :") {
		return errors.New("pagesProxy.header: name the header that the proxy sets, such as X-Forwarded-User; it must take away what a browser sends by that name")
	}
	if len(p.From) == 0 {
		return errors.New("pagesProxy.from: missing; name the proxy's addresses, or anybody could write the header")
	}
	p.from = nil
	for i, text := range p.From {
		prefix, err := netip.ParsePrefix(text)
		if addr, failed := netip.ParseAddr(text); failed == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return fmt.Errorf("pagesProxy.from[%d]: %q is neither an address nor a network; write 10.0.0.5 or 10.0.0.0/24", i, text)
		}
		if prefix.Bits() == 0 {
			return fmt.Errorf("pagesProxy.from[%d]: %s is everybody; name the proxy's own addresses", i, text)
		}
		p.from = append(p.from, prefix)
	}
	return nil
}
