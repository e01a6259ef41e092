package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// expiryWarning is how long before its end a certificate is spoken of.
const expiryWarning = 14 * 24 * time.Hour

// probeTLS makes a handshake and judges the certificate: its dates, and where
// the check has a name, that it was issued for it by an authority which this
// machine trusts.
func (a *Activities) probeTLS(ctx context.Context, s served, c inventory.TLSCheck) answer {
	conn, got := a.dial(ctx, s.address, c.Port, s.dial)
	if conn == nil {
		return atPort(c.Port, got)
	}
	defer conn.Close()
	started := time.Now()
	ctx, cancel := context.WithTimeout(ctx, a.opts.ServiceTimeout)
	defer cancel()
	client := tls.Client(conn, &tls.Config{
		ServerName:         c.Name,
		InsecureSkipVerify: true,             //nolint:gosec // judged below, so that the answer can say what is wrong
		MinVersion:         tls.VersionTLS10, //nolint:gosec // whether it answers, not how well it encrypts
		CipherSuites:       everySuite(),
	})
	if err := client.HandshakeContext(ctx); err != nil {
		return atPort(c.Port, a.handshakeFailed(ctx, err))
	}
	got = judge(client.ConnectionState().PeerCertificates, c.Name, time.Now(), nil)
	got.rtt = time.Since(started)
	return atPort(c.Port, got)
}

// everySuite are all ciphers that there are: one that is out of fashion is an answer, too.
func everySuite() []uint16 {
	var out []uint16
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		out = append(out, s.ID)
	}
	return out
}

func (a *Activities) handshakeFailed(ctx context.Context, err error) answer {
	var alert tls.AlertError
	var timeout net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return cancelled
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		deadline, _ := ctx.Deadline()
		return a.overdue(deadline, "TLS handshake")
	case errors.As(err, &alert):
		return answer{result: topology.Down, detail: "TLS handshake refused: " + alert.Error()}
	default:
		return answer{result: topology.Down, detail: "no TLS handshake"}
	}
}

// judge weighs a chain, the server's own certificate first; nil roots are the
// machine's.
func judge(chain []*x509.Certificate, name string, now time.Time, roots *x509.CertPool) answer {
	if len(chain) == 0 {
		return answer{result: topology.Down, detail: "no certificate"}
	}
	leaf := chain[0]
	days := int(leaf.NotAfter.Sub(now) / (24 * time.Hour))
	down := func(text string) answer { return answer{result: topology.Down, detail: text} }
	switch {
	case now.After(leaf.NotAfter):
		return down(fmt.Sprintf("certificate expired %d days ago", -days))
	case now.Before(leaf.NotBefore):
		return down(fmt.Sprintf("certificate is valid from %s on", leaf.NotBefore.UTC().Format(time.DateOnly)))
	}
	if name != "" {
		if leaf.VerifyHostname(name) != nil {
			return down("certificate is for another name")
		}
		between := x509.NewCertPool()
		for _, c := range chain[1:] {
			between.AddCert(c)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now}); err != nil {
			return down("certificate is not trusted here, " + untrusted(err))
		}
	}
	if leaf.NotAfter.Sub(now) < expiryWarning {
		return answer{result: topology.Up, detail: fmt.Sprintf("certificate expires in %d days", days)}
	}
	return answer{result: topology.Up, detail: fmt.Sprintf("certificate valid for %d days", days)}
}

func untrusted(err error) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return "signed by an unknown authority"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "an authority in its chain has expired"
	default:
		return "its chain is not in order"
	}
}
