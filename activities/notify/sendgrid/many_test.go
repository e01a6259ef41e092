package sendgrid_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vakhta/activities/notify"
	"vakhta/activities/notify/notifytest"
	"vakhta/activities/notify/sendgrid"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
)

// together sends each message along with another one.
type together struct{ notify.Batcher }

func (b together) Send(ctx context.Context, n ledger.Notification, to string) ledger.Outcome {
	other := n
	other.ID, other.Body = "n-43", n.Body+" И Вам."
	return b.SendMany(ctx, []notify.Addressed{{Notification: other, To: "oleg@acme.example"}, {Notification: n, To: to}})[1]
}

func TestTheContractHoldsForMailsInOneRequest(t *testing.T) {
	notifytest.Contract(t, notifytest.Subject{
		Open:         func(t *testing.T, url string) notify.Channel { return together{open(t, url).(notify.Batcher)} },
		Notification: notification(), To: to, Secrets: []string{key},
	})
}

func TestMailsInOneRequestArriveAsIfEachWentAlone(t *testing.T) {
	box, err := sandbox.New(sandbox.Config{SendGridKey: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	srv := httptest.NewServer(box.Handler())
	t.Cleanup(srv.Close)
	c := open(t, srv.URL).(notify.Batcher)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		text := func(least int) *rapid.Generator[string] {
			return rapid.StringOfN(rapid.SampledFrom([]rune("аб ёa<&>%\n%vakhta-text%")), least, 30, -1)
		}
		letters, own := text(0), text(1) // SendGrid takes no mail without a character
		head, tail := letters.Draw(t, "head"), letters.Draw(t, "tail")
		want := map[string]ledger.Notification{}
		var messages []notify.Addressed
		for range rapid.IntRange(1, 6).Draw(t, "mails") {
			n++
			m := notification()
			m.ID, m.Title = fmt.Sprint("n-", n), letters.Draw(t, "title")+"."
			m.Body, m.HTML = head+own.Draw(t, "own")+tail, head+own.Draw(t, "own")+tail
			m.Language = rapid.SampledFrom([]inventory.Language{inventory.Russian, inventory.English}).Draw(t, "language")
			if rapid.Bool().Draw(t, "large") {
				m.Body += strings.Repeat(m.ID, 2000)
			}
			to := fmt.Sprintf("c%d@acme.example", n)
			want[to] = m
			messages = append(messages, notify.Addressed{Notification: m, To: to})
		}
		sent := 0
		for _, bundle := range c.Bundle(messages) {
			sent += len(bundle)
			if len(bundle) == 1 {
				if o := c.Send(t.Context(), bundle[0].Notification, bundle[0].To); o.State != ledger.Accepted {
					t.Fatalf("%+v", o)
				}
				continue
			}
			for _, o := range c.SendMany(t.Context(), bundle) {
				if o.State != ledger.Accepted || o.ProviderID == "" {
					t.Fatalf("%+v", o)
				}
			}
		}
		if sent != len(messages) {
			t.Fatalf("%d of %d are in a bundle", sent, len(messages))
		}
		for to, m := range want {
			got := box.Inbox(sandbox.Query{To: to})
			if len(got) != 1 || got[0].Subject != m.Title || got[0].Text != m.Body || got[0].HTML != m.HTML || got[0].Args["vakhta_notification"] != m.ID {
				t.Fatalf("%s got %+v, want %+v", to, got, m)
			}
			if got[0].Headers["Message-ID"] == "" || got[0].Headers["References"] == "" {
				t.Fatalf("headers %v", got[0].Headers)
			}
		}
	})
}

func TestOneAddressThatIsNoneCostsTheOthersOneMoreRequest(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"errors":[{"message":"Does not contain a valid address: oleg@","field":"personalizations.1.to.0.email"}]}`)
	}))
	defer srv.Close()
	var bundle []notify.Addressed
	for i, to := range []string{"anna@acme.example", "oleg@", "irina@acme.example"} {
		m := notification()
		m.ID = fmt.Sprint("n-", i)
		bundle = append(bundle, notify.Addressed{Notification: m, To: to})
	}
	got := open(t, srv.URL).(notify.Batcher).SendMany(t.Context(), bundle)
	if got[1].State != ledger.Refused || got[1].Class != ledger.ClassDead || strings.Contains(got[1].Message, "oleg") {
		t.Errorf("the bad address: %+v", got[1])
	}
	for _, i := range []int{0, 2} {
		if got[i].State != ledger.Retry || got[i].RetryAfter <= 0 {
			t.Errorf("a good address beside it: %+v", got[i])
		}
	}
}

var _ notify.Batcher = (*sendgrid.Channel)(nil)

func TestEachMailOfARequestNamesItsOwnOptOut(t *testing.T) {
	box, err := sandbox.New(sandbox.Config{SendGridKey: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	srv := httptest.NewServer(box.Handler())
	t.Cleanup(srv.Close)
	c := open(t, srv.URL).(notify.Batcher)
	var messages []notify.Addressed
	for i := range 3 {
		m := notification()
		m.ID, m.OptOutURL = fmt.Sprint("n-", i), fmt.Sprintf("https://vakhta.example/u/token.n-%d", i)
		messages = append(messages, notify.Addressed{Notification: m, To: fmt.Sprintf("c%d@acme.example", i)})
	}
	messages[2].OptOutURL = ""
	c.SendMany(t.Context(), messages[:2])
	c.Send(t.Context(), messages[2].Notification, messages[2].To)
	for i, want := range []string{"<https://vakhta.example/u/token.n-0>", "<https://vakhta.example/u/token.n-1>", ""} {
		got := box.Inbox(sandbox.Query{To: messages[i].To})
		if len(got) != 1 || got[0].Headers["List-Unsubscribe"] != want || (got[0].Headers["List-Unsubscribe-Post"] != "") != (want != "") {
			t.Errorf("mail %d: %+v", i, got)
		}
	}
}
