package workflows

import (
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
)

// TypeForbidden is the error type of an update that its sender may not make.
const TypeForbidden = records.TypeForbidden

// Authority says whether somebody may do what takes a role; the error says why not.
type Authority func(by string, needs inventory.Role) error

// Guarded has the authority asked about every update of every workflow before it
// is accepted, whatever door it came by: the command line, a page, a room's
// command, the Temporal UI. It is never asked again when a history is replayed.
func Guarded(may Authority) interceptor.WorkerInterceptor { return &guard{may: may} }

type guard struct {
	interceptor.WorkerInterceptorBase

	may Authority
}

// InterceptWorkflow implements [interceptor.WorkerInterceptor].
func (g *guard) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &guarded{interceptor.WorkflowInboundInterceptorBase{Next: next}, g.may}
}

type guarded struct {
	interceptor.WorkflowInboundInterceptorBase

	may Authority
}

// ValidateUpdate implements [interceptor.WorkflowInboundInterceptor].
func (g *guarded) ValidateUpdate(ctx workflow.Context, in *interceptor.UpdateInput) error {
	if len(in.Args) == 1 {
		if a, ok := in.Args[0].(interface{ act() Act }); ok && a.act().By != "" {
			if err := g.may(a.act().By, Needs(in.Name)); err != nil {
				return temporal.NewNonRetryableApplicationError(err.Error(), TypeForbidden, err)
			}
		}
	}
	return g.Next.ValidateUpdate(ctx, in)
}

func (a Act) act() Act { return a }

// NeedsToPlan is the role that it takes to plan work. It is no update: the
// first activity of its life asks for the role, and the door before it.
const NeedsToPlan = inventory.Responder

// Needs is the role that an update takes. Managers decide: they pass gates,
// publish and verify what came of an incident. People at a
// site answer what they are asked whoever they are.
func Needs(update string) inventory.Role {
	switch update {
	case UpdateApprove, UpdatePublish, UpdateVerifyAction:
		return inventory.Manager
	case UpdateAnswer, UpdateChanged:
		return inventory.Viewer
	}
	return inventory.Responder
}
