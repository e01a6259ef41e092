package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"vakhta/internal/profile"
	"vakhta/internal/store"
)

func newServeCommand(a *app) *cobra.Command {
	var listen string
	var migrate bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway: intake, provider callbacks, pages",
		Long: `Run the gateway: it takes clients' reports and alerts, verifies the providers'
callbacks, and shows the acknowledgement page and the engineers' pages.

  POST /v1/reports               a client's report (bearer token)
  GET  /v1/reports/{id}          what it came to
  POST /v1/alerts/alertmanager   Alertmanager's or Grafana's webhook (bearer token)
  POST /v2/enqueue               PagerDuty Events v2 (routing_key is the token)
  GET  /  /incidents/{id}  /postmortems/{id}[.md]
  GET  /healthz  /readyz  /metrics`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			cfg, err := a.loadConfig(true)
			if err != nil {
				return err
			}
			if listen != "" {
				cfg.Listen = listen
			}
			stop, err := profile.Start()
			if err != nil {
				return err
			}
			defer stop()
			log := newLogger(cmd.ErrOrStderr())
			inv, err := loadInventory(cfg)
			if err != nil {
				return err
			}
			st, err := openStore(ctx, cfg, store.Addresses(inv.Address))
			if err != nil {
				return err
			}
			defer st.Close()
			if cfg.Ring() == nil {
				log.Warn().Msg("addresses are kept in the clear: set dataKeys, then run vakhta reseal")
			}
			if migrate {
				if err := st.Migrate(ctx); err != nil {
					return fmt.Errorf("migrate the store: %w", err)
				}
			}
			temporal, err := a.lazyTemporal(cfg.Temporal, log)
			if err != nil {
				return err
			}
			defer temporal.Close()
			page, err := newPager(cfg, inv, st)
			if err != nil {
				return err
			}
			g, err := newGateway(cfg, deps{Store: st, Flows: temporal, Inventory: inv, Records: page.records, Pager: page, Log: log})
			if err != nil {
				return err
			}
			listener, err := net.Listen("tcp", cfg.Listen)
			if err != nil {
				return unavailable("listen on %s: %w; choose another with --listen or `listen` in the configuration", cfg.Listen, err)
			}
			return g.Serve(ctx, listener)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "address to listen on, instead of the configuration's")
	cmd.Flags().BoolVar(&migrate, "migrate", false, "bring the store's schema up to date first")
	return cmd
}

func newMigrateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the store's schema up to date",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.loadConfig(false)
			if err != nil {
				return err
			}
			st, err := openStore(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			defer st.Close()
			if err := st.Migrate(cmd.Context()); err != nil {
				return fmt.Errorf("migrate the store: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "the store's schema is up to date")
			return err
		},
	}
}
