package probe

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/gosnmp/gosnmp"
)

var (
	authProtocols = map[string]gosnmp.SnmpV3AuthProtocol{
		"md5": gosnmp.MD5, "sha": gosnmp.SHA, "sha224": gosnmp.SHA224, "sha256": gosnmp.SHA256, "sha384": gosnmp.SHA384, "sha512": gosnmp.SHA512,
	}
	privProtocols = map[string]gosnmp.SnmpV3PrivProtocol{"des": gosnmp.DES, "aes": gosnmp.AES, "aes192": gosnmp.AES192, "aes256": gosnmp.AES256}
)

// authenticate reads what a reference to SNMP credentials holds: a community for
// v2c, or "v3 user=NAME auth=PROTOCOL:PASSPHRASE priv=PROTOCOL:PASSPHRASE". Its
// errors continue the reference's name and never show what it holds.
func authenticate(g *gosnmp.GoSNMP, secret string) error {
	words := strings.Fields(secret)
	switch {
	case len(words) == 0:
		return errors.New("are empty: they must hold a community, or v3 user=NAME …")
	case !strings.EqualFold(words[0], "v3"):
		if len(words) > 1 {
			return errors.New("hold several words: write a community, or v3 user=NAME auth=PROTOCOL:PASSPHRASE priv=PROTOCOL:PASSPHRASE")
		}
		g.Version, g.Community = gosnmp.Version2c, words[0]
		return nil
	}
	usm := &gosnmp.UsmSecurityParameters{AuthenticationProtocol: gosnmp.NoAuth, PrivacyProtocol: gosnmp.NoPriv}
	g.Version, g.SecurityModel, g.MsgFlags, g.SecurityParameters = gosnmp.Version3, gosnmp.UserSecurityModel, gosnmp.NoAuthNoPriv, usm
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		protocol, passphrase, _ := strings.Cut(value, ":")
		protocol = strings.ToLower(protocol)
		var known bool
		switch key {
		case "user":
			usm.UserName, known = value, value != ""
		case "auth":
			usm.AuthenticationProtocol, known = authProtocols[protocol]
			usm.AuthenticationPassphrase, g.MsgFlags = passphrase, g.MsgFlags|gosnmp.AuthNoPriv
			known = known && len(passphrase) >= 8
		case "priv":
			usm.PrivacyProtocol, known = privProtocols[protocol]
			usm.PrivacyPassphrase, g.MsgFlags = passphrase, g.MsgFlags|gosnmp.AuthPriv
			known = known && len(passphrase) >= 8
		}
		if !known {
			return errors.New("don't hold v3 user=NAME auth=PROTOCOL:PASSPHRASE priv=PROTOCOL:PASSPHRASE, with auth one of " + words3(authProtocols) +
				", priv one of " + words3(privProtocols) + ", and passphrases of 8 characters or more")
		}
	}
	if usm.UserName == "" || usm.PrivacyPassphrase != "" && usm.AuthenticationPassphrase == "" {
		return errors.New("lack user=NAME, or have priv= without auth=")
	}
	return nil
}

func words3[T any](m map[string]T) string { return strings.Join(slices.Sorted(maps.Keys(m)), ", ") }
