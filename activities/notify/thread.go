package notify

import (
	"crypto/sha256"
	"encoding/hex"

	"vakhta/internal/ledger"
)

// How a mail carries a calendar. There is no METHOD: it is to be kept, not answered.
const (
	CalendarFile = "maintenance.ics"
	CalendarType = "text/calendar; charset=utf-8"
)

// Threading are the headers by which mail programs show all mails of a subject
// as one conversation, and fold a repeat with the mail that it repeats. The root
// of the thread is an id that no mail carries: so the order of arrival is free.
// They are the same whichever provider the mail leaves by; domain is the
// sender's.
func Threading(n ledger.Notification, domain string) map[string]string {
	sum := sha256.Sum256([]byte(n.Subject + "\x00" + n.Contact))
	root := "<thread." + hex.EncodeToString(sum[:12]) + "@" + domain + ">"
	own := sha256.Sum256([]byte(n.ID))
	return map[string]string{
		"Message-ID":     "<n." + hex.EncodeToString(own[:12]) + "@" + domain + ">",
		"In-Reply-To":    root,
		"References":     root,
		"Auto-Submitted": "auto-generated",
	}
}
