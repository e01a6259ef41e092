package labtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Record writes the history of a workflow to <dir>/<workflow type>/<name>.json,
// as far as it has come, for the replay tests.
func (l *Lab) Record(ctx context.Context, dir, name, workflowID string) error {
	var all history.History
	events := l.Client.GetWorkflowHistory(ctx, workflowID, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return fmt.Errorf("read history of %s: %w", workflowID, err)
		}
		all.Events = append(all.Events, e)
	}
	if len(all.Events) == 0 {
		return fmt.Errorf("history of %s is empty", workflowID)
	}
	started := all.Events[0].GetWorkflowExecutionStartedEventAttributes()
	anonymize(all.ProtoReflect())
	b, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(&all)
	if err != nil {
		return fmt.Errorf("write history of %s: %w", workflowID, err)
	}
	folder := filepath.Join(dir, started.GetWorkflowType().GetName())
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make the folder of histories: %w", err)
	}
	return os.WriteFile(filepath.Join(folder, name+".json"), append(b, '\n'), 0o600)
}

// anonymize takes out what names a machine or its folders; no replay reads it.
func anonymize(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Kind() == protoreflect.StringKind && !f.IsList() && !f.IsMap():
			switch f.Name() {
			case "identity":
				m.Set(f, protoreflect.ValueOfString("vakhta"))
			case "stack_trace", "binary_checksum":
				m.Clear(f)
			}
		case f.IsMap():
			if f.MapValue().Kind() == protoreflect.MessageKind {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					anonymize(v.Message())
					return true
				})
			}
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			for i := range v.List().Len() {
				anonymize(v.List().Get(i).Message())
			}
		case f.Kind() == protoreflect.MessageKind:
			anonymize(v.Message())
		}
		return true
	})
}
