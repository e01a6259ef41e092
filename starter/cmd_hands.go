package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
	"vakhta/internal/store"
	"vakhta/workflows"
)

func newHandsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hands",
		Short: "Have people at a site look where no probe can decide",
		Args:  aCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newHandsListCommand(a), newHandsAskCommand(a), newHandsAnswerCommand(a))
	return cmd
}

// shownQuestion is what `hands list --json` prints.
type shownQuestion struct {
	incident.Question
	Text string `json:"text"`
}

func newHandsListCommand(a *app) *cobra.Command {
	var f store.QuestionFilter
	var all bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the questions that wait for an answer",
		Example: "  vakhta hands list\n  vakhta hands list --all --incident msk-r1-k01-sw-1",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.Open = !all
			cfg, err := a.loadConfig(false)
			if err != nil {
				return err
			}
			inv, err := loadInventory(cfg)
			if err != nil {
				return err
			}
			return a.withStore(cmd.Context(), func(st *store.Store) error {
				list, err := st.Questions(cmd.Context(), f)
				if err != nil {
					return unavailable("read the questions: %w", err)
				}
				shown := make([]shownQuestion, 0, len(list))
				for _, q := range list {
					shown = append(shown, shownQuestion{q, questionLine(inv, q)})
				}
				if a.json {
					return printJSON(cmd.OutOrStdout(), shown)
				}
				return printQuestions(cmd.OutOrStdout(), shown, time.Now())
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&all, "all", false, "those that are over, too")
	flags.StringVar(&f.Incident, "incident", "", "only those of this incident")
	flags.StringVar(&f.Site, "site", "", "only those of this site")
	flags.IntVar(&f.Limit, "limit", 50, "at most so many")
	return cmd
}

// questionLine says in one English line what to look at, where, and the question.
func questionLine(inv *inventory.Inventory, q incident.Question) string {
	w := message.Ask(inv, q.Component, q.Probe, q.Peer, inventory.English)
	return fmt.Sprintf("%s, %s: %s", w.What, w.Place, w.Text)
}

func printQuestions(out io.Writer, list []shownQuestion, now time.Time) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "no question waits for an answer")
		return err
	}
	t := newTable(out, "QUESTION", "STATE", "ASKED OF", "SINCE", "ANSWER", "WHAT TO LOOK AT")
	for _, q := range list {
		state := string(q.State)
		if left := q.Deadline.Sub(now).Round(time.Minute); q.State == incident.Asking && left > 0 {
			state = fmt.Sprintf("asking, %d min left", int(left.Minutes()))
		}
		answer := string(q.Answer)
		if answer != "" {
			answer += fmt.Sprintf(" by %s (%s) %s", q.AnsweredBy, q.Via, q.Note)
		}
		t.row(q.ID, state, cmp.Or(q.Team, "an engineer")+" at "+q.Site, local(q.AskedAt), answer, q.Text)
	}
	return t.flush()
}

func newHandsAskCommand(a *app) *cobra.Command {
	var in string
	var u workflows.AskHandsUpdate
	cmd := &cobra.Command{
		Use:   "ask --incident INCIDENT --component COMPONENT --probe PROBE [--peer COMPONENT]",
		Short: "Ask the support of a site to look at one thing",
		Long: `Ask the support of the component's site to look at one thing, for an incident.
Every question is put so that yes means that it works:

  power             is any lamp on it lit?
  psu --peer PDU    is the lamp of its power supply on that PDU lit?
  port --peer X     is the lamp of its port to X lit?
  outlet --peer X   is its outlet that feeds X on?
  feed              does its input have power?`,
		Example: "  vakhta hands ask --incident msk-r1-k01-sw-1 --component m1-0107 --probe psu --peer msk-r1-k01-pdu-b",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for flag, value := range map[string]string{"--incident": in, "--component": u.Component, "--probe": string(u.Probe)} {
				if _, err := nonEmpty(flag, value); err != nil {
					return err
				}
			}
			u.Act = a.act()
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				var state workflows.IncidentStatus
				if err := a.update(cmd.Context(), c, workflows.IncidentID(in), workflows.UpdateAskHands, u, &state); err != nil {
					return a.explain("incident "+in, err)
				}
				for _, s := range slices.Backward(state.Questions) {
					if q := s.Question; q.Component != u.Component || q.Probe != u.Probe || q.Peer != u.Peer {
						continue
					}
					if a.json {
						return printJSON(cmd.OutOrStdout(), s)
					}
					of := cmp.Or(s.Question.Team, "an engineer: site "+s.Question.Site+" has no support in the inventory")
					_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: asking %s: %s\n", s.Question.ID, of, s.Text)
					return err
				}
				return fmt.Errorf("incident %s does not list the question", in)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in, "incident", "", "for which incident (required)")
	flags.StringVar(&u.Component, "component", "", "what to look at (required)")
	flags.StringVar((*string)(&u.Probe), "probe", "", "power, psu, port, outlet, feed (required)")
	flags.StringVar(&u.Peer, "peer", "", "the component at the other end")
	return cmd
}

// update makes an update of a workflow and reads its answer.
func (a *app) update(ctx context.Context, c client.Client, id, name string, arg, out any) error {
	ctx, cancel := context.WithTimeout(ctx, updateWithin)
	defer cancel()
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: name, Args: []any{arg}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return err
	}
	return handle.Get(ctx, out)
}

func newHandsAnswerCommand(a *app) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:   "answer QUESTION|CODE yes|no|cant-tell",
		Short: "Record what somebody saw on site",
		Long: `Record the answer to a question: by its id, with --by saying who looked; or by
the six characters of the message that the person was sent, if he called the desk.
The first answer counts.`,
		Example: `  vakhta hands answer msk-r1-k01-sw-1/1 no --by petrov --note "the whole rack is dark"
  vakhta hands answer 7KQ2MD yes`,
		Args: exactArgs(2, "QUESTION", "yes|no|cant-tell"),
		RunE: func(cmd *cobra.Command, args []string) error {
			u := workflows.AnswerUpdate{Act: a.act(), Answer: incident.Answer(strings.ToLower(args[1])), Note: note}
			if !slices.Contains(incident.Answers, u.Answer) {
				return usageError("%q is no answer: say yes, no or cant-tell", args[1])
			}
			id := args[0]
			if _, isCode := ledger.NormalizeAckCode(id); isCode {
				var err error
				if id, u.Act, err = a.questionOfCode(cmd.Context(), id); err != nil {
					return err
				}
			}
			q, err := a.answerQuestion(cmd.Context(), id, u)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(cmd.OutOrStdout(), q)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, by %s (%s)\n", q.ID, q.Answer, q.AnsweredBy, q.Via)
			return err
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "what else was seen")
	return cmd
}

// questionOfCode finds the question that the message with this code asks, and
// whose message it was: who says the code to the desk is the one who looked.
func (a *app) questionOfCode(ctx context.Context, code string) (id string, act workflows.Act, err error) {
	err = a.withStore(ctx, func(st *store.Store) error {
		n, _, err := st.Acknowledge(ctx, code, "desk", time.Now().UTC())
		if errors.Is(err, store.ErrNotFound) {
			return notFound("no message has the code %q; ask again, letter by letter", code)
		}
		if err != nil {
			return err
		}
		var asks bool
		if id, asks = incident.QuestionOf(n.Subject, n.Step); !asks {
			return refused("the message with the code %q asks nothing; `vakhta ack %s` acknowledges it", code, code)
		}
		act = workflows.Act{By: n.Contact, Via: "desk"}
		return nil
	})
	return id, act, err
}

func (a *app) answerQuestion(ctx context.Context, id string, u workflows.AnswerUpdate) (incident.Question, error) {
	in, n, ok := incident.ParseQuestionID(id)
	if !ok {
		return incident.Question{}, usageError("%q is no question; see `vakhta hands list`", id)
	}
	var state workflows.HandsStatus
	err := a.withTemporal(ctx, func(c client.Client) error {
		return a.explain("question "+id, a.update(ctx, c, workflows.HandsID(in, n), workflows.UpdateAnswer, u, &state))
	})
	if code := exitCode(err); err == nil || a.configPath == "" || code != exitNotFound && code != exitRefused {
		return state.Question, err
	}
	// Its workflow is over: the store knows how it ended.
	return state.Question, a.withStore(ctx, func(st *store.Store) error {
		q, readErr := st.Question(ctx, id)
		switch {
		case readErr != nil || q.Open():
			return err
		case q.Answer != "":
			return refused("question %s was answered already: %s, by %s (%s)", id, q.Answer, q.AnsweredBy, q.Via)
		}
		return refused("question %s is no longer asked: %s", id, q.State)
	})
}
