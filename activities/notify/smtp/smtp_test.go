package smtp_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vakhta/activities/notify"
	"vakhta/activities/notify/smtp"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/couriertest"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	to       = "irina@acme.example"
	user     = "relay-user"
	password = "secret-of-the-relay"
)

var account = sandbox.Config{SMTPUser: user, SMTPPassword: password}

func notification() ledger.Notification {
	return ledger.Notification{
		ID: "n-42", Subject: "incident/i-1", Event: "incident.update", Contact: "acme-irina",
		Channel: inventory.Email, Language: inventory.Russian, Title: "Работает 6 из 24, остальные ждут электричества в машинном зале номер два",
		Body: "Здравствуйте!\nСсылка: https://vakhta.example/a/abc=def\n.точка в начале строки", HTML: "<p>Здравствуйте!</p>", AckCode: "4F7K2M",
	}
}

// config points at the sandbox's relay.
func config(t *testing.T, box *sandbox.Sandbox) smtp.Config {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(box.RelayRoots()) {
		t.Fatal("the relay's certificate can't be read")
	}
	return smtp.Config{
		Address: strings.TrimPrefix(box.URL(sandbox.SMTP), "smtp://"), Roots: roots,
		User: user, Password: password, From: "noc@vakhta.example", FromName: "Вахта",
	}
}

func newChannel(t *testing.T, cfg smtp.Config) *smtp.Channel {
	t.Helper()
	c, err := smtp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, box *sandbox.Sandbox) notify.Channel { return newChannel(t, config(t, box)) }

func relay(t *testing.T, cfg sandbox.Config) *sandbox.Sandbox {
	t.Helper()
	box, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	if err := box.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return box
}

func TestContractAtSandbox(t *testing.T) {
	couriertest.Contract(t, couriertest.Tenant{
		Provider: sandbox.SMTP, Config: account, Open: open, Notification: notification(), To: to,
		Secrets: []string{password, user}, Dead: &sandbox.Persona{Mail: &sandbox.Mailbox{Bounce: true}},
	})
}

func TestTheMailCarriesWhatThreadsAndIsReadAsItWasWritten(t *testing.T) {
	box := relay(t, account)
	c := open(t, box)
	first, second := notification(), notification()
	second.ID = "n-43"
	for _, n := range []ledger.Notification{first, first, second} {
		if o := c.Send(t.Context(), n, to); o.State != ledger.Accepted || o.ProviderID == "" {
			t.Fatalf("%+v", o)
		}
	}
	got := box.Inbox(sandbox.Query{})
	for _, it := range got {
		if it.Subject != first.Title || it.Text != first.Body || it.HTML != first.HTML || it.From != "noc@vakhta.example" || it.To != to {
			t.Errorf("arrived: %+v", it)
		}
	}
	header := func(i int, name string) string { return got[i].Headers[name] }
	if header(0, "References") == "" || header(0, "References") != header(2, "References") {
		t.Error("two mails of one incident don't thread")
	}
	if header(0, "Message-Id") != header(1, "Message-Id") || header(0, "Message-Id") == header(2, "Message-Id") {
		t.Error("a repeat has another Message-ID, or two mails share one")
	}
	if want := notify.MailHeaders(first, "vakhta.example")["Message-ID"]; header(0, "Message-Id") != want {
		t.Errorf("Message-ID %s, want %s as by any other provider", header(0, "Message-Id"), want)
	}
}

func TestAMailNamesItsOptOut(t *testing.T) {
	box := relay(t, account)
	n := notification()
	n.OptOutURL = "https://vakhta.example/u/token.n-1"
	open(t, box).Send(t.Context(), n, to)
	open(t, box).Send(t.Context(), notification(), to)
	got := box.Inbox(sandbox.Query{})
	if h := got[0].Headers; h["List-Unsubscribe"] != "<"+n.OptOutURL+">" || h["List-Unsubscribe-Post"] != "List-Unsubscribe=One-Click" {
		t.Errorf("headers %v", h)
	}
	if h := got[1].Headers; h["List-Unsubscribe"] != "" {
		t.Errorf("headers %v of a mail that nobody gets out of", h)
	}
}

func TestAWrongPasswordIsOurAccountAndNobodysAddress(t *testing.T) {
	box := relay(t, account)
	for name, change := range map[string]func(*smtp.Config){
		"wrong": func(c *smtp.Config) { c.Password = "another" },
		"none":  func(c *smtp.Config) { c.User, c.Password = "", "" },
	} {
		cfg := config(t, box)
		change(&cfg)
		o := newChannel(t, cfg).Send(t.Context(), notification(), to)
		if o.State != ledger.Refused || o.Class != ledger.ClassConfig || o.Code != notify.AccountRefused || strings.Contains(o.Message, "another") {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func TestARelayThatIsNotTrustedGetsNoPassword(t *testing.T) {
	cfg := config(t, relay(t, account))
	cfg.Roots = x509.NewCertPool()
	o := newChannel(t, cfg).Send(t.Context(), notification(), to)
	if o.State != ledger.Retry || o.Wrote {
		t.Errorf("%+v, want a retry of which nothing was written", o)
	}
}

func TestAnAddressThatIsNoneIsNotTried(t *testing.T) {
	c := newChannel(t, smtp.Config{Address: "127.0.0.1:1", From: "noc@vakhta.example"})
	for _, bad := range []string{"", "irina", "a@b.example\r\nRCPT TO:<x@y.example>"} {
		if o := c.Send(t.Context(), notification(), bad); o.State != ledger.Refused || o.Class != ledger.ClassDead || o.Wrote {
			t.Errorf("%q: %+v", bad, o)
		}
	}
}

// script is a relay that answers each command with the next reply; "" closes
// the connection. What is read up to the end of the data is one command.
func script(t *testing.T, replies ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			play(c, replies)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return l.Addr().String()
}

func play(c net.Conn, replies []string) {
	buffer := make([]byte, 64<<10)
	for i, reply := range replies {
		if reply == "" {
			return
		}
		if _, err := fmt.Fprintf(c, "%s\r\n", strings.ReplaceAll(reply, "\n", "\r\n")); err != nil {
			return
		}
		if i == len(replies)-1 {
			return
		}
		end := "\r\n"
		if strings.HasPrefix(reply, "354") {
			end = "\r\n.\r\n"
		}
		for text := ""; !strings.HasSuffix(text, end); {
			n, err := c.Read(buffer)
			if err != nil {
				return
			}
			text += string(buffer[:n])
		}
	}
}

func TestWhatIsKnownDependsOnTheStep(t *testing.T) {
	steps := func(last ...string) []string {
		return append([]string{"220 relay", "250 relay"}, last...)
	}
	for _, c := range []struct {
		name    string
		replies []string
		state   ledger.State
		class   ledger.Class
		wrote   bool
		code    string
	}{
		{"serves nobody now", []string{"421 4.3.2 too many connections"}, ledger.Retry, ledger.ClassRetry, false, "421 4.3.2"},
		{"never serves us", []string{"554 5.7.1 blocked"}, ledger.Refused, ledger.ClassConfig, true, notify.AccountRefused},
		{"our sender", steps("550 5.7.1 not your domain"), ledger.Refused, ledger.ClassConfig, true, notify.AccountRefused},
		{"sender later", steps("451 4.3.0 later"), ledger.Retry, ledger.ClassRetry, true, "451 4.3.0"},
		{"gone at the sender", steps(""), ledger.Retry, ledger.ClassRetry, false, ""},
		{"greylisted", steps("250 ok", "450 4.7.1 later"), ledger.Retry, ledger.ClassRetry, true, "450 4.7.1"},
		{"shuts down", steps("250 ok", "421 bye"), ledger.Retry, ledger.ClassRetry, false, "421"},
		{"no such mailbox", steps("250 ok", "550 5.1.1 no such user"), ledger.Refused, ledger.ClassDead, true, "550 5.1.1"},
		{"no such mailbox, in old words", steps("250 ok", "550 no such user"), ledger.Refused, ledger.ClassDead, true, "550"},
		{"mailbox full", steps("250 ok", "552 5.2.2 over quota"), ledger.Refused, ledger.ClassNext, true, "552 5.2.2"},
		{"no relaying", steps("250 ok", "554 5.7.1 relay access denied"), ledger.Refused, ledger.ClassConfig, true, "554 5.7.1"},
		{"gone at the recipient", steps("250 ok", ""), ledger.Retry, ledger.ClassRetry, false, ""},
		{"no data", steps("250 ok", "250 ok", "451 4.3.0 later"), ledger.Retry, ledger.ClassRetry, true, "451 4.3.0"},
		{"gone before the data", steps("250 ok", "250 ok", ""), ledger.Retry, ledger.ClassRetry, false, ""},
		{"later, after the data", steps("250 ok", "250 ok", "354 go", "452 4.3.1 disk full"), ledger.Retry, ledger.ClassRetry, true, "452 4.3.1"},
		{"spam", steps("250 ok", "250 ok", "354 go", "554 5.7.1 spam"), ledger.Refused, ledger.ClassConfig, true, "554 5.7.1"},
		{"no mailbox, after the data", steps("250 ok", "250 ok", "354 go", "550 5.1.1 no such user"), ledger.Refused, ledger.ClassDead, true, "550 5.1.1"},
		{"gone after the data", steps("250 ok", "250 ok", "354 go", ""), ledger.Unknown, ledger.ClassAmbiguous, true, ""},
		{"nonsense after the data", steps("250 ok", "250 ok", "354 go", "what?"), ledger.Unknown, ledger.ClassAmbiguous, true, ""},
		{"taken", steps("250 ok", "250 ok", "354 go", "250 queued"), ledger.Accepted, "", true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ch := newChannel(t, smtp.Config{Address: script(t, c.replies...), Security: smtp.None, From: "noc@vakhta.example"})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			o := ch.Send(ctx, notification(), to)
			if o.State != c.state || o.Class != c.class || o.Wrote != c.wrote || o.Code != c.code {
				t.Errorf("got %s %q, wrote %v, code %q (%s); want %s %q, wrote %v, code %q", o.State, o.Class, o.Wrote, o.Code, o.Message, c.state, c.class, c.wrote, c.code)
			}
		})
	}
}

func TestARelayWithoutEncryptionIsNotUsedUnlessConfigured(t *testing.T) {
	ch := newChannel(t, smtp.Config{Address: script(t, "220 relay", "250 relay"), From: "noc@vakhta.example"})
	if o := ch.Send(t.Context(), notification(), to); o.State != ledger.Refused || o.Code != notify.AccountRefused || !strings.Contains(o.Message, "STARTTLS") {
		t.Errorf("%+v", o)
	}
}

func TestManyAtOnceMixNothingUpAndShareConnections(t *testing.T) {
	box := relay(t, account)
	c := open(t, box)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 10 {
				n := notification()
				n.ID, n.Body = fmt.Sprintf("n-%d-%d", i, j), fmt.Sprintf("body of n-%d-%d", i, j)
				if o := c.Send(t.Context(), n, n.ID+"@acme.example"); o.State != ledger.Accepted {
					t.Errorf("%+v", o)
				}
			}
		})
	}
	wg.Wait()
	got := box.Inbox(sandbox.Query{})
	if len(got) != 160 {
		t.Errorf("%d mails, want 160", len(got))
	}
	for _, it := range got {
		id := it.Headers["X-Vakhta-Notification"]
		if it.To != id+"@acme.example" || it.Text != "body of "+id {
			t.Errorf("%s got %q", it.To, it.Text)
		}
	}
}

func TestAConnectionThatWentStaleIsReplacedAndARefusalSpoilsNone(t *testing.T) {
	box := relay(t, account)
	c := open(t, box)
	box.SetPersona("gone@acme.example", sandbox.Persona{Mail: &sandbox.Mailbox{Bounce: true}})
	send := func(to string, want ledger.State) {
		t.Helper()
		if o := c.Send(t.Context(), notification(), to); o.State != want {
			t.Errorf("%+v, want %s", o, want)
		}
	}
	send(to, ledger.Accepted)
	send("gone@acme.example", ledger.Refused)
	send(to, ledger.Accepted)
	id, err := box.AddFault(sandbox.Fault{Provider: sandbox.SMTP, Kind: sandbox.FaultRefuse})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); c.Send(t.Context(), notification(), to).State == ledger.Accepted; {
		if time.Now().After(end) {
			t.Fatal("the relay's door doesn't shut")
		}
	}
	box.RemoveFault(id)
	for end := time.Now().Add(5 * time.Second); c.Send(t.Context(), notification(), to).State != ledger.Accepted; {
		if time.Now().After(end) {
			t.Fatal("no new connection")
		}
	}
}
