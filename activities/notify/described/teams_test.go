package described_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"vakhta/activities/notify"
	"vakhta/activities/notify/described"
	"vakhta/activities/notify/notifytest"
	"vakhta/internal/ledger"
)

// room is a channel of Slack or Mattermost.
const room = "C0123456789"

// shipped opens a description in deploy, pointed at url.
func shipped(name, origin string) func(*testing.T, string) notify.Channel {
	return func(t *testing.T, url string) notify.Channel {
		t.Helper()
		text, err := os.ReadFile("../../../deploy/providers/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		return newChannel(t, described.Config{File: write(t, strings.ReplaceAll(string(text), origin, url)), Secrets: map[string]string{"token": password}})
	}
}

var (
	slack      = shipped("slack", "https://slack.com")
	mattermost = shipped("mattermost", "https://mattermost.example")
)

func TestContractOfSlack(t *testing.T) {
	notifytest.Contract(t, notifytest.Subject{Open: slack, Notification: sms(), To: room, Secrets: []string{password}})
}

func TestContractOfMattermost(t *testing.T) {
	notifytest.Contract(t, notifytest.Subject{Open: mattermost, Notification: sms(), To: room, Secrets: []string{password}})
}

func TestTeamsAreToldAndRefusalsSorted(t *testing.T) {
	for _, c := range []struct {
		name   string
		open   func(*testing.T, string) notify.Channel
		status int
		body   string
		want   ledger.State
		class  ledger.Class
		id     string
	}{
		{"slack takes it", slack, 200, `{"ok":true,"channel":"C0123456789","ts":"1503435956.000247"}`, ledger.Accepted, "", "1503435956.000247"},
		{"slack: no channel", slack, 200, `{"ok":false,"error":"channel_not_found"}`, ledger.Refused, ledger.ClassDead, ""},
		{"slack: token", slack, 200, `{"ok":false,"error":"invalid_auth"}`, ledger.Refused, ledger.ClassConfig, ""},
		{"slack: too often", slack, 200, `{"ok":false,"error":"ratelimited"}`, ledger.Retry, ledger.ClassRetry, ""},
		{"slack: broken within", slack, 200, `{"ok":false,"error":"fatal_error"}`, ledger.Unknown, ledger.ClassAmbiguous, ""},
		{"slack: our text", slack, 200, `{"ok":false,"error":"msg_too_long"}`, ledger.Refused, ledger.ClassConfig, ""},
		{"mattermost takes it", mattermost, 201, `{"id":"w1i9c6o8fjgojnt7p3brfzoy8r","message":"x"}`, ledger.Accepted, "", "w1i9c6o8fjgojnt7p3brfzoy8r"},
		{"mattermost: token", mattermost, 401, `{"id":"api.context.session_expired.app_error","message":"Invalid or expired session","status_code":401}`, ledger.Refused, ledger.ClassConfig, ""},
		{"mattermost: not in the channel", mattermost, 403, `{"id":"api.context.permissions.app_error","message":"You do not have the appropriate permissions","status_code":403}`, ledger.Refused, ledger.ClassDead, ""},
		{"mattermost: a proxy", mattermost, 200, `<html>`, ledger.Unknown, ledger.ClassAmbiguous, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sent map[string]any
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer "+password {
					t.Error("no token")
				}
				if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
					t.Error(err)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer srv.Close()
			o := c.open(t, srv.URL).Send(t.Context(), sms(), room)
			if o.State != c.want || o.Class != c.class || o.ProviderID != c.id {
				t.Errorf("%+v, want %s %q %q", o, c.want, c.class, c.id)
			}
			text := sent["text"]
			if text == nil {
				text = sent["message"]
			}
			if text != sms().Body {
				t.Errorf("sent %v", sent)
			}
		})
	}
}
