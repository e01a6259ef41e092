package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vakhta/internal/htpasswd"
)

func newPagesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pages",
		Short: "Who may see and act on the engineers' pages",
		Args:  aCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "password NAME",
		Short: "Make somebody's line of the file that pagesPeople names",
		Long: `Make somebody's line of the file that pagesPeople names. NAME is a member's id: it
is what the timeline calls him, and whose role is asked. The password is asked
for, or read from the standard input. ` + "`htpasswd -B`" + ` makes such lines, too.`,
		Example: "  vakhta pages password ivan >> people.htpasswd",
		Args:    exactArgs(1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := readPassword(cmd.InOrStdin(), cmd.ErrOrStderr(), args[0])
			if err != nil {
				return err
			}
			line, err := htpasswd.Line(args[0], password)
			if err != nil {
				return refused("%w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), line)
			return err
		},
	})
	return cmd
}

// readPassword asks at a terminal, twice and unseen; of anything else it is the first line.
func readPassword(in io.Reader, say io.Writer, name string) (string, error) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	var given [2]string
	for i, word := range []string{"Password of " + name, "Once more"} {
		fmt.Fprintf(say, "%s: ", word)
		text, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(say)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		given[i] = string(text)
	}
	if given[0] != given[1] {
		return "", refused("the two are not the same; begin again")
	}
	return given[0], nil
}
