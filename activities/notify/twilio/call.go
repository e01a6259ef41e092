package twilio

import (
	"context"
	"time"

	api "github.com/twilio/twilio-go/rest/api/v2010"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

// ringSeconds is how long a phone rings: short of most voicemails' patience.
const ringSeconds = 30

// Call speaks messages on the phone. It is safe for concurrent use.
type Call struct{ account *account }

var _ notify.Channel = (*Call)(nil)

// NewCall checks the account's settings.
func NewCall(cfg Config) (*Call, error) {
	a, err := newAccount(cfg)
	if err != nil {
		return nil, err
	}
	return &Call{account: a}, nil
}

// Send implements [notify.Channel]. What is said travels with the request: no
// URL has to be fetched while the phone rings.
func (c *Call) Send(ctx context.Context, n ledger.Notification, to string) ledger.Outcome {
	params := &api.CreateCallParams{}
	params.SetTo(to)
	params.SetFrom(c.account.cfg.CallFrom)
	n.Provider = c.account.cfg.Account // whom a digit is told to
	params.SetTwiml(SpeakTwiML(c.account.cfg.PublicURL, n))
	params.SetTimeout(ringSeconds)
	params.SetMachineDetection("Enable")
	if c.account.cfg.PublicURL != "" {
		params.SetStatusCallback(c.account.callback(StatusPath, n))
		params.SetStatusCallbackMethod("POST")
		params.SetStatusCallbackEvent([]string{"initiated", "ringing", "answered", "completed"})
	}
	if seconds, bounded := validity(n.Deadline, time.Now()); bounded {
		params.SetTimeout(min(ringSeconds, max(seconds, 5)))
	}
	service, x := c.account.open(ctx)
	var sid *string
	call, err := service.CreateCall(params)
	if call != nil {
		sid = call.Sid
	}
	return c.account.outcome(x, sid, err, to)
}

// Capabilities implements [notify.Channel].
func (*Call) Capabilities() notify.Capabilities {
	return notify.Capabilities{LookUp: true, Receipts: true, Acknowledge: true}
}

// LookUp implements [notify.Channel]. A call carries nothing of ours that
// Twilio lists; so a call to this number, in the time of the attempt, that
// belongs to no other notification is taken for it.
func (c *Call) LookUp(ctx context.Context, n ledger.Notification, to string) (string, bool, error) {
	params := &api.ListCallParams{}
	params.SetTo(to)
	params.SetFrom(c.account.cfg.CallFrom)
	params.SetPageSize(lookUpPage)
	service, _ := c.account.open(ctx)
	page, err := service.PageCall(params, "", "")
	if err != nil {
		return "", false, c.account.lookUpError(err, to)
	}
	for _, call := range page.Calls {
		if call.Sid == nil || !inWindow(call.DateCreated, n) {
			continue
		}
		if c.account.cfg.Known != nil {
			others, err := c.account.cfg.Known(ctx, *call.Sid, n.ID)
			if err != nil {
				return "", false, err
			}
			if others {
				continue
			}
		}
		return *call.Sid, true, nil
	}
	return "", false, nil
}
