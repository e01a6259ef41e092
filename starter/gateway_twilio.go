package main

import (
	"context"
	"net/http"

	"vakhta/activities/notify/twilio"
	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
)

func (g *gateway) twilioStatus(w http.ResponseWriter, r *http.Request, body []byte) {
	account := accountOf(r, twilio.Provider)
	hook := g.hooks.twilio[account]
	if hook == nil {
		notConfigured(w, "this account of "+twilio.Provider)
		return
	}
	events, err := hook.Status(r, body)
	g.finishCallback(w, r, account, events, err)
}

// twilioGather takes a pressed digit and says what came of it. Thanks are said
// only once the acknowledgement is committed.
func (g *gateway) twilioGather(w http.ResponseWriter, r *http.Request, body []byte) {
	account := accountOf(r, twilio.Provider)
	hook := g.hooks.twilio[account]
	if hook == nil {
		notConfigured(w, "this account of "+twilio.Provider)
		return
	}
	pressed, err := hook.Gather(r, body)
	if err != nil {
		g.callbackFailed(w, account, err)
		return
	}
	said, err := g.applyEvents(r.Context(), account, pressed.Events)
	if err != nil {
		g.notApplied(w, account, err)
		return
	}
	n, err := g.deps.Store.Notification(r.Context(), pressed.Notification)
	if err != nil {
		g.notApplied(w, account, err)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	n.Provider = account
	answer := twilio.ReplyTwiML(g.cfg.PublicURL, pressed.Reply, n)
	if said != "" {
		answer = twilio.SayTwiML(said, n.Language)
	}
	_, _ = w.Write([]byte(answer))
}

// twilioInbound takes an SMS or a WhatsApp message to us: the code of a message
// or its button acknowledges it, if it comes from somebody's number; a
// stranger's word is worth nothing. Who was asked to look answers in words. What
// else is written by WhatsApp is a report.
func (g *gateway) twilioInbound(w http.ResponseWriter, r *http.Request, body []byte) {
	account := accountOf(r, twilio.Provider)
	hook := g.hooks.twilio[account]
	if hook == nil {
		notConfigured(w, "this account of "+twilio.Provider)
		return
	}
	in, err := hook.Inbound(r, body)
	if err != nil {
		g.callbackFailed(w, account, err)
		return
	}
	said, err := g.heard(r.Context(), account, in)
	if err != nil {
		g.notApplied(w, account, err)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = w.Write([]byte(twilio.MessageTwiML(said)))
}

// heard acts on a message; said is to be answered at once, or empty.
func (g *gateway) heard(ctx context.Context, account string, in twilio.Inbound) (said string, err error) {
	contact, known := g.deps.Inventory.ContactByAddress(in.Channel, in.From)
	chats := in.Channel == inventory.WhatsApp
	if chats && known {
		if err := g.deps.Store.Hear(ctx, contact.ID, in.Channel, g.now().UTC()); err != nil {
			return "", err
		}
	}
	if known && (in.Leaves || in.Returns) {
		return "", g.wants(ctx, contact, in.Channel, account, in.Returns)
	}
	if known && in.Text != "" && !in.Pressed {
		w := written{provider: account, key: in.ID, contact: contact, channel: in.Channel, text: in.Text}
		if said, taken, err := g.answered(ctx, w); err != nil || taken {
			return said, err
		}
	}
	switch {
	case known && len(in.Events) > 0:
		said, err = g.applyEvents(ctx, account, in.Events)
		if !chats { // an SMS costs, and most who write one are no longer looking
			said = ""
		}
		return said, err
	case chats && in.Text != "" && len(in.Events) == 0 && !in.Leaves && !in.Returns:
		return "", g.reported(ctx, in, contact)
	case !known:
		g.metrics.callbacks.WithLabelValues(account, "foreign").Inc()
	}
	return "", nil
}

// reported takes what somebody wrote for a report; contact is nil for a
// stranger, who is answered where he wrote from.
func (g *gateway) reported(ctx context.Context, in twilio.Inbound, contact *inventory.Contact) error {
	report := incident.Report{
		ID: "wa" + in.ID, Channel: string(in.Channel), From: in.From, Text: clip(in.Text, maxReportText), ReceivedAt: g.now().UTC(),
	}
	if contact != nil {
		report.Client, report.Contact = contact.Client, contact.ID
	} else if err := g.deps.Store.Hear(ctx, records.StrangerPrefix+report.ID, in.Channel, report.ReceivedAt); err != nil {
		return err
	}
	return g.acceptReport(ctx, report)
}
