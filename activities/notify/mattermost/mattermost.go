// Package mattermost tells teams in Mattermost: it posts messages with buttons
// as a bot, and verifies, reads and answers what the server tells of a press.
// Mattermost has no receipts; it is asked for a message by its properties.
package mattermost

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
)

// Provider is the name of this provider in the ledger.
const Provider = "mattermost"

// Config is the bot's account on a server.
type Config struct {
	URL          string // of the server
	Token        string // of the bot
	ActionSecret string // by which a button proves that we made it
	PublicURL    string // how the server reaches the gateway
	Transport    http.RoundTripper
}

// Channel posts messages. It is safe for concurrent use.
type Channel struct{ cfg Config }

var _ notify.Channel = (*Channel)(nil)

// New checks the settings.
func New(cfg Config) (*Channel, error) {
	switch u, err := url.Parse(cfg.URL); {
	case err != nil || u.Host == "":
		return nil, fmt.Errorf("mattermost: server URL %q has no host; write https://…", cfg.URL)
	case strings.TrimSpace(cfg.Token) == "":
		return nil, errors.New("mattermost: the bot token is empty; configure one")
	case cfg.ActionSecret == "":
		return nil, errors.New("mattermost: the secret of the buttons is empty; configure one")
	}
	cfg.URL = strings.TrimRight(cfg.URL, "/")
	cfg.PublicURL = strings.TrimRight(cfg.PublicURL, "/")
	return &Channel{cfg: cfg}, nil
}

// notificationProp names our id in a post's properties.
const notificationProp = "vakhta_notification"

// post is what is sent, and the part of a post that is read.
type post struct {
	ID        string         `json:"id,omitempty"`
	ChannelID string         `json:"channel_id,omitempty"`
	RootID    string         `json:"root_id,omitempty"` // of the post that opened the thread
	Message   string         `json:"message"`
	Props     map[string]any `json:"props"`
}

// Send implements [notify.Channel].
func (c *Channel) Send(ctx context.Context, n ledger.Notification, to string) ledger.Outcome {
	x := notify.NewExchange(ctx, c.cfg.Transport, nil)
	p := c.cfg.post(n, "", notify.Buttons(n))
	p.ChannelID, p.RootID = to, n.Thread.ID
	body, err := x.JSON(http.MethodPost, c.cfg.URL+"/api/v4/posts", c.cfg.Token, p)
	return c.outcome(x, body, err, to)
}

// Capabilities implements [notify.Channel].
func (*Channel) Capabilities() notify.Capabilities {
	return notify.Capabilities{LookUp: true, Acknowledge: true}
}

// LookUp implements [notify.Channel]: it reads the channel since the message was written.
func (c *Channel) LookUp(ctx context.Context, n ledger.Notification, to string) (string, bool, error) {
	since := n.CreatedAt.Add(-2 * time.Minute).UnixMilli() // clocks differ
	x := notify.NewExchange(ctx, c.cfg.Transport, nil)
	body, err := x.JSON(http.MethodGet, c.cfg.URL+"/api/v4/channels/"+url.PathEscape(to)+"/posts?since="+strconv.FormatInt(since, 10), c.cfg.Token, nil)
	var list struct {
		Posts map[string]post `json:"posts"`
	}
	if err == nil && x.Status() != http.StatusOK {
		err = fmt.Errorf("the server answered %d", x.Status())
	}
	if err == nil {
		err = json.Unmarshal(body, &list)
	}
	if err != nil {
		return "", false, errors.New("look up at mattermost: " + notify.Scrub(err.Error(), c.cfg.Token, to))
	}
	for _, p := range list.Posts {
		if p.Props[notificationProp] == n.ID {
			return p.ID, true, nil
		}
	}
	return "", false, nil
}

func (c *Channel) outcome(x *notify.Exchange, body []byte, err error, to string) ledger.Outcome {
	if o, decided := x.Verdict(Provider, err, c.cfg.Token, c.cfg.ActionSecret, to); decided {
		return o
	}
	o := ledger.Outcome{Provider: Provider, HTTPStatus: x.Status(), Wrote: x.Wrote()}
	var a struct {
		ID, Message string
	}
	unread := err != nil || json.Unmarshal(body, &a) != nil
	if o.HTTPStatus < http.StatusMultipleChoices {
		if unread || a.ID == "" || o.HTTPStatus != http.StatusCreated {
			o.State, o.Class, o.Message = ledger.Unknown, ledger.ClassAmbiguous, "the provider's answer could not be read"
			return o
		}
		o.State, o.ProviderID = ledger.Accepted, a.ID
		return o
	}
	o.State, o.Class = ledger.Refused, ledger.ClassConfig
	o.Code = strconv.Itoa(o.HTTPStatus)
	if o.Message = notify.Scrub(a.Message, c.cfg.Token, c.cfg.ActionSecret, to); o.Message == "" {
		o.Message = "the provider answered " + o.Code
	}
	switch o.HTTPStatus {
	case http.StatusUnauthorized:
		o.Code = notify.AccountRefused
	case http.StatusForbidden, http.StatusNotFound: // the bot isn't in the channel, or there is none
		o.Class = ledger.ClassDead
	}
	return o
}

// post writes a message: its text, what somebody did with it, its buttons.
func (cfg Config) post(n ledger.Notification, line string, buttons []notify.Button) post {
	text := markup(n.Body, n.Event != message.RoomLine)
	if line != "" {
		text += "\n\n" + plain(line)
	}
	p := post{Message: text, Props: map[string]any{notificationProp: n.ID}}
	if len(buttons) == 0 || cfg.PublicURL == "" {
		return p
	}
	actions := make([]any, len(buttons))
	for i, b := range buttons {
		style := "default"
		if i == 0 {
			style = "primary"
		}
		actions[i] = map[string]any{
			"id": "act" + strconv.Itoa(i), "type": "button", "name": b.Label, "style": style,
			"integration": map[string]any{
				"url": cfg.PublicURL + ActionPath,
				// Kept by the server, and shown to nobody.
				"context": map[string]any{"data": b.Data, "token": proof(cfg.ActionSecret, b.Data)},
			},
		}
	}
	p.Props["attachments"] = []any{map[string]any{"actions": actions}}
	return p
}

// proof is what a button carries of the secret: it holds for this button alone.
func proof(secret, data string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte("mattermost/" + data))
	return hex.EncodeToString(mac.Sum(nil))
}

// maxPost is how long a post is made, in characters; the server's limit is 16,383.
const maxPost = 12_000

var address = regexp.MustCompile(`https?://\S+[^\s.,;:!?)]`)

// markup is a text with, where that is its headline, its first line in bold;
// nothing else in it has a meaning to Mattermost, but for web addresses, which
// become links.
func markup(text string, headline bool) string {
	head, rest, more := strings.Cut(text, "\n")
	out := plain(head)
	if head = strings.TrimSpace(head); headline && head != "" && !address.MatchString(head) {
		out = "**" + plain(head) + "**"
	}
	if more {
		out += "\n" + plain(rest)
	}
	if utf8.RuneCountInString(out) > maxPost {
		out = string([]rune(out)[:maxPost]) + "…"
	}
	return out
}

// plain escapes what Markdown would read, and keeps names from being called: a
// client's words must not wake the whole channel.
func plain(text string) string {
	var b strings.Builder
	last := 0
	for _, at := range address.FindAllStringIndex(text, -1) {
		b.WriteString(escaped.Replace(text[last:at[0]]) + text[at[0]:at[1]])
		last = at[1]
	}
	b.WriteString(escaped.Replace(text[last:]))
	return hashed.ReplaceAllString(b.String(), `$1\#`)
}

var (
	escaped = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "~", `\~`, "`", "\\`", "[", `\[`, "]", `\]`, "|", `\|`, ">", `\>`, "<", `\<`, "@", "@\u2060", "!", `\!`)
	hashed  = regexp.MustCompile(`(^|\s)#`)
)
