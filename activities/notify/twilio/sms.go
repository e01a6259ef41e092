package twilio

import (
	"context"
	"strings"
	"time"

	api "github.com/twilio/twilio-go/rest/api/v2010"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

// SMS sends text messages. It is safe for concurrent use.
type SMS struct{ account *account }

var _ notify.Channel = (*SMS)(nil)

// NewSMS checks the account's settings.
func NewSMS(cfg Config) (*SMS, error) {
	a, err := newAccount(cfg)
	if err != nil {
		return nil, err
	}
	return &SMS{account: a}, nil
}

// Send implements [notify.Channel].
func (s *SMS) Send(ctx context.Context, n ledger.Notification, to string) ledger.Outcome {
	params := &api.CreateMessageParams{}
	params.SetTo(to)
	params.SetFrom(s.account.cfg.From)
	params.SetBody(n.Body)
	if s.account.cfg.PublicURL != "" {
		params.SetStatusCallback(s.account.callback(StatusPath, n))
	}
	if seconds, bounded := validity(n.Deadline, time.Now()); bounded {
		params.SetValidityPeriod(seconds)
	}
	service, x := s.account.open(ctx)
	var sid *string
	message, err := service.CreateMessage(params)
	if message != nil {
		sid = message.Sid
	}
	return s.account.outcome(x, sid, err, to)
}

// Capabilities implements [notify.Channel].
func (*SMS) Capabilities() notify.Capabilities {
	return notify.Capabilities{LookUp: true, Receipts: true}
}

// LookUp implements [notify.Channel]: it lists the recipient's messages and
// looks for the acknowledgement code, which stands in the text of each.
func (s *SMS) LookUp(ctx context.Context, n ledger.Notification, to string) (string, bool, error) {
	return s.account.lookUpMessage(ctx, n, to)
}

func (a *account) lookUpMessage(ctx context.Context, n ledger.Notification, to string) (string, bool, error) {
	if n.AckCode == "" {
		return "", false, notify.ErrNoLookUp
	}
	// Not filtered by the date of sending: what is queued yet has none.
	params := &api.ListMessageParams{}
	params.SetTo(to)
	params.SetPageSize(lookUpPage)
	service, _ := a.open(ctx)
	page, err := service.PageMessage(params, "", "")
	if err != nil {
		return "", false, a.lookUpError(err, to)
	}
	for _, m := range page.Messages {
		if m.Body != nil && m.Sid != nil && strings.Contains(*m.Body, n.AckCode) {
			return *m.Sid, true, nil
		}
	}
	return "", false, nil
}
