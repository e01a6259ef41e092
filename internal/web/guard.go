package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
)

// guarded lets engineers through: by the password, or, where none is
// configured, whoever sits at this machine.
func (p *Pages) guarded(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.opts.Password == "" {
			if !fromHere(r) {
				show(w, p.opts.Log, http.StatusForbidden, "message", page{
					Title: "Closed", Content: "These pages name clients. Set pagesPassword in the configuration to open them beyond this machine.",
				})
				return
			}
			next(w, r)
			return
		}
		_, password, _ := r.BasicAuth()
		want, got := sha256.Sum256([]byte(p.opts.Password)), sha256.Sum256([]byte(password))
		if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="vakhta", charset="UTF-8"`)
			show(w, p.opts.Log, http.StatusUnauthorized, "message", page{Title: "Who are you?", Content: "The engineers' password, please."})
			return
		}
		next(w, r)
	})
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
