// Package slack tells teams in Slack: it posts messages with buttons through
// the Web API, updates them once somebody has pressed one, and verifies and
// reads what Slack tells of a press. Slack has no receipts; it is asked for a
// message by its metadata, where the bot may read the channel.
package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
)

// Provider is the name of this provider in the ledger.
const Provider = "slack"

// Config is the bot.
type Config struct {
	URL       string            // origin of the API; empty: https://slack.com
	Token     string            // of the bot
	Transport http.RoundTripper // nil: http.DefaultTransport
}

// Channel posts messages. It is safe for concurrent use.
type Channel struct{ cfg Config }

var _ notify.Channel = (*Channel)(nil)

// New checks the bot's settings.
func New(cfg Config) (*Channel, error) {
	if strings.TrimSpace(cfg.Token) == "" {
		return nil, errors.New("slack: the bot token is empty; configure one")
	}
	if cfg.URL == "" {
		cfg.URL = "https://slack.com"
	}
	if u, err := url.Parse(cfg.URL); err != nil || u.Host == "" {
		return nil, fmt.Errorf("slack: API URL %q has no host; write https://…", cfg.URL)
	}
	cfg.URL = strings.TrimRight(cfg.URL, "/")
	return &Channel{cfg: cfg}, nil
}

// metadataType marks our messages, so that one can be found again.
const metadataType = "vakhta_notification"

type metadata struct {
	Type    string            `json:"event_type"`
	Payload map[string]string `json:"event_payload"`
}

// post is a message of chat.postMessage and chat.update.
type post struct {
	Channel     string    `json:"channel"`
	TS          string    `json:"ts,omitempty"`        // of the message that is updated
	ThreadTS    string    `json:"thread_ts,omitempty"` // of the message that opened the thread
	Text        string    `json:"text"`                // for notifications, and for readers that show no blocks
	Blocks      []any     `json:"blocks"`
	UnfurlLinks bool      `json:"unfurl_links"`
	UnfurlMedia bool      `json:"unfurl_media"`
	Metadata    *metadata `json:"metadata,omitempty"`
}

// answer is what the Web API says, nearly always with status 200.
type answer struct {
	OK       bool   `json:"ok"`
	Error    string `json:"error"`
	TS       string `json:"ts"`
	HasMore  bool   `json:"has_more"`
	Messages []struct {
		TS       string   `json:"ts"`
		Metadata metadata `json:"metadata"`
	} `json:"messages"`
}

// Send implements [notify.Channel].
func (c *Channel) Send(ctx context.Context, n ledger.Notification, to string) ledger.Outcome {
	x := notify.NewExchange(ctx, c.cfg.Transport, nil)
	body, err := x.JSON(http.MethodPost, c.cfg.URL+"/api/chat.postMessage", c.cfg.Token, post{
		Channel: to, ThreadTS: n.Thread.ID, Text: escape(n.Body), Blocks: blocks(n, "", notify.Buttons(n)),
		Metadata: &metadata{metadataType, map[string]string{"id": n.ID}},
	})
	return c.outcome(x, body, err, to)
}

// Capabilities implements [notify.Channel].
func (*Channel) Capabilities() notify.Capabilities {
	return notify.Capabilities{LookUp: true, Acknowledge: true}
}

// lookUpPage is how many of a channel's messages a look-up reads.
const lookUpPage = 200

// LookUp implements [notify.Channel]. A bot that may not read the channel can't be asked.
func (c *Channel) LookUp(ctx context.Context, n ledger.Notification, to string) (string, bool, error) {
	query := url.Values{
		"channel": {to}, "limit": {strconv.Itoa(lookUpPage)}, "include_all_metadata": {"true"},
		"oldest": {strconv.FormatInt(n.CreatedAt.Add(-2*time.Minute).Unix(), 10)}, // clocks differ
	}
	method := "conversations.history"
	if n.Thread.ID != "" { // which doesn't tell of replies
		method = "conversations.replies"
		query.Set("ts", n.Thread.ID)
	}
	x := notify.NewExchange(ctx, c.cfg.Transport, nil)
	body, err := x.JSON(http.MethodGet, c.cfg.URL+"/api/"+method+"?"+query.Encode(), c.cfg.Token, nil)
	var a answer
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	switch {
	case err != nil:
		return "", false, errors.New("look up at slack: " + notify.Scrub(err.Error(), c.cfg.Token, to))
	case a.Error == "missing_scope":
		return "", false, notify.ErrNoLookUp
	case !a.OK:
		return "", false, errors.New("look up at slack: " + notify.Scrub(a.Error, c.cfg.Token, to))
	}
	for _, m := range a.Messages {
		if m.Metadata.Type == metadataType && m.Metadata.Payload["id"] == n.ID {
			return m.TS, true, nil
		}
	}
	if a.HasMore {
		return "", false, fmt.Errorf("look up at slack: not among the latest %d messages of the channel, and there are more", lookUpPage)
	}
	return "", false, nil
}

// Update rewrites a message once somebody has pressed a button: line says who
// and what, and the buttons stay where they still mean something.
func (c *Channel) Update(ctx context.Context, n ledger.Notification, at Place, line string, buttons bool) error {
	var left []notify.Button
	if buttons {
		left = notify.Buttons(n)
	}
	x := notify.NewExchange(ctx, c.cfg.Transport, nil)
	body, err := x.JSON(http.MethodPost, c.cfg.URL+"/api/chat.update", c.cfg.Token, post{
		Channel: at.Channel, TS: at.TS, Text: escape(n.Body + "\n" + line), Blocks: blocks(n, line, left),
	})
	var a answer
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	if err == nil && !a.OK {
		err = errors.New(a.Error)
	}
	if err != nil {
		return errors.New("update a slack message: " + notify.Scrub(err.Error(), c.cfg.Token, at.Channel))
	}
	return nil
}

// What Slack's errors mean; what isn't listed is for an operator to look at.
var (
	deadChannel = []string{"channel_not_found", "is_archived", "not_in_channel", "user_disabled", "user_not_found", "cannot_dm_bot", "messages_tab_disabled"}
	badAccount  = []string{"not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "org_login_required", "missing_scope", "ekm_access_denied", "access_denied", "team_access_not_granted", "no_permission"}
	tooOften    = []string{"ratelimited", "rate_limited", "message_limit_exceeded"}
	itsFault    = []string{"internal_error", "fatal_error", "request_timeout", "service_unavailable"}
)

// limitPause is how long to wait where Slack says too often without saying for how long.
const limitPause = 30 * time.Second

func (c *Channel) outcome(x *notify.Exchange, body []byte, err error, to string) ledger.Outcome {
	if o, decided := x.Verdict(Provider, err, c.cfg.Token, to); decided {
		return o
	}
	o := ledger.Outcome{Provider: Provider, HTTPStatus: x.Status(), Wrote: x.Wrote()}
	var a answer
	if err != nil || json.Unmarshal(body, &a) != nil {
		o.State, o.Class, o.Message = ledger.Unknown, ledger.ClassAmbiguous, "the provider's answer could not be read"
		if o.HTTPStatus >= http.StatusMultipleChoices {
			o.State, o.Class, o.Message = ledger.Refused, ledger.ClassConfig, "the provider answered "+strconv.Itoa(o.HTTPStatus)
		}
		return o
	}
	if a.OK {
		o.State, o.ProviderID = ledger.Accepted, a.TS // the channel is the address, and not kept
		return o
	}
	o.State, o.Class, o.Code = ledger.Refused, ledger.ClassConfig, notify.Scrub(a.Error, c.cfg.Token, to)
	o.Message = "slack says " + o.Code
	switch {
	case slices.Contains(deadChannel, a.Error):
		o.Class = ledger.ClassDead
	case slices.Contains(badAccount, a.Error):
		o.Code = notify.AccountRefused
	case slices.Contains(tooOften, a.Error):
		o.State, o.Class, o.RetryAfter = ledger.Retry, ledger.ClassRetry, limitPause
	case slices.Contains(itsFault, a.Error):
		o.State, o.Class = ledger.Unknown, ledger.ClassAmbiguous
	}
	return o
}

// maxSection is what a block's text may hold, in characters, escaped.
const maxSection = 3000

// blocks are a message's parts: its text, what somebody did with it, its buttons.
func blocks(n ledger.Notification, line string, buttons []notify.Button) []any {
	out := []any{section(markup(n.Body, n.Event != message.RoomLine))}
	if line != "" {
		out = append(out, section(escape(line)))
	}
	if len(buttons) == 0 {
		return out
	}
	elements := make([]any, len(buttons))
	for i, b := range buttons {
		button := map[string]any{
			"type": "button", "action_id": "act" + strconv.Itoa(i), "value": b.Data,
			"text": map[string]any{"type": "plain_text", "text": b.Label, "emoji": false},
		}
		if i == 0 {
			button["style"] = "primary"
		}
		elements[i] = button
	}
	return append(out, map[string]any{"type": "actions", "elements": elements})
}

// section is a block of text. Verbatim: Slack makes links and names of nothing
// in it by itself.
func section(text string) any {
	return map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": text, "verbatim": true}}
}

// escape is for the three characters by which a text could become a link, a
// mention of everybody, or a broken one.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

var address = regexp.MustCompile(`https?://[^\s<>|]+[^\s<>|.,;:!?)]`)

// markup is a text with its web addresses as links and, where that is its
// headline, its first line in bold; it can mention nobody.
func markup(text string, headline bool) string {
	head, rest, _ := strings.Cut(text, "\n")
	first := linked(head)
	if headline && !strings.ContainsAny(head, "*`~_") && strings.TrimSpace(head) != "" && !address.MatchString(head) {
		first = "*" + strings.TrimSpace(escape(head)) + "*"
	}
	out := first
	for line := range strings.Lines(rest) {
		line = linked(strings.TrimRight(line, "\n"))
		if utf8.RuneCountInString(out)+utf8.RuneCountInString(line)+2 > maxSection {
			return out + "\n…"
		}
		out += "\n" + line
	}
	if utf8.RuneCountInString(out) > maxSection { // one line without an end
		return escape(string([]rune(head)[:maxSection/6])) + "…"
	}
	return out
}

func linked(line string) string {
	var b strings.Builder
	last := 0
	for _, at := range address.FindAllStringIndex(line, -1) {
		b.WriteString(escape(line[last:at[0]]) + "<" + escape(line[at[0]:at[1]]) + ">")
		last = at[1]
	}
	b.WriteString(escape(line[last:]))
	return b.String()
}
