package skipping

import (
	"fmt"

	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"
)

// obey does a command of the workflow's; over says that the workflow has ended.
func (l *life) obey(c *commandpb.Command, completed int64) (over bool, err error) {
	switch c.GetCommandType() {
	case enumspb.COMMAND_TYPE_START_TIMER:
		a := c.GetStartTimerCommandAttributes()
		id := l.event(enumspb.EVENT_TYPE_TIMER_STARTED, func(e *historypb.HistoryEvent) {
			e.Attributes = &historypb.HistoryEvent_TimerStartedEventAttributes{TimerStartedEventAttributes: &historypb.TimerStartedEventAttributes{
				TimerId: a.GetTimerId(), StartToFireTimeout: a.GetStartToFireTimeout(), WorkflowTaskCompletedEventId: completed,
			}}
		})
		l.timers[a.GetTimerId()] = timer{l.s.Now().Add(a.GetStartToFireTimeout().AsDuration()), id}
	case enumspb.COMMAND_TYPE_CANCEL_TIMER:
		id := c.GetCancelTimerCommandAttributes().GetTimerId()
		l.event(enumspb.EVENT_TYPE_TIMER_CANCELED, func(e *historypb.HistoryEvent) {
			e.Attributes = &historypb.HistoryEvent_TimerCanceledEventAttributes{TimerCanceledEventAttributes: &historypb.TimerCanceledEventAttributes{
				TimerId: id, StartedEventId: l.timers[id].started, WorkflowTaskCompletedEventId: completed,
			}}
		})
		delete(l.timers, id)
	case enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK:
		a := c.GetScheduleActivityTaskCommandAttributes()
		scheduled := &historypb.ActivityTaskScheduledEventAttributes{
			ActivityId: a.GetActivityId(), ActivityType: a.GetActivityType(), TaskQueue: a.GetTaskQueue(), Input: a.GetInput(), RetryPolicy: a.GetRetryPolicy(),
			StartToCloseTimeout: a.GetStartToCloseTimeout(), HeartbeatTimeout: a.GetHeartbeatTimeout(), WorkflowTaskCompletedEventId: completed,
		}
		id := l.event(enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, func(e *historypb.HistoryEvent) {
			e.Attributes = &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{ActivityTaskScheduledEventAttributes: scheduled}
		})
		if l.Scheduled != nil {
			l.Scheduled(a.GetActivityType().GetName(), func(into any) error {
				return converter.GetDefaultDataConverter().FromPayloads(a.GetInput(), into)
			})
		}
		l.pending = append(l.pending, &pending{scheduled: scheduled, id: id, at: l.s.Now()})
	case enumspb.COMMAND_TYPE_RECORD_MARKER:
		a := c.GetRecordMarkerCommandAttributes()
		l.event(enumspb.EVENT_TYPE_MARKER_RECORDED, func(e *historypb.HistoryEvent) {
			e.Attributes = &historypb.HistoryEvent_MarkerRecordedEventAttributes{MarkerRecordedEventAttributes: &historypb.MarkerRecordedEventAttributes{
				MarkerName: a.GetMarkerName(), Details: a.GetDetails(), Header: a.GetHeader(), Failure: a.GetFailure(), WorkflowTaskCompletedEventId: completed,
			}}
		})
	case enumspb.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
		a := c.GetUpsertWorkflowSearchAttributesCommandAttributes()
		l.event(enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, func(e *historypb.HistoryEvent) {
			e.Attributes = &historypb.HistoryEvent_UpsertWorkflowSearchAttributesEventAttributes{UpsertWorkflowSearchAttributesEventAttributes: &historypb.UpsertWorkflowSearchAttributesEventAttributes{
				SearchAttributes: a.GetSearchAttributes(), WorkflowTaskCompletedEventId: completed,
			}}
		})
	case enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION:
		return true, nil
	case enumspb.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION:
		if len(l.pending) > 0 {
			return false, fmt.Errorf("it continues as new while %s is under way", l.pending[0].scheduled.GetActivityType().GetName())
		}
		l.renew(c.GetContinueAsNewWorkflowExecutionCommandAttributes().GetInput())
	case enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION:
		return true, fmt.Errorf("the workflow failed: %s", c.GetFailWorkflowExecutionCommandAttributes().GetFailure().GetMessage())
	default:
		return false, fmt.Errorf("command %s is not played here", c.GetCommandType())
	}
	return false, nil
}
