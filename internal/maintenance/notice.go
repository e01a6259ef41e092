package maintenance

import (
	"net/url"
	"time"

	"vakhta/internal/maintnote"
)

// Issuer is who sends notices.
type Issuer struct {
	Provider  string // our domain
	Organizer string // mail address that answers are for
}

// NewIssuer is the issuer of an installation: its domain is that of its public
// URL, and without an address of its own it is reached at noc there.
func NewIssuer(publicURL, organizer string) Issuer {
	host := "vakhta.invalid"
	if u, err := url.Parse(publicURL); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	if organizer == "" {
		organizer = "noc@" + host
	}
	return Issuer{Provider: host, Organizer: organizer}
}

var noticeImpact = map[Impact]maintnote.Impact{
	Outage: maintnote.Outage, Degraded: maintnote.Degraded, ReducedRedundancy: maintnote.ReducedRedundancy, NoImpact: maintnote.NoImpact,
}

var noticeStatus = map[Status]maintnote.Status{
	"": maintnote.Confirmed, Planned: maintnote.Tentative, Approved: maintnote.Confirmed, Running: maintnote.InProcess, Completed: maintnote.Completed,
	Cancelled: maintnote.Cancelled, RolledBack: maintnote.Completed,
}

// Notice is the work as a client's calendar shows it; false: it is none of his.
// Its UID stays the same as long as the work lives.
func (w *Work) Notice(client, language string, from Issuer, now time.Time) (maintnote.Notice, bool) {
	impact, servers := w.Of(client)
	if impact == NoImpact {
		return maintnote.Notice{}, false
	}
	return maintnote.Notice{
		UID: w.ID + "@" + from.Provider, Sequence: w.Sequence, Stamp: now, Start: w.StartsAt, End: w.EndsAt,
		Summary: w.TitleIn(language), Description: w.TextIn(language), Organizer: from.Organizer, Provider: from.Provider,
		Account: client, Maintenance: w.ID, Objects: servers, Impact: noticeImpact[impact], Status: noticeStatus[w.Status],
	}, true
}
