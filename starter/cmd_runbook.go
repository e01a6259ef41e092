package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vakhta/internal/config"
	"vakhta/internal/message"
	"vakhta/runbooks"
	"vakhta/runbooks/messages"
)

func newRunbookCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runbook",
		Short: "List, show and check the runbooks",
		Long: `List, show and check the runbooks: those of the configuration's runbooks.dir,
else those that come with Vakhta. A running incident keeps the text that it
started with, whatever is edited.`,
		Args: aCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRunbookListCommand(a), newRunbookShowCommand(a), newRunbookLintCommand(a), newRunbookSchemaCommand(a))
	return cmd
}

// shelf is where the runbooks stand, and what is around them.
type shelf struct {
	files   fs.FS
	dir     string // empty: built in
	around  runbooks.Surroundings
	checked string // what of the surroundings is known, for people
}

// shelf opens the configured runbooks; without a configuration the built-in
// ones, whose teams nobody can check.
func (a *app) shelf() (shelf, error) {
	render, err := message.New(messages.FS())
	if err != nil {
		return shelf{}, fmt.Errorf("load messages: %w", err)
	}
	s := shelf{files: runbooks.Builtin(), around: runbooks.Surroundings{Events: render.Events()}}
	s.checked = "teams not checked: give --config"
	if a.configPath == "" {
		return s, nil
	}
	var cfg config.Config
	if cfg, err = a.loadConfig(false); err != nil {
		return shelf{}, err
	}
	if s.around.Inventory, err = loadInventory(cfg); err != nil {
		return shelf{}, err
	}
	s.around.Inputs, s.checked = cfg.Runbooks.Inputs, "teams and events checked"
	if s.dir = cfg.Runbooks.Dir; s.dir != "" {
		s.files = os.DirFS(s.dir)
	}
	return s, nil
}

func (s shelf) load() (*runbooks.Library, error) {
	l, err := runbooks.Load(s.files, s.around.Inputs)
	if err != nil {
		return nil, refused("%w\nsee `vakhta runbook lint`", err)
	}
	return l, nil
}

func newRunbookListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the runbooks",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.shelf()
			if err != nil {
				return err
			}
			l, err := s.load()
			if err != nil {
				return err
			}
			list := []*runbooks.Runbook{}
			for _, name := range l.Names() {
				rb, err := l.Get(name)
				if err != nil {
					return err
				}
				list = append(list, rb)
			}
			if a.json {
				return printJSON(cmd.OutOrStdout(), list)
			}
			t := newTable(cmd.OutOrStdout(), "RUNBOOK", "STEPS", "REVISION", "TITLE", "ON")
			for _, rb := range list {
				t.row(rb.Name, fmt.Sprint(len(rb.Steps)), rb.Revision[:12], rb.Title, rb.On)
			}
			return t.flush()
		},
	}
}

func newRunbookShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "Show a runbook as it would run: inputs, steps, what waits for what",
		Example: "  vakhta runbook show server-down",
		Args:    exactArgs(1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.shelf()
			if err != nil {
				return err
			}
			l, err := s.load()
			if err != nil {
				return err
			}
			rb, err := l.Get(args[0])
			if err != nil {
				return notFound("%w", err)
			}
			if a.json {
				return printJSON(cmd.OutOrStdout(), rb)
			}
			return printRunbook(cmd.OutOrStdout(), rb)
		},
	}
}

func printRunbook(out io.Writer, rb *runbooks.Runbook) error {
	fmt.Fprintf(out, "%s  %s\nrevision %.12s, may be reopened within %s\non: %s\n\n", rb.Name, rb.Title, rb.Revision, rb.Reopen.Std(), cmp.Or(rb.On, "never by itself"))
	if len(rb.Inputs) > 0 {
		t := newTable(out, "INPUT", "VALUE")
		for _, name := range sortedNames(rb.Inputs) {
			t.row(name, fmt.Sprint(rb.Inputs[name]))
		}
		if err := t.flush(); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	t := newTable(out, "STEP", "KIND", "NEEDS", "IF", "TITLE")
	for _, s := range rb.Steps {
		t.row(s.ID, s.Kind(), strings.Join(s.Needs, ", "), s.If, s.Title)
	}
	return t.flush()
}

func newRunbookSchemaCommand(_ *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a runbook, for editors",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(runbooks.Schema())
			return err
		},
	}
}

func newRunbookLintCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "lint [FILE...]",
		Short: "Check runbooks; problems are file:line:column",
		Long: `Check runbooks: the named files, else the configuration's, else those that come
with Vakhta. With --config the teams are checked against the inventory and the
inputs replaced as in earnest. Problems end with exit code 4; warnings don't.`,
		Example: "  vakhta runbook lint my-runbooks/*.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.shelf()
			if err != nil {
				return err
			}
			docs, err := s.documents(args)
			if err != nil {
				return err
			}
			return a.lintRunbooks(cmd.OutOrStdout(), s, docs)
		},
	}
}

// runbookText is one file to lint.
type runbookText struct {
	name string
	text []byte
}

// documents reads the named files, else all on the shelf.
func (s shelf) documents(files []string) ([]runbookText, error) {
	var docs []runbookText
	for _, f := range files {
		text, err := os.ReadFile(f)
		if errors.Is(err, os.ErrNotExist) {
			return nil, notFound("%w", err)
		}
		if err != nil {
			return nil, fmt.Errorf("read runbook: %w", err)
		}
		docs = append(docs, runbookText{f, text})
	}
	if len(files) > 0 {
		return docs, nil
	}
	names, err := fs.Glob(s.files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list runbooks: %w", err)
	}
	if len(names) == 0 {
		return nil, notFound("there is no runbook: %s holds no *.yaml", s.dir)
	}
	for _, name := range names {
		text, err := fs.ReadFile(s.files, name)
		if err != nil {
			return nil, fmt.Errorf("read runbook: %w", err)
		}
		docs = append(docs, runbookText{filepath.Join(s.dir, name), text})
	}
	return docs, nil
}

func (a *app) lintRunbooks(out io.Writer, s shelf, docs []runbookText) error {
	all := []runbooks.Problem{}
	for _, d := range docs {
		found := runbooks.Lint(d.name, d.text, s.around)
		all = append(all, found...)
		if a.json {
			continue
		}
		for _, p := range found {
			printProblem(out, p, d.text)
		}
	}
	warnings := len(slices.DeleteFunc(slices.Clone(all), func(p runbooks.Problem) bool { return !p.Warning }))
	if a.json {
		if err := printJSON(out, map[string]any{"problems": all}); err != nil {
			return err
		}
	}
	if wrong := len(all) - warnings; wrong > 0 {
		return refused("%s, %s in %s", count(wrong, "problem"), count(warnings, "warning"), count(len(docs), "runbook"))
	}
	if a.json {
		return nil
	}
	_, err := fmt.Fprintf(out, "in order: %s, %s (%s)\n", count(len(docs), "runbook"), count(warnings, "warning"), s.checked)
	return err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// printProblem shows a problem as compilers do: its place, the line, and a caret.
func printProblem(out io.Writer, p runbooks.Problem, text []byte) {
	level := ""
	if p.Warning {
		level = "warning: "
	}
	fmt.Fprintf(out, "%s:%d:%d: %s%s\n", p.File, p.Line, p.Column, level, p.Text)
	lines := strings.Split(string(text), "\n")
	if p.Line > len(lines) {
		return
	}
	line := strings.TrimRight(lines[p.Line-1], "\r")
	if strings.TrimSpace(line) == "" {
		return
	}
	// Tabs stay tabs in the caret's line, so that it stands below its column.
	indent := []rune(line)[:min(max(p.Column-1, 0), len([]rune(line)))]
	for i, r := range indent {
		if r != '\t' {
			indent[i] = ' '
		}
	}
	fmt.Fprintf(out, "%6d | %s\n       | %s^\n", p.Line, line, string(indent))
}
