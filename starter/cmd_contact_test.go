package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/store"
)

// desk is a configuration and its store, migrated.
func desk(t *testing.T, more string) (config string, st *store.Store) {
	t.Helper()
	quietEnvironment(t)
	dir := t.TempDir()
	config = writeConfig(t, dir)
	if more != "" {
		text, err := os.ReadFile(config)
		must(t, err)
		write(t, config, string(text)+more)
	}
	st, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "vakhta.db"))
	must(t, err)
	t.Cleanup(func() { must(t, st.Close()) })
	must(t, st.Migrate(t.Context()))
	return config, st
}

func TestAnAddressIsBarredAndUsedAgainByHand(t *testing.T) {
	config, st := desk(t, "")
	at := func(args ...string) (int, string, string) {
		return vakhta(t, append([]string{"--config", config, "contact"}, args...)...)
	}
	if code, out, _ := at("barred"); code != exitOK || !strings.Contains(out, "no address is barred") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, _, errOut := at("bar", "acme-duty", "telegram"); code != exitOK {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	must(t, st.Bar(t.Context(), ledger.Barred{Contact: "acme-duty", Channel: inventory.Email, Bar: ledger.BarDead, Provider: "sendgrid", Code: "5.1.1", Since: time.Now(), Address: "old@acme.example"}))
	code, out, errOut := at("barred")
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	for _, want := range []string{"opted-out", "dead", "5.1.1", "no: over", "acme"} {
		if !strings.Contains(out, want) {
			t.Errorf("does not say %q:\n%s", want, out)
		}
	}
	_, asJSON, _ := at("barred", "--json")
	if strings.Contains(out+asJSON, "@") || strings.Contains(out+asJSON, "+7") {
		t.Errorf("an address is printed:\n%s%s", out, asJSON)
	}
	if code, _, errOut = at("unbar", "acme-duty", "telegram"); code != exitOK {
		t.Errorf("exit %d: %s", code, errOut)
	}
	for _, wrong := range []string{"unbar acme-duty telegram", "bar nobody sms", "bar acme-duty pigeon"} {
		if code, _, errOut = at(strings.Fields(wrong)...); code != exitNotFound {
			t.Errorf("%s: exit %d: %s", wrong, code, errOut)
		}
	}
}

func TestAnUnknownIsSettledByHand(t *testing.T) {
	config, st := desk(t, "")
	ctx := t.Context()
	ids, err := st.Enqueue(ctx, []ledger.Notification{{Subject: "incident/i-1", Event: "incident.update", Step: "update", Contact: "acme-duty", Channel: inventory.SMS, Body: "Сервер не отвечает"}}, time.Now())
	must(t, err)
	at := func(args ...string) (int, string, string) {
		return vakhta(t, append([]string{"--config", config, "notifications"}, args...)...)
	}
	if code, _, errOut := at("settle", ids[0], "--as", "found"); code != exitRefused || !strings.Contains(errOut, "queued") {
		t.Errorf("exit %d: %s", code, errOut)
	}
	claims, err := st.Claim(ctx, ids, time.Minute, time.Now())
	must(t, err)
	must(t, st.Settle(ctx, ids[0], claims.Claimed[0].LeaseToken, ledger.Outcome{State: ledger.Unknown, Class: ledger.ClassAmbiguous, Provider: "twilio", Message: "no answer"}, time.Now()))
	if code, out, errOut := at("show", ids[0]); code != exitOK || !strings.Contains(out, "Сервер не отвечает") || !strings.Contains(out, "no answer") {
		t.Errorf("exit %d: %s%s", code, out, errOut)
	}
	for args, want := range map[string]int{"--as lost": exitUsage, "--as resend": exitRefused, "--as give-up --provider-id x": exitUsage} {
		if code, _, errOut := at(append([]string{"settle", ids[0]}, strings.Fields(args)...)...); code != want {
			t.Errorf("%s: exit %d, want %d: %s", args, code, want, errOut)
		}
	}
	if code, out, errOut := at("settle", ids[0], "--as", "found", "--provider-id", "SM1"); code != exitOK || !strings.Contains(out, "accepted") {
		t.Errorf("exit %d: %s%s", code, out, errOut)
	}
	n, err := st.Notification(ctx, ids[0])
	must(t, err)
	if n.State != ledger.Accepted || n.ProviderID != "SM1" {
		t.Errorf("%+v", n)
	}
	if code, _, _ := at("show", "nowhere"); code != exitNotFound {
		t.Errorf("exit %d", code)
	}
}

func TestAMessageIsDrawnBeforeItIsSent(t *testing.T) {
	config, _ := desk(t, "")
	html := filepath.Join(t.TempDir(), "mail.html")
	for args, wants := range map[string][]string{
		"--event incident.update --channel sms --client acme":                  {"segments: 1", "of 70"},
		"--event incident.update --channel sms --language en":                  {"segments: 1", "GSM-7 (160"},
		"--event incident.update --channel email --client acme --html " + html: {"subject: ", "is in " + html},
		"--event page --channel call --language en":                            {"by call, in en"},
		"--event incident.update --channel sms --repeat":                       {"Повтор."},
	} {
		code, out, errOut := vakhta(t, append([]string{"--config", config, "message", "preview"}, strings.Fields(args)...)...)
		if code != exitOK {
			t.Errorf("%s: exit %d: %s", args, code, errOut)
		}
		for _, want := range wants {
			if !strings.Contains(strings.ReplaceAll(out, "(70 in", "of 70 in"), want) {
				t.Errorf("%s does not say %q:\n%s", args, want, out)
			}
		}
	}
	if page, err := os.ReadFile(html); err != nil || !strings.Contains(string(page), "<html") {
		t.Errorf("the mail: %v, %d bytes", err, len(page))
	}
	for args, want := range map[string]int{
		"--event nothing": exitUsage, "--event page --channel pigeon": exitUsage, "--event page --language fr": exitUsage,
		"--event page --client nobody": exitNotFound, "--event page --client acme --component nothing": exitNotFound, "--event page --channel sms --html x": exitUsage,
	} {
		if code, _, errOut := vakhta(t, append([]string{"--config", config, "message", "preview"}, strings.Fields(args)...)...); code != want {
			t.Errorf("%s: exit %d, want %d: %s", args, code, want, errOut)
		}
	}
	_, out, _ := vakhta(t, "message", "list", "--json")
	var events []string
	if err := json.Unmarshal([]byte(out), &events); err != nil || len(events) < 10 {
		t.Errorf("%v, %v", events, err)
	}
}

func TestTheStoredAddressesAreEncryptedByHand(t *testing.T) {
	config, st := desk(t, "dataKeys: [file:data.key]\n")
	write(t, filepath.Join(filepath.Dir(config), "data.key"), "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n")
	must(t, st.Bar(t.Context(), ledger.Barred{Contact: "acme-duty", Channel: inventory.Email, Bar: ledger.BarDead, Since: time.Now(), Address: "duty@acme.example"}))
	for _, want := range []string{"1 addresses", "0 addresses"} {
		if code, out, errOut := vakhta(t, "--config", config, "reseal"); code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exit %d, want %s: %s%s", code, want, out, errOut)
		}
	}
	if _, err := st.Barred(t.Context(), ""); err == nil {
		t.Error("read without the key")
	}
	keyless, _ := desk(t, "")
	if code, _, errOut := vakhta(t, "--config", keyless, "reseal"); code != exitUnavailable || !strings.Contains(errOut, "dataKeys") {
		t.Errorf("exit %d: %s", code, errOut)
	}
}
