package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"

	"go.temporal.io/sdk/client"

	"vakhta/internal/config"
	"vakhta/internal/store"
	"vakhta/workflows"
)

// app is what the commands share: the root's flags and the connections made from them.
type app struct {
	configPath string
	address    string
	namespace  string
	json       bool
	by         string

	temporalAddress   string // what was dialled, for error messages
	temporalNamespace string
}

// loadConfig reads the configuration, secrets included if the command serves.
func (a *app) loadConfig(secrets bool) (config.Config, error) {
	if a.configPath == "" {
		return config.Config{}, usageError("no configuration: give --config FILE or set VAKHTA_CONFIG")
	}
	load := config.LoadWithoutSecrets
	if secrets {
		load = config.Load
	}
	c, err := load(a.configPath)
	if err != nil {
		return config.Config{}, &exitError{exitRefused, err}
	}
	return c, nil
}

// act says who gives the command.
func (a *app) act() workflows.Act {
	by := a.by
	if by == "" {
		by = os.Getenv("VAKHTA_USER")
	}
	if by == "" {
		if u, err := user.Current(); err == nil {
			by = u.Username
		}
	}
	return workflows.Act{By: by, Via: "cli"}
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}

// withStore opens the configured store for one task.
func (a *app) withStore(ctx context.Context, do func(*store.Store) error) error {
	cfg, err := a.loadConfig(false)
	if err != nil {
		return err
	}
	st, err := openStore(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(do(st), st.Close())
}

// withTemporal connects to Temporal for one task.
func (a *app) withTemporal(ctx context.Context, do func(client.Client) error) error {
	c, err := a.dialTemporal(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(c)
}
