package config

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhoMaySeeThePagesIsChecked(t *testing.T) {
	for want, c := range map[string]Config{
		"pagesPassword: leave it out": {PagesPassword: Secret{ref: "env:A"}, PagesPeople: Secret{ref: "file:people"}},
		"pagesProxy.header":           {PagesProxy: &PagesProxy{From: []string{"10.0.0.1"}}},
		"pagesProxy.from: missing":    {PagesProxy: &PagesProxy{Header: "X-User"}},
		"pagesProxy.from[1]":          {PagesProxy: &PagesProxy{Header: "X-User", From: []string{"10.0.0.1", "proxy.example"}}},
		"is everybody":                {PagesProxy: &PagesProxy{Header: "X-User", From: []string{"0.0.0.0/0"}}},
	} {
		require.ErrorContains(t, c.validatePages(), want)
	}
	require.ErrorContains(t, (&Config{StatusPage: &StatusPage{}}).validatePages(), "statusPage.name")
	c := Config{PagesProxy: &PagesProxy{Header: " X-User ", From: []string{"10.0.0.1", "fd00::/64"}}}
	require.NoError(t, c.validatePages())
	require.Equal(t, "X-User", c.PagesProxy.Header)
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32"), netip.MustParsePrefix("fd00::/64")}, c.PagesProxy.Networks())
}
