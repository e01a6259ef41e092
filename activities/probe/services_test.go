package probe

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vakhta/internal/topology"
)

// certificate makes one for the name, signed by itself.
func certificate(t testing.TB, name string, from, to time.Time) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: from, NotAfter: to,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, leaf
}

const day = 24 * time.Hour

func TestCertificateIsJudgedByItsDatesAndItsName(t *testing.T) {
	now := time.Now()
	_, leaf := certificate(t, "www.example.org", now.Add(-day), now.Add(30*day+time.Hour))
	trusted := x509.NewCertPool()
	trusted.AddCert(leaf)
	tests := []struct {
		name   string
		at     time.Time
		asked  string
		roots  *x509.CertPool
		result topology.Result
		detail string
	}{
		{"well", now, "", nil, topology.Up, "certificate valid for 30 days"},
		{"named and trusted", now, "www.example.org", trusted, topology.Up, "certificate valid for 30 days"},
		{"two weeks before", now.Add(17 * day), "", nil, topology.Up, "certificate expires in 13 days"},
		{"over", now.Add(33 * day), "", nil, topology.Down, "certificate expired 2 days ago"},
		{"not yet", now.Add(-3 * day), "", nil, topology.Down, "certificate is valid from"},
		{"another's", now, "www.example.net", trusted, topology.Down, "certificate is for another name"},
		{"by nobody we know", now, "www.example.org", x509.NewCertPool(), topology.Down, "certificate is not trusted here, signed by an unknown authority"},
	}
	for _, tt := range tests {
		got := judge([]*x509.Certificate{leaf}, tt.asked, tt.at, tt.roots)
		if got.result != tt.result || !strings.HasPrefix(got.detail, tt.detail) {
			t.Errorf("%s: %+v, want %s, %q", tt.name, got, tt.result, tt.detail)
		}
	}
	if got := judge(nil, "", now, nil); got.result != topology.Down {
		t.Errorf("no certificate: %+v, want down", got)
	}
}

// serve accepts connections until the test ends, and returns the port.
func serve(t testing.TB, l net.Listener, each func(net.Conn)) int {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			each(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().(*net.TCPAddr).Port
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// say answers every connection with the text.
func say(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, text) }
}

// await keeps a connection open until the other side closes it.
func await(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// check is a sweep of one component with this profile and one probe.
func check(t *testing.T, profile string, p topology.Probe, o Options) topology.Observation {
	t.Helper()
	return checkBy(t, profile, params([]string{"s0"}, p), o)
}

// checkBy makes the sweep again while this process was too busy to tell, as it may be on a busy machine.
func checkBy(t *testing.T, profile string, p SweepParams, o Options) (got topology.Observation) {
	t.Helper()
	until(t, "the prober is not too busy to tell", func() bool {
		var sink memory
		a := New(estateOf(t, profile), &sink, o)
		if _, err := run(t.Context(), t, a, a.Sweep, p); err != nil {
			t.Fatal(err)
		}
		var ok bool
		if got, ok = sink.rows["s1/1/s0/"+string(p.Probes[0])+"/msk"]; !ok {
			t.Fatalf("no observation by %s: %v", p.Probes[0], sink.rows)
		}
		return !strings.Contains(got.Detail, detailBusy)
	})
	return got
}

func expect(t *testing.T, what string, o topology.Observation, result topology.Result, detail string) {
	t.Helper()
	if o.Result != result || o.Detail != detail {
		t.Errorf("%s: %s, %q; want %s, %q", what, o.Result, o.Detail, result, detail)
	}
}

// within is a service's budget: one that keeps silent lets it go by, so that it gets a brief one;
// another answers at once, unless the machine is busy.
func within(silent bool) Options {
	if silent {
		return Options{ServiceTimeout: 300 * time.Millisecond}
	}
	return Options{ServiceTimeout: 10 * time.Second}
}

func TestTLS(t *testing.T) {
	now := time.Now()
	well, _ := certificate(t, "www.example.org", now.Add(-day), now.Add(100*day+time.Hour))
	old, _ := certificate(t, "www.example.org", now.Add(-9*day), now.Add(-8*day-time.Hour))
	with := func(c tls.Certificate) int {
		return serve(t, tls.NewListener(listen(t), &tls.Config{Certificates: []tls.Certificate{c}}), func(c net.Conn) { _ = c.(*tls.Conn).Handshake() })
	}
	wellPort, oldPort := with(well), with(old)
	plain, silent, closed := serve(t, listen(t), say("220 hello\r\n")), serve(t, listen(t), await), closedPort(t)
	port := func(n int, text string) string { return fmt.Sprintf("port %d: %s", n, text) }
	tests := []struct {
		checks string
		result topology.Result
		detail string
	}{
		{fmt.Sprint(wellPort), topology.Up, port(wellPort, "certificate valid for 100 days")},
		{fmt.Sprint(oldPort), topology.Down, port(oldPort, "certificate expired 8 days ago")},
		{fmt.Sprintf("{port: %d, name: www.example.net}", wellPort), topology.Down, port(wellPort, "certificate is for another name")},
		{fmt.Sprintf("{port: %d, name: www.example.org}", wellPort), topology.Down, port(wellPort, "certificate is not trusted here, signed by an unknown authority")},
		{fmt.Sprint(plain), topology.Down, port(plain, "no TLS handshake")},
		{fmt.Sprint(silent), topology.Down, port(silent, "TLS handshake: timeout")},
		{fmt.Sprint(closed), topology.Down, port(closed, "connection refused")},
		{fmt.Sprintf("%d, %d, %d", wellPort, oldPort, closed), topology.Down, port(oldPort, "certificate expired 8 days ago") + "; " + port(closed, "connection refused")},
	}
	for _, tt := range tests {
		expect(t, tt.checks, check(t, "{address: 127.0.0.1, tls: ["+tt.checks+"]}", topology.ProbeTLS, within(tt.checks == fmt.Sprint(silent))), tt.result, tt.detail)
	}
}

func TestHTTP(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	hang := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "all ok at %s, %s", r.Host, r.Method) })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	mux.HandleFunc("/hang", func(http.ResponseWriter, *http.Request) { <-hang })
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("."), maxBody))
		_, _ = io.WriteString(w, "ok")
	})
	plain, secure := httptest.NewServer(mux), httptest.NewTLSServer(mux)
	defer plain.Close()
	defer secure.Close()
	defer close(hang)
	p, s := plain.Listener.Addr().(*net.TCPAddr).Port, secure.Listener.Addr().(*net.TCPAddr).Port
	tests := []struct {
		port   int
		check  string
		result topology.Result
		detail string
	}{
		{p, "path: /health", topology.Up, "status 200"},
		{p, "path: /health, contains: all ok", topology.Up, "status 200"},
		{p, "path: /health, host: www.example.org, contains: at www.example.org", topology.Up, "status 200"},
		{p, "path: /health, contains: all lost", topology.Down, "status 200, but not the expected text"},
		{p, "path: /health, method: HEAD", topology.Up, "status 200"},
		{p, "path: /long, contains: ok", topology.Down, "status 200, but not the expected text"},
		{p, "path: /broken", topology.Down, "status 503"},
		{p, "path: /broken, status: [200, 500-599]", topology.Up, "status 503"},
		{p, "path: /away", topology.Up, "status 302"},
		{p, "path: /away, status: [200-299]", topology.Down, "status 302"},
		{p, "path: /hang", topology.Down, "HTTP: timeout"},
		{s, "path: /health, tls: true, host: www.example.org", topology.Up, "status 200"},
		{p, "path: /health, tls: true", topology.Down, "no HTTP answer"},
		{closedPort(t), "path: /health", topology.Down, "connection refused"},
	}
	for _, tt := range tests {
		profile := fmt.Sprintf("{address: 127.0.0.1, http: [{port: %d, %s}]}", tt.port, tt.check)
		expect(t, tt.check, check(t, profile, topology.ProbeHTTP, within(tt.detail == "HTTP: timeout")), tt.result, fmt.Sprintf("port %d: %s", tt.port, tt.detail))
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests went where the inventory doesn't point", n)
	}
}

func TestDNS(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		record := func(line string) {
			r, err := dns.NewRR(line)
			if err != nil {
				panic(err)
			}
			reply.Answer = append(reply.Answer, r)
		}
		switch q.Question[0].Name {
		case "well.example.":
			record("well.example. 60 A 192.0.2.1")
		case "lost.example.": // the first question gets lost, and a stranger answers the second
			if asked.Add(1) == 1 {
				return
			}
			wrong := reply.Copy()
			wrong.Id++
			_ = w.WriteMsg(wrong)
			record("lost.example. 60 A 192.0.2.1")
		case "silent.example.":
			return
		case "gone.example.":
			reply.Rcode = dns.RcodeNameError
		case "large.example.":
			reply.Truncated = true
		}
		_ = w.WriteMsg(reply)
	})}
	ended := make(chan error)
	go func() { ended <- server.ActivateAndServe() }()
	t.Cleanup(func() { _ = conn.Close(); <-ended })
	port := conn.LocalAddr().(*net.UDPAddr).Port
	closed := closedPort(t)
	tests := []struct {
		port   int
		name   string
		result topology.Result
		detail string
	}{
		{port, "well.example", topology.Up, "answers with 1 records"},
		{port, "lost.example", topology.Up, "answers with 1 records"},
		{port, "empty.example", topology.Down, "answers without a A record"},
		{port, "gone.example", topology.Down, "answers NXDOMAIN"},
		{port, "large.example", topology.Up, "answers, truncated"},
		{port, "silent.example", topology.Down, "DNS: timeout"},
		{closed, "well.example", topology.Down, "no DNS server"},
	}
	for _, tt := range tests {
		o := check(t, fmt.Sprintf("{address: 127.0.0.1, dns: [{name: %s, type: A, port: %d}]}", tt.name, tt.port), topology.ProbeDNS, within(tt.name == "silent.example"))
		expect(t, tt.name, o, tt.result, fmt.Sprintf("port %d: %s", tt.port, tt.detail))
	}
}

func TestSSH(t *testing.T) {
	tests := []struct {
		name   string
		serve  func(net.Conn)
		result topology.Result
		detail string
	}{
		{"a server", say("SSH-2.0-OpenSSH_9.2 Debian\r\n"), topology.Up, "SSH-2.0-OpenSSH_9.2 Debian"},
		{"one with a greeting", say("welcome\r\nSSH-2.0-x\r\n"), topology.Up, "SSH-2.0-x"},
		{"another protocol", say("220 mail ready\r\n"), topology.Down, "closed before its SSH banner"},
		{"one that is overloaded", func(net.Conn) {}, topology.Down, "closed before its SSH banner"},
		{"one that hangs", await, topology.Down, "SSH banner: timeout"},
		{"one that never ends", func(c net.Conn) { say(strings.Repeat("x", 1<<20))(c) }, topology.Down, "no SSH banner"},
	}
	for _, tt := range tests {
		port := serve(t, listen(t), tt.serve)
		o := check(t, fmt.Sprintf("{address: 127.0.0.1, ssh: [%d]}", port), topology.ProbeSSH, within(tt.name == "one that hangs"))
		if tt.name == "one that never ends" && o.Detail == fmt.Sprintf("port %d: closed before its SSH banner", port) {
			continue // the rest of what it said may be lost with the connection
		}
		expect(t, tt.name, o, tt.result, fmt.Sprintf("port %d: %s", port, tt.detail))
	}
}

func FuzzBanner(f *testing.F) {
	for _, s := range []string{"SSH-2.0-OpenSSH_9.2\r\n", "hello\nSSH-1.99-x\n", "SSH-", "", "\x00\xff\n", "SSH-2.0-\x1b[31m\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		banner, err := readBanner(bytes.NewReader(b))
		if err != nil {
			return
		}
		if !strings.HasPrefix(banner, "SSH-") || len(banner) > maxBannerShown || !bytes.Contains(b, []byte("SSH-")) {
			t.Errorf("%q is taken for the banner of %q", banner, b)
		}
		if i := strings.IndexFunc(banner, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
			t.Errorf("%q holds what can't be printed", banner)
		}
	})
}

func FuzzDNSAnswer(f *testing.F) {
	question := new(dns.Msg).SetQuestion("example.org.", dns.TypeA)
	packet, err := new(dns.Msg).SetReply(question).Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packet)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if reply, ok := answers(b, question); ok && (reply.Id != question.Id || !reply.Response || judgeReply(reply, dns.TypeA).detail == "") {
			t.Errorf("%x is taken for an answer", b)
		}
	})
}

func TestServicesAreAskedWhenNamedOrAlone(t *testing.T) {
	inv := estateOf(
		t, "{address: 127.0.0.1, tcp: [1], icmp: true, tls: [443], http: [{port: 80}], dns: [{name: a.example}], ssh: [22]}",
		"{address: 127.0.0.2, tls: [443], ssh: [22]}",
	)
	a := New(inv, &memory{}, Options{})
	tests := []struct {
		name   string
		probes []topology.Probe
		want   []string
	}{
		{"none named", nil, []string{"s0 tcp", "s0 icmp", "s1 tls", "s1 ssh"}},
		{"http", []topology.Probe{topology.ProbeHTTP}, []string{"s0 http"}},
		{
			"all",
			[]topology.Probe{topology.ProbeICMP, topology.ProbeTCP, topology.ProbeTLS, topology.ProbeHTTP, topology.ProbeDNS, topology.ProbeSSH, topology.ProbePower},
			[]string{"s0 tcp", "s0 icmp", "s0 tls", "s0 http", "s0 dns", "s0 ssh", "s1 tls", "s1 ssh"},
		},
	}
	for _, tt := range tests {
		var got []string
		for _, task := range a.shardOf([]string{"s0", "s1"}, tt.probes, "msk", budget{}).tasks {
			got = append(got, task.component.ID+" "+string(task.probe))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// The services hang: nothing but the context ends these probes.
func TestCancelledServicesTellNothing(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reached := make(chan struct{}, 3)
	hang := func(c net.Conn) {
		reached <- struct{}{}
		await(c)
	}
	port := [3]int{serve(t, listen(t), hang), serve(t, listen(t), hang), serve(t, listen(t), hang)}
	a := New(estateOf(t, fmt.Sprintf("{address: 127.0.0.1, tls: [%d], http: [{port: %d}], ssh: [%d], dns: [{name: a.example, port: %d}]}",
		port[0], port[1], port[2], conn.LocalAddr().(*net.UDPAddr).Port)), &memory{}, Options{ServiceTimeout: time.Hour})
	s := a.shardOf([]string{"s0"}, nil, "msk", budget{timeout: time.Hour, attempts: 1})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for range port {
			<-reached
		}
		_, _, _ = conn.ReadFrom(make([]byte, 512)) // the question has been asked
		cancel()
	}()
	s.probe(ctx, func(int, int) {})
	if len(s.observations) != 4 {
		t.Fatalf("%d observations, want 4", len(s.observations))
	}
	for _, o := range s.observations {
		if o.Result != topology.Unknown || o.Detail != "cancelled" {
			t.Errorf("%+v, want unknown: cancelled", o)
		}
	}
}
