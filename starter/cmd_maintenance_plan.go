package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"vakhta/activities/records"
	"vakhta/internal/config"
	"vakhta/internal/inventory"
	"vakhta/internal/maintenance"
	"vakhta/internal/store"
)

const maintenancePlanLong = `Plan a work: compute whose machines lose service or redundancy, and keep it. It
waits for a second person's approval; nobody is told before.

A work is given by flags, or by a file. What the flags leave out is asked on a
terminal. The file is YAML or JSON:

  id: feed-b-room-2
  title: {ru: Замена ввода Б в зале 2, en: Replacement of feed B in room 2}
  text: {ru: Меняем автомат., en: We replace a breaker.}   # may be left out
  components: [msk-r2-feed-b]                              # what is switched off
  timezone: Europe/Moscow
  start: 2026-12-01 02:00
  end: 2026-12-01 05:00
  owner: emergency                                         # team; may be left out
  notices: [72h, 24h, 1h]                                  # reminders; may be left out

A work that takes down, together with another one or with an open incident, what
would survive either is refused, unless --override says why it may run.`

// planFlags are the flags of `maintenance plan`.
type planFlags struct {
	dry, alone bool
	override   string

	id, start, end, zone, owner, impact string
	components, notices                 []string
	titleRu, titleEn, textRu, textEn    string
}

func newMaintenancePlanCommand(a *app) *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan [FILE]",
		Short: "Compute whom a work touches, and keep it for approval",
		Long:  maintenancePlanLong,
		Example: `  vakhta maintenance plan feed-b.yaml --dry-run
  vakhta maintenance plan --components pdu-12,sw-3 --start '2026-12-01 02:00' --end '2026-12-01 05:00' --impact outage \
    --title-ru 'Замена PDU' --title-en 'Replacement of a PDU'`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return usageError("plan takes one FILE, or flags")
			case len(args) == 1 && len(f.components) > 0:
				return usageError("give a FILE or --components, not both")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.planMaintenance(cmd, args, f) },
	}
	f.register(cmd)
	return cmd
}

func (f *planFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.dry, "dry-run", false, "compute and show it, keep nothing")
	flags.BoolVar(&f.alone, "alone", false, "whoever plans it may approve it, too")
	flags.StringVar(&f.override, "override", "", "why it may run although it breaks a redundancy")
	flags.StringSliceVar(&f.components, "components", nil, "what is worked on: ids, with commas; pdu-12=degraded where one differs")
	flags.StringVar(&f.start, "start", "", "'2026-12-01 02:00' in the work's time zone, or RFC 3339")
	flags.StringVar(&f.end, "end", "", "as --start")
	flags.StringVar(&f.impact, "impact", "", "outage (the default), degraded, reduced-redundancy or no-impact")
	flags.StringVar(&f.zone, "timezone", "", "IANA name (default: that of the first component's site)")
	flags.StringVar(&f.id, "id", "", "the work's name (default: the first component and the day)")
	flags.StringVar(&f.titleRu, "title-ru", "", "what is done, for clients, in Russian")
	flags.StringVar(&f.titleEn, "title-en", "", "the same in English")
	flags.StringVar(&f.textRu, "text-ru", "", "more about it, in Russian")
	flags.StringVar(&f.textEn, "text-en", "", "the same in English")
	flags.StringVar(&f.owner, "owner", "", "team that is asked and given tasks")
	flags.StringSliceVar(&f.notices, "notices", nil, "how long before the start clients are told: 14d,72h,1h (default: by impact)")
}

func (a *app) planMaintenance(cmd *cobra.Command, args []string, f planFlags) error {
	cfg, err := a.loadConfig(false)
	if err != nil {
		return err
	}
	inv, err := loadInventory(cfg)
	if err != nil {
		return err
	}
	w, err := f.work(cmd, args, inv)
	if err != nil {
		return err
	}
	w.Override = f.override
	if !f.dry {
		return a.startMaintenance(cmd.Context(), cmd.OutOrStdout(), w, f.alone)
	}
	return a.withStore(cmd.Context(), func(st *store.Store) error { return a.measureWork(cmd.Context(), cmd.OutOrStdout(), st, inv, cfg, w) })
}

func (a *app) measureWork(ctx context.Context, out io.Writer, st *store.Store, inv *inventory.Inventory, cfg config.Config, w maintenance.Work) error {
	acts := records.New(st, inv, nil, nil, nil, records.Options{Rates: cfg.Paces(), Ladders: cfg.Notify.Ladders})
	measured, err := acts.MeasureWork(ctx, w)
	if err != nil {
		return unavailable("%w", err)
	}
	if a.json {
		return printJSON(out, measured)
	}
	return printMeasured(out, measured)
}

// work is the work of the file, or else of the flags and of what is answered on
// the terminal.
func (f *planFlags) work(cmd *cobra.Command, args []string, inv *inventory.Inventory) (maintenance.Work, error) {
	if len(args) == 1 {
		return readWork(args[0], inv)
	}
	in, ok := cmd.InOrStdin().(*os.File)
	switch {
	case ok && isatty.IsTerminal(in.Fd()):
		if err := f.ask(in, cmd.ErrOrStderr()); err != nil {
			return maintenance.Work{}, err
		}
	case len(f.components) == 0:
		return maintenance.Work{}, usageError("give a FILE, or --components with --start, --end, --title-ru and --title-en")
	}
	d := f.document(inv)
	w, err := d.Work(inv)
	if err != nil {
		return w, refused("the work can't be planned: %w", err)
	}
	return w, nil
}

// ask asks for what every work needs and the flags don't give.
func (f *planFlags) ask(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	var components string
	questions := []struct {
		text  string
		into  *string
		given bool
	}{
		{"Components (ids, with commas)", &components, len(f.components) > 0},
		{"Start (2026-12-01 02:00)", &f.start, f.start != ""},
		{"End (2026-12-01 05:00)", &f.end, f.end != ""},
		{"Title for clients, in Russian", &f.titleRu, f.titleRu != ""},
		{"Title for clients, in English", &f.titleEn, f.titleEn != ""},
	}
	for _, q := range questions {
		if q.given {
			continue
		}
		if _, err := fmt.Fprintf(out, "%s: ", q.text); err != nil {
			return err
		}
		if !lines.Scan() {
			return usageError("%s: not answered", q.text)
		}
		*q.into = strings.TrimSpace(lines.Text())
	}
	for id := range strings.SplitSeq(components, ",") {
		if id = strings.TrimSpace(id); id != "" {
			f.components = append(f.components, id)
		}
	}
	return nil
}

// document is what the flags say, as a file would.
func (f *planFlags) document(inv *inventory.Inventory) maintenance.Document {
	d := maintenance.Document{
		ID: f.id, Impact: maintenance.Impact(f.impact), Start: f.start, End: f.end, TimeZone: f.zone, Owner: f.owner,
		Title: spoken(f.titleRu, f.titleEn), Text: spoken(f.textRu, f.textEn),
	}
	if len(f.notices) > 0 {
		d.Notices = maintenance.Notices{cmp.Or(d.Impact, maintenance.Outage): f.notices}
	}
	for _, given := range f.components {
		id, impact, _ := strings.Cut(strings.TrimSpace(given), "=")
		d.Components = append(d.Components, maintenance.Part{ID: id, Impact: maintenance.Impact(impact)})
	}
	if len(d.Components) == 0 {
		return d
	}
	first := d.Components[0].ID
	if c, ok := inv.Component(first); ok && d.TimeZone == "" {
		site, _ := inv.Site(c.Site)
		d.TimeZone = site.TimeZone
	}
	if d.ID == "" {
		day, _, _ := strings.Cut(strings.ReplaceAll(f.start, "T", " "), " ")
		d.ID = first + "-" + day
	}
	return d
}

// spoken are texts by language; none where nothing is said.
func spoken(ru, en string) map[string]string {
	out := map[string]string{}
	for lang, text := range map[inventory.Language]string{inventory.Russian: ru, inventory.English: en} {
		if text != "" {
			out[string(lang)] = text
		}
	}
	return out
}
