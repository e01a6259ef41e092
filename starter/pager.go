package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"

	"vakhta/activities/notify"
	"vakhta/activities/notify/couriers"
	"vakhta/activities/records"
	"vakhta/internal/acklink"
	"vakhta/internal/config"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/message"
	"vakhta/internal/store"
	"vakhta/internal/urgency"
	"vakhta/runbooks"
	"vakhta/runbooks/messages"
)

// pager raises critical alerts and sends their first pages from the gateway
// itself: a page waits for no queue. It promises nothing. The incident's
// workflow, which is started beside it, wants the same pages under the same
// keys; the ledger lets one of the two send each.
type pager struct {
	records *records.Activities
	notify  *notify.Activities
}

func newPager(cfg config.Config, inv *inventory.Inventory, st *store.Store) (*pager, error) {
	render, err := message.New(messages.FS())
	if err != nil {
		return nil, fmt.Errorf("read message templates: %w", err)
	}
	var from fs.FS = runbooks.Builtin()
	if cfg.Runbooks.Dir != "" {
		from = os.DirFS(cfg.Runbooks.Dir)
	}
	library, err := runbooks.Load(from, cfg.Runbooks.Inputs)
	if err != nil {
		return nil, fmt.Errorf("load runbooks:\n%w", err)
	}
	signer, err := acklink.NewSigner(cfg.LinkSecret.Reveal())
	if err != nil {
		return nil, refused("linkSecret: %w", err)
	}
	routes, err := couriers.Routes(cfg, st)
	if err != nil {
		return nil, err
	}
	way := &urgency.Way{Lamp: st}
	return &pager{
		records: records.New(st, inv, render, library, acklink.Pages{Signer: signer, URL: cfg.PublicURL}, records.Options{
			PublicURL: cfg.PublicURL, Rates: cfg.Paces(), Ladders: cfg.Notify.Ladders, Together: *cfg.Alerts.Together, Light: true, Way: way,
		}),
		notify: notify.New(st, records.NewDirectory(inv, st), routes, notify.Options{
			Rates: couriers.Rates(cfg.Notify), Lease: cfg.Notify.Lease(), SendTimeout: cfg.Notify.SendTimeout, SettleTimeout: cfg.Notify.SendTimeout,
			SettleAfter: cfg.Notify.SettleAfter, ReceiptsWithin: cfg.Notify.ReceiptsWithin, Breaker: couriers.Breaker(cfg.Notify.Breaker), Way: way, Page: render.Page, Thread: st.ThreadOf,
		}),
	}, nil
}

// Raise keeps alerts and opens provisional incidents for those that can't wait.
func (p *pager) Raise(ctx context.Context, alerts []incident.Alert) ([]store.Raised, error) {
	return p.records.Raise(ctx, alerts)
}

// Page writes an incident's first pages and sends them once.
func (p *pager) Page(ctx context.Context, in incident.Incident) error {
	c, err := p.records.FirstPagesOf(ctx, in)
	if err != nil {
		return err
	}
	for _, ids := range c.Batches {
		if _, err := p.notify.SendBatch(ctx, notify.SendBatchParams{IDs: ids, Urgent: true}); err != nil {
			return err
		}
	}
	return nil
}

const (
	// pagesAtOnce bounds the incidents whose first pages are sent by the gateway
	// at a time; the others' leave by their workflows.
	pagesAtOnce = 32
	// firstPagesWithin bounds one incident's: a slow provider is the workflow's to wait for.
	firstPagesWithin = 30 * time.Second
)

// sendFirstPages sends in the background: nobody who reports an alert waits for
// a provider.
func (g *gateway) sendFirstPages(ctx context.Context, in incident.Incident) {
	select {
	case g.paging <- struct{}{}:
	default:
		return // the workflow sends them
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), firstPagesWithin)
	g.pagings.Go(func() {
		defer func() { <-g.paging }()
		defer cancel()
		if err := g.deps.Pager.Page(ctx, in); err != nil {
			g.log.Warn().Err(err).Str("incident", in.ID).Msg("first pages not sent from here; the incident's workflow sends them")
		}
	})
}
