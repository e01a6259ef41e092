package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"strings"
	"sync"
	"time"
)

// relayState is what the mail relay has of its own.
type relayState struct {
	tls  *tls.Config
	root []byte // PEM

	mu   sync.Mutex
	seen map[string]bool // recipients that were greylisted
}

// init makes the relay's certificate, which vouches for itself.
func (r *relayState) init() error {
	r.seen = make(map[string]bool)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("generate the mail relay's key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "Mail relay of the sandbox"},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("make the mail relay's certificate: %w", err)
	}
	r.root = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	r.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	return nil
}

// isFirst says whether a recipient comes for the first time.
func (r *relayState) isFirst(to string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen[address(to)]
	r.seen[address(to)] = true
	return !seen
}

// RelayRoots is the certificate, in PEM, that a mail program must trust to log
// in at the relay.
func (s *Sandbox) RelayRoots() []byte { return s.relay.root }

var wordDecoder mime.WordDecoder

// readPart puts the texts of a mail, or of a part of one, into the item.
func readPart(it *Item, contentType, encoding string, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("the content type %q can't be read: %w", contentType, err)
	}
	if strings.HasPrefix(kind, "multipart/") {
		return readParts(it, multipart.NewReader(body, params["boundary"]))
	}
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("a part of the mail can't be decoded: %w", err)
	}
	words := strings.ReplaceAll(string(text), "\r\n", "\n")
	switch kind {
	case "text/plain":
		it.Text = words
	case "text/html":
		it.HTML = words
	case "text/calendar":
		it.Calendar = string(text)
	}
	return nil
}

func readParts(it *Item, parts *multipart.Reader) error {
	for {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the mail's parts can't be read: %w", err)
		}
		if err := readPart(it, p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p); err != nil {
			return err
		}
	}
}
