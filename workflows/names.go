// Package workflows holds Vakhta's durable code: what happens next in a report,
// an incident, an escalation, a broadcast, a postmortem. It decides and waits;
// it never touches the world but through activities, and reads no clock but
// Temporal's. One file per workflow, beside its input, result, updates and queries.
//
// Each workflow takes one JSON object that a person can type into the Temporal
// UI; wrong input fails at once with a message that names the field.
//
//	temporal workflow start --task-queue runbooks --type Localize \
//	    --workflow-id localize/romashka/by-hand --input '{"client":"romashka"}'
package workflows

import (
	"strconv"

	"go.temporal.io/sdk/temporal"
)

// Workflow types, as they stand in the Temporal UI.
const (
	TypeIncident      = "Incident"
	TypeLocalize      = "Localize"
	TypeEscalate      = "Escalate"
	TypeInformClients = "InformClients"
	TypeBroadcast     = "Broadcast"
	TypeClientReport  = "ClientReport"
	TypePostmortem    = "Postmortem"
	TypeTriage        = "Triage"
	TypeRemoteHands   = "RemoteHands"
	TypeMaintenance   = "Maintenance"
	TypeWarRoom       = "WarRoom"
)

// Task queues. Probes go to ProbeQueue(vantage).
const (
	QueueRunbooks = "runbooks" // workflows and store activities
	QueueNotify   = "notify"   // providers, rate-limited
)

// ProbeQueue is the task queue of the workers that probe from a vantage.
func ProbeQueue(vantage string) string { return "probe-" + vantage }

// Updates. Each is validated before it is accepted, carries who did it
// (Act), and answers with the new state of its workflow.
const (
	UpdateAcknowledge    = "acknowledge"
	UpdateNote           = "note"
	UpdateChecked        = "checked"
	UpdateRestored       = "restored"
	UpdateSetETA         = "setEta"
	UpdateSetSeverity    = "setSeverity"
	UpdateCompleteTask   = "completeTask"
	UpdateApprove        = "approve"
	UpdateResolve        = "resolve"
	UpdateReopen         = "reopen"
	UpdateDecline        = "decline"
	UpdateHandOver       = "handOver"
	UpdateAssign         = "assign"
	UpdateChanged        = "changed"
	UpdateStop           = "stop"
	UpdateRetarget       = "retarget"
	UpdateEdit           = "edit"
	UpdateAddAction      = "addAction"
	UpdatePublish        = "publish"
	UpdateCompleteAction = "completeAction"
	UpdateVerifyAction   = "verifyAction"
	UpdateAskHands       = "askHands"
	UpdateAnswer         = "answer"
	UpdateCancel         = "cancel"
	UpdateBegin          = "begin"
	UpdateExtend         = "extend"
	UpdateComplete       = "complete"
	UpdateReschedule     = "reschedule"
	UpdateRollBack       = "rollBack"
	UpdateTold           = "told"
)

// Queries.
const (
	QueryStatus   = "status"
	QueryProgress = "progress"
	QueryFindings = "findings"
	QueryAnswer   = "answer"
	QueryDocument = "document"
	QueryGroups   = "groups"
)

// Signals: durable without a live worker. The gateway uses them where a fact
// is already in the store and only its workflow must hear of it.
const (
	SignalAlerts       = "alerts"       // Triage: AlertsSignal
	SignalAcknowledged = "acknowledged" // Escalate: PageAnswer
	SignalDeclined     = "declined"     // Escalate: PageAnswer
	SignalTaken        = "taken"        // Escalate: PageAnswer, somebody of another team has it
	SignalHungUp       = "hungUp"       // Escalate: PageAnswer
	SignalAlive        = "alive"        // Escalate: a sign of life, Act
	SignalReported     = "reported"     // Incident: ReportedSignal
	SignalFound        = "found"        // Incident: FoundSignal
	SignalQuieter      = "quieter"      // Incident: an alert of it has ended
	SignalChanged      = "changed"      // InformClients: ChangedSignal
	SignalStop         = "stop"         // Escalate, InformClients, RemoteHands: StopSignal
	SignalAnswered     = "answered"     // RemoteHands: Act; the answer is in the store
	SignalFollow       = "follow"       // RemoteHands: FollowSignal
	SignalHandsState   = "handsState"   // RemoteHands to its incident: HandsStatus
	SignalProgress     = "progress"     // Localize to its parent: LocalizeProgress
	SignalUpstream     = "upstream"     // Maintenance: UpstreamSignal
	SignalPageState    = "pageState"    // Escalate to its incident: EscalateStatus
	SignalNews         = "news"         // WarRoom: the timeline has new lines
)

// Search attributes, all keywords.
var (
	AttrIncident = temporal.NewSearchAttributeKeyKeyword("VakhtaIncident")
	AttrSite     = temporal.NewSearchAttributeKeyKeyword("VakhtaSite")
	AttrSeverity = temporal.NewSearchAttributeKeyKeyword("VakhtaSeverity")
	AttrClient   = temporal.NewSearchAttributeKeyKeyword("VakhtaClient")
	AttrStatus   = temporal.NewSearchAttributeKeyKeyword("VakhtaStatus")
	AttrRunbook  = temporal.NewSearchAttributeKeyKeyword("VakhtaRunbook")
)

// IncidentID is the workflow id of an incident.
func IncidentID(incident string) string { return "incident/" + incident }

// LocalizeID is the workflow id of the n-th localization of a scope.
func LocalizeID(scope, n string) string { return "localize/" + scope + "/" + n }

// ScheduleSweep is the id of the schedule that starts routine sweeps of the
// whole estate; Temporal adds the time to the id of each.
const ScheduleSweep = "sweep"

// EscalateID is the workflow id of an incident's escalation to a team.
func EscalateID(incident, team string) string { return "escalate/" + incident + "/" + team }

// HandsID is the workflow id of an incident's n-th question to people at a site.
func HandsID(incident string, n int) string { return "hands/" + incident + "/" + strconv.Itoa(n) }

// InformID is the workflow id of the beat of client updates of an incident.
func InformID(incident string) string { return "inform/" + incident }

// BroadcastID is the workflow id of one message to one audience.
func BroadcastID(subject, step string, revision int) string {
	return "broadcast/" + subject + "/" + step + "/" + strconv.Itoa(revision)
}

// WarRoomID is the workflow id of an incident's thread in a room.
func WarRoomID(incident, room string) string { return "room/" + incident + "/" + room }

// ReportID is the workflow id of a client's report.
func ReportID(report string) string { return "report/" + report }

// PostmortemID is the workflow id of an incident's postmortem.
func PostmortemID(incident string) string { return "postmortem/" + incident }

// MaintenanceID is the workflow id of a planned work.
func MaintenanceID(work string) string { return "maintenance/" + work }

// TriageID is the workflow id of a region's triage; a region is a site.
func TriageID(region string) string { return "triage/" + region }
