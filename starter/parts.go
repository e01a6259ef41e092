package main

import (
	"context"
	"io"
	"os"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"vakhta/internal/config"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/store"
	"vakhta/internal/topology"
)

// openStore opens the configured store; the caller closes it.
func openStore(ctx context.Context, cfg config.Config, options ...store.Option) (*store.Store, error) {
	st, err := store.Open(ctx, cfg.StoreDSN(), append(options, store.Sealed(cfg.Ring()))...)
	if err != nil {
		return nil, unavailable("open the store: %w", err)
	}
	return st, nil
}

// loadInventory loads the configured documents.
func loadInventory(cfg config.Config) (*inventory.Inventory, error) {
	inv, err := inventory.LoadFiles(cfg.Inventory...)
	if err != nil {
		return nil, &exitError{exitRefused, err}
	}
	return inv, nil
}

// newLogger writes JSON, or lines for people on a terminal.
func newLogger(w io.Writer) zerolog.Logger {
	if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		w = zerolog.ConsoleWriter{Out: f, TimeFormat: "15:04:05.000"}
	}
	return zerolog.New(w).With().Timestamp().Logger()
}

// estateNames are the words for ids, from the inventory. They never hold an address.
type estateNames struct {
	inventory.Names
	inv *inventory.Inventory
}

func namesOf(inv *inventory.Inventory) estateNames { return estateNames{inv.Names(), inv} }

// Place says where a component stands.
func (e estateNames) Place(id string) string { return e.inv.Place(id, inventory.English) }

// ClientOf is the client of a server.
func (e estateNames) ClientOf(server string) string {
	if c, ok := e.inv.Component(server); ok {
		return c.Client
	}
	return ""
}

// Finding says a finding in one sentence.
func (e estateNames) Finding(f topology.Finding) string {
	return topology.Sentence(e.inv, f, inventory.English)
}

// Question says what people on site were asked to look at.
func (e estateNames) Question(q incident.Question) string { return questionLine(e.inv, q) }
