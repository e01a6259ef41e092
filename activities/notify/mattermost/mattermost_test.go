package mattermost_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vakhta/activities/notify"
	"vakhta/activities/notify/mattermost"
	"vakhta/activities/notify/notifytest"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/couriertest"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
)

const (
	token  = "mattermost-bot-token-of-the-lab"
	secret = "action-secret-of-the-lab"
	room   = "4xp9fdt77pncbef59f4k1qe83o"
)

func page() ledger.Notification {
	return ledger.Notification{
		ID: "n-7", Event: "page", Contact: "ops-room", Channel: inventory.Mattermost, Language: inventory.English,
		AckCode: "4F7K2M", Body: "SEV2 · incident i-1\nThe PDU is off.", CreatedAt: time.Now(),
	}
}

func config(url string) mattermost.Config {
	return mattermost.Config{URL: url, Token: token, ActionSecret: secret, PublicURL: "https://vakhta.example"}
}

func open(t *testing.T, url string) notify.Channel {
	t.Helper()
	c, err := mattermost.New(config(url))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestContract(t *testing.T) {
	notifytest.Contract(t, notifytest.Subject{Open: open, Notification: page(), To: room, Secrets: []string{token, secret}})
}

func TestContractAtSandbox(t *testing.T) {
	couriertest.Contract(t, couriertest.Tenant{
		Provider: sandbox.Mattermost, Config: sandbox.Config{MattermostToken: token}, Notification: page(), To: room, Secrets: []string{token, secret},
		Open: func(t *testing.T, box *sandbox.Sandbox) notify.Channel { return open(t, box.URL(sandbox.Mattermost)) },
		Dead: &sandbox.Persona{Room: &sandbox.Room{Gone: true}},
	})
}

// server answers a post, and keeps it.
func server(t *testing.T, status int, body string) (*httptest.Server, *[]byte) {
	t.Helper()
	var sent []byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ = io.ReadAll(r.Body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return srv, &sent
}

func TestAnswersAreSorted(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		state  ledger.State
		class  ledger.Class
	}{
		{201, `{"id":"w1i9c6o8fjgojnt7p3brfzoy8r","message":"x"}`, ledger.Accepted, ""},
		{401, `{"message":"Invalid or expired session","status_code":401}`, ledger.Refused, ledger.ClassConfig},
		{403, `{"message":"You do not have the appropriate permissions","status_code":403}`, ledger.Refused, ledger.ClassDead},
		{400, `{"message":"Invalid or missing post"}`, ledger.Refused, ledger.ClassConfig},
		{200, `<html>`, ledger.Unknown, ledger.ClassAmbiguous},
	} {
		srv, _ := server(t, c.status, c.body)
		if o := open(t, srv.URL).Send(t.Context(), page(), room); o.State != c.state || o.Class != c.class {
			t.Errorf("%d %s came to %+v", c.status, c.body, o)
		}
	}
}

// TestAClientsWordsCallNobody: a report's text stands in a task, and must not
// wake a channel, pass for a link or be read as Markdown.
func TestAClientsWordsCallNobody(t *testing.T) {
	srv, sent := server(t, 201, `{"id":"x"}`)
	n := page()
	n.Body = "Task\n@channel @all see [our site](http://evil.example) srv_db_1 *now*, https://noc.example/i_1."
	open(t, srv.URL).Send(t.Context(), n, room)
	var p struct{ Message string }
	if err := json.Unmarshal(*sent, &p); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"@channel", "@all", "[our site](", "srv_db", " *now*"} {
		if strings.Contains(p.Message, bad) {
			t.Errorf("%q goes out in %s", bad, p.Message)
		}
	}
	for _, good := range []string{"**Task**", `srv\_db\_1`, "https://noc.example/i_1."} {
		if !strings.Contains(p.Message, good) {
			t.Errorf("%q is missing in %s", good, p.Message)
		}
	}
}

func TestALookUpFindsWhatWasPostedAndNothingElse(t *testing.T) {
	box, err := sandbox.New(sandbox.Config{MattermostToken: token})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	srv := httptest.NewServer(box.Handler())
	defer srv.Close()
	c := open(t, srv.URL)
	o := c.Send(t.Context(), page(), room)
	if id, found, err := c.LookUp(t.Context(), page(), room); err != nil || !found || id != o.ProviderID {
		t.Errorf("found %v as %q, %v; want %q", found, id, err, o.ProviderID)
	}
	other := page()
	other.ID = "n-8"
	if _, found, err := c.LookUp(t.Context(), other, room); found || err != nil {
		t.Errorf("found what was never posted: %v, %v", found, err)
	}
}

// TestOnlyOurButtonsArePressed takes the button out of the post, as the server
// keeps it, and gives it back.
func TestOnlyOurButtonsArePressed(t *testing.T) {
	srv, sent := server(t, 201, `{"id":"x"}`)
	open(t, srv.URL).Send(t.Context(), page(), room)
	var p struct {
		Props struct {
			Attachments []struct {
				Actions []struct {
					Name        string
					Integration struct {
						URL     string
						Context map[string]string
					}
				}
			}
		}
	}
	if err := json.Unmarshal(*sent, &p); err != nil {
		t.Fatal(err)
	}
	actions := p.Props.Attachments[0].Actions
	if len(actions) != 2 || actions[0].Integration.URL != "https://vakhta.example"+mattermost.ActionPath {
		t.Fatalf("buttons %+v", actions)
	}
	hook, err := mattermost.NewWebhook(config(srv.URL), nil)
	if err != nil {
		t.Fatal(err)
	}
	take, cant := actions[0].Integration.Context, actions[1].Integration.Context
	for name, c := range map[string]struct {
		context      map[string]string
		want         error
		acknowledged bool
	}{
		"take it":         {take, nil, true},
		"can't":           {cant, nil, false},
		"no token":        {map[string]string{"data": take["data"]}, notify.ErrSignature, false},
		"another's token": {map[string]string{"data": take["data"], "token": cant["token"]}, notify.ErrSignature, false},
		"another code":    {map[string]string{"data": "ack:222222", "token": take["token"]}, notify.ErrSignature, false},
		"nothing in it":   {nil, notify.ErrSignature, false},
	} {
		body, _ := json.Marshal(map[string]any{"user_id": "u1", "user_name": "anna", "post_id": "x", "context": c.context})
		press, err := hook.Press(nil, body)
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
			continue
		}
		if c.want == nil && (len(press.Events) != 1 || press.Events[0].Acknowledged != c.acknowledged || press.Events[0].Declined == c.acknowledged || press.Name != "anna") {
			t.Errorf("%s: %+v", name, press)
		}
	}
	if _, err := hook.Press(nil, []byte("payload=x")); !errors.Is(err, notify.ErrMalformed) {
		t.Errorf("a form: %v", err)
	}
}
