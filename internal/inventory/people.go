package inventory

import (
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"
	"go.yaml.in/yaml/v3"
)

// Urgent returns the channels by which to reach the contact urgently, fastest
// first: his ladder, or the usual order as far as he has the addresses.
func (c *Contact) Urgent() []Channel {
	if len(c.Ladder) > 0 {
		return slices.Clone(c.Ladder)
	}
	var out []Channel
	for _, ch := range Channels {
		if c.Addresses[ch] != "" {
			out = append(out, ch)
		}
	}
	return out
}

func (r *raw) client(d *decoder) {
	c := &Client{ID: d.entry.id}
	var contacts []*yaml.Node
	d.fields(d.root(), clientFields, func(key string, value *yaml.Node) {
		switch key {
		case "id":
			d.id(value)
		case "name":
			c.Name = d.text(value)
		case "language":
			c.Language = Language(d.oneOf(value, languageNames))
		case "timezone":
			c.TimeZone = r.zones.read(d, value)
		case "quiet":
			c.Quiet = d.hours(value)
		case "contacts":
			d.items(value, func(item *yaml.Node) { contacts = append(contacts, item) })
		}
	})
	d.required("id", "language", "timezone")
	if c.Name == "" {
		c.Name = c.ID
	}
	reachable := false
	for _, n := range contacts {
		contact := r.contact(d, n, Contact{Client: c.ID, Language: c.Language, TimeZone: c.TimeZone, Quiet: c.Quiet})
		reachable = reachable || len(contact.Addresses) > 0
		c.Contacts = append(c.Contacts, contact)
	}
	if !reachable {
		d.wrong(child(d.root(), "contacts"), "has no contact that can be reached; add a contact with an address")
	}
	if d.entry.id != "" {
		r.clients = append(r.clients, rawItem[Client]{c, *d})
	}
}

func (r *raw) team(d *decoder) {
	t := &Team{ID: d.entry.id}
	zone := time.UTC
	var rotations, hours, holidays *yaml.Node
	d.fields(d.root(), teamFields, func(key string, value *yaml.Node) {
		switch key {
		case "id":
			d.id(value)
		case "name":
			t.Name = d.text(value)
		case "timezone":
			zone = r.location(d, value, zone)
		case "members":
			d.items(value, func(item *yaml.Node) {
				t.Members = append(t.Members, r.contact(d, item, Contact{Language: English, TimeZone: "UTC"}))
			})
		case "rotations":
			rotations = value
		case "hours":
			hours = value
		case "holidays":
			holidays = value
		case "levels":
			d.items(value, func(item *yaml.Node) { t.Levels = append(t.Levels, d.level(item)) })
		case "policies":
			d.items(value, func(item *yaml.Node) { t.Policies = append(t.Policies, r.policy(d, item)) })
		case "fallback":
			t.Fallback = d.ids(value)
		case "repeat":
			t.Repeat = d.number(value, 0, 100)
		case "room":
			t.Room = d.room(value)
		}
	})
	d.required("id", "members", "levels")
	if t.Room != nil {
		t.Room.TimeZone = zone.String()
	}
	if t.Name == "" {
		t.Name = t.ID
	}
	if l := child(d.root(), "levels"); l.Kind == yaml.SequenceNode && len(l.Content) == 0 {
		d.wrong(l, "is empty, so nobody would be paged; add a level")
	}
	r.duty(d, t, zone, rotations, hours, holidays)
	d.levelMembers(t)
	if d.entry.id != "" {
		r.teams = append(r.teams, rawItem[Team]{t, *d})
	}
}

func (d *decoder) level(n *yaml.Node) Level {
	l := Level{At: d.place(n)}
	d.fields(n, levelFields, func(key string, value *yaml.Node) {
		switch key {
		case "members":
			l.Members = d.ids(value)
			if value.Kind == yaml.SequenceNode && len(value.Content) == 0 {
				d.wrong(value, "is empty, so nobody would be paged; name a member")
			}
		case "rotations":
			l.Rotations = d.ids(value)
		case "everyone":
			l.Everyone = d.boolean(value)
		case "mode":
			if l.Mode = Mode(d.oneOf(value, modeNames)); l.Mode == "all" {
				l.Mode = AllAtOnce
			}
		case "ladder":
			l.Ladder = d.rungs(value)
		case "ackWithin":
			l.AckWithinSeconds = d.seconds(value, time.Second, 24*time.Hour)
		}
	})
	d.requiredIn(n, "ackWithin")
	if n.Kind == yaml.MappingNode && firstKey(n, "members") == nil && len(l.Rotations) == 0 && !l.Everyone {
		d.wrong(n, "pages nobody; add members, rotations, or everyone: true")
	}
	return l
}

// levelMembers checks that the levels page members and rotations of the team.
func (d *decoder) levelMembers(t *Team) {
	d.levelsOf(child(d.root(), "levels"), t)
	if policies := child(d.root(), "policies"); policies.Kind == yaml.SequenceNode {
		for _, p := range policies.Content {
			d.levelsOf(child(p, "levels"), t)
		}
	}
}

func (d *decoder) levelsOf(levels *yaml.Node, t *Team) {
	if levels.Kind != yaml.SequenceNode {
		return
	}
	var rotations []string
	for _, r := range t.Duty.Rotations {
		rotations = append(rotations, r.ID)
	}
	for _, level := range levels.Content {
		if members := child(level, "members"); members.Kind == yaml.SequenceNode {
			for _, m := range members.Content {
				if isID(m.Value) {
					d.member(m, t, m.Value)
				}
			}
		}
		if names := child(level, "rotations"); names != level && names.Kind == yaml.SequenceNode {
			for _, n := range names.Content {
				if isID(n.Value) && !slices.Contains(rotations, n.Value) {
					d.wrong(n, "%s is no rotation of the team; %s", n.Value, didYouMean(n.Value, rotations, "add it under the team's rotations"))
				}
			}
		}
	}
}

// contact reads a contact; c holds what it inherits.
func (r *raw) contact(d *decoder, n *yaml.Node, c Contact) Contact {
	fields := contactFields
	if d.section == "teams" {
		fields = memberFields
	}
	d.fields(n, fields, func(key string, value *yaml.Node) {
		switch key {
		case "id":
			c.ID = d.id(value)
		case "pages":
			c.Pages = d.rungs(value)
		case "role":
			c.Role = Role(d.oneOf(value, roleNames))
		case "name":
			c.Name = d.text(value)
		case "language":
			c.Language = Language(d.oneOf(value, languageNames))
		case "timezone":
			c.TimeZone = r.zones.read(d, value)
		case "quiet":
			c.Quiet = d.hours(value)
		case "addresses":
			c.Addresses = d.addresses(value)
		case "ladder":
			d.items(value, func(item *yaml.Node) {
				ch := Channel(d.oneOf(item, channelNames))
				if ch != "" && slices.Contains(c.Ladder, ch) {
					d.wrong(item, "%s is listed twice; remove one", ch)
					return
				}
				if ch != "" {
					c.Ladder = append(c.Ladder, ch)
				}
			})
		}
	})
	d.requiredIn(n, "id")
	if a := child(n, "addresses"); n.Kind == yaml.MappingNode && len(c.Addresses) == 0 && (a == n || len(a.Content) == 0) {
		d.wrong(a, "has no address, so it can't be reached; add one of %s under addresses", strings.Join(channelNames, ", "))
	}
	if ladder := child(n, "ladder"); ladder.Kind == yaml.SequenceNode {
		given := child(n, "addresses")
		for _, item := range ladder.Content {
			if slices.Contains(channelNames, item.Value) && firstKey(given, item.Value) == nil {
				d.wrong(item, "%s has no address; add it under addresses or take it off the ladder", item.Value)
			}
		}
	}
	if c.Name == "" {
		c.Name = c.ID
	}
	if c.ID != "" {
		at := *d
		at.node = n
		at.section, at.index, at.entry.id = d.section+"["+d.entry.id+"].contacts", 0, c.ID
		if d.section == "teams" {
			at.section = d.section + "[" + d.entry.id + "].members"
		}
		r.contacts = append(r.contacts, rawItem[Contact]{&c, at})
	}
	return c
}

// addresses reads a contact's addresses in their normal form. Problems never repeat them.
func (d *decoder) addresses(n *yaml.Node) map[Channel]string {
	out := map[Channel]string{}
	d.fields(n, channelNames, func(key string, value *yaml.Node) {
		s := d.text(value)
		if s == "" {
			return
		}
		ch := Channel(key)
		switch normal := normalAddress(ch, s); {
		case normal == "" && ch == Email:
			d.wrong(value, "is not a mail address; write name@domain and nothing else")
		case normal == "" && ch == Telegram:
			d.wrong(value, "is not a Telegram chat id; write the number that the bot sees")
		case normal == "" && ch == Sink:
			d.wrong(value, "is not the name of a sink; write lower-case letters, digits and dashes, as under providers.shoutrrr.urls")
		case normal == "" && (ch == Slack || ch == Mattermost):
			d.wrong(value, "is not the id of a channel; write its letters and digits, such as C0123456789, not its name")
		case normal == "" || normal != s && ch != Email:
			d.wrong(value, "is not a phone number in E.164 form; write + and country code and digits only, in quotes")
		default:
			out[ch] = s
		}
	})
	return out
}

// normalAddress is the form in which addresses of a channel are compared; "" if it is none.
func normalAddress(ch Channel, s string) string {
	s = strings.TrimSpace(s)
	switch ch {
	case Email:
		a, err := mail.ParseAddress(s)
		if err != nil || a.Name != "" || a.Address != s {
			return ""
		}
		return strings.ToLower(s)
	case SMS, Call, WhatsApp:
		number, err := phonenumbers.Parse(s, "ZZ") // no default country: a + is required
		if err != nil || !phonenumbers.IsPossibleNumber(number) {
			return ""
		}
		return phonenumbers.Format(number, phonenumbers.E164)
	case Telegram:
		digits := strings.TrimPrefix(s, "-")
		if digits == "" || len(digits) > 19 || strings.Trim(digits, "0123456789") != "" {
			return ""
		}
		return s
	case Sink:
		if !sinkPattern.MatchString(s) {
			return ""
		}
		return s
	case Slack, Mattermost:
		if !roomPattern.MatchString(s) {
			return ""
		}
		return s
	}
	return ""
}

// sinkPattern is what a sink may be called.
var sinkPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// roomPattern is what Slack's and Mattermost's ids have in common.
var roomPattern = regexp.MustCompile(`^[A-Za-z0-9]{9,32}$`)
