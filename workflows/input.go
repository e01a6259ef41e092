package workflows

import (
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
)

// invalid fails a workflow or refuses an update at once, never to be retried.
func invalid(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), records.TypeInvalid, nil)
}

// required answers an error that names the first of name, value pairs that is empty.
func required(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if strings.TrimSpace(pairs[i+1]) == "" {
			return invalid("%s: must be given", pairs[i])
		}
	}
	return nil
}

// applicationError is the refusal of a child workflow, without the wrapping
// that names the child.
func applicationError(err error) error {
	var refusal *temporal.ApplicationError
	if errors.As(err, &refusal) {
		return temporal.NewNonRetryableApplicationError(refusal.Message(), refusal.Type(), nil)
	}
	return err
}

// validate checks that an update says who did it.
func (a Act) validate() error {
	if err := required("by", a.By); err != nil {
		return invalid("by: must say who does it: a contact id, or a name")
	}
	return nil
}

// upsert sets search attributes; a cluster that lacks them fails the workflow
// task, which the operator sees and mends by registering them.
func upsert(ctx workflow.Context, updates ...temporal.SearchAttributeUpdate) error {
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		return fmt.Errorf("set search attributes: %w", err)
	}
	return nil
}
