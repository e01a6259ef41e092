package workflows

import (
	"testing"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/runbooks"
)

// Whoever sends an update, by whatever door, it is refused before it is
// accepted where his role doesn't reach.
func TestUpdatesTakeARole(t *testing.T) {
	roles := map[string]inventory.Role{"viewer": inventory.Viewer, "responder": inventory.Responder, "manager": inventory.Manager}
	rank := map[inventory.Role]int{inventory.Viewer: 1, inventory.Responder: 2, inventory.Manager: 3}
	w := newWorld(t)
	w.watch = never
	w.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{Guarded(func(by string, needs inventory.Role) error {
		if rank[roles[by]] >= rank[needs] {
			return nil
		}
		return &inventory.ForbiddenError{By: by, Has: roles[by], Needs: needs}
	})}})
	gate := runbooks.Step{ID: "gate", Approve: &runbooks.Task{Text: "Power-cycle?"}}
	w.pin(pageStep, gate)
	w.update(time.Second, UpdateNote, NoteUpdate{Act: Act{By: "viewer"}, Text: "x"}).mustBeRefusedLater(t, "viewer is a viewer, and this takes a responder")
	w.update(time.Second, UpdateResolve, ResolveUpdate{Act{By: "viewer"}, "over"}).mustBeRefusedLater(t, "responder")
	w.update(2*time.Second, UpdateNote, NoteUpdate{Act: Act{By: "responder"}, Text: "x"}).mustBeDoneLater(t)
	w.update(3*time.Second, UpdateApprove, ApproveUpdate{Act: Act{By: "responder"}, Step: "gate"}).mustBeRefusedLater(t, "manager")
	w.update(4*time.Second, UpdateApprove, ApproveUpdate{Act: Act{By: "manager"}, Step: "gate"}).mustBeDoneLater(t)
	w.update(time.Minute, UpdateResolve, ResolveUpdate{Act{By: "responder"}, "over"}).mustBeDoneLater(t)
	w.playIncident()
	if s := must[IncidentStatus](w); s.Incident.Status != incident.Resolved || w.count("note") != 1 {
		t.Errorf("it came to %+v, lines %v", s.Incident, w.kinds())
	}
}
