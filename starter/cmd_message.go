package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vakhta/internal/inventory"
	"vakhta/internal/message"
	"vakhta/internal/topology"
	"vakhta/runbooks/messages"
)

func newMessageCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "message",
		Short: "See what clients and colleagues will read",
		Args:  aCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newMessagePreviewCommand(a), newMessageListCommand(a))
	return cmd
}

func newMessageListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the events that have a text",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			render, err := message.New(messages.FS())
			if err != nil {
				return refused("%w", err)
			}
			if a.json {
				return printJSON(cmd.OutOrStdout(), render.Events())
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.Join(render.Events(), "\n"))
			return err
		},
	}
}

// preview is what to draw.
type preview struct {
	event, client, contact, channel, language, component, html string
	machines                                                   int
	repeat                                                     bool
}

// drawn is a message as its recipient gets it, and what it costs.
type drawn struct {
	Event    string             `json:"event"`
	Channel  inventory.Channel  `json:"channel"`
	Language inventory.Language `json:"language"`
	Title    string             `json:"title,omitempty"`
	Text     string             `json:"text"`
	HTML     string             `json:"html,omitempty"`
	Segments int                `json:"segments,omitempty"` // of an SMS
	Units    int                `json:"units,omitempty"`    // in its encoding: septets, or UTF-16 units
	Encoding string             `json:"encoding,omitempty"`
}

func newMessagePreviewCommand(a *app) *cobra.Command {
	var p preview
	cmd := &cobra.Command{
		Use:   "preview",
		Short: "Draw a message as its recipient would get it, with what it costs",
		Long: `Draw the message of an event. With --client it speaks of that client's own
machines, in his language and time zone; without, of made-up ones. Nothing is sent.`,
		Example: `  vakhta message preview --event incident.update --client acme --channel sms
  vakhta message preview --event incident.update --client acme --component pdu-msk-r14-a --channel email --html mail.html`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.draw(p)
			if err != nil {
				return err
			}
			if p.html != "" {
				if d.HTML == "" {
					return usageError("--html is for --channel email; %s has no HTML", d.Channel)
				}
				if err := os.WriteFile(p.html, []byte(d.HTML), 0o600); err != nil {
					return fmt.Errorf("write the mail: %w", err)
				}
			}
			if a.json {
				return printJSON(cmd.OutOrStdout(), d)
			}
			return printDrawn(cmd.OutOrStdout(), d, p.html)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&p.event, "event", "", "event of the message; see vakhta message list")
	flags.StringVar(&p.client, "client", "", "the client who reads it")
	flags.StringVar(&p.contact, "contact", "", "which of his contacts; default: the first")
	flags.StringVar(&p.channel, "channel", string(inventory.SMS), "one of "+channelNames())
	flags.StringVar(&p.language, "language", "", "ru or en; default: the contact's, else ru")
	flags.StringVar(&p.component, "component", "", "the point of failure; default: the first machine")
	flags.IntVar(&p.machines, "machines", 3, "how many of the client's machines it is about")
	flags.BoolVar(&p.repeat, "repeat", false, "as a repeat of a message that may have arrived")
	flags.StringVar(&p.html, "html", "", "write the HTML of a mail to this file")
	return cmd
}

// channelNames are the channels, for a remedy.
func channelNames() string {
	names := make([]string, len(inventory.Channels))
	for i, ch := range inventory.Channels {
		names[i] = string(ch)
	}
	return strings.Join(names, ", ")
}

func (a *app) draw(p preview) (drawn, error) {
	render, err := message.New(messages.FS())
	if err != nil {
		return drawn{}, refused("%w", err)
	}
	if !slices.Contains(render.Events(), p.event) {
		return drawn{}, usageError("--event %q: there is no such event; use one of %s", p.event, strings.Join(render.Events(), ", "))
	}
	data, lang := message.Specimen(), inventory.Russian
	data.Now = time.Now().UTC()
	data.ETA = data.Now.Add(2 * time.Hour)
	data.Work.StartsAt, data.Work.EndsAt = data.Now.Add(24*time.Hour), data.Now.Add(26*time.Hour)
	if p.client != "" {
		cfg, err := a.loadConfig(false)
		if err != nil {
			return drawn{}, err
		}
		inv, err := loadInventory(cfg)
		if err != nil {
			return drawn{}, err
		}
		if lang, err = speakOf(&data, inv, p); err != nil {
			return drawn{}, err
		}
	}
	switch inventory.Language(p.language) {
	case "":
	case inventory.Russian, inventory.English:
		lang = inventory.Language(p.language)
	default:
		return drawn{}, usageError("--language %q: use ru or en", p.language)
	}
	data.Repeat = p.repeat
	if !strings.HasPrefix(p.event, "report.") { // what else is added is an engineer's word, not a client's
		data.Text = map[inventory.Language]string{
			inventory.Russian: "Электрик в зале, меняем автомат.", inventory.English: "The electrician is in the room, replacing a breaker.",
		}[lang]
	}
	ch := inventory.Channel(p.channel)
	if !render.Has(p.event, lang, ch) {
		return drawn{}, usageError("--channel %q: %s has no text for it; use one of %s", p.channel, p.event, channelNames())
	}
	text, err := render.Render(p.event, lang, ch, data)
	if err != nil {
		return drawn{}, refused("%w", err)
	}
	d := drawn{Event: p.event, Channel: ch, Language: lang, Title: text.Title, Text: text.Text, HTML: text.HTML}
	if ch == inventory.SMS {
		d.Segments, d.Units, d.Encoding = message.Segments(text.Text)
	}
	return d, nil
}

// speakOf puts a client's own machines and one of his contacts into the message.
func speakOf(data *message.Data, inv *inventory.Inventory, p preview) (inventory.Language, error) {
	client, ok := inv.Client(p.client)
	if !ok {
		return "", notFound("the inventory has no client %q", p.client)
	}
	at := max(0, slices.IndexFunc(client.Contacts, func(c inventory.Contact) bool { return c.ID == p.contact }))
	contact := client.Contacts[at]
	if p.contact != "" && contact.ID != p.contact {
		return "", notFound("client %s has no contact %q", p.client, p.contact)
	}
	servers := inv.ServersOf(p.client)
	if len(servers) == 0 {
		return "", refused("client %s has no machine, so there is nothing to tell him", p.client)
	}
	servers = servers[:min(max(p.machines, 1), len(servers))]
	cause := p.component
	if cause == "" {
		cause = servers[0]
	}
	c, ok := inv.Component(cause)
	if !ok {
		return "", notFound("the inventory has no component %q", cause)
	}
	data.Client, data.Contact, data.Zone = client.Name, contact.Name, contact.TimeZone
	data.Finding = message.Cause(inv, topology.Finding{Component: c.ID, Kind: c.Kind, Confidence: 1, Explains: servers}, contact.Language)
	data.Servers = nil
	for _, id := range servers {
		s := message.Server{ID: id, Place: inv.Place(id, contact.Language)}
		if c, ok := inv.Component(id); ok {
			s.Label = c.Label
		}
		data.Servers = append(data.Servers, s)
	}
	data.Total, data.Checked, data.Down, data.Restored = len(servers), len(servers), len(servers), 0
	return contact.Language, nil
}

func printDrawn(out io.Writer, d drawn, file string) error {
	fmt.Fprintf(out, "%s by %s, in %s\n", d.Event, d.Channel, d.Language)
	if d.Segments > 0 {
		fmt.Fprintf(out, "segments: %d, length: %d %s\n", d.Segments, d.Units,
			map[string]string{message.GSM7: "septets of GSM-7 (160 in one segment)", message.UCS2: "UTF-16 units (70 in one segment)"}[d.Encoding])
	}
	if d.Channel == inventory.Email {
		fmt.Fprintf(out, "subject: %s\n", d.Title)
	}
	_, err := fmt.Fprintf(out, "\n%s\n", d.Text)
	if file != "" && err == nil {
		_, err = fmt.Fprintf(out, "\nthe HTML part is in %s\n", file)
	}
	return err
}
