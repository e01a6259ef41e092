package smtp

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/wneessen/go-mail"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

// notificationHeader carries our id, which is opaque, so that whoever reads the
// relay's log or a bounce finds the notification.
const notificationHeader = "X-Vakhta-Notification"

// compose writes the mail as it goes over the wire.
func (c *Channel) compose(n ledger.Notification, to string) ([]byte, error) {
	m := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := m.FromFormat(c.cfg.FromName, c.cfg.From); err != nil {
		return nil, fmt.Errorf("write the mail's sender: %w", err)
	}
	if err := m.To(to); err != nil {
		return nil, fmt.Errorf("write the mail's recipient: %w", err)
	}
	m.Subject(n.Title)
	m.SetDate()
	for name, value := range notify.MailHeaders(n, c.domain) {
		m.SetGenHeader(mail.Header(name), value)
	}
	m.SetGenHeader(notificationHeader, n.ID)
	m.SetBodyString(mail.TypeTextPlain, n.Body)
	if n.HTML != "" {
		m.AddAlternativeString(mail.TypeTextHTML, n.HTML)
	}
	if n.Calendar != "" {
		if err := m.AttachReader(notify.CalendarFile, strings.NewReader(n.Calendar), mail.WithFileContentType(notify.CalendarType)); err != nil {
			return nil, fmt.Errorf("attach the calendar: %w", err)
		}
	}
	var out bytes.Buffer
	if _, err := m.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("write the mail: %w", err)
	}
	return out.Bytes(), nil
}
