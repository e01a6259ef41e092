package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"time"

	"vakhta/internal/incident"
)

// pagerDutyEvent is PagerDuty's Events API v2, as far as we use it.
type pagerDutyEvent struct {
	RoutingKey  string `json:"routing_key"`
	EventAction string `json:"event_action"`
	DedupKey    string `json:"dedup_key"`
	Payload     struct {
		Summary   string `json:"summary"`
		Source    string `json:"source"`
		Severity  string `json:"severity"`
		Timestamp string `json:"timestamp"`
		Component string `json:"component"`
		Group     string `json:"group"`
		Class     string `json:"class"`
	} `json:"payload"`
}

// pagerDutyAnswer is the answer in PagerDuty's form.
type pagerDutyAnswer struct {
	Status   string   `json:"status"`
	Message  string   `json:"message"`
	DedupKey string   `json:"dedup_key,omitempty"`
	Errors   []string `json:"errors,omitempty"`
}

var pagerDutySeverities = []string{"critical", "error", "warning", "info"}

// takePagerDuty takes an event of the senders that speak to PagerDuty; the
// routing key is our intake token.
func (g *gateway) takePagerDuty(w http.ResponseWriter, r *http.Request, body []byte) {
	invalid := func(errs ...string) {
		writeJSON(w, http.StatusBadRequest, pagerDutyAnswer{Status: "invalid event", Message: "Event object is invalid", Errors: errs})
	}
	var e pagerDutyEvent
	if err := decodeJSON(body, &e, false); err != nil {
		invalid(err.Error())
		return
	}
	want, got := sha256.Sum256([]byte(g.cfg.IntakeToken.Reveal())), sha256.Sum256([]byte(e.RoutingKey))
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		invalid("'routing_key' is not the intake's token")
		return
	}
	if errs := e.validate(); len(errs) > 0 {
		invalid(errs...)
		return
	}
	if e.DedupKey == "" {
		e.DedupKey = newID("d")
	}
	// An acknowledgement in the sender's own tool changes nothing here: nobody
	// of ours has taken the incident by it.
	if e.EventAction != "acknowledge" {
		if err := g.acceptAlerts(r.Context(), []incident.Alert{g.fromPagerDuty(e)}); err != nil {
			g.log.Error().Err(err).Msg("event not taken")
			writeError(w, http.StatusServiceUnavailable, "the event could not be taken; send it again")
			return
		}
	}
	writeJSON(w, http.StatusAccepted, pagerDutyAnswer{Status: "success", Message: "Event processed", DedupKey: e.DedupKey})
}

func (e *pagerDutyEvent) validate() (errs []string) {
	switch e.EventAction {
	case "trigger":
		if e.Payload.Summary == "" {
			errs = append(errs, "'payload.summary' is missing or blank")
		}
		if e.Payload.Source == "" {
			errs = append(errs, "'payload.source' is missing or blank")
		}
		if !slices.Contains(pagerDutySeverities, e.Payload.Severity) {
			errs = append(errs, "'payload.severity' must be one of "+strings.Join(pagerDutySeverities, ", "))
		}
		if e.Payload.Timestamp != "" {
			if _, err := time.Parse(time.RFC3339, e.Payload.Timestamp); err != nil {
				errs = append(errs, "'payload.timestamp' is not RFC 3339")
			}
		}
	case "acknowledge", "resolve":
		if e.DedupKey == "" {
			errs = append(errs, "'dedup_key' is required to "+e.EventAction)
		}
	default:
		errs = append(errs, "'event_action' must be trigger, acknowledge or resolve")
	}
	if len(e.DedupKey) > 255 {
		errs = append(errs, "'dedup_key' is longer than 255 bytes")
	}
	return errs
}

func (g *gateway) fromPagerDuty(e pagerDutyEvent) incident.Alert {
	now := g.now().UTC()
	start := now
	if at, err := time.Parse(time.RFC3339, e.Payload.Timestamp); err == nil {
		start = at.UTC()
	}
	labels := map[string]string{}
	for name, value := range map[string]string{
		"severity": e.Payload.Severity, "source": e.Payload.Source, "component": e.Payload.Component,
		"group": e.Payload.Group, "class": e.Payload.Class,
	} {
		if value != "" {
			labels[name] = clip(value, maxSummary)
		}
	}
	a := incident.Alert{
		ID: derivedID("a", "pagerduty", e.DedupKey), Source: "pagerduty", Key: e.DedupKey,
		Component: g.alertComponent(e.Payload.Component, e.Payload.Source),
		Summary:   clip(firstText(e.Payload.Summary, "resolved"), maxSummary),
		Firing:    e.EventAction == "trigger", Labels: labels, StartsAt: start, ReceivedAt: now,
	}
	if !a.Firing {
		a.EndsAt = now
	}
	return a
}
