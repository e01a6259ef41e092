package topology

import (
	"regexp"
	"slices"
	"strings"

	"vakhta/internal/inventory"
)

// answersUnfit begins the evidence of a service that answers, and not as it should.
const answersUnfit = "answers "

// unfits are what a service's probe says where its connection was taken, and what came then
// is not as it should be, or nothing: the machine answers. They hold no address.
var unfits = [asks]*regexp.Regexp{
	askHTTP: regexp.MustCompile(`\bstatus [1-5]\d\d(, but not the expected text)?|\bHTTP: timeout|\bno HTTP answer`),
	askDNS:  regexp.MustCompile(`\b(NXDOMAIN|SERVFAIL|REFUSED|NOTIMP|FORMERR|NOTAUTH|without an? [A-Z]{1,6} record)\b`),
	askSSH:  regexp.MustCompile(`\bSSH banner: timeout|\bclosed before its SSH banner|\bno SSH banner`),
	askTLS:  regexp.MustCompile(`\bTLS handshake: timeout|\bTLS handshake refused|\bno TLS handshake|\bcertificate (expired \d+ days? ago|is valid from [\d-]+ on|is for another name|is not trusted here)`),
}

// unfit is what is wrong with the service's answer; "" if there was none, or nobody knows.
func unfit(a ask, detail string) string {
	if unfits[a] == nil {
		return ""
	}
	return unfits[a].FindString(detail)
}

// Unserving are the services of a machine that answers, and whose service doesn't answer as it should:
// "HTTP", "DNS, TLS". Empty for any other finding.
func (f *Finding) Unserving() string {
	if f.Kind != inventory.KindServer || f.PowerOff || f.Mode != "" {
		return ""
	}
	var out []string
	for _, e := range f.Evidence {
		if a, known := askOf(e.Probe); known && a.service() && e.Component == f.Component && strings.HasPrefix(e.Text, answersUnfit) {
			out = append(out, strings.ToUpper(string(e.Probe)))
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}
