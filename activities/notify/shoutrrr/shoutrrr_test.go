package shoutrrr_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vakhta/activities/notify"
	"vakhta/activities/notify/notifytest"
	"vakhta/activities/notify/shoutrrr"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

const token = "Aaa.bbb.ccc.ddd"

func update() ledger.Notification {
	return ledger.Notification{
		ID: "n-1", Event: "incident.update", Channel: inventory.Sink, Language: inventory.English,
		Title: "One is back", Body: "1 of your 3 servers is back.", AckCode: "4F7K2M",
	}
}

func open(t *testing.T, url string) notify.Channel {
	t.Helper()
	c, err := shoutrrr.New(map[string]string{"ops": url})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestServicesGetTheMessage(t *testing.T) {
	for service, url := range map[string]string{
		"ntfy": "ntfy://HOST/ops?scheme=http", "gotify": "gotify://HOST/" + token + "?disabletls=yes", "generic": "generic://HOST/hook?disabletls=yes&template=json",
	} {
		t.Run(service, func(t *testing.T) {
			var got, head string
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got, head = string(body), r.Method
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"id":1}`)
			}))
			defer srv.Close()
			o := open(t, strings.Replace(url, "HOST", strings.TrimPrefix(srv.URL, "http://"), 1)).Send(t.Context(), update(), "ops")
			if o.State != ledger.Accepted || head != http.MethodPost || !strings.Contains(got, update().Body) {
				t.Errorf("%+v; the service got %s %q", o, head, got)
			}
		})
	}
}

func TestNothingIsSentTwiceAndNothingToldOfTokens(t *testing.T) {
	hang := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.RawQuery, "hang") {
			<-hang
		}
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer srv.Close()
	defer close(hang)
	host := strings.TrimPrefix(srv.URL, "http://")
	for name, url := range map[string]string{
		"an error": "generic://" + host + "/" + token + "?disabletls=yes", "silence": "generic://" + host + "/" + token + "?disabletls=yes&hang=1",
		"nobody there": "generic://127.0.0.1:1/" + token + "?disabletls=yes",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		o := open(t, url).Send(ctx, update(), "ops")
		cancel()
		if o.State != ledger.Unknown || o.Class != ledger.ClassAmbiguous {
			t.Errorf("%s came to %+v, want unknown", name, o)
		}
		notifytest.Discreet(t, o, host, token)
	}
}

func TestASinkIsNamedAndCannotBeAsked(t *testing.T) {
	c := open(t, "generic://127.0.0.1:1/x?disabletls=yes")
	if o := c.Send(t.Context(), update(), "another"); o.State != ledger.Refused || o.Class != ledger.ClassConfig || o.Wrote {
		t.Errorf("an unknown sink came to %+v", o)
	}
	if !c.Capabilities().InformOnly {
		t.Error("a sink may carry what is critical")
	}
	if _, _, err := c.LookUp(t.Context(), update(), "ops"); !errors.Is(err, notify.ErrNoLookUp) {
		t.Errorf("%v, want ErrNoLookUp", err)
	}
	_, err := shoutrrr.New(map[string]string{"ops": "nonsense://" + token})
	if err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("%v, want an error without the URL", err)
	}
}

// What was given up must not hold a slot, and a goroutine, for ever.
func TestASinkThatHangsIsGivenUp(t *testing.T) {
	before := http.DefaultClient.Timeout
	t.Cleanup(func() { http.DefaultClient.Timeout = before })
	shoutrrr.Bound(200 * time.Millisecond)
	hang := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	defer close(hang)
	c := open(t, "generic://"+strings.TrimPrefix(srv.URL, "http://")+"/hook?disabletls=yes")
	for range 8 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if o := c.Send(ctx, update(), "ops"); o.State != ledger.Unknown {
			t.Errorf("%+v, want unknown", o)
		}
		cancel()
	}
	if o := c.Send(t.Context(), update(), "ops"); o.State != ledger.Retry {
		t.Fatalf("%+v while eight hang, want a retry", o)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		o := c.Send(ctx, update(), "ops")
		cancel()
		if o.State == ledger.Unknown {
			return // a slot is free again
		}
		if time.Now().After(end) {
			t.Fatal("the slots of what hangs are never free again")
		}
	}
}
