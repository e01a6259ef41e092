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

// MailHeaders are the headers by which mail programs show all mails of a subject
// as one conversation, and fold a repeat with the mail that it repeats. The root
// of the thread is an id that no mail carries: so the order of arrival is free.
// They are the same whichever provider the mail leaves by; domain is the
// sender's.
//
// A mail that its recipient may opt out of says where: mail programs show a
// button for it that posts at once (RFC 8058).
func MailHeaders(n ledger.Notification, domain string) map[string]string {
	sum := sha256.Sum256([]byte(n.Subject + "\x00" + n.Contact))
	root := "<thread." + hex.EncodeToString(sum[:12]) + "@" + domain + ">"
	own := sha256.Sum256([]byte(n.ID))
	headers := map[string]string{
		"Message-ID":     "<n." + hex.EncodeToString(own[:12]) + "@" + domain + ">",
		"In-Reply-To":    root,
		"References":     root,
		"Auto-Submitted": "auto-generated",
	}
	if n.OptOutURL != "" {
		headers["List-Unsubscribe"] = "<" + n.OptOutURL + ">"
		headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
	}
	return headers
}
