package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"vakhta/internal/incident"
	"vakhta/workflows"
)

// alertmanagerWebhook is Alertmanager's webhook, version 4 (Grafana's too), as
// far as we use it; unknown fields are ignored.
type alertmanagerWebhook struct {
	TruncatedAlerts int                 `json:"truncatedAlerts"`
	Alerts          []alertmanagerAlert `json:"alerts"`
}

type alertmanagerAlert struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
	Fingerprint string            `json:"fingerprint"`
}

// unknownRegion collects alerts that name nothing in the inventory.
const unknownRegion = "unknown"

const maxSummary = 1024 // bytes

// takeAlertmanager stores every alert of a group, tells Triage, then answers.
// Alertmanager repeats on 5xx and never on 4xx: only what can never become
// right is a 400.
func (g *gateway) takeAlertmanager(w http.ResponseWriter, r *http.Request, body []byte) {
	var hook alertmanagerWebhook
	if err := decodeJSON(body, &hook, false); err != nil {
		writeError(w, http.StatusBadRequest, "body: "+err.Error())
		return
	}
	if len(hook.Alerts) == 0 {
		writeFieldError(w, "alerts", "empty; send at least one")
		return
	}
	alerts := make([]incident.Alert, 0, len(hook.Alerts))
	for i, a := range hook.Alerts {
		alert, field, wrong := g.fromAlertmanager(a)
		if field != "" {
			writeFieldError(w, fmt.Sprintf("alerts[%d].%s", i, field), wrong)
			return
		}
		alerts = append(alerts, alert)
	}
	if hook.TruncatedAlerts > 0 {
		g.log.Warn().Int("truncated", hook.TruncatedAlerts).Msg("alertmanager cut its list: others fire too; raise max_alerts")
	}
	if err := g.acceptAlerts(r.Context(), alerts); err != nil {
		g.log.Error().Err(err).Int("alerts", len(alerts)).Msg("alerts not taken")
		writeError(w, http.StatusServiceUnavailable, "the alerts could not be taken; send them again")
		return
	}
	writeJSON(w, http.StatusAccepted, map[string]int{"alerts": len(alerts)})
}

// fromAlertmanager makes our alert of theirs. Its identity is fingerprint and startsAt.
func (g *gateway) fromAlertmanager(a alertmanagerAlert) (alert incident.Alert, field, wrong string) {
	switch {
	case a.Status != "firing" && a.Status != "resolved":
		return alert, "status", "must be firing or resolved"
	case a.StartsAt.IsZero():
		return alert, "startsAt", "missing; it is part of the alert's identity"
	case a.Fingerprint == "" && len(a.Labels) == 0:
		return alert, "fingerprint", "missing, and there are no labels to make one of"
	}
	if a.Fingerprint == "" {
		a.Fingerprint = fingerprint(a.Labels)
	}
	start := a.StartsAt.UTC()
	key := a.Fingerprint + "/" + start.Format(time.RFC3339Nano)
	alert = incident.Alert{
		ID: derivedID("a", "alertmanager", key), Source: "alertmanager", Key: key,
		Component: g.alertComponent(a.Labels["component"], a.Labels["instance"]),
		Summary:   clip(firstText(a.Annotations["summary"], a.Annotations["description"], a.Labels["alertname"], "alert without a summary"), maxSummary),
		Firing:    a.Status == "firing", Labels: a.Labels, StartsAt: start, ReceivedAt: g.now().UTC(),
	}
	// A firing alert's endsAt is a guess of its sender, or year 1: open.
	if !alert.Firing && !a.EndsAt.IsZero() {
		alert.EndsAt = a.EndsAt.UTC()
	}
	return alert, "", ""
}

// alertComponent finds what an alert speaks of: by id, else by address. Empty
// if the inventory holds neither.
func (g *gateway) alertComponent(id, instance string) string {
	if id != "" {
		if c, ok := g.deps.Inventory.Component(id); ok {
			return c.ID
		}
	}
	if instance == "" {
		return ""
	}
	host, _, err := net.SplitHostPort(instance)
	if err != nil {
		host = strings.Trim(instance, "[]")
	}
	if c, ok := g.deps.Inventory.ComponentByAddress(host); ok {
		return c.ID
	}
	if c, ok := g.deps.Inventory.Component(host); ok {
		return c.ID
	}
	return ""
}

// acceptAlerts makes alerts durable and tells the Triage of each region. What is
// critical is raised in the same breath: its first page leaves beside the word
// to Temporal, which keeps the promise of all that follows. A repeat signals
// again: Triage knows an alert by its id, and the first signal may be what failed.
func (g *gateway) acceptAlerts(ctx context.Context, alerts []incident.Alert) error {
	raised, err := g.keepAlerts(ctx, alerts)
	if err != nil {
		return fmt.Errorf("store %d alerts: %w", len(alerts), err)
	}
	byRegion := map[string][]string{}
	for _, a := range alerts {
		g.metrics.alerts.WithLabelValues(a.Source).Inc()
		region := unknownRegion
		if c, ok := g.deps.Inventory.Component(a.Component); ok && c.Site != "" {
			region = c.Site
		}
		byRegion[region] = append(byRegion[region], a.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for _, in := range raised {
		g.sendFirstPages(ctx, in)
	}
	for _, in := range raised {
		if err := startIncident(ctx, g.deps.Flows, in); err != nil {
			return err
		}
	}
	for _, region := range slices.Sorted(maps.Keys(byRegion)) {
		if err := g.triage.Tell(ctx, region, byRegion[region]); err != nil {
			return err
		}
	}
	return nil
}

// keepAlerts stores alerts; it answers with the incidents that they raise.
func (g *gateway) keepAlerts(ctx context.Context, alerts []incident.Alert) ([]incident.Incident, error) {
	if g.deps.Pager == nil {
		_, err := g.deps.Store.PutAlerts(ctx, alerts)
		return nil, err
	}
	all, err := g.deps.Pager.Raise(ctx, alerts)
	if err != nil {
		return nil, err
	}
	var out []incident.Incident
	for _, r := range all {
		open := r.Opened && r.Incident.Provisional && r.Incident.Status != incident.Resolved
		if open && !slices.ContainsFunc(out, func(in incident.Incident) bool { return in.ID == r.Incident.ID }) {
			out = append(out, r.Incident)
		}
	}
	return out, nil
}

// startIncident starts the workflow of an incident that an alert has raised,
// unless it runs already, or has.
func startIncident(ctx context.Context, f flows, in incident.Incident) error {
	id := workflows.IncidentID(in.ID)
	_, err := f.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       id,
		TaskQueue:                workflows.QueueRunbooks,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		StaticSummary:            clip(in.Title, 180),
		Priority:                 temporal.Priority{PriorityKey: 1},
	}, workflows.TypeIncident, workflows.IncidentInput{Incident: in.ID})
	if err != nil && !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return fmt.Errorf("start %s: %w", id, err)
	}
	return nil
}

func signalTriage(ctx context.Context, f flows, region string, ids []string) error {
	id := workflows.TriageID(region)
	options := client.StartWorkflowOptions{
		ID:                       id,
		TaskQueue:                workflows.QueueRunbooks,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "Groups the alerts of " + region,
		Priority:                 temporal.Priority{PriorityKey: 1},
	}
	if region != unknownRegion {
		options.TypedSearchAttributes = temporal.NewSearchAttributes(workflows.AttrSite.ValueSet(region))
	}
	_, err := f.SignalWithStartWorkflow(ctx, id, workflows.SignalAlerts, workflows.AlertsSignal{IDs: ids},
		options, workflows.TypeTriage, workflows.TriageInput{Region: region})
	if err != nil {
		return fmt.Errorf("signal %s: %w", id, err)
	}
	return nil
}

// fingerprint stands in for a sender that gives none.
func fingerprint(labels map[string]string) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(h, "%s\x00%s\x00", name, labels[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func firstText(texts ...string) string {
	for _, t := range texts {
		if t = strings.Join(strings.Fields(t), " "); t != "" {
			return t
		}
	}
	return ""
}

// clip cuts a text to at most n bytes, on a character's border.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	const mark = "…"
	cut := n - len(mark)
	for cut > 0 && text[cut]&0xC0 == 0x80 {
		cut--
	}
	return text[:cut] + mark
}
