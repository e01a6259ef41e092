package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Caller is who asks for a page of the engineers', or acts on one.
type Caller struct {
	Name   string // a member's id, or what he calls himself; empty: he has not said
	Proven bool   // by a password of his own, or by the proxy in front
}

// People are those who have a password of their own.
type People interface {
	// Check says whether the password is that person's.
	Check(ctx context.Context, name, password string) bool
}

// Proxy is one in front of the gateway that has made sure who calls: single
// sign-on. Its header is believed from its own addresses only.
type Proxy struct {
	Header string
	From   []netip.Prefix
	Person func(name string) string // what it calls somebody, as we do: a member's id
}

// caller is who a request's proxy says that he is; empty: no proxy of ours came before it.
func (x *Proxy) caller(r *http.Request) string {
	if x == nil {
		return ""
	}
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !slices.ContainsFunc(x.From, func(p netip.Prefix) bool { return p.Contains(at.Addr().Unmap()) }) {
		return ""
	}
	values := r.Header.Values(x.Header)
	if len(values) != 1 { // two say different things: one is not the proxy's
		return ""
	}
	if name := strings.TrimSpace(values[0]); name != "" {
		return x.Person(name)
	}
	return ""
}

type callerKey struct{}

// callerOf is who makes a request that was let through.
func callerOf(r *http.Request) Caller {
	c, _ := r.Context().Value(callerKey{}).(Caller)
	return c
}

// guarded lets engineers through: whom the proxy names, who has a password of
// his own, or, where nobody has one, by the password of all; where there is
// none either, whoever sits at this machine.
func (p *Pages) guarded(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, refusal := p.identify(r)
		if refusal != "" {
			p.turnAway(w, r, refusal)
			return
		}
		next(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	})
}

// Why somebody is not let through.
const (
	closedHere = "These pages name clients. Set pagesPeople, pagesProxy or pagesPassword in the configuration to open them beyond this machine."
	notByProxy = "Come by the proxy that signs you in."
	yourOwn    = "Your own name and password, please."
	everybodys = "Your name and the engineers' password, please."
)

func (p *Pages) identify(r *http.Request) (c Caller, refusal string) {
	if name := p.opts.Proxy.caller(r); name != "" {
		return Caller{name, true}, ""
	}
	name, password, given := r.BasicAuth()
	name = strings.TrimSpace(name)
	switch {
	case p.opts.People != nil:
		if given && p.opts.People.Check(r.Context(), name, password) {
			return Caller{name, true}, ""
		}
		return c, yourOwn
	case p.opts.Password != "":
		want, got := sha256.Sum256([]byte(p.opts.Password)), sha256.Sum256([]byte(password))
		if subtle.ConstantTimeCompare(want[:], got[:]) == 1 {
			return Caller{Name: name}, ""
		}
		return c, everybodys
	case p.opts.Proxy != nil:
		return c, notByProxy
	case !fromHere(r):
		return c, closedHere
	}
	return c, ""
}

func (p *Pages) turnAway(w http.ResponseWriter, r *http.Request, why string) {
	if why == yourOwn || why == everybodys {
		if _, _, given := r.BasicAuth(); given {
			p.opts.Log.Warn().Str("path", r.Pattern).Msg("a page was refused: wrong name or password")
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="vakhta", charset="UTF-8"`)
		show(w, p.opts.Log, http.StatusUnauthorized, "message", page{Title: "Who are you?", Content: why})
		return
	}
	show(w, p.opts.Log, http.StatusForbidden, "message", page{Title: "Closed", Content: why})
}

// fromHere reports whether a request was made on this machine, to this
// machine, without a proxy between. The Host is checked too: a foreign page
// that had its own name resolve to 127.0.0.1 would pass the rest.
func fromHere(r *http.Request) bool {
	for _, header := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Via"} {
		if r.Header.Get(header) != "" {
			return false
		}
	}
	return loopback(r.RemoteAddr) && loopback(r.Host)
}

func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
