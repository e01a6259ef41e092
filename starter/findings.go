package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/store"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

// configured is the configuration's inventory; nil where there is none.
func (a *app) configured() *inventory.Inventory {
	if a.configPath == "" {
		return nil
	}
	cfg, err := a.loadConfig(false)
	if err != nil {
		return nil
	}
	inv, err := loadInventory(cfg)
	if err != nil {
		return nil
	}
	return inv
}

const idsShown = 10

// page writes for people: wrapped and coloured where that is a terminal.
type page struct {
	out io.Writer
	*progress
}

// item writes text after a mark; lines that follow stand under the text.
func (p page) item(mark, under, text string, st style) {
	lines := []string{text}
	if p.tty {
		lines = wrap(text, max(20, p.width()-len([]rune(mark))-1))
	}
	for i, l := range lines {
		if i > 0 {
			mark = under
		}
		if p.colour && st != stylePlain {
			l = "\x1b[" + string(st) + "m" + l + "\x1b[0m"
		}
		fmt.Fprintln(p.out, mark+l)
	}
}

// printFindings draws findings as a tree: the sentence, then its evidence.
func printFindings(out io.Writer, r workflows.LocalizeResult, inv *inventory.Inventory, lang inventory.Language) error {
	page := page{out, newProgress(out)}
	s := r.Progress
	page.item("", "", fmt.Sprintf("%d of %d machines checked, %d down", max(0, s.Total-s.Unknown()), s.Total, s.Down), stylePlain)
	for _, v := range s.Absent {
		page.item("! ", "  ", fmt.Sprintf("no answer from vantage %s: what only it sees is not judged; see that `vakhta-worker --roles probe --vantage %s` runs there", v, v), styleFact)
	}
	page.unknown(s)
	for _, text := range r.Troubles {
		page.item("! ", "  ", text, styleFact)
	}
	unwell := page.notices(r.Notices)
	for _, v := range r.Blind {
		text := "vantage " + v + " sees nothing of what others see: what it says doesn't count"
		if inv != nil {
			text = topology.DescribeBlind(inv, v, lang)
		}
		page.item("! ", "  ", text, styleFact)
	}
	if len(r.Findings) == 0 && len(r.Unexplained) == 0 {
		page.nothing(s, unwell)
		return nil
	}
	for i := range r.Findings {
		page.finding(&r.Findings[i], inv, lang)
	}
	if n := max(r.UnexplainedCount, len(r.Unexplained)); n > 0 {
		fmt.Fprintln(out)
		page.item("? ", "  ", fmt.Sprintf("%d down that nothing explains: %s", n, someOf(r.Unexplained, n)), styleFact)
	}
	return nil
}

// unknown says of which machines nobody can say how they are, and what to do about it.
func (p page) unknown(s workflows.LocalizeProgress) {
	for _, site := range s.Sites {
		if site.Unknown > 0 {
			p.item("? ", "  ", fmt.Sprintf("%s: of %d of %d machines no probe could tell how they are", site.Site, site.Unknown, site.Total), styleFact)
		}
	}
	if n := s.Total - s.Checked; n > 0 {
		p.item("? ", "  ", fmt.Sprintf("%d of %d machines can't be asked: the inventory gives them no address and nothing to ask (`probe`)", n, s.Total), styleFact)
	}
}

// notices tells of services, and whether one of them fails.
func (p page) notices(ns []records.Notice) (unwell bool) {
	for _, n := range ns {
		if n.Unwell {
			unwell = true
			p.item("! ", "  ", fmt.Sprintf("%s answers, but not as it should by %s: %s", n.Component, strings.ToUpper(string(n.Probe)), n.Text), styleBad)
			continue
		}
		p.item("! ", "  ", fmt.Sprintf("%s: %s: %s", n.Component, strings.ToUpper(string(n.Probe)), n.Text), styleFact)
	}
	return unwell
}

// nothing says what it means that nothing was found: that all is well only where that was seen.
func (p page) nothing(s workflows.LocalizeProgress, unwell bool) {
	switch {
	case unwell && s.Unknown() < s.Total:
		p.item("", "", "no machine and no equipment has failed that a probe can see: look at these services", styleFact)
	case s.Total == 0:
		p.item("", "", "nothing was looked at: the inventory has no machine there", styleFact)
	case s.Unknown() == s.Total:
		p.item("", "", "nobody could look, so nothing is known: not that all is well", styleBad)
	case s.Unknown() > 0:
		p.item("", "", "of the others, nothing is wrong that a probe can see", styleFact)
	case s.WasSo > 0:
		p.item("", "", fmt.Sprintf("no news: %d were down before, or are under planned work", s.WasSo), styleGood)
	default:
		p.item("", "", "nothing is wrong that a probe can see", styleGood)
	}
}

func (p page) finding(f *topology.Finding, inv *inventory.Inventory, lang inventory.Language) {
	text := strings.TrimSpace(fmt.Sprintf("%s %s has failed %s", f.Kind, f.Component, f.Mode))
	if inv != nil {
		text = topology.Sentence(inv, *f, lang)
	}
	fmt.Fprintln(p.out)
	p.item("● ", "  ", text, styleBad)
	leaves := []string{fmt.Sprintf("component %s (%s), confidence %d%%, log-odds %.1f", f.Component, f.Kind, topology.Percent(f.Itself()), math.RoundToEven(10*f.LogOdds)/10+0)} // and no "-0.0"
	for _, e := range f.Evidence {
		leaves = append(leaves, e.Text)
	}
	if len(f.Explains) > 0 {
		leaves = append(leaves, fmt.Sprintf("explains %d: %s", f.Impact(), someOf(f.Explains, f.Impact())))
	}
	if len(f.Contradicts) > 0 {
		leaves = append(leaves, fmt.Sprintf("contradicted by %d up: %s", f.Against(), someOf(f.Contradicts, f.Against())))
	}
	if len(f.AmbiguousWith) > 0 {
		leaves = append(leaves, fmt.Sprintf("can't be told from %s; one of these with confidence %d%%", rivalsOf(f), topology.Percent(f.Confidence)))
	}
	for i, leaf := range leaves {
		branch, under := "  ├─ ", "  │  "
		if i == len(leaves)-1 {
			branch, under = "  └─ ", "     "
		}
		p.item(branch, under, leaf, stylePlain)
	}
}

// rivalsOf names what may have failed in place of the finding, what failed together in one.
func rivalsOf(f *topology.Finding) string {
	names := make([]string, 0, len(f.Alternatives))
	for _, a := range f.Alternatives {
		names = append(names, fmt.Sprintf("%s (%d%%)", strings.Join(a.Components, " + "), topology.Percent(a.Probability)))
	}
	if len(names) == 0 {
		names = f.AmbiguousWith
	}
	return someOf(names, len(names))
}

// someOf names the first of so many, of which ids may be only some.
func someOf(ids []string, of int) string {
	if of <= idsShown {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(ids[:idsShown], ", "), of-idsShown)
}

// explainSweep infers once more from a sweep's stored observations, for the score table.
func (a *app) explainSweep(ctx context.Context, w io.Writer, sweep string) error {
	cfg, err := a.loadConfig(false)
	if err != nil {
		return err
	}
	inv, err := loadInventory(cfg)
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(st *store.Store) error {
		obs, err := st.Observations(ctx, sweep)
		if err != nil {
			return unavailable("read the observations of sweep %s: %w", sweep, err)
		}
		g := topology.New(inv)
		if obs, err = records.News(ctx, st, inv, g, time.Now(), obs); err != nil {
			return unavailable("read what was so before: %w", err)
		}
		inf, err := records.InferAgain(ctx, st, g, sweep, obs)
		if err != nil {
			return unavailable("%w", err)
		}
		return printScores(w, inf)
	})
}

// printScores shows what each finding weighs, from what, and against which
// other explanations. All are natural logs.
func printScores(w io.Writer, inf topology.Inference) error {
	if len(inf.Findings) == 0 {
		fmt.Fprintln(w, "nothing is found that could be weighed")
		return nil
	}
	t := newTable(w, "COMPONENT", "KIND", "MODE", "SURE", "LOG-ODDS", "PRIOR", "+ SERVERS", "+ EQUIPMENT", "+ LATELY", "= SCORE", "EXPLAINS", "AGAINST")
	for i, f := range inf.Findings {
		s := inf.Scores[i]
		t.row(f.Component, string(f.Kind), string(f.Mode), fmt.Sprintf("%.4f", f.Confidence), fmt.Sprintf("%.2f", f.LogOdds),
			fmt.Sprintf("%.2f", s.Prior), fmt.Sprintf("%+.2f", s.Servers), fmt.Sprintf("%+.2f", s.Equipment), fmt.Sprintf("%+.2f", s.Lately),
			fmt.Sprintf("%.2f", s.Prior+s.Servers+s.Equipment+s.Lately), fmt.Sprint(len(f.Explains)), fmt.Sprint(len(f.Contradicts)))
	}
	if err := t.flush(); err != nil {
		return fmt.Errorf("print the score table: %w", err)
	}
	for _, s := range inf.Scores {
		if s.Lately < 0 {
			fmt.Fprintf(w, "LATELY: %s answered a short while ago, and that it has failed since is %.0f times rarer\n", s.Component, math.Exp(-s.Lately))
		}
	}
	fmt.Fprintln(w)
	t = newTable(w, "WITHOUT", "THERE WOULD BE", "DIFFERENCE", "SHARE")
	for i, f := range inf.Findings {
		for _, rival := range inf.Scores[i].Rivals {
			instead := "nothing: chance, and faults of the machines themselves"
			if len(rival.Instead) > 0 {
				instead = someOf(rival.Instead, len(rival.Instead))
			}
			t.row(f.Component, instead, fmt.Sprintf("%.2f", rival.Delta), shareOf(rival.Delta))
		}
	}
	if err := t.flush(); err != nil {
		return fmt.Errorf("print the score table: %w", err)
	}
	fmt.Fprintln(w)
	return nil
}

// shareOf is the weight of a rival beside the best explanation.
func shareOf(delta float64) string {
	if share := math.Exp(delta); share >= .0001 {
		return fmt.Sprintf("%.4f", share)
	}
	return "< 0.0001"
}

// wholeResult completes a result whose lists were too long for its history from
// the store. Without a configuration it stays brief, and says so.
func (a *app) wholeResult(ctx context.Context, r workflows.LocalizeResult, say io.Writer) (workflows.LocalizeResult, error) {
	if !r.Cut() {
		return r, nil
	}
	if a.configPath == "" {
		fmt.Fprintln(say, "vakhta: long lists of machines are cut; give --config to have them read from the store")
		return r, nil
	}
	return r, a.withStore(ctx, func(st *store.Store) error {
		found, err := st.Found(ctx, r.Sweep)
		if err != nil {
			return unavailable("read the findings of sweep %s whole: %w", r.Sweep, err)
		}
		for i, f := range r.Findings {
			if f.Cut() {
				r.Findings[i], _ = found.Whole(f)
			}
		}
		if r.UnexplainedCount > 0 {
			r.Unexplained, r.UnexplainedCount = found.Unexplained, 0
		}
		return nil
	})
}
