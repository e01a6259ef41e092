package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"

	"vakhta/activities/notify"
	"vakhta/activities/notify/couriers"
	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/internal/acklink"
	"vakhta/internal/config"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
	"vakhta/internal/store"
	"vakhta/internal/urgency"
	"vakhta/runbooks"
	"vakhta/runbooks/messages"
	"vakhta/workflows"
)

// parts are the activities, made from one configuration.
type parts struct {
	store   *store.Store
	records *records.Activities
	notify  *notify.Activities
	probe   func(vantage string) *probe.Activities
	may     workflows.Authority
	herald  *herald
}

func newParts(ctx context.Context, cfg config.Config, m *metrics) (*parts, error) {
	inv, err := inventory.LoadFiles(cfg.Inventory...)
	if err != nil {
		return nil, err
	}
	render, err := message.New(messages.FS())
	if err != nil {
		return nil, fmt.Errorf("read message templates: %w", err)
	}
	library, err := loadRunbooks(cfg.Runbooks)
	if err != nil {
		return nil, err
	}
	links, err := newLinks(cfg)
	if err != nil {
		return nil, err
	}
	st, err := store.Open(ctx, cfg.StoreDSN(), store.Sealed(cfg.Ring()), store.Addresses(inv.Address))
	if err != nil {
		return nil, err
	}
	routes, err := couriers.Routes(cfg, st)
	if err != nil {
		return nil, err
	}
	way, news := &urgency.Way{Lamp: st}, newHerald()
	sender := notify.New(st, records.NewDirectory(inv, st), routes, notify.Options{
		Rates: couriers.Rates(cfg.Notify), Lease: cfg.Notify.Lease(), SendTimeout: cfg.Notify.SendTimeout, SettleTimeout: cfg.Notify.SendTimeout, SettleAfter: cfg.Notify.SettleAfter, ReceiptsWithin: cfg.Notify.ReceiptsWithin,
		Attempted: m.attempted, Breaker: couriers.Breaker(cfg.Notify.Breaker), Way: way, Page: render.Page, OptOut: optOut(links), Thread: st.ThreadOf,
	})
	m.watchProviders(func() []notify.Health { return notify.HealthOf(sender) })
	return &parts{
		store:   st,
		records: records.New(st, inv, render, library, links, records.Options{PublicURL: cfg.PublicURL, Organizer: cfg.Organizer(), Rates: cfg.Paces(), Ladders: cfg.Notify.Ladders, Hands: hands(cfg.Hands), KeepSweeps: cfg.Probe.Keep, Together: *cfg.Alerts.Together, Way: way, News: news.tell}),
		notify:  sender,
		may:     inv.May,
		herald:  news,
		probe: func(vantage string) *probe.Activities {
			return probe.New(inv, st, probe.Options{
				Vantage: vantage, Rate: float64(cfg.Probe.Rate), Concurrency: cfg.Probe.Concurrency, BMCTimeout: cfg.Probe.BMCTimeout, SNMPTimeout: cfg.Probe.SNMPTimeout,
				Timeout: cfg.Probe.Timeout, Attempts: cfg.Probe.Attempts, Observed: m.observed, Plans: st, Habits: st, Crew: st,
				PerTarget: cfg.Probe.PerTarget, PerNetwork: cfg.Probe.PerNetwork, ServiceTimeout: cfg.Probe.ServiceTimeout,
				GapFloor: cfg.Probe.GapFloor, GapCeiling: cfg.Probe.GapCeiling,
			})
		},
	}, nil
}

func hands(c config.Hands) records.Hands {
	out := records.Hands{Deadline: c.Deadline}
	for _, r := range c.Ladder {
		out.Ladder = append(out.Ladder, runbooks.Rung{Channel: string(r.Channel), Wait: runbooks.Duration(r.Wait)})
	}
	return out
}

func loadRunbooks(c config.Runbooks) (*runbooks.Library, error) {
	var from fs.FS = runbooks.Builtin()
	if c.Dir != "" {
		from = os.DirFS(c.Dir)
	}
	library, err := runbooks.Load(from, c.Inputs)
	if err != nil {
		return nil, fmt.Errorf("load runbooks:\n%w", err)
	}
	return library, nil
}

func newLinks(cfg config.Config) (records.Links, error) {
	if !cfg.LinkSecret.Set() {
		return nil, nil //nolint:nilnil // messages without links, by choice
	}
	signer, err := acklink.NewSigner(cfg.LinkSecret.Reveal())
	if err != nil {
		return nil, fmt.Errorf("linkSecret: %w", err)
	}
	return acklink.Pages{Signer: signer, URL: cfg.PublicURL}, nil
}

// optOut makes the link by which a recipient wants no more mails.
func optOut(links records.Links) func(n ledger.Notification) string {
	l, ok := links.(acklink.Pages)
	if !ok {
		return nil
	}
	return func(n ledger.Notification) string { return l.Signer.OptOutURL(l.URL, n.ID, n.Contact) }
}
