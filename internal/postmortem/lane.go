package postmortem

// Lane is a row of the timeline's picture: whose doing an event was.
type Lane string

// The lanes, from top to bottom.
const (
	LaneDetection Lane = "detection"
	LanePeople    Lane = "people"
	LaneClients   Lane = "clients"
	LaneRepair    Lane = "repair"
)

// Lanes are all of them in their order.
var Lanes = []Lane{LaneDetection, LanePeople, LaneClients, LaneRepair}

var laneOfKind = map[string]Lane{
	"opened": LaneDetection, "report": LaneDetection, "reported": LaneDetection,
	"alert": LaneDetection, "alerts": LaneDetection, "finding": LaneDetection,
	"sweep": LaneDetection, "progress": LaneDetection, "reopened": LaneDetection,

	"page": LanePeople, "acknowledged": LanePeople, "declined": LanePeople,
	"escalated": LanePeople, "handover": LanePeople, "standdown": LanePeople,
	"note": LanePeople, "severity": LanePeople, "task": LanePeople, "approved": LanePeople,

	"update": LaneClients, "told": LaneClients, "answer": LaneClients,
	"answered": LaneClients, "confirmed": LaneClients, "broadcast": LaneClients,

	"check": LaneRepair, "checked": LaneRepair, "eta": LaneRepair,
	"restored": LaneRepair, "resolved": LaneRepair,
}

// LaneOf is the lane of a kind of entry; what a runbook may add lies with people.
func LaneOf(kind string) Lane {
	if lane, ok := laneOfKind[kind]; ok {
		return lane
	}
	return LanePeople
}
