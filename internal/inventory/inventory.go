package inventory

// Kind says what a component is.
type Kind string

// The kinds of component, from the widest to the narrowest.
const (
	KindSite       Kind = "site"
	KindRoom       Kind = "room"
	KindRack       Kind = "rack"
	KindFeed       Kind = "feed" // a power feed
	KindPDU        Kind = "pdu"
	KindPhase      Kind = "phase" // of a PDU, where its phases are told apart
	KindUplink     Kind = "uplink"
	KindSwitch     Kind = "switch"
	KindCard       Kind = "card" // of a switch, where its line cards are told apart
	KindHypervisor Kind = "hypervisor"
	KindServer     Kind = "server"
)

// Channel is a way to reach a contact.
type Channel string

// The channels; an inventory that names another is refused.
const (
	Email    Channel = "email"
	Telegram Channel = "telegram"
	WhatsApp Channel = "whatsapp" // an address is a phone number
	SMS      Channel = "sms"
	Call     Channel = "call"
	// Slack and Mattermost are for teams: an address is the id of a channel, or
	// of a direct conversation, that the bot is in.
	Slack      Channel = "slack"
	Mattermost Channel = "mattermost"
	// Sink is any other service, for what needs no answer: an address is the name
	// of a sink in the configuration.
	Sink Channel = "sink"
)

// Channels are all of them, in the order in which an address is looked for
// where a contact has no ladder.
var Channels = []Channel{Telegram, WhatsApp, Slack, Mattermost, SMS, Call, Email, Sink}

// Language is a BCP 47 primary subtag; clients are written to in one of these.
type Language string

// The languages that every message exists in.
const (
	Russian Language = "ru"
	English Language = "en"
)

// Text is a name in several languages. In YAML it is a plain string (the same
// in every language) or a mapping {ru: …, en: …}.
type Text map[Language]string

// Group is a dependency group: the component that needs it works only while at
// least one member works.
type Group struct {
	Name    string   `json:"name"` // power, network, location, host …
	Members []string `json:"members"`
}

// Component is one node of the inventory graph.
//
// In is the id of the component that contains it (a rack's room, a server's
// rack); containment is a dependency group of one member named "location".
type Component struct {
	ID     string  `json:"id"`
	Kind   Kind    `json:"kind"`
	Name   Text    `json:"name,omitempty"`
	In     string  `json:"in,omitempty"`
	Unit   int     `json:"unit,omitempty"`   // lowest rack unit, 1 is the bottom; 0 is unknown
	Client string  `json:"client,omitempty"` // servers only: whose it is
	Label  string  `json:"label,omitempty"`  // what the sticker on the machine says
	Needs  []Group `json:"needs,omitempty"`  // ordered by name; includes "location"
	Probe  Profile `json:"probe,omitzero"`

	Site string `json:"site,omitempty"` // derived: the site that contains it
	Room string `json:"room,omitempty"` // derived
	Rack string `json:"rack,omitempty"` // derived
}

// Profile says which probes a component answers when it is well. A probe goes
// to no address but these.
type Profile struct {
	Address string `json:"address,omitempty"` // IPv4 or IPv6, no port
	TCP     []int  `json:"tcp,omitempty"`     // ports that accept a connection
	ICMP    bool   `json:"icmp,omitempty"`    // answers ping
	BMC     BMC    `json:"bmc,omitzero"`
	// SNMP and Proxmox are what devices beside the machines answer: switches and PDUs, hypervisors.
	SNMP    *SNMP    `json:"snmp,omitempty"`
	Proxmox *Proxmox `json:"proxmox,omitempty"`
	Services
}

// Contact is a person or a duty desk, at a client or in a team.
type Contact struct {
	ID        string             `json:"id"`
	Name      string             `json:"name"`
	Client    string             `json:"client,omitempty"` // derived: whose contact; empty for a team's member
	Language  Language           `json:"language"`
	TimeZone  string             `json:"timezone"` // IANA name
	Addresses map[Channel]string `json:"addresses"`
	// Ladder is the contact's order of channels for urgent messages, fastest
	// first. Empty means the order of [Channels], as far as he has them.
	Ladder []Channel `json:"ladder,omitempty"`
	// Pages is the member's own ladder for pages, with waits; empty: his level's.
	Pages []Rung `json:"pages,omitempty"`
	Role  Role   `json:"role,omitempty"` // members only
	// Quiet are the hours in which nothing that can wait makes a noise at his
	// end; nil: none.
	Quiet *Hours `json:"quiet,omitempty"`
}

// Client is a customer of the provider.
type Client struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Language Language  `json:"language"`
	TimeZone string    `json:"timezone"`
	Quiet    *Hours    `json:"quiet,omitempty"` // of those contacts that have none of their own
	Contacts []Contact `json:"contacts"`
}

// Team is a group of people who are paged together.
type Team struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Members []Contact `json:"members"`
	Levels  []Level   `json:"levels"`
	Repeat  int       `json:"repeat"` // how often the levels are climbed again before the escalation is exhausted
	// Policies are for certain severities and hours; Levels for all the rest.
	Policies []Policy `json:"policies,omitempty"`
	// Fallback are contacts of any team who are paged where a level has nobody;
	// empty: everybody of the team.
	Fallback []string `json:"fallback,omitempty"`
	Duty     Duty     `json:"-"`
	Room     *Room    `json:"room,omitempty"` // where it works on its incidents; nil: nowhere
}

// Site adds to a component of KindSite what only a site has.
type Site struct {
	ID       string   `json:"id"`
	TimeZone string   `json:"timezone"`
	Vantages []string `json:"vantages"` // the vantages that probe this site, best first
	// Support is the team that goes and looks where no probe can decide; "" if
	// there is nobody at the site to be asked.
	Support string `json:"support,omitempty"`
}
