package stand

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/sandbox"
)

// Accounts at the sandbox: made up, and worth nothing elsewhere.
const (
	sendgridKey    = "SG.lab.only"
	twilioSID      = "AC00000000000000000000000000000001"
	twilioToken    = "0123456789abcdef0123456789abcdef"
	telegramToken  = "1000000001:lab-only-telegram-token"
	telegramSecret = "lab-only-telegram-webhook"

	slackToken        = "lab-only-slack-token"
	slackSecret       = "lab-only-slack-signing"
	mattermostToken   = "lab-only-mattermost-token"
	mattermostAction  = "lab-only-mattermost-action"
	mattermostCommand = "lab-only-mattermost-command"
)

// configure writes the configuration that worker and gateway read, as an
// operator would: one file, the secrets beside it.
func (h *Stand) configure(context.Context) error {
	h.IntakeToken = random()
	h.dataKey = make([]byte, 32)
	_, _ = rand.Read(h.dataKey) // never fails
	files := map[string]string{
		"estate.yaml":          h.inventory(),
		"secret-link":          random(),
		"secret-data":          base64.StdEncoding.EncodeToString(h.dataKey),
		"secret-intake":        h.IntakeToken,
		"secret-sendgrid":      sendgridKey,
		"secret-twilio":        twilioToken,
		"secret-telegram":      telegramToken,
		"secret-telegram-hook": telegramSecret,
		"secret-store":         h.storeDSN(),
		"secret-slack":         slackToken,
		"secret-slack-hook":    slackSecret,
		"secret-mattermost":    mattermostToken,
		"secret-mm-action":     mattermostAction,
		"secret-mm-command":    mattermostCommand,
		"vakhta.yaml":          h.document(),
		"temporal-address.txt": h.Address + "\n",
		"provider-sandbox.txt": h.SandboxURL + "\n",
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(h.opts.Dir, name), []byte(files[name]), 0o600); err != nil {
			return fmt.Errorf("write the configuration of the stand: %w", err)
		}
	}
	h.Config = filepath.Join(h.opts.Dir, "vakhta.yaml")
	return nil
}

// inventory is what worker and gateway are told of the world.
func (h *Stand) inventory() string {
	if h.opts.Inventory != nil {
		return string(h.opts.Inventory.Data)
	}
	return string(h.Estate.Document().Data)
}

// rates are what the accounts allow, messages per second.
func (h *Stand) rates() string {
	var out []string
	for _, ch := range []inventory.Channel{inventory.Email, inventory.Telegram, inventory.SMS, inventory.Call} {
		perSecond := h.opts.Rates[ch]
		if perSecond == 0 {
			perSecond = 1000
		}
		out = append(out, fmt.Sprintf("%s: %g", ch, perSecond))
	}
	return "{" + strings.Join(out, ", ") + "}"
}

// timeouts are short, so that a death is soon over; a measurement wants an
// operator's defaults.
func (h *Stand) timeouts() string {
	if h.opts.Defaults {
		return ""
	}
	return "  sendTimeout: 3s\n  settleAfter: 2s\n  receiptsWithin: 10s\n  leaseSeconds: 5\n"
}

// hands asks people on site by messenger at once: nobody sleeps in the lab.
func (h *Stand) hands() string {
	if h.opts.Defaults {
		return ""
	}
	return "hands: {ladder: [{channel: email, wait: 1s}, {channel: telegram, wait: 30s}, {channel: call, wait: 1m}]}\n"
}

// rooms are the messengers of the teams' rooms.
func (h *Stand) rooms() string {
	if !h.opts.Rooms {
		return ""
	}
	return fmt.Sprintf(`  slack: {url: "%s", token: "file:secret-slack", signingSecret: "file:secret-slack-hook"}
  mattermost: {url: "%s", token: "file:secret-mattermost", actionSecret: "file:secret-mm-action", commandToken: "file:secret-mm-command"}
`, h.Sandbox.URL(sandbox.Slack), h.Sandbox.URL(sandbox.Mattermost))
}

func (h *Stand) document() string {
	var inputs strings.Builder
	for _, k := range slices.Sorted(maps.Keys(h.opts.Inputs)) {
		fmt.Fprintf(&inputs, "    %s: %s\n", k, h.opts.Inputs[k])
	}
	if inputs.Len() == 0 {
		inputs.WriteString("    {}\n")
	}
	return fmt.Sprintf(`# Written by the lab: a Vakhta on one machine, against the provider sandbox.
store: file:secret-store
inventory: [estate.yaml]
publicUrl: %[1]s
listen: %[2]s
statusPage: {name: "Lab Hosting"}
dataKeys: [file:secret-data]
linkSecret: file:secret-link
intakeToken: file:secret-intake
providers:
  sendgrid: {url: "%[3]s", key: "file:secret-sendgrid", from: "noc@vakhta.example", fromName: "Дежурная служба", webhookPublicKey: "%[4]s"}
  twilio: {url: "%[9]s", accountSid: %[5]s, authToken: "file:secret-twilio", from: "+15005550006"}
  telegram: {url: "%[10]s", token: "file:secret-telegram", webhookSecret: "file:secret-telegram-hook"}
%[14]snotify:
  rates: %[11]s
%[12]s%[13]srunbooks:
  inputs:
%[6]stemporal: {address: "%[7]s", namespace: "%[8]s"}
`, h.GatewayURL, strings.TrimPrefix(h.GatewayURL, "http://"), h.Sandbox.URL(sandbox.SendGrid), h.Sandbox.PublicKey(), twilioSID, inputs.String(), h.Address, h.Namespace,
		h.Sandbox.URL(sandbox.Twilio), h.Sandbox.URL(sandbox.Telegram), h.rates(), h.timeouts(), h.hands(), h.rooms())
}

func random() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
