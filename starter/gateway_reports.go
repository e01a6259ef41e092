package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"vakhta/internal/incident"
	"vakhta/workflows"
)

// reportRequest is the body of POST /v1/reports.
type reportRequest struct {
	Channel string `json:"channel"` // telegram, email, phone, web, api; default api
	From    string `json:"from"`    // the sender's address at that channel
	Client  string `json:"client"`  // if the intake knows it
	Text    string `json:"text"`    // the client's own words
}

// reportTaken is the answer to it.
type reportTaken struct {
	Report   string `json:"report"`
	Workflow string `json:"workflow"`
	URL      string `json:"url"` // where the answer will be
}

var reportChannels = []string{"telegram", "whatsapp", "email", "phone", "web", "api"}

const (
	maxReportText = 10_000 // characters
	maxFrom       = 320
	maxID         = 128
)

// validate returns the first wrong field and what is wrong with it.
func (r *reportRequest) validate() (field, wrong string) {
	if r.Channel == "" {
		r.Channel = "api"
	}
	r.Text = strings.TrimSpace(r.Text)
	switch {
	case !slices.Contains(reportChannels, r.Channel):
		return "channel", "unknown; use one of " + strings.Join(reportChannels, ", ")
	case r.Text == "":
		return "text", "empty; write what the client says"
	case !utf8.ValidString(r.Text):
		return "text", "not UTF-8"
	case utf8.RuneCountInString(r.Text) > maxReportText:
		return "text", fmt.Sprintf("more than %d characters", maxReportText)
	case len(r.From) > maxFrom:
		return "from", fmt.Sprintf("more than %d bytes", maxFrom)
	case len(r.Client) > maxID:
		return "client", fmt.Sprintf("more than %d bytes", maxID)
	case r.From == "" && r.Client == "":
		return "from", "empty; without it or client nobody can be answered"
	}
	return "", ""
}

// takeReport takes a client's report: persisted first, then its workflow is
// started, then it is answered. An Idempotency-Key makes repeats one report.
func (g *gateway) takeReport(w http.ResponseWriter, r *http.Request, body []byte) {
	var req reportRequest
	if err := decodeJSON(body, &req, true); err != nil {
		writeError(w, http.StatusBadRequest, "body: "+err.Error())
		return
	}
	if field, wrong := req.validate(); field != "" {
		writeFieldError(w, field, wrong)
		return
	}
	id := newID("r")
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		id = derivedID("r", "idempotency-key", key)
	}
	report := incident.Report{
		ID: id, Channel: req.Channel, From: req.From, Client: req.Client, Text: req.Text, ReceivedAt: g.now().UTC(),
	}
	err := g.acceptReport(r.Context(), report)
	if errors.Is(err, errOtherReport) {
		writeJSON(w, http.StatusUnprocessableEntity, problem{
			Error: "Idempotency-Key: was used for a different report; use a new one", Field: "Idempotency-Key",
		})
		return
	}
	if err != nil {
		g.log.Error().Err(err).Str("report", id).Msg("report not taken")
		writeError(w, http.StatusServiceUnavailable, "the report could not be taken; send it again with the same Idempotency-Key")
		return
	}
	writeJSON(w, http.StatusAccepted, reportTaken{
		Report: id, Workflow: workflows.ReportID(id), URL: g.cfg.PublicURL + "/v1/reports/" + id,
	})
}

// errOtherReport: a report of that id, with other content, is stored already.
var errOtherReport = errors.New("another report has this id")

// acceptReport stores a report and starts its workflow. Both are idempotent:
// whoever got no answer may come again.
func (g *gateway) acceptReport(ctx context.Context, report incident.Report) error {
	created, err := g.deps.Store.PutReport(ctx, report)
	if err != nil {
		return fmt.Errorf("store report %s: %w", report.ID, err)
	}
	if created {
		g.metrics.reports.WithLabelValues(report.Channel).Inc()
	} else {
		stored, err := g.deps.Store.Report(ctx, report.ID)
		if err != nil {
			return fmt.Errorf("load report %s: %w", report.ID, err)
		}
		if stored.Text != report.Text || stored.Channel != report.Channel {
			return errOtherReport
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	return startReport(ctx, g.deps.Flows, report)
}

// startReport starts the workflow of a stored report, once.
func startReport(ctx context.Context, f flows, report incident.Report) error {
	options := client.StartWorkflowOptions{
		ID:                       workflows.ReportID(report.ID),
		TaskQueue:                workflows.QueueRunbooks,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "Report by " + report.Channel,
		Priority:                 temporal.Priority{PriorityKey: 1},
	}
	if report.Client != "" {
		options.StaticSummary = "Report of " + report.Client + " by " + report.Channel
		options.TypedSearchAttributes = temporal.NewSearchAttributes(workflows.AttrClient.ValueSet(report.Client))
	}
	_, err := f.ExecuteWorkflow(ctx, options, workflows.TypeClientReport, workflows.ClientReportInput{Report: report.ID})
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	if err != nil && !errors.As(err, &started) {
		return fmt.Errorf("start workflow %s: %w", options.ID, err)
	}
	return nil
}

// answerReport tells what a report came to, so far.
func (g *gateway) answerReport(w http.ResponseWriter, r *http.Request, _ []byte) {
	id := r.PathValue("id")
	value, err := g.deps.Flows.QueryWorkflow(r.Context(), workflows.ReportID(id), "", workflows.QueryAnswer)
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		writeError(w, http.StatusNotFound, "no such report; it is unknown, or older than Temporal remembers")
		return
	case err != nil:
		g.log.Warn().Err(err).Str("report", id).Msg("report not answered")
		writeError(w, http.StatusServiceUnavailable, "the report's workflow does not answer now; ask again")
		return
	}
	var answer workflows.ReportAnswer
	if err := value.Get(&answer); err != nil {
		g.log.Error().Err(err).Str("report", id).Msg("answer not understood")
		writeError(w, http.StatusInternalServerError, "the answer could not be read")
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// decodeJSON decodes exactly one JSON object; strict refuses unknown fields.
func decodeJSON(body []byte, v any, strict bool) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	if strict {
		dec.DisallowUnknownFields()
	}
	if err := dec.Decode(v); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("empty; send a JSON object")
		}
		return fmt.Errorf("not the JSON that is expected: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// newID makes a random id: a prefix and 16 characters of Crockford's base 32.
func newID(prefix string) string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return prefix + idEncoding.EncodeToString(b[:])
}

// derivedID makes the id that the same parts always make.
func derivedID(prefix string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return prefix + idEncoding.EncodeToString(sum[:10])
}
