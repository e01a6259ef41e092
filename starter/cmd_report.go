package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"vakhta/internal/incident"
	"vakhta/internal/store"
	"vakhta/workflows"
)

func newReportCommand(a *app) *cobra.Command {
	var req reportRequest
	var gateway string
	var wait bool
	cmd := &cobra.Command{
		Use:   "report",
		Short: `Take a client's "it's down"`,
		Long: `Take a client's "it's down". With --gateway (VAKHTA_GATEWAY) the report is
posted there, with the token in VAKHTA_INTAKE_TOKEN; else it is stored by
--config and its workflow is started here.`,
		Example: `  vakhta report --client romashka --text "у меня лежит сервер" --wait`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if field, wrong := req.validate(); field != "" {
				return usageError("--%s: %s", field, wrong)
			}
			ctx := cmd.Context()
			if gateway != "" {
				return a.reportByGateway(ctx, cmd.OutOrStdout(), gateway, req, wait)
			}
			return a.reportDirectly(ctx, cmd.OutOrStdout(), req, wait)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Client, "client", "", "the client's id")
	flags.StringVar(&req.From, "from", "", "the sender's address, where the client is not known")
	flags.StringVar(&req.Channel, "channel", "phone", "how it came: "+strings.Join(reportChannels, ", "))
	flags.StringVar(&req.Text, "text", "", "the client's own words")
	flags.StringVar(&gateway, "gateway", os.Getenv("VAKHTA_GATEWAY"), "gateway URL (VAKHTA_GATEWAY)")
	flags.BoolVar(&wait, "wait", false, "wait for the answer")
	return cmd
}

// reportDirectly stores a report and starts its workflow without a gateway.
func (a *app) reportDirectly(ctx context.Context, out io.Writer, req reportRequest, wait bool) error {
	report := incident.Report{
		ID: newID("r"), Channel: req.Channel, From: req.From, Client: req.Client, Text: req.Text, ReceivedAt: time.Now().UTC(),
	}
	return a.withTemporal(ctx, func(c client.Client) error {
		err := a.withStore(ctx, func(st *store.Store) error {
			_, err := st.PutReport(ctx, report)
			return err
		})
		if err != nil {
			return fmt.Errorf("store the report: %w", err)
		}
		if err := startReport(ctx, c, report); err != nil {
			return a.explain("report "+report.ID, err)
		}
		taken := reportTaken{Report: report.ID, Workflow: workflows.ReportID(report.ID)}
		return a.finishReport(ctx, out, taken, wait, func(ctx context.Context) (answer workflows.ReportAnswer, err error) {
			value, err := c.QueryWorkflow(ctx, taken.Workflow, "", workflows.QueryAnswer)
			if err != nil {
				return answer, a.explain("report "+report.ID, err)
			}
			err = value.Get(&answer)
			return answer, err
		})
	})
}

// reportByGateway posts a report; a lost answer may be asked for again with
// the same key.
func (a *app) reportByGateway(ctx context.Context, out io.Writer, gateway string, req reportRequest, wait bool) error {
	body, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	base := strings.TrimRight(gateway, "/")
	var taken reportTaken
	if err := callGateway(ctx, http.MethodPost, base+"/v1/reports", body, newID(""), &taken); err != nil {
		return err
	}
	return a.finishReport(ctx, out, taken, wait, func(ctx context.Context) (answer workflows.ReportAnswer, err error) {
		err = callGateway(ctx, http.MethodGet, base+"/v1/reports/"+taken.Report, nil, "", &answer)
		return answer, err
	})
}

// callGateway makes one authenticated call and reads its JSON answer.
func callGateway(ctx context.Context, method, url string, body []byte, key string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, updateWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return usageError("--gateway: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+os.Getenv("VAKHTA_INTAKE_TOKEN"))
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return unavailable("the gateway does not answer: %w; is `vakhta serve` running there?", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return unavailable("the gateway's answer was cut off: %w", err)
	}
	if resp.StatusCode < 300 {
		if err := json.Unmarshal(answer, into); err != nil {
			return fmt.Errorf("read the gateway's answer: %w", err)
		}
		return nil
	}
	var said problem
	if json.Unmarshal(answer, &said) != nil || said.Error == "" {
		said.Error = resp.Status
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return refused("the gateway refuses the token: set VAKHTA_INTAKE_TOKEN")
	case resp.StatusCode == http.StatusNotFound:
		return notFound("%s", said.Error)
	case resp.StatusCode >= 500:
		return unavailable("the gateway: %s", said.Error)
	default:
		return refused("the gateway: %s", said.Error)
	}
}

const answerEvery = 300 * time.Millisecond

// finishReport prints what was taken and, if asked to, waits for the answer.
func (a *app) finishReport(ctx context.Context, out io.Writer, taken reportTaken, wait bool, ask func(context.Context) (workflows.ReportAnswer, error)) error {
	if !wait {
		if a.json {
			return printJSON(out, taken)
		}
		_, err := fmt.Fprintf(out, "report %s taken (workflow %s)\n", taken.Report, taken.Workflow)
		return err
	}
	ticker := time.NewTicker(answerEvery)
	defer ticker.Stop()
	for {
		answer, err := ask(ctx)
		if err != nil && exitCode(err) != exitUnavailable {
			return err
		}
		if err == nil && answer.Stage == "answered" {
			if a.json {
				return printJSON(out, answer)
			}
			return printAnswer(out, answer)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func printAnswer(out io.Writer, a workflows.ReportAnswer) error {
	fmt.Fprintf(out, "report %s: %s\n", a.Report, a.Kind)
	if a.Summary != "" {
		fmt.Fprintln(out, "  "+a.Summary)
	}
	if a.Work != "" {
		fmt.Fprintln(out, "  planned work: "+a.Work)
	}
	for _, id := range a.Incident {
		fmt.Fprintln(out, "  incident: "+id+" (vakhta incident show "+id+")")
	}
	return nil
}
