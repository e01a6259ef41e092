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
	"opened": LaneDetection, "report": LaneDetection, "reported": LaneDetection, "alert": LaneDetection,
	"finding": LaneDetection, "lost": LaneDetection, "reopened": LaneDetection,

	"page": LanePeople, "acknowledged": LanePeople, "declined": LanePeople, "handed": LanePeople,
	"exhausted": LanePeople, "quiet": LanePeople, "note": LanePeople, "severity": LanePeople,
	"task": LanePeople, "approval": LanePeople, "runbook": LanePeople, "failed": LanePeople,

	"update": LaneClients, "told": LaneClients, "answered": LaneClients,

	"check": LaneRepair, "eta": LaneRepair, "repair": LaneRepair, "restored": LaneRepair, "resolved": LaneRepair,
}

// afterwards are kinds of entry that belong to the record but not to the
// incident: weeks later they would press its picture together.
var afterwards = map[string]bool{"postmortem": true}

// LaneOf is the lane of a kind of entry; what a runbook may add lies with people.
func LaneOf(kind string) Lane {
	if lane, ok := laneOfKind[kind]; ok {
		return lane
	}
	return LanePeople
}
