// Command vakhta is the watch's front door: the command line of engineers and
// the gateway (vakhta serve) that takes reports, alerts and the providers'
// callbacks and shows the pages. It decides nothing itself: it authenticates,
// validates, persists, answers, and hands over to the workflows.
//
// Files are named after what they serve: gateway*.go the HTTP side, cmd_*.go a
// command each. Every command is a func newXCommand added to newRootCommand.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil {
		fmt.Fprintln(errOut, "interrupted")
		return exitFailure
	}
	fmt.Fprintln(errOut, "vakhta: "+err.Error())
	return exitCode(err)
}

const rootLong = `Vakhta (вахта, the watch) is an incident runbook engine for hosting providers.

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  not found
  4  refused: the input or the state does not allow it
  5  unavailable: Temporal, the store or the gateway is away

Environment:
  VAKHTA_CONFIG      configuration file (--config)
  VAKHTA_USER        who you are, on the timeline (--by)
  VAKHTA_GATEWAY     gateway URL that reports are posted to (--gateway)
  TEMPORAL_ADDRESS   and all others of the Temporal SDK: TEMPORAL_NAMESPACE,
                     TEMPORAL_PROFILE, TEMPORAL_API_KEY, TEMPORAL_TLS_…`

func newRootCommand() *cobra.Command {
	a := &app{}
	root := &cobra.Command{
		Use:           "vakhta",
		Short:         "The watch: incident runbooks for hosting providers",
		Long:          rootLong,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          aCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if args := cmd.Flags().Args(); cmd.HasSubCommands() && len(args) > 0 {
			return aCommand(cmd, args) // "localise --client acme": the flag is known, the command isn't
		}
		return usageError("%w; see %s --help", err, cmd.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.configPath, "config", os.Getenv("VAKHTA_CONFIG"), "configuration file (VAKHTA_CONFIG)")
	flags.StringVar(&a.address, "address", "", "Temporal's address, instead of the environment's")
	flags.StringVar(&a.namespace, "namespace", "", "Temporal's namespace, instead of the environment's")
	flags.BoolVar(&a.json, "json", false, "print JSON for machines")
	flags.StringVar(&a.by, "by", "", "who you are, on the timeline (VAKHTA_USER, else the system's user)")

	root.AddCommand(
		newServeCommand(a),
		newMigrateCommand(a),
		newReportCommand(a),
		newLocalizeCommand(a),
		newSweepCommand(a),
		newIncidentCommand(a),
		newHandsCommand(a),
		newOncallCommand(a),
		newPostmortemCommand(a),
		newMaintenanceCommand(a),
		newAckCommand(a),
		newNotificationsCommand(a),
		newBroadcastCommand(a),
		newMessageCommand(a),
		newContactCommand(a),
		newResealCommand(a),
		newInventoryCommand(a),
		newRunbookCommand(a),
		newDemoCommand(),
		newDevCommand(),
		newPagesCommand(),
		newVersionCommand(a),
	)
	return root
}

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.json {
				return printJSON(cmd.OutOrStdout(), map[string]string{"version": version})
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "vakhta "+version)
			return err
		},
	}
}
