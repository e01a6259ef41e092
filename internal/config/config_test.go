package config

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"vakhta/internal/inventory"
)

const whole = `
store: sqlite:data/vakhta.db
inventory: [estate.yaml, /etc/vakhta/teams.yaml]
publicUrl: https://vakhta.example.net/
listen: 127.0.0.1:9090
dataKeys: [file:data.key]
linkSecret: file:link.key
intakeToken: env:VAKHTA_TEST_TOKEN
providers:
  sendgrid: {key: env:VAKHTA_TEST_TOKEN, from: noreply@example.net, webhookPublicKey: abc}
  twilio: {url: http://127.0.0.1:9999, accountSid: AC1, authToken: env:VAKHTA_TEST_TOKEN, from: "+100", rates: {call: 3}}
  telegram: {token: env:VAKHTA_TEST_TOKEN, webhookSecret: env:VAKHTA_TEST_TOKEN}
probe: {timeout: 250ms, attempts: 2}
notify:
  rates: {sms: 100, email: 0.5}
  order: {sms: [twilio]}
  breaker: {pause: 2m}
  ladders:
    - events: [maintenance.*]
      rungs: [{channel: email}, {channel: telegram, after: 10m}, {channel: sms, after: 2h}, {channel: call, before: 24h}]
  settleAfter: 2s
runbooks: {dir: books, inputs: {updateEvery: 10s}}
temporal: {address: 127.0.0.1:7233, namespace: vakhta}
`

// load writes a configuration and loads it.
func load(t *testing.T, text string) (Config, string, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "vakhta.yaml")
	for name, content := range map[string]string{"vakhta.yaml": text, "link.key": "0123456789abcdef\n", "empty.key": "\n", "data.key": base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)) + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(path)
	return c, dir, err
}

func TestWholeConfiguration(t *testing.T) {
	t.Setenv("VAKHTA_TEST_TOKEN", "s3cret-value")
	c, dir, err := load(t, whole)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		what      string
		got, want any
	}{
		{"store", c.StoreDSN(), "sqlite:" + filepath.Join(dir, "data/vakhta.db")},
		{"relative inventory", c.Inventory[0], filepath.Join(dir, "estate.yaml")},
		{"absolute inventory", c.Inventory[1], "/etc/vakhta/teams.yaml"},
		{"publicUrl without its slash", c.PublicURL, "https://vakhta.example.net"},
		{"secret of a file, without its newline", c.LinkSecret.Reveal(), "0123456789abcdef"},
		{"data keys", c.Ring().First() != "", true},
		{"secret of the environment", c.IntakeToken.Reveal(), "s3cret-value"},
		{"default URL", c.Providers.SendGrid.URL, "https://api.sendgrid.com"},
		{"given URL", c.Providers.Twilio.URL, "http://127.0.0.1:9999"},
		{"callFrom falls back", c.Providers.Twilio.CallFrom, "+100"},
		{"timeout", c.Probe.Timeout, 250 * time.Millisecond},
		{"default rate", c.Notify.Rates[inventory.Telegram], 30.0},
		{"given rate", c.Notify.Rates[inventory.Email], 0.5},
		{"rate of an account", c.Providers.Twilio.Rates[inventory.Call], 3.0},
		{"providers of a channel", strings.Join(c.ProvidersOf(inventory.SMS), ","), "twilio"},
		{"providers without an order", strings.Join(c.ProvidersOf(inventory.Email), ","), "sendgrid"},
		{"when the last rung opens", c.Notify.Ladders[0].Rungs[3].Before, 24 * time.Hour},
		{"longest pause", c.Notify.Breaker.MaxPause, 2 * time.Minute},
		{"lease", c.Notify.Lease(), time.Minute},
		{"relative runbooks", c.Runbooks.Dir, filepath.Join(dir, "books")},
		{"runbook input", c.Runbooks.Inputs["updateEvery"], "10s"},
		{"namespace", c.Temporal.Namespace, "vakhta"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %v, want %v", tt.what, tt.got, tt.want)
		}
	}
}

func TestLeastConfigurationHasDefaults(t *testing.T) {
	c, _, err := load(t, "store: 'sqlite::memory:'\ninventory: [estate.yaml]\n")
	if err != nil {
		t.Fatal(err)
	}
	if c.StoreDSN() != "sqlite::memory:" || c.PublicURL != "http://127.0.0.1:8080" || c.Providers.Twilio != nil || c.Probe.Attempts != 3 {
		t.Errorf("defaults %+v", c)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	const least = "store: sqlite:v.db\ninventory: [e.yaml]\n"
	t.Setenv("VAKHTA_TEST_TOKEN", "")
	tests := []struct{ name, text, says string }{
		{"unknown key", least + "stoer: x\n", "vakhta.yaml:3:1"},
		{"unknown key inside", least + "probe:\n  timeuot: 1s\n", "vakhta.yaml:4:3"},
		{"wrong type", least + "probe: {attempts: many}\n", "vakhta.yaml:3:"},
		{"not YAML", least + "probe: [", "vakhta.yaml:3:"},
		{"empty file", "", "store: missing"},
		{"no inventory", "store: sqlite:v.db\n", "inventory: missing"},
		{"unknown store", "store: mysql://x\ninventory: [e.yaml]\n", "sqlite:PATH"},
		{"password in the store", "store: postgres://u:hunter2@h/d\ninventory: [e.yaml]\n", "store: holds a literal password"},
		{"literal secret", least + "intakeToken: hunter2\n", "intakeToken: holds a literal value; write env:NAME or file:PATH"},
		{"ladder for nothing", least + "notify: {ladders: [{rungs: [{channel: sms}]}]}\n", "notify.ladders[0].events: empty"},
		{"ladder of nothing", least + "notify: {ladders: [{events: [x]}]}\n", "notify.ladders[0].rungs: empty"},
		{"ladder with a bad pattern", least + "notify: {ladders: [{events: [\"[\"], rungs: [{channel: sms}]}]}\n", "notify.ladders[0].events[0]: not a pattern"},
		{"ladder with an unknown channel", least + "notify: {ladders: [{events: [x], rungs: [{channel: pigeon}]}]}\n", "notify.ladders[0].rungs[0].channel: no such channel"},
		{"ladder with a channel twice", least + "notify: {ladders: [{events: [x], rungs: [{channel: sms}, {channel: sms}]}]}\n", "notify.ladders[0].rungs[1].channel: sms is listed twice"},
		{"ladder out of order", least + "notify: {ladders: [{events: [x], rungs: [{channel: sms, after: 2h}, {channel: email, after: 1h}]}]}\n", "notify.ladders[0].rungs[1].after: opens before"},
		{"rung timed twice", least + "notify: {ladders: [{events: [x], rungs: [{channel: sms, after: 2h, before: 1h}]}]}\n", "notify.ladders[0].rungs[0]: has both"},
		{"literal data key", least + "dataKeys: [hunter2]\n", "dataKeys[0]: holds a literal value"},
		{"data key that is none", least + "dataKeys: [file:link.key]\n", "dataKeys[0]: not the base64 of 32 bytes"},
		{"data key that is missing", least + "dataKeys: [file:nowhere.key]\n", "dataKeys[0]: "},
		{"literal secret with a colon", least + "intakeToken: hunter2:x\n", "intakeToken: holds a literal value"},
		{"empty reference", least + "intakeToken: 'env:'\n", "intakeToken: env: names nothing"},
		{"unset variable", least + "intakeToken: env:VAKHTA_TEST_TOKEN\n", "VAKHTA_TEST_TOKEN is not set"},
		{"missing file", least + "linkSecret: file:nope.key\n", "linkSecret: "},
		{"empty secret file", least + "linkSecret: file:empty.key\n", "is empty"},
		{"provider without a key", least + "providers: {sendgrid: {from: a@b.c}}\n", "providers.sendgrid.key: missing"},
		{"provider without a sender", least + "providers: {twilio: {accountSid: A, authToken: env:X}}\n", "providers.twilio.from: missing"},
		{"bad provider URL", least + "providers: {telegram: {url: 'ftp://x', token: env:X, webhookSecret: env:X}}\n", "providers.telegram.url"},
		{"publicUrl with a query", least + "publicUrl: https://x/?a=1\n", "publicUrl: must not"},
		{"listen without a port", least + "listen: localhost\n", "listen: "},
		{"unknown channel", least + "notify: {rates: {fax: 1}}\n", "notify.rates.fax"},
		{"rate of nothing", least + "notify: {rates: {sms: 0}}\n", "notify.rates.sms"},
		{"order of nobody", least + "notify: {order: {sms: [smsc]}}\n", "notify.order.sms[0]: smsc is not configured for this channel; there are: none"},
		{"order of no channel", least + "notify: {order: {fax: [x]}}\n", "notify.order.fax: no such channel"},
		{"WhatsApp without a sender", least + "providers: {twilio: {accountSid: A, authToken: env:X, from: '+1', whatsapp: {}}}\n", "providers.twilio.whatsapp.from: missing"},
		{"WhatsApp without a template", least + "providers: {twilio: {accountSid: A, authToken: env:X, from: '+1', whatsapp: {from: '+1'}}}\n", "providers.twilio.whatsapp.templates.en.tell: missing"},
		{"WhatsApp's template that is none", least + "providers: {twilio: {accountSid: A, authToken: env:X, from: '+1', whatsapp: {from: '+1', templates: {en: {tell: hello}}}}}\n", "providers.twilio.whatsapp.templates.en.tell: not the SID"},
		{"rate of another channel", least + "providers: {twilio: {accountSid: A, authToken: env:X, from: '+1', rates: {email: 3}}}\n", "providers.twilio.rates.email: "},
		{"negative rate", least + "providers: {sendgrid: {key: env:X, from: a@b.c, rate: -1}}\n", "providers.sendgrid.rate: must be"},
		{"gateway without a name", least + "providers: {http: [{channel: sms, template: x.yaml}]}\n", "providers.http[0].name: missing"},
		{"gateway with another's name", least + "providers: {http: [{name: twilio, channel: sms, template: x.yaml}]}\n", "providers.http[0].name: twilio is taken"},
		{"gateway to nowhere", least + "providers: {http: [{name: smsc, channel: fax, template: x.yaml}]}\n", "providers.http.smsc.channel: missing or no channel"},
		{"gateway without a file", least + "providers: {http: [{name: smsc, channel: sms}]}\n", "providers.http.smsc.template: missing"},
		{"gateway's literal secret", least + "providers: {http: [{name: smsc, channel: sms, template: x.yaml, secrets: {password: hunter2}}]}\n", "providers.http.smsc.secrets.password: holds a literal value"},
		{"gateway's unset secret", least + "providers: {http: [{name: smsc, channel: sms, template: x.yaml, secrets: {password: env:VAKHTA_TEST_TOKEN}}]}\n", "providers.http.smsc.secrets.password: environment variable VAKHTA_TEST_TOKEN is not set"},
		{"account without a name", least + "providers: {accounts: [{sendgrid: {key: env:X, from: a@b.c}}]}\n", "providers.accounts[0].name: missing"},
		{"account with the first one's name", least + "providers: {accounts: [{name: sendgrid, sendgrid: {key: env:X, from: a@b.c}}]}\n", "providers.accounts[0].name: sendgrid is taken"},
		{"account with a gateway's name", least + "providers: {http: [{name: x, channel: sms, template: x.yaml}], accounts: [{name: x, smtp: {address: 'm:1', from: a@b.c}}]}\n", "providers.accounts[0].name: x is taken"},
		{"account of nothing", least + "providers: {accounts: [{name: two}]}\n", "providers.accounts.two: holds not exactly one"},
		{"account of two", least + "providers: {accounts: [{name: two, sendgrid: {key: env:X, from: a@b.c}, smtp: {address: 'm:1', from: a@b.c}}]}\n", "providers.accounts.two: holds not exactly one"},
		{"account without a key", least + "providers: {accounts: [{name: two, sendgrid: {from: a@b.c}}]}\n", "providers.accounts.two.sendgrid.key: missing"},
		{"account's literal secret", least + "providers: {accounts: [{name: two, twilio: {accountSid: A, authToken: hunter2, from: '+1'}}]}\n", "providers.accounts.two.twilio.authToken: holds a literal value"},
		{"Slack without a token", least + "providers: {slack: {signingSecret: env:X}}\n", "providers.slack.token: missing"},
		{"Slack without its secret", least + "providers: {slack: {token: env:X}}\n", "providers.slack.signingSecret: missing"},
		{"Slack's literal secret", least + "providers: {slack: {token: hunter2, signingSecret: env:X}}\n", "providers.slack.token: holds a literal value"},
		{"Slack's negative rate", least + "providers: {slack: {token: env:X, signingSecret: env:X, rate: -1}}\n", "providers.slack.rate: must be"},
		{"Slack's bad URL", least + "providers: {slack: {url: 'ftp://x', token: env:X, signingSecret: env:X}}\n", "providers.slack.url: "},
		{"Mattermost without a server", least + "providers: {mattermost: {token: env:X, actionSecret: env:X}}\n", "providers.mattermost.url: missing"},
		{"Mattermost's bad URL", least + "providers: {mattermost: {url: 'ftp://x', token: env:X, actionSecret: env:X}}\n", "providers.mattermost.url: "},
		{"Mattermost without a token", least + "providers: {mattermost: {url: 'https://chat.example', actionSecret: env:X}}\n", "providers.mattermost.token: missing"},
		{"Mattermost without its secret", least + "providers: {mattermost: {url: 'https://chat.example', token: env:X}}\n", "providers.mattermost.actionSecret: missing"},
		{"Mattermost's literal secret", least + "providers: {mattermost: {url: 'https://chat.example', token: env:X, actionSecret: hunter2}}\n", "providers.mattermost.actionSecret: holds a literal value"},
		{"Mattermost's literal command token", least + "providers: {mattermost: {url: 'https://chat.example', token: env:X, actionSecret: env:X, commandToken: hunter2}}\n", "providers.mattermost.commandToken: holds a literal value"},
		{"Mattermost's negative rate", least + "providers: {mattermost: {url: 'https://chat.example', token: env:X, actionSecret: env:X, rate: -1}}\n", "providers.mattermost.rate: must be"},
		{"relay without a port", least + "providers: {smtp: {address: mail.example.net, from: a@b.c}}\n", "providers.smtp.address: missing or not host:port"},
		{"relay in the clear", least + "providers: {smtp: {address: 'mail.example.net:25', security: none, from: a@b.c}}\n", "providers.smtp.security: none would"},
		{"relay without a password", least + "providers: {smtp: {address: 'mail.example.net:587', user: u, from: a@b.c}}\n", "providers.smtp.user: user and password go together"},
		{"literal relay password", least + "providers: {smtp: {address: 'm.example.net:587', user: u, password: hunter2, from: a@b.c}}\n", "providers.smtp.password: holds a literal value"},
		{"pause without end", least + "notify: {breaker: {pause: 1h, maxPause: 1m}}\n", "notify.breaker.maxPause"},
		{"question by no channel", least + "hands: {ladder: [{channel: fax, wait: 1m}]}\n", "hands.ladder[0].channel: no such channel"},
		{"question without a wait", least + "hands: {ladder: [{channel: sms}]}\n", "hands.ladder[0].wait: 0s is out of range"},
		{"question without end", least + "hands: {deadline: 1000h}\n", "hands.deadline"},
		{"absurd timeout", least + "probe: {timeout: 1h}\n", "probe.timeout: 1h0m0s is out of range"},
		{"two ways to Temporal", least + "temporal: {address: x, profile: y}\n", "temporal: address and profile"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := load(t, tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("error %v does not say %q", err, tt.says)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats the secret: %v", err)
			}
		})
	}
}

func TestCommandLineNeedsNoSecrets(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "vakhta.yaml")
	text := "store: env:VAKHTA_TEST_DSN\ninventory: [e.yaml]\nintakeToken: env:VAKHTA_TEST_NOT_SET\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VAKHTA_TEST_DSN", "postgres://u:p@h/d")
	c, err := LoadWithoutSecrets(path)
	if err != nil || c.StoreDSN() != "postgres://u:p@h/d" || c.IntakeToken.Reveal() != "" {
		t.Errorf("loaded %q, %v", c.StoreDSN(), err)
	}
	if _, err := Load(path); err == nil {
		t.Error("a process that serves was started without its token")
	}
}

func TestSecretsShowNothing(t *testing.T) {
	s := NewSecret("hunter2")
	holder := struct {
		Token Secret
		Inner *Secret
	}{s, &s}
	asJSON, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	logger := zerolog.New(&log)
	logger.Info().Interface("holder", holder).Stringer("token", s).Any("any", s).Msg("")
	for _, text := range []string{
		string(asJSON), log.String(), s.String(), fmt.Sprint(holder), fmt.Sprintf("%v %+v %#v %s %q", holder, holder, holder, s, s),
		fmt.Sprintf("%v %+v", s, &s),
	} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("a secret shows itself: %s", text)
		}
	}
	if !strings.Contains(string(asJSON), "[secret]") {
		t.Errorf("JSON %s does not say that there is a secret", asJSON)
	}
	if s.Reveal() != "hunter2" {
		t.Error("Reveal does not reveal")
	}
}

func TestFurtherAccountsStandBehindTheFirstOneWithBudgetsOfTheirOwn(t *testing.T) {
	t.Setenv("VAKHTA_TEST_TOKEN", "x")
	c, _, err := load(t, `store: sqlite:v.db
inventory: [e.yaml]
providers:
  sendgrid: {key: env:VAKHTA_TEST_TOKEN, from: a@example.net, rate: 50}
  smtp: {address: "mail.example.net:587", from: a@example.net, rate: 5}
  twilio: {accountSid: A, authToken: env:VAKHTA_TEST_TOKEN, from: "+1", rates: {sms: 10}}
  accounts:
    - {name: sendgrid-eu, sendgrid: {url: "https://api.eu.sendgrid.com", key: env:VAKHTA_TEST_TOKEN, from: a@example.net, rate: 20}}
    - {name: twilio-ru, twilio: {accountSid: B, authToken: env:VAKHTA_TEST_TOKEN, from: "+2", rates: {sms: 3}}}
notify: {order: {sms: [twilio-ru, twilio]}}
`)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.ProvidersOf(inventory.Email); !slices.Equal(got, []string{"sendgrid", "smtp", "sendgrid-eu"}) {
		t.Errorf("mail leaves by %v", got)
	}
	if got := c.ProvidersOf(inventory.SMS); !slices.Equal(got, []string{"twilio-ru", "twilio"}) {
		t.Errorf("SMS leave by %v", got)
	}
	if c.Pace(inventory.Email) != 50 || c.Pace(inventory.SMS) != 3 {
		t.Errorf("mail at %g/s, SMS at %g/s", c.Pace(inventory.Email), c.Pace(inventory.SMS))
	}
	names := map[string]string{}
	for name, p := range c.Providers.Twilios() {
		names[name] = p.AuthToken.Reveal() + p.CallFrom
	}
	if names["twilio"] != "x+1" || names["twilio-ru"] != "x+2" || len(names) != 2 {
		t.Errorf("accounts at Twilio: %v", names)
	}
	c.Notify.Order = map[inventory.Channel][]string{inventory.Email: {"smtp"}}
	if c.Pace(inventory.Email) != 5 {
		t.Errorf("a relay's own rate is not its pace: %g/s", c.Pace(inventory.Email))
	}
}
